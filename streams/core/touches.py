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

Memory keeps the touches whose half hour can still change (it ends after the watermark
minus the horizon) and of the older ones each user's 32 newest: no order that can still
change could look at another one.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Behaviour, Mask, Moments
from schemas.events import Kind
from streams.core.arena import Arrays, Due
from streams.core.chains import Chains
from streams.core.index import Keyed, RowNumbers, high, low, packed
from streams.core.lateness import DAY_MS, HORIZON_MS


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
OPEN_LIMIT: Final = 4096  # touches of one user whose half hour can still change

CROWDED: Final = 2  # times the limit: then touches are looked through at once

WATCHED_LIVE_MS: Final = 30_000
READ_MS: Final = 5_000
READ_SHARE: Final = 0.5
SEEN_MS: Final = 1_000


class Condition(IntEnum):
    """What an event must say to be a touch of its class."""

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
    """Give the class by kind and by the set of conditions that hold, as bits."""
    table = np.full((256, 1 << len(Condition)), NO_TOUCH, np.int8)
    holding = np.arange(1 << len(Condition))
    for kind, condition, klass in RULES:
        table[kind, (holding >> condition) & 1 == 1] = klass
    return table


CLASS_OF: Final = _class_table()
LOOKBACK_OF: Final = np.array([LOOKBACK_MS[klass] for klass in TouchClass], np.int64)


def is_read(events: Behaviour) -> Mask:
    """Say which events dwelt for 5 s or completed half of what they saw."""
    return (events.dwell_ms >= READ_MS) | (events.completion >= READ_SHARE)


def classes(events: Behaviour) -> NDArray[np.int8]:
    """Give every event's class of touch, NO_TOUCH where it is none."""
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


@dataclass(frozen=True, slots=True)
class Journeys:
    """The touches that count for some orders, flat, newest last within each order.

    Shape `(t,)`, sorted by (order, at, kol_id, class).
    """

    order: NDArray[np.int64]  # which order, a number the asker gave
    at: Moments
    kol: NDArray[np.int64]  # the memory's code of the name
    klass: NDArray[np.int64]  # `TouchClass`

    def __len__(self) -> int:
        return len(self.at)


_CLASS_BITS = np.uint64(7)
_HALF_AT = np.uint64(3)  # where the half hour begins in a key's high word


class Touches:
    """Every touch that an order may still look at; the key is user, KOL | class, half hour."""

    def __init__(self, slack: int, limit: int = OPEN_LIMIT) -> None:
        self._touch = Keyed(at=np.int64)
        self._of = Chains()
        self._due = Due(slack)
        self._limit = limit
        self._count = np.zeros(0, np.int64)  # touches of every user
        self._crowded = False  # some user has too many
        self.dropped = 0  # touches above the hard limit

    def __len__(self) -> int:
        return len(self._touch)

    def take(
        self, user: RowNumbers, kol: NDArray[Any], klass: NDArray[Any], at: Moments
    ) -> tuple[RowNumbers, Moments]:
        """Take in events that are touches, in any order.

        Returns:
            User and time of every touch that is new or has become earlier.

        """
        half = at // HALF_HOUR_MS
        row, first = self._touch.add(
            packed(user, kol), klass.astype(np.uint64) | (half.astype(np.uint64) << _HALF_AT)
        )
        times = self._touch["at"]
        times[row[first]] = np.iinfo(np.int64).max
        old = times[row]
        np.minimum.at(times, row, at)
        new = times[row]
        self._link(user[first], row[first])
        changed = (new < old) & (new == at)
        return user[changed], at[changed]

    def looked_at(self, user: RowNumbers, at: Moments, rank: NDArray[np.int64]) -> Journeys:
        """Give the touches that count for orders, numbered from 0: of `user`, paid `at`.

        `rank` gives the place of every KOL's name in the order of its UTF-8 bytes.
        """
        order, row = self._not_after(user, at)
        moment, kol, klass = self._parts(row)
        sort = np.lexsort((klass, rank[kol], moment, order))
        order, moment, kol, klass = order[sort], moment[sort], kol[sort], klass[sort]
        counts = (_from_end(order) < LOOKED_AT) & (moment >= at[order] - LOOKBACK_OF[klass])
        return Journeys(order[counts], moment[counts], kol[counts], klass[counts])

    def _not_after(self, user: RowNumbers, at: Moments) -> tuple[RowNumbers, RowNumbers]:
        """Give all pairs of an order and a touch of its user that is not after it."""
        times = self._touch["at"]
        orders, rows = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        order, row = np.arange(len(user)), self._of.heads(user)
        while True:
            live = row >= 0
            order, row = order[live], row[live]
            if not row.size:
                return np.concatenate(orders), np.concatenate(rows)
            meets = times[row] <= at[order]
            orders.append(order[meets])
            rows.append(row[meets].astype(np.int64))
            row = self._of.after(row)

    def is_due(self) -> bool:
        """Say whether `forget` would look for something to forget."""
        return self._crowded or self._due.reached(len(self._touch))

    def forget(self, watermark: int, rank: NDArray[np.int64]) -> None:
        """Drop touches no unfrozen order can look at; freeze the others first."""
        floor = watermark - HORIZON_MS
        at = self._touch["at"]
        is_open = (at // HALF_HOUR_MS + 1) * HALF_HOUR_MS > floor
        counts = at >= floor - int(LOOKBACK_OF.max())
        newest = self._newest(~is_open & counts, LOOKED_AT, rank)
        within = self._newest(is_open, self._limit, rank)
        stays = counts & newest & within
        if self._crowded or self._due.is_worth(~stays) or not within.all():
            self.dropped += int(np.count_nonzero(~within))
            self._touch.keep(stays)
            self._relink()
        self._due.reset(len(self._touch))

    def _newest(self, among: Mask, limit: int, rank: NDArray[np.int64]) -> Mask:
        """Say of each touch that it is among its user's newest of these, or none of these."""
        user = self.users()
        many = np.bincount(user[among], minlength=int(user.max(initial=0)) + 1) > limit
        row = np.flatnonzero(among & many[user])
        user, at, kol, klass = user[row], *self._parts(row)
        sort = np.lexsort((klass, rank[kol], at, user))
        newest = np.ones(len(self), np.bool_)
        newest[row[sort]] = _from_end(user[sort]) < limit
        return newest

    def _parts(self, row: RowNumbers) -> tuple[Moments, NDArray[np.int64], NDArray[np.int64]]:
        """Give time, KOL and class of touches."""
        lo, hi = self._touch["lo"][row], self._touch["hi"][row]
        return self._touch["at"][row], high(lo), (hi & _CLASS_BITS).astype(np.int64)

    def users(self) -> RowNumbers:
        """Give the user of every touch."""
        return low(self._touch["lo"])

    def renumber(self, user: NDArray[np.int64]) -> None:
        """Give every user a new number."""
        self._touch.renumber(user)
        self._relink()

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Give what a snapshot holds."""
        return self._touch.arrays(prefix) | {f"{prefix}.dropped": np.array([self.dropped])}

    def restore(self, prefix: str, arrays: Arrays) -> None:
        """Take over what `arrays` gave."""
        self._touch.restore(prefix, arrays)
        self.dropped = int(arrays[f"{prefix}.dropped"][0])
        self._relink()

    def _relink(self) -> None:
        self._of, self._count, self._crowded = Chains(), np.zeros(0, np.int64), False
        self._link(self.users(), np.arange(len(self._touch)))

    def _link(self, user: RowNumbers, row: RowNumbers) -> None:
        """Put new touches into the lists of their users."""
        self._of.link(user, row)
        users = int(user.max(initial=-1)) + 1
        if users > len(self._count):
            self._count = np.append(self._count, np.zeros(2 * users - len(self._count), np.int64))
        np.add.at(self._count, user, 1)
        self._crowded |= bool(self._count[user].max(initial=0) > CROWDED * self._limit)


def _from_end(group: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give each row's distance from the end of its group, 0 for the last; groups ascend."""
    distance: NDArray[np.int64] = (
        np.searchsorted(group, group, side="right") - 1 - np.arange(len(group))
    )
    return distance
