import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from streams.core.arrays.index import Keyed
from streams.core.arrays.probing import mix

words = st.integers(0, 2**64 - 1)
keys = st.lists(st.tuples(st.integers(0, 3) | words, st.integers(0, 2) | words), max_size=60)


def columns(pairs: list[tuple[int, int]]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    return (
        np.array([lo for lo, _ in pairs], np.uint64),
        np.array([hi for _, hi in pairs], np.uint64),
    )


def index() -> Keyed:
    return Keyed(at=np.int64)


@given(st.lists(keys, max_size=6))
def test_keys_get_the_rows_a_dict_would_give_them(batches: list[list[tuple[int, int]]]) -> None:
    keyed, known = index(), dict[tuple[int, int], int]()
    for batch in batches:
        row, first = keyed.add(*columns(batch))
        before = set(known)
        expected = [known.setdefault(key, len(known)) for key in batch]
        new = [key not in before and batch.index(key) == i for i, key in enumerate(batch)]

        assert row.tolist() == expected
        assert first.tolist() == new
        assert len(keyed) == len(known)


@given(keys, keys)
def test_a_key_is_found_if_it_was_added(
    added: list[tuple[int, int]], asked: list[tuple[int, int]]
) -> None:
    keyed = index()
    keyed.add(*columns(added))
    known = {key: row for row, key in enumerate(dict.fromkeys(added))}

    assert keyed.find(*columns(asked)).tolist() == [known.get(key, -1) for key in asked]


@given(keys, st.data())
def test_what_is_kept_is_found_and_what_is_forgotten_is_not(
    added: list[tuple[int, int]], data: st.DataObject
) -> None:
    keyed = index()
    keyed.add(*columns(added))
    distinct = list(dict.fromkeys(added))
    kept = data.draw(st.lists(st.booleans(), min_size=len(distinct), max_size=len(distinct)))
    keyed.keep(np.array(kept, np.bool_))
    left = [key for key, stays in zip(distinct, kept, strict=True) if stays]

    assert keyed.find(*columns(distinct)).tolist() == [
        left.index(key) if key in left else -1 for key in distinct
    ]


@given(keys)
def test_a_restored_index_finds_the_same_rows(added: list[tuple[int, int]]) -> None:
    keyed, again = index(), index()
    keyed.add(*columns(added))
    again.restore("x", keyed.arrays("x"))

    assert again.find(*columns(added)).tolist() == keyed.find(*columns(added)).tolist()


def test_an_index_grows_over_thousands_of_keys() -> None:
    keyed = index()
    numbers = np.arange(20_000, dtype=np.uint64)
    for part in np.array_split(numbers, 7):
        keyed.add(part, part % np.uint64(3))

    assert keyed.find(numbers, numbers % np.uint64(3)).tolist() == numbers.tolist()


def test_a_renewed_key_means_the_new_row_also_after_a_restore() -> None:
    keyed, again = index(), index()
    lo, hi = np.array([5, 6, 7], np.uint64), np.zeros(3, np.uint64)
    keyed.add(lo, hi)
    new = keyed.renew(1)
    again.restore("x", keyed.arrays("x"))

    assert new == 3
    assert keyed.find(lo, hi).tolist() == again.find(lo, hi).tolist() == [0, 3, 2]


@given(st.integers(1, 400))
def test_any_row_of_a_crowded_index_can_be_renewed(rows: int) -> None:
    keyed = index()
    lo, hi = np.arange(rows, dtype=np.uint64), np.zeros(rows, np.uint64)
    keyed.add(lo, hi)
    renewed = [keyed.renew(row) for row in range(rows)]

    assert keyed.find(lo, hi).tolist() == renewed


def test_rows_are_found_by_their_new_keys() -> None:
    keyed = index()
    lo, hi = np.array([5, 6], np.uint64), np.zeros(2, np.uint64)
    keyed.add(lo, hi)
    keyed.rekey(np.array([7, 5], np.uint64))

    assert keyed.find(np.array([5, 6, 7], np.uint64), np.zeros(3, np.uint64)).tolist() == [1, -1, 0]


def test_small_numbers_spread_over_the_slots() -> None:
    lo, hi = columns([(lo, hi) for lo in range(64) for hi in range(64)])
    places = mix(lo, hi) & np.uint64(1023)

    assert np.bincount(places.astype(np.int64), minlength=1024).max() < 16  # 4 each on average
