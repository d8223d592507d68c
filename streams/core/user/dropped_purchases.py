"""Purchases that were dropped and say something that counts nowhere else: their dead letters.

So money can be accounted for: what was too late, what re-used an event_id with another content, a
`paid` that differs from the one that stands, one after a cancel.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Mask, Moments, Purchases, Rejected
from schemas.doors import Door
from schemas.events import Kind
from streams.core.arrays.index import RowNumbers
from streams.core.moments import HORIZON_MS
from streams.core.user.orders import Paid

_WHY_DROPPED: Final = {
    Paid.OTHER: "stands with another amount, by an earlier paid",
    Paid.CANCELLED: "was cancelled before, which is final; send another purchase as a new order",
}


def late_letters(events: Purchases, late: Mask, before: Moments) -> list[Rejected]:
    """Purchases dropped as too late, as dead letters, so that money can be accounted for."""
    return [
        _letter(
            events,
            i,
            Door.TOO_LATE,
            f"`ts` is {int(before[i] - events.at[i])} ms below the greatest accepted one,"
            f" above {HORIZON_MS} ms",
        )
        for i in np.flatnonzero(late).tolist()
    ]


def differing_letters(events: Purchases, differs: Mask) -> list[Rejected]:
    """Purchases dropped as duplicates of others that say something else, as dead letters."""
    return [
        _letter(
            events,
            i,
            Door.DUPLICATE,
            f"event_id {events.event_ids[i]} was read before and says something else: this "
            f"{Kind(events.kind[i]).label} of {events.pay_cents[i]} in minor units for order "
            f"{events.order_ids[i]} was not counted; send it with an event_id of its own",
        )
        for i in np.flatnonzero(differs).tolist()
    ]


def repeated_letters(
    events: Purchases, which: RowNumbers, paid: NDArray[np.uint8]
) -> list[Rejected]:
    """Each `paid` that does not count and differs from the one that stands, as a dead letter."""
    return [
        _letter(
            events,
            which[i],
            Door.DUPLICATE_ORDER,
            f"order {events.order_ids[which[i]]} {_WHY_DROPPED[paid[i]]}: this paid of "
            f"{events.pay_cents[which[i]]} in minor units was not counted",
        )
        for i in np.flatnonzero(np.isin(paid, list(_WHY_DROPPED))).tolist()
    ]


def _letter(events: Purchases, i: int, door: Door, error: str) -> Rejected:
    place = events.topic, events.partition, int(events.offset[i]), int(events.received_at[i])
    return Rejected(*place, door.label, error, events.raw[i])
