from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.rows import MODELS
from streams.core.user.attribution import (
    DECAY,
    ORGANIC_CODE,
    Touch,
    credits_of,
    explained,
    parts,
    split,
)
from streams.core.user.journeys import Journeys
from streams.core.user.touches import TouchClass
from tests.builders import DAY, HOUR, MINUTE, NOON

MAX_CENTS = 10**12
MAX_WEIGHT = 2**41 - 1

amounts = st.one_of(st.integers(0, MAX_CENTS), st.sampled_from([0, 1, 2**40 - 1]))
shares = st.lists(
    st.one_of(st.integers(0, 5), st.integers(0, 2**36), st.just(2**32)), min_size=1, max_size=32
)
KOLS = ["a", "Z", "妈妈", "é", "zz"]  # in UTF-8: Z a zz é 妈妈
RANK = np.array([1, 0, 4, 3, 2])

touches_of = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.integers(0, 29 * DAY),
        st.sampled_from(list(TouchClass)),
        st.sampled_from([0, 1, 29 * MINUTE]),
    ),
    max_size=32,
)


def in_words(cents: int, weight: list[int]) -> list[int]:
    """Say the rule for names in order, with Python's integers."""
    total = sum(weight)
    part = [cents * w // total for w in weight]
    order = sorted(range(len(weight)), key=lambda i: (-(cents * weight[i] % total), i))
    for i in order[: cents - sum(part)]:
        part[i] += 1
    return part


def one(cents: int, weight: list[int]) -> list[int]:
    found = split(np.array([cents]), np.array(weight), np.zeros(len(weight), np.int64))
    return [int(part) for part in found]


def touch(kol: str = "a", ago: int = HOUR, klass: str = "click", lasts: int = 0) -> Touch:
    return Touch(kol, NOON - ago - lasts, NOON - ago, klass)


def credit(model: str, touches: list[Touch], cents: int = 100) -> dict[str, int]:
    return explained(NOON, cents, 0, touches)[MODELS.index(model)].credit


@given(st.integers(0, 2**40 - 1), st.integers(0, MAX_WEIGHT), st.integers(1, MAX_WEIGHT))
def test_long_division_is_that_of_pythons_integers(cents: int, weight: int, total: int) -> None:
    weight = min(weight, total)
    quotient, rest = parts(np.array([cents]), np.array([weight]), np.array([total]))

    assert (quotient[0], rest[0]) == divmod(cents * weight, total)


def test_long_division_holds_at_its_bounds() -> None:
    cents, weight = 2**40 - 1, MAX_WEIGHT
    for total in (weight, weight - 1):
        quotient, rest = parts(np.array([cents]), np.array([total]), np.array([total]))

        assert (quotient[0], rest[0]) == (cents, 0)
    quotient, rest = parts(np.array([cents]), np.array([weight - 1]), np.array([weight]))

    assert (quotient[0], rest[0]) == divmod(cents * (weight - 1), weight)


@given(amounts, shares)
def test_a_split_is_that_of_pythons_integers_and_loses_no_cent(
    cents: int, weight: list[int]
) -> None:
    if not any(weight):
        weight[0] = 1
    found = one(cents, weight)

    assert found == in_words(cents, weight)
    assert sum(found) == cents


@given(st.lists(st.tuples(amounts, shares), max_size=6))
def test_amounts_are_split_side_by_side_as_alone(cases: list[tuple[int, list[int]]]) -> None:
    for _, weight in cases:
        weight[-1] += 1
    amount = np.array([cents for cents, _ in cases], np.int64)
    flat = np.array([w for _, weight in cases for w in weight], np.int64)
    group = np.repeat(np.arange(len(cases)), [len(weight) for _, weight in cases])

    assert split(amount, flat, group).tolist() == [
        part for cents, weight in cases for part in one(cents, weight)
    ]


@given(amounts, shares, st.integers(0, 100))
def test_what_is_given_back_never_exceeds_a_credit(
    cents: int, weight: list[int], percent: int
) -> None:
    weight[0] += 1
    credited = one(cents, weight)
    given_back = one(cents * percent // 100, credited)

    assert sum(given_back) == cents * percent // 100
    assert all(back <= earned for back, earned in zip(given_back, credited, strict=True))


def test_nothing_is_split_into_nothing() -> None:
    assert one(0, [0, 0]) == [0, 0]


def test_every_weight_of_the_decay_is_rounded_exactly() -> None:
    with localcontext() as context:
        context.prec = 40
        ratio = Decimal(2) ** (Decimal(-1) / 10_080)
        exact, weight = [], Decimal(2) ** 32
        for _ in range(43_201):
            exact.append(int(weight.to_integral_value()))
            weight *= ratio

    assert DECAY.tolist() == exact


def test_a_weight_halves_in_a_week() -> None:
    assert DECAY[[0, 10_080, 20_160, 43_200]].tolist() == [2**32, 2**31, 2**30, 220_207_095]


@given(st.lists(st.tuples(touches_of, amounts, st.integers(0, 100)), max_size=5))
def test_orders_side_by_side_are_credited_as_each_alone(
    orders: list[tuple[list[tuple[int, int, TouchClass, int]], int, int]],
) -> None:
    flat = []
    for order, (met, _, _) in enumerate(orders):
        rows = [(NOON - ago - lasts, NOON - ago, kol, klass) for kol, ago, klass, lasts in met]
        rows.sort(key=lambda row: (row[1], RANK[row[2]], row[3]))
        flat += [(order, *row) for row in rows]
    columns = np.array(flat, np.int64).reshape(-1, 5).T
    paid = np.array([cents for _, cents, _ in orders], np.int64)
    back = np.array([cents * percent // 100 for _, cents, percent in orders], np.int64)
    nothing = np.zeros((2, len(orders)), np.int64)
    found = credits_of(np.full(len(orders), NOON), paid, back, Journeys(*columns, *nothing), RANK)

    for number in range(len(orders)):
        mine = found.order == number
        names = ["organic" if k == ORGANIC_CODE else KOLS[k] for k in found.kol[mine].tolist()]
        touches = [
            Touch(KOLS[k], begin, last, TouchClass(c).name.lower())
            for o, begin, last, k, c in flat
            if o == number
        ]
        alone = explained(NOON, int(paid[number]), int(back[number]), touches)
        for model, credited, refunded in zip(
            alone, found.credit[:, mine], found.refunded[:, mine], strict=True
        ):
            assert dict(zip(names, credited.tolist(), strict=True)) == model.credit
            assert dict(zip(names, refunded.tolist(), strict=True)) == model.refunded
            assert sum(model.credit.values()) == paid[number]
            assert sum(model.refunded.values()) == back[number]
            assert list(model.credit) == sorted(model.credit, key=str.encode)


def test_an_order_nobody_touched_is_organic() -> None:
    for model in explained(NOON, 12_345, 345, []):
        assert (model.credit, model.refunded) == ({"organic": 12_345}, {"organic": 345})
        assert (model.weights, model.totals) == ((), {"organic": 1})


def test_the_first_and_the_last_touch_take_all() -> None:
    touches = [touch("b", 3 * HOUR), touch("a", 2 * HOUR), touch("c", HOUR)]

    assert credit("first", touches) == {"a": 0, "b": 100, "c": 0}
    assert credit("last", touches) == {"a": 0, "b": 0, "c": 100}


def test_linear_counts_touches_and_shapley_counts_kols() -> None:
    touches = [touch("a", 4 * HOUR), touch("b", 3 * HOUR), touch("a", 2 * HOUR)]

    assert credit("linear", touches) == {"a": 67, "b": 33}
    assert credit("shapley", touches) == {"a": 50, "b": 50}


@pytest.mark.parametrize(
    ("kols", "expected"),
    [
        ("a", {"a": 100}),
        ("ab", {"a": 50, "b": 50}),
        ("abc", {"a": 40, "b": 20, "c": 40}),
        ("abcd", {"a": 40, "b": 10, "c": 10, "d": 40}),
        ("abcde", {"a": 40, "b": 7, "c": 7, "d": 6, "e": 40}),
    ],
)
def test_position_gives_40_20_40(kols: str, expected: dict[str, int]) -> None:
    touches = [touch(kol, (9 - n) * HOUR) for n, kol in enumerate(kols)]

    assert credit("position", touches) == expected


def test_first_goes_by_the_first_moment_and_last_by_the_last() -> None:
    touches = [touch("b", 10 * MINUTE), touch("a", 5 * MINUTE, lasts=20 * MINUTE)]

    assert credit("first", touches) == {"a": 100, "b": 0}
    assert credit("last", touches) == {"a": 100, "b": 0}
    assert credit("position", touches) == {"a": 50, "b": 50}


def test_of_touches_that_begin_at_once_the_smaller_name_then_the_smaller_class_is_first() -> None:
    at_once = [touch("b", 1, lasts=9), touch("a", 0, "view", lasts=10), touch("a", 0, lasts=10)]
    touches = sorted(at_once, key=lambda one: (one.last, one.kol_id, one.klass))
    [first, *_] = explained(NOON, 100, 0, touches)

    assert [one.klass for one, weight in zip(touches, first.weights, strict=True) if weight] == [
        "click"
    ]


@pytest.mark.parametrize(
    ("others", "expected"),
    [("bc", {"a": 80, "b": 10, "c": 10}), ("bcde", {"a": 80, "b": 5, "c": 5, "d": 5, "e": 5})],
)
def test_position_gives_80_to_the_touch_that_is_first_and_last(
    others: str, expected: dict[str, int]
) -> None:
    between = [touch(kol, (9 - n) * MINUTE) for n, kol in enumerate(others)]

    assert credit("position", [*between, touch("a", 0, lasts=10 * MINUTE)]) == expected


def test_time_decay_halves_a_touch_a_week_older() -> None:
    touches = [touch("a", 7 * DAY, "click"), touch("b", 0, "click")]

    assert credit("time_decay", touches, 99) == {"a": 33, "b": 66}


def test_time_decay_goes_by_the_last_moment() -> None:
    touches = [touch("a", 7 * DAY), touch("b", 0, lasts=29 * MINUTE)]

    assert credit("time_decay", touches, 99) == {"a": 33, "b": 66}


def test_age_counts_in_whole_minutes() -> None:
    young = explained(NOON, 1, 0, [touch("a", MINUTE - 1), touch("b", 0)])

    assert young[MODELS.index("time_decay")].weights == (2**32, 2**32)


def test_a_cent_left_over_goes_to_the_name_with_the_smaller_bytes() -> None:
    touches = [touch("é", 3 * HOUR), touch("z", 2 * HOUR), touch("Z", HOUR)]

    assert credit("linear", touches, 100) == {"Z": 34, "z": 33, "é": 33}
    assert credit("linear", touches, 101) == {"Z": 34, "z": 34, "é": 33}


def test_who_was_met_through_a_share_only_is_not_direct() -> None:
    journeys = Journeys(
        np.zeros(3, np.int64),
        np.array([NOON - 3, NOON - 2, NOON - 1]),
        np.array([NOON - 3, NOON - 2, NOON - 1]),
        np.array([0, 1, 1]),
        np.array([TouchClass.SHARE, TouchClass.SHARE, TouchClass.VIEW]),
        *np.zeros((2, 1), np.int64),
    )
    found = credits_of(np.array([NOON]), np.array([1]), np.array([0]), journeys, np.arange(2))

    assert found.is_direct.tolist() == [False, True]


def test_a_touch_says_how_its_kol_was_met() -> None:
    assert [touch(klass=klass).via for klass in ("share", "live")] == ["share", "direct"]
