import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.kol.priors import RESONANCE
from streams.core.kol.resonance import GAMMA, MISSING, resonance
from streams.core.kol.trust import Scored, Z

DEPTHS = st.lists(st.floats(0, 6), min_size=1, max_size=60)


def seen(depths: list[float], factor: float = 1.0) -> Scored:
    """Resonance by user-days of these depths, all of the same age."""
    days = len(depths) * factor
    return resonance(
        np.array([sum(depths) * factor]),
        np.array([sum(d * d for d in depths) * factor]),
        np.array([days]),
        np.array([days * factor]),
        RESONANCE,
    )


def one(scored: Scored) -> tuple[float, float, float]:
    return float(scored.score[0]), float(scored.low[0]), float(scored.high[0])


def test_a_kol_without_an_audience_may_stand_anywhere_in_the_population() -> None:
    score, low, high = one(seen([]))
    edge = 1 / (1 + math.exp(-Z))

    assert score == 0.5
    assert [low, high] == pytest.approx([1 - edge, edge])  # .16 to .84


@given(DEPTHS)
def test_the_score_is_that_of_the_seen_and_the_pseudo_days_together(depths: list[float]) -> None:
    n, n0 = len(depths), RESONANCE.days
    mean = (sum(depths) + n0 * RESONANCE.median) / (n + n0)
    squares = sum((d - mean) ** 2 for d in depths)
    squares += n0 * (RESONANCE.variance + (RESONANCE.median - mean) ** 2)
    spread = Z * math.sqrt(squares / (n + n0) ** 2)
    ends = [mean, mean - spread, mean + spread]
    z = [(depth - RESONANCE.median) / (1.4826 * RESONANCE.mad) for depth in ends]

    assert one(seen(depths)) == pytest.approx([1 / (1 + math.exp(-x)) for x in z], rel=1e-9)


@given(DEPTHS, st.integers(-60, 60))
def test_the_moment_of_reading_cancels(depths: list[float], halvings: int) -> None:
    assert one(seen(depths, 2.0**halvings)) == pytest.approx(one(seen(depths)), rel=1e-12)


def test_a_deeper_audience_resonates_more() -> None:
    shallow, deep = seen([0.4] * 50), seen([1.6] * 50)

    assert deep.low[0] > shallow.high[0]


def test_one_fan_does_not_carry_a_score() -> None:
    fan = math.log1p(10_000)  # a day of 1 000 comments and more

    assert one(seen([fan] + [0.0] * 99))[0] < one(seen([0.5] * 100))[0]


def test_more_days_narrow_the_interval() -> None:
    widths = [high - low for _, low, high in (one(seen([0.4, 1.0] * n)) for n in (1, 10, 100))]

    assert widths == sorted(widths, reverse=True)


def test_squares_that_round_below_the_mean_are_no_variance() -> None:
    third = np.array([1 / 3])
    scored = resonance(
        3 * third, third**2 * 3 * (1 - 1e-15), np.full(1, 3.0), np.full(1, 3.0), RESONANCE
    )

    assert np.isfinite(scored.low).all()


def test_every_missing_part_has_its_reason() -> None:
    assert set(GAMMA) - set(MISSING) == {"depth"}
    assert all(MISSING.values())
    assert sum(GAMMA.values()) == pytest.approx(1.0)


def test_nine_in_ten_intervals_cover_the_depth_in_a_steady_world() -> None:
    generator = np.random.default_rng(20240520)
    kols, days = 4_000, 60
    depth = RESONANCE.median + RESONANCE.scale * generator.standard_normal(kols).clip(-2, 2)
    shape = depth**2 / RESONANCE.variance  # gamma: skewed as depths are, with that variance
    observed = generator.gamma(shape[:, None], (depth / shape)[:, None], (kols, days))
    audience = np.full(kols, float(days))
    scored = resonance(observed.sum(1), (observed**2).sum(1), audience, audience, RESONANCE)
    truth = 1 / (1 + np.exp(-(depth - RESONANCE.median) / RESONANCE.scale))

    assert 0.87 <= ((scored.low <= truth) & (truth <= scored.high)).mean() <= 0.93
