"""The days on which nothing is said of a KOL: a row each, since silence says something, too.

At midnight UTC a KOL with a cell in the 90 days before has a row, also without a cell of that
minute: what is known of it is a day older, and its interval wider. A row is kept for as long
(`schemas.rows`), so after that the last word of a silent KOL is gone, too.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Codes
from streams.core.kol.decay import DAY
from streams.core.moments import Minutes

SILENT_FOR: Final = 90 * DAY  # minutes after the last cell of a KOL


def has_midnight(after: int, to: int) -> bool:
    """Whether there is a midnight in the minutes `(after, to]`."""
    return to // DAY > after // DAY


def ticks(kol: Codes, minute: Minutes, after: int, to: int) -> tuple[NDArray[np.int64], Minutes]:
    """The KOLs and minutes of the rows at midnights in `(after, to]` at which there is no cell.

    Args:
        kol: of cells up to `to`, by KOL and minute; of those up to `after` the last one of a KOL
            is enough.
        minute: of the same cells.
        after: a minute.
        to: a minute.

    """
    until = np.minimum(minute + SILENT_FOR, to)
    followed = np.flatnonzero(kol[1:] == kol[:-1])
    until[followed] = np.minimum(until[followed], minute[followed + 1] - 1)
    first = np.maximum(minute, after) // DAY + 1
    count = np.maximum(until // DAY - first + 1, 0)
    ends = np.cumsum(count)
    place = np.arange(int(count.sum())) - np.repeat(ends - count, count)
    midnight: Minutes = (np.repeat(first, count) + place) * DAY
    return np.repeat(kol, count).astype(np.int64), midnight
