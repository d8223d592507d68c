import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.cells import DIMENSIONS
from streams.core.arrays.arena import Floats
from streams.core.kol.cells import SCORED
from streams.core.kol.decay import DAY, SPAN
from streams.core.kol.priors import TRUST
from streams.core.kol.sums import WIDTH, carrying, scores, weighted

NOON = 28_603_440  # minutes
VALUES = np.full((1, len(SCORED)), 1_000_000)
LANDMARK = 23 * SPAN * 14 * DAY  # a landmark of what fades in 14 days


def at(minute: int) -> Floats:
    """What a cell of the minute adds, by column."""
    added: Floats = weighted(VALUES, np.array([minute]))[0]
    return added


def carry(since: int, minute: int) -> Floats:
    silent = np.array([minute - since])
    factors: Floats = carrying(np.array([since]), np.array([minute]), silent)[0]
    return factors


def test_sums_double_their_weights_in_a_half_life_and_squares_twice() -> None:
    growth = (at(NOON + 14 * DAY) / at(NOON)).reshape(-1)
    good, bad, square, *fast = growth[: 6 * len(DIMENSIONS)].reshape(6, -1)
    outcome, days = 2 ** (14 / 60), 2 ** (14 / 3)

    assert good.tolist()[:4] == bad.tolist()[:4] == [2.0] * 4
    assert square.tolist()[:4] == [4.0] * 4
    assert np.allclose([good[4], bad[4], square[4]], [outcome, outcome, outcome**2], rtol=1e-12)
    assert np.allclose(fast, np.array([[days], [days], [days**2]]), rtol=1e-12)
    assert growth[6 * len(DIMENSIONS) :].tolist() == [2.0, 2.0, 2.0, 4.0]


@given(st.integers(0, 182 * DAY), st.integers(0, 182 * DAY))
def test_carrying_goes_by_powers_of_two_and_in_any_number_of_steps(one: int, two: int) -> None:
    middle, last = NOON + one, NOON + one + two
    whole = carry(NOON, last)

    assert (carry(NOON, middle) * carry(middle, last)).tolist() == whole.tolist()
    assert np.frexp(whole)[0].tolist() == [0.5] * WIDTH


def test_a_kol_silent_for_more_than_364_days_begins_anew() -> None:
    in_time, too_late = carry(NOON, NOON + 364 * DAY), carry(NOON, NOON + 364 * DAY + 1)

    assert (in_time > 0).all()
    assert too_late.tolist() == [0.0] * WIDTH


def test_beyond_a_landmark_a_sum_is_carried_by_two_to_the_64() -> None:
    factors = carry(LANDMARK - 1, LANDMARK)

    of_record = factors[[*range(15), *range(30, WIDTH)]]
    assert set(of_record.tolist()) == {2.0**-64, 2.0**-128, 1.0}  # 1: the landmark is not O's


def test_evidence_and_audience_reach_the_scores() -> None:
    found = scores(at(NOON).reshape(1, -1), np.array([NOON]), TRUST)

    assert np.allclose(found.trust.parts.score[0, [0, 3]], 0.5)  # as much for as against
    assert found.trust.n_eff[0] > 0
    assert found.fast.n_eff[0] > 0
    assert found.resonance.score[0] < 0.5  # a depth of 1e-6 of a million user-days


def test_trust_is_read_at_the_end_of_the_minute() -> None:
    """A judgement of weight w: 2 w / w_ref of it, half a minute old; Kish alone says 1."""
    weight = 100_000
    sums = np.zeros((1, WIDTH))
    sums[0, 0] = at(NOON)[0] / 1_000_000 * weight
    sums[0, 10] = (at(NOON)[0] / 1_000_000 * weight) ** 2
    now, later = (
        scores(sums * carry(NOON, minute), np.array([minute]), TRUST).trust.n_eff[0]
        for minute in (NOON, NOON + 28 * DAY)
    )

    assert now == pytest.approx(2 * 0.4 * 2 ** (-0.5 / (14 * DAY)))
    assert later == pytest.approx(now / 4)
