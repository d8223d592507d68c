"""The forms that a column of rows may have: arrays where arrays are, no Python object a value.

| form | holds |
|---|---|
| any sequence | Python values |
| an array | numbers (NaN or `NULL` may mean none), or ASCII texts of one width (`S`) |
| `Coded` | texts by codes into a list of names |
| `Lists` | one list a row: all their elements in one run, and where each list ends |

`plain` gives the Python values of any of them.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count, pairwise
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

NULL: Final = -(2**63)  # in an array of int64: no value

_Named = TypeVar("_Named")  # may be a key of a mapping
Positions = Sequence[int] | NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """Texts by codes into `names`; a negative code is the empty text.

    `names` may grow later on, and may hold a name twice.

    >>> Coded(np.array([1, -1, 0]), ["a", "b"]).tolist()
    ['b', '', 'a']
    """

    code: NDArray[Any]  # integers
    names: Sequence[str]

    def __len__(self) -> int:
        return len(self.code)

    def __iter__(self) -> Iterator[str]:
        return iter(self.tolist())

    def __getitem__(self, rows: slice) -> "Coded":
        return Coded(self.code[rows], self.names)

    def take(self, rows: NDArray[np.intp]) -> "Coded":
        """The texts at these positions."""
        return Coded(self.code[rows], self.names)

    def tolist(self) -> list[str]:
        """The texts."""
        names = self.names
        return ["" if code < 0 else names[code] for code in self.code.tolist()]


@dataclass(frozen=True, slots=True, eq=False)
class Lists:
    """One list a row: the elements of all of them in order, and where each list ends.

    >>> Lists([7, 8, 9], np.array([2, 2, 3])).tolist()
    [[7, 8], [], [9]]
    """

    flat: "Values"
    ends: NDArray[np.int64]  # cumulative, shape (n,); the last one is the length of `flat`

    def __len__(self) -> int:
        return len(self.ends)

    def __iter__(self) -> Iterator[list[Any]]:
        return iter(self.tolist())

    def __getitem__(self, rows: slice) -> "Lists":
        start, stop, _ = rows.indices(len(self))
        stop = max(start, stop)
        begin = int(self.ends[start - 1]) if start else 0
        end = int(self.ends[stop - 1]) if stop else 0
        return Lists(self.flat[begin:end], self.ends[start:stop] - begin)

    def take(self, rows: NDArray[np.intp]) -> "Lists":
        """The lists at these positions."""
        sizes = self.sizes[rows]
        ends = np.cumsum(sizes)
        at = np.arange(ends[-1] if len(ends) else 0)
        return Lists(pick(self.flat, at + np.repeat(self.ends[rows] - ends, sizes)), ends)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """How long each list is."""
        return np.diff(self.ends, prepend=0)

    def tolist(self) -> list[list[Any]]:
        """The lists."""
        flat = plain(self.flat)
        return [flat[begin:end] for begin, end in pairwise([0, *self.ends.tolist()])]


Values = Sequence[Any] | NDArray[Any] | Coded | Lists  # of one column, one value a row


def plain(values: Values) -> list[Any]:
    """The Python values of a column, None where an array has none.

    >>> plain(np.array([b"0a", b"ff"])), plain(np.array([7, NULL])), plain(np.array([0.5, np.nan]))
    (['0a', 'ff'], [7, None], [0.5, None])
    """
    if isinstance(values, np.ndarray) and values.dtype.kind == "S":
        return [text.decode("ascii") for text in values.tolist()]
    if isinstance(values, np.ndarray) and (is_none := _is_none(values)).any():
        there = values.astype(object)
        there[is_none] = None
        return list(there)
    if isinstance(values, np.ndarray | Coded | Lists):
        found: list[Any] = values.tolist()
        return found
    return list(values)


def _is_none(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Which numbers mean no value."""
    is_none: NDArray[np.bool_] = values == NULL if values.dtype.kind == "i" else values != values  # noqa: PLR0124  # only a NaN differs from itself
    return is_none


def compact(code: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The codes that occur, -1 for all negative ones, ascending; the place of each among them.

    >>> [found.tolist() for found in compact(np.array([7, -2, 3, 7]))]
    [[-1, 3, 7], [2, 0, 1, 2]]
    """
    shifted = np.maximum(code, -1) + 1
    used = np.flatnonzero(np.bincount(shifted))
    place = np.empty(used[-1] + 1 if len(used) else 0, np.int64)
    place[used] = np.arange(len(used))
    return used - 1, place[shifted]


def pick(values: Values, rows: Positions) -> Values:
    """The values at these positions, in that order."""
    if isinstance(values, np.ndarray):
        return values[np.asarray(rows, np.intp)]
    if isinstance(values, Coded | Lists):
        return values.take(np.asarray(rows, np.intp))
    return [values[row] for row in rows]


def join(columns: Sequence[Values]) -> Values:
    """The values of all columns, one after the other; as plain ones where forms differ."""
    arrays = [column for column in columns if isinstance(column, np.ndarray)]
    if len(arrays) == len(columns) and len({array.dtype.kind for array in arrays}) == 1:
        return np.concatenate(arrays)
    coded = [column for column in columns if isinstance(column, Coded)]
    if len(coded) == len(columns):
        return _join_coded(coded)
    lists = [column for column in columns if isinstance(column, Lists)]
    if len(lists) == len(columns):
        return _join_lists(lists)
    return [value for column in columns for value in plain(column)]  # numpy would join as floats


def _join_coded(columns: Sequence[Coded]) -> Coded:
    first = columns[0]
    if all(column.names is first.names for column in columns):
        return Coded(np.concatenate([column.code for column in columns]), first.names)
    columns = [_narrowed(column) for column in columns]
    return Coded(*join_codes([(column.code, column.names) for column in columns]))


def _narrowed(column: Coded) -> Coded:
    """The same texts, without those of many names that are not used."""
    if len(column.names) <= len(column):
        return column
    used, place = compact(column.code)
    return Coded(place, Coded(used, column.names).tolist())


def join_codes(
    columns: Sequence[tuple[NDArray[Any], Sequence[_Named]]],
) -> tuple[NDArray[np.int32], list[_Named]]:
    """Codes into lists of names as codes into one, in which equal names are there once.

    Negative codes become -1.

    >>> code, names = join_codes([(np.array([1, -2]), "ab"), (np.array([0, 1, 1]), "bc")])
    >>> code.tolist(), names
    ([1, -1, 1, 2, 2], ['a', 'b', 'c'])
    """
    number: defaultdict[_Named, int] = defaultdict(count().__next__)
    lists = [names for _, names in columns]
    sizes = [*map(len, lists)]
    every = map(number.__getitem__, chain.from_iterable(lists))
    place = np.fromiter(chain(every, [-1]), np.int32, sum(sizes) + 1)
    begins = np.cumsum([0, *sizes[:-1]])
    code: NDArray[np.int64] = np.concatenate(  # as int64: narrow codes have no room for all names
        [code for code, _ in columns], dtype=np.int64, casting="unsafe"
    )
    is_none = code < 0
    code += np.repeat(begins, [len(code) for code, _ in columns])
    code[is_none] = -1
    return place[code], list(number)


def _join_lists(columns: Sequence[Lists]) -> Lists:
    lengths = [len(column.flat) for column in columns]
    before = np.cumsum([0, *lengths[:-1]])
    ends = [column.ends + start for column, start in zip(columns, before, strict=True)]
    return Lists(join([column.flat for column in columns]), np.concatenate(ends))
