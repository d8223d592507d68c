import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from schemas.cells import DIMENSIONS
from streams.core.arrays.arena import Floats
from streams.core.kol.cells import SCORED
from streams.core.kol.decay import DAY, SPAN
from streams.core.kol.sums import WIDTH, carrying, scores, weighted

NOON = 28_603_440  # minutes
VALUES = np.full((1, len(SCORED)), 1_000_000)
LANDMARK = 23 * SPAN * 14 * DAY  # a landmark of what fades in 14 days


def at(minute: int) -> Floats:
    """What a cell of the minute adds, by column."""
    added: Floats = weighted(VALUES, np.array([minute]))[0]
    return added


def carry(since: int, minute: int) -> Floats:
    factors: Floats = carrying(np.array([since]), np.array([minute]))[0]
    return factors


def test_sums_double_their_weights_in_a_half_life_and_squares_twice() -> None:
    growth = (at(NOON + 14 * DAY) / at(NOON)).reshape(-1)
    good, bad, square = growth[: 3 * len(DIMENSIONS)].reshape(3, -1)
    outcome = 2 ** (14 / 60)

    assert good.tolist()[:4] == bad.tolist()[:4] == [2.0] * 4
    assert square.tolist()[:4] == [4.0] * 4
    assert np.allclose([good[4], bad[4], square[4]], [outcome, outcome, outcome**2], rtol=1e-12)
    assert growth[3 * len(DIMENSIONS) :].tolist() == [2.0, 2.0, 2.0, 4.0]


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

    assert set(factors.tolist()) == {2.0**-64, 2.0**-128, 1.0}  # 1: the landmark is not O's


def test_evidence_and_audience_reach_the_scores() -> None:
    trust, resonance = scores(at(NOON).reshape(1, -1))

    assert np.allclose(trust.parts, 0.5)  # as much for as against
    assert trust.n_eff[0] > 0
    assert resonance.score[0] < 0.5  # a depth of 1e-6 of a million user-days
