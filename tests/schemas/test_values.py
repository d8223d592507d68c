"""The forms of a column say the same as the Python values they stand for."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.rows import Rows
from schemas.values import Coded, Lists, Values, join, pick, plain

NAMES = ["a", "é", "", "k/1"]

codes = st.lists(st.integers(-2, len(NAMES) - 1), max_size=6)
numbers = st.lists(st.integers(-(2**63) + 1, 2**63 - 1), max_size=6)
cuts = st.tuples(st.integers(0, 7), st.integers(0, 7))


def coded(given: Sequence[int]) -> Coded:
    return Coded(np.array(given, np.int32), NAMES)


def named(given: Sequence[int]) -> list[str]:
    return [NAMES[code] if code >= 0 else "" for code in given]


def lists(given: Sequence[Sequence[int]]) -> Lists:
    """Lists of names by their codes."""
    ends = np.array(list(accumulate(map(len, given))), np.int64)
    return Lists(coded([code for one in given for code in one]), ends)


def arrays(given: Sequence[Sequence[int]]) -> Lists:
    """Lists of numbers."""
    ends = np.array(list(accumulate(map(len, given))), np.int64)
    return Lists(np.array([one for row in given for one in row], np.int64), ends)


FORMS: list[tuple[Any, Any, Any]] = [
    (codes, coded, named),
    (st.lists(codes, max_size=6), lists, lambda given: [named(one) for one in given]),
    (st.lists(numbers, max_size=6), arrays, lambda given: given),
    (numbers, lambda given: np.array(given, np.int64), lambda given: given),
    (numbers, list, lambda given: given),
]
forms = st.sampled_from(FORMS).flatmap(
    lambda form: form[0].map(lambda given: (form[1](given), form[2](given)))
)


@given(forms)
def test_every_form_gives_its_plain_values(form: tuple[Values, list[Any]]) -> None:
    values, expected = form

    assert len(values) == len(expected)
    assert plain(values) == expected
    assert list(values) == expected


@given(forms, cuts)
def test_a_part_of_a_form_is_the_part_of_its_values(
    form: tuple[Values, list[Any]], cut: tuple[int, int]
) -> None:
    values, expected = form

    assert plain(values[slice(*cut)]) == expected[slice(*cut)]


@given(forms, st.data())
def test_values_are_picked_in_the_order_asked_for(
    form: tuple[Values, list[Any]], data: st.DataObject
) -> None:
    values, expected = form
    rows = data.draw(st.lists(st.integers(0, max(len(expected) - 1, 0)), max_size=9))
    rows = rows if expected else []

    assert plain(pick(values, rows)) == [expected[row] for row in rows]


@given(st.sampled_from(FORMS).flatmap(lambda form: st.tuples(st.just(form), *[form[0]] * 3)))
def test_forms_joined_are_their_values_joined(drawn: tuple[Any, ...]) -> None:
    (_, make, expect), *parts = drawn

    joined = join([make(part) for part in parts])

    assert plain(joined) == [value for part in parts for value in expect(part)]
    assert type(joined) is type(make(parts[0]))


@given(codes, codes)
def test_names_of_two_lists_join_by_what_they_say(one: list[int], other: list[int]) -> None:
    names = ["k/1", "b", "", "a"]

    joined = join([coded(one), Coded(np.array(other, np.int64), names)])

    assert plain(joined) == named(one) + [names[code] if code >= 0 else "" for code in other]


def test_narrow_codes_join_also_where_there_are_more_names_than_they_can_count() -> None:
    first = Coded(np.array([0, -1], np.int8), ["a"])
    many = Coded(np.arange(200, dtype=np.uint8), [f"n{n}" for n in range(200)])
    last = Coded(np.array([0, 1], np.uint8), ["y", "z"])

    found = join([first, many, last])

    assert plain(found) == ["a", "", *(f"n{n}" for n in range(200)), "y", "z"]


@pytest.mark.parametrize("other", [["x", ""], np.array([b"x", b""])])
def test_forms_that_differ_join_as_plain_values(other: Values) -> None:
    assert join([coded([0]), other]) == ["a", "x", ""]


def test_hex_digits_of_one_width_are_texts() -> None:
    digits = np.array([b"00ff", b"beef"])

    assert plain(digits) == ["00ff", "beef"]
    assert plain(digits[1:]) == ["beef"]


def test_names_that_come_later_change_no_text() -> None:
    names = ["a"]
    column = Coded(np.array([0, -1]), names)
    names.append("b")

    assert column.tolist() == ["a", ""]


def test_a_row_is_shown_with_its_lists_and_names() -> None:
    rows = Rows("order_credit", {"kols": lists([[0], [3, 1]]), "brand_id": coded([-1, 0])})

    assert rows.row(1) == {"kols": ["k/1", "é"], "brand_id": "a"}
