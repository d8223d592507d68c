"""Trust in a KOL as a node: a Beta reputation in five dimensions whose evidence fades.

    kappa = S[w] / S[w^2]                              Kish: S[w] of unequal weights says less
    alpha = a0 + kappa * S[good],  beta = b0 + kappa * S[bad]
    T     = alpha / (alpha + beta)                     of one dimension
    mean  = sum of omega * (psi(alpha) - psi(alpha + beta))
    var   = sum of omega^2 * (psi'(alpha) - psi'(alpha + beta))
    score = exp(mean),  interval exp(mean -+ 1.645 sqrt(var)), at most 1

S are faded sums of credible evidence, good and bad; w is its weight, squares fade twice
as fast. Mean and variance are the exact moments of a Beta variable's logarithm. The
dimensions multiply: integrity cannot be bought back with likes. A decayed sum of unit
evidence carries about twice its pseudo-count, hence kappa; since every sum enters by
ratios, the unit and the moment of reading cancel.

Jøsang & Ismail, The Beta Reputation System (2002); Kish, Survey Sampling (1965);
Jøsang, Subjective Logic (2016); Mayer, Davis & Schoorman (1995) for the dimensions.
Left out until its sources exist: evidence of the system itself (violations, audits),
which counts without allowance and not towards `n_eff`.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.cells import DIMENSIONS
from streams.core.arrays.arena import Floats
from streams.core.kol.priors import TrustPrior
from streams.core.kol.special import digamma_trigamma

OMEGA: Final = {"E": 0.25, "A": 0.25, "I": 0.25, "B": 0.10, "O": 0.15}  # weights, add up to 1
Z: Final = 1.645  # of a 90 % interval
FORGOTTEN: Final = float(np.finfo(np.float64).tiny)  # squares less than it are 500 half-lives old

_OMEGA: Final = np.array([OMEGA[d] for d in DIMENSIONS])


@dataclass(frozen=True, eq=False, slots=True)
class Scored:
    """A score with its 90 % interval, each shape (rows,), in [0, 1]."""

    score: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, eq=False, slots=True)
class Trust(Scored):
    """The trust score of each row and what it is made of."""

    parts: Floats  # T by dimension, shape (rows, 5), in [0, 1]
    uncertainty: Floats  # the prior's part in what is believed, shape (rows,), in [0, 1]
    n_eff: Floats  # independent unit judgements of users the evidence is worth, shape (rows,)


def trust(good: Floats, bad: Floats, square: Floats, prior: TrustPrior) -> Trust:
    """Trust by the evidence so far; sums of shape (rows, 5) in any common unit.

    `square` is in that unit squared. Where it is below `FORGOTTEN` there is no evidence.
    """
    total = good + bad
    kappa = ratio(total, square, square >= FORGOTTEN)
    alpha, beta = prior.good + kappa * good, prior.bad + kappa * bad
    believed = alpha + beta
    score = combined(alpha, beta)
    return Trust(
        score.score,
        score.low,
        score.high,
        parts=alpha / believed,
        uncertainty=_over_dimensions((prior.good + prior.bad) / believed, _OMEGA),
        n_eff=(kappa * total).sum(axis=1),
    )


def combined(alpha: Floats, beta: Floats) -> Scored:
    """The geometric mean of five Beta variables with its interval; shapes (rows, 5)."""
    psi, psi1 = digamma_trigamma(np.stack([alpha, alpha + beta]))
    mean = _over_dimensions(psi[0] - psi[1], _OMEGA)
    spread = Z * np.sqrt(_over_dimensions(psi1[0] - psi1[1], _OMEGA**2))
    return Scored(np.exp(mean), np.exp(mean - spread), np.minimum(np.exp(mean + spread), 1.0))


def ratio(over: Floats, under: Floats, where: NDArray[np.bool_]) -> Floats:
    """A quotient where it is defined, else 0."""
    return np.divide(over, under, out=np.zeros_like(over), where=where)


def _over_dimensions(values: Floats, weights: Floats) -> Floats:
    """The weighted sum of each row; a matrix product would round by the number of rows."""
    total: Floats = (values * weights).sum(axis=1)
    return total
