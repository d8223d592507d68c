"""Touches: which events count as a meeting with a KOL, and for how long.

| class | which events | lookback |
|---|---|---|
| click | clickstream `click`, `pdp_view`, `coupon_view` without share_id | 30 d |
| engage | likes, saves, comments, ... | 30 d |
| live | `view` with live_id, at least 30 s | 3 d |
| share | clickstream `click`, `pdp_view` with share_id | 14 d |
| view | `view` without live_id, at least 5 s or half of it; `impression` visible for 1 s | 7 d |

The KOL of a touch is the event's `kol_id`. Touches of one user, KOL and class inside one
half hour of the clock (UTC) are one touch at the earliest of their times. For an order,
of the user's touches not after it, the 32 newest by (time, kol_id, class) are looked at;
of those, the ones inside their lookback count.

*Limit.* Of one user in one half hour each topic makes 1 024 touches: the first of its log.
An event that would begin a further one is none, and counted; so is every later one of the
same KOL and class. That is decided by the log of one topic partition alone: neither the
order in which topics are read nor what was pruned changes it.

Memory keeps the touches whose half hour can still change (it ends after the watermark
minus the horizon) and of the older ones each user's 32 newest: no order that can still
change could look at another one.
"""

from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Behaviour, Mask, Moments
from schemas.events import CLICKSTREAM, INTERACTIONS, Kind
from streams.core.arrays.arena import Arrays
from streams.core.arrays.chains import Chains
from streams.core.arrays.coded import CodedPart, CodedTable, Half
from streams.core.arrays.compaction import Compaction
from streams.core.arrays.index import RowNumbers, Words, high, low, packed
from streams.core.moments import DAY_MS, HORIZON_MS
from streams.core.user.journeys import Journeys


class TouchClass(IntEnum):
    """How a user met a KOL; in alphabetical order, which is the order of ties."""

    CLICK = 0
    ENGAGE = 1
    LIVE = 2
    SHARE = 3
    VIEW = 4


LABELS: Final = tuple(klass.name.lower() for klass in TouchClass)
LOOKBACK_MS: Final = {
    TouchClass.CLICK: 30 * DAY_MS,
    TouchClass.ENGAGE: 30 * DAY_MS,
    TouchClass.LIVE: 3 * DAY_MS,
    TouchClass.SHARE: 14 * DAY_MS,
    TouchClass.VIEW: 7 * DAY_MS,
}
VIA: Final = {klass: "share" if klass == TouchClass.SHARE else "direct" for klass in TouchClass}

HALF_HOUR_MS: Final = 1_800_000
LOOKED_AT: Final = 32  # touches an order looks at
LIMIT: Final = 1024  # touches of a user, half hour and topic: a KOL met every 1.8 s throughout

BIT_OF: Final = {CLICKSTREAM: 1, INTERACTIONS: 2}  # the topics of a touch, as a set
EVERY_TOPIC: Final = 3

WATCHED_LIVE_MS: Final = 30_000
READ_MS: Final = 5_000
READ_SHARE: Final = 0.5
SEEN_MS: Final = 1_000


class Condition(IntEnum):
    """What an event must be like to be a touch of its class."""

    ALWAYS = 0
    DIRECT = 1  # without a share_id
    SHARED = 2  # with a share_id
    WATCHED_LIVE = 3  # with a live_id, dwell of at least 30 s
    READ = 4  # without a live_id, dwell of at least 5 s or half completed
    SEEN = 5  # visible for at least 1 s


RULES: Final = (  # the table above, kind by kind
    (Kind.CLICK, Condition.DIRECT, TouchClass.CLICK),
    (Kind.PDP_VIEW, Condition.DIRECT, TouchClass.CLICK),
    (Kind.COUPON_VIEW, Condition.DIRECT, TouchClass.CLICK),
    (Kind.LIKE, Condition.ALWAYS, TouchClass.ENGAGE),
    (Kind.SAVE, Condition.ALWAYS, TouchClass.ENGAGE),
    (Kind.COMMENT, Condition.ALWAYS, TouchClass.ENGAGE),
    (Kind.DANMAKU, Condition.ALWAYS, TouchClass.ENGAGE),
    (Kind.SHARE, Condition.ALWAYS, TouchClass.ENGAGE),
    (Kind.FOLLOW, Condition.ALWAYS, TouchClass.ENGAGE),
    (Kind.SCREENSHOT, Condition.ALWAYS, TouchClass.ENGAGE),
    (Kind.REVISIT, Condition.ALWAYS, TouchClass.ENGAGE),
    (Kind.SEARCH_AFTER_VIEW, Condition.ALWAYS, TouchClass.ENGAGE),
    (Kind.JOIN_PRIVATE, Condition.ALWAYS, TouchClass.ENGAGE),
    (Kind.QA_ATTEND, Condition.ALWAYS, TouchClass.ENGAGE),
    (Kind.CO_CREATE, Condition.ALWAYS, TouchClass.ENGAGE),
    (Kind.UGC_POST, Condition.ALWAYS, TouchClass.ENGAGE),
    (Kind.VIEW, Condition.WATCHED_LIVE, TouchClass.LIVE),
    (Kind.CLICK, Condition.SHARED, TouchClass.SHARE),
    (Kind.PDP_VIEW, Condition.SHARED, TouchClass.SHARE),
    (Kind.VIEW, Condition.READ, TouchClass.VIEW),
    (Kind.IMPRESSION, Condition.SEEN, TouchClass.VIEW),
)
NO_TOUCH: Final = -1


def _class_table() -> NDArray[np.int8]:
    """The class by kind and by the set of conditions that hold, as bits."""
    table = np.full((256, 1 << len(Condition)), NO_TOUCH, np.int8)
    holding = np.arange(1 << len(Condition))
    for kind, condition, klass in RULES:
        table[kind, (holding >> condition) & 1 == 1] = klass
    return table


CLASS_OF: Final = _class_table()
LOOKBACK_OF: Final = np.array([LOOKBACK_MS[klass] for klass in TouchClass], np.int64)


def is_read(events: Behaviour) -> Mask:
    """Which events dwelt for 5 s or completed half of what they saw."""
    return (events.dwell_ms >= READ_MS) | (events.completion >= READ_SHARE)


def classes(events: Behaviour) -> NDArray[np.int8]:
    """Every event's class of touch, NO_TOUCH where it is none."""
    bits = np.full(len(events), 1 << Condition.ALWAYS, np.uint8)
    for condition, holds in (
        (Condition.DIRECT, ~events.shared),
        (Condition.SHARED, events.shared),
        (Condition.WATCHED_LIVE, events.live & (events.dwell_ms >= WATCHED_LIVE_MS)),
        (Condition.READ, ~events.live & is_read(events)),
        (Condition.SEEN, events.visible_ms >= SEEN_MS),
    ):
        bits |= holds.astype(np.uint8) << np.uint8(condition)
    met = CLASS_OF[events.kind, bits]
    met[events.kol < 0] = NO_TOUCH
    return met


_CLASS_BITS = np.uint64(7)
_USERS = (1 << 12) - 1  # users kept apart at a first look
_HALF_AT = np.uint64(3)  # where the half hour begins in a key's high word


class Touches(CodedPart):
    """Every touch that an order may still look at; the key is user, KOL | class, half hour."""

    def __init__(self, slack: int, limit: int = LIMIT) -> None:
        self._touch = CodedTable(user=Half.LOW, name=Half.HIGH, at=np.int64, topics=np.uint8)
        super().__init__({"": self._touch})
        self._of = Chains()
        self._compaction = Compaction(slack)
        self._limit = limit
        self._count = np.zeros(0, np.int64)  # touches of every user
        self.dropped = 0  # events that would have been one touch too many

    def add(
        self,
        topic: str,
        user: RowNumbers,
        kol: NDArray[Any],
        klass: NDArray[Any],
        at: Moments,
    ) -> tuple[RowNumbers, Moments]:
        """Take in events of a topic that are touches, in the order of its log.

        Returns:
            User and time of every touch that is new or has become earlier.

        """
        half = at // HALF_HOUR_MS
        lo = packed(user, kol)
        hi = klass.astype(np.uint64) | (half.astype(np.uint64) << _HALF_AT)
        bit = np.uint8(BIT_OF[topic])
        fits = self._fits(bit, user, half, lo, hi)
        if not fits.all():
            self.dropped += int(np.count_nonzero(~fits))
            user, at, lo, hi = user[fits], at[fits], lo[fits], hi[fits]
        row, first = self._touch.add(lo, hi)
        times, topics = self._touch["at"], self._touch["topics"]
        times[row[first]] = np.iinfo(np.int64).max
        topics[row[first]] = 0
        topics[row] |= bit
        old = times[row]
        np.minimum.at(times, row, at)
        new = times[row]
        self._link(user[first], row[first])
        changed = (new < old) & (new == at)
        return user[changed], at[changed]

    def _fits(
        self, bit: np.uint8, user: RowNumbers, half: NDArray[np.int64], lo: Words, hi: Words
    ) -> Mask:
        """Which events of a topic are of touches within the limit."""
        fits = np.ones(len(user), np.bool_)
        self._count = _with_room(self._count, int(user.max(initial=-1)) + 1)
        some = user & _USERS  # who shares a place counts as one user: that is too many rather
        crowd = np.flatnonzero(self._count[user] + np.bincount(some)[some] > self._limit)
        if not crowd.size:  # none can have too many: the usual batch
            return fits
        row = self._touch.find(lo[crowd], hi[crowd])
        is_known = row >= 0
        is_known[is_known] = (self._touch["topics"][row[is_known]] & bit) != 0
        fresh = crowd[~is_known]
        touch, begins = _numbered(lo[fresh], hi[fresh])
        place = packed(user[fresh[begins]], half[fresh[begins]])
        number = self._made(bit, np.unique(user[fresh]), place) + _place_in_group(place)
        fits[fresh] = (number < self._limit)[touch]
        return fits

    def _made(self, bit: np.uint8, user: RowNumbers, place: Words) -> NDArray[np.int64]:
        """How many touches a topic has made in each of some (user, half hour)."""
        _, row = self._of.pairs(user)
        row = row[(self._touch["topics"][row] & bit) != 0]
        lo, hi = self._touch["lo"][row], self._touch["hi"][row]
        known, count = np.unique(packed(low(lo), hi >> _HALF_AT), return_counts=True)
        at = np.searchsorted(known, place)
        at[at == len(known)] = 0
        made = np.zeros(len(place), np.int64)
        if len(known):
            made[:] = np.where(known[at] == place, count[at], 0)
        return made

    def journeys(self, user: RowNumbers, at: Moments, rank: NDArray[np.int64]) -> Journeys:
        """The touches that count for orders, numbered from 0: of `user`, paid `at`.

        `rank` gives the place of every KOL's name in the order of its UTF-8 bytes.
        Each user's touches and orders are put in one line by time, so a user costs its
        touches and its orders, not one times the other.
        """
        owner, asker = np.unique(user, return_inverse=True)
        of, row = self._of.pairs(owner)
        moment, kol, klass = self._parts(row)
        end = np.zeros(len(user), np.int64)
        sort = np.lexsort(
            (
                np.append(klass, end),
                np.append(rank[kol], end + len(rank)),  # an order is behind what it looks at
                np.append(moment, at),
                np.append(of, asker),
            )
        )
        is_touch = sort < len(row)
        line = sort[is_touch]
        end[sort[~is_touch] - len(row)] = np.cumsum(is_touch)[~is_touch]
        begins = np.searchsorted(of[line], asker)
        begin = np.maximum(begins, end - LOOKED_AT)
        count = end - begin
        order = np.repeat(np.arange(len(user)), count)
        found = line[np.arange(len(order)) - np.repeat(np.cumsum(count) - end, count)]
        moment, kol, klass = moment[found], kol[found], klass[found]
        counts = moment >= at[order] - LOOKBACK_OF[klass]
        return Journeys(order[counts], moment[counts], kol[counts], klass[counts])

    def is_due(self) -> bool:
        """Whether `prune` would look for expired touches."""
        return self._compaction.is_due(len(self._touch))

    def prune(self, watermark: int, rank: NDArray[np.int64]) -> None:
        """Drop touches no unfrozen order can look at; freeze the others first."""
        floor = watermark - HORIZON_MS
        at = self._touch["at"]
        is_open = (at // HALF_HOUR_MS + 1) * HALF_HOUR_MS > floor
        counts = at >= floor - int(LOOKBACK_OF.max())
        stays = counts & self._newest(~is_open & counts, rank)
        if self._compaction.is_worth(~stays):
            self._touch.keep(stays)
            self._relink()
        self._compaction.reset(len(self._touch))

    def _newest(self, among: Mask, rank: NDArray[np.int64]) -> Mask:
        """Whether each touch is among its user's 32 newest of these, or none of these."""
        user = self.users()
        many = np.bincount(user[among], minlength=int(user.max(initial=0)) + 1) > LOOKED_AT
        row = np.flatnonzero(among & many[user])
        user, at, kol, klass = user[row], *self._parts(row)
        sort = np.lexsort((klass, rank[kol], at, user))
        newest = np.ones(len(self), np.bool_)
        newest[row[sort]] = _from_end(user[sort]) < LOOKED_AT
        return newest

    def _parts(self, row: RowNumbers) -> tuple[Moments, NDArray[np.int64], NDArray[np.int64]]:
        """Time, KOL and class of touches."""
        lo, hi = self._touch["lo"][row], self._touch["hi"][row]
        return self._touch["at"][row], high(lo), (hi & _CLASS_BITS).astype(np.int64)

    def drop_users(self, is_dropped: Mask) -> None:
        """Drop all touches of some users."""
        super().drop_users(is_dropped)
        self._relink()

    def renumber_users(self, code: NDArray[np.int64]) -> None:
        """Give every user a new code, `code[old]`."""
        super().renumber_users(code)
        self._relink()

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """What a snapshot holds, as views."""
        return super().arrays(prefix) | {f"{prefix}.dropped": np.array([self.dropped])}

    def restore(self, prefix: str, arrays: Arrays) -> None:
        """Take over what `arrays` gave; the oldest snapshots do not know a touch's topics."""
        topics = np.full(len(arrays[f"{prefix}.at"]), EVERY_TOPIC, np.uint8)
        super().restore(prefix, {f"{prefix}.topics": topics, **arrays})
        self.dropped = int(arrays[f"{prefix}.dropped"][0])
        self._relink()

    def _relink(self) -> None:
        self._of, self._count = Chains(), np.zeros(0, np.int64)
        self._link(self.users(), np.arange(len(self._touch)))

    def _link(self, user: RowNumbers, row: RowNumbers) -> None:
        """Put new touches into the lists of their users."""
        self._of.link(user, row)
        self._count = _with_room(self._count, int(user.max(initial=-1)) + 1)
        np.add.at(self._count, user, 1)


def _from_end(group: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each row's distance from the end of its group, 0 for the last; groups ascend."""
    distance: NDArray[np.int64] = (
        np.searchsorted(group, group, side="right") - 1 - np.arange(len(group))
    )
    return distance


def _with_room(count: NDArray[np.int64], users: int) -> NDArray[np.int64]:
    """Counts with room for so many users."""
    more = 2 * users - len(count) if users > len(count) else 0
    return np.append(count, np.zeros(more, np.int64)) if more else count


def _numbered(lo: Words, hi: Words) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """Number equal keys alike, by first appearance; gives each one's number, and the firsts."""
    sort = np.lexsort((lo, hi))  # stable: of equal keys the first stays the first
    lo, hi = lo[sort], hi[sort]
    begins = np.append(True, (lo[1:] != lo[:-1]) | (hi[1:] != hi[:-1]))[: len(lo)]
    first = sort[begins]
    appear = np.argsort(first)
    number = np.empty(len(first), np.int64)
    number[appear] = np.arange(len(first))
    of = np.empty(len(lo), np.int64)
    of[sort] = number[np.cumsum(begins) - 1]
    return of, first[appear]


def _place_in_group(group: Words) -> NDArray[np.int64]:
    """How many of the same group stand before each, 0 for the first."""
    sort = np.argsort(group, kind="stable")
    turn = np.empty(len(group), np.int64)
    turn[sort] = np.arange(len(group)) - np.searchsorted(group[sort], group[sort])
    return turn
