"""Users whom a share brought to a KOL, by how far from the KOL it was: one hop, or more.

    re-spread = users_far / users_near

An event with a `share_depth` came by a share of so many hops; a `share` itself makes one and says
nothing of how its user came. A user counts once for a KOL, a UTC day and each of the two, in the
minute of the earliest such event: an earlier one moves the count.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from schemas.cells import AT
from schemas.columns import Behaviour, Mask
from schemas.events import Kind
from streams.core.arrays.coded import ExpiringPart, ExpiringTable
from streams.core.arrays.index import RowNumbers, high, packed
from streams.core.moments import DAY_MS, HORIZON_MS
from streams.core.user.cells import Cells

FAR: Final = 2  # hops
DAY: Final = 1_440  # minutes
UNSEEN: Final = np.iinfo(np.int16).max  # the earliest minute before there is one

_FIELD: Final = np.array([AT["users_near"], AT["users_far"]])


def came_by_share(events: Behaviour) -> Mask:
    """Which events are of users whom a share brought."""
    came: Mask = (events.share_depth > 0) & (events.kind != Kind.SHARE)
    return came


def expired(days: ExpiringTable, watermark: int) -> Mask:
    """Which days no accepted event can belong to any more."""
    end = ((days["hi"] >> np.uint64(1)).astype(np.int64) + 1) * DAY_MS
    over: Mask = end + HORIZON_MS <= watermark
    return over


class ShareReach(ExpiringPart):
    """The earliest minute of each user, KOL, day and distance; days that can still change."""

    def __init__(self, slack: int) -> None:
        self._day = ExpiringTable(slack, expired, earliest=np.int16)
        super().__init__({"": self._day})

    def add(
        self,
        user: RowNumbers,
        kol: NDArray[Any],
        minute: NDArray[np.int64],
        hops: NDArray[np.int64],
        cells: Cells,
    ) -> None:
        """Count users in minutes, in any order."""
        who, is_far = packed(user, kol), hops >= FAR
        day, within = np.divmod(minute, DAY)
        row, first = self._day.add(who, (day << 1 | is_far).astype(np.uint64))
        earliest = self._day["earliest"]
        earliest[row[first]] = UNSEEN
        before = earliest[row]
        np.minimum.at(earliest, row, within.astype(np.int16))
        wins = np.flatnonzero((earliest[row] < before) & (earliest[row] == within))
        wins = wins[np.unique(row[wins], return_index=True)[1]]
        name, field, day = high(who[wins]), _FIELD[is_far[wins].astype(np.intp)], day[wins]
        cells.add(cells.rows(name, minute[wins]), field, 1)
        moves = before[wins] != UNSEEN
        left = day[moves] * DAY + before[wins][moves]
        cells.add(cells.rows(name[moves], left), field[moves], -1)
