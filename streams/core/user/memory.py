"""The user side: one partition of the three input topics, folded into orders and cells.

`fold` takes one record batch in, in the order of its topic's log, and changes memory in
place; `collect_updates` says what changed, whole values with a version. What is finally said
is a function of the set of accepted events (law 3), whatever the order in which the
topics are read and however they are cut into batches.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, Protocol, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.cells import AT, BRAND, OTHERS
from schemas.columns import Behaviour, Codes, Decoded, Mask, Moments, Purchases, Rejected
from schemas.doors import Door
from schemas.erasures import Erasures
from schemas.events import INPUTS, INTERACTIONS, PURCHASES, Kind
from schemas.identity import user_keys
from schemas.letters import letter_rows
from schemas.mentions import users
from schemas.rows import Rows
from schemas.topics import ERASURES
from schemas.version import version_of
from streams.core.arrays.arena import Arrays, Due, Names
from streams.core.arrays.index import Keyed, RowNumbers
from streams.core.moments import HORIZON_MS, MINUTE_MS, NEVER
from streams.core.user import admission
from streams.core.user.admission import Admission
from streams.core.user.attribution import owed
from streams.core.user.cells import FIELD_OF, UNCOUNTED, Cells, is_final
from streams.core.user.dedup import Gate
from streams.core.user.depth import Depth, omega
from streams.core.user.distinct import Distinct, DistinctBuyers
from streams.core.user.door_counts import ANY, DoorCounts
from streams.core.user.erasures import Forgotten, Persons
from streams.core.user.evidence import (
    SILENT,
    SQUARE_FIELD,
    SUM_FIELD,
    Allowances,
    credibility,
    side,
    weighed,
)
from streams.core.user.orders import Brands, Named, Orders
from streams.core.user.pseudonyms import Pseudonyms
from streams.core.user.rows import ChangedCells, Told, cell_rows, order_rows
from streams.core.user.touches import LIMIT, NO_TOUCH, Touches, classes

FORMAT: Final = 2  # of the state
READS: Final = frozenset({1})  # older ones that `restored` understands

SLACK: Final = 1 << 16  # rows of one kind below which nothing is forgotten


@dataclass(frozen=True, slots=True)
class Updates:
    """What changed: rows of tables, the cells among them once more as columns, dead letters."""

    rows: list[Rows]
    cells: ChangedCells
    letters: Sequence[Rejected]
    version: int


def in_turn(works: Sequence[Callable[[], None]]) -> None:
    """Do one after the other."""
    for work in works:
        work()


class Part(Protocol):
    """A part of memory that a snapshot can hold."""

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Give what a snapshot holds, as views, under names that begin with the prefix."""

    def restore(self, prefix: str, arrays: Arrays) -> None:
        """Take over what `arrays` gave, as copies."""


class UserMemory:
    """What a partition of the user side knows; changed in place."""

    def __init__(
        self,
        partition: int,
        *,
        hmac_key: bytes,
        slack: int = SLACK,
        touch_limit: int = LIMIT,
        name_limit: int = admission.LIMIT,
    ) -> None:
        """Begin with nothing; when memory forgets (`slack`) does not show in what is said."""
        self.partition = partition
        self.epoch = 0
        self.life = 0
        self.folded = 0  # statements of this life
        self.offsets = dict.fromkeys((*INPUTS, ERASURES), 0)  # where reading goes on
        self.door_counts = DoorCounts()
        self._settled = NEVER  # the watermark up to which memory was settled
        self._gates = {topic: Gate(slack) for topic in INPUTS}
        self._names, self._labels = Names(), Names()
        self._names_due, self._labels_due = Due(slack), Due(slack)
        self._users, self._users_due = Keyed(), Due(slack)
        self._admission = Admission(slack, name_limit)
        self._touches = Touches(slack, touch_limit)
        self._orders = Orders(slack, Pseudonyms(hmac_key))
        self._cells = Cells(slack)
        self._distinct, self._buyers = Distinct(slack), DistinctBuyers(slack)
        self._depth = Depth(slack)
        self._allowances = Allowances(slack)
        self._letters: list[Rejected] = []
        self._forgotten = Forgotten()
        self._reached = dict.fromkeys(INPUTS, NEVER)  # all that was appended before is folded

    def fold(self, decoded: Decoded) -> None:
        """Take in one record batch of one topic, in the order of the log."""
        facts = decoded.facts
        if len(facts):
            self.mark_read_to(facts.topic, int(facts.received_at.max()))
        self.door_counts.refused(decoded.rejected)
        self._letters += self._known(decoded.rejected)
        persons = self._forgotten.persons(facts.user, facts.received_at)
        if persons is not None:
            facts = replace(facts, user=persons.key)
        door, before = self._gates[facts.topic].decide(facts.at, facts.identity)
        accepted = np.flatnonzero(door == Door.WRITTEN)
        if isinstance(facts, Purchases):
            late = door == Door.TOO_LATE
            self._refuse_late(facts, late if persons is None else late & ~persons.is_over, before)
            if accepted.size:
                again = self._take_purchases(facts, accepted, before, persons)
                door[accepted[again]] = Door.DUPLICATE_ORDER
        elif accepted.size:
            self._take_behaviour(facts, accepted)
        self.door_counts.left(facts.topic, door)
        self.offsets[facts.topic] = facts.next_offset

    def _take_behaviour(self, events: Behaviour, accepted: RowNumbers) -> None:
        which = accepted[events.kol[accepted] >= 0]
        if not which.size:
            return
        events = _picked(events, which)
        user, _ = self._users.add(events.user[:, 0], events.user[:, 1])
        kol = self._names.taken(events.kols, events.kol)
        klass = classes(events)
        met = klass != NO_TOUCH
        changed = self._touches.take(events.topic, user[met], kol[met], klass[met], events.at[met])
        self._orders.touched(*changed)
        kol = self._celled(events, kol)
        is_open = self._open(events.topic, events.at)
        if not is_open.all():
            events = _picked(events, np.flatnonzero(is_open))
            user, kol = user[is_open], kol[is_open]
        self._count(events, user, kol)

    def _celled(self, events: Behaviour, kol: Codes) -> Codes:
        """Give under which names events are counted: their KOLs', or `~others`."""
        admitted = self._admission.admits(events.topic, kol, events.at)
        if admitted.all():
            return kol
        self.door_counts.add(events.topic, "name_limit", int(np.count_nonzero(~admitted)))
        return np.where(admitted, kol, self._names.codes([OTHERS]))

    def _open(self, topic: str, at: Moments) -> Mask:
        """Say which facts belong to a minute that is not final.

        All of them, but for a topic that was empty at the start and did not count.
        """
        closed = is_final(at // MINUTE_MS, self._settled)
        self.door_counts.add(topic, "closed_minute", int(np.count_nonzero(closed)))
        return ~closed

    def _count(self, events: Behaviour, user: RowNumbers, kol: NDArray[np.int32]) -> None:
        """Add events to the cells of their KOLs."""
        minute = events.at // MINUTE_MS
        cell = self._cells.rows(kol, minute)
        self._cells.add(cell, AT["events"], 1)
        field = FIELD_OF[events.kind]
        counted = field != UNCOUNTED
        self._cells.add(cell[counted], field[counted], 1)
        self._distinct.see(user, kol, minute, cell, self._cells)
        if events.topic == INTERACTIONS:
            dwelt = (events.kind == Kind.VIEW) & (events.dwell_ms > 0)
            self._cells.add(cell[dwelt], AT["dwell_ms"], events.dwell_ms[dwelt])
            self._deepen(events, user, kol, cell)
            self._judge(events, user, kol, cell)

    def _deepen(
        self, events: Behaviour, user: RowNumbers, kol: NDArray[np.int32], cell: RowNumbers
    ) -> None:
        weight = omega(events)
        deep = weight > 0
        depth, square = self._depth.deepen(user[deep], kol[deep], events.at[deep], weight[deep])
        self._cells.add(cell[deep], AT["depth"], depth)
        self._cells.add(cell[deep], AT["depth_square"], square)

    def _judge(
        self, events: Behaviour, user: RowNumbers, kol: NDArray[np.int32], cell: RowNumbers
    ) -> None:
        said = side(events)
        speaks = said != SILENT
        if not speaks.any():
            return
        said, cell = said[speaks], cell[speaks]
        granted = self._allowances.grant(
            user[speaks], kol[speaks], said, events.kind[speaks], events.at[speaks]
        )
        weight = weighed(granted, credibility(events.account_age_d[speaks]))
        self._cells.add(cell, SUM_FIELD[said], weight)
        self._cells.add(cell, SQUARE_FIELD[said], weight * weight)

    def _take_purchases(
        self,
        events: Purchases,
        accepted: RowNumbers,
        before: Moments,
        persons: Persons | None,
    ) -> Mask:
        """Give which of the accepted are a `paid` after the first."""
        count = len(accepted)
        user, _ = self._users.add(events.user[accepted, 0], events.user[accepted, 1])
        names = [BRAND + brand for brand in events.brands]
        brand = self._names.taken(names, events.brand[accepted])
        named = Named(
            user,
            brand,
            self._labels.taken(events.platforms, events.platform[accepted]),
            self._labels.taken(events.channels, events.channel[accepted]),
            self._labels.taken(events.currencies, events.currency[accepted]),
            before[accepted],
            np.full(count, NEVER) if persons is None else persons.since[accepted],
            np.zeros(count, np.bool_) if persons is None else persons.is_over[accepted],
        )
        again, came, went = self._orders.take(events, accepted, named)
        self._sell(came, 1)
        self._sell(went, -1)
        back = (events.kind[accepted] != Kind.PAID) & (brand >= 0)
        self._take_back(user[back], brand[back], events.at[accepted[back]], events, accepted[back])
        return again

    def _sell(self, brands: Brands, sign: int) -> None:
        """Add standing orders to the cells of their brands, or take them away."""
        if not len(brands):
            return
        brands = brands.take(self._open(PURCHASES, brands.at))
        minute = brands.at // MINUTE_MS
        cell = self._cells.rows(brands.brand, minute)
        for field, amount in (
            ("events", np.ones(len(brands), np.int64)),
            ("orders", np.ones(len(brands), np.int64)),
            ("paid_cents", brands.paid),
            ("list_cents", brands.list),
            ("discount_cents", brands.discount),
            ("promo_cents", brands.paid * brands.promo),
            ("member_cents", brands.paid * brands.member),
        ):
            self._cells.add(cell, AT[field], sign * amount)
        if sign > 0:
            self._buyers.see(brands.user, brands.brand, minute, cell, self._cells)
        else:
            self._buyers.take_back(brands.user, brands.brand, minute, self._cells)

    def _take_back(
        self,
        user: RowNumbers,
        brand: NDArray[np.int32],
        at: Moments,
        events: Purchases,
        which: RowNumbers,
    ) -> None:
        """Add refunds and cancels, as sent, to the cells of their brands."""
        if not which.size:
            return
        is_open = self._open(PURCHASES, at)
        user, brand, minute = user[is_open], brand[is_open], at[is_open] // MINUTE_MS
        cell = self._cells.rows(brand, minute)
        self._cells.add(cell, AT["events"], 1)
        self._cells.add(cell, AT["refunds"], 1)
        self._cells.add(cell, AT["refund_cents"], events.pay_cents[which[is_open]])
        self._buyers.see(user, brand, minute, cell, self._cells)

    def _refuse_late(self, events: Purchases, late: Mask, before: Moments) -> None:
        """Keep dropped purchases as dead letters, so that money can be accounted for."""
        for i in np.flatnonzero(late).tolist():
            below = int(before[i] - events.at[i])
            self._letters.append(
                Rejected(
                    events.topic,
                    events.partition,
                    int(events.offset[i]),
                    int(events.received_at[i]),
                    Door.TOO_LATE.label,
                    f"`ts` is {below} ms below the greatest accepted one, above {HORIZON_MS} ms",
                    events.raw[i],
                )
            )

    def _known(self, rejected: Sequence[Rejected]) -> Sequence[Rejected]:
        """Leave out what is, or may be, of a person who is forgotten."""
        if not len(self._forgotten):
            return rejected
        return [one for one in rejected if not self._is_over(one)]

    def _is_over(self, one: Rejected) -> bool:
        ids = users(one.raw or b"")
        moments = np.full(len(ids), one.received_at)
        persons = self._forgotten.persons(user_keys(ids), moments)
        return persons is not None and bool(persons.is_over.any())

    def fold_erasures(self, told: Erasures, next_offset: int) -> None:
        """Take in records of `kol-erasures`; the same ones again change nothing.

        From now on orders of these persons are told under NOBODY; what else is known of them
        goes with `erase`.
        """
        reached = max(self._reached.values())
        news = self._forgotten.learn(told)
        if news.any():
            self.door_counts.add(ERASURES, "erasure_late", int((told.at[news] < reached).sum()))
            key, until = self._forgotten.ended(told)
            user = self._users.find(key[:, 0], key[:, 1])
            self._orders.end(user[user >= 0], until[user >= 0])
        if next_offset > self.offsets[ERASURES]:
            self.door_counts.add(ERASURES, "erasure_unreadable", told.unreadable)
            self.offsets[ERASURES] = next_offset

    def mark_read_to(self, topic: str, at: int) -> None:
        """Take in that all which was appended to an input before `at` is folded."""
        self._reached[topic] = max(self._reached[topic], at)

    @property
    def has_erasures_due(self) -> bool:
        """Whether `erase` has something to do."""
        return self._forgotten.is_due(min(self._reached.values()))

    @property
    def safe_offsets(self) -> dict[str, int]:
        """Where reading goes on after a snapshot taken now.

        An erasure is read again until all is gone that is known of the person, so who sees
        its offset committed knows that.
        """
        erasures = self._forgotten.from_offset(self.offsets[ERASURES])
        return {**self.offsets, ERASURES: erasures}

    def erase(self) -> bool:
        """Drop all that is known of forgotten persons whose every event is read.

        Nothing that is said depends on when. O(memory) where there is anybody.

        Returns:
            Whether anybody was done with: former snapshots may know of them.

        """
        if not self.has_erasures_due:
            return False
        key = self._forgotten.over(min(self._reached.values()))
        user = self._users.find(key[:, 0], key[:, 1])
        gone = np.zeros(len(self._users), np.bool_)
        gone[user[user >= 0]] = True
        if gone.any():
            self._orders.release(gone, self._touches, self._names.rank())
            for part in self._by_user():
                part.drop(gone)
            self._keep_users(~gone)
        return True

    def greatest_time(self, topic: str) -> int | None:
        """Give the greatest accepted time of a topic, None where there is none."""
        greatest = self._gates[topic].greatest
        return None if greatest == NEVER else greatest

    def advance_idle(self, topic: str) -> bool:
        """Let a topic that is read to its end and quiet come as far as the least of the others.

        Returns:
            Whether it was behind.

        """
        others = [gate.greatest for other, gate in self._gates.items() if other != topic]
        least = min((at for at in others if at != NEVER), default=NEVER)
        gate = self._gates[topic]
        was_behind = gate.greatest < least
        gate.greatest = max(gate.greatest, least)
        return was_behind

    def watermark(self, counted: Collection[str]) -> int | None:
        """Give the least of the greatest times of these topics, None while one has none."""
        least = min((self._gates[topic].greatest for topic in counted), default=NEVER)
        return None if least == NEVER else least

    def prune(self, watermark: int | None) -> None:
        """Forget what no accepted event can change any more; cheap when there is little."""
        for gate in self._gates.values():
            gate.prune()
        if watermark is None:
            return
        self._settled = max(self._settled, watermark)
        at = self._settled
        is_due = self._touches.is_due()
        if is_due or self._orders.is_due():
            self._orders.freeze(at, self._touches, self._names.rank())
        if is_due:
            self._touches.prune(at, self._names.rank())
        self._orders.prune(at)
        for kept in (
            *(self._cells, self._distinct, self._buyers, self._depth),
            *(self._allowances, self._admission),
        ):
            kept.prune(at)
        self._forget_users()
        self._forget_names()

    def _forget_users(self) -> None:
        """Give the users that something is remembered of new numbers, when there are many."""
        if not self._users_due.reached(len(self._users)):
            return
        stays = np.zeros(len(self._users), np.bool_)
        for keeper in (*self._by_user(), self._orders):
            stays[keeper.users()] = True
        if self._users_due.is_worth(~stays):
            self._keep_users(stays)
        self._users_due.reset(len(self._users))

    def _forget_names(self) -> None:
        """Give the names that something is remembered of new numbers, when there are many."""
        keepers = (*self._by_user(), self._orders, self._cells, self._admission)
        if self._names_due.reached(len(self._names)):
            used = (keeper.names() for keeper in keepers)
            number = _kept(self._names, used, self._names_due)
            if number is not None:
                for keeper in keepers:
                    keeper.rename(number)
        if self._labels_due.reached(len(self._labels)):
            number = _kept(self._labels, [self._orders.labels()], self._labels_due)
            if number is not None:
                self._orders.relabel(number)

    def _keep_users(self, stays: Mask) -> None:
        """Drop users of whom nothing is remembered; the others get new numbers."""
        number = np.cumsum(stays) - 1
        self._users.keep(stays)
        for keeper in (*self._by_user(), self._orders):
            keeper.renumber(number)

    def _by_user(self) -> tuple[Touches | Distinct | Depth | Allowances, ...]:
        """Give the parts that remember what users did."""
        return self._touches, self._distinct, self._buyers, self._depth, self._allowances

    @property
    def names(self) -> Names:
        """The KOLs and brands that something is remembered of."""
        return self._names

    @property
    def totals(self) -> NDArray[np.int64]:
        """What was counted since the partition's beginning, in order of `door_counts.SERIES`."""
        return self.door_counts.totals

    @property
    def version(self) -> int:
        """The version of the latest statements."""
        return version_of(self.epoch, self.life, self.folded)

    def resend_totals(self) -> None:
        """Tell all totals anew: what a life before this one told behind its snapshot may be more.

        So it is of what is given back before its order is read, and of an epoch before this one,
        whose log was longer. Other keys are told anew by the events that are read anew.
        """
        self.door_counts.resend_totals()

    def collect_updates(self) -> Updates:
        """Say what changed since the last call; nothing when nothing did."""
        row, refunded = self._orders.changed()
        moved = self._orders.moved()
        self.door_counts.set(
            {
                (PURCHASES, "refund_unmatched"): self._orders.unmatched,
                (PURCHASES, "refund_outside"): self._orders.outside,
                (PURCHASES, "refund_excess_cents"): self._orders.excess_cents,
                (ANY, "touch_limit"): self._touches.dropped,
            }
        )
        name, minute, fields = self._cells.changed()
        letters, self._letters = self._letters, []
        if row.size or minute.size or letters or self.door_counts.is_changed():
            self.folded += 1
        used, kol = np.unique(name, return_inverse=True)
        cells = ChangedCells(
            [self._names.names[code] for code in used.tolist()],
            kol.astype(np.int32),
            minute,
            fields,
            np.full(len(minute), self.version, np.uint64),
        )
        rows = [
            self._order_rows(row, refunded, moved),
            cell_rows(cells, self.partition),
            self.door_counts.rows(self.partition, self.version),
            letter_rows(letters, self.version),
        ]
        return Updates([r for r in rows if len(r)], cells, letters, self.version)

    def _order_rows(
        self,
        row: RowNumbers,
        refunded: NDArray[np.int64],
        moved: tuple[RowNumbers, Moments, NDArray[np.uint8]],
    ) -> Rows:
        if not row.size:
            return Rows("order_credit", {})
        orders, rank = self._orders, self._names.rank()
        journeys = orders.journeys(row, self._touches, rank)
        credits_ = owed(orders["at"][row], orders["paid"][row], refunded, journeys, rank)
        told = Told(row, refunded, journeys, credits_)
        return order_rows(orders, told, moved, self._names, self._labels, self.version)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Give everything a snapshot holds, as views: what is not yet said is in it, too."""
        arrays: dict[str, NDArray[Any]] = {
            "offsets": np.array(list(self.safe_offsets.values()), np.int64),
            "reached": np.array(list(self._reached.values()), np.int64),
            "scalars": np.array([self.folded, self._settled], np.int64),
            "letters": np.frombuffer(msgspec.msgpack.encode(self._letters), np.uint8),
        }
        for name, part in self._parts().items():
            arrays |= part.arrays(name)
        return arrays

    @classmethod
    def restored(
        cls,
        arrays: Arrays,
        partition: int,
        *,
        hmac_key: bytes,
        slack: int = SLACK,
        touch_limit: int = LIMIT,
        name_limit: int = admission.LIMIT,
        run: Callable[[Sequence[Callable[[], None]]], None] = in_turn,
    ) -> Self:
        """Give a memory that goes on where `arrays` was taken, in this format or one of READS.

        Nearly all of the time goes into indexes of parts that know nothing of each other;
        `run` may build them at the same time.
        """
        memory = cls(
            partition,
            hmac_key=hmac_key,
            slack=slack,
            touch_limit=touch_limit,
            name_limit=name_limit,
        )
        memory.offsets |= dict(zip(memory.offsets, arrays["offsets"].tolist(), strict=False))
        if "reached" in arrays:
            memory._reached = dict(zip(INPUTS, arrays["reached"].tolist(), strict=True))
        memory.folded, memory._settled = arrays["scalars"].tolist()
        memory._letters = msgspec.msgpack.decode(arrays["letters"].tobytes(), type=list[Rejected])
        parts = memory._parts()
        first = sorted(parts, key=lambda name: name != "touches")  # as long as all others
        run([partial(parts[name].restore, name, arrays) for name in first])
        return memory

    def _parts(self) -> dict[str, Part]:
        return {
            "tally": self.door_counts,
            **{f"gate.{topic}": gate for topic, gate in self._gates.items()},
            "names": self._names,
            "labels": self._labels,
            "users": self._users,
            "touches": self._touches,
            "orders": self._orders,
            "cells": self._cells,
            "distinct": self._distinct,
            "buyers": self._buyers,
            "depth": self._depth,
            "allowances": self._allowances,
            "admission": self._admission,
            "forgotten": self._forgotten,
        }


def _kept(names: Names, used: Iterable[NDArray[np.int64]], due: Due) -> NDArray[np.int64] | None:
    """Forget the names that are not used; gives the new numbers, None where all stay."""
    stays = np.zeros(len(names), np.bool_)
    for codes in used:
        stays[codes] = True
    is_worth = due.is_worth(~stays)
    if is_worth:
        names.keep(stays)
    due.reset(len(names))
    return np.cumsum(stays) - 1 if is_worth else None


_COLUMNS: Final = (  # of behaviour, one value an event
    *("offset", "at", "received_at", "identity", "user", "kind"),
    *("kol", "dwell_ms", "visible_ms", "completion", "account_age_d", "shared", "live"),
)


def _picked(events: Behaviour, which: RowNumbers) -> Behaviour:
    """Give some events of a batch."""
    if len(which) == len(events):
        return events
    return replace(events, **{name: getattr(events, name)[which] for name in _COLUMNS})
