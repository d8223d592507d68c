"""How the touches that count for orders are found.

Each user's touches and orders are put in one line by time, so a user costs its touches and its
orders, not one times the other. Apart go the touches an order lies inside of, those with moments
before and after it: there are only as many as the limit of a half hour lets in, and the orders
that ask are taken a part at a time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Moments
from schemas.events import FUTURE_MS
from streams.core.arrays.index import RowNumbers, packed
from streams.core.user.inner_moments import HALF_HOUR_MS
from streams.core.user.journeys import Journeys

LOOKED_AT: Final = 32  # touches an order looks at
AHEAD_MS: Final = FUTURE_MS  # a phone's clock may be so far ahead of the order's
_PAIRS: Final = 1 << 20  # of orders and touches looked at together


@dataclass(frozen=True, slots=True)
class Line:
    """The touches of some users, columns `(n,)`; `of` numbers the users from 0."""

    of: NDArray[np.int64]
    row: RowNumbers
    begin: Moments
    last: Moments
    kol: NDArray[np.int64]
    rank: NDArray[np.int64]  # of the KOL's name in the order of UTF-8 bytes
    klass: NDArray[np.int64]


class LastUntil(Protocol):
    """Gives the greatest moment of touches not after others."""

    def __call__(self, touch: RowNumbers, until: Moments, begin: Moments) -> Moments:
        """See `InnerMoments.last_until`."""


@dataclass(frozen=True, slots=True)
class _Looked:
    """Orders and touches of a line that they look at, with the last moment not after the order."""

    order: NDArray[np.int64]
    place: NDArray[np.int64]
    last: Moments


def journeys_of(
    line: Line, asker: NDArray[np.int64], at: Moments, lookback: Moments, last_until: LastUntil
) -> Journeys:
    """The touches that count for orders at some times, each by a user of the line.

    `lookback` by class of touch.
    """
    looked = _before(line, asker, at)
    parts = [looked, *_inside(line, asker, at, last_until)]
    if len(parts) > 1:
        order, place, last = (
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("order", "place", "last")
        )
        stays = newest(order, last, line.rank[place], line.klass[place])
        looked = _Looked(order[stays], place[stays], last[stays])
    order, place, last = looked.order, looked.place, looked.last
    counts = last >= at[order] - lookback[line.klass[place]]
    order, place, last = order[counts], place[counts], last[counts]
    after, after_ms = np.zeros((2, len(at)), np.int64)
    bare = np.flatnonzero(np.bincount(order, minlength=len(at)) == 0)
    after[bare], after_ms[bare] = _after(line, asker[bare], at[bare])
    return Journeys(
        order, line.begin[place], last, line.kol[place], line.klass[place], after, after_ms
    )


def newest(
    group: NDArray[np.int64], last: Moments, rank: NDArray[np.int64], klass: NDArray[np.int64]
) -> NDArray[np.intp]:
    """The rows of the 32 greatest by (last, rank, class) of each group, in that order."""
    sort = np.lexsort((klass, rank, last, group))
    group = group[sort]
    from_end = np.searchsorted(group, group, side="right") - 1 - np.arange(len(group))
    return sort[from_end < LOOKED_AT]


def _before(line: Line, asker: NDArray[np.int64], at: Moments) -> _Looked:
    """For each order the 32 newest of the touches that are over."""
    orders, touches = len(at), len(line.row)
    end = np.zeros(orders, np.int64)
    sort = np.lexsort(
        (
            np.append(line.klass, end),
            np.append(line.rank, end + np.iinfo(np.int64).max),  # behind what it looks at
            np.append(line.last, at),
            np.append(line.of, asker),
        )
    )
    is_touch = sort < touches
    place = sort[is_touch]
    end[sort[~is_touch] - touches] = np.cumsum(is_touch)[~is_touch]
    begins = np.searchsorted(line.of[place], asker)
    count = end - np.maximum(begins, end - LOOKED_AT)
    found = place[_runs(end - count, count)]
    return _Looked(np.repeat(np.arange(orders), count), found, line.last[found])


def _inside(
    line: Line, asker: NDArray[np.int64], at: Moments, last_until: LastUntil
) -> Iterator[_Looked]:
    """For each order the 32 newest of the touches that began before it and go on after it."""
    wide = np.flatnonzero((line.last > line.begin) & (line.last > _earliest(line, asker, at)))
    if not wide.size:
        return
    half = packed(line.begin[wide] // HALF_HOUR_MS, line.of[wide])
    sort = np.argsort(half)
    half, wide = half[sort], wide[sort]
    asked = packed(at // HALF_HOUR_MS, asker)
    first = np.searchsorted(half, asked)
    count = np.searchsorted(half, asked, side="right") - first
    asks = np.flatnonzero(count)
    turn = np.cumsum(count[asks]) // _PAIRS
    for part in np.split(asks, np.flatnonzero(np.diff(turn)) + 1):
        order = np.repeat(part, count[part])
        place = wide[_runs(first[part], count[part])]
        goes_on = (line.begin[place] <= at[order]) & (at[order] < line.last[place])
        order, place = order[goes_on], place[goes_on]
        if order.size:
            last = last_until(line.row[place], at[order], line.begin[place])
            stays = newest(order, last, line.rank[place], line.klass[place])
            yield _Looked(order[stays], place[stays], last[stays])


def _after(
    line: Line, asker: NDArray[np.int64], at: Moments
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many touches begin up to AHEAD_MS after each order, and how long after it the first."""
    late = np.flatnonzero(line.begin > _earliest(line, asker, at))
    orders, touches = len(at), len(late)
    if not touches:
        return np.zeros(orders, np.int64), np.zeros(orders, np.int64)
    is_order = np.append(np.zeros(touches, np.int64), np.ones(2 * orders, np.int64))
    time = np.concatenate((line.begin[late], at, at + AHEAD_MS))
    sort = np.lexsort((is_order, time, np.concatenate((line.of[late], asker, asker))))
    is_touch = sort < touches
    end = np.empty(2 * orders, np.int64)
    end[sort[~is_touch] - touches] = np.cumsum(is_touch)[~is_touch]
    count = end[orders:] - end[:orders]
    begin = np.append(time[sort[is_touch]], 0)
    return count, np.where(count > 0, begin[end[:orders]] - at, 0)


def _earliest(line: Line, asker: NDArray[np.int64], at: Moments) -> Moments:
    """For every touch the earliest order of its user that asks."""
    earliest = np.full(int(line.of.max(initial=-1)) + 1, np.iinfo(np.int64).max)
    here = asker < len(earliest)
    np.minimum.at(earliest, asker[here], at[here])
    return earliest[line.of]


def _runs(first: NDArray[np.int64], count: NDArray[np.int64]) -> NDArray[np.int64]:
    """The numbers of runs, one run after the other, by their first number and length."""
    before = np.cumsum(count) - count
    runs: NDArray[np.int64] = np.arange(int(count.sum())) + np.repeat(first - before, count)
    return runs
