import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.columns import Behaviour
from schemas.events import INTERACTIONS
from streams.core.moments import HORIZON_MS
from streams.core.user.depth import (
    DEEPEST,
    DEPTH_OF,
    OMEGA,
    SQUARE_OF,
    Deepened,
    Depth,
    is_grown,
    omega,
)
from streams.core.user.evidence import credibility
from tests.builders import DAY, HOUR, NOON, decoded, interaction

Deed = tuple[int, int, int, int]  # user, KOL, at, half units

deeds = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.integers(0, 1),
        st.sampled_from([NOON, NOON + 1, NOON + 11 * HOUR, NOON + 12 * HOUR, NOON + DAY]),
        st.sampled_from([1, 2, 3, 20, 9_000]),
    ),
    max_size=30,
)


def add(depth: Depth, batch: list[Deed], ages: list[float] | None = None) -> Deepened:
    """Take in deeds of accounts of these ages; by default of grown ones."""
    user, kol, at, weight = np.array(batch, np.int64).reshape(-1, 4).T
    age = np.array([400.0] * len(batch) if ages is None else ages)
    return depth.add(user, kol, at, weight, is_grown(age), credibility(age))


def deepen(depth: Depth, batch: list[Deed]) -> list[tuple[int, int]]:
    found = add(depth, batch)
    return list(zip(found.depth.tolist(), found.square.tolist(), strict=True))


def weight(**fields: object) -> int:
    facts = decoded(INTERACTIONS, [interaction() | fields]).facts
    assert isinstance(facts, Behaviour)
    return int(omega(facts)[0])


@given(st.lists(deeds, max_size=4))
def test_what_a_day_adds_is_the_logarithm_of_its_sum(batches: list[list[Deed]]) -> None:
    depth = Depth(slack=0)
    added, halves = defaultdict[tuple[int, ...], int](int), defaultdict[tuple[int, ...], int](int)
    squares = defaultdict[tuple[int, ...], int](int)
    for batch in batches:
        for (user, kol, at, half), (more, square) in zip(batch, deepen(depth, batch), strict=True):
            day = (user, kol, at // DAY)
            added[day] += more
            squares[day] += square
            halves[day] += half
            log = math.log1p(min(halves[day], DEEPEST) / 2)

            assert added[day] == round(1_000_000 * log)
            assert squares[day] == round(1_000_000 * log**2)


def test_depth_grows_ever_more_slowly() -> None:
    assert np.all(np.diff(DEPTH_OF) >= 0)
    assert np.all(np.diff(SQUARE_OF) >= 0)
    assert DEPTH_OF[[0, 2]].tolist() == [0, 693_147]


@given(deeds, deeds)
def test_restored_days_go_on(first: list[Deed], more: list[Deed]) -> None:
    depth, again = Depth(slack=0), Depth(slack=0)
    deepen(depth, first)
    again.restore("x", depth.arrays("x"))

    assert deepen(again, more) == deepen(depth, more)


def test_a_day_is_forgotten_once_it_is_over_and_late_events_too() -> None:
    depth = Depth(slack=0)
    deepen(depth, [(0, 0, NOON, 2), (0, 0, NOON + DAY, 2)])
    midnight = (NOON // DAY + 1) * DAY
    depth.prune(midnight + HORIZON_MS - 1)
    before = len(depth)
    depth.prune(midnight + HORIZON_MS)

    assert [before, len(depth)] == [2, 1]


def test_days_are_kept_while_they_are_few() -> None:
    depth = Depth(slack=10)
    deepen(depth, [(0, 0, NOON, 2)])
    depth.prune(NOON + 9 * DAY)

    assert len(depth) == 1


def test_users_get_new_numbers_and_keep_their_days() -> None:
    depth, other = Depth(slack=0), Depth(slack=0)
    deepen(depth, [(4, 1, NOON, 2)])
    deepen(other, [(0, 1, NOON, 2)])
    depth.renumber_users(np.arange(5) - 4)

    assert depth.users().tolist() == [0]
    assert deepen(depth, [(0, 1, NOON, 2)]) == deepen(other, [(0, 1, NOON, 2)])


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"dwell_ms": 5_000}, 1),
        ({"completion": 0.5}, 1),
        ({"live_id": "l", "dwell_ms": 5_000}, 1),
        ({"dwell_ms": 4_999, "completion": 0.49}, 0),
        ({"event": "like"}, 2),
        ({"event": "like", "account_age_d": 2.9}, 2),
        ({"event": "ugc_post"}, 20),
        ({"event": "report"}, 0),
    ],
)
def test_an_interaction_weighs_what_the_table_says(
    fields: dict[str, object], expected: int
) -> None:
    assert weight(**fields) == expected


def test_fourteen_kinds_deepen() -> None:
    assert len(OMEGA) == 14


@given(
    st.lists(st.tuples(deeds, st.sampled_from([0.0, 1.0, 2.9, 3.0, 30.0, math.nan])), max_size=4)
)
def test_a_day_is_weighed_by_the_credibility_of_its_first_interaction(
    batches: list[tuple[list[Deed], float]],
) -> None:
    depth = Depth(slack=0)
    c = dict[tuple[int, ...], int]()
    every, grown = defaultdict[tuple[int, ...], int](int), defaultdict[tuple[int, ...], int](int)
    sums = defaultdict[tuple[int, ...], Counter[str]](Counter)
    for batch, age in batches:
        found = add(depth, batch, [age] * len(batch))
        for n, (user, kol, at, half) in enumerate(batch):
            day = (user, kol, at // DAY)
            assert found.first[n] == (day not in c)
            days = 21 if math.isnan(age) else min(age, 30)
            c.setdefault(day, round(250_000 * (days / 30) ** 2))
            every[day] += half
            grown[day] += half * (not age < 3)
            sums[day].update(
                depth=int(found.depth[n]),
                credible=int(found.credible[n]),
                square=int(found.credible_square[n]),
            )
            log, cut = (math.log1p(min(s[day], DEEPEST) / 2) for s in (every, grown))

            assert sums[day]["depth"] == round(1_000_000 * cut)
            for name, value in (("credible", log), ("square", log * log)):
                weighed = c[day] * round(1_000_000 * value)
                assert sums[day][name] == (2 * weighed + 1_000_000) // 2_000_000


def test_looks_of_thousands_of_new_accounts_weigh_little() -> None:
    """Mean depth of 200 grown users, beside 2 000 accounts of one day that look for .8 s."""
    age = np.array([400.0] * 200 + [1.0] * 2_000)
    weight = np.array([8] * 200 + [0] * 2_000)
    users, c = np.arange(len(age)), credibility(age)
    found = Depth(0).add(users, users * 0, users * 0 + NOON, weight, is_grown(age), c)

    assert found.credible.sum() / c[found.first].sum() == pytest.approx(
        math.log1p(4) * 50 / 50.56,
        0.01,  # 2 000 / 4 / 30^2 are .56
    )
    assert found.depth.sum() / found.first.sum() == pytest.approx(math.log1p(4) * 1e6 / 11, 0.01)
