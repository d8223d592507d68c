"""The readable and the compiled search of slots give the same rows, and go on with each other's."""

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from streams.core.arrays import probing
from streams.core.arrays.probing import FREE, Probing
from streams.core.kernels import HOT

COMPILED: list[Probing] = [HOT] if HOT else []  # also where KOL_NATIVE=0
EITHER: list[Probing] = [probing, *COMPILED]
BOTH = pytest.mark.parametrize("twin", EITHER)

Key = tuple[int, int]
Words = NDArray[np.uint64]
few = st.tuples(st.integers(0, 3), st.integers(0, 2))
words = st.integers(0, 2**64 - 1)
keys = st.lists(few, max_size=90) | st.lists(few | st.tuples(words, words), max_size=90)


class Table:
    """Keys and slots as an index has them."""

    def __init__(self, room: int, slots: int) -> None:
        self.lo, self.hi = np.zeros(room, np.uint64), np.zeros(room, np.uint64)
        self.slots = np.full(slots, FREE, np.int32)
        self.count = 0

    def add(self, twin: Probing, some: list[Key]) -> tuple[list[int], list[bool]]:
        row, first = twin.add_rows(self.lo, self.hi, self.slots, self.count, *columns(some))
        self.count += int(first.sum())
        return row.tolist(), first.tolist()

    def find(self, twin: Probing, some: list[Key]) -> list[int]:
        rows: list[int] = twin.find_rows(self.lo, self.hi, self.slots, *columns(some)).tolist()
        return rows


def columns(some: list[Key]) -> tuple[Words, Words]:
    """Words as decoded keys have them: columns of one matrix."""
    matrix = np.array(some, np.uint64).reshape(-1, 2)
    return matrix[:, 0], matrix[:, 1]


@given(st.lists(st.tuples(keys, st.sampled_from(EITHER)), max_size=6), keys)
def test_rows_are_those_of_a_dict_whoever_searches(
    batches: list[tuple[list[Key], Probing]], asked: list[Key]
) -> None:
    """Also if one begins and the other goes on."""
    table, known = Table(600, 2048), dict[Key, int]()
    for batch, twin in batches:
        before = set(known)
        row = [known.setdefault(key, len(known)) for key in batch]
        first = [key not in before and batch.index(key) == at for at, key in enumerate(batch)]

        assert table.add(twin, batch) == (row, first)

    stored = list(zip(table.lo.tolist(), table.hi.tolist(), strict=True))[: table.count]
    assert stored == list(known)
    for twin in EITHER:
        assert table.find(twin, asked) == [known.get(key, -1) for key in asked]


@given(keys, keys, st.sampled_from(EITHER))
def test_slots_are_derived_from_the_keys_whoever_searches(
    stored: list[Key], asked: list[Key], twin: Probing
) -> None:
    """Of equal keys the last row is found."""
    table = Table(len(stored), 256)
    table.lo[:], table.hi[:] = columns(stored)
    table.slots[:] = 7  # of something else
    twin.fill_slots(table.lo, table.hi, table.slots)
    last = {key: row for row, key in enumerate(stored)}

    for other in EITHER:
        assert table.find(other, asked) == [last.get(key, -1) for key in asked]


@BOTH
@pytest.mark.parametrize("count", [1, 23, 24, 25, 31, 32, 33, 64, 5_000])
def test_as_many_keys_as_slots_allow_find_their_rows(twin: Probing, count: int) -> None:
    """In blocks of any length, with half of the slots taken."""
    size = 1 << (2 * count - 1).bit_length()
    table, some = Table(count, size), [(key, key % 3) for key in range(count)]

    assert table.add(twin, some) == (list(range(count)), [True] * count)
    assert table.find(twin, some[::-1]) == list(range(count))[::-1]


@BOTH
def test_without_keys_nothing_is_found(twin: Probing) -> None:
    table = Table(8, 16)

    assert table.add(twin, []) == ([], [])
    assert table.find(twin, []) == []
    assert Table(0, 16).find(twin, [(0, 0)] * 40) == [-1] * 40


@given(st.binary(max_size=128), keys)
def test_what_is_no_index_is_refused_or_searched_and_nothing_panics(
    slots: bytes, some: list[Key]
) -> None:
    """A panic would be no Exception."""
    table = Table(16, 1)
    table.slots = np.frombuffer(slots[: len(slots) // 4 * 4], np.int32).copy()
    for hot in COMPILED:
        for search in (table.find, table.add):
            with suppress(ValueError):
                search(hot, some)
