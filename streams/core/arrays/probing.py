"""Open addressing: the slots of keys are searched here, a batch of keys at a time.

    slot   mix(key) mod slots, then 1 on, 2 on from there, 3 on …    (triangular numbers)

They reach every slot of a power of two: all keys of a batch step together, and with steps of one
slot the last of 4 000 keys takes 28 turns instead of 12. Once few are left they go on alone: a turn
costs as much as some twenty keys. `mix` spreads keyed names and packed numbers alike.

`streams/native/src/probing.rs` does the same, compiled. Which slot a key has may differ, rows do
not: either one goes on where the other began.
"""

from collections.abc import Callable, Iterator
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Mask

Words = NDArray[np.uint64]
RowNumbers = NDArray[np.int64]
Slots = NDArray[np.int32]  # a power of two of them: numbers of rows, or FREE

FREE: Final = -1

_ODD_1 = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio
_ODD_2 = np.uint64(0xD6E8FEB86659FD93)
_HALF = np.uint64(32)
_FEW = 24  # keys that search one by one


class Probing(Protocol):
    """The functions of this module, or compiled ones. Words of keys stand in two arrays."""

    def find_rows(
        self, keys_lo: Words, keys_hi: Words, slots: Slots, lo: Words, hi: Words, /
    ) -> RowNumbers:
        """The row of every key, -1 where there is none."""
        ...

    def add_rows(
        self, keys_lo: Words, keys_hi: Words, slots: Slots, count: int, lo: Words, hi: Words, /
    ) -> tuple[RowNumbers, Mask]:
        """The row of every key, and which are the first of a new row: keys and slots get these.

        Of the rows of `keys_lo` and `keys_hi` `count` are there; there is room for all keys.
        """
        ...

    def fill_slots(self, keys_lo: Words, keys_hi: Words, slots: Slots, /) -> None:
        """Derive the slots from the keys; of equal keys the last row stays."""
        ...


def mix(lo: Words, hi: Words) -> Words:
    """Spread keys over 64 bits; equal keys give equal words."""
    word = lo * _ODD_1
    word ^= word >> _HALF
    word += hi
    word *= _ODD_2
    word ^= word >> _HALF
    return word


def find_rows(keys_lo: Words, keys_hi: Words, slots: Slots, lo: Words, hi: Words) -> RowNumbers:
    """The row of every key, -1 where there is none."""
    row = np.full(len(lo), -1, np.int64)
    if not len(keys_lo):
        return row
    left = np.arange(len(lo))
    mask, step = len(slots) - 1, 0
    place = mix(lo, hi).astype(np.int64) & mask
    while left.size > _FEW:
        step += 1
        seen = slots[place]
        same = (keys_lo[seen] == lo[left]) & (keys_hi[seen] == hi[left]) & (seen >= 0)
        row[left[same]] = seen[same]
        on = ~same & (seen >= 0)
        left = left[on]
        place = (place[on] + step) & mask
    walk = _walk(keys_lo, keys_hi, slots, step)
    for i, at, key in zip(left.tolist(), place.tolist(), _keys(lo, hi, left), strict=True):
        row[i], _ = walk(*key, at)
    return row


def add_rows(
    keys_lo: Words, keys_hi: Words, slots: Slots, count: int, lo: Words, hi: Words
) -> tuple[RowNumbers, Mask]:
    """The row of every key, and which are the first of a new row, in order of appearance."""
    many = len(lo)
    keys_lo[count : count + many] = lo
    keys_hi[count : count + many] = hi
    mask, step = len(slots) - 1, 0
    place = mix(lo, hi).astype(np.int64) & mask
    row, landed = np.empty(many, np.int64), np.empty(many, np.int64)
    left = np.arange(many)
    while left.size > _FEW:
        step += 1
        seen = slots[place]
        free = np.flatnonzero(seen < 0)
        if free.size:  # claim them backwards: of equal keys the first is written last
            claimed = place[free]
            slots[claimed[::-1]] = count + left[free[::-1]]
            seen[free] = slots[claimed]
        same = (keys_lo[seen] == lo[left]) & (keys_hi[seen] == hi[left])
        done = left[same]
        row[done] = seen[same]
        landed[done] = place[same]
        on = ~same
        left = left[on]
        place = (place[on] + step) & mask
    walk = _walk(keys_lo, keys_hi, slots, step)
    for i, at, key in zip(left.tolist(), place.tolist(), _keys(lo, hi, left), strict=True):
        row[i], landed[i] = walk(*key, at)
        if row[i] < 0:
            row[i] = slots[landed[i]] = count + i
    first = row == np.arange(count, count + many)
    fresh = int(np.count_nonzero(first))
    if fresh < many:  # close the gaps between the new rows
        number = count - 1 + np.cumsum(first)
        slots[landed[first]] = number[first]
        young = row >= count
        row[young] = number[row[young] - count]
        keys_lo[count : count + fresh] = lo[first]
        keys_hi[count : count + fresh] = hi[first]
    return row, first


def fill_slots(keys_lo: Words, keys_hi: Words, slots: Slots) -> None:
    """Derive the slots from the keys; of equal keys the last row stays."""
    slots[:] = FREE
    mask, step = len(slots) - 1, 0
    place = mix(keys_lo, keys_hi).view(np.int64)
    place &= mask
    left = np.arange(len(keys_lo))
    slots[place] = left  # all places are free
    while left.size:
        seen = slots[place]  # of equal keys the last was written last
        met = np.flatnonzero(seen != left)  # few: only these look at keys
        other, own = seen[met], left[met]
        on = met[(keys_lo[other] != keys_lo[own]) | (keys_hi[other] != keys_hi[own])]
        left, step = left[on], step + 1
        place = (place[on] + step) & mask
        free = np.flatnonzero(slots[place] < 0)
        slots[place[free]] = left[free]


def _keys(lo: Words, hi: Words, which: RowNumbers) -> Iterator[tuple[int, int]]:
    return zip(lo[which].tolist(), hi[which].tolist(), strict=True)


def _walk(
    keys_lo: Words, keys_hi: Words, slots: Slots, step: int
) -> Callable[[int, int, int], tuple[int, int]]:
    """The search of one key from a slot on, which is its place after so many steps.

    It gives the key's row, -1 where there is none, and the slot where that stands.
    """
    mask = len(slots) - 1
    all_lo, all_hi, all_slots = keys_lo.data, keys_hi.data, slots.data

    def walk(lo: int, hi: int, place: int) -> tuple[int, int]:
        turn = step
        while (row := all_slots[place]) >= 0 and (all_lo[row] != lo or all_hi[row] != hi):
            turn += 1
            place = (place + turn) & mask
        return row, place

    return walk
