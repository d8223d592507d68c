"""The minutes that rows of a partition can be of: those of all cells in memory, then ticks."""

from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple, Self

import numpy as np

from schemas.columns import Codes, Mask
from streams.core.arrays.index import RowNumbers
from streams.core.kol.cells import SCORED, MergedCells
from streams.core.kol.kol_sums import KolRows
from streams.core.kol.ticks import has_midnight, ticks
from streams.core.moments import Minutes


class Timeline(NamedTuple):
    """Places of rows: the cells in their order, then ticks."""

    kol: Codes
    minute: Minutes
    cells: MergedCells

    @classmethod
    def of(
        cls, cells: MergedCells, seen: Minutes, after: int, to: int, whose: Mask | None = None
    ) -> Self:
        """All cells, and the ticks in the minutes `(after, to]`.

        Args:
            cells: those in memory.
            seen: the last minute of each KOL with a cell up to `after`, 0 where there is none.
            after: minutes up to here are final and written.
            to: the last minute.
            whose: KOLs whose ticks are wanted, shape (kols,); None: all.

        """
        kol, minute = cells.kol, cells.minute
        if not has_midnight(after, to):
            return cls(kol, minute, cells)
        known, open_ = seen > 0, (minute > after) & (minute <= to)
        if whose is not None:
            known, open_ = known & whose, open_ & whose[kol]
        kols = np.concatenate([np.flatnonzero(known), kol[open_]])
        minutes = np.concatenate([seen[known], minute[open_]])
        order = np.lexsort((minutes, kols))
        at, when = ticks(kols[order], minutes[order], after, to)
        return cls(np.append(kol, at), np.append(minute, when), cells)

    def in_order(self, which: Mask) -> RowNumbers:
        """These places, by KOL and minute."""
        places = np.flatnonzero(which)
        return places[np.lexsort((self.minute[places], self.kol[places]))]

    def rows(self, places: RowNumbers) -> KolRows:
        """What is at these places."""
        is_cell = places < len(self.cells.minute)
        values = np.zeros((len(places), len(SCORED)), np.int64)
        values[is_cell] = self.cells.values(places[is_cell])
        return KolRows(self.kol[places], self.minute[places], values, is_cell)

    def portions(self, places: RowNumbers, most: int) -> Iterator[RowNumbers]:
        """Places in order, cut between two KOLs, some `most` at once."""
        begins = np.flatnonzero(np.diff(self.kol[places], prepend=-1)).tolist()
        start = 0
        while True:
            at = bisect_left(begins, start + most)
            end = begins[at] if at < len(begins) else len(places)
            yield places[start:end]
            start = end
            if start == len(places):
                return
