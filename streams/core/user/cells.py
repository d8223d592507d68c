"""Minute cells: what happened around one KOL (or brand) in one minute, as integers that add.

Every accepted event with a `kol_id` belongs to the cell of its KOL and minute, or to that of
`~others` where too many KOLs are named (`admission`); standing orders, refunds and cancels
with a `brand_id` belong to `~brand:<brand_id>`. A cell is written whole whenever it
changed. It is dropped once it is written and final (its minute ends before the watermark minus
the horizon). One takes about 450 bytes.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from schemas.cells import AT, NAMES
from schemas.columns import Mask, Moments
from schemas.events import Kind
from streams.core.arrays.coded import ExpiringPart, ExpiringTable, Half
from streams.core.arrays.index import RowNumbers
from streams.core.moments import HORIZON_MS, MINUTE_MS

Fields = NDArray[np.int64]  # shape (cells, len(NAMES))

COUNTED_AS: Final = {  # an event of this kind is +1 in this field
    Kind.IMPRESSION: "impressions",
    Kind.CLICK: "clicks",
    Kind.PDP_VIEW: "clicks",
    Kind.ADD_CART: "carts",
    Kind.CHECKOUT: "carts",
    Kind.VIEW: "views",
    Kind.LIKE: "likes",
    Kind.SAVE: "saves",
    Kind.COMMENT: "comments",
    Kind.DANMAKU: "danmaku",
    Kind.SHARE: "shares",
    Kind.FOLLOW: "follows",
    Kind.UNFOLLOW: "unfollows",
    Kind.JOIN_PRIVATE: "joins",
    Kind.LEAVE_PRIVATE: "leaves",
    Kind.QA_ATTEND: "questions",
    Kind.KOL_REPLY: "replies",
    Kind.CO_CREATE: "creations",
    Kind.UGC_POST: "creations",
    Kind.REPORT: "reports",
}
UNCOUNTED: Final = -1
FIELD_OF: Final = np.full(256, UNCOUNTED, np.int64)
FIELD_OF[list(COUNTED_AS)] = [AT[field] for field in COUNTED_AS.values()]


def is_final(minute: NDArray[np.int64], watermark: int | Moments) -> Mask:
    """Which minutes no accepted event can change any more."""
    final: Mask = (minute + 1) * MINUTE_MS + HORIZON_MS <= watermark
    return final


def expired(cells: ExpiringTable, watermark: int) -> Mask:
    """Which cells are final and written."""
    final: Mask = ~cells["dirty"] & is_final(cells["hi"].astype(np.int64), watermark)
    return final


class Cells(ExpiringPart):
    """The cells that can still change, by name code and minute since the epoch."""

    def __init__(self, slack: int) -> None:
        self._cell = ExpiringTable(
            slack,
            expired,
            user=None,
            name=Half.LOW,
            field=(np.int64, (len(NAMES),)),
            dirty=np.bool_,
        )
        super().__init__({"": self._cell})

    def rows(self, name: NDArray[Any], minute: Moments) -> RowNumbers:
        """The rows of cells about to change; new ones begin with zeros."""
        row, first = self._cell.add(name.astype(np.uint64), minute.astype(np.uint64))
        self._cell["field"][row[first]] = 0
        self._cell["dirty"][row] = True
        return row

    def add(
        self, row: RowNumbers, field: int | NDArray[np.int64], amount: int | NDArray[np.int64]
    ) -> None:
        """Add amounts to fields of cells; a cell may occur often."""
        np.add.at(self._cell["field"].reshape(-1), row * len(NAMES) + field, amount)

    def collect_changed(self) -> tuple[NDArray[np.int64], NDArray[np.int64], Fields]:
        """Name codes, minutes and fields of the cells that changed since the last time."""
        row = np.flatnonzero(self._cell["dirty"])
        self._cell["dirty"][row] = False
        name, minute = self._cell["lo"][row], self._cell["hi"][row]
        return name.astype(np.int64), minute.astype(np.int64), self._cell["field"][row]
