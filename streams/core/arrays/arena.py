"""Memory as columns that grow: row i of every column is one thing, appended and rarely changed.

Capacity doubles, so appending costs O(1) a row; forgetting rewrites what stays.
What a snapshot holds is the live part of every column, as views.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from schemas.columns import Mask

Arrays = Mapping[str, NDArray[Any]]
Floats = NDArray[np.float64]

SMALLEST = 64  # rows a column begins with


class Arena:
    """Columns of equal length by name; a column of width w is an array of shape `(rows, w)`."""

    def __init__(self, **kinds: DTypeLike) -> None:
        self._full = {name: np.zeros(SMALLEST, np.dtype(kind)) for name, kind in kinds.items()}
        self._rows = 0
        self._room = SMALLEST

    def __len__(self) -> int:
        return self._rows

    def __getitem__(self, name: str) -> NDArray[Any]:
        """The live rows of one column, as a view."""
        return self._full[name][: self._rows]

    def full(self, name: str) -> NDArray[Any]:
        """One column with its spare room, valid until the next growth."""
        return self._full[name]

    def reserve(self, more: int) -> None:
        """Make room for that many more rows."""
        need = self._rows + more
        if need <= self._room:
            return
        self._room = max(need, 2 * self._room)
        for name, column in self._full.items():
            wider = np.zeros((self._room, *column.shape[1:]), column.dtype)
            wider[: self._rows] = column[: self._rows]
            self._full[name] = wider

    def extend(self, more: int) -> int:
        """Append rows whose values the caller writes next; gives the number of the first."""
        self.reserve(more)
        first = self._rows
        self._rows += more
        return first

    def append(self, **values: NDArray[Any]) -> int:
        """Append rows, every column given; gives the number of the first."""
        first = self.extend(len(next(iter(values.values()))))
        for name, column in values.items():
            self._full[name][first : self._rows] = column
        return first

    def keep(self, which: Mask) -> None:
        """Drop all rows but these; the others move up in their order."""
        self._rows = int(np.count_nonzero(which))
        self._room = max(self._rows, SMALLEST)
        for name, column in self._full.items():
            kept = column[: len(which)][which]
            self._full[name] = _with_room(kept, self._room)

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Every column's live rows as views, named `prefix.column`."""
        return {f"{prefix}.{name}": self[name] for name in self._full}

    def restore(self, prefix: str, arrays: Arrays) -> None:
        """Take over what `arrays` gave, as copies."""
        names = list(self._full)
        self._rows = len(arrays[f"{prefix}.{names[0]}"])
        self._room = max(self._rows, SMALLEST)
        for name, column in self._full.items():
            given = np.asarray(arrays[f"{prefix}.{name}"], column.dtype)
            self._full[name] = _with_room(given.reshape(self._rows, *column.shape[1:]), self._room)


def _with_room(column: NDArray[Any], room: int) -> NDArray[Any]:
    wider = np.zeros((room, *column.shape[1:]), column.dtype)
    wider[: len(column)] = column
    return wider
