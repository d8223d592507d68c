"""What was given back of orders.

A refund, cancel or reversal (`refund_reversed`) counts if order - 24 h <= time <= order + 180 d,
whichever arrives first, and if it names no currency or that of the order.

    R = paid if any cancel counts, else min(paid, max(0, refunds - reversals))

with the sums of the refunds and reversals that count. What refunds less reversals ask beyond
what was paid is `excess`, what reversals are beyond refunds `reversal_excess`. Those outside the
window are `outside`, those inside in another currency `foreign`, those without an order
`unmatched`. What each of them changed is told beside (`refund_entries`), but for those without an
order.

*Of erased persons.* Why something was given back is a free text: it goes as soon as the person is
erased, and nothing that concerns an order of theirs has one.

*In cells.* One without a currency counts in the cell of its brand while it waits, and then as
its order does: if that is in another currency than the shop's it is taken out again, as long as
its minute is open by the log of `purchases`.
"""

from dataclasses import dataclass, fields
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Codes, Mask, Moments
from schemas.events import Kind
from streams.core.arrays.arena import Arena, Arrays
from streams.core.arrays.chains import Chains
from streams.core.arrays.index import RowNumbers
from streams.core.arrays.names import NO_TEXT, Strings
from streams.core.moments import DAY_MS, HORIZON_MS, MINUTE_MS, NEVER
from streams.core.user.cells import is_final
from streams.core.user.order_table import (
    NO_CODE,
    NO_USER,
    CodedPurchases,
    OrderTable,
    present,
    recode,
)
from streams.core.user.refund_entries import (
    CANCEL,
    REFUND,
    REVERSAL,
    Concerning,
    RefundEntries,
    entries_of,
)
from streams.core.user.refund_reasons import is_buyers_own

BEFORE_MS: Final = DAY_MS  # a refund may be so much earlier than its order
AFTER_MS: Final = 180 * DAY_MS  # and so much later
LATEST: Final = 1 << 62  # later than every moment
WAITS_MS: Final = BEFORE_MS + HORIZON_MS  # a refund without its order is kept so long

TOTALS: Final = ("unmatched", "outside", "excess", "foreign", "reversal_excess")  # appended only


@dataclass(frozen=True, slots=True)
class BrandRefunds:
    """Refunds, cancels and reversals that enter cells of brands or leave them; columns `(n,)`."""

    user: RowNumbers  # NO_USER: of another person than the order
    brand: Codes
    at: Moments
    cents: NDArray[np.int64]  # given back; below 0 of a reversal
    is_reversal: Mask
    sign: NDArray[np.int64]  # 1 enters, -1 leaves

    def __len__(self) -> int:
        return len(self.at)

    def take(self, which: Mask) -> Self:
        """Some of them."""
        return type(self)(*(getattr(self, field.name)[which] for field in fields(self)))


@dataclass(frozen=True, slots=True)
class Moves:
    """How refunds entered and left cells."""

    refunds: BrandRefunds
    foreign: int = 0  # how many more of all refunds are in another currency than the shop's
    closed: int = 0  # how many stayed because their minute is final


@dataclass(frozen=True, slots=True)
class GivenBack:
    """What was given back of orders."""

    cents: NDArray[np.int64]  # of each order
    entries: RefundEntries


class Refunds:
    """All that may still meet an order to give it back, and totals of what is not booked."""

    def __init__(self, orders: OrderTable) -> None:
        self._orders = orders
        self._refunds = Arena(
            order=np.int32,
            at=np.int64,
            cents=np.int64,
            cancel=np.bool_,
            reversal=np.bool_,
            currency=np.int32,  # NO_CODE: that of its order
            brand=np.int32,
            user=np.int32,
            counted=np.bool_,  # taken as in the shop's currency: in the cell of its brand
            received=np.int64,  # record time
            reason=np.int32,  # number of the text, or NO_TEXT
        )
        self._reasons = Strings()
        self._of_order = Chains()
        self.totals = dict.fromkeys(TOTALS, 0)

    def add(self, row: RowNumbers, purchases: CodedPurchases) -> Moves:
        """Keep refunds, cancels and reversals with the rows of their orders, known or not."""
        orders = self._orders
        own, of_order = purchases.currency, orders["currency"][row]
        is_known = orders["at"][row] != NEVER
        is_foreign = np.where(
            own == NO_CODE, is_known & (of_order != purchases.shop), own != purchases.shop
        )
        first = self._refunds.append(
            order=row,
            at=purchases["at"],
            cents=purchases["pay_cents"],
            cancel=purchases["kind"] == Kind.CANCEL,
            reversal=purchases["kind"] == Kind.REFUND_REVERSED,
            currency=own,
            brand=purchases.brand,
            user=purchases.user,
            counted=~is_foreign,
            received=purchases["received_at"],
            reason=self._reasons.numbers(
                "" if is_erased else reason
                for reason, is_erased in zip(
                    purchases.texts("reasons"), purchases.is_erased.tolist(), strict=True
                )
            ),
        )
        which = first + np.arange(len(row))
        self._of_order.link(row, which)
        orders["dirty"][row] = True
        return Moves(self._moving(which[~is_foreign], 1), int(np.count_nonzero(is_foreign)))

    def __len__(self) -> int:
        return len(self._refunds)

    def is_cancelled(self, row: int, at: int, known: int) -> bool:
        """Whether one of the first `known` cancels an order, not after a moment."""
        _, which = self._of_order.pairs(np.array([row]))
        which = which[which < known]
        cancels = self._refunds["cancel"][which] & (self._refunds["at"][which] <= at)
        return bool(cancels.any())

    def move(self, row: RowNumbers, shop: int, before: Moments) -> Moves:
        """Let what names no currency be counted as its orders are, once their currency changed.

        Args:
            row: of the orders, each once.
            shop: code of the shop's currency.
            before: the greatest accepted time before what changed each.

        """
        orders, refunds = self._orders, self._refunds
        of, which = self._of_order.pairs(row)
        is_shops = orders["currency"][row][of] == shop
        moves = (refunds["currency"][which] == NO_CODE) & (refunds["counted"][which] != is_shops)
        moves &= refunds["at"][which] >= orders["since"][row][of]  # the others have no order
        of, which, is_shops = of[moves], which[moves], is_shops[moves]
        final = is_final(refunds["at"][which] // MINUTE_MS, before[of])
        final &= refunds["brand"][which] != NO_CODE
        closed = int(np.count_nonzero(final))
        of, which, is_shops = of[~final], which[~final], is_shops[~final]
        refunds["counted"][which] = is_shops
        sign = np.where(is_shops, 1, -1)
        moving = self._moving(which, sign, orders["user"][row][of])
        return Moves(moving, -int(sign.sum()), closed)

    def _moving(
        self, which: RowNumbers, sign: int | NDArray[np.int64], owner: RowNumbers | None = None
    ) -> BrandRefunds:
        """Those of some refunds that have a brand, as its cells count them.

        Users move only with orders of theirs: `owner` is the user of each order.
        """
        refunds = self._refunds
        cents, is_reversal = refunds["cents"][which], refunds["reversal"][which]
        user = refunds["user"][which].astype(np.int64)
        moving = BrandRefunds(
            user if owner is None else np.where(user == owner, user, NO_USER),
            refunds["brand"][which],
            refunds["at"][which],
            np.where(is_reversal, -cents, cents),
            is_reversal,
            np.broadcast_to(np.asarray(sign, np.int64), len(which)),
        )
        return moving.take(moving.brand != NO_CODE)

    def book(self, row: RowNumbers) -> GivenBack:
        """What was given back of each order; brings the totals not booked up to date."""
        orders, refunds = self._orders, self._refunds
        of, which = self._of_order.pairs(row)  # an order and a refund, cancel or reversal
        if not which.size:
            return GivenBack(np.zeros(len(row), np.int64), RefundEntries.none())
        met, within, foreign = self._meet(row, of, which)
        counts = within & ~foreign
        of_orders = len(row)
        cancel, reversal = refunds["cancel"][which], refunds["reversal"][which]
        cents = refunds["cents"][which]
        asked = _sums(of, np.where(counts & ~cancel & ~reversal, cents, 0), of_orders)
        reversed_ = _sums(of, np.where(counts & reversal, cents, 0), of_orders)
        is_cancelled = np.zeros(of_orders, np.bool_)
        is_cancelled[of[counts & cancel]] = True
        paid, left = orders["paid"][row], np.maximum(asked - reversed_, 0)
        self._count(
            row,
            unmatched=np.bincount(of[~met], minlength=of_orders),
            outside=np.bincount(of[met & ~within], minlength=of_orders),
            foreign=np.bincount(of[within & foreign], minlength=of_orders),
            excess=np.where(is_cancelled, 0, np.maximum(left - paid, 0)),
            reversal_excess=np.maximum(reversed_ - asked, 0),
        )
        orders["reversed"][row] = reversed_
        entries = entries_of(self._concerning(row, of[met], which[met], counts[met]), paid)
        return GivenBack(np.where(is_cancelled, paid, np.minimum(paid, left)), entries)

    def _meet(self, row: RowNumbers, of: RowNumbers, which: RowNumbers) -> tuple[Mask, Mask, Mask]:
        """Which refunds met their orders, which of those in the window, which are foreign."""
        orders, refunds = self._orders, self._refunds
        at, moment = orders["at"][row][of], refunds["at"][which]
        currency = refunds["currency"][which]
        met = (at != NEVER) & (moment >= orders["since"][row][of])
        within = met & (moment >= at - BEFORE_MS) & (moment <= at + AFTER_MS)
        foreign = (currency != NO_CODE) & (currency != orders["currency"][row][of])
        return met, within, foreign

    def first(self, row: RowNumbers, *, complaints: bool = False) -> Moments:
        """When something first came back of each order, or its buyer complained; or LATEST."""
        refunds, (of, which) = self._refunds, self._of_order.pairs(row)
        _, within, foreign = self._meet(row, of, which)
        asks = refunds["cancel"][which] | (refunds["cents"][which] > 0)
        asks &= within & ~foreign & ~refunds["reversal"][which]
        if complaints:
            asks &= _complains(which, refunds, self._reasons)
        first = np.full(len(row), LATEST)
        np.minimum.at(first, of[asks], refunds["at"][which[asks]])
        return first

    def _concerning(
        self, row: RowNumbers, of: RowNumbers, which: RowNumbers, counts: Mask
    ) -> Concerning:
        """What concerns orders; without its reason where the order is of an erased person."""
        refunds = self._refunds
        kind = np.where(refunds["cancel"][which], CANCEL, REFUND)
        kind[refunds["reversal"][which]] = REVERSAL
        is_nobody: Mask = self._orders["user_hash"][row].max(axis=1) == 0
        return Concerning(
            of,
            refunds["at"][which],
            kind,
            refunds["cents"][which],
            counts,
            np.where(is_nobody[of], NO_TEXT, refunds["reason"][which]),
            self._reasons.texts,
        )

    def _count(self, row: RowNumbers, **not_booked: NDArray[np.int64]) -> None:
        """Bring the totals up to date with what these orders add to them."""
        for name, count in not_booked.items():
            self.totals[name] += int((count - self._orders[name][row]).sum())
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
        recode(self._refunds["reason"], self._reasons.keep_numbers(self._refunds["reason"]))

    def link(self) -> None:
        """Build what a snapshot does not hold."""
        self._of_order.rebuild(
            self._refunds["order"].astype(np.int64), np.arange(len(self._refunds))
        )

    def drop_reasons(self, last: Moments) -> None:
        """Drop why persons were given something back; `last`: by user, up to when, else NEVER."""
        refunds = self._refunds
        is_theirs = refunds["received"] <= last[refunds["user"]]
        is_theirs &= last[refunds["user"]] != NEVER
        refunds["reason"][is_theirs] = NO_TEXT

    def detach_users(self, is_dropped: Mask) -> None:
        """Let refunds go on without their persons, of whom every event is read."""
        user = self._refunds["user"]
        user[np.append(is_dropped, False)[user]] = NO_USER

    def users(self) -> RowNumbers:
        """The user of every refund that has one."""
        return present(self._refunds["user"])

    def renumber_users(self, code: NDArray[np.int64]) -> None:
        """Give every user a new code, `code[old]`."""
        recode(self._refunds["user"], code)

    def brands(self) -> NDArray[np.int64]:
        """The brands of all refunds that have one."""
        return present(self._refunds["brand"])

    def renumber_brands(self, code: NDArray[np.int64]) -> None:
        """Give every brand a new code, `code[old]`."""
        recode(self._refunds["brand"], code)

    def currencies(self) -> NDArray[np.int64]:
        """The currencies of all refunds that name one."""
        return present(self._refunds["currency"])

    def renumber_currencies(self, code: NDArray[np.int64]) -> None:
        """Give every currency a new code, `code[old]`."""
        recode(self._refunds["currency"], code)

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """What a snapshot holds, as views."""
        totals = np.array(list(self.totals.values()), np.int64)
        return {
            **self._refunds.arrays(f"{prefix}.back"),
            **self._reasons.arrays(f"{prefix}.reason"),
            f"{prefix}.totals": totals,
        }

    def restore(self, prefix: str, arrays: Arrays) -> None:
        """Take over what `arrays` gave, as copies; `link` has to follow."""
        self._refunds.restore(f"{prefix}.back", arrays)
        self._reasons.restore(f"{prefix}.reason", arrays)
        self.totals |= dict(zip(TOTALS, arrays[f"{prefix}.totals"].tolist(), strict=True))


def _complains(which: RowNumbers, refunds: Arena, reasons: Strings) -> Mask:
    """Which of what was given back is no cancel, and has a reason that is not the buyer's own."""
    numbers, place = np.unique(refunds["reason"][which], return_inverse=True)
    is_own = np.array([*map(is_buyers_own, reasons.texts(numbers))], np.bool_)[place]
    complains: Mask = ~(is_own | refunds["cancel"][which])
    return complains


def _sums(of: RowNumbers, cents: NDArray[np.int64], orders: int) -> NDArray[np.int64]:
    """The sum for each order; exact, unlike `np.bincount` with weights."""
    sums = np.zeros(orders, np.int64)
    np.add.at(sums, of, cents)
    return sums
