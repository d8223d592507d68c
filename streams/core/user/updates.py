"""What changed since the last time, as rows of tables: whole values with a version."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from schemas.columns import Rejected
from schemas.events import INPUTS, PURCHASES
from schemas.letters import letter_rows
from schemas.rows import Rows
from schemas.values import compact
from schemas.version import version_of
from streams.core.arrays.index import RowNumbers
from streams.core.moments import NEVER
from streams.core.user.attribution import credits_of
from streams.core.user.counting import count_outcomes
from streams.core.user.door_counts import ANY
from streams.core.user.memory import UserMemory
from streams.core.user.observations import Observed, final_to, largest, observe
from streams.core.user.orders import Orders
from streams.core.user.refunds import GivenBack
from streams.core.user.rows import (
    ChangedCells,
    ChangedOrders,
    Tombstones,
    cell_rows,
    observation_rows,
    order_rows,
)
from streams.core.user.state import UserState

AT_ONCE: Final = 2_000  # orders in one flush that are only written because they got another key


@dataclass(frozen=True, slots=True)
class Updates:
    """Rows of tables, the changed cells among them once more as columns, dead letters."""

    rows: list[Rows]
    cells: ChangedCells
    letters: Sequence[Rejected]
    version: int


def collect_updates(memory: UserMemory) -> Updates:
    """What changed in a memory since the last call; nothing where nothing did."""
    memory.count()
    state, partition = memory.state, memory.partition
    state.orders.mark_moved(AT_ONCE)
    changed, tombstones = _changed_orders(state)
    observed = _observed(memory)
    _set_counters(state)
    name, minute, fields = state.cells.collect_changed()
    letters, state.letters = state.letters, []
    if changed or minute.size or len(observed) or letters or state.door_counts.is_changed():
        state.folded += 1
    version = version_of(memory.epoch, memory.life, state.folded)
    used, kol = compact(name)
    cells = ChangedCells(
        [state.names.names[code] for code in used.tolist()],
        kol.astype(np.int32),
        minute,
        fields,
        np.full(len(minute), version, np.uint64),
    )
    rows = [
        *([_order_rows(state, changed, tombstones, version)] if changed else []),
        cell_rows(cells, partition),
        observation_rows(observed, state.names, partition, version),
        state.door_counts.collect_rows(partition, version),
        letter_rows(letters, version),
    ]
    return Updates([part for part in rows if len(part)], cells, letters, version)


def collect_orders(memory: UserMemory) -> list[Rows]:
    """The rows of orders that changed since the last call; all else waits for `collect_updates`.

    It costs less: events that wait to be counted need not be.
    """
    state = memory.state
    changed, tombstones = _changed_orders(state)
    if changed is None:
        return []
    state.folded += 1
    version = version_of(memory.epoch, memory.life, state.folded)
    return [_order_rows(state, changed, tombstones, version)]


def _changed_orders(state: UserState) -> tuple[ChangedOrders | None, Tombstones]:
    """The orders that changed, None where none did, and the keys that some of them had before."""
    row, given_back = collect_changed_orders(state.orders)
    tombstones = collect_tombstones(state.orders, row)
    if not row.size:
        return None, tombstones
    changed = _with_credits(state, row, given_back)
    state.orders.table["whose"][changed.row] = largest(changed.credits, len(changed.row))
    return changed, tombstones


def _order_rows(
    state: UserState, changed: ChangedOrders, tombstones: Tombstones, version: int
) -> Rows:
    return order_rows(state.orders.table, changed, tombstones, state.names, state.labels, version)


def _observed(memory: UserMemory) -> Observed:
    """The observations of minutes that have become final since the last time.

    Outcomes are evidence, and enter cells.
    """
    state, watermark = memory.state, memory.watermark(INPUTS)
    open_from = NEVER if watermark is None else final_to(watermark)
    if open_from <= state.observed_to:
        return Observed.none()
    state.observed_to = open_from
    observed, outcomes = observe(state.orders.table, state.orders.refunds, open_from)
    count_outcomes(state, outcomes)
    return observed


def collect_changed_orders(orders: Orders) -> tuple[RowNumbers, GivenBack]:
    """The orders that changed since the last call, and what was given back of each.

    Brings the totals of what was not booked up to date.
    """
    row = np.flatnonzero(orders.table["dirty"])
    orders.table["dirty"][row] = False
    given_back = orders.refunds.book(row)
    is_known = orders.table["at"][row] != NEVER
    entries = given_back.entries.renumbered(np.cumsum(is_known) - 1)  # unknown ones have none
    return row[is_known], GivenBack(given_back.cents[is_known], entries)


def collect_tombstones(orders: Orders, changed: RowNumbers) -> Tombstones:
    """The keys that changed orders had, of those that got another since they were written."""
    is_changed = np.zeros(len(orders.table), np.bool_)
    is_changed[changed] = True
    goes = is_changed[orders.moved["order"]]
    row, at, user_hash = (orders.moved[name][goes] for name in ("order", "at", "user_hash"))
    orders.moved.keep(~goes)
    return Tombstones(row.astype(np.int64), at, user_hash)


def _set_counters(state: UserState) -> None:
    """Bring the counters up to date that parts keep themselves."""
    totals = state.orders.refunds.totals
    state.door_counts.set(
        {
            (PURCHASES, "refund_unmatched"): totals["unmatched"],
            (PURCHASES, "refund_outside"): totals["outside"],
            (PURCHASES, "refund_excess_cents"): totals["excess"],
            (PURCHASES, "refund_foreign"): totals["foreign"],
            (PURCHASES, "reversal_excess_cents"): totals["reversal_excess"],
            (ANY, "touch_limit"): state.touches.dropped,
            (ANY, "touch_after_order"): state.orders.touches.after,
        }
    )


def _with_credits(state: UserState, row: RowNumbers, given_back: GivenBack) -> ChangedOrders:
    """Orders with the touches that count for them, and whom they owe; notes touches after them."""
    table, rank = state.orders.table, state.names.rank()
    journeys = state.orders.touches.journeys(row, state.lookup())
    state.orders.touches.note_after(row, journeys)
    cents = given_back.cents
    credits_ = credits_of(table["at"][row], table["paid"][row], cents, journeys, rank)
    return ChangedOrders(row, given_back, journeys, credits_)
