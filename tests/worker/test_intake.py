"""What a worker folds is counted once, whoever owns the partition before and after."""

from schemas.events import CLICKSTREAM
from streams.core.moments import HORIZON_MS
from streams.core.sides import Side
from streams.core.user.memory import UserMemory
from streams.worker.intake import export_counts
from tests.builders import KEY, click, decoded, paid, record_batch, refund
from tests.worker.world import LONG, NOW, World, shown


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
    memory = UserMemory(0, hmac_key=KEY)
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
    memory = UserMemory(0, hmac_key=KEY, name_limit=1)
    world.add_lane(0, begun_at=None, memory=memory)
    await world.fold(click(ts=NOW), click(ts=NOW, kol_id="k2"))

    assert shown(world, "kol_counted_total") == {("name_limit", CLICKSTREAM): 1}


async def test_messages_that_are_handed_in_again_are_counted_as_skipped() -> None:
    world = World()
    await world.fold(click(ts=NOW, event_id="a"), click(ts=NOW, event_id="b"))
    await world.fold(click(ts=NOW, event_id="a"), click(ts=NOW, event_id="b"))

    assert shown(world, "kol_duplicates_skipped_total") == {(CLICKSTREAM,): 2}
    assert shown(world, "kol_events_total") == {("written", CLICKSTREAM): 2}


async def test_the_time_of_each_step_is_counted_once_also_of_a_partition_that_goes() -> None:
    world = World()
    seconds = iter(range(100))
    memory = UserMemory(0, hmac_key=KEY, clock=lambda: float(next(seconds)))
    world.add_lane(0, begun_at=None, memory=memory)
    await world.fold(paid(ts=NOW, order_id="o1", pay_cents=500))

    steps = ("decode", "persons", "dedup", "codes", "orders", "cells")  # a purchase is no touch
    export_counts(world.lanes.remove({0}), world.telemetry)
    assert shown(world, "kol_fold_step_seconds_total") == {(step,): 1 for step in steps}
    assert shown(world, "kol_fold_step_seconds_total") == {(step,): 1 for step in steps}
