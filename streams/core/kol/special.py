"""Digamma and trigamma: the moments of the logarithm of a Beta variable are made of them.

    psi(x)  = psi(x + n)  - sum_{i<n} 1 / (x + i)
    psi1(x) = psi1(x + n) + sum_{i<n} 1 / (x + i)^2

and at x + n >= 8 their asymptotic series to the seventh Bernoulli number, whose first
term left out is below 2e-15. Abramowitz & Stegun, Handbook of Mathematical Functions
(1964), 6.3.5, 6.3.18, 6.4.6, 6.4.11. Negative arguments are left out.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SHIFT: Final = 8  # steps of the recurrence: from here on the series is as exact as a double
# B_2k, k = 7 down to 1
BERNOULLI: Final = (7 / 6, -691 / 2730, 5 / 66, -1 / 30, 1 / 42, -1 / 30, 1 / 6)


def digamma_trigamma(x: Floats) -> tuple[Floats, Floats]:
    """psi(x) and psi'(x) for x > 0, of any shape, each to 1e-14 of its size or of one.

    >>> psi, psi1 = digamma_trigamma(np.array([1.0]))
    >>> round(float(psi[0]), 13), round(float(psi1[0]), 13)
    (-0.5772156649015, 1.6449340668482)
    """
    low, low1 = np.zeros_like(x), np.zeros_like(x)
    for step in range(SHIFT):
        inverse = 1.0 / (x + step)
        low += inverse
        low1 += inverse * inverse
    y = x + SHIFT
    inverse = 1.0 / y
    square = inverse * inverse
    series, series1 = np.zeros_like(x), np.zeros_like(x)
    for left, number in enumerate(BERNOULLI):
        k = len(BERNOULLI) - left
        series = (series + number / (2 * k)) * square
        series1 = (series1 + number) * square
    psi = np.log(y) - inverse / 2 - series - low
    psi1 = inverse * (1 + inverse / 2 + series1) + low1
    return psi, psi1
