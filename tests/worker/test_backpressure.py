"""Reading pauses while too much is unacknowledged, and the pause is measured."""

import asyncio

import pytest

from schemas.events import CLICKSTREAM
from streams.core.sides import Side
from streams.worker.backpressure import Capacity
from tests.builders import click, record_batch
from tests.worker.world import IN_FULL, LONG, NOW, World


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


async def test_a_mute_lane_stays_so_while_only_rows_of_events_are_too_many() -> None:
    capacity = Capacity(400_000, 1 << 27, 1)
    world = World(mute_until={CLICKSTREAM: 1_000}, capacity=capacity, reading=IN_FULL)
    await world.fold(click(ts=NOW, event_id="a"), click(ts=NOW, event_id="b"))
    paused = world.backpressure.paused_s

    await world.loop.flush(Side.USER)
    await world.loop.flush_events(at_once=True)

    assert paused is not None
    assert world.backpressure.paused_s is None
    assert "door_count" not in world.outputs.events


async def test_a_mute_lane_stays_so_while_only_messages_behind_rows_of_events_are_too_large() -> (
    None
):
    events = [click(ts=NOW, event_id=event_id) for event_id in "ab"]
    size = sum(len(value or b"") for value in record_batch(CLICKSTREAM, events).values)
    world = World(begun_at=-LONG, capacity=Capacity(400_000, size - 1), reading=IN_FULL)
    mute = world.add_lane(1, mute_until={CLICKSTREAM: 1_000})
    for offset, event in enumerate(events):
        await world.fold(event, first_offset=offset)
        await world.loop.flush(Side.USER)

    assert world.backpressure.paused_s is not None
    assert mute.mute.until


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
