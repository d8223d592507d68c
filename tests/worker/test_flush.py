"""What could not be sent stays pending, and nothing is durable before its time."""

from collections.abc import Sequence

import numpy as np
import pytest

from schemas.blocks import Block, pack
from schemas.cells import NAMES
from schemas.columns import RecordBatch
from schemas.events import CLICKSTREAM, PURCHASES
from schemas.topics import CELLS
from streams.core.kol.memory import KolMemory
from streams.core.kol.priors import TRUST
from streams.core.kol.sums import WIDTH, scores
from streams.core.sides import Side
from streams.snapshots import Pace
from streams.worker import changes
from streams.worker.changes import LaneChanges
from streams.worker.flush import CELLS_SECONDS
from streams.worker.kol_lane import KolLane
from streams.worker.lane_table import LaneTable
from streams.worker.lanes import Lane, Mute
from streams.worker.telemetry import TENTHS
from streams.worker.user_lane import InputEnd
from tests.builders import click, paid
from tests.worker.world import LONG, NOW, FullLog, StubLog, World, shown


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
    dumb = world.add_lane(1)
    monkeypatch.setattr(dumb.memory.state.cells, "collect_changed", FullLog([]).capturing)
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
    unjudged = scores(np.zeros((1, WIDTH)), np.array([minute]), TRUST).trust

    assert shown(world, "kol_counted_total") == {("blocks", CELLS): 1, ("cells", CELLS): 2}
    assert counts[np.searchsorted(TENTHS, unjudged.score[0])] == counts.sum() == 2


async def test_watermarks_go_to_the_kol_side_when_they_move_and_only_then() -> None:
    world = World()
    await world.fold(click(ts=NOW))

    await world.loop.flush(Side.USER)
    await world.loop.flush(Side.USER)

    assert world.outputs.sent == [0]


async def test_the_wait_from_append_to_row_is_counted_once_a_message() -> None:
    world = World()
    await world.fold(click(ts=NOW, event_id="a"), click(ts=NOW, event_id="b"))

    await world.loop.flush(Side.USER)
    await world.loop.flush(Side.USER)

    assert int(np.sum(world.telemetry.latencies.counts)) == 2


async def test_orders_leave_alone_between_flushes_of_everything() -> None:
    """Cells and counters are no more than a fifth of a second behind them."""
    world = World(begun_at=-LONG)
    said, blocks = [], []
    for number in range(3):
        await world.fold(
            click(ts=NOW, event_id=f"c{number}"), first_offset=world.memory.offsets[CLICKSTREAM]
        )
        await world.fold(
            paid(ts=NOW, order_id=f"o{number}"), first_offset=world.memory.offsets[PURCHASES]
        )
        world.outputs.events.clear()
        world.outputs.sent.clear()
        await world.loop.flush_user_side()
        said.append(set(world.outputs.events))
        blocks.append(len(world.outputs.sent))
        world.time += CELLS_SECONDS / 2

    everything = {"order_credit", "minute_cell", "door_count"}
    assert said == [everything, {"order_credit"}, everything]
    assert blocks == [1, 0, 1]  # no watermark precedes the cells that it closes
    assert int(np.sum(world.telemetry.latencies.counts)) == 6  # each message once


async def test_orders_that_left_alone_do_not_leave_again() -> None:
    world = World(begun_at=-LONG)
    await world.loop.flush_user_side()
    await world.fold(paid(ts=NOW, order_id="o1"))
    await world.loop.flush_user_side()
    await world.loop.flush(Side.USER)

    assert world.outputs.events.count("order_credit") == 1


async def test_nothing_is_safe_by_a_flush_of_orders_alone() -> None:
    """A snapshot waits for one of everything: cells of before it would never be stated."""
    world = World(begun_at=-LONG)
    world.time = LONG  # a snapshot is due
    await world.loop.flush_user_side()
    await world.snapshots.wait()
    world.released.clear()
    world.time += LONG
    world.loop._cells_at = world.time
    await world.fold(paid(ts=NOW, order_id="o1"))

    await world.loop.flush_user_side()
    await world.snapshots.wait()
    early = list(world.released)
    world.time += CELLS_SECONDS
    await world.loop.flush_user_side()
    await world.snapshots.wait()

    assert not early
    assert world.released[-1][PURCHASES, 0] == 1


async def test_orders_alone_that_could_not_be_sent_go_first() -> None:
    world = World(begun_at=-LONG)
    await world.loop.flush_user_side()
    await world.fold(paid(ts=NOW, order_id="o1"))
    world.outputs.is_shut = True
    with pytest.raises(ConnectionError):
        await world.loop.flush_user_side()
    world.outputs.is_shut = False
    await world.loop.flush_user_side()

    assert world.outputs.events[-1] == "order_credit"
    assert world.outputs.events.count("order_credit") == 1


@pytest.mark.parametrize(
    ("age_ms", "spent", "alone"),
    [(0, 0.2, 0.0), (1_000, 0.2, 0.0), (1_001, 0.0, 0.0), (1_001, 0.02, 0.2), (1_001, 0.2, 0.5)],
)
async def test_where_reading_is_behind_the_loop_is_left_alone_ten_times_as_long_as_a_flush_took_it(
    age_ms: int, spent: float, alone: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a second at the most: so long a row may wait for the next flush."""
    world = World(begun_at=-LONG)
    await world.fold(paid(ts=NOW, order_id="o1", pay_cents=500))
    monkeypatch.setattr(world.telemetry, "_now_ms", lambda: NOW + age_ms)
    collect = changes.collect_changes

    def slowly(
        table: LaneTable, side: Side, lanes: Sequence[Lane], now: float
    ) -> list[LaneChanges]:
        world.time += spent
        return collect(table, side, lanes, now)

    monkeypatch.setattr("streams.worker.flush.collect_changes", slowly)

    assert await world.loop.flush(Side.USER) == pytest.approx(alone)
