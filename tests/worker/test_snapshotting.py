"""When memory is copied and written, and what a failure does."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from schemas.events import PURCHASES
from schemas.partitioner import partition_of
from streams.core.kol.memory import KolMemory
from streams.core.sides import Side
from streams.core.user.memory import UserMemory
from streams.core.user.updates import collect_updates
from streams.snapshots import Pace
from streams.snapshots.chunks import Capture, Steps, capture
from streams.snapshots.statelog import Written
from streams.worker.kol_lane import KolLane
from streams.worker.lanes import Mute
from streams.worker.user_lane import FIRST_SECONDS
from tests.builders import KEY, click, copied, paid, record_batch
from tests.worker.world import IN_FULL, LONG, NOW, StubLog, World, shown


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


async def test_large_copies_that_wait_for_rows_of_events_do_not_heap_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams.worker.snapshotting.COPY_BYTES", 1)
    world = World(begun_at=-LONG, reading=IN_FULL)
    other = world.add_lane(1)
    await world.fold(click(ts=NOW))
    world.time = LONG

    for _ in range(3):
        await world.loop.flush(Side.USER)
        await asyncio.sleep(0)
    while_waiting = world.lane.is_snapshotting, other.is_snapshotting
    await world.loop.flush_events(at_once=True)
    await world.snapshots.wait()
    await world.loop.flush(Side.USER)

    assert while_waiting == (True, False)
    assert other.is_snapshotting
    await world.snapshots.wait()


async def test_a_copy_that_waits_in_vain_holds_up_no_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams.worker.snapshotting.COPY_BYTES", 1)
    world = World(begun_at=-LONG, reading=IN_FULL)
    other = world.add_lane(1)
    await world.fold(click(ts=NOW))
    await world.loop.flush(Side.USER)
    world.time = LONG
    await world.loop.flush(Side.USER)
    world.lanes.remove([0])
    await world.loop.flush_events(at_once=True)
    await world.snapshots.wait()

    await world.loop.flush(Side.USER)

    assert other.is_snapshotting
    await world.snapshots.wait()


async def test_copies_of_the_kol_side_wait_for_no_rows_of_events(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams.worker.snapshotting.COPY_BYTES", 1)
    world = World(begun_at=-LONG, reading=IN_FULL)
    log, pace = StubLog(world.outputs.events), Pace(due_at=0.0)
    kol = KolLane(0, KolMemory(0, 1), log, pace, Mute())  # type: ignore[arg-type]  # a stand-in
    world.lanes.kol[0] = kol
    await world.fold(click(ts=NOW))
    world.time = LONG
    await world.loop.flush(Side.USER)

    await world.loop.flush(Side.KOL)

    assert (world.lane.is_snapshotting, kol.is_snapshotting) == (True, True)
    world.lanes.remove([0])
    await world.loop.flush_events(at_once=True)
    await world.snapshots.wait()


async def test_a_drain_copies_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.worker.snapshotting.COPY_BYTES", 1)
    world = World(begun_at=-LONG)
    world.add_lane(1)
    await world.loop.flush(Side.USER, snapshot=True)

    assert [lane.is_snapshotting for lane in world.lanes.of(Side.USER)] == [True, True]
    await world.snapshots.wait()


async def test_a_large_memory_is_copied_in_turns_and_its_batches_wait_for_the_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is kept is of one moment; others have the loop meanwhile."""
    monkeypatch.setattr("streams.worker.snapshotting.TURN_SECONDS", 0.0)
    world = World(begun_at=-LONG)
    other = world.add_lane(1)
    await world.fold(paid(ts=NOW, order_id="o1"))
    await world.loop.flush(Side.USER)
    before = capture(copied(world.memory.arrays()), {})
    world.time = LONG
    flushing = asyncio.create_task(world.loop.flush(Side.USER))
    await asyncio.sleep(0)
    assert not world.lane.is_copied.is_set()
    folding = asyncio.create_task(world.fold(paid(ts=NOW, order_id="o2"), first_offset=1))

    turns = 0
    while not world.lane.is_copied.is_set():
        await asyncio.wait_for(world.intake.wait_for_copy(Side.USER, other.partition), 1)
        assert not folding.done()
        await asyncio.sleep(0)
        turns += 1
    await asyncio.gather(folding, flushing)
    await world.snapshots.wait()

    assert turns > 1
    assert world.lane.log.taken[0].arrays == before.arrays  # type: ignore[attr-defined]  # a stand-in
    assert world.memory.offsets[PURCHASES] == 2
    assert world.released[0][PURCHASES, 0] == 1


async def test_a_copy_that_is_cut_off_lets_its_batches_go_and_is_due_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams.worker.snapshotting.TURN_SECONDS", 0.0)
    world = World(begun_at=-LONG)
    world.time = LONG
    flushing = asyncio.create_task(world.loop.flush(Side.USER))
    await asyncio.sleep(0)
    assert not world.lane.is_copied.is_set()
    flushing.cancel()
    await asyncio.wait([flushing])

    assert world.lane.is_copied.is_set()
    assert world.lane.is_snapshot_due(LONG)


class KeepingLog(StubLog):
    """A state log from which a memory can be restored."""

    def capturing(self, arrays: Mapping[str, Any], *, whole: bool) -> Steps[Capture]:
        taken = yield from super().capturing(arrays, whole=whole)
        self.kept = copied(arrays)
        return taken


async def test_what_is_folded_while_another_lane_is_copied_is_owed_by_who_restores_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It came too late for the flush before the copies, and its offset is safe with them."""
    monkeypatch.setattr("streams.worker.snapshotting.TURN_SECONDS", 0.0)
    world = World(begun_at=-LONG)
    log = KeepingLog(world.outputs.events)
    other = world.add_lane(1, log=log)
    user = next(f"u{n}" for n in range(99) if partition_of(f"u{n}".encode(), 2) == 1)
    order = paid(ts=NOW, order_id="o1", user_id=user)
    world.time = LONG
    flushing = asyncio.create_task(world.loop.flush(Side.USER))
    await asyncio.sleep(0)
    assert (world.lane.is_copied.is_set(), other.is_copied.is_set()) == (False, True)
    world.intake.fold(Side.USER, record_batch(PURCHASES, [order, b"{"], 1, 2, received_at=NOW))
    await flushing
    await world.snapshots.wait()

    restored = UserMemory.restored(log.kept, 1, hmac_key=KEY)
    owed = collect_updates(restored)
    assert restored.offsets[PURCHASES] == 2
    assert [letter.offset for letter in owed.letters] == [1]
    assert [len(rows) for rows in owed.rows if rows.table == "order_credit"] == [1]
    assert "order_credit" not in world.outputs.events


async def test_how_long_batches_waited_for_copies_is_told() -> None:
    world = World(begun_at=-LONG)
    world.time = LONG
    await world.loop.flush(Side.USER)
    await world.snapshots.wait()

    assert shown(world, "kol_snapshot_copy_seconds_count") == {("user",): 1}
