"""Memory as columns that grow: row i of every column is one thing, appended and rarely changed.

Capacity doubles, so appending costs O(1) a row; forgetting rewrites what stays.
What a snapshot holds is the live part of every column, as views.
"""

from bisect import bisect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from schemas.columns import Codes, Mask

Arrays = Mapping[str, NDArray[Any]]
Floats = NDArray[np.float64]

SMALLEST = 64  # rows a column begins with
FEW = 32  # of so many names a new one is put in its place, more are sorted with all others
WORTH = 4  # memory is rewritten when one row of so many goes


class Arena:
    """Columns of equal length by name; a column of width w is an array of shape `(rows, w)`."""

    def __init__(self, **kinds: DTypeLike) -> None:
        self._full = {name: np.zeros(SMALLEST, np.dtype(kind)) for name, kind in kinds.items()}
        self._rows = 0
        self._room = SMALLEST

    def __len__(self) -> int:
        return self._rows

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Give the live rows of one column, as a view."""
        return self._full[name][: self._rows]

    def full(self, name: str) -> NDArray[Any]:
        """Give one column with its spare room, valid until the next growth."""
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
        """Forget all rows but these; the others move up in their order."""
        self._rows = int(np.count_nonzero(which))
        self._room = max(self._rows, SMALLEST)
        for name, column in self._full.items():
            kept = column[: len(which)][which]
            self._full[name] = _with_room(kept, self._room)

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Give every column's live rows as views, named `prefix.column`."""
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


class Strings:
    """Texts by number, as UTF-8 in one run of bytes."""

    def __init__(self) -> None:
        self._bytes = Arena(utf8=np.uint8)
        self._ends = Arena(end=np.int64)

    def __len__(self) -> int:
        return len(self._ends)

    def add(self, texts: Iterable[str]) -> int:
        """Append texts; gives the number of the first."""
        encoded = [text.encode() for text in texts]
        sizes = np.fromiter(map(len, encoded), np.int64, len(encoded))
        start = len(self._bytes)
        self._bytes.append(utf8=np.frombuffer(b"".join(encoded), np.uint8))
        return self._ends.append(end=start + np.cumsum(sizes))

    def utf8(self, numbers: Sequence[int]) -> list[bytes]:
        """Give texts by their numbers, as UTF-8."""
        ends, utf8 = self._ends["end"], self._bytes["utf8"]
        return [utf8[ends[i - 1] if i else 0 : ends[i]].tobytes() for i in numbers]

    def texts(self, numbers: Sequence[int]) -> list[str]:
        """Give texts by their numbers."""
        return [utf8.decode() for utf8 in self.utf8(numbers)]

    def keep(self, which: Mask) -> None:
        """Forget all texts but these; the others are numbered anew in their order."""
        sizes = np.diff(self._ends["end"], prepend=0)
        self._bytes.keep(np.repeat(which, sizes))
        self._ends.keep(which)
        self._ends["end"][:] = np.cumsum(sizes[which])

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Give what a snapshot holds, as views."""
        return self._bytes.arrays(prefix) | self._ends.arrays(prefix)

    def restore(self, prefix: str, arrays: Arrays) -> None:
        """Take over what `arrays` gave."""
        self._bytes.restore(prefix, arrays)
        self._ends.restore(prefix, arrays)


class Names:
    """Few names (KOLs, brands, platforms) and their codes, with their order by UTF-8 bytes."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._code: dict[str, int] = {}
        self._strings = Strings()
        self._sorted = np.zeros(0, np.int64)  # codes in order of the names
        self._rank = np.zeros(0, np.int64)

    def __len__(self) -> int:
        return len(self.names)

    def codes(self, names: Iterable[str]) -> Codes:
        """Give the code of every name; a new name gets the next one."""
        codes = [self._code.setdefault(name, len(self._code)) for name in names]
        if len(self._code) > len(self.names):
            new = list(self._code)[len(self.names) :]
            self.names += new
            self._strings.add(new)
        return np.array(codes, np.int32)

    def taken(self, names: Sequence[str], code: Codes) -> Codes:
        """Turn codes into a batch's own list of names into ours; absent stays absent.

        Names of the list that no row uses stay unknown.
        """
        ours = np.full(len(names) + 1, -1, np.int32)  # the last place stands for "absent"
        used = np.flatnonzero(np.bincount(code + 1, minlength=len(names) + 1)[1:])
        ours[used] = self.codes([names[i] for i in used.tolist()])
        return ours[code]

    def rank(self) -> NDArray[np.int64]:
        """Give every code's place in the order of the names' UTF-8 bytes, shape `(names,)`."""
        known, count = len(self._rank), len(self.names)
        if known < count:
            name = self.names.__getitem__  # texts are ordered as their UTF-8 bytes are
            if FEW * (count - known) < known:
                new = sorted(range(known, count), key=name)
                place = [bisect(self._sorted, name(code), key=name) for code in new]
                self._sorted = np.insert(self._sorted, place, new)
            else:
                self._sorted = np.array(sorted(range(count), key=name), np.int64)
            self._rank = np.empty(count, np.int64)
            self._rank[self._sorted] = np.arange(count)
        return self._rank

    def keep(self, which: Mask) -> None:
        """Forget all names but these; the others are numbered anew in their order."""
        self.names = [self.names[code] for code in np.flatnonzero(which).tolist()]
        self._code = {name: code for code, name in enumerate(self.names)}
        self._strings.keep(which)
        self._sorted, self._rank = np.zeros(0, np.int64), np.zeros(0, np.int64)

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Give what a snapshot holds, as views."""
        return self._strings.arrays(prefix)

    def restore(self, prefix: str, arrays: Arrays) -> None:
        """Take over what `arrays` gave."""
        self._strings.restore(prefix, arrays)
        self.names = self._strings.texts(range(len(self._strings)))
        self._code = {name: code for code, name in enumerate(self.names)}


class Due:
    """When to forget: once the rows have doubled since the last time, at least by `slack`.

    So forgetting costs O(1) a row. With `slack` 0 it is always due (for tests: when we
    forget must not matter).
    """

    def __init__(self, slack: int) -> None:
        self._slack = slack
        self._limit = slack

    def reached(self, rows: int) -> bool:
        """Say whether it is time to look for rows to forget."""
        return rows >= self._limit

    def is_worth(self, gone: Mask) -> bool:
        """Say whether these rows are enough to rewrite the others: a quarter of all."""
        return not self._slack or WORTH * int(np.count_nonzero(gone)) >= len(gone)

    def drop(self, rows: Arena, gone: Mask) -> None:
        """Forget rows if they are worth it."""
        if self.is_worth(gone):
            rows.keep(~gone)
        self.reset(len(rows))

    def reset(self, kept: int) -> None:
        """Take in how many rows stayed."""
        self._limit = kept + max(kept, self._slack) if self._slack else 0
