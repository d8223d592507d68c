"""Cells of all source partitions, merged into one for each KOL and minute.

A source partition sends its cells whole: of two messages about a cell the one with the greater
version holds, and its integers replace the former ones. The merged cell is the sum over source
partitions. So neither the order in which messages arrive nor the number of partitions changes
it, to the last bit.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.cells import AT, DIMENSIONS
from schemas.columns import Codes
from streams.core.arrays.arena import Arrays
from streams.core.arrays.coded import CodedTable, Half
from streams.core.arrays.compaction import Compaction
from streams.core.arrays.index import RowNumbers, Words, high, low, packed

SCORED: Final = (
    *(f"for_{d}" for d in DIMENSIONS),
    *(f"against_{d}" for d in DIMENSIONS),
    *(f"square_{d}" for d in DIMENSIONS),
    "depth",
    "depth_square",
    "users_day",
)  # the fields of a cell that scores are made of
SLACK: Final = 1 << 14  # cells below which nothing is pruned

_SCORED: Final = np.array([AT[name] for name in SCORED])
_VALUES: Final = np.dtype((np.int64, (len(SCORED),)))

Values = NDArray[np.int64]  # shape (n, len(SCORED))


class MergedCells:
    """The minutes that can still change."""

    def __init__(self, slack: int = SLACK) -> None:
        # found by KOL, minute and source partition; by KOL and minute
        self._cells = CodedTable(name=Half.LOW, version=np.uint64, values=_VALUES)
        self._rows = CodedTable(name=Half.LOW, kol=np.int32, minute=np.int64, values=_VALUES)
        self._compaction = Compaction(slack)

    @property
    def count(self) -> int:
        """How many cells of source partitions are kept."""
        return len(self._cells)

    @property
    def kol(self) -> Codes:
        """Whose each row is."""
        kol: Codes = self._rows["kol"]
        return kol

    @property
    def minute(self) -> NDArray[np.int64]:
        """Which minute each row is, since the epoch."""
        minute: NDArray[np.int64] = self._rows["minute"]
        return minute

    def values(self, rows: RowNumbers) -> Values:
        """The sum over source partitions, as `SCORED`, of these rows."""
        values: Values = self._rows["values"][rows]
        return values

    def merge(
        self,
        kol: Codes,
        minute: NDArray[np.int64],
        source: NDArray[np.uint16],
        version: NDArray[np.uint64],
        fields: NDArray[np.int64],
    ) -> tuple[RowNumbers, int]:
        """Take cells in: columns `(n,)`, fields as `schemas.cells.NAMES`.

        Returns:
            The rows that are new or changed, and how many of the cells
            were newer than what was known.

        """
        place = packed(kol, minute)
        order = np.lexsort((version, source, place))
        order = order[_ends(place[order], source[order])]
        place, by, version = place[order], source[order].astype(np.uint64), version[order]
        cell, first = self._cells.add(place, by)
        newer = first | (version > self._cells["version"][cell])
        order, place, cell = order[newer], place[newer], cell[newer]
        values = fields[order][:, _SCORED]
        self._cells["values"][cell[first[newer]]] = 0
        change = values - self._cells["values"][cell]
        self._cells["values"][cell] = values
        self._cells["version"][cell] = version[newer]
        return self._add_up(place, change), len(cell)

    def prune(self, closed_to: int) -> None:
        """Drop the minutes up to this one, when there are many."""
        if self._compaction.is_due(self.count):
            self._cells.keep(high(self._cells["lo"]) > closed_to)
            self._rows.keep(self.minute > closed_to)
            self._compaction.reset(self.count)

    def renumber_kols(self, kol: NDArray[np.int64]) -> None:
        """Give every KOL a new code, `code[old]`."""
        self._cells.renumber_names(kol)
        self._rows.renumber_names(kol)
        self._rows["kol"][:] = kol[self._rows["kol"]]

    def arrays(self, prefix: str) -> dict[str, NDArray[np.generic]]:
        """What a snapshot holds, as views: the cells; the sums follow from them."""
        return self._cells.arrays(prefix)

    def restore(self, prefix: str, arrays: Arrays) -> None:
        """Take over what `arrays` gave."""
        self._cells.restore(prefix, arrays)
        order = np.argsort(self._cells["lo"])
        self._add_up(self._cells["lo"][order], self._cells["values"][order])

    def _add_up(self, place: Words, change: Values) -> RowNumbers:
        """Add changes to the rows of their places, which are in order; gives the changed rows."""
        begins = np.flatnonzero(np.diff(place, prepend=~place[:1]))
        row, first = self._rows.add(place[begins], np.zeros(len(begins), np.uint64))
        new = row[first]
        self._rows["kol"][new] = low(place[begins[first]])
        self._rows["minute"][new] = high(place[begins[first]])
        self._rows["values"][new] = 0
        change = np.add.reduceat(change, begins, axis=0) if len(begins) else change
        self._rows["values"][row] += change
        changed: RowNumbers = row[first | change.any(axis=1)]
        return changed


def _ends(*keys: NDArray[np.generic]) -> NDArray[np.bool_]:
    """The last of each run of equal keys, shape (n,)."""
    last = np.ones(len(keys[0]), np.bool_)
    last[:-1] = np.logical_or.reduce([key[1:] != key[:-1] for key in keys])
    return last
