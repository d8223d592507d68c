"""What accepted events add to the minute cells of KOLs and brands."""

from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from schemas.cells import AT, OTHERS
from schemas.columns import NONE, Behaviour, Codes, Mask, Moments
from schemas.events import INTERACTIONS, PURCHASES, Kind
from streams.core.arrays.index import RowNumbers
from streams.core.arrays.names import Names
from streams.core.moments import HORIZON_MS, MINUTE_MS
from streams.core.user.admission import Admission
from streams.core.user.cells import FIELD_OF, UNCOUNTED, Cells, is_final
from streams.core.user.depth import Depth, is_grown, omega
from streams.core.user.distinct import Distinct, DistinctBuyers
from streams.core.user.door_counts import DoorCounts
from streams.core.user.evidence import (
    AGREEMENT,
    NO_EVIDENCE,
    OUTCOME,
    SQUARE_FIELD,
    SUM_FIELD,
    Allowances,
    evidence,
    side_of,
)
from streams.core.user.observations import Outcomes
from streams.core.user.order_table import NO_CODE, NO_USER, BrandOrders
from streams.core.user.orders import OrderChanges, Orders
from streams.core.user.refunds import BrandRefunds
from streams.core.user.share_reach import ShareReach, came_by_share
from streams.core.user.uncounted import Acts
from streams.core.user.unfollowers import Unfollowers

YOUNG_D: Final = 7.0  # days; a younger account is new (prior, until it is learned)
SAID_AFTER: Final = HORIZON_MS // MINUTE_MS + 1  # minutes
SHORT_MS: Final = 1_000  # a view that ends before has seen nothing (prior)


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
    orders: Orders
    share_reach: ShareReach
    unfollowers: Unfollowers


def count_behaviour(state: Counted, acts: Acts) -> None:
    """Add events to the cells of their KOLs, or of `~others`; `own` ones only as plain counts."""
    events, user, kol, own, credible = acts
    kol = _admitted(state, events, kol)
    is_open = _in_open_minutes(state, events.topic, events.at)
    if not is_open.all():
        events = events.take(np.flatnonzero(is_open))
        user, kol, own = user[is_open], kol[is_open], own[is_open]
        credible = credible[is_open]
    minute = events.at // MINUTE_MS
    cell = state.cells.rows(kol, minute)
    state.cells.add(cell, AT["events"], 1)
    field = FIELD_OF[events.kind]
    counted = field != UNCOUNTED
    state.cells.add(cell[counted], field[counted], 1)
    state.distinct.add(user, kol, minute, cell, state.cells)
    if events.topic == INTERACTIONS:
        _count_dwell(state, events, cell)
    if own.any():
        others = np.flatnonzero(~own)
        events, user, kol, cell = events.take(others), user[others], kol[others], cell[others]
        credible = credible[others]
    by_share = came_by_share(events)
    if by_share.any():
        whose, of, hops = user[by_share], kol[by_share], events.share_depth[by_share]
        state.share_reach.add(whose, of, events.at[by_share] // MINUTE_MS, hops, state.cells)
    if events.topic == INTERACTIONS:
        _count_depth(state, events, user, kol, cell, credible)
        _count_evidence(state, events, user, kol, cell, credible)
        _count_unfollowers(state, events, user, kol, cell)


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


def _count_dwell(state: Counted, events: Behaviour, cell: RowNumbers) -> None:
    """Add how long views were, those of live rooms also apart."""
    viewed = np.flatnonzero((events.kind == Kind.VIEW) & (events.dwell_ms != NONE))
    if not viewed.size:
        return
    dwell, cell, live = events.dwell_ms[viewed], cell[viewed], events.live[viewed]
    short = dwell < SHORT_MS
    state.cells.add(cell, AT["dwell_ms"], dwell)
    state.cells.add(cell, AT["dwell_views"], 1)
    state.cells.add(cell[short], AT["short_views"], 1)
    state.cells.add(cell[live], AT["live_ms"], dwell[live])


def _count_depth(
    state: Counted,
    events: Behaviour,
    user: RowNumbers,
    kol: Codes,
    cell: RowNumbers,
    credible: NDArray[np.int64],
) -> None:
    """Add the depth of users' days, and once a day how credible and how old its user is."""
    grown = is_grown(events.account_age_d)
    added = state.depth.add(user, kol, events.at, omega(events), grown, credible)
    deep = np.flatnonzero(added.depth | added.credible)
    for field, amount in (
        ("depth", added.depth),
        ("depth_square", added.square),
        ("credible_depth", added.credible),
        ("credible_depth_square", added.credible_square),
    ):
        state.cells.add(cell[deep], AT[field], amount[deep])
    cell, age, c = cell[added.first], events.account_age_d[added.first], credible[added.first]
    state.cells.add(cell, AT["credible_days"], c)
    state.cells.add(cell, AT["credible_days_square"], c * c)
    state.cells.add(cell[~np.isnan(age)], AT["aged_days"], 1)
    state.cells.add(cell[age < YOUNG_D], AT["young_days"], 1)


def _count_evidence(
    state: Counted,
    events: Behaviour,
    user: RowNumbers,
    kol: Codes,
    cell: RowNumbers,
    credible: NDArray[np.int64],
) -> None:
    sides = side_of(events)
    counts = sides != NO_EVIDENCE
    if not counts.any():
        return
    sides, cell = sides[counts], cell[counts]
    granted = state.allowances.grant(user[counts], kol[counts], sides, events.at[counts])
    weight = evidence(granted, credible[counts])
    state.cells.add(cell, SUM_FIELD[sides], weight)
    state.cells.add(cell, SQUARE_FIELD[sides], weight * weight)


def count_outcomes(state: Counted, outcomes: Outcomes) -> None:
    """Add what became of orders to the cells of their KOLs.

    The minute in which it happened is final by then. So it is said in the first minute that is
    open whenever it is counted, `SAID_AFTER` later: cells leave before the watermark that
    makes it final.

    No limit of names holds here: when these are counted is not the log's to say, and there are no
    more of them than orders.
    """
    orders = state.orders.table
    user, kol = orders["user"][outcomes.order], orders["whose"][outcomes.order]
    is_known = (user != NO_USER) & (kol != NO_CODE)
    if not is_known.any():
        return
    user, kol, at = user[is_known], kol[is_known], outcomes.due_at[is_known]
    sides = OUTCOME + outcomes.sign[is_known]
    granted = state.allowances.grant(user, kol, sides, at)
    weight = evidence(granted, np.full(len(granted), AGREEMENT))
    cell = state.cells.rows(kol, at // MINUTE_MS + SAID_AFTER)
    state.cells.add(cell, SUM_FIELD[sides], weight)
    state.cells.add(cell, SQUARE_FIELD[sides], weight * weight)


def _count_unfollowers(
    state: Counted, events: Behaviour, user: RowNumbers, kol: Codes, cell: RowNumbers
) -> None:
    left = np.flatnonzero(events.kind == Kind.UNFOLLOW)
    if left.size:
        first = state.unfollowers.add(user[left], kol[left], events.at[left] // MINUTE_MS)
        state.cells.add(cell[left[first]], AT["unfollowers"], 1)


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
