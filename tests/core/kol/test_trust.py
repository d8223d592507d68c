import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.cells import DIMENSIONS
from streams.core.arrays.arena import Floats
from streams.core.kol.decay import DAY, Fade
from streams.core.kol.priors import TRUST, TRUST_HALF_LIFE
from streams.core.kol.special import digamma_trigamma
from streams.core.kol.trust import OMEGA, Trust, Z, combined, trust

COUNTS = st.lists(st.floats(0, 1e6), min_size=5, max_size=5)


def row(*values: float) -> Floats:
    return np.array([values], np.float64)


def judged(good: Floats, bad: Floats) -> Trust:
    """Trust by fresh unit evidence, of which weights and squares are the counts."""
    return trust(good, bad, good + bad, TRUST)


def one(values: Floats) -> float:
    return float(values[0])


def test_the_golden_case_is_met() -> None:
    scored = combined(row(24, 18, 40, 9, 30), row(6, 6, 4, 3, 10))

    assert 100 * one(scored.score) == pytest.approx(79.5627140, abs=5e-8)
    assert 100 * one(scored.low) == pytest.approx(73.7899452, abs=5e-8)
    assert 100 * one(scored.high) == pytest.approx(85.7871006, abs=5e-8)


def test_a_kol_nobody_has_judged_has_a_wide_interval() -> None:
    nobody = judged(row(0, 0, 0, 0, 0), row(0, 0, 0, 0, 0))

    assert one(nobody.low) < 0.2
    assert one(nobody.high) > 0.75
    assert one(nobody.n_eff) == 0.0
    assert one(nobody.uncertainty) == pytest.approx(1.0)
    assert nobody.parts.tolist() == [[0.5] * 5]


@given(COUNTS, COUNTS, st.integers(-60, 60))
def test_the_unit_of_evidence_and_the_moment_of_reading_cancel(
    good: list[float], bad: list[float], halvings: int
) -> None:
    plain = trust(row(*good), row(*bad), row(*good) + row(*bad), TRUST)
    factor = 2.0**halvings
    faded = trust(
        factor * row(*good), factor * row(*bad), factor**2 * (row(*good) + row(*bad)), TRUST
    )

    assert plain.score.tolist() == faded.score.tolist()
    assert plain.low.tolist() == faded.low.tolist()
    assert plain.n_eff.tolist() == faded.n_eff.tolist()


@given(COUNTS, COUNTS)
def test_a_score_lies_in_its_interval_and_that_between_zero_and_one(
    good: list[float], bad: list[float]
) -> None:
    scored = judged(row(*good), row(*bad))

    assert 0.0 <= one(scored.low) <= one(scored.score) <= one(scored.high) <= 1.0


@given(COUNTS, COUNTS)
def test_a_row_has_the_same_bits_alone_and_among_many(good: list[float], bad: list[float]) -> None:
    alone = judged(row(*good), row(*bad))
    many = judged(np.tile(good, (33, 1)), np.tile(bad, (33, 1)))

    assert set(many.score.tolist()) == set(alone.score.tolist())
    assert set(many.high.tolist()) == set(alone.high.tolist())
    assert set(many.uncertainty.tolist()) == set(alone.uncertainty.tolist())


@given(COUNTS, st.sampled_from(range(5)))
def test_more_against_a_kol_lowers_its_trust(good: list[float], dimension: int) -> None:
    bad = np.ones((1, 5))
    before = judged(row(*good), bad)
    bad[0, dimension] += 5.0
    after = judged(row(*good), bad)

    assert one(after.score) < one(before.score)


def test_integrity_cannot_be_bought_back_with_likes() -> None:
    liar = judged(row(1_000, 1_000, 1, 1_000, 1_000), row(1, 1, 1_000, 1, 1))

    assert one(liar.score) < 0.25
    assert liar.parts[0, DIMENSIONS.index("I")] < 0.01


def test_unequal_weights_count_for_fewer_judgements() -> None:
    weights = [1.0, 1.0, 1.0, 2.0, 10.0]  # sum 15, sum of squares 107
    zero = row(0, 0, 0, 0, 0)
    good, square = zero.copy(), zero.copy()
    good[0, 0], square[0, 0] = sum(weights), sum(w * w for w in weights)

    assert one(trust(good, zero, square, TRUST).n_eff) == pytest.approx(15**2 / 107)


def test_a_steady_stream_is_worth_twice_its_decayed_sum() -> None:
    minute = np.arange(200 * DAY)
    weight = Fade(14 * DAY).weight(minute, np.full(len(minute), 3))
    good, square = np.zeros((1, 5)), np.zeros((1, 5))
    good[0, 0], square[0, 0] = weight.sum(), (weight * weight).sum()
    kappa = one(trust(good, np.zeros((1, 5)), square, TRUST).n_eff) * square[0, 0] / good[0, 0] ** 2

    assert kappa == pytest.approx(1.0)
    assert good[0, 0] * weight[-1] / square[0, 0] == pytest.approx(2.0, rel=1e-3)


def test_evidence_too_old_to_be_weighed_is_none() -> None:
    ancient = trust(np.full((1, 5), 1e-200), np.zeros((1, 5)), np.zeros((1, 5)), TRUST)
    nobody = judged(np.zeros((1, 5)), np.zeros((1, 5)))

    assert ancient.score.tolist() == nobody.score.tolist()


def test_the_weights_of_the_dimensions_add_up_to_one() -> None:
    assert sum(OMEGA.values()) == pytest.approx(1.0)
    assert set(OMEGA) == set(TRUST_HALF_LIFE) == set(DIMENSIONS)


def test_no_prior_is_stronger_than_its_reason() -> None:
    assert (TRUST.good + TRUST.bad).tolist() == [2.0] * 5


def test_nine_in_ten_intervals_cover_the_truth_in_a_steady_world() -> None:
    generator = np.random.default_rng(20240520)
    kols, days, daily = 4_000, 120, 4.0
    truth = generator.uniform(0.5, 0.95, (kols, 5))
    good, bad, square = np.zeros((3, kols, 5))
    for column, half_life in enumerate(TRUST_HALF_LIFE.values()):
        kol = np.repeat(np.arange(kols), generator.poisson(daily * days, kols))
        age = generator.uniform(0, days * DAY, len(kol))
        weight = generator.uniform(0.2, 1, len(kol)) * 2 ** (-age / half_life)
        believed = generator.random(len(kol)) < truth[kol, column]
        good[:, column] = np.bincount(kol, weight * believed, kols)
        bad[:, column] = np.bincount(kol, weight * ~believed, kols)
        square[:, column] = np.bincount(kol, weight * weight, kols)
    scored = trust(good, bad, square, TRUST)
    whole = np.exp(np.log(truth) @ np.array(list(OMEGA.values())))
    kappa = (good + bad) / square
    alpha, beta = 1 + kappa * good, 1 + kappa * bad
    (psi, all_psi), (psi1, all_psi1) = digamma_trigamma(np.stack([alpha, alpha + beta]))
    missed = np.abs(np.log(truth) - (psi - all_psi)) / np.sqrt(psi1 - all_psi1)

    assert 0.88 <= ((scored.low <= whole) & (whole <= scored.high)).mean() <= 0.92
    assert 0.88 <= (missed[:, 0] <= Z).mean() <= 0.92  # one dimension alone
