"""Lists of rows by owner: a head for each owner, a next for each row, newest first.

Derived from the rows' owners, so never part of a snapshot.
"""

import numpy as np
from numpy.typing import NDArray

from streams.core.arena import Arena
from streams.core.index import RowNumbers, high, low, packed

END = -1  # no further row


class Chains:
    """For every owner the rows it owns."""

    def __init__(self) -> None:
        self._heads = Arena(head=np.int32)
        self._nexts = Arena(next=np.int32)

    def heads(self, owner: RowNumbers) -> NDArray[np.int32]:
        """Give the newest row of every owner, END where it has none."""
        heads = self._heads["head"]
        head = np.full(len(owner), END, np.int32)
        known = owner < len(heads)
        head[known] = heads[owner[known]]
        return head

    def after(self, row: NDArray[np.int32]) -> NDArray[np.int32]:
        """Give the row after each of these, END behind the last."""
        after: NDArray[np.int32] = self._nexts["next"][row]
        return after

    def link(self, owner: RowNumbers, row: RowNumbers) -> None:
        """Put rows in front of their owners' lists; they ascend, each is in one list at most.

        Owners and rows are below 2^31. They are sorted as one word: NumPy sorts words twice
        as fast as it gives an order, and a restore links millions.
        """
        if not row.size:
            return
        _fill(self._heads, int(owner.max()) + 1)
        _fill(self._nexts, int(row.max()) + 1)
        heads, nexts = self._heads["head"], self._nexts["next"]
        word = np.sort(packed(row, owner))
        owner, row = high(word), low(word)
        starts = np.append(True, owner[1:] != owner[:-1])
        nexts[row[1:]] = row[:-1]
        nexts[row[starts]] = heads[owner[starts]]
        ends = np.append(starts[1:], True)
        heads[owner[ends]] = row[ends]

    def rebuild(self, owner: RowNumbers, row: RowNumbers) -> None:
        """Begin anew with these rows only."""
        self._heads, self._nexts = Arena(head=np.int32), Arena(next=np.int32)
        self.link(owner, row)


def _fill(arena: Arena, length: int) -> None:
    more = length - len(arena)
    if more > 0:
        first = arena.extend(more)
        for column in arena.arrays("").values():
            column[first:] = END
