"""Populations that are drawn as the model says are found again."""

from dataclasses import fields

import numpy as np
import pytest

from schemas.cells import DIMENSIONS
from schemas.numbered import TRUST_PARTS
from streams.core.arrays.arena import Floats
from streams.core.kol.population import ALL, DAYS, Evidence, group_of, populations
from streams.core.kol.priors import TRUST, TRUST_HALF_LIFE, TrustPrior
from streams.core.kol.trust import OMEGA, trust

KOLS = 4_000
RARITY = np.array([18.0, 1.0, 1.0, 6.0, 1.0])
FOR, AGAINST = 200_000.0, 100_000.0  # weights of a word
OMEGAS = np.array(list(OMEGA.values()))


def drawn(seed: int, common: float, spread: float = 0.5) -> Floats:
    """Trust in five dimensions, shape (KOLS, 5): normal log-odds, so that .70 is the mean."""
    rng = np.random.default_rng(seed)
    g, e = rng.standard_normal((KOLS, 1)), rng.standard_normal((KOLS, 5))
    odds = 0.9 + spread * (np.sqrt(common) * g + np.sqrt(1 - common) * e)
    found: Floats = 1 / (1 + np.exp(-odds))
    return found


def judged(seed: int, true: Floats, rarity: Floats = RARITY) -> tuple[Floats, Floats]:
    """Weights for and against, by words of one weight each."""
    rng = np.random.default_rng(seed)
    met = np.exp(rng.uniform(0, 6, (len(true), 1)))
    good, bad = rng.poisson(met * true), rng.poisson(met * (1 - true) / rarity)
    return FOR * good.astype(np.float64), AGAINST * bad.astype(np.float64)


def evidence(good: Floats, bad: Floats, group: list[str] | None = None) -> Evidence:
    return Evidence(
        good, bad, FOR * good.sum(axis=0), AGAINST * bad.sum(axis=0), group or [""] * len(good)
    )


def test_parts_of_a_number_are_those_of_a_prior() -> None:
    assert [part.removeprefix("has_") for part in (one.name for one in fields(TrustPrior))] == list(
        TRUST_PARTS
    )


def test_what_a_population_was_drawn_with_is_found() -> None:
    """Log-odds that spread by .5 vary as those of a Beta variable with M = 19.6: psi1 sums."""
    found = populations(evidence(*judged(2, drawn(1, common=0.4))))[ALL]

    assert found.rarity == pytest.approx(RARITY, rel=0.05)
    assert found.odds == pytest.approx(RARITY * FOR / AGAINST, rel=0.05)
    assert set(found.good / (found.good + found.bad)) == {0.7}
    assert (found.good + found.bad)[0] == pytest.approx(19.6, rel=0.15)
    assert found.common[0] == pytest.approx(0.4, abs=0.1)
    assert found.has_source.tolist() == [1.0] * 5


def test_dimensions_that_have_nothing_in_common_are_found_so() -> None:
    assert populations(evidence(*judged(4, drawn(3, common=0.0))))[ALL].common[0] <= 0.05


def test_intervals_cover_what_was_drawn_and_what_is_common_helps() -> None:
    true = drawn(5, common=0.5)
    good, bad = judged(6, true)
    prior = populations(evidence(good, bad))[ALL]
    whole = np.exp(np.log(true) @ OMEGAS)
    square = FOR * good + AGAINST * bad
    with_common = trust(good, bad, square, prior)
    parts = {part.name: getattr(prior, part.name) for part in fields(TrustPrior)}
    alone = trust(good, bad, square, TrustPrior(**{**parts, "common": np.zeros(5)}))

    def missed(low: Floats, high: Floats) -> float:
        return float(((whole < low) | (whole > high)).mean())

    def error(score: Floats) -> float:
        return float(np.sqrt(((score - whole) ** 2).mean()))

    assert missed(with_common.low, with_common.high) == pytest.approx(0.10, abs=0.03)
    assert missed(alone.low, alone.high) > 0.2
    assert error(with_common.score) < 0.95 * error(alone.score)


def test_groups_of_whom_nothing_is_said_are_as_all() -> None:
    true = drawn(7, common=0.4)
    good, bad = judged(8, true)
    good[:50], bad[:50] = 0, 0
    group = ["koc/care"] * 50 + ["head/care"] * (KOLS - 50)
    found = populations(evidence(good, bad, group))

    assert found["koc/care"].rarity.tolist() == found[ALL].rarity.tolist()


def test_a_group_that_complains_twice_as_often_is_measured_by_itself() -> None:
    true = drawn(9, common=0.4)
    rarity = np.where(np.arange(KOLS)[:, None] < KOLS / 2, RARITY, RARITY / 2)
    group = ["koc/care"] * (KOLS // 2) + ["koc/food"] * (KOLS // 2)
    found = populations(evidence(*judged(10, true, rarity), group))

    assert found["koc/care"].rarity == pytest.approx(2 * found["koc/food"].rarity, rel=0.1)


def test_a_dimension_too_few_are_judged_in_is_as_before_there_was_a_number() -> None:
    good, bad = judged(12, drawn(11, common=0.4))
    good[29:, 1], bad[29:, 1] = 0, 0
    found = populations(evidence(good, bad))[ALL]

    for part in fields(TrustPrior):
        assert getattr(found, part.name)[1] == getattr(TRUST, part.name)[1]
    assert found.has_source.tolist() == [1, 0, 1, 1, 1]
    assert populations(evidence(good[:20], bad[:20])) == {}


def test_no_bad_word_at_all_is_no_certainty() -> None:
    good, bad = judged(14, drawn(13, common=0.4))
    found = populations(evidence(good, 0 * bad))[ALL]

    assert np.isfinite([getattr(found, part.name) for part in fields(TrustPrior)]).all()


def test_four_half_lives_are_counted_two_of_outcomes() -> None:
    day = 1_440
    assert {d: DAYS[d] * day / TRUST_HALF_LIFE[d] for d in DIMENSIONS} == {
        **dict.fromkeys(DIMENSIONS, 4),
        "O": 2,
    }


def test_a_group_needs_tier_and_vertical() -> None:
    assert group_of("koc", "care") == "koc/care"
    assert group_of("koc", "") == group_of("", "care") == ""
