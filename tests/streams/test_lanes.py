"""A lane wants a snapshot when it is due, or at rest; the lanes of a worker share its core."""

import numpy as np
import pytest
from numpy.typing import NDArray

from streams.core.user_side import UserMemory
from streams.lanes import REST_SECONDS, Lane, Side, at_once, share
from streams.memories import Pace
from streams.memories.chunks import capture
from streams.memories.pace import SHARE

LATER = 1e6


class Log:
    """A state log that only captures."""

    def capture(self, arrays: dict[str, NDArray[np.generic]]) -> object:
        return capture(arrays, {})


def lane(partition: int = 0, *, due_at: float = LATER) -> Lane:
    return Lane(
        side=Side.USER,
        partition=partition,
        memory=UserMemory(partition, hmac_key=b"key"),
        log=Log(),  # type: ignore[arg-type]  # a stand-in
        mute_until={},
        muted_at=0.0,
        pace=Pace(due_at),
        begun_at=None,
        idle_since=10.0,
    )


def test_a_lane_at_rest_is_snapshotted_at_once_so_that_a_drain_can_end() -> None:
    assert [lane().is_due(at) for at in (10.0, 10.0 + REST_SECONDS)] == [False, True]


def test_a_lane_at_rest_does_not_spend_more_than_its_share() -> None:
    """A batch now and then would else copy a large memory each time."""
    busy = lane()
    busy.pace.taken(now=10.0, work_s=1.0)

    assert [busy.is_due(at) for at in (11.0, 10.0 + 1.0 / SHARE)] == [False, True]


def test_a_lane_whose_snapshot_is_being_written_is_not_due() -> None:
    due = lane(due_at=0.0)
    due.taken()
    due.is_dirty = True

    assert not due.is_due(LATER)


@pytest.mark.parametrize("partitions", [1, 8])
def test_the_lanes_a_worker_holds_share_its_core(partitions: int) -> None:
    lanes = [lane(number % partitions) for number in range(2 * partitions)]
    share(lanes)

    assert sum(one.pace.share for one in lanes) == pytest.approx(SHARE)


def test_a_memory_restored_at_once_is_the_one_restored_in_turn() -> None:
    arrays = lane().memory.arrays()
    one = UserMemory.restored(arrays, 0, hmac_key=b"key")
    other = UserMemory.restored(arrays, 0, hmac_key=b"key", run=at_once)

    assert {name: array.tobytes() for name, array in one.arrays().items()} == {
        name: array.tobytes() for name, array in other.arrays().items()
    }


def test_what_goes_wrong_in_one_part_is_raised() -> None:
    with pytest.raises(KeyError):
        UserMemory.restored(
            {"offsets": np.zeros(3), "scalars": np.zeros(2), "letters": np.array([144], np.uint8)},
            0,
            hmac_key=b"key",
            run=at_once,
        )
