"""Depth of a user's day with a KOL: what the user did, concave, so one fan cannot carry it.

    s      = sum of omega over the user's interactions of the UTC day, in the log's order
    depth  = ln(1 + s)

Each event adds `round(10^6 ln(1 + s after)) - round(10^6 ln(1 + s before))` to its
minute's cell, so the day's sum is exactly `round(10^6 ln(1 + s))`; the same with the
square of the logarithm. Only accounts of at least 3 days count (where the age is known).

*Credible depth* is weighted instead of cut: `round(c 10^6 ln(1 + s))` with the credibility c of
the source, that of the day's first interaction in the log, and with the interactions of accounts
of every age. Beside it stands c itself, once for each such day, so that a mean is weighted by c on
both sides: two thousand accounts that are one day old weigh as much as 67 grown ones.
"""

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Behaviour, Mask
from schemas.events import Kind
from streams.core.arrays.coded import ExpiringPart, ExpiringTable
from streams.core.arrays.index import RowNumbers, packed
from streams.core.moments import DAY_MS, HORIZON_MS
from streams.core.user.evidence import ONE
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
    counts: Mask = (events.kind != Kind.VIEW) | is_read(events)
    return _OMEGA_OF[events.kind] * counts


def is_grown(account_age_d: NDArray[np.float64]) -> Mask:
    """Which accounts are not known to be younger than `YOUNGEST_D`."""
    grown: Mask = ~(account_age_d < YOUNGEST_D)
    return grown


@dataclass(frozen=True, slots=True)
class Deepened:
    """What events add, 1e-6, in the order of the log; columns `(n,)`."""

    first: Mask  # the first of its user, KOL and day
    depth: NDArray[np.int64]
    square: NDArray[np.int64]
    credible: NDArray[np.int64]  # depth, weighted by the credibility of the day
    credible_square: NDArray[np.int64]


def expired(days: ExpiringTable, watermark: int) -> Mask:
    """Which days no accepted event can belong to any more."""
    end = (days["hi"].astype(np.int64) + 1) * DAY_MS
    over: Mask = end + HORIZON_MS <= watermark
    return over


class Depth(ExpiringPart):
    """The sums of omega by user, KOL and day, for the days that can still change."""

    def __init__(self, slack: int) -> None:
        self._day = ExpiringTable(
            slack,
            expired,
            half_units=np.int64,  # of grown accounts
            every=np.int64,  # of accounts of every age
            credible=np.int32,  # of the day's first interaction, 1e-6
        )
        super().__init__({"": self._day})

    def add(
        self,
        user: RowNumbers,
        kol: NDArray[Any],
        at: NDArray[np.int64],
        weight: NDArray[np.int64],
        grown: Mask,
        credible: NDArray[np.int64],
    ) -> Deepened:
        """Take in interactions in the order of the log, those that weigh nothing, too."""
        row, first = self._day.add(packed(user, kol), (at // DAY_MS).astype(np.uint64))
        new = row[first]
        self._day["half_units"][new] = self._day["every"][new] = 0
        self._day["credible"][new] = credible[first]
        before, after = _added(self._day["half_units"], row, weight * grown)
        every_before, every_after = _added(self._day["every"], row, weight)
        c = self._day["credible"][row].astype(np.int64)
        return Deepened(
            first,
            DEPTH_OF[after] - DEPTH_OF[before],
            SQUARE_OF[after] - SQUARE_OF[before],
            _weighted(c, DEPTH_OF[every_after]) - _weighted(c, DEPTH_OF[every_before]),
            _weighted(c, SQUARE_OF[every_after]) - _weighted(c, SQUARE_OF[every_before]),
        )


def _added(
    total: NDArray[np.int64], row: RowNumbers, weight: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Add weights to the totals of rows; each total before and after its event, up to DEEPEST."""
    before = total[row]
    np.add.at(total, row, weight)
    after = total[row]
    if not np.array_equal(after - before, weight):  # some rows have more than one weight
        order = np.argsort(row, kind="stable")
        of, sums = row[order], np.cumsum(weight[order])
        earlier = (sums - weight[order])[np.searchsorted(of, of, side="left")]
        after[order] = before[order] + sums - earlier
        before = after - weight
    return np.minimum(before, DEEPEST), np.minimum(after, DEEPEST)


def _weighted(c: NDArray[np.int64], value: NDArray[np.int64]) -> NDArray[np.int64]:
    """Values times credibility, rounded to millionths."""
    return (c * value + ONE // 2) // ONE
