"""Rows of `event` leave in flushes of their own, and nothing is durable before them."""

import asyncio
from itertools import count

import pytest

from schemas.events import CLICKSTREAM, PURCHASES
from streams.core.sides import Side
from streams.worker import event_flushes
from streams.worker.backpressure import Capacity
from tests.builders import click, paid
from tests.worker.world import EVENTS_S, IN_FULL, LONG, NOW, World, shown


def world_of(**given: object) -> World:
    world = World(begun_at=-LONG, reading=IN_FULL, **given)  # type: ignore[arg-type]
    world.time = 100.0
    return world


async def test_rows_of_events_do_not_leave_with_those_of_orders() -> None:
    world = world_of()
    await world.fold(click(ts=NOW))
    await world.fold(paid(ts=NOW))

    await world.loop.flush(Side.USER)
    before = list(world.outputs.events)
    await world.loop.flush_events(at_once=True)

    assert "order_credit" in before
    assert "event" not in before
    assert world.outputs.events[len(before) :] == ["event"]


async def test_they_leave_when_it_is_time() -> None:
    world = world_of()
    for _ in range(12):
        await world.fold(
            click(ts=NOW, event_id=str(world.time)), first_offset=world.intake.messages
        )
        await world.loop.flush_events()
        world.time += EVENTS_S / 4

    assert world.outputs.events == ["event"] * 3


async def test_they_leave_earlier_where_no_more_are_to_come() -> None:
    world = world_of()
    await world.loop.flush_events(at_once=True)
    await world.fold(click(ts=NOW))
    await world.loop.flush_events()
    at_once = list(world.outputs.events)
    world.time += EVENTS_S / 2

    await world.loop.flush_events()

    assert not at_once
    assert world.outputs.events == ["event"]


async def test_where_reading_is_behind_they_leave_once_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody waits for them then, and each insert costs the engine something."""
    world = world_of(events_s=0.25)
    monkeypatch.setattr(world.telemetry, "_now_ms", lambda: NOW + 1_001)
    left = []
    for number in range(8):  # one in a quarter of a second
        await world.fold(click(ts=NOW, event_id=str(number)), first_offset=number)
        await world.loop.flush(Side.USER)
        world.outputs.events.clear()
        await world.loop.flush_events()
        left += [number for table in world.outputs.events if table == "event"]
        world.time += 0.25

    assert left == [0, 4]


async def test_they_leave_earlier_where_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_flushes, "MANY", 2)
    world = world_of()
    await world.loop.flush_events(at_once=True)
    number = count()
    for _ in range(2):
        await world.fold(click(ts=NOW, event_id=str(next(number))), first_offset=next(number))
        await world.loop.flush_events()

    assert world.outputs.events == ["event"]


async def test_nothing_is_safe_before_its_rows_are_written() -> None:
    world = world_of()
    await world.fold(click(ts=NOW))
    await world.loop.flush(Side.USER, snapshot=True)
    await asyncio.sleep(0)
    before = list(world.released)

    await world.loop.flush_events(at_once=True)
    await world.snapshots.wait()

    assert not before
    assert world.outputs.events[-2:] == ["event", "snapshot"]
    assert world.released[-1][CLICKSTREAM, 0] == 1


async def test_what_could_not_be_written_is_kept_and_goes_first() -> None:
    world = world_of()
    await world.fold(click(ts=NOW, event_id="a"))
    await world.loop.flush(Side.USER, snapshot=True)
    world.outputs.is_shut = True
    with pytest.raises(ConnectionError):
        await world.loop.flush_events(at_once=True)
    await asyncio.sleep(0)
    waiting, safe = world.backpressure.waiting_events()[0], list(world.released)
    world.outputs.is_shut = False
    await world.fold(click(ts=NOW, event_id="b"), first_offset=1)

    await world.loop.flush_events()
    await world.snapshots.wait()

    assert (waiting, safe) == (1, [])
    assert world.outputs.events.count("event") == 2
    assert world.backpressure.waiting_events() == (0, 0)
    assert world.released[-1][CLICKSTREAM, 0] == 1


async def test_a_snapshot_waits_only_for_what_was_folded_before_it() -> None:
    world = world_of()
    await world.fold(click(ts=NOW, event_id="a"))
    await world.loop.flush(Side.USER, snapshot=True)
    await world.loop.flush_events(at_once=True)
    await world.fold(click(ts=NOW, event_id="b"), first_offset=1)
    await world.snapshots.wait()

    assert world.released[-1][CLICKSTREAM, 0] == 1


async def test_where_no_rows_wait_a_snapshot_waits_for_none() -> None:
    world = world_of()
    await world.fold(paid(ts=NOW))
    await world.loop.flush(Side.USER, snapshot=True)
    await world.snapshots.wait()

    assert world.released[-1][PURCHASES, 0] == 1


async def test_a_snapshot_of_a_lane_that_went_elsewhere_with_its_rows_is_never_written() -> None:
    world = world_of()
    await world.fold(click(ts=NOW))
    await world.loop.flush(Side.USER, snapshot=True)
    world.lanes.remove([0])

    await world.loop.flush_events(at_once=True)
    await world.snapshots.wait()

    assert not world.released
    assert "event" not in world.outputs.events


async def test_a_mute_lane_states_its_events() -> None:
    world = World(mute_until={CLICKSTREAM: 1_000}, reading=IN_FULL)
    await world.fold(click(ts=NOW))

    await world.loop.flush(Side.USER)
    await world.loop.flush_events(at_once=True)

    assert world.outputs.events == ["event"]


async def test_a_drain_writes_them_before_its_snapshot() -> None:
    world = world_of()
    await world.fold(click(ts=NOW))

    await world.loop.drain()

    assert world.outputs.events.count("event") == 1
    assert world.outputs.events[-1] == "snapshot"
    assert world.released[-1][CLICKSTREAM, 0] == 1


async def test_a_drain_whose_rows_of_events_hang_has_written_all_else() -> None:
    world = world_of()
    await world.fold(click(ts=NOW), click(ts=NOW, event="a kind nobody knows"))
    await world.fold(paid(ts=NOW))
    world.outputs.hangs = {"event"}

    drain = asyncio.create_task(world.loop.drain())
    for _ in range(20):
        await asyncio.sleep(0)
    drain.cancel()
    await asyncio.wait([drain])

    assert {"order_credit", "door_count", "unknown_kind"} <= set(world.outputs.events)
    assert world.outputs.sent == [0]
    assert not world.released


@pytest.mark.parametrize("capacity", [Capacity(400_000, 1 << 27, 1), Capacity(400_000, 100)])
async def test_folding_waits_while_too_many_rows_of_events_wait(capacity: Capacity) -> None:
    world = world_of(capacity=capacity)
    await world.fold(click(ts=NOW, event_id="a"), click(ts=NOW, event_id="b"))
    await world.loop.flush(Side.USER)
    shut = world.backpressure.paused_s

    await world.loop.flush_events(at_once=True)

    assert shut is not None
    assert world.backpressure.paused_s is None


async def test_what_waits_is_told() -> None:
    world = world_of()
    await world.fold(click(ts=NOW, event_id="a"), click(ts=NOW, event_id="b"))
    world.intake.export_metrics()

    assert "kol_waiting_events 2.0" in world.telemetry.exposition().decode()


async def test_without_names_there_are_no_rows() -> None:
    world = World(begun_at=-LONG)
    await world.fold(click(ts=NOW))

    await world.loop.flush_events(at_once=True)

    assert "event" not in world.outputs.events
    assert shown(world, "kol_fold_step_seconds_total").get(("events",), 0) == 0


async def test_memories_whose_rows_cannot_be_taken_are_thrown_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Others may have given theirs, and nobody has them."""
    world = world_of()
    await world.fold(click(ts=NOW))

    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(world.memory.state.events, "take", full)
    with pytest.raises(MemoryError):
        await world.loop.flush_events(at_once=True)

    assert [type(error) for error in world.crashes] == [MemoryError]
    assert not world.lanes.user
