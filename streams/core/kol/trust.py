"""Trust in a KOL as a node: a Beta reputation in five dimensions whose evidence fades.

    n     = min(S[w]^2 / S[w^2], 2 S[w] / w_ref)       independent judgements
    T^    = S[good] / (S[good] + odds * S[bad])        what they say, beside the population
    m     = n * min(1, ((S[good] + odds * S[bad]) / S[w])^2 / odds)      how much it is worth
    alpha = a0 + m * T^,  beta = b0 + m * (1 - T^)
    T     = alpha / (alpha + beta)                     of one dimension
    mean  = sum of omega * (psi(alpha) - psi(alpha + beta))
    var   = sum of omega^2 * (psi'(alpha) - psi'(alpha + beta))
    score = exp(mean),  interval exp(mean -+ 1.645 sqrt(var)), at most 1

S are faded sums of credible evidence, good and bad, read now; w is its weight, squares fade
twice as fast. Mean and variance are the exact moments of a Beta variable's logarithm. The
dimensions multiply: integrity cannot be bought back with likes; omega is renormalised over those
that have a source here.

*n.* Kish's number for unequal weights says nothing of age or of credibility: all silence and all
young accounts cancel in it. A steady stream of usual weight w_ref has 2 S / w_ref, twice its faded
sum, which is Kish's number, too; less has who is silent, or is judged by accounts of little credit.

*odds, m.* People say far more often that something was good than that it was not: with saves at
a rate r for each unit of trust and corrections at a rate r / odds for each unit of distrust, T^
is trust. Its logarithm's odds vary as 1/good + 1/bad counts do, so it is worth as many equal
judgements as have that variance: m, n itself where odds are 1. Where all speak against a KOL it
would be more than n, which is not believed.

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
    """A score with its 90 % interval, each shape (rows,) or (rows, 5), in [0, 1]."""

    score: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, eq=False, slots=True)
class Trust(Scored):
    """The trust score of each row and what it is made of.

    Parts have shape (rows, 5); NaN where no row's population has a source of the dimension.
    """

    parts: Scored  # T by dimension, with its interval
    n: Floats  # independent judgements by dimension
    uncertainty: Floats  # the prior's part in what is believed, shape (rows,), in [0, 1]
    n_eff: Floats  # independent judgements of users the evidence is worth, shape (rows,)


def trust(good: Floats, bad: Floats, square: Floats, prior: TrustPrior) -> Trust:
    """Trust by the evidence so far; sums of shape (rows, 5) as they stand now.

    They are in the unit of `prior.weight`, `square` in that unit squared. Where it is below
    `FORGOTTEN` there is no evidence.
    """
    used = np.flatnonzero(prior.has_source.reshape(-1, len(DIMENSIONS)).any(axis=0))
    good, bad, square, some = good[:, used], bad[:, used], square[:, used], prior.columns(used)
    total = good + bad
    seen = square >= FORGOTTEN
    n = judgements(total, square, some.weight)
    weighed = good + some.odds * bad
    share = ratio(good, weighed, seen)
    worth = n * np.minimum(ratio(weighed, total, seen) ** 2 / some.odds, 1.0)
    alpha, beta = some.good + worth * share, some.bad + worth * (seen - share)
    omega = _weights(prior.has_source)[..., used]
    score, parts = combined(alpha, beta, omega)
    unknown = (some.good + some.bad) / (alpha + beta)
    return Trust(
        score.score,
        score.low,
        score.high,
        parts=Scored(*(_in_place(part, used) for part in (parts.score, parts.low, parts.high))),
        n=_in_place(n, used),
        uncertainty=_over_dimensions(unknown, omega),
        n_eff=_over_dimensions(n, some.has_source),
    )


def judgements(total: Floats, square: Floats, weight: Floats) -> Floats:
    """How many independent judgements faded sums of weights and of their squares are worth."""
    kish = total * ratio(total, square, square >= FORGOTTEN)
    n: Floats = np.minimum(kish, 2.0 * total / weight)
    return n


def combined(alpha: Floats, beta: Floats, omega: Floats) -> tuple[Scored, Scored]:
    """The weighted geometric mean of Beta variables, and each of them; shapes (rows, n).

    Each of them is its mean, which the score is not: that is made of logarithms.
    """
    psi, psi1 = digamma_trigamma(np.stack([alpha, alpha + beta]))
    logs, variances = psi[0] - psi[1], psi1[0] - psi1[1]
    whole = _spread(_over_dimensions(logs, omega), _over_dimensions(variances, omega**2))
    each = _spread(logs, variances)
    return whole, Scored(alpha / (alpha + beta), each.low, each.high)


def _spread(mean: Floats, variance: Floats) -> Scored:
    """A value and its interval, by mean and variance of its logarithm."""
    spread = Z * np.sqrt(variance)
    return Scored(np.exp(mean), np.exp(mean - spread), np.minimum(np.exp(mean + spread), 1.0))


def _in_place(some: Floats, used: NDArray[np.intp]) -> Floats:
    """Columns of the dimensions used, among all: NaN of the others; shape (rows, 5)."""
    every = np.full((len(some), len(DIMENSIONS)), np.nan)
    every[:, used] = some
    return every


def _weights(has_source: Floats) -> Floats:
    """Omega of the dimensions that have a source; adds up to 1."""
    omega = _OMEGA * has_source
    weights: Floats = omega / omega.sum(axis=-1, keepdims=True)
    return weights


def ratio(over: Floats, under: Floats, where: NDArray[np.bool_]) -> Floats:
    """A quotient where it is defined, else 0."""
    return np.divide(over, under, out=np.zeros_like(over), where=where)


def _over_dimensions(values: Floats, weights: Floats) -> Floats:
    """The weighted sum of each row; a matrix product would round by the number of rows."""
    total: Floats = (values * weights).sum(axis=1)
    return total
