"""Orders and what was given back of them, by user and order id.

*Standing.* Of all accepted `paid` of a (user, order) the one with the smaller (time,
event_id) stands. When that moves the order's time, its former row is written empty.

*Of erased persons* (`erasures`). Their orders are written under NOBODY and without their coupon,
which may have been made for one person, and the rows they had under a hash are written empty.
Refunds still meet such an order; a `paid` of who comes later under the same user_id never
replaces it.

*Pruned.* What is decided about an order is a function of the log of `purchases` alone: an
order is unknown once the greatest accepted time is more than 180 d plus the horizon above its
time (no refund can count any more), a refund that waits for its order once it is more than
24 h plus the horizon above its own (no order can come any more). When memory of them really
goes does not matter.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any, Final, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Keys, Mask, Moments
from schemas.events import Kind
from schemas.identity import hashes_of
from schemas.keyed_names import SIZE
from streams.core.arrays.arena import Arena, Arrays
from streams.core.arrays.compaction import Compaction
from streams.core.arrays.index import RowNumbers
from streams.core.moments import HORIZON_MS, NEVER
from streams.core.user.journeys import Lookup
from streams.core.user.order_table import (
    NO_CODE,
    NO_USER,
    NOT_DUE,
    UNFROZEN,
    BrandOrders,
    CodedPurchases,
    OrderTable,
)
from streams.core.user.order_touches import OrderTouches
from streams.core.user.refunds import (
    AFTER_MS,
    BEFORE_MS,
    WAITS_MS,
    BrandRefunds,
    Moves,
    Refunds,
)

_Columns = TypeVar("_Columns", BrandOrders, BrandRefunds)

KEPT_MS: Final = AFTER_MS + HORIZON_MS  # an order is kept so long after its time


class Paid(IntEnum):
    """What became of a `paid`; FIRST also of what is none."""

    FIRST = 0
    SAME = 1  # dropped: another one stands, with the same amount
    OTHER = 2  # dropped: another one stands, with another amount
    CANCELLED = 3  # dropped: after a cancel of its order
    REPLACES_SAME = 4  # it stands now in place of one with the same amount
    REPLACES_OTHER = 5  # it stands now in place of one with another amount


DROPPED: Final = (Paid.SAME, Paid.OTHER, Paid.CANCELLED)


@dataclass(frozen=True, slots=True)
class OrderChanges:
    """What a batch of purchases changed."""

    paid: NDArray[np.uint8]  # `Paid` of each purchase
    added: BrandOrders  # standing orders
    removed: BrandOrders
    refunds: BrandRefunds
    foreign: int  # how many more orders and refunds are in another currency than the shop's
    closed: int  # how many refunds stayed in a cell because their minute is final

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """What parts of a batch changed, one after the other."""
        return cls(
            np.concatenate([part.paid for part in parts]),
            _joined([part.added for part in parts]),
            _joined([part.removed for part in parts]),
            _joined([part.refunds for part in parts]),
            sum(part.foreign for part in parts),
            sum(part.closed for part in parts),
        )


class Orders:
    """All orders that a refund may still meet, and the refunds that may still meet an order."""

    def __init__(self, slack: int) -> None:
        self.table = OrderTable()
        self.refunds = Refunds(self.table)
        self.touches = OrderTouches(self.table, slack)
        # keys that orders had, until their rows are written empty
        self.moved = Arena(order=np.int32, at=np.int64, user_hash=(np.uint8, (SIZE,)))
        self._compaction = Compaction(slack)

    def fold(self, purchases: CodedPurchases) -> OrderChanges:
        """Take in accepted purchases, in the order of the log."""
        row, cut = self._rows(purchases)
        if cut:
            parts = [
                self.fold(purchases.take(part)) for part in (slice(None, cut), slice(cut, None))
            ]
            return OrderChanges.joined(parts)
        is_paid = purchases["kind"] == Kind.PAID
        moves = self.refunds.add(row[~is_paid], purchases.take(np.flatnonzero(~is_paid)))
        return self._fold_paid(row, is_paid, purchases, moves)

    def _rows(self, purchases: CodedPurchases) -> tuple[RowNumbers, int]:
        """The row of each event's order; or where to cut a batch whose order shows.

        It does when it outlives an order, and when refunds take on a currency that their order
        gets. In a batch of one event an order is known or pruned, so cutting ends there.
        """
        table, key = self.table, purchases["order"]
        row, first = table.add(key[:, 0], key[:, 1])
        table.begin(row[first], purchases.take(np.flatnonzero(first)))
        at = table["at"][row]
        outlived = (at != NEVER) & (at + KEPT_MS < purchases.before)
        if len(purchases) > 1:
            span = int(purchases.before.max()) - int(purchases["at"].min())
            repeats = span > KEPT_MS and len(np.unique(row)) < len(row)
            is_cut = repeats or outlived.any() or self._is_order_seen(row, purchases)
            return row, len(purchases) // 2 if is_cut else 0
        for i in np.flatnonzero(outlived).tolist():
            row[i] = table.renew(int(row[i]))
            table.begin(row, purchases)
        return row, 0

    def _is_order_seen(self, row: RowNumbers, purchases: CodedPurchases) -> bool:
        """Whether a refund has the currency of its order, and a foreign one comes or goes."""
        stands = self.table["at"][row] != NEVER
        foreign = purchases.currency != purchases.shop
        foreign |= stands & (self.table["currency"][row] != purchases.shop)
        is_paid = purchases["kind"] == Kind.PAID
        follows = ~is_paid & (purchases.currency == NO_CODE)
        return bool(np.isin(row[is_paid & foreign], row[follows]).any())

    def _fold_paid(
        self, row: RowNumbers, is_paid: Mask, purchases: CodedPurchases, added_refunds: Moves
    ) -> OrderChanges:
        """Let every `paid` stand or not: the first of each order at once, the others in turn."""
        table = self.table
        seen, first = np.unique(np.where(is_paid, row, -1), return_index=True)
        new = first[(seen >= 0) & (table["at"][seen] == NEVER)]
        self._add(row[new], purchases.take(new))
        abroad = new[~table["counted"][row[new]]]
        moves = [added_refunds, self._move_refunds(row[abroad], purchases.take(abroad))]
        foreign = len(abroad)
        outcome = np.zeros(len(row), np.uint8)
        is_repeated = is_paid.copy()
        is_repeated[new] = False
        known = len(self.refunds) - np.count_nonzero(~is_paid) + np.cumsum(~is_paid)
        added, removed = [table.brand_orders(row[new])], [table.brand_orders(row[:0])]
        for i in np.flatnonzero(is_repeated).tolist():
            one, paid = row[i : i + 1], purchases.take(slice(i, i + 1))
            outcome[i] = self._outcome(paid, int(row[i]), int(known[i]))
            if outcome[i] >= Paid.REPLACES_SAME:
                removed.append(table.brand_orders(one))
                foreign += int(table["counted"][row[i]])
                self._replace(one, paid)
                foreign -= int(table["counted"][row[i]])
                added.append(table.brand_orders(one))
                moves.append(self._move_refunds(one, paid))
        return OrderChanges(
            outcome,
            _joined(added),
            _joined(removed),
            _joined([move.refunds for move in moves]),
            foreign + sum(move.foreign for move in moves),
            sum(move.closed for move in moves),
        )

    def _move_refunds(self, row: RowNumbers, paid: CodedPurchases) -> Moves:
        """Let refunds that name no currency follow orders whose `paid` has just become another."""
        return self.refunds.move(row, paid.shop, paid.before)

    def _add(self, row: RowNumbers, paid: CodedPurchases) -> None:
        """Let the first `paid` of orders stand."""
        table = self.table
        table.write_standing(row, paid)
        table["since"][row] = paid.before - HORIZON_MS - BEFORE_MS
        table["user"][row] = paid.user
        table["user_hash"][row] = hashes(paid["user"])
        table["user_hash"][row[paid.is_erased]] = 0
        by_nobody = paid["placeholder_user"]
        # frozen: what strangers did under that id never counts
        table["touches"][row[by_nobody]] = 0
        self.touches.unfreeze(row[~by_nobody])

    def _outcome(self, paid: CodedPurchases, row: int, known: int) -> Paid:
        """What becomes of one `paid` after the first and `known` refunds; notes other amounts."""
        replaces = self.table.is_replaced(row, paid)
        differs = self.table.note_again(row, paid, replaces=replaces)
        if replaces:
            return Paid.REPLACES_OTHER if differs else Paid.REPLACES_SAME
        if self.refunds.is_cancelled(row, int(paid["at"][0]), known):
            return Paid.CANCELLED
        return Paid.OTHER if differs else Paid.SAME

    def _replace(self, row: RowNumbers, paid: CodedPurchases) -> None:
        """Let another `paid` stand; the key with the time the order had is to be emptied."""
        if self.table["at"][row[0]] != paid["at"][0]:
            self._bury(row)
        self.table.write_standing(row, paid)
        is_frozen = self.table["touches"][row[0]] != UNFROZEN
        # only a topic that did not count does this
        if is_frozen and not paid["placeholder_user"][0]:
            self.touches.unfreeze(row)

    def _bury(self, row: RowNumbers) -> None:
        """Leave a tombstone for the keys orders have now: they are about to get others."""
        table = self.table
        self.moved.append(order=row, at=table["at"][row], user_hash=table["user_hash"][row])

    def mark_moved(self, count: int) -> None:
        """Let orders be written whose former keys are to be emptied, about so many at a time.

        Those that changed are written with theirs anyway; after an upgrade all may wait.
        """
        self.table["dirty"][self.moved["order"][:count]] = True

    def anonymize(self, user: RowNumbers, until: Moments, later: Keys) -> None:
        """Write the orders of persons who were up to these moments under NOBODY.

        What was appended later, before the moment was known, goes to who came after them,
        whose keys are `later`.
        """
        table = self.table
        users = np.concatenate([user, self.users()])
        last = np.full(int(users.max(initial=NO_USER)) + 2, NEVER)  # NO_USER has none
        last[user] = until
        after = np.zeros((len(last), SIZE), np.uint8)
        after[user] = hashes(later)
        self.refunds.drop_reasons(last)
        erased = last[table["user"]]
        row = np.flatnonzero((erased != NEVER) & (table["at"] != NEVER))
        row = row[table["user_hash"][row].any(axis=1)]
        self._bury(row)
        table["dirty"][row] = True
        goes_on = row[table["received"][row] > erased[row]]
        table["user_hash"][row] = 0
        table["user_hash"][goes_on] = after[table["user"][goes_on]]
        table.drop_coupons(row[~table["user_hash"][row].any(axis=1)])

    def detach_users(self, is_dropped: Mask, lookup: Lookup) -> None:
        """Let orders go on without their persons, of whom every event is read.

        Their touches are frozen; the ids of their events, and of all that do not count any
        more, are dropped.
        """
        table = self.table
        row = np.flatnonzero(np.append(is_dropped, False)[table["user"]])
        unfrozen = (table["touches"][row] == UNFROZEN) & (table["at"][row] != NEVER)
        self.touches.freeze(row[unfrozen], lookup)
        table["user"][row] = NO_USER
        self.refunds.detach_users(is_dropped)
        table.drop_event_ids(row)
        self._keep(np.ones(len(table), np.bool_))

    def prune(self, watermark: int) -> None:
        """Drop orders and refunds that can not meet any more, when there are many."""
        table = self.table
        if not self._compaction.is_due(len(table)):
            return
        expired = np.where(
            table["at"] != NEVER,
            (table["at"] + KEPT_MS < watermark) & (table["touches"] != UNFROZEN),
            self.refunds.latest() + WAITS_MS < watermark,
        )
        expired &= ~table["dirty"] & (table["due_at"] == NOT_DUE)
        expired[self.moved["order"]] = False
        if self._compaction.is_worth(expired):
            self._keep(~expired)
        self._compaction.reset(len(table))

    def _keep(self, which: Mask) -> None:
        self.refunds.keep(which)
        self.moved["order"][:] = (np.cumsum(which) - 1)[self.moved["order"]]
        self.table.keep(which)
        self.touches.compact()
        self._link()

    def _link(self) -> None:
        """Build what a snapshot does not hold."""
        self.refunds.link()
        self.touches.link()

    def users(self) -> RowNumbers:
        """The user of every order and refund that has one."""
        return np.append(self.table.users(), self.refunds.users())

    def renumber_users(self, code: NDArray[np.int64]) -> None:
        """Give every user a new code, `code[old]`."""
        self.table.renumber_users(code)
        self.refunds.renumber_users(code)
        self._link()

    def names(self) -> NDArray[np.int64]:
        """All brands of orders and refunds, and KOLs of observations and frozen touches."""
        return np.concatenate([self.table.names(), self.refunds.brands(), self.touches.names()])

    def renumber_names(self, code: NDArray[np.int64]) -> None:
        """Give every brand and KOL a new code, `code[old]`."""
        self.table.renumber_names(code)
        self.refunds.renumber_brands(code)
        self.touches.renumber_names(code)

    def labels(self) -> NDArray[np.int64]:
        """All platforms, channels and currencies."""
        return np.append(self.table.labels(), self.refunds.currencies())

    def renumber_labels(self, code: NDArray[np.int64]) -> None:
        """Give every platform, channel and currency a new code, `code[old]`."""
        self.table.renumber_labels(code)
        self.refunds.renumber_currencies(code)

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """What a snapshot holds, as views."""
        return {
            **self.table.arrays(prefix),
            **self.refunds.arrays(prefix),
            **self.touches.arrays(prefix),
            **self.moved.arrays(f"{prefix}.moved"),
        }

    def restore(self, prefix: str, arrays: Arrays) -> None:
        """Take over what `arrays` gave."""
        self.table.restore(prefix, arrays)
        self.refunds.restore(prefix, arrays)
        self.touches.restore(prefix, arrays)
        self.moved.restore(f"{prefix}.moved", arrays)
        self._link()


def hashes(keys: Keys) -> NDArray[np.uint8]:
    """Keys of persons as bytes of their hex digits: the user_hash of their orders."""
    return np.frombuffer(hashes_of(keys), np.uint8).reshape(-1, SIZE)


def _joined(parts: Sequence[_Columns]) -> _Columns:
    kind = type(parts[0])
    names = [field.name for field in fields(kind)]
    return kind(*(np.concatenate([getattr(one, name) for one in parts]) for name in names))
