"""Rows found by a 128-bit key: open addressing over key columns, a batch of keys at a time.

The slots hold row numbers, at most half full. They are derived from the
key columns and never part of a snapshot. Keys are either keyed names or
exact packings of small numbers. How slots are searched stands in `probing`.
"""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from schemas.columns import Mask
from streams.core.arrays import probing
from streams.core.arrays.arena import Arena, Arrays
from streams.core.kernels import PROBING

Words = probing.Words
RowNumbers = probing.RowNumbers

_HALF = np.uint64(32)
_FEWEST = 1 << 8  # slots an index begins with
_LOW = np.uint64(0xFFFFFFFF)


def packed(low: NDArray[Any], high: NDArray[Any]) -> Words:
    """Put two numbers of 32 bits into one word, `low | high << 32`."""
    return low.astype(np.uint64) | (high.astype(np.uint64) << _HALF)


def low(word: Words) -> NDArray[np.int64]:
    """The low 32 bits of packed words."""
    return (word & _LOW).astype(np.int64)


def high(word: Words) -> NDArray[np.int64]:
    """The high 32 bits of packed words."""
    return (word >> _HALF).astype(np.int64)


class Keyed(Arena):
    """An arena whose rows are found by the key in its columns `lo` and `hi`.

    Of rows with the same key the last one is found (`renew`).
    """

    def __init__(self, **kinds: DTypeLike) -> None:
        super().__init__(lo=np.uint64, hi=np.uint64, **kinds)
        self._slots = np.full(_FEWEST, probing.FREE, np.int32)

    def find(self, lo: Words, hi: Words) -> RowNumbers:
        """The row of every key, -1 where there is none."""
        return PROBING.find_rows(self.full("lo"), self.full("hi"), self._slots, lo, hi)

    def add(self, lo: Words, hi: Words) -> tuple[RowNumbers, Mask]:
        """The row of every key; new keys get the next rows in order of appearance.

        Returns:
            Rows `(n,)`, and which events are the first of a new row `(n,)`. The other
            columns of new rows are for the caller to write.

        """
        self._spread(len(lo))
        keys = self.full("lo"), self.full("hi")
        row, first = PROBING.add_rows(*keys, self._slots, len(self), lo, hi)
        self.extend(int(np.count_nonzero(first)))
        return row, first

    def renew(self, old: int) -> int:
        """Append a row with the key of another one; from now on the key means the new row."""
        self._spread(1)
        lo, hi = self["lo"][[old]], self["hi"][[old]]
        mask, step = len(self._slots) - 1, 0
        place = int(probing.mix(lo, hi)[0]) & mask
        while self._slots[place] != old:
            step += 1
            place = (place + step) & mask
        new = self.extend(1)
        self["lo"][new], self["hi"][new] = lo[0], hi[0]
        self._slots[place] = new
        return new

    def keep(self, which: Mask) -> None:
        """Drop all rows but these."""
        super().keep(which)
        self._rebuild(4 * len(self))

    def rekey(self, lo: Words) -> None:
        """Give every row a new first word of its key; the keys stay distinct."""
        self["lo"][:] = lo
        self._rebuild(len(self._slots))

    def restore(self, prefix: str, arrays: Arrays) -> None:
        """Take over what `arrays` gave."""
        super().restore(prefix, arrays)
        self._rebuild(4 * len(self))

    def _spread(self, more: int) -> None:
        self.reserve(more)
        if 2 * (len(self) + more) > len(self._slots):
            self._rebuild(4 * (len(self) + more))

    def _rebuild(self, slots: int) -> None:
        """Derive at least that many slots from the keys; of equal keys the last row stays."""
        size = _FEWEST
        while size < slots:
            size *= 2
        self._slots = np.empty(size, np.int32)
        PROBING.fill_slots(self["lo"], self["hi"], self._slots)
