"""Orders and what was given back of them, by user and order id.

*Standing.* Of all accepted `paid` of a (user, order) the one with the smaller (time,
event_id) stands. When that moves the order's time, the old row is told to be empty.

*Given back.* A refund or cancel counts if order - 24 h <= time <= order + 180 d,
whichever arrives first.

    R = paid if any cancel counts, else min(paid, sum of the refunds that count)

What refunds say beyond that is `excess`, those outside the window are `outside`, those
without an order `unmatched`.

*Frozen.* An order before the watermark minus the horizon can get no further touch; its
counting touches are kept as they are, so that a refund months later can tell the whole
row again.

*Of forgotten persons* (`forgotten`). Their orders are told under NOBODY, and the rows they had
under a hash are told empty. Refunds still meet such an order; a `paid` of who comes later
under the same user_id never replaces it.

*Forgotten.* What is decided about an order is a function of the log of `purchases`
alone: an order is unknown once the greatest accepted time is more than 180 d plus the
horizon above its time (no refund can count any more), a refund that waits for its order
once it is more than 24 h plus the horizon above its own (no order can come any more).
When memory of them really goes does not matter.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Codes, Mask, Moments, Purchases
from schemas.events import Kind
from streams.core.arrays.arena import Arena, Arrays, Due, Strings
from streams.core.arrays.chains import Chains
from streams.core.arrays.index import Keyed, RowNumbers
from streams.core.moments import DAY_MS, HORIZON_MS, NEVER
from streams.core.user.pseudonyms import SIZE, Pseudonyms
from streams.core.user.touches import Journeys, Touches

REFUND_BEFORE_MS: Final = DAY_MS
REFUND_AFTER_MS: Final = 180 * DAY_MS
KEPT_MS: Final = REFUND_AFTER_MS + HORIZON_MS  # an order after its time
WAITS_MS: Final = REFUND_BEFORE_MS + HORIZON_MS  # a refund without its order after its time

LABELS: Final = ("platform", "channel", "currency")

OPEN: Final = -1  # the number of touches of an order that is not frozen
GONE: Final = -1  # the user of an order whose person is forgotten

_STANDING = {  # what a `paid` says and the standing one decides
    "at": np.int64,  # NEVER where only refunds are known
    "paid": np.int64,
    "list": np.int64,
    "discount": np.int64,
    "promo": np.bool_,
    "member": np.bool_,
    "brand": np.int32,
    "platform": np.int32,
    "channel": np.int32,
    "currency": np.int32,
    "event_id": np.int32,  # number of the text
}


@dataclass(frozen=True, slots=True)
class Named:
    """What a batch of purchases says, in the memory's own numbers, shape `(n,)`."""

    user: RowNumbers
    brand: Codes
    platform: Codes
    channel: Codes
    currency: Codes
    before: Moments  # the greatest accepted time before each
    since: Moments  # of each person, NEVER of the first of a user_id
    is_over: Mask  # whether the person is forgotten


@dataclass(frozen=True, slots=True)
class Brands:
    """Standing orders of brands that came or went, shape `(n,)`."""

    user: RowNumbers
    brand: Codes
    at: Moments
    paid: NDArray[np.int64]
    list: NDArray[np.int64]
    discount: NDArray[np.int64]
    promo: Mask
    member: Mask

    def __len__(self) -> int:
        return len(self.at)

    def take(self, which: Mask) -> Self:
        """Give some of them."""
        return type(self)(*(getattr(self, field.name)[which] for field in fields(self)))


class Orders:
    """All orders that a refund may still meet, and the refunds that may still meet an order."""

    def __init__(self, slack: int, pseudonyms: Pseudonyms) -> None:
        self._pseudonyms = pseudonyms
        self._order = Keyed(
            user=np.int32,  # whose it is, GONE of a forgotten person of whom nothing is left
            received=np.int64,  # record time of the `paid` that stands
            user_hash=(np.uint8, (SIZE,)),
            order_id=np.int32,  # number of the text
            since=np.int64,  # refunds before this were forgotten when the order came
            dirty=np.bool_,
            touches=np.int8,  # counting ones in the pool, or OPEN
            pool=np.int64,  # the first of them
            unmatched=np.int32,  # what this row adds to the totals
            outside=np.int32,
            excess=np.int64,
            **_STANDING,
        )
        self._texts = Strings()
        self._back = Arena(order=np.int32, at=np.int64, cents=np.int64, cancel=np.bool_)
        self._backs = Chains()  # of an order
        self._open = Chains()  # of a user: orders that are not frozen
        self._pool = Arena(at=np.int64, kol=np.int32, klass=np.int8)
        self._moved = Arena(  # keys to be told empty
            order=np.int32, at=np.int64, user_hash=(np.uint8, (SIZE,))
        )
        self._to_freeze, self._to_forget = Due(slack), Due(slack)
        self._unfrozen = 0
        self.unmatched = self.outside = self.excess_cents = 0

    def take(
        self, events: Purchases, which: RowNumbers, named: Named
    ) -> tuple[Mask, Brands, Brands]:
        """Take in accepted purchases, in the order of the log.

        Args:
            events: a batch.
            which: its accepted rows.
            named: what they say, in our numbers.

        Returns:
            Which of them are a `paid` after the first; the standing orders that came and
            those that went.

        """
        row, cut = self._rows(events, which, named)
        if cut:
            left = self.take(events, which[:cut], _part(named, slice(None, cut)))
            right = self.take(events, which[cut:], _part(named, slice(cut, None)))
            return (
                np.append(left[0], right[0]),
                _joined([left[1], right[1]]),
                _joined([left[2], right[2]]),
            )
        is_paid = events.kind[which] == Kind.PAID
        self._give_back(row[~is_paid], events, which[~is_paid])
        return self._pay(row, is_paid, events, which, named)

    def _rows(self, events: Purchases, which: RowNumbers, named: Named) -> tuple[RowNumbers, int]:
        """Give the row of each event's order; or where to cut a batch that outlives an order.

        In a batch of one event an order is known or forgotten, so cutting ends there.
        """
        key = events.order[which]
        row, first = self._order.add(key[:, 0], key[:, 1])
        self._begin(row[first], events, which[first], named.user[first])
        at = self._order["at"][row]
        forgotten = (at != NEVER) & (at + KEPT_MS < named.before)
        if len(which) > 1:
            span = int(named.before.max()) - int(events.at[which].min())
            repeats = span > KEPT_MS and len(np.unique(row)) < len(row)
            return row, len(which) // 2 if repeats or forgotten.any() else 0
        for i in np.flatnonzero(forgotten).tolist():
            row[i] = self._order.renew(int(row[i]))
            self._begin(row, events, which, named.user)
        return row, 0

    def _begin(
        self, row: RowNumbers, events: Purchases, which: RowNumbers, user: RowNumbers
    ) -> None:
        """Write rows of orders not heard of before."""
        order = self._order
        order["user"][row] = user
        order["at"][row] = order["since"][row] = NEVER
        order["brand"][row] = -1
        order["touches"][row] = OPEN
        for name in ("dirty", "unmatched", "outside", "excess", "paid"):
            order[name][row] = 0
        first = self._texts.add([events.order_ids[i] for i in which.tolist()])
        order["order_id"][row] = order["event_id"][row] = first + np.arange(len(row))

    def _give_back(self, row: RowNumbers, events: Purchases, which: RowNumbers) -> None:
        """Keep refunds and cancels with their orders, known or not."""
        first = self._back.append(
            order=row,
            at=events.at[which],
            cents=events.pay_cents[which],
            cancel=events.kind[which] == Kind.CANCEL,
        )
        self._backs.link(row, first + np.arange(len(row)))
        self._order["dirty"][row] = True

    def _pay(
        self,
        row: RowNumbers,
        is_paid: Mask,
        events: Purchases,
        which: RowNumbers,
        named: Named,
    ) -> tuple[Mask, Brands, Brands]:
        """Let every `paid` stand or not: the first of each order at once, the others in turn."""
        order = self._order
        seen, first = np.unique(np.where(is_paid, row, -1), return_index=True)
        new = first[(seen >= 0) & (order["at"][seen] == NEVER)]
        payers = _part(named, new)
        self._stand(row[new], events, which[new], payers)
        order["since"][row[new]] = payers.before - HORIZON_MS - REFUND_BEFORE_MS
        order["user"][row[new]] = payers.user
        users = [events.user_ids[i] for i in which[new].tolist()]
        order["user_hash"][row[new]] = self._hashes(users, payers)
        self._reopen(row[new])
        again = is_paid.copy()
        again[new] = False
        came, went = [self._brands(row[new])], [self._brands(row[:0])]
        for i in np.flatnonzero(again).tolist():
            one = slice(i, i + 1)
            is_same = named.user[i] == order["user"][row[i]]
            if is_same and self._is_earlier(events, int(which[i]), int(row[i])):
                went.append(self._brands(row[one]))
                self._replace(row[one], events, which[one], _part(named, one))
                came.append(self._brands(row[one]))
        return again, _joined(came), _joined(went)

    def _hashes(self, user_ids: Sequence[str], persons: Named) -> NDArray[np.uint8]:
        """Give what rows call persons."""
        hashes = self._pseudonyms(user_ids)
        later = persons.since != NEVER
        if later.any() or persons.is_over.any():
            hashes = hashes.copy()
            hashes[later] = self._pseudonyms.later(hashes[later], persons.since[later])
            hashes[persons.is_over] = 0
        return hashes

    def _is_earlier(self, events: Purchases, event: int, row: int) -> bool:
        """Say whether a `paid` comes before the one that stands, by (time, event_id)."""
        at, stands_at = int(events.at[event]), int(self._order["at"][row])
        if at != stands_at:
            return at < stands_at
        stands = self._texts.utf8([int(self._order["event_id"][row])])[0]
        return events.event_ids[event].encode() < stands

    def _replace(self, row: RowNumbers, events: Purchases, which: RowNumbers, named: Named) -> None:
        """Let another `paid` stand; a time the order had is to be told empty."""
        before = self._order["at"][row]
        if before[0] != events.at[which[0]]:
            self._move(row)
        self._stand(row, events, which, named)
        if self._order["touches"][row[0]] != OPEN:  # only a topic that did not count can do this
            self._reopen(row)

    def _move(self, row: RowNumbers) -> None:
        """Tell the keys that orders have now empty: they are about to get others."""
        order = self._order
        self._moved.append(order=row, at=order["at"][row], user_hash=order["user_hash"][row])

    def _stand(self, row: RowNumbers, events: Purchases, which: RowNumbers, named: Named) -> None:
        """Write what the standing `paid` says."""
        order = self._order
        order["at"][row] = events.at[which]
        order["received"][row] = events.received_at[which]
        order["paid"][row] = events.pay_cents[which]
        order["list"][row] = events.list_cents[which]
        order["discount"][row] = events.discount_cents[which]
        order["promo"][row] = events.promo[which]
        order["member"][row] = events.member[which]
        order["brand"][row] = named.brand
        order["platform"][row] = named.platform
        order["channel"][row] = named.channel
        order["currency"][row] = named.currency
        first = self._texts.add([events.event_ids[i] for i in which.tolist()])
        order["event_id"][row] = first + np.arange(len(row))
        order["dirty"][row] = True

    def _reopen(self, row: RowNumbers) -> None:
        """Let touches count for orders."""
        self._order["touches"][row] = OPEN
        self._open.link(self._order["user"][row].astype(np.int64), row)
        self._unfrozen += len(row)

    def _brands(self, row: RowNumbers) -> Brands:
        """Give what standing orders mean to their brands; an order without one to nobody."""
        order = self._order
        row = row[order["brand"][row] >= 0]
        names = ("user", "brand", "at", "paid", "list", "discount", "promo", "member")
        return Brands(*(order[name][row] for name in names))

    def touched(self, user: RowNumbers, at: Moments) -> None:
        """Mark the orders for which touches of these users at these times may count."""
        bought = self._open.owns(user)
        owner, whose = np.unique(user[bought], return_inverse=True)
        if not owner.size:
            return
        earliest = np.full(len(owner), np.iinfo(np.int64).max)
        np.minimum.at(earliest, whose, at[bought])
        of, row = self._open.pairs(owner)
        self._order["dirty"][row[self._order["at"][row] >= earliest[of]]] = True

    def changed(self) -> tuple[RowNumbers, NDArray[np.int64]]:
        """Give the orders to be told anew and what was given back of each, in cents.

        Brings the totals of what was not booked up to date.
        """
        order = self._order
        row = np.flatnonzero(order["dirty"])
        order["dirty"][row] = False
        refunded = self._refunded(row)
        known = order["at"][row] != NEVER
        return row[known], refunded[known]

    def _refunded(self, row: RowNumbers) -> NDArray[np.int64]:
        """Give what was given back of orders; 0 for one that is not known."""
        order, back = self._order, self._back
        of, which = self._backs.pairs(row)  # an order and a refund or cancel of it
        at, moment = order["at"][row][of], back["at"][which]
        met = (at != NEVER) & (moment >= order["since"][row][of])
        counts = met & (moment >= at - REFUND_BEFORE_MS) & (moment <= at + REFUND_AFTER_MS)
        cancel = back["cancel"][which]
        asked = np.zeros(len(row), np.int64)
        np.add.at(asked, of, np.where(counts & ~cancel, back["cents"][which], 0))
        is_cancelled = np.zeros(len(row), np.bool_)
        is_cancelled[of[counts & cancel]] = True
        paid = order["paid"][row]
        excess = np.where(is_cancelled, 0, np.maximum(asked - paid, 0))
        unmatched = np.bincount(of[~met], minlength=len(row))
        outside = np.bincount(of[met & ~counts], minlength=len(row))
        self.unmatched += int((unmatched - order["unmatched"][row]).sum())
        self.outside += int((outside - order["outside"][row]).sum())
        self.excess_cents += int((excess - order["excess"][row]).sum())
        order["unmatched"][row], order["outside"][row] = unmatched, outside
        order["excess"][row] = excess
        refunded: NDArray[np.int64] = np.where(is_cancelled, paid, np.minimum(paid, asked))
        return refunded

    def moved(self) -> tuple[RowNumbers, Moments, NDArray[np.uint8]]:
        """Give orders, times and hashes they had since the last time: rows to be told empty."""
        row = self._moved["order"].astype(np.int64)
        at, user_hash = self._moved["at"].copy(), self._moved["user_hash"].copy()
        self._moved.keep(np.zeros(len(at), np.bool_))
        return row, at, user_hash

    def end(self, user: RowNumbers, until: Moments) -> None:
        """Tell the orders of persons who were up to these moments under NOBODY.

        What was appended later, before the moment was known, goes to who came after them.
        """
        order = self._order
        last = np.full(int(order["user"].max(initial=GONE)) + 2, NEVER)  # GONE has none
        here = user < len(last) - 1
        last[user[here]] = until[here]
        over = last[order["user"]]
        row = np.flatnonzero((over != NEVER) & (order["at"] != NEVER))
        row = row[order["user_hash"][row].any(axis=1)]
        self._move(row)
        order["dirty"][row] = True
        later = row[order["received"][row] > over[row]]
        hashes = self._pseudonyms.later(order["user_hash"][later], over[later])
        order["user_hash"][row] = 0
        order["user_hash"][later] = hashes

    def release(self, gone: Mask, touches: Touches, rank: NDArray[np.int64]) -> None:
        """Let orders go on without their persons, of whom every event is read.

        Their touches are frozen; the ids of their events, and of all that do not count any
        more, are forgotten.
        """
        order = self._order
        row = np.flatnonzero(np.append(gone, False)[order["user"]])
        is_open = (order["touches"][row] == OPEN) & (order["at"][row] != NEVER)
        self._freeze(row[is_open], touches, rank)
        order["user"][row] = GONE
        order["event_id"][row] = order["order_id"][row]
        self._keep(np.ones(len(order), np.bool_))

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Give one column of the orders."""
        return self._order[name]

    def texts(self, number: NDArray[np.int32]) -> list[str]:
        """Give order ids by their numbers."""
        return self._texts.texts(number.tolist())

    def journeys(self, row: RowNumbers, touches: Touches, rank: NDArray[np.int64]) -> Journeys:
        """Give the touches that count for orders, numbered from 0."""
        order = self._order
        count = order["touches"][row]
        unfrozen, frozen = np.flatnonzero(count == OPEN), np.flatnonzero(count != OPEN)
        asks = row[unfrozen]
        live = touches.looked_at(order["user"][asks].astype(np.int64), order["at"][asks], rank)
        number = count[frozen].astype(np.int64)
        of = np.repeat(frozen, number)
        kept = np.arange(len(of)) + np.repeat(
            order["pool"][row[frozen]] - np.cumsum(number) + number, number
        )
        sort = np.argsort(np.append(unfrozen[live.order], of), kind="stable")
        return Journeys(
            np.append(unfrozen[live.order], of)[sort],
            np.append(live.at, self._pool["at"][kept])[sort],
            np.append(live.kol, self._pool["kol"][kept])[sort],
            np.append(live.klass, self._pool["klass"][kept])[sort],
        )

    def is_due(self) -> bool:
        """Say whether there are many orders that `freeze` would look at."""
        return self._to_freeze.reached(self._unfrozen)

    def freeze(self, watermark: int, touches: Touches, rank: NDArray[np.int64]) -> None:
        """Keep the counting touches of orders that can get no other one."""
        order = self._order
        unfrozen = (order["touches"] == OPEN) & (order["at"] != NEVER)
        row = np.flatnonzero(unfrozen & (order["at"] < watermark - HORIZON_MS))
        self._freeze(row, touches, rank)
        unfrozen[row] = False
        self._relink(np.flatnonzero(unfrozen))
        self._to_freeze.reset(self._unfrozen)

    def _freeze(self, row: RowNumbers, touches: Touches, rank: NDArray[np.int64]) -> None:
        order = self._order
        journeys = self.journeys(row, touches, rank)
        first = self._pool.append(at=journeys.at, kol=journeys.kol, klass=journeys.klass)
        count = np.bincount(journeys.order, minlength=len(row))
        order["touches"][row] = count
        order["pool"][row] = first + np.cumsum(count) - count

    def _relink(self, row: RowNumbers) -> None:
        self._open.rebuild(self._order["user"][row].astype(np.int64), row)
        self._unfrozen = len(row)

    def prune(self, watermark: int) -> None:
        """Drop orders and refunds that can not meet any more, when there are many."""
        if not self._to_forget.reached(len(self._order)):
            return
        order, back = self._order, self._back
        latest = np.full(len(order), NEVER)
        np.maximum.at(latest, back["order"], back["at"])
        known = order["at"] != NEVER
        gone = np.where(
            known,
            (order["at"] + KEPT_MS < watermark) & (order["touches"] != OPEN),
            latest + WAITS_MS < watermark,
        )
        gone &= ~order["dirty"]
        if self._to_forget.is_worth(gone):
            self._keep(~gone)
        self._to_forget.reset(len(self._order))

    def _keep(self, which: Mask) -> None:
        order = self._order
        number = np.cumsum(which) - 1
        backs = which[self._back["order"]]
        self._back.keep(backs)
        self._back["order"][:] = number[self._back["order"]]
        self._moved["order"][:] = number[self._moved["order"]]
        order.keep(which)
        texts = np.zeros(len(self._texts), np.bool_)
        texts[order["order_id"]] = texts[order["event_id"]] = True
        self._texts.keep(texts)
        number = np.cumsum(texts) - 1
        order["order_id"][:] = number[order["order_id"]]
        order["event_id"][:] = number[order["event_id"]]
        count = np.maximum(order["touches"], 0).astype(np.int64)
        pool = np.repeat(order["pool"] - np.cumsum(count) + count, count) + np.arange(count.sum())
        kept = {name: self._pool[name][pool] for name in ("at", "kol", "klass")}
        self._pool.keep(np.zeros(len(self._pool), np.bool_))
        self._pool.append(**kept)
        order["pool"][:] = np.cumsum(count) - count
        self._derive()

    def _derive(self) -> None:
        """Build what a snapshot does not hold."""
        order = self._order
        self._backs.rebuild(self._back["order"].astype(np.int64), np.arange(len(self._back)))
        self._relink(np.flatnonzero((order["touches"] == OPEN) & (order["at"] != NEVER)))

    def users(self) -> RowNumbers:
        """Give the user of every order that has one."""
        user: RowNumbers = self._order["user"].astype(np.int64)
        there: RowNumbers = user[user != GONE]
        return there

    def renumber(self, user: NDArray[np.int64]) -> None:
        """Give every user a new number."""
        self._order["user"][:] = np.append(user, GONE)[self._order["user"]]
        self._derive()

    def names(self) -> NDArray[np.int64]:
        """Give all brands of orders and KOLs of their touches."""
        brand = self._order["brand"]
        return np.append(brand[brand >= 0], self._pool["kol"]).astype(np.int64)

    def rename(self, name: NDArray[np.int64]) -> None:
        """Give every brand and KOL a new number."""
        self._pool["kol"][:] = name[self._pool["kol"]]
        _put_present(self._order["brand"], name)

    def labels(self) -> NDArray[np.int64]:
        """Give all platforms, channels and currencies."""
        label = np.concatenate([self._order[of] for of in LABELS])
        return label[label >= 0].astype(np.int64)

    def relabel(self, label: NDArray[np.int64]) -> None:
        """Give every platform, channel and currency a new number."""
        for of in LABELS:
            _put_present(self._order[of], label)

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Give what a snapshot holds."""
        totals = np.array([self.unmatched, self.outside, self.excess_cents])
        return {
            **self._order.arrays(f"{prefix}.order"),
            **self._texts.arrays(f"{prefix}.text"),
            **self._back.arrays(f"{prefix}.back"),
            **self._pool.arrays(f"{prefix}.pool"),
            **self._moved.arrays(f"{prefix}.moved"),
            f"{prefix}.totals": totals,
        }

    def restore(self, prefix: str, arrays: Arrays) -> None:
        """Take over what `arrays` gave, also in format 1."""
        self._order.restore(f"{prefix}.order", _since_2(prefix, arrays))
        self._texts.restore(f"{prefix}.text", arrays)
        self._back.restore(f"{prefix}.back", arrays)
        self._pool.restore(f"{prefix}.pool", arrays)
        self._moved.restore(f"{prefix}.moved", _since_2(prefix, arrays))
        self.unmatched, self.outside, self.excess_cents = arrays[f"{prefix}.totals"].tolist()
        self._derive()


def _put_present(code: Codes, number: NDArray[np.int64]) -> None:
    """Give codes new numbers in place; absent stays absent."""
    present = code >= 0
    code[present] = number[code[present]]


def _since_2(prefix: str, arrays: Arrays) -> Arrays:
    """Add what format 1 had not: its orders were received before anybody was forgotten."""
    user_hash, moved = arrays[f"{prefix}.order.user_hash"], arrays[f"{prefix}.moved.order"]
    new = {
        f"{prefix}.order.received": np.zeros(len(user_hash), np.int64),
        f"{prefix}.moved.user_hash": user_hash[moved],
    }
    return {**new, **arrays}


def _part(named: Named, part: slice | NDArray[np.intp]) -> Named:
    return Named(*(getattr(named, field.name)[part] for field in fields(Named)))


def _joined(brands: Sequence[Brands]) -> Brands:
    return Brands(
        *(np.concatenate([getattr(b, field.name) for b in brands]) for field in fields(Brands))
    )
