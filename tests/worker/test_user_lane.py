"""How idle and empty inputs hold back a partition's watermark, and for how long."""

from dataclasses import replace

from schemas.events import PURCHASES
from streams.core.moments import HORIZON_MS
from streams.core.sides import Side
from tests.builders import click, paid
from tests.worker.world import LONG, NOW, World, silent


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
