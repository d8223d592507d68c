from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.cells import DIMENSIONS
from streams.core.arrays.arena import Floats
from streams.core.kol.decay import DAY, Fade
from streams.core.kol.priors import TRUST, TRUST_HALF_LIFE, TrustPrior
from streams.core.kol.special import digamma_trigamma
from streams.core.kol.trust import OMEGA, Scored, Trust, Z, combined, trust

COUNTS = st.lists(st.floats(0, 1e6), min_size=5, max_size=5)


def row(*values: float) -> Floats:
    return np.array([values], np.float64)


ALL: TrustPrior = replace(TRUST, has_source=np.ones(5), weight=np.full(5, 1e-9))


def judged(good: Floats, bad: Floats, prior: TrustPrior = ALL) -> Trust:
    """Trust by fresh unit evidence, of which weights and squares are the counts."""
    return trust(good, bad, good + bad, prior)


def one(values: Floats) -> float:
    return float(values[0])


def test_the_golden_case_is_met() -> None:
    omega = np.array(list(OMEGA.values()))
    scored, _ = combined(row(24, 18, 40, 9, 30), row(6, 6, 4, 3, 10), omega)

    assert 100 * one(scored.score) == pytest.approx(79.5627140, abs=5e-8)
    assert 100 * one(scored.low) == pytest.approx(73.7899452, abs=5e-8)
    assert 100 * one(scored.high) == pytest.approx(85.7871006, abs=5e-8)


def test_a_kol_nobody_has_judged_has_a_wide_interval() -> None:
    nobody = judged(row(0, 0, 0, 0, 0), row(0, 0, 0, 0, 0))

    assert one(nobody.low) < 0.2
    assert one(nobody.high) > 0.75
    assert one(nobody.n_eff) == 0.0
    assert one(nobody.uncertainty) == pytest.approx(1.0)
    assert nobody.parts.score.tolist() == [[0.5] * 5]


@given(COUNTS, COUNTS, st.integers(-60, 60))
def test_the_unit_of_evidence_cancels(good: list[float], bad: list[float], halvings: int) -> None:
    plain = trust(row(*good), row(*bad), row(*good) + row(*bad), TRUST)
    factor = 2.0**halvings
    faded = trust(
        factor * row(*good),
        factor * row(*bad),
        factor**2 * (row(*good) + row(*bad)),
        replace(TRUST, weight=factor * TRUST.weight),
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
    assert liar.parts.score[0, DIMENSIONS.index("I")] < 0.01


def test_unequal_weights_count_for_fewer_judgements() -> None:
    weights = [1.0, 1.0, 1.0, 2.0, 10.0]  # sum 15, sum of squares 107
    zero = row(0, 0, 0, 0, 0)
    good, square = zero.copy(), zero.copy()
    good[0, 0], square[0, 0] = sum(weights), sum(w * w for w in weights)

    assert one(trust(good, zero, square, ALL).n_eff) == pytest.approx(15**2 / 107)


def test_a_steady_stream_is_worth_twice_its_decayed_sum() -> None:
    minute = np.arange(200 * DAY)
    weight = Fade(14 * DAY).weight(minute, np.full(len(minute), 3))
    good, square = np.zeros((1, 5)), np.zeros((1, 5))
    good[0, 0], square[0, 0] = weight.sum(), (weight * weight).sum()
    now = Fade(14 * DAY).reading(minute[-1:], np.array([3]))[0]
    kish = good[0, 0] ** 2 / square[0, 0]

    assert kish == pytest.approx(2.0 * good[0, 0] * now, rel=1e-3)


def test_evidence_too_old_to_be_weighed_is_none() -> None:
    ancient = trust(np.full((1, 5), 1e-200), np.zeros((1, 5)), np.zeros((1, 5)), ALL)
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
    scored = trust(good, bad, square, ALL)
    whole = np.exp(np.log(truth) @ np.array(list(OMEGA.values())))
    kappa = (good + bad) / square
    alpha, beta = 1 + kappa * good, 1 + kappa * bad
    (psi, all_psi), (psi1, all_psi1) = digamma_trigamma(np.stack([alpha, alpha + beta]))
    missed = np.abs(np.log(truth) - (psi - all_psi)) / np.sqrt(psi1 - all_psi1)

    assert 0.88 <= ((scored.low <= whole) & (whole <= scored.high)).mean() <= 0.92
    assert 0.88 <= (missed[:, 0] <= Z).mean() <= 0.92  # one dimension alone


def test_a_silent_kol_is_worth_what_is_left_of_its_judgements() -> None:
    """60 days are 60 / 14 half-lives: of a steady stream 5 % are left, of Kish's number all."""
    left = 2 ** (-60 / 14)
    steady = row(80, 0, 0, 0, 0)  # S of 4 judgements a day is 4 * 14 / ln 2 = 80.8
    prior = replace(ALL, weight=np.ones(5))
    before = trust(steady, 0 * steady, steady / 2, prior)
    after = trust(left * steady, 0 * steady, left**2 * steady / 2, prior)

    assert one(before.n_eff) == pytest.approx(160)
    assert one(after.n_eff) == pytest.approx(160 * left)


def test_dimensions_without_a_source_are_not_in_the_score() -> None:
    """E .25 and B .10: the score is that of two Beta variables with the weights 5/7 and 2/7."""
    found = judged(row(24, 0, 0, 9, 0), row(6, 99, 99, 3, 99), replace(ALL, has_source=EB))
    psi, _ = digamma_trigamma(np.array([25.0, 32.0, 10.0, 14.0]))
    mean = 5 / 7 * (psi[0] - psi[1]) + 2 / 7 * (psi[2] - psi[3])

    assert one(found.score) == pytest.approx(np.exp(mean))
    assert one(found.n_eff) == pytest.approx(42)


EB = np.array([1.0, 0.0, 0.0, 1.0, 0.0])
RARE = 100.0  # judgements for a KOL for each one against it, by a KOL of even trust


@given(st.floats(0.05, 0.95), st.floats(1.0, 1e4))
def test_trust_is_found_where_the_bad_is_said_a_hundred_times_more_rarely(
    true: float, many: float
) -> None:
    good, bad = np.full((1, 5), many * true), np.full((1, 5), many * (1 - true) / RARE)
    found = judged(
        good, bad, replace(ALL, good=np.full(5, 1e-9), bad=np.full(5, 1e-9), odds=ODDS, rarity=ODDS)
    )

    assert found.parts.score[0].tolist() == pytest.approx([true] * 5, rel=1e-6)


ODDS = np.full(5, RARE)


def covered(scored: Scored, true: Floats) -> float:
    """The share of intervals that hold what is true."""
    return float(((scored.low <= true) & (true <= scored.high)).mean())


def error(found: Floats, true: Floats) -> float:
    """The root of the mean squared error."""
    return float(np.sqrt(((found - true) ** 2).mean()))


def test_intervals_cover_where_the_bad_is_rare() -> None:
    """Counts are Poisson; a Beta(14, 6) population, of which the prior says as much."""
    generator = np.random.default_rng(20240520)
    kols = 20_000
    true = generator.beta(14, 6, (kols, 5))
    met = np.exp(generator.uniform(3, 8, (kols, 1)))
    good = generator.poisson(met * true).astype(np.float64)
    bad = generator.poisson(met * (1 - true) / RARE).astype(np.float64)
    prior = replace(ALL, good=np.full(5, 14.0), bad=np.full(5, 6.0), odds=ODDS, rarity=ODDS)
    found = judged(good, bad, prior)
    whole = np.exp(np.log(true) @ np.array(list(OMEGA.values())))
    omega, n = np.array(list(OMEGA.values())), good + bad
    share = (good + 1e-9) / (good + RARE * bad + 1e-9)
    all_alike, each_alike = combined(14 + n * share, 6 + n * (1 - share), omega)
    raw = np.exp(np.log(np.maximum(share, 1e-3)) @ omega)

    assert error(found.score, whole) <= 0.45 * error(raw, whole)
    assert 0.88 <= covered(found, whole) <= 0.92
    assert 0.88 <= covered(found.parts, true) <= 0.92
    assert covered(all_alike, whole) < 0.25  # as if each of n said as much: decision 38
    assert covered(each_alike, true) < 0.20


def test_what_is_common_is_shared_as_normal_variables_share_it() -> None:
    """Log-odds of many judgements are normal: their joint posterior is that of linear algebra.

    Prior covariance V = w (c 11' + (1 - c) I), evidence of precision p around t: the posterior
    has the covariance (1 / V + P)^-1, and the mean m + C P (t - m).
    """
    common, size, n = 0.4, 400.0, np.array([4_000.0, 300.0, 40.0, 1_000.0, 0.0])
    share = np.array([0.75, 0.72, 0.68, 0.71, 0.5])
    prior = replace(
        ALL, good=np.full(5, 0.7 * size), bad=np.full(5, 0.3 * size), common=np.full(5, common)
    )
    found = judged(row(*(n * share)), row(*(n * (1 - share))), prior)

    width, even = 1 / (size * 0.7 * 0.3), np.log(0.7 / 0.3)
    covariance = width * (common * np.ones((5, 5)) + (1 - common) * np.eye(5))
    precision = np.diag(n * share * (1 - share))
    posterior = np.linalg.inv(np.linalg.inv(covariance) + precision)
    odds = even + posterior @ precision @ (np.log(share / (1 - share)) - even)
    believed = 1 / (1 + np.exp(-odds))
    slope = np.array(list(OMEGA.values())) * (1 - believed)
    spread = np.sqrt(slope @ posterior @ slope)

    assert found.parts.score[0] == pytest.approx(believed, abs=2e-3)
    width_of_score = np.log(one(found.high) / one(found.low)) / (2 * Z)
    assert width_of_score == pytest.approx(spread, rel=0.03)


def test_drift_limits_what_any_number_of_judgements_says() -> None:
    """Evidence without end is worth 1 / (d T (1 - T)): that of today is not known better."""
    many = 1e9
    prior = replace(ALL, drift=np.full(5, 0.01))
    found = judged(np.full((1, 5), 0.7 * many), np.full((1, 5), 0.3 * many), prior)
    alpha = 1 + 0.7 / (0.01 * 0.7 * 0.3)
    beta = 1 + 0.3 / (0.01 * 0.7 * 0.3)

    assert found.parts.score[0].tolist() == pytest.approx([alpha / (alpha + beta)] * 5)
