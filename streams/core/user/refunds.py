"""What was given back of orders.

A refund or cancel counts if order - 24 h <= time <= order + 180 d, whichever arrives first.

    R = paid if any cancel counts, else min(paid, sum of the refunds that count)

What refunds ask beyond that is `excess`, those outside the window are `outside`, those
without an order `unmatched`.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Mask, Moments
from schemas.events import Kind
from streams.core.arrays.arena import Arena, Arrays
from streams.core.arrays.chains import Chains
from streams.core.arrays.index import RowNumbers
from streams.core.moments import DAY_MS, HORIZON_MS, NEVER
from streams.core.user.order_table import CodedPurchases, OrderTable

BEFORE_MS: Final = DAY_MS  # a refund may be so much earlier than its order
AFTER_MS: Final = 180 * DAY_MS  # and so much later
WAITS_MS: Final = BEFORE_MS + HORIZON_MS  # a refund without its order is kept so long


class Refunds:
    """The refunds and cancels that may still meet an order, and totals of those not booked."""

    def __init__(self, orders: OrderTable) -> None:
        self._orders = orders
        self._refunds = Arena(order=np.int32, at=np.int64, cents=np.int64, cancel=np.bool_)
        self._of_order = Chains()
        self.unmatched = self.outside = self.excess_cents = 0

    def add(self, row: RowNumbers, purchases: CodedPurchases) -> None:
        """Keep refunds and cancels with the rows of their orders, known or not."""
        first = self._refunds.append(
            order=row,
            at=purchases["at"],
            cents=purchases["pay_cents"],
            cancel=purchases["kind"] == Kind.CANCEL,
        )
        self._of_order.link(row, first + np.arange(len(row)))
        self._orders["dirty"][row] = True

    def book(self, row: RowNumbers) -> NDArray[np.int64]:
        """What was given back of each order, in cents; brings the totals not booked up to date."""
        orders, refunds = self._orders, self._refunds
        of, which = self._of_order.pairs(row)  # an order and a refund or cancel of it
        at, moment = orders["at"][row][of], refunds["at"][which]
        met = (at != NEVER) & (moment >= orders["since"][row][of])
        counts = met & (moment >= at - BEFORE_MS) & (moment <= at + AFTER_MS)
        cancel = refunds["cancel"][which]
        asked = np.zeros(len(row), np.int64)
        np.add.at(asked, of, np.where(counts & ~cancel, refunds["cents"][which], 0))
        is_cancelled = np.zeros(len(row), np.bool_)
        is_cancelled[of[counts & cancel]] = True
        paid = orders["paid"][row]
        self._count(
            row,
            unmatched=np.bincount(of[~met], minlength=len(row)),
            outside=np.bincount(of[met & ~counts], minlength=len(row)),
            excess=np.where(is_cancelled, 0, np.maximum(asked - paid, 0)),
        )
        refunded: NDArray[np.int64] = np.where(is_cancelled, paid, np.minimum(paid, asked))
        return refunded

    def _count(self, row: RowNumbers, **not_booked: NDArray[np.int64]) -> None:
        """Bring the totals up to date with what these orders add to them."""
        more = {
            name: int((count - self._orders[name][row]).sum()) for name, count in not_booked.items()
        }
        self.unmatched += more["unmatched"]
        self.outside += more["outside"]
        self.excess_cents += more["excess"]
        for name, count in not_booked.items():
            self._orders[name][row] = count

    def latest(self) -> Moments:
        """The latest refund of every order, NEVER where there is none; shape `(orders,)`."""
        latest = np.full(len(self._orders), NEVER)
        np.maximum.at(latest, self._refunds["order"], self._refunds["at"])
        return latest

    def keep(self, which: Mask) -> None:
        """Drop the refunds of all orders but these, which get new rows in their order."""
        self._refunds.keep(which[self._refunds["order"]])
        self._refunds["order"][:] = (np.cumsum(which) - 1)[self._refunds["order"]]

    def link(self) -> None:
        """Build what a snapshot does not hold."""
        self._of_order.rebuild(
            self._refunds["order"].astype(np.int64), np.arange(len(self._refunds))
        )

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """What a snapshot holds, as views."""
        totals = np.array([self.unmatched, self.outside, self.excess_cents])
        return {**self._refunds.arrays(f"{prefix}.back"), f"{prefix}.totals": totals}

    def restore(self, prefix: str, arrays: Arrays) -> None:
        """Take over what `arrays` gave, as copies; `link` has to follow."""
        self._refunds.restore(f"{prefix}.back", arrays)
        self.unmatched, self.outside, self.excess_cents = arrays[f"{prefix}.totals"].tolist()
