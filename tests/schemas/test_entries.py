import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.columns import NONE
from schemas.entries import (
    Column,
    Entries,
    Form,
    Index,
    changed_rows,
    difference,
    digests,
    no_entries,
    strings,
    texts,
    unknown,
)
from schemas.identity import hashed, keys_of
from schemas.values import Lists

IDS = st.sampled_from([f"i{n}" for n in range(8)])
WORDS = st.text(max_size=3)
STATES = st.dictionaries(IDS, st.tuples(st.sampled_from([-1, 0, 1]), WORDS))


def entries(state: dict[str, tuple[int, str]]) -> Entries:
    """Entries with a flag and a text of each id."""
    flags = np.array([flag for flag, _ in state.values()], np.int8)
    words = texts([word for _, word in state.values()])
    return Entries(texts(list(state)), {"flag": flags, "word": words})


def state_of(found: Entries) -> dict[str, tuple[int, str]]:
    flag, word = found.columns["flag"], found.columns["word"]
    assert isinstance(flag, np.ndarray)
    assert isinstance(word, Lists)
    values = zip(flag.tolist(), strings(word), strict=True)
    return dict(zip(strings(found.ids), values, strict=True))


@given(STATES, STATES)
def test_a_difference_turns_one_state_into_the_other(
    was: dict[str, tuple[int, str]], now: dict[str, tuple[int, str]]
) -> None:
    found = difference(entries(was), entries(now))
    upserts, removed = state_of(found.upserts), strings(found.removed)

    assert upserts == {one: value for one, value in now.items() if was.get(one) != value}
    assert sorted(removed) == sorted(was.keys() - now.keys())
    assert found.changed == len(upserts.keys() & was.keys())


@given(st.lists(st.text(st.characters(codec="utf-8")), max_size=6))
def test_digests_are_those_of_user_ids(ids: list[str]) -> None:
    assert digests(texts(ids)).tolist() == keys_of(hashed([one.encode() for one in ids])).tolist()


WORD = st.integers(0, 2)


@given(
    st.lists(st.tuples(WORD, WORD), unique=True),
    st.lists(st.tuples(WORD, WORD)),
)
def test_digests_that_have_a_word_in_common_are_told_apart(
    keys: list[tuple[int, int]], asked: list[tuple[int, int]]
) -> None:
    index = Index(np.array(keys, np.uint64).reshape(-1, 2))
    found = index.find(np.array(asked, np.uint64).reshape(-1, 2))

    assert found.tolist() == [keys.index(one) if one in keys else NONE for one in asked]
    assert index.is_unique


def test_a_digest_that_is_there_twice_is_noticed() -> None:
    assert not Index(np.array([[1, 2], [3, 4], [1, 2]], np.uint64)).is_unique


@pytest.mark.parametrize(
    ("was", "now", "expected"),
    [
        (np.array([1, 0, -1], np.int8), np.array([1, 1, -1], np.int8), [False, True, False]),
        (texts(["a", "bc", ""]), texts(["a", "bd", "e"]), [False, True, True]),
        (
            Lists(np.array([[1, 2], [3, 4]], np.uint64), np.array([0, 1, 2])),
            Lists(np.array([[1, 2], [3, 5]], np.uint64), np.array([0, 1, 2])),
            [False, False, True],
        ),
    ],
)
def test_rows_differ_where_any_of_their_values_does(
    was: Column, now: Column, expected: list[bool]
) -> None:
    assert changed_rows(was, now).tolist() == expected


def test_what_is_unknown_differs_in_no_row() -> None:
    for form in Form:
        assert not changed_rows(unknown(form, 2), unknown(form, 2)).any()
        assert len(unknown(form, 2)) == 2


def test_entries_of_no_ids_have_all_columns() -> None:
    none = no_entries({"flag": Form.FLAG})

    assert len(none) == 0
    assert list(none.columns) == ["flag"]
