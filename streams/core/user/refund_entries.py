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
days begin at a full quarter of an hour in every time zone, no day loses what belongs to it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Mask, Moments
from streams.core.arrays.index import RowNumbers
from streams.core.moments import MINUTE_MS

KINDS: Final = ("refund", "cancel", "reversal", "merged")  # by code
REFUND, CANCEL, REVERSAL, MERGED = range(len(KINDS))

MOST: Final = 256  # entries of an order that are listed one by one
QUARTER_MS: Final = 15 * MINUTE_MS


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
    reason: Sequence[str]


def entries_of(concerning: Concerning, paid: NDArray[np.int64]) -> RefundEntries:
    """The entries of orders by what concerns them; `paid`: cents of each order.

    One by one: orders that something was given back of are few, and of few entries each.
    """
    columns = (concerning.order, concerning.at, concerning.kind, concerning.cents)
    sort = sorted(
        zip(
            *(column.tolist() for column in columns),
            concerning.reason,
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
    entries = RefundEntries(order, at, np.array(changed, np.int64), kind, [one[4] for one in sort])
    return _bounded(entries) if len(entries) > MOST else entries


def _bounded(entries: RefundEntries) -> RefundEntries:
    """The entries, with those of a quarter of an hour as one where an order has too many."""
    many = np.bincount(entries.order) > MOST
    if not many.any():
        return entries
    order, quarter = entries.order, entries.at // QUARTER_MS
    is_new = ~many[order] | (np.diff(order, prepend=-1) > 0)
    is_new |= np.diff(quarter, prepend=-1) != 0
    first = np.flatnonzero(is_new)
    end = np.append(first[1:], len(order))
    is_merged = end - first > 1
    return RefundEntries(
        order[first],
        entries.at[end - 1],
        np.add.reduceat(entries.cents, first),
        np.where(is_merged, MERGED, entries.kind[first]),
        [
            "" if merged else entries.reason[i]
            for i, merged in zip(first.tolist(), is_merged.tolist(), strict=True)
        ],
    )
