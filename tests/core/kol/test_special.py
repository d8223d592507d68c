import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.kol.special import digamma_trigamma

EULER = 0.57721566490153286061  # the Euler-Mascheroni constant
CATALAN = 0.91596559417721901505
POSITIVE = st.floats(1e-3, 1e12)


def at(x: float) -> tuple[float, float]:
    psi, psi1 = digamma_trigamma(np.array([x]))
    return float(psi[0]), float(psi1[0])


@pytest.mark.parametrize(
    ("x", "psi", "psi1"),
    [  # Abramowitz & Stegun, 6.3.2-6.3.3, 6.4.2-6.4.4 and tables 6.1, 6.2
        (1.0, -EULER, math.pi**2 / 6),
        (0.5, -EULER - 2 * math.log(2), math.pi**2 / 2),
        (0.25, -EULER - math.pi / 2 - 3 * math.log(2), math.pi**2 + 8 * CATALAN),
        (2.0, 1 - EULER, math.pi**2 / 6 - 1),
        (1.5, 2 - EULER - 2 * math.log(2), math.pi**2 / 2 - 4),
        (10.0, 2.2517525890667211, 0.10516633568168575),
        (100.0, 4.6001618527380874, 0.010050166663333571),
    ],
)
def test_published_values_are_met(x: float, psi: float, psi1: float) -> None:
    assert at(x) == pytest.approx((psi, psi1), rel=1e-14)


def test_the_root_of_digamma_is_where_it_is_known_to_be() -> None:
    psi, _ = at(1.4616321449683623413)

    assert psi == pytest.approx(0.0, abs=1e-15)


@given(POSITIVE)
def test_one_step_adds_one_over_x(x: float) -> None:
    (psi, psi1), (next_psi, next_psi1) = at(x), at(x + 1)

    assert next_psi - psi == pytest.approx(1 / x, rel=1e-12, abs=1e-12)
    assert psi1 - next_psi1 == pytest.approx(1 / x**2, rel=1e-12, abs=1e-12)


@given(POSITIVE)
def test_doubling_the_argument_splits_it_in_two(x: float) -> None:
    (half, half1), (other, other1), (whole, whole1) = at(x), at(x + 0.5), at(2 * x)

    assert whole == pytest.approx((half + other) / 2 + math.log(2), rel=1e-12, abs=1e-12)
    assert whole1 == pytest.approx((half1 + other1) / 4, rel=1e-12)


@given(st.floats(0.01, 0.99))
def test_reflection_meets_the_trigonometric_functions(x: float) -> None:
    (left, left1), (right, right1) = at(x), at(1 - x)

    assert right - left == pytest.approx(math.pi / math.tan(math.pi * x), rel=1e-11, abs=1e-11)
    assert right1 + left1 == pytest.approx((math.pi / math.sin(math.pi * x)) ** 2, rel=1e-11)


def test_any_shape_comes_back_in_its_shape() -> None:
    psi, psi1 = digamma_trigamma(np.ones((3, 5)))

    assert psi.shape == psi1.shape == (3, 5)
    assert len(np.unique(psi)) == 1
