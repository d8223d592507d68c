"""A lane wants a snapshot when it is due, or at rest; the lanes of a worker share its core."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from schemas.erasures import erasure_record
from schemas.events import CLICKSTREAM, INPUTS
from schemas.keyed_names import KeyedNames
from schemas.topics import ERASURES
from streams.clients.kafka_reader import PartitionRecords, TopicRecord
from streams.core.kol.memory import KolMemory
from streams.core.user.memory import UserMemory
from streams.snapshots import OtherKeyError, Pace, run
from streams.snapshots.chunks import capturing
from streams.snapshots.pace import SHARE
from streams.worker.kol_lane import KolLane
from streams.worker.lane_table import LaneTable
from streams.worker.lanes import IDLE_SECONDS, Mute
from streams.worker.restore import in_threads
from streams.worker.user_lane import SKEW_MS, InputEnd, UserLane
from tests.builders import KEY, NAMES, NOON, click, record_batch
from tests.keyed import name as keyed_name

LATER = 1e6
READ_AT = NOON + 1 + SKEW_MS  # beyond the erasure, whatever the clocks


class StubLog:
    """A state log that only captures."""

    whole = False  # the last one

    def capturing(self, arrays: dict[str, NDArray[np.generic]], *, whole: bool) -> object:
        self.whole = whole
        return capturing(arrays, {})


def lane(partition: int = 0, *, due_at: float = LATER) -> UserLane:
    memory = UserMemory(partition, hmac_key=KEY)
    one = UserLane(partition, memory, StubLog(), Pace(due_at), Mute())  # type: ignore[arg-type]
    one.idle_since = 10.0
    return one


def kol_lane(partition: int) -> KolLane:
    return KolLane(partition, KolMemory(partition, 8), StubLog(), Pace(LATER), Mute())  # type: ignore[arg-type]


def test_a_lane_at_rest_is_snapshotted_in_threads_so_that_a_drain_can_end() -> None:
    assert [lane().is_snapshot_due(at) for at in (10.0, 10.0 + IDLE_SECONDS)] == [False, True]


def test_a_lane_at_rest_does_not_spend_more_than_its_share() -> None:
    """A batch now and then would else copy a large memory each time."""
    busy = lane()
    busy.pace.record(now=10.0, work_s=1.0)

    assert [busy.is_snapshot_due(at) for at in (11.0, 10.0 + 1.0 / SHARE)] == [False, True]


def test_a_lane_whose_snapshot_is_being_written_is_not_due() -> None:
    due = lane(due_at=0.0)
    run(due.capturing())
    due.is_dirty = True

    assert not due.is_snapshot_due(LATER)


@pytest.mark.parametrize("partitions", [1, 8])
def test_the_lanes_a_worker_holds_share_its_core(partitions: int) -> None:
    lanes = LaneTable(partitions, 30.0, lambda _: None)
    for partition in range(partitions):
        lanes.add(lane(partition), kol_lane(partition))

    assert sum(one.pace.share for one in lanes) == pytest.approx(SHARE)


def test_a_memory_restored_in_threads_is_the_one_restored_in_turn() -> None:
    arrays = lane().memory.arrays()
    one = UserMemory.restored(arrays, 0, hmac_key=KEY)
    other = UserMemory.restored(arrays, 0, hmac_key=KEY, run=in_threads)

    assert {name: array.tobytes() for name, array in one.arrays().items()} == {
        name: array.tobytes() for name, array in other.arrays().items()
    }


def test_what_goes_wrong_in_one_part_is_raised() -> None:
    arrays: dict[str, NDArray[Any]] = {
        "offsets": np.zeros(5),
        "reached": np.zeros(3),
        "scalars": np.zeros(2),
        "letters": np.array([144], np.uint8),
    }
    with pytest.raises(KeyError):
        UserMemory.restored(arrays, 0, hmac_key=KEY, run=in_threads)


def erasure(at: int = NOON) -> bytes:
    return erasure_record("u1", at, NAMES)[1]


def test_an_erasure_is_no_event_but_worth_a_snapshot() -> None:
    one = lane()
    one.is_dirty = False
    one.fold(record_batch(ERASURES, [erasure()]), 11.0)

    assert one.is_dirty
    assert (one.begun_at, one.unacknowledged.messages) == (None, 0)
    assert one.memory.offsets[ERASURES] == 1


def test_an_erasure_is_safe_and_leaves_no_trace_once_the_inputs_are_read_beyond_it() -> None:
    one = lane()
    one.fold(record_batch(CLICKSTREAM, [click()]), 10.0)
    one.fold(record_batch(ERASURES, [erasure()]), 10.0)
    before = run(one.capturing())
    one.is_dirty = False
    for topic in INPUTS:
        one.mark_read_to({topic: InputEnd(one.offsets[topic] + 1, READ_AT, 0.0)})  # not folded yet
        assert not one.is_dirty
        one.mark_read_to({topic: InputEnd(one.offsets[topic], READ_AT, 0.0)})
    assert one.is_dirty
    after = run(one.capturing())

    assert [before.offsets[ERASURES], after.offsets[ERASURES]] == [0, 1]
    assert [before.capture.arrays["users.lo"].shape, after.capture.arrays["users.lo"].shape] == [
        (1,),
        (0,),
    ]
    assert one.is_purging


def test_what_is_to_be_forgotten_is_known_before_the_first_event() -> None:
    one = lane()
    records = [
        TopicRecord(ERASURES, 0, at, NOON, b"", erasure(), {}, by_broker=True) for at in (3, 7)
    ]
    one.learn_erasures(PartitionRecords(records, 9))

    assert (one.memory.offsets[ERASURES], one.memory.durable_offsets[ERASURES]) == (9, 3)


def record(offset: int, key: bytes, value: bytes | None) -> TopicRecord:
    return TopicRecord(ERASURES, 0, offset, NOON, key, value, {}, by_broker=True)


def test_erasures_under_names_of_another_key_are_refused_before_the_first_event() -> None:
    key, value = erasure_record("u1", NOON, KeyedNames(b"another key"))
    one = lane()

    with pytest.raises(OtherKeyError, match="kol-erasures names users by another KOL_HMAC_KEY"):
        one.learn_erasures(PartitionRecords([record(3, key, value)], 9))
    assert one.memory.offsets[ERASURES] == 0


def test_erasures_of_former_versions_are_to_be_written_anew_once() -> None:
    former = [
        (f"{name}/{NOON}".encode(), f'{{"user":"{name}","at":{NOON}}}'.encode())
        for name in ("1" * 32, "2" * 32)
    ]
    records = [
        *(record(at, *one) for at, one in enumerate(former)),
        record(2, former[0][0], None),  # it was, already
        record(3, *erasure_record("u1", NOON, NAMES)),
    ]
    found = list(lane().former_erasures(PartitionRecords(records, 9)))

    assert [one.former_key for one in found] == [former[1][0]]
    assert [(one.key, one.value) for one in found] == [
        (f"{name}/{NOON}".encode(), f'{{"name":"{name}","at":{NOON},"key":"{own}"}}'.encode())
        for name in [keyed_name(KEY, "user", bytes.fromhex("2" * 32)).hex()]
        for own in [keyed_name(KEY, "check", bytes(16)).hex()]
    ]


def test_while_memory_is_copied_nobody_says_how_far_inputs_are_read() -> None:
    """It would change; a second later it is said again."""
    one = lane()
    ends = {topic: InputEnd(0, READ_AT, LATER) for topic in INPUTS}
    copying = one.capturing()
    next(copying)
    one.mark_read_to(ends)
    one.advance_idle_inputs(ends, 10.0, LATER)
    during = one.read_to, one.is_empty
    run(copying)
    one.mark_read_to(ends)
    one.advance_idle_inputs(ends, 10.0, LATER)

    assert during == (UserMemory(0, hmac_key=KEY).state.read_to[CLICKSTREAM], False)
    assert (one.read_to, one.is_empty) == (READ_AT - SKEW_MS, True)
