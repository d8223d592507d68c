"""Lists of rows by owner: for each owner a head and for each row a next, newest first.

Lists are walked together, one link of each in a turn. An owner of more than `LONG` rows has
them side by side as well, so that however long its list is nobody walks further than that.

Derived from the rows' owners, so never part of a snapshot.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.core.arrays.arena import Arena
from streams.core.arrays.index import RowNumbers, high, low, packed

END: Final = -1  # no further row
LONG: Final = 64  # rows of one owner above which they stand side by side


class Chains:
    """For every owner the rows it owns."""

    def __init__(self) -> None:
        self._owners = Arena(head=np.int32, rows=np.int32)
        self._nexts = Arena(next=np.int32)
        self._long: dict[int, Arena] = {}  # the rows of owners with many

    def pairs(self, owner: RowNumbers) -> tuple[RowNumbers, RowNumbers]:
        """All pairs of an asker, numbered from 0, and a row of its owner, in any order."""
        asker = np.flatnonzero(owner < len(self._owners))
        head, rows = self._owners["head"], self._owners["rows"]
        many = rows[owner[asker]] > LONG
        askers, found = [asker[:0]], [np.empty(0, np.int64)]
        for one in asker[many].tolist():
            row = self._long[int(owner[one])]["row"].astype(np.int64)
            askers.append(np.full(len(row), one))
            found.append(row)
        asker = asker[~many]
        row = head[owner[asker]]
        while True:
            live = row != END
            asker, row = asker[live], row[live]
            if not row.size:
                return np.concatenate(askers), np.concatenate(found)
            askers.append(asker)
            found.append(row.astype(np.int64))
            row = self._nexts["next"][row]

    def owns(self, owner: RowNumbers) -> NDArray[np.bool_]:
        """Which owners have any row."""
        some = np.zeros(len(owner), np.bool_)
        known = owner < len(self._owners)
        some[known] = self._owners["head"][owner[known]] != END
        return some

    def link(self, owner: RowNumbers, row: RowNumbers) -> None:
        """Put rows in front of their owners' lists; they ascend, each is in one list at most.

        Owners and rows are below 2^31. They are sorted as one word: NumPy sorts words twice
        as fast as it gives an order, and a restore links millions.
        """
        if not row.size:
            return
        _fill(self._owners, "head", int(owner.max()) + 1)
        _fill(self._nexts, "next", int(row.max()) + 1)
        heads, nexts = self._owners["head"], self._nexts["next"]
        word = packed(row, owner)
        word.sort()
        owner, row = high(word), low(word)
        begins = np.flatnonzero(np.diff(owner, prepend=-1))
        ends = np.append(begins[1:], len(row))
        count = self._owners["rows"]
        count[owner[begins]] += (ends - begins).astype(np.int32)
        for place in np.flatnonzero(count[owner[begins]] > LONG).tolist():
            self._lengthen(int(owner[begins[place]]), row[begins[place] : ends[place]])
        nexts[row[1:]] = row[:-1]
        nexts[row[begins]] = heads[owner[begins]]
        heads[owner[begins]] = row[ends - 1]

    def _lengthen(self, owner: int, row: RowNumbers) -> None:
        """Put rows about to be linked beside the others of an owner with many."""
        if owner not in self._long:
            self._long[owner] = Arena(row=np.int32)
            self._long[owner].append(row=self._walked(owner))
        self._long[owner].append(row=row)

    def _walked(self, owner: int) -> NDArray[np.int32]:
        """The rows of one owner by its list."""
        rows, row = [], int(self._owners["head"][owner])
        while row != END:
            rows.append(row)
            row = int(self._nexts["next"][row])
        return np.array(rows, np.int32)

    def rebuild(self, owner: RowNumbers, row: RowNumbers) -> None:
        """Start again with these rows only."""
        self._owners, self._nexts = Arena(head=np.int32, rows=np.int32), Arena(next=np.int32)
        self._long = {}
        self.link(owner, row)


def _fill(arena: Arena, name: str, length: int) -> None:
    more = length - len(arena)
    if more > 0:
        first = arena.extend(more)
        arena[name][first:] = END
