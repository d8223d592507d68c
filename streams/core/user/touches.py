"""Touches: which events count as a meeting with a KOL, and for how long.

| class | which events | lookback |
|---|---|---|
| click | clickstream `click`, `pdp_view`, `coupon_view` without share_id | 30 d |
| engage | likes, saves, comments, ... | 30 d |
| live | `view` with live_id, at least 30 s | 3 d |
| share | clickstream `click`, `pdp_view` with share_id | 14 d |
| view | `view` without live_id, at least 5 s or half of it; `impression` visible for 1 s | 7 d |

The KOL of a touch is the event's `kol_id`. A touch is a user, a KOL, a class and a half hour
of the clock (UTC), with the moments of all its events. For an order only moments not after it
exist: the least of them is the touch's `begin`, the greatest its `last`. Of the user's touches
the 32 greatest by (last, kol_id, class) are looked at; of those, the ones whose `last` is
inside the lookback count.

*Limit.* Of one user in one half hour each topic makes 1 024 touches: the first of its log.
An event that would begin a further one is none, adds no moment, and is counted; so is every
later one of the same KOL and class. That is decided by the log of one topic partition alone:
neither the order in which topics are read nor what was pruned changes it.

Memory keeps the touches whose half hour an order that can still change may lie in (`kept_from`),
with all their moments, and of the older ones each user's 32 newest, with `begin` and `last`:
no order that can still change could look at another one.
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
from streams.core.user.inner_moments import HALF_HOUR_MS, InnerMoments
from streams.core.user.journey_lookup import AHEAD_MS, LOOKED_AT, Line, journeys_of, newest
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

LIMIT: Final = 1024  # touches of a user, half hour and topic: a KOL met every 1.8 s throughout

BIT_OF: Final = {CLICKSTREAM: 1, INTERACTIONS: 2}  # the topics of a touch, as a set

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


def kept_from(watermark: int) -> int:
    """The earliest time of an order whose touches, or those noted after it, can still change."""
    return watermark - HORIZON_MS - AHEAD_MS


class Touches(CodedPart):
    """Every touch that an order may still look at; the key is user, KOL | class, half hour."""

    def __init__(self, slack: int, limit: int = LIMIT) -> None:
        self._touch = CodedTable(
            user=Half.LOW, name=Half.HIGH, begin=np.int64, last=np.int64, topics=np.uint8
        )
        super().__init__({"": self._touch})
        self._inner = InnerMoments()
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
    ) -> tuple[RowNumbers, Moments, Mask]:
        """Take in events of a topic that are touches, in the order of its log.

        Returns:
            User and time of every moment that is new, and whether its touch begins with it.

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
        begin, last, topics = (self._touch[name] for name in ("begin", "last", "topics"))
        new = row[first]
        begin[new] = last[new] = at[first]
        topics[new] = 0
        topics[row] |= bit
        self._link(user[first], new)
        changed = first.copy()
        changed[~first] = self._widen(row[~first], at[~first])
        return user[changed], at[changed], (at == begin[row])[changed]

    def _widen(self, row: RowNumbers, at: Moments) -> Mask:
        """Add moments to touches; gives which are neither the first nor the last already."""
        begin, last = self._touch["begin"], self._touch["last"]
        was = begin[row], last[row]
        np.minimum.at(begin, row, at)
        np.maximum.at(last, row, at)
        changed: Mask = (at != was[0]) & (at != was[1])
        self._add_inner(row[changed], at[changed], was[0][changed], was[1][changed])
        return changed

    def _add_inner(self, row: RowNumbers, *moments: Moments) -> None:
        """Keep those of some moments of touches that lie between their first and last."""
        begin, last = self._touch["begin"][row], self._touch["last"][row]
        inside = [np.flatnonzero((begin < at) & (at < last)) for at in moments]
        touch = np.concatenate([row[which] for which in inside])
        if touch.size:
            at = np.concatenate([at[which] for at, which in zip(moments, inside, strict=True)])
            once = np.unique(packed(at % HALF_HOUR_MS, touch), return_index=True)[1]
            self._inner.add(touch[once], at[once])

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
        """
        owner, asker = np.unique(user, return_inverse=True)
        line = self._line(*self._of.pairs(owner), rank)
        return journeys_of(line, asker, at, LOOKBACK_OF, self._inner.last_until)

    def _line(self, of: RowNumbers, row: RowNumbers, rank: NDArray[np.int64]) -> Line:
        """Touches as columns, each `of` one of some users."""
        lo, hi = self._touch["lo"][row], self._touch["hi"][row]
        begin, last = self._touch["begin"][row], self._touch["last"][row]
        kol = high(lo)
        return Line(of, row, begin, last, kol, rank[kol], (hi & _CLASS_BITS).astype(np.int64))

    def is_due(self) -> bool:
        """Whether `prune` would look for expired touches."""
        return self._compaction.is_due(len(self._touch) + len(self._inner))

    def prune(self, watermark: int, rank: NDArray[np.int64]) -> None:
        """Drop what no unfrozen order can look at; freeze the others first."""
        floor = kept_from(watermark)
        last = self._touch["last"]
        is_open = (last // HALF_HOUR_MS + 1) * HALF_HOUR_MS > floor
        counts = last >= floor - int(LOOKBACK_OF.max())
        stays = counts & self._newest(~is_open & counts, rank)
        if self._compaction.is_worth(~stays):
            self._keep(stays, is_open)
        self._compaction.reset(len(self._touch) + len(self._inner))

    def _newest(self, among: Mask, rank: NDArray[np.int64]) -> Mask:
        """Whether each touch is among its user's 32 newest of these, or none of these."""
        user = self.users()
        many = np.bincount(user[among], minlength=int(user.max(initial=0)) + 1) > LOOKED_AT
        row = np.flatnonzero(among & many[user])
        line = self._line(user[row], row, rank)
        stays = np.ones(len(self), np.bool_)
        stays[row] = False
        stays[row[newest(line.of, line.last, line.rank, line.klass)]] = True
        return stays

    def _keep(self, stays: Mask, is_open: Mask) -> None:
        """Drop all other touches, and the inner moments of those that are not open."""
        self._inner.keep(stays, is_open)
        self._touch.keep(stays)
        self._relink()

    def drop_users(self, is_dropped: Mask) -> None:
        """Drop all touches of some users."""
        stays = ~is_dropped[self.users()]
        self._keep(stays, stays)

    def renumber_users(self, code: NDArray[np.int64]) -> None:
        """Give every user a new code, `code[old]`."""
        super().renumber_users(code)
        self._relink()

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """What a snapshot holds, as views."""
        return {
            **super().arrays(prefix),
            **self._inner.arrays(f"{prefix}.inner"),
            f"{prefix}.dropped": np.array([self.dropped]),
        }

    def restore(self, prefix: str, arrays: Arrays) -> None:
        """Take over what `arrays` gave."""
        super().restore(prefix, arrays)
        self._inner.restore(f"{prefix}.inner", arrays)
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
