"""The rhythm of a worker: what is owed stays owed, and nothing is safe before its time."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from schemas.blocks import Block, pack
from schemas.cells import NAMES
from schemas.columns import RecordBatch, Rejected
from schemas.events import CLICKSTREAM, INPUTS, PURCHASES
from schemas.rows import Rows
from schemas.topics import CELLS
from streams.core.kol.memory import KolMemory
from streams.core.kol.sums import WIDTH, scores
from streams.core.moments import HORIZON_MS
from streams.core.sides import Side
from streams.core.user.memory import UserMemory
from streams.snapshots import Pace
from streams.snapshots.chunks import Capture, capture
from streams.snapshots.statelog import Written
from streams.worker.backpressure import Backpressure, Capacity
from streams.worker.flush import FlushLoop
from streams.worker.intake import Intake, export_counts
from streams.worker.kol_lane import KolLane
from streams.worker.lane_table import LaneTable
from streams.worker.lanes import Mute
from streams.worker.pending import PendingFlushes
from streams.worker.snapshotting import SnapshotWriter
from streams.worker.telemetry import TENTHS, Telemetry
from streams.worker.user_lane import FIRST_SECONDS, InputEnd, UserLane
from tests.builders import click, decoded, paid, record_batch, refund

NOW = 1_790_000_000_000
WIDE = Capacity(400_000, 1 << 27)
LONG = 60.0  # seconds ago: a partition that has not just begun


class FakeOutputs:
    """Ways out that can be shut."""

    def __init__(self) -> None:
        self.is_shut = False
        self.events: list[str] = []
        self.sent: list[int] = []

    async def write_rows(self, rows: Rows) -> None:
        if self.is_shut:
            raise ConnectionError
        self.events.append(rows.table)

    async def send_blocks(self, blocks: Sequence[tuple[int, bytes]]) -> None:
        self.sent += [target for target, _ in blocks]

    async def send_letters(self, letters: Sequence[Rejected]) -> None:
        self.events += [letter.reason for letter in letters]


class StubLog:
    """A state log that remembers when it was written."""

    def __init__(self, events: list[str]) -> None:
        self.events = events

    def capture(self, arrays: Mapping[str, Any], *, whole: bool) -> Capture:
        return capture(dict(arrays), {}, whole=whole)

    async def write(self, taken: Capture, offsets: Mapping[str, int]) -> Written:
        assert offsets
        self.events.append("snapshot")
        return Written(1, taken.changed_bytes, taken.size, 0.0)


class FullLog(StubLog):
    """A state log that finds no room for a copy."""

    def capture(self, *_: object, **__: object) -> Capture:
        raise MemoryError


class World:
    """One user lane with everything around it."""

    def __init__(
        self,
        mute_until: dict[str, int] | None = None,
        begun_at: float | None = None,
        capacity: Capacity = WIDE,
    ) -> None:
        self.time = 0.0
        self.outputs = FakeOutputs()
        self.released: list[dict[tuple[str, int], int]] = []
        self.crashes: list[BaseException] = []
        self.telemetry = Telemetry(now_ms=lambda: NOW)
        self.lanes = LaneTable(1, 30.0, self.crashes.append, clock=lambda: self.time)
        pending = PendingFlushes()
        self.backpressure = Backpressure(capacity, self.lanes, pending, self.telemetry)
        self.intake = Intake(self.lanes, self.backpressure, self.telemetry)
        self.snapshots = SnapshotWriter(
            self.lanes, self.telemetry, lambda offsets: self.released.append(dict(offsets))
        )
        self.loop = FlushLoop(
            self.lanes,
            pending,
            self.outputs,  # type: ignore[arg-type]  # a stand-in
            self.snapshots,
            self.backpressure,
            self.telemetry,
        )
        self.lane = self.add_lane(0, begun_at, mute_until)
        self.memory = self.lane.memory

    def add_lane(
        self,
        partition: int,
        begun_at: float | None = -LONG,
        mute_until: dict[str, int] | None = None,
        memory: UserMemory | None = None,
    ) -> UserLane:
        lane = UserLane(
            partition,
            memory or UserMemory(partition, hmac_key=b"key"),
            StubLog(self.outputs.events),  # type: ignore[arg-type]  # a stand-in
            Pace(due_at=5.0),
            Mute(mute_until or {}),
            begun_at,
        )
        self.lanes.user[partition] = lane
        return lane

    async def fold(self, *events: dict[str, Any], first_offset: int = 0) -> None:
        topic = PURCHASES if "kind" in events[0] else CLICKSTREAM
        batch = record_batch(topic, list(events), first_offset=first_offset, received_at=NOW)
        await self.backpressure.wait_for_capacity()
        self.intake.fold(Side.USER, batch)


def silent(world: World, **given: int) -> dict[str, InputEnd]:
    """Inputs that are all read to their end and silent for a minute; where they ended."""
    ends = {topic.replace("-", "_"): topic for topic in INPUTS}
    offsets = dict(world.memory.offsets) | {ends[name]: at for name, at in given.items()}
    return {topic: InputEnd(offsets[topic], NOW, LONG) for topic in INPUTS}


async def test_a_batch_is_stated_first_and_safe_only_after_its_snapshot() -> None:
    world = World(begun_at=-LONG)
    await world.fold(paid(ts=NOW, order_id="o1", pay_cents=500))

    await world.loop.flush(Side.USER)
    stated, safe = list(world.outputs.events), list(world.released)
    await world.loop.flush(Side.USER, snapshot=True)
    await world.snapshots.wait()

    assert "order_credit" in stated
    assert not safe
    assert world.outputs.events[-1] == "snapshot"
    assert world.released[-1][PURCHASES, 0] == 1


async def test_what_could_not_be_sent_is_owed_and_nothing_of_it_is_safe() -> None:
    world = World(begun_at=-LONG)
    await world.fold(paid(ts=NOW, order_id="o1", pay_cents=500))
    world.outputs.is_shut = True

    with pytest.raises(ConnectionError):
        await world.loop.flush(Side.USER, snapshot=True)
    before = list(world.released)
    world.outputs.is_shut = False
    await world.loop.flush(Side.USER, snapshot=True)
    await world.snapshots.wait()

    assert not before
    assert world.outputs.events.count("order_credit") == 1
    assert world.released[-1][PURCHASES, 0] == 1


async def test_what_was_to_be_said_is_owed_also_when_memory_cannot_be_copied() -> None:
    """A drain that fails ends no worker: the memories that stay go on with what they know."""
    world = World(begun_at=-LONG)
    other = world.add_lane(1)
    await world.fold(paid(ts=NOW, order_id="o1", pay_cents=500))
    copied = StubLog(world.outputs.events)
    other.log = FullLog(world.outputs.events)  # type: ignore[assignment]  # a stand-in

    with pytest.raises(MemoryError):
        await world.loop.flush(Side.USER, snapshot=True)
    other.log = copied  # type: ignore[assignment]  # as above
    await world.loop.flush(Side.USER, snapshot=True)
    await world.snapshots.wait()

    assert world.outputs.events.count("order_credit") == 1
    assert world.outputs.events.count("snapshot") == 2


async def test_memories_of_which_one_cannot_speak_are_thrown_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The others have told what changed, and nobody has taken it."""
    world = World(begun_at=-LONG)
    dumb = UserMemory(1, hmac_key=b"key")
    monkeypatch.setattr(dumb, "collect_updates", FullLog(world.outputs.events).capture)
    world.add_lane(1, memory=dumb)
    await world.fold(paid(ts=NOW, order_id="o1", pay_cents=500))

    with pytest.raises(MemoryError):
        await world.loop.flush(Side.USER, snapshot=True)
    await world.loop.flush(Side.USER, snapshot=True)
    await world.snapshots.wait()

    assert [type(error) for error in world.crashes] == [MemoryError]
    assert not world.released


async def test_after_a_restore_nothing_is_said_until_the_dead_run_is_overtaken() -> None:
    world = World(mute_until={CLICKSTREAM: 2})
    await world.fold(click(ts=NOW, event_id="a"))
    await world.loop.flush(Side.USER, snapshot=True)
    silent = list(world.outputs.events)

    await world.fold(click(ts=NOW, event_id="b"), first_offset=1)
    await world.loop.flush(Side.USER)

    assert not silent
    assert "door_count" in world.outputs.events


async def test_who_is_mute_does_not_wait_for_the_end_of_a_transaction_that_is_no_record() -> None:
    world = World(mute_until={CLICKSTREAM: 2, PURCHASES: 1}, begun_at=-LONG)
    await world.fold(click(ts=NOW))
    world.lane.mark_read_to({CLICKSTREAM: InputEnd(1, NOW, LONG)})
    await world.loop.flush(Side.USER)
    silent = list(world.outputs.events)

    world.lane.mark_read_to({PURCHASES: InputEnd(1, NOW, LONG)})  # handed out, not folded yet
    await world.loop.flush(Side.USER)
    still_silent = list(world.outputs.events)
    world.lane.mark_read_to({PURCHASES: InputEnd(0, NOW, LONG)})
    await world.loop.flush(Side.USER)

    assert not silent + still_silent
    assert "door_count" in world.outputs.events


async def test_a_mute_lane_speaks_after_its_time_even_when_it_is_still_behind() -> None:
    world = World(mute_until={CLICKSTREAM: 1_000})
    await world.fold(click(ts=NOW))
    world.time = 30.0

    await world.loop.flush(Side.USER)

    assert "door_count" in world.outputs.events


async def test_a_partition_that_comes_to_rest_is_kept_at_once() -> None:
    world = World(begun_at=-LONG)
    await world.fold(click(ts=NOW))
    world.time = 0.4

    await world.loop.flush(Side.USER)
    await world.snapshots.wait()

    assert world.released


async def test_a_failed_snapshot_ends_the_worker() -> None:
    world = World(begun_at=-LONG)
    await world.fold(click(ts=NOW))

    async def fenced(*_: object) -> Written:
        raise RuntimeError("fenced")

    world.lane.log.write = fenced  # type: ignore[assignment,method-assign]  # a stand-in
    await world.loop.flush(Side.USER, snapshot=True)
    await world.snapshots.wait()

    assert [str(error) for error in world.crashes] == ["fenced"]
    assert not world.released


async def test_a_batch_of_nobodys_partition_is_left_alone() -> None:
    world = World()
    export_counts(world.lanes.remove({0}), world.telemetry)

    await world.fold(click(ts=NOW))

    assert world.intake.messages == 0


async def test_a_batch_that_was_folded_before_is_left_alone() -> None:
    world = World()
    await world.fold(click(ts=NOW))

    await world.fold(click(ts=NOW))

    assert world.intake.messages == 1


@pytest.mark.parametrize(
    "capacity", [Capacity(1, 1 << 27), Capacity(400_000, 100)], ids=["count", "size"]
)
async def test_folding_waits_while_too_much_is_unstated(capacity: Capacity) -> None:
    world = World(capacity=capacity)
    await world.fold(click(ts=NOW, event_id="a"), click(ts=NOW, event_id="b"))

    waiting = asyncio.create_task(world.fold(click(ts=NOW, event_id="c"), first_offset=2))
    await asyncio.sleep(0)
    read = world.intake.messages
    await world.loop.flush(Side.USER)
    await waiting

    assert read == 2
    assert world.intake.messages == 3


async def test_what_waits_is_counted_in_messages_and_bytes_until_it_is_acknowledged() -> None:
    world = World(begun_at=-LONG)
    events = [click(ts=NOW, event_id="a"), click(ts=NOW, event_id="b")]
    size = sum(len(value or b"") for value in record_batch(CLICKSTREAM, events).values)
    await world.fold(*events)
    folded = world.backpressure.unacknowledged()

    world.outputs.is_shut = True
    with pytest.raises(ConnectionError):
        await world.loop.flush(Side.USER)
    owed = world.backpressure.unacknowledged()
    world.outputs.is_shut = False
    await world.loop.flush(Side.USER)

    assert folded == owed == (2, size)
    assert world.backpressure.unacknowledged() == (0, 0)


async def test_letters_as_large_as_the_bound_close_the_way_in_until_they_are_safe() -> None:
    world = World(begun_at=-LONG, capacity=Capacity(400_000, 1_000))
    world.outputs.is_shut = True
    await world.fold(click(ts=NOW, event="a kind nobody knows", note="x" * 1_000))
    shut = world.backpressure.paused_s
    with pytest.raises(ConnectionError):
        await world.loop.flush(Side.USER)
    still = world.backpressure.paused_s
    world.outputs.is_shut = False
    await world.loop.flush(Side.USER)

    assert shut is not None
    assert still is not None
    assert world.backpressure.paused_s is None
    assert "unknown_kind" in world.outputs.events


async def test_a_mute_lane_speaks_early_when_too_much_waits() -> None:
    world = World(mute_until={CLICKSTREAM: 1_000}, capacity=Capacity(1, 1 << 27))
    await world.fold(click(ts=NOW, event_id="a"), click(ts=NOW, event_id="b"))

    await world.loop.flush(Side.USER)

    assert "door_count" in world.outputs.events
    assert world.backpressure.paused_s is None


async def test_the_time_that_folding_waited_is_told() -> None:
    world = World(begun_at=-LONG, capacity=Capacity(1, 1 << 27))
    await world.fold(click(ts=NOW, event_id="a"), click(ts=NOW, event_id="b"))
    world.time = 3.0
    world.intake.export_metrics()
    meanwhile = world.telemetry.exposition().decode()
    world.time = 5.0
    await world.loop.flush(Side.USER)
    world.time = 9.0
    world.intake.export_metrics()
    told = world.telemetry.exposition().decode()

    assert "kol_backpressure_seconds_total 3.0" in meanwhile
    assert "kol_waiting_messages 2.0" in meanwhile
    assert "kol_backpressure_seconds_total 5.0" in told
    assert "kol_waiting_messages 0.0" in told


def shown(world: World, name: str) -> dict[tuple[str, ...], float]:
    """The series of a metric that are not 0, by their labels' values in order of their names."""
    world.intake.export_metrics()
    text = world.telemetry.exposition().decode()
    lines = [line.rpartition(" ") for line in text.splitlines() if line.startswith(f"{name}{{")]
    told = {tuple(re.findall(r'"([^"]*)"', labels)): float(value) for labels, _, value in lines}
    return {labels: value for labels, value in told.items() if value}


async def test_doors_and_refusals_add_up_to_the_messages_that_were_read() -> None:
    world = World()
    good, late = click(ts=NOW), click(ts=NOW - HORIZON_MS - 1, event_id="late")
    batch = record_batch(CLICKSTREAM, [good, good, late, b"{", None], received_at=NOW)
    world.intake.fold(Side.USER, batch)

    doors = shown(world, "kol_events_total")
    refusals = shown(world, "kol_rejected_total")

    assert doors == {(d, CLICKSTREAM): 1 for d in ("written", "duplicate", "too_late")}
    assert refusals == {(r, CLICKSTREAM): 1 for r in ("not_json", "null_value")}
    assert shown(world, "kol_read_messages_total") == {(CLICKSTREAM,): 5}


async def test_what_a_partition_counted_stays_when_it_goes_elsewhere() -> None:
    """Else a rate would take the rest for all that happened since a restart."""
    world = World()
    await world.fold(click(ts=NOW, event_id="a"), click(ts=NOW, event_id="b"))
    export_counts(world.lanes.remove({0}), world.telemetry)

    assert shown(world, "kol_events_total") == {("written", CLICKSTREAM): 2}


async def test_what_others_counted_before_a_partition_came_is_not_told_again() -> None:
    world = World()
    memory = UserMemory(0, hmac_key=b"key")
    memory.fold(decoded(CLICKSTREAM, [click(ts=NOW, event_id="a")]))
    world.add_lane(0, begun_at=None, memory=memory)
    await world.fold(click(ts=NOW, event_id="a"), first_offset=1)

    assert shown(world, "kol_events_total") == {("duplicate", CLICKSTREAM): 1}


async def test_a_counter_that_an_order_may_take_back_is_no_counter_for_prometheus() -> None:
    world = World(begun_at=-LONG)
    await world.fold(refund("o1", 100, ts=NOW))
    await world.loop.flush(Side.USER)

    assert shown(world, "kol_counted_total") == {}


async def test_what_limits_left_out_is_a_counter() -> None:
    world = World()
    memory = UserMemory(0, hmac_key=b"key", name_limit=1)
    world.add_lane(0, begun_at=None, memory=memory)
    await world.fold(click(ts=NOW), click(ts=NOW, kol_id="k2"))

    assert shown(world, "kol_counted_total") == {("name_limit", CLICKSTREAM): 1}


async def test_messages_that_are_handed_in_again_are_counted_as_skipped() -> None:
    world = World()
    await world.fold(click(ts=NOW, event_id="a"), click(ts=NOW, event_id="b"))
    await world.fold(click(ts=NOW, event_id="a"), click(ts=NOW, event_id="b"))

    assert shown(world, "kol_duplicates_skipped_total") == {(CLICKSTREAM,): 2}
    assert shown(world, "kol_events_total") == {("written", CLICKSTREAM): 2}


async def test_blocks_and_the_trust_of_the_rows_they_make_are_told() -> None:
    """Nobody judged either: both have the trust of no evidence."""
    world = World()
    memory = KolMemory(0, 1)
    log, mute = StubLog(world.outputs.events), Mute()
    world.lanes.kol[0] = KolLane(0, memory, log, Pace(5.0), mute)  # type: ignore[arg-type]
    nothing = np.zeros(2, np.int64)
    minute = NOW // 60_000
    cells = (nothing.astype(np.uint16), ["a", "b"], np.arange(2, dtype=np.int32), nothing + minute)
    fields = np.zeros((2, len(NAMES)), np.int64)
    block = Block({0: NOW + 120_000}, {0: 1}, *cells, fields, nothing.astype(np.uint64) + 1)
    batch = RecordBatch(CELLS, 0, 1, 0, 1, [pack(block)], np.array([0]), np.array([NOW]))
    world.intake.fold(Side.KOL, batch)
    await world.loop.flush(Side.KOL)

    counts = world.telemetry.trust.counts
    unjudged, _ = scores(np.zeros((1, WIDTH)))

    assert shown(world, "kol_counted_total") == {("blocks", CELLS): 1, ("cells", CELLS): 2}
    assert counts[np.searchsorted(TENTHS, unjudged.score[0])] == counts.sum() == 2


async def test_watermarks_go_to_the_kol_side_when_they_move_and_only_then() -> None:
    world = World()
    await world.fold(click(ts=NOW))

    await world.loop.flush(Side.USER)
    await world.loop.flush(Side.USER)

    assert world.outputs.sent == [0]


async def test_an_empty_topic_holds_the_watermark_until_it_was_quiet_long_enough() -> None:
    world = World(begun_at=None)
    await world.fold(click(ts=NOW))
    world.time = 9.0
    world.lane.advance_idle_inputs(silent(world), 10.0, world.time)
    held = world.lane.watermark(world.time)

    world.time = 10.0
    world.lane.advance_idle_inputs(silent(world), 10.0, world.time)

    assert held is None
    assert world.lane.watermark(world.time) == NOW


async def test_a_topic_whose_last_batch_still_waits_to_be_folded_is_not_quiet() -> None:
    """Or what waits for the sink, or was thrown away in a rebalance, would come too late."""
    world = World(begun_at=-LONG)
    await world.fold(click(ts=NOW))

    world.lane.advance_idle_inputs(silent(world, purchases=1), 10.0, world.time)
    waits = world.memory.greatest_time(PURCHASES)
    await world.fold(paid(ts=NOW - 3 * HORIZON_MS, order_id="o1", pay_cents=500))
    world.lane.advance_idle_inputs(silent(world, purchases=1), 10.0, world.time)

    assert waits is None
    assert world.memory.door_counts[PURCHASES, "written"] == 1
    assert world.memory.greatest_time(PURCHASES) == NOW


async def test_how_far_a_quiet_topic_was_raised_is_kept() -> None:
    """Or the same event would come too late before a restart and be accepted after it."""
    world = World(begun_at=-LONG)
    await world.fold(click(ts=NOW))
    await world.loop.flush(Side.USER, snapshot=True)
    await world.snapshots.wait()
    before = world.outputs.events.count("snapshot")

    for _ in range(2):  # the second time nothing moves
        world.lane.advance_idle_inputs(silent(world), 10.0, world.time)
        await world.loop.flush(Side.USER, snapshot=True)
        await world.snapshots.wait()

    assert world.outputs.events.count("snapshot") == before + 1


async def test_a_topic_is_quiet_only_after_so_many_seconds() -> None:
    world = World(begun_at=-LONG)
    await world.fold(click(ts=NOW))
    ended = {topic: replace(end, quiet_s=9.9) for topic, end in silent(world).items()}

    world.lane.advance_idle_inputs(ended, 10.0, world.time)

    assert world.memory.greatest_time(PURCHASES) is None


async def test_a_partition_whose_first_batch_still_waits_is_not_empty() -> None:
    world = World(begun_at=None)

    world.lane.advance_idle_inputs(silent(world, clickstream=1), 10.0, world.time)

    assert not world.lane.is_empty


async def test_a_partition_that_has_just_begun_is_safe_only_with_its_first_watermark() -> None:
    world = World(begun_at=None)
    await world.fold(click(ts=NOW))

    world.time = 1.9
    await world.loop.flush(Side.USER, snapshot=True)
    await world.snapshots.wait()
    early = list(world.released)
    world.time = 2.0
    await world.loop.flush(Side.USER, snapshot=True)
    await world.snapshots.wait()

    assert not early
    assert world.released


async def test_a_partition_without_any_event_holds_nobody_but_speaks_when_it_begins() -> None:
    world = World(begun_at=None)
    await world.loop.flush(Side.USER)
    unsaid = list(world.outputs.sent)

    world.lane.advance_idle_inputs(silent(world), 10.0, world.time)
    await world.loop.flush(Side.USER)
    empty = world.loop._announced[0]
    await world.fold(click(ts=NOW))
    await world.loop.flush(Side.USER)

    assert not unsaid
    assert empty is None
    assert world.loop._announced[0] == 0


async def test_the_wait_from_append_to_row_is_counted_once_a_message() -> None:
    world = World()
    await world.fold(click(ts=NOW, event_id="a"), click(ts=NOW, event_id="b"))

    await world.loop.flush(Side.USER)
    await world.loop.flush(Side.USER)

    assert int(np.sum(world.telemetry.latencies.counts)) == 2


@pytest.mark.parametrize("snapshot", [False, True])
async def test_a_partition_that_has_just_begun_is_not_safe_before_its_watermark_is_told(
    *, snapshot: bool
) -> None:
    world = World()
    await world.fold(paid(ts=NOW, order_id="o1", pay_cents=500))
    world.time = FIRST_SECONDS - 0.1  # at rest, and due for a snapshot since REST_SECONDS
    await world.loop.flush(Side.USER, snapshot=snapshot)
    await world.snapshots.wait()
    early = list(world.released)

    world.time = FIRST_SECONDS
    await world.loop.flush(Side.USER, snapshot=snapshot)
    await world.snapshots.wait()

    assert not early
    assert world.released[-1][PURCHASES, 0] == 1


async def test_large_memories_are_copied_one_a_round_so_that_batches_come_between(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams.worker.snapshotting.COPY_BYTES", 1)
    world = World(begun_at=-LONG)
    world.add_lane(1)
    world.time = LONG
    kept = []
    for _ in range(2):
        await world.loop.flush(Side.USER)
        kept.append([lane.is_snapshotting for lane in world.lanes.of(Side.USER)])
        await world.snapshots.wait()

    assert kept == [[True, False], [False, True]]


async def test_a_drain_copies_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.worker.snapshotting.COPY_BYTES", 1)
    world = World(begun_at=-LONG)
    world.add_lane(1)
    await world.loop.flush(Side.USER, snapshot=True)

    assert [lane.is_snapshotting for lane in world.lanes.of(Side.USER)] == [True, True]
    await world.snapshots.wait()
