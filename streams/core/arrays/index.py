"""Rows found by a 128-bit key: open addressing over key columns, a batch of keys at a time.

The slots hold row numbers, at most half full. They are derived from the
key columns and never part of a snapshot. Keys are either keyed names or
exact packings of small numbers; `mix` spreads both. The n-th step of a search goes n slots
on (triangular numbers, which reach every slot of a power of two): all keys of a batch step
together, and with steps of one slot the last of 4 000 keys takes 28 turns instead of 12. Once
few are left they go on alone: a turn costs as much as some twenty keys.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from schemas.columns import Mask
from streams.core.arrays.arena import Arena, Arrays

Words = NDArray[np.uint64]
RowNumbers = NDArray[np.int64]

_ODD_1 = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio
_ODD_2 = np.uint64(0xD6E8FEB86659FD93)
_HALF = np.uint64(32)
_EMPTY = -1
_FEWEST = 1 << 8  # slots an index begins with
_FEW = 24  # keys that search one by one

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


def mix(lo: Words, hi: Words) -> Words:
    """Spread keys over 64 bits; equal keys give equal words."""
    word = lo * _ODD_1
    word ^= word >> _HALF
    word += hi
    word *= _ODD_2
    word ^= word >> _HALF
    return word


def _keys(lo: Words, hi: Words, which: RowNumbers) -> Iterator[tuple[int, int]]:
    return zip(lo[which].tolist(), hi[which].tolist(), strict=True)


class Keyed(Arena):
    """An arena whose rows are found by the key in its columns `lo` and `hi`.

    Of rows with the same key the last one is found (`renew`).
    """

    def __init__(self, **kinds: DTypeLike) -> None:
        super().__init__(lo=np.uint64, hi=np.uint64, **kinds)
        self._slots = np.full(_FEWEST, _EMPTY, np.int32)

    def find(self, lo: Words, hi: Words) -> RowNumbers:
        """The row of every key, -1 where there is none."""
        row = np.full(len(lo), -1, np.int64)
        left = np.arange(len(lo))
        keys_lo, keys_hi = self.full("lo"), self.full("hi")
        mask, step = len(self._slots) - 1, 0
        place = mix(lo, hi).astype(np.int64) & mask
        while left.size > _FEW:
            step += 1
            seen = self._slots[place]
            same = (keys_lo[seen] == lo[left]) & (keys_hi[seen] == hi[left]) & (seen >= 0)
            row[left[same]] = seen[same]
            on = ~same & (seen >= 0)
            left = left[on]
            place = (place[on] + step) & mask
        walk = self._walk(step)
        for i, at, key in zip(left.tolist(), place.tolist(), _keys(lo, hi, left), strict=True):
            row[i], _ = walk(*key, at)
        return row

    def add(self, lo: Words, hi: Words) -> tuple[RowNumbers, Mask]:
        """The row of every key; new keys get the next rows in order of appearance.

        Returns:
            Rows `(n,)`, and which events are the first of a new row `(n,)`. The other
            columns of new rows are for the caller to write.

        """
        count = len(lo)
        self._spread(count)
        base = len(self)
        keys_lo, keys_hi, slots = self.full("lo"), self.full("hi"), self._slots
        keys_lo[base : base + count] = lo
        keys_hi[base : base + count] = hi
        mask, step = len(slots) - 1, 0
        place = mix(lo, hi).astype(np.int64) & mask
        row, landed = np.empty(count, np.int64), np.empty(count, np.int64)
        left = np.arange(count)
        while left.size > _FEW:
            step += 1
            seen = slots[place]
            free = np.flatnonzero(seen < 0)
            if free.size:  # claim them backwards: of equal keys the first is written last
                claimed = place[free]
                slots[claimed[::-1]] = base + left[free[::-1]]
                seen[free] = slots[claimed]
            same = (keys_lo[seen] == lo[left]) & (keys_hi[seen] == hi[left])
            done = left[same]
            row[done] = seen[same]
            landed[done] = place[same]
            on = ~same
            left = left[on]
            place = (place[on] + step) & mask
        walk = self._walk(step)
        for i, at, key in zip(left.tolist(), place.tolist(), _keys(lo, hi, left), strict=True):
            row[i], landed[i] = walk(*key, at)
            if row[i] < 0:
                row[i] = slots[landed[i]] = base + i
        first = row == np.arange(base, base + count)
        fresh = int(np.count_nonzero(first))
        if fresh < count:  # close the gaps between the new rows
            number = base - 1 + np.cumsum(first)
            slots[landed[first]] = number[first]
            young = row >= base
            row[young] = number[row[young] - base]
            keys_lo[base : base + fresh] = lo[first]
            keys_hi[base : base + fresh] = hi[first]
        self.extend(fresh)
        return row, first

    def _walk(self, step: int) -> Callable[[int, int, int], tuple[int, int]]:
        """The search of one key from a slot on, which is its place after so many steps.

        It gives the key's row, -1 where there is none, and the slot where that stands.
        """
        slots, mask = self._slots.data, len(self._slots) - 1
        keys_lo, keys_hi = self.full("lo").data, self.full("hi").data

        def walk(lo: int, hi: int, place: int) -> tuple[int, int]:
            turn = step
            while (row := slots[place]) >= 0 and (keys_lo[row] != lo or keys_hi[row] != hi):
                turn += 1
                place = (place + turn) & mask
            return row, place

        return walk

    def renew(self, old: int) -> int:
        """Append a row with the key of another one; from now on the key means the new row."""
        self._spread(1)
        lo, hi = self["lo"][[old]], self["hi"][[old]]
        mask, step = len(self._slots) - 1, 0
        place = int(mix(lo, hi)[0]) & mask
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
        table = self._slots = np.full(size, _EMPTY, np.int32)
        keys_lo, keys_hi = self["lo"], self["hi"]
        mask, step = size - 1, 0
        place = mix(keys_lo, keys_hi).view(np.int64)
        place &= mask
        left = np.arange(len(self))
        table[place] = left  # all places are free
        while left.size:
            seen = table[place]  # of equal keys the last was written last
            met = np.flatnonzero(seen != left)  # few: only these look at keys
            other, own = seen[met], left[met]
            on = met[(keys_lo[other] != keys_lo[own]) | (keys_hi[other] != keys_hi[own])]
            left, step = left[on], step + 1
            place = (place[on] + step) & mask
            free = np.flatnonzero(table[place] < 0)
            table[place[free]] = left[free]
