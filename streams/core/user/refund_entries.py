"""What each refund, cancel and reversal of an order changed of what was given back.

Entries are in order of (time, kind, cents, reason), those without effect before others that are
alike, so it does not matter which arrived first:

    R_j = paid if one of the first j is a cancel that counts,
          else min(paid, max(0, refunds - reversals of the first j that count))

and the cents of entry j are R_j - R_(j-1), with R_0 = 0. They add up to what was given back of
the order (`refunds`); those of a reversal are negative. An entry without effect, such as one
outside the window, stays listed with 0: no entry ever leaves its order.

*Many.* Of an order with more than `MOST` entries those of one quarter of an hour are one, at the
time of the last of them. So a row stays below 17 600 entries, however many there are; and as
days begin at a full quarter of an hour in every time zone, no day loses what belongs to it. What
a quarter changed is what stands at its end less what stood before it: that depends on its sums
only, so these entries are added up by arrays, not one by one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Mask, Moments
from streams.core.arrays.index import RowNumbers
from streams.core.arrays.names import NO_TEXT
from streams.core.moments import MINUTE_MS, NEVER

KINDS: Final = ("refund", "cancel", "reversal", "merged")  # by code
REFUND, CANCEL, REVERSAL, MERGED = range(len(KINDS))

MOST: Final = 256  # entries of an order that are listed one by one
QUARTER_MS: Final = 15 * MINUTE_MS

_SIGN: Final = np.array([1, 0, -1])  # of what a refund, a cancel and a reversal ask for


@dataclass(frozen=True, slots=True)
class RefundEntries:
    """Entries of some orders, sorted by order and as the module says; columns `(n,)`."""

    order: RowNumbers  # number of the order among those asked for
    at: Moments
    cents: NDArray[np.int64]  # what each changed of what was given back
    kind: NDArray[np.int64]  # code into `KINDS`
    reason: Sequence[str]  # as sent, cut; empty where absent

    def __len__(self) -> int:
        return len(self.order)

    @classmethod
    def none(cls) -> Self:
        """No entries at all."""
        nothing = np.zeros(0, np.int64)
        return cls(nothing, nothing, nothing, nothing, [])

    def renumbered(self, number: NDArray[np.int64]) -> Self:
        """The same entries with `number[order]` as their orders."""
        return type(self)(number[self.order], self.at, self.cents, self.kind, self.reason)


@dataclass(frozen=True, slots=True)
class Concerning:
    """What concerns some orders and met them, in any order; columns `(n,)`."""

    order: RowNumbers  # number of the order among those asked for
    at: Moments
    kind: NDArray[np.int64]  # REFUND, CANCEL or REVERSAL
    cents: NDArray[np.int64]  # as sent
    counts: Mask  # within the window and in the order's currency
    reason: NDArray[np.int64]  # number of the text, or NO_TEXT
    texts: Callable[[NDArray[np.int64]], Sequence[str]]  # texts by their numbers

    def take(self, which: Mask) -> Self:
        """Some of them."""
        return replace(
            self,
            order=self.order[which],
            at=self.at[which],
            kind=self.kind[which],
            cents=self.cents[which],
            counts=self.counts[which],
            reason=self.reason[which],
        )


def entries_of(concerning: Concerning, paid: NDArray[np.int64]) -> RefundEntries:
    """The entries of orders by what concerns them; `paid`: cents of each order.

    Orders that something was given back of are few, and nearly all of few entries each: these
    are made one by one. O(n) by arrays for what concerns orders with more than `MOST`.
    """
    are_many = (np.bincount(concerning.order, minlength=len(paid)) > MOST)[concerning.order]
    if not are_many.any():
        return _one_by_one(concerning, paid)
    few = _one_by_one(concerning.take(~are_many), paid)
    return _in_turn(few, _by_quarter(concerning.take(are_many), paid))


def _one_by_one(concerning: Concerning, paid: NDArray[np.int64]) -> RefundEntries:
    columns = (concerning.order, concerning.at, concerning.kind, concerning.cents)
    sort = sorted(
        zip(
            *(column.tolist() for column in columns),
            concerning.texts(concerning.reason),
            concerning.counts.tolist(),
            strict=True,
        )
    )
    changed, last = [], None
    for order, _, kind, cents, _, counts in sort:
        if order != last:
            last, total, before, asked, is_cancelled = order, int(paid[order]), 0, 0, False
        if counts:
            asked += 0 if kind == CANCEL else -cents if kind == REVERSAL else cents
            is_cancelled |= kind == CANCEL
        back = total if is_cancelled else min(total, max(0, asked))
        changed.append(back - before)
        before = back
    order, at, kind = np.array([one[:3] for one in sort], np.int64).reshape(-1, 3).T
    return RefundEntries(order, at, np.array(changed, np.int64), kind, [one[4] for one in sort])


def _by_quarter(concerning: Concerning, paid: NDArray[np.int64]) -> RefundEntries:
    """One entry for each quarter of an hour; what is alone in its quarter stays what it is."""
    sort = np.lexsort((concerning.at, concerning.order))
    order, at, kind = concerning.order[sort], concerning.at[sort], concerning.kind[sort]
    is_first = np.diff(at // QUARTER_MS, prepend=NEVER) != 0
    is_first |= np.diff(order, prepend=-1) != 0
    first = np.flatnonzero(is_first)
    end = np.append(first[1:], len(order))
    asks = concerning.counts[sort] * concerning.cents[sort] * _SIGN[kind]
    cancels = concerning.counts[sort] & (kind == CANCEL)
    order = order[first]
    begins = np.flatnonzero(np.diff(order, prepend=-1))
    asked = _running(np.add.reduceat(asks, first), begins)
    is_cancelled = _running(np.add.reduceat(cancels, first, dtype=np.int64), begins) > 0
    total = paid[order]
    back = np.where(is_cancelled, total, np.minimum(total, np.maximum(asked, 0)))
    changed = np.diff(back, prepend=0)
    changed[begins] = back[begins]
    is_alone = end - first == 1
    return RefundEntries(
        order,
        at[end - 1],
        changed,
        np.where(is_alone, kind[first], MERGED),
        concerning.texts(np.where(is_alone, concerning.reason[sort[first]], NO_TEXT)),
    )


def _running(parts: NDArray[np.int64], begins: RowNumbers) -> NDArray[np.int64]:
    """The sums of each order after each of its parts; `begins`: where the parts of orders begin."""
    sums = np.cumsum(parts)
    before = sums[begins] - parts[begins]
    running: NDArray[np.int64] = sums - np.repeat(before, np.diff(begins, append=len(parts)))
    return running


def _in_turn(some: RefundEntries, others: RefundEntries) -> RefundEntries:
    """The entries of some orders and those of others, by order."""
    sort = np.argsort(np.append(some.order, others.order), kind="stable")
    reason = [*some.reason, *others.reason]
    return RefundEntries(
        np.append(some.order, others.order)[sort],
        np.append(some.at, others.at)[sort],
        np.append(some.cents, others.cents)[sort],
        np.append(some.kind, others.kind)[sort],
        [reason[i] for i in sort.tolist()],
    )
