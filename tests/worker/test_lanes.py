"""A lane wants a snapshot when it is due, or at rest; the lanes of a worker share its core."""

import numpy as np
import pytest
from numpy.typing import NDArray

from schemas.erasures import record
from schemas.events import CLICKSTREAM, INPUTS
from schemas.topics import ERASURES
from streams.clients.kafka_reader import Entry, Whole
from streams.core.sides import Side
from streams.core.user.memory import UserMemory
from streams.snapshots import Pace
from streams.snapshots.chunks import capture
from streams.snapshots.pace import SHARE
from streams.worker.lanes import REST_SECONDS, Lane, at_once, share
from tests.builders import NOON, click, record_batch

LATER = 1e6


class Log:
    """A state log that only captures."""

    whole = False  # the last one

    def capture(self, arrays: dict[str, NDArray[np.generic]], *, whole: bool) -> object:
        self.whole = whole
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


def erasure(at: int = NOON) -> bytes:
    return record("u1", at)[1]


def test_an_erasure_is_no_event_but_worth_a_snapshot() -> None:
    one = lane()
    one.is_dirty = False
    one.fold(record_batch(ERASURES, [erasure()]), 11.0)

    assert one.is_dirty
    assert (one.begun_at, one.waits.messages) == (None, 0)
    assert one.memory.offsets[ERASURES] == 1


def test_an_erasure_is_safe_and_leaves_no_trace_once_the_inputs_are_read_beyond_it() -> None:
    one = lane()
    one.fold(record_batch(CLICKSTREAM, [click()]), 10.0)
    one.fold(record_batch(ERASURES, [erasure()]), 10.0)
    before = one.taken()
    one.is_dirty = False
    for topic in INPUTS:
        one.reach(topic, one.memory.offsets[topic] + 1, NOON + 1)  # not folded yet
        assert not one.is_dirty
        one.reach(topic, one.memory.offsets[topic], NOON + 1)
    assert one.is_dirty
    after = one.taken()

    assert [before.offsets[ERASURES], after.offsets[ERASURES]] == [0, 1]
    assert [before.capture.arrays["users.lo"].shape, after.capture.arrays["users.lo"].shape] == [
        (1,),
        (0,),
    ]
    assert one.purging


def test_what_is_to_be_forgotten_is_known_before_the_first_event() -> None:
    one = lane()
    entries = [Entry(ERASURES, 0, at, NOON, b"", erasure(), {}, by_broker=True) for at in (3, 7)]
    one.forget(Whole(entries, 9))

    assert isinstance(one.memory, UserMemory)
    assert (one.memory.offsets[ERASURES], one.memory.safe_offsets[ERASURES]) == (9, 3)
