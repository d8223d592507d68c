"""Entries of numbered values: what is known of some ids, as columns.

| form | column | unknown |
|---|---|---|
| FLAG | int8: yes 1, no 0 | -1 |
| TEXT | `Lists` of UTF-8 bytes | empty |
| KEYS | `Lists` of 128-bit names, shape (m, 2), low word first | empty |
| NUMBER | float64 | NaN |
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from schemas.columns import NONE, Keys, Mask
from schemas.identity import hashed, keys_of
from schemas.values import Lists, join, pick

UNKNOWN: Final = -1  # of a flag

Rows = NDArray[np.int64]
Column = NDArray[Any] | Lists


HEX_DIGITS: Final = 32  # of a keyed name


class Form(StrEnum):
    """What a column of entries holds."""

    FLAG = "flag"
    TEXT = "text"
    KEYS = "keys"
    NUMBER = "number"


Forms = Mapping[str, Form]  # column -> form


@dataclass(frozen=True)
class Entries:
    """What is known of some ids, row i of every column is one id; each id is there once."""

    ids: Lists  # UTF-8
    columns: Mapping[str, Column]

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def index(self) -> "Index":
        """Where each id stands, found out once."""
        return Index(digests(self.ids))

    @cached_property
    def index_of_names(self) -> "Index":
        """Where each id stands that is a keyed name of 32 digits, found out once."""
        return Index(names_of(self.ids))

    def take(self, rows: Rows) -> "Entries":
        """Some of them."""
        columns = {name: pick(column, rows) for name, column in self.columns.items()}
        return Entries(self.ids.take(rows), columns)  # type: ignore[arg-type]  # forms stay

    @classmethod
    def joined(cls, parts: Sequence["Entries"]) -> "Entries":
        """Those of all parts, which have the same columns, one after the other."""
        columns: dict[str, Any] = {
            name: join([part.columns[name] for part in parts]) for name in parts[0].columns
        }
        ids: Any = join([part.ids for part in parts])
        return cls(ids, columns)


class Index:
    """Finds rows by the digests of their ids.

    Args:
        keys: of each row; 24 bytes a row are kept.

    """

    def __init__(self, keys: Keys) -> None:
        self._row = np.argsort(keys[:, 0], kind="stable").astype(np.int64)
        self._low, self._high = keys[self._row, 0], keys[self._row, 1]

    def __len__(self) -> int:
        return len(self._row)

    @property
    def is_unique(self) -> bool:
        """Whether no two rows have the same digest."""
        both = np.lexsort((self._high, self._low))
        low, high = self._low[both], self._high[both]
        return not bool(((low[1:] == low[:-1]) & (high[1:] == high[:-1])).any())

    def find(self, keys: Keys) -> Rows:
        """The row of each digest, NONE where there is none; shape (n,)."""
        found = np.full(len(keys), NONE, np.int64)
        at = np.searchsorted(self._low, keys[:, 0])
        left = np.flatnonzero(at < len(self))
        while left.size:  # once, but for digests that have one word in common
            left = left[self._low[at[left]] == keys[left, 0]]
            hit = self._high[at[left]] == keys[left, 1]
            found[left[hit]] = self._row[at[left[hit]]]
            left = left[~hit]
            at[left] += 1
            left = left[at[left] < len(self)]
        return found


def digests(ids: Lists) -> Keys:
    """The xxh3_128 of each id, shape (n, 2)."""
    flat = np.asarray(ids.flat, np.uint8).tobytes()
    return keys_of(hashed([flat[begin:end] for begin, end in pairwise([0, *ids.ends.tolist()])]))


def names_of(ids: Lists) -> Keys:
    """The names that ids are, 32 hex digits each, low word first; shape (n, 2).

    Raises:
        ValueError: one is none.

    """
    if (ids.sizes != HEX_DIGITS).any():
        raise ValueError("an id that is no keyed name")
    raw = bytes.fromhex(np.asarray(ids.flat, np.uint8).tobytes().decode("ascii"))
    return np.frombuffer(raw, ">u8").reshape(-1, 2)[:, ::-1].astype(np.uint64)


def texts(values: Sequence[str]) -> Lists:
    """Texts as a column.

    >>> strings(texts(["a", "", "é"]))
    ['a', '', 'é']
    """
    raw = [value.encode() for value in values]
    sizes = np.fromiter(map(len, raw), np.int64, len(raw))
    return Lists(np.frombuffer(b"".join(raw), np.uint8), np.cumsum(sizes))


def strings(column: Lists) -> list[str]:
    """The texts of a column."""
    flat = np.asarray(column.flat, np.uint8).tobytes()
    return [flat[begin:end].decode() for begin, end in pairwise([0, *column.ends.tolist()])]


def unknown(form: Form, n: int) -> Column:
    """A column that knows nothing of `n` ids."""
    if form is Form.FLAG:
        return np.full(n, UNKNOWN, np.int8)
    if form is Form.NUMBER:
        return np.full(n, np.nan)
    flat = np.empty(0, np.uint8) if form is Form.TEXT else np.empty((0, 2), np.uint64)
    return Lists(flat, np.zeros(n, np.int64))


def no_entries(forms: Forms) -> Entries:
    """Entries of no ids."""
    return Entries(texts([]), {name: unknown(form, 0) for name, form in forms.items()})


def changed_rows(was: Column, now: Column) -> Mask:
    """Which rows of two columns of one form differ, shape (n,)."""
    if isinstance(was, Lists) and isinstance(now, Lists):
        return _changed_lists(was, now)
    before, after = np.asarray(was), np.asarray(now)
    different: Mask = before != after
    if before.dtype.kind == "f":
        different &= ~(np.isnan(before) & np.isnan(after))
    return different


def _changed_lists(was: Lists, now: Lists) -> Mask:
    differs: Mask = was.sizes != now.sizes
    same = np.flatnonzero(~differs)
    one, other = was.take(same), now.take(same)
    unequal = np.asarray(one.flat) != np.asarray(other.flat)
    if unequal.ndim > 1:
        unequal = unequal.any(axis=1)
    differs[np.repeat(same, one.sizes)[unequal]] = True
    return differs


@dataclass(frozen=True)
class Difference:
    """What has to be said of the second of two states, if the first is known."""

    upserts: Entries  # ids that are new, or have other values
    removed: Lists  # ids that are no more
    changed: int  # how many of the upserts were there before
    moved: int  # how many of these differ in a column of which something was known before


def difference(was: Entries, now: Entries) -> Difference:
    """What differs between two states of the same columns."""
    before = was.index.find(digests(now.ids))
    stays = np.flatnonzero(before != NONE)
    differs, moved = np.zeros((2, len(stays)), np.bool_)
    for name, column in now.columns.items():
        ours: Any = pick(was.columns[name], before[stays])
        others = changed_rows(ours, pick(column, stays))  # type: ignore[arg-type]  # forms stay
        differs |= others
        if _knows(ours):
            moved |= others
    is_said = before == NONE
    is_said[stays[differs]] = True
    is_gone = np.ones(len(was), np.bool_)
    is_gone[before[stays]] = False
    return Difference(
        now.take(np.flatnonzero(is_said)),
        was.ids.take(np.flatnonzero(is_gone)),
        int(differs.sum()),
        int(moved.sum()),
    )


def _knows(column: Column) -> bool:
    """Whether anything is known in a column: nothing is in one of a newer version."""
    if isinstance(column, Lists):
        return bool(column.sizes.any())
    values = np.asarray(column)
    return bool((~np.isnan(values) if values.dtype.kind == "f" else values != UNKNOWN).any())
