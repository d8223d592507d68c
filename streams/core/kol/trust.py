"""Trust in a KOL as a node: a Beta reputation in five dimensions whose evidence fades.

    n     = min(S[w]^2 / S[w^2], 2 S[w] / w_ref)       independent judgements
    T^    = S[good] / (S[good] + odds * S[bad])        what they say, beside the population
    m     = n * min(1, r / ((1 - T^) + r T^)^2)        how much it is worth; r is the rarity
    m    <- m / (1 + m d T (1 - T))                    as far as it is true of today; d is the drift
    alpha = a + m * T^,  beta = b + m * (1 - T^)
    T     = alpha / (alpha + beta)                     of one dimension
    mean  = sum of omega * (psi(alpha) - psi(alpha + beta))
    var   = sum of omega^2 * (psi'(alpha) - psi'(alpha + beta)) + (sum of omega * s)^2
    score = exp(mean),  interval exp(mean -+ 1.645 sqrt(var)), at most 1

S are faded sums of credible evidence, good and bad, read now; w is its weight, squares fade
twice as fast. Mean and variance are the exact moments of a Beta variable's logarithm. The
dimensions multiply: integrity cannot be bought back with likes; omega is renormalised over those
that have a source here.

*n.* Kish's number for unequal weights says nothing of age or of credibility: all silence and all
young accounts cancel in it. A steady stream of usual weight w_ref has 2 S / w_ref, twice its faded
sum, which is Kish's number, too; less has who is silent, or is judged by accounts of little credit.

*odds, r, m.* People say far more often that something was good than that it was not: with saves at
a rate q for each unit of trust and corrections at a rate q / odds for each unit of distrust, T^
is trust. Its log-odds vary as 1 / goods + 1 / bads do, counted as judgements, of which r come for
it where trust is even for each one against it (r is odds where both weigh alike). So it is worth
as many equal judgements as vary as much: m, n itself where r is 1. Where all speak against a KOL
it would be more than n, which is not believed.

*a, b, s.* Who is trusted in one dimension is rather trusted in all: log-odds of a population are
mu + sqrt(common) g + sqrt(1 - common) e, in units of their spread, g of the KOL, e of each
dimension, both normal. What is known of each dimension says something of g, and g, as far as it
is known, of every dimension: a and b are what the population says of a KOL with this g, s is how
much the logarithm of each T varies with what is not known of g. Where common is 0, a and b are
a0 and b0 of the population, s is 0.

Jøsang & Ismail, The Beta Reputation System (2002); Kish, Survey Sampling (1965);
Jøsang, Subjective Logic (2016); Mayer, Davis & Schoorman (1995) for the dimensions;
Efron & Morris, Stein's estimator (1975) for what one dimension says of another.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.cells import DIMENSIONS
from streams.core.arrays.arena import Floats
from streams.core.kol.priors import TrustPrior
from streams.core.kol.special import digamma_trigamma

OMEGA: Final = {"E": 0.25, "A": 0.25, "I": 0.25, "B": 0.10, "O": 0.15}  # weights, add up to 1
Z: Final = 1.645  # of a 90 % interval
FORGOTTEN: Final = float(np.finfo(np.float64).tiny)  # squares less than it are 500 half-lives old
LEAST: Final = 0.1  # judgements: log-odds of fewer are not taken

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
    seen = square >= FORGOTTEN
    n = judgements(good + bad, square, some.weight)
    share = ratio(good, good + some.odds * bad, seen)
    worth = _worth(n, share, some)
    alpha, beta = some.good + worth * share, some.bad + worth * (seen - share)
    unknown = (some.good + some.bad) / (alpha + beta)
    omega = _weights(prior.has_source)[..., used]
    shared = None
    if some.common.any():
        own = _own_prior(alpha, beta, some)
        alpha, beta = own.good + worth * share, own.bad + worth * (seen - share)
        shared = own.shared * beta / (alpha + beta)
    score, parts = combined(alpha, beta, omega, shared)
    return Trust(
        score.score,
        score.low,
        score.high,
        parts=Scored(*(_in_place(part, used) for part in (parts.score, parts.low, parts.high))),
        n=_in_place(n, used),
        uncertainty=_over_dimensions(unknown, omega),
        n_eff=_over_dimensions(n, some.has_source),
    )


def _worth(n: Floats, share: Floats, prior: TrustPrior) -> Floats:
    """As how many equal judgements of today n judgements count of which a share is good."""
    worth = n * np.minimum(prior.rarity / ((1 - share) + prior.rarity * share) ** 2, 1.0)
    if not prior.drift.any():
        return worth
    believed = (prior.good + worth * share) / (prior.good + prior.bad + worth)
    limited: Floats = worth / (1 + worth * prior.drift * believed * (1 - believed))
    return limited


class _OwnPrior(NamedTuple):
    """What a population says of a KOL by what is known of its other dimensions."""

    good: Floats  # shape (rows, n)
    bad: Floats
    shared: Floats  # how log-odds vary with what all have in common, standard deviation


def _own_prior(alpha: Floats, beta: Floats, prior: TrustPrior) -> _OwnPrior:
    """The population's Beta variables beside a KOL's, each by itself so far; shapes (rows, n)."""
    usual, width = _log_odds(prior.good, prior.bad)
    found, left = _log_odds(alpha, beta)
    known = np.maximum(1 / left - 1 / width, 0.0) * prior.has_source  # precision of the evidence
    load = np.sqrt(prior.common * width)
    free = 1 / (1 + (1 - prior.common) * width * known)
    variance = 1 / (1 + (load**2 * known * free).sum(axis=1, keepdims=True))
    pulled = load * free * prior.has_source * (found - usual) / left
    mean = variance * pulled.sum(axis=1, keepdims=True)
    even = prior.bad / (prior.bad + prior.good * np.exp(load * mean))  # 1 - T
    precision = prior.good * prior.bad / (prior.good + prior.bad) / (1 - prior.common)
    moves = load > 0  # where nothing is in common, the same bits as without
    return _OwnPrior(
        np.where(moves, precision / even, prior.good),
        np.where(moves, precision / (1 - even), prior.bad),
        load * free * np.sqrt(variance),
    )


def _log_odds(good: Floats, bad: Floats) -> tuple[Floats, Floats]:
    """Mean and variance of a Beta variable's log-odds: psi(x) is near ln(x - 1/2) from 1 on."""
    good, bad = np.maximum(good - 0.5, LEAST), np.maximum(bad - 0.5, LEAST)
    return np.log(good / bad), 1 / good + 1 / bad


def judgements(total: Floats, square: Floats, weight: Floats) -> Floats:
    """How many independent judgements faded sums of weights and of their squares are worth."""
    kish = total * ratio(total, square, square >= FORGOTTEN)
    n: Floats = np.minimum(kish, 2.0 * total / weight)
    return n


def combined(
    alpha: Floats, beta: Floats, omega: Floats, shared: Floats | None = None
) -> tuple[Scored, Scored]:
    """The weighted geometric mean of Beta variables, and each of them; shapes (rows, n).

    Each of them is its mean, which the score is not: that is made of logarithms. Logarithms vary
    together by `shared`, standard deviations; None: each by itself.
    """
    psi, psi1 = digamma_trigamma(np.stack([alpha, alpha + beta]))
    logs, variances = psi[0] - psi[1], psi1[0] - psi1[1]
    variance = _over_dimensions(variances, omega**2)
    if shared is not None:
        variance += _over_dimensions(shared, omega) ** 2
        variances += shared**2
    whole = _spread(_over_dimensions(logs, omega), variance)
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
