"""What accepted events add to the minute cells of KOLs and brands."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from schemas.cells import AT, OTHERS
from schemas.columns import Behaviour, Codes, Mask, Moments
from schemas.events import INTERACTIONS, PURCHASES, Kind
from streams.core.arrays.index import RowNumbers
from streams.core.arrays.names import Names
from streams.core.moments import MINUTE_MS
from streams.core.user.admission import Admission
from streams.core.user.cells import FIELD_OF, UNCOUNTED, Cells, is_final
from streams.core.user.depth import Depth, omega
from streams.core.user.distinct import Distinct, DistinctBuyers
from streams.core.user.door_counts import DoorCounts
from streams.core.user.evidence import (
    NO_EVIDENCE,
    SQUARE_FIELD,
    SUM_FIELD,
    Allowances,
    credibility,
    evidence,
    side_of,
)
from streams.core.user.order_table import NO_USER, BrandOrders
from streams.core.user.orders import OrderChanges
from streams.core.user.refunds import BrandRefunds


class Counted(Protocol):
    """What counting needs of the state."""

    pruned_to: int
    door_counts: DoorCounts
    names: Names
    admission: Admission
    cells: Cells
    distinct: Distinct
    buyers: DistinctBuyers
    depth: Depth
    allowances: Allowances


def count_behaviour(
    state: Counted, events: Behaviour, user: RowNumbers, kol: Codes, own: Mask
) -> None:
    """Add events to the cells of their KOLs, or of `~others`; `own` ones only as plain counts."""
    kol = _admitted(state, events, kol)
    is_open = _in_open_minutes(state, events.topic, events.at)
    if not is_open.all():
        events = events.take(np.flatnonzero(is_open))
        user, kol, own = user[is_open], kol[is_open], own[is_open]
    minute = events.at // MINUTE_MS
    cell = state.cells.rows(kol, minute)
    state.cells.add(cell, AT["events"], 1)
    field = FIELD_OF[events.kind]
    counted = field != UNCOUNTED
    state.cells.add(cell[counted], field[counted], 1)
    state.distinct.add(user, kol, minute, cell, state.cells)
    if events.topic == INTERACTIONS:
        dwelt = (events.kind == Kind.VIEW) & (events.dwell_ms > 0)
        state.cells.add(cell[dwelt], AT["dwell_ms"], events.dwell_ms[dwelt])
        _count_depth(state, events, user, kol, cell, own)
        _count_evidence(state, events, user, kol, cell, own)


def _admitted(state: Counted, events: Behaviour, kol: Codes) -> Codes:
    """Under which names events are counted: their KOLs', or `~others`."""
    admitted = state.admission.admit(events.topic, kol, events.at)
    if admitted.all():
        return kol
    state.door_counts.add(events.topic, "name_limit", int(np.count_nonzero(~admitted)))
    return np.where(admitted, kol, state.names.codes([OTHERS]))


def _in_open_minutes(state: Counted, topic: str, at: Moments) -> Mask:
    """Which events belong to a minute that is not final; the others are counted.

    All of them, but for a topic that was empty at the start and did not count.
    """
    closed = is_final(at // MINUTE_MS, state.pruned_to)
    state.door_counts.add(topic, "closed_minute", int(np.count_nonzero(closed)))
    return ~closed


def _count_depth(
    state: Counted, events: Behaviour, user: RowNumbers, kol: Codes, cell: RowNumbers, own: Mask
) -> None:
    weight = omega(events)
    deep = (weight > 0) & ~own
    depth, square = state.depth.add(user[deep], kol[deep], events.at[deep], weight[deep])
    state.cells.add(cell[deep], AT["depth"], depth)
    state.cells.add(cell[deep], AT["depth_square"], square)


def _count_evidence(
    state: Counted, events: Behaviour, user: RowNumbers, kol: Codes, cell: RowNumbers, own: Mask
) -> None:
    sides = side_of(events)
    counts = (sides != NO_EVIDENCE) & ~own
    if not counts.any():
        return
    sides, cell = sides[counts], cell[counts]
    granted = state.allowances.grant(
        user[counts], kol[counts], sides, events.kind[counts], events.at[counts]
    )
    weight = evidence(granted, credibility(events.account_age_d[counts]))
    state.cells.add(cell, SUM_FIELD[sides], weight)
    state.cells.add(cell, SQUARE_FIELD[sides], weight * weight)


def count_purchases(state: Counted, changes: OrderChanges) -> None:
    """Add orders that stand and refunds, as sent, to the cells of their brands."""
    state.door_counts.add(PURCHASES, "foreign_currency", changes.foreign)
    state.door_counts.add(PURCHASES, "closed_minute", changes.closed)
    _count_orders(state, changes.added, 1)
    _count_orders(state, changes.removed, -1)
    _count_refunds(state, changes.refunds)


def _count_orders(state: Counted, orders: BrandOrders, sign: int) -> None:
    """Add standing orders to the cells of their brands, or take them away."""
    if not len(orders):
        return
    orders = orders.take(_in_open_minutes(state, PURCHASES, orders.at))
    minute = orders.at // MINUTE_MS
    cell = state.cells.rows(orders.brand, minute)
    one = np.ones(len(orders), np.int64)
    amounts: dict[str, NDArray[np.int64]] = {
        "events": one,
        "orders": one,
        "paid_cents": orders.paid,
        "list_cents": orders.list,
        "discount_cents": orders.discount,
        "promo_cents": orders.paid * orders.promo,
        "member_cents": orders.paid * orders.member,
    }
    for field, amount in amounts.items():
        state.cells.add(cell, AT[field], sign * amount)
    if sign > 0:
        state.buyers.add(orders.user, orders.brand, minute, cell, state.cells)
    else:
        state.buyers.remove(orders.user, orders.brand, minute, state.cells)


def _count_refunds(state: Counted, refunds: BrandRefunds) -> None:
    """Let refunds, cancels and reversals, as sent, enter or leave the cells of their brands."""
    if not len(refunds):
        return
    refunds = refunds.take(_in_open_minutes(state, PURCHASES, refunds.at))
    minute = refunds.at // MINUTE_MS
    cell = state.cells.rows(refunds.brand, minute)
    state.cells.add(cell, AT["events"], refunds.sign)
    state.cells.add(cell, AT["refunds"], refunds.sign * ~refunds.is_reversal)
    state.cells.add(cell, AT["refund_cents"], refunds.sign * refunds.cents)
    user, brand = refunds.user, refunds.brand
    enters, leaves = refunds.sign > 0, (refunds.sign < 0) & (user != NO_USER)
    enters &= user != NO_USER
    state.buyers.add(user[enters], brand[enters], minute[enters], cell[enters], state.cells)
    state.buyers.remove(user[leaves], brand[leaves], minute[leaves], state.cells)
