"""What changed in a lane since the last flush: rows, dead letters, cells for the KOL side."""

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.columns import Rejected
from schemas.rows import Rows
from schemas.version import epoch_and_life
from streams.core.sides import Side
from streams.core.user.rows import ChangedCells
from streams.core.user.updates import collect_orders, collect_updates
from streams.worker.lane_table import LaneTable
from streams.worker.lanes import Lane
from streams.worker.user_lane import UserLane

NOTHING_CLOSED = 0  # the watermark of a partition that has begun and cannot say more


@dataclass(frozen=True, slots=True)
class Source:
    """What one source partition adds to the blocks of a flush."""

    partition: int
    life: int  # with its epoch, as `schemas.version.epoch_and_life`
    cells: ChangedCells
    speaks: bool  # its watermark is known, or it is known to be empty
    watermark: int | None


@dataclass(frozen=True, slots=True)
class LaneChanges:
    """What one lane adds to a flush."""

    rows: Sequence[Rows]
    letters: Sequence[Rejected] = ()
    source: Source | None = None  # of the user side


def collect_changes(
    table: LaneTable, side: Side, lanes: Sequence[Lane], now: float
) -> list[LaneChanges]:
    """What these lanes of a side add to a flush."""
    if side is Side.USER:
        return [user_changes(table.user[lane.partition], now) for lane in lanes]
    return [LaneChanges(table.kol[lane.partition].collect_updates()) for lane in lanes]


def user_changes(lane: UserLane, now: float) -> LaneChanges:
    """What a partition of the user side adds to a flush."""
    updates = collect_updates(lane.memory)
    lane.is_dirty |= bool(updates.rows)  # what waited to be said does not any more
    return LaneChanges(updates.rows, updates.letters, _source(lane, updates.cells, now))


def order_changes(lane: UserLane) -> list[Rows]:
    """The rows of orders that a partition of the user side adds to a flush of nothing else."""
    rows = collect_orders(lane.memory)
    lane.is_dirty |= bool(rows)  # as above
    return rows


def _source(lane: UserLane, cells: ChangedCells, now: float) -> Source:
    mark = lane.watermark(now)
    is_known = mark is not None or lane.is_empty
    if mark is None and lane.begun_at is not None:
        mark, is_known = NOTHING_CLOSED, True
    life = epoch_and_life(lane.memory.epoch, lane.memory.life)
    return Source(lane.partition, life, cells, is_known, mark)
