"""Depth of a user's day with a KOL: what the user did, concave, so one fan cannot carry it.

    s      = sum of omega over the user's interactions of the UTC day, in the log's order
    depth  = ln(1 + s)

Each event adds `round(10^6 ln(1 + s after)) - round(10^6 ln(1 + s before))` to its
minute's cell, so the day's sum is exactly `round(10^6 ln(1 + s))`; the same with the
square of the logarithm. Only accounts of at least 3 days count (where the age is known).
"""

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Behaviour, Mask
from schemas.events import Kind
from streams.core.arrays.coded import ExpiringPart, ExpiringTable
from streams.core.arrays.index import RowNumbers, packed
from streams.core.moments import DAY_MS, HORIZON_MS
from streams.core.user.touches import is_read

OMEGA: Final = {  # in half units; a view must be read
    Kind.VIEW: 1,
    Kind.LIKE: 2,
    Kind.DANMAKU: 3,
    Kind.SAVE: 6,
    Kind.SCREENSHOT: 6,
    Kind.REVISIT: 6,
    Kind.COMMENT: 8,
    Kind.SEARCH_AFTER_VIEW: 8,
    Kind.QA_ATTEND: 8,
    Kind.FOLLOW: 10,
    Kind.SHARE: 12,
    Kind.JOIN_PRIVATE: 16,
    Kind.CO_CREATE: 20,
    Kind.UGC_POST: 20,
}
HALVES: Final = 2  # half units in a unit
YOUNGEST_D: Final = 3.0  # days; a younger account is not credible (prior, until it is learned)
DEEPEST: Final = 1 << 14  # half units of one day beyond which depth stays as it is
SCALE: Final = 1_000_000

_OMEGA_OF: Final = np.zeros(256, np.int64)
_OMEGA_OF[list(OMEGA)] = list(OMEGA.values())
_LOG: Final = [math.log1p(half / HALVES) for half in range(DEEPEST + 1)]
DEPTH_OF: Final = np.array([round(SCALE * log) for log in _LOG], np.int64)
SQUARE_OF: Final = np.array([round(SCALE * log * log) for log in _LOG], np.int64)


def omega(events: Behaviour) -> NDArray[np.int64]:
    """What each event weighs, in half units; 0 where it does not count."""
    weight = _OMEGA_OF[events.kind]
    counts: Mask = ~(events.account_age_d < YOUNGEST_D)
    counts &= (events.kind != Kind.VIEW) | is_read(events)
    return np.where(counts, weight, 0)


def expired(days: ExpiringTable, watermark: int) -> Mask:
    """Which days no accepted event can belong to any more."""
    end = (days["hi"].astype(np.int64) + 1) * DAY_MS
    over: Mask = end + HORIZON_MS <= watermark
    return over


class Depth(ExpiringPart):
    """The sum of omega by user, KOL and day, for the days that can still change."""

    def __init__(self, slack: int) -> None:
        self._day = ExpiringTable(slack, expired, half_units=np.int64)
        super().__init__({"": self._day})

    def add(
        self, user: RowNumbers, kol: NDArray[Any], at: NDArray[np.int64], weight: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Take in events in the order of the log; gives what each adds, 1e-6, and of the square."""
        row, first = self._day.add(packed(user, kol), (at // DAY_MS).astype(np.uint64))
        total = self._day["half_units"]
        total[row[first]] = 0
        order = np.argsort(row, kind="stable")
        of, sums = row[order], np.cumsum(weight[order])
        before_group = (sums - weight[order])[np.searchsorted(of, of, side="left")]
        after = np.empty(len(row), np.int64)
        after[order] = total[of] + sums - before_group
        np.add.at(total, row, weight)
        s, t = np.minimum(after - weight, DEEPEST), np.minimum(after, DEEPEST)
        return DEPTH_OF[t] - DEPTH_OF[s], SQUARE_OF[t] - SQUARE_OF[s]
