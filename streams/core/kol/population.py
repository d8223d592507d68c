"""What a population of KOLs says of trust before there is evidence of one: empirical Bayes.

    good_k, bad_k      judgements for and against KOL k in a dimension: sums of weights of the last
                       weeks that do not fade, over the usual weight of a word for or against
    q(T)               = (1 - T) / ((1 - T) + rarity T)    the part that is bad where trust is T
    likelihood of k    = integral of q^bad (1 - q)^good Beta(T; .70 M, .30 M) dT
    rarity             = that of the greatest product over all KOLs, of each dimension
    odds               = rarity * usual weight for / usual weight against
    M                  = the precision of the greatest product over all KOLs and dimensions
    common             = the share of the greatest product over all KOLs of
                         integral of prod over dimensions of likelihood(g) Normal(g; 0, 1) dg

*The scale.* Nobody knows how often people say that something was good; so the average KOL has the
trust .70 by definition, in each dimension and each group, and all others are measured beside it. Of
a giant as much is known as of one KOL, so no giant is the average. (The average, not the median:
of a small KOL nothing bad is known at all, and that is most of them.)

*One precision.* What is bad is rare: a dimension may have one bad word for each KOL, which says
next to nothing of how KOLs differ. All dimensions together say it; each by itself was anything
between 17 and 67 where 20 is true, and missed intervals followed.

*Groups*, tier and vertical, differ in how often people speak. The logarithm of their rarity is
moved from that of all by I / (I + HELD) of the way to their own, I = 1 / (1 / bad + width / KOLs):
few bad words say little, and few KOLs are no average (`width` is the variance of their log-odds).

*Few judgements* say nothing of how KOLs differ, and all of them alike would be the narrowest of
lies: so M is held near 20, by a spread of its logarithm of 1, and `common` near 0 by one of 1/2.

`drift` is no fit: log-odds of a KOL are taken to move by .02 a day, which a faded sum follows
with a variance of .02^2 / (2 ln 2 / half-life).

Kleinman, Proportions with Extraneous Variance (1973) for the model; integrals are sums.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.cells import DIMENSIONS
from schemas.columns import Mask
from streams.core.arrays.arena import Floats
from streams.core.kol.decay import DAY
from streams.core.kol.priors import TRUST, TRUST_HALF_LIFE, TrustPrior
from streams.core.kol.special import digamma_trigamma

ALL: Final = "all"  # the group of all KOLs
DAYS: Final = {d: 120 if d == "O" else 56 for d in DIMENSIONS}  # that evidence is of
AVERAGE: Final = 0.70  # trust of the average KOL, by definition
MOST: Final = 50.0  # judgements that a KOL counts for in a first average
FEWEST_KOLS: Final = 30  # who are judged in a dimension, for it to be one
LEAST_N: Final = 1.0  # judgements of a KOL who is judged
HELD: Final = 50.0  # rarities of groups are taken to differ by 14 %: 1 / sqrt(HELD)
HALF: Final = 0.5  # of a judgement each way: nothing bad at all is no certainty
PRECISIONS: Final = np.geomspace(5, 200, 60)  # M
USUAL_PRECISION, SPREAD = 20.0, 1.0  # half of the KOLs within .63 and .78; of the logarithm
MOVES: Final = np.exp(np.linspace(-0.3, 0.3, 25))  # of a first rarity to the likeliest
COMMON: Final = np.linspace(0, 0.9, 19)
SPREAD_OF_COMMON: Final = 0.5
DRIFT: Final = 0.02  # of log-odds, standard deviation of a day
SAMPLE: Final = 8_192  # KOLs that a precision is fitted to, evenly among all
AT_ONCE: Final = 2_048  # KOLs

_T: Final = (np.arange(200) + 0.5) / 200
_G: Final = np.linspace(-3, 3, 13)  # of g, in standard deviations
_LEAST_LIKELY: Final = 1e-300


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was said of KOLs in the last `DAYS`: sums that do not fade."""

    good: Floats  # weights, shape (kols, 5), in any unit
    bad: Floats
    good_square: Floats  # squared weights of all KOLs, shape (5,)
    bad_square: Floats
    group: Sequence[str]  # of each KOL, as `group_of`


class _Dimension(NamedTuple):
    """The judgements of one dimension that is judged often enough."""

    place: int  # among `DIMENSIONS`
    good: Floats  # judgements, shape (kols,)
    bad: Floats
    units: tuple[float, float]  # usual weights of a word for and of one against
    rarity: float  # of all KOLs

    @property
    def is_judged(self) -> Mask:
        """Which KOLs are judged in it."""
        judged: Mask = self.good + self.bad >= LEAST_N
        return judged

    def rarity_of(self, group: Mask, width: float) -> float:
        """The rarity of a group: that of all, moved by what is said in it, as far as it says much.

        `width` is the variance of a KOL's log-odds: few KOLs are no average.
        """
        of = group & self.is_judged
        usual = _ratio(*_totals(self.good[self.is_judged], self.bad[self.is_judged]))
        good, bad = _totals(self.good[of], self.bad[of])
        own = (good + HALF * usual) / (bad + HALF)
        known = 1 / (1 / (bad + HALF) + width / max(int(np.count_nonzero(of)), 1))
        return float(self.rarity * (own / usual) ** (known / (known + HELD)))

    def likelihoods(self, which: NDArray[np.intp]) -> "_Likelihoods":
        """How likely each of `_T` makes the judgements of KOLs."""
        q = (1 - _T) / ((1 - _T) + self.rarity * _T)
        logs = np.outer(self.bad[which], np.log(q)) + np.outer(self.good[which], np.log1p(-q))
        top = logs.max(axis=1)
        return _Likelihoods(np.exp(logs - top[:, None]), top)


class _Likelihoods(NamedTuple):
    """Of KOLs, by value of trust."""

    values: Floats  # beside the greatest, shape (kols, values)
    top: Floats  # the logarithm of the greatest, shape (kols,)


def group_of(tier: str, vertical: str) -> str:
    """The group of a KOL; empty where its tier or vertical is not known."""
    return f"{tier}/{vertical}" if tier and vertical else ""


def populations(evidence: Evidence) -> dict[str, TrustPrior]:
    """What holds for all KOLs and for each group, by name.

    Empty where no dimension has enough KOLs that are judged in it. What cannot be said of a
    dimension is as in population 0.
    """
    judged = _judged(evidence)
    if not judged:
        return {}
    density = _densities(np.array([_precision(judged)]))[:, 0]
    judged = [one._replace(rarity=_rarity(one, density)) for one in judged]
    precision = _precision(judged)
    usual, width = _log_odds(precision)
    common = _common(judged, usual, width)
    groups = np.array(evidence.group, np.str_)
    found = {ALL: _prior(judged, [one.rarity for one in judged], precision, common)}
    for name in sorted(set(evidence.group) - {""}):
        rarities = [one.rarity_of(groups == name, width) for one in judged]
        found[name] = _prior(judged, rarities, precision, common)
    return found


def _judged(evidence: Evidence) -> list[_Dimension]:
    found = []
    for place in range(len(DIMENSIONS)):
        good, bad = evidence.good[:, place], evidence.bad[:, place]
        unit = _unit(evidence.good_square[place] + evidence.bad_square[place], good + bad, 1.0)
        units = (
            _unit(evidence.good_square[place], good, unit),
            _unit(evidence.bad_square[place], bad, unit),
        )
        good, bad = good / units[0], bad / units[1]
        if np.count_nonzero(good + bad >= LEAST_N) >= FEWEST_KOLS:
            first = _ratio(*_totals(good, bad)) * (1 - AVERAGE) / AVERAGE
            found.append(_Dimension(place, good, bad, units, first))
    return found


def _unit(squares: float, weights: Floats, otherwise: float) -> float:
    """The usual weight of a word."""
    total = float(weights.sum())
    return float(squares) / total if total > 0 else otherwise


def _totals(good: Floats, bad: Floats) -> tuple[float, float]:
    """Judgements of KOLs of whom none counts for more than `MOST`."""
    counts = np.minimum(1.0, MOST / np.maximum(good + bad, MOST))
    return float((counts * good).sum()), float((counts * bad).sum())


def _ratio(good: float, bad: float) -> float:
    """How many good judgements come for a bad one."""
    return (good + HALF) / (bad + HALF)


def _prior(
    judged: Sequence[_Dimension], rarities: Sequence[float], precision: float, common: float
) -> TrustPrior:
    """Population 0, and what is said of the dimensions that are judged."""
    parts = {part.name: getattr(TRUST, part.name).copy() for part in fields(TrustPrior)}
    for one, rarity in zip(judged, rarities, strict=True):
        unit_for, unit_against = one.units
        weights = one.good.sum() * unit_for + one.bad.sum() * unit_against
        squares = one.good.sum() * unit_for**2 + one.bad.sum() * unit_against**2
        said = {
            "good": AVERAGE * precision,
            "bad": (1 - AVERAGE) * precision,
            "odds": rarity * unit_for / unit_against,
            "rarity": rarity,
            "common": common,
            "drift": _DRIFTS[one.place],
            "weight": squares / weights,
            "has_source": 1.0,
        }
        for name, value in said.items():
            parts[name][one.place] = value
    return TrustPrior(**parts)


def _densities(precisions: Floats) -> Floats:
    """How probable each of `_T` is in populations; shape (values, populations)."""
    logs = np.outer(np.log(_T), AVERAGE * precisions - 1)
    logs += np.outer(np.log1p(-_T), (1 - AVERAGE) * precisions - 1)
    density: Floats = np.exp(logs - logs.max(axis=0))
    density /= density.sum(axis=0)
    return density


def _rarity(one: _Dimension, density: Floats) -> float:
    """The rarity that makes what was said of KOLs most likely."""
    tried = one.rarity * MOVES
    fit = np.zeros(len(tried))
    for some in _portions(np.flatnonzero(one.is_judged)):
        for place, rarity in enumerate(tried.tolist()):
            likely = one._replace(rarity=rarity).likelihoods(some)
            fit[place] += (np.log(likely.values @ density + _LEAST_LIKELY) + likely.top).sum()
    return float(tried[fit.argmax()])


def _precision(judged: Sequence[_Dimension]) -> float:
    """M, of all dimensions together."""
    density = _densities(PRECISIONS)
    fit = -0.5 * (np.log(PRECISIONS / USUAL_PRECISION) / SPREAD) ** 2
    for one in judged:
        for some in _portions(np.flatnonzero(one.is_judged)):
            fit += np.log(one.likelihoods(some).values @ density + _LEAST_LIKELY).sum(axis=0)
    return float(PRECISIONS[fit.argmax()])


def _log_odds(precision: float) -> tuple[float, float]:
    """Mean and variance of a population's log-odds."""
    psi, psi1 = digamma_trigamma(precision * np.array([AVERAGE, 1 - AVERAGE]))
    return float(psi[0] - psi[1]), float(psi1.sum())


def _common(judged: Sequence[_Dimension], usual: float, width: float) -> float:
    """How much of the variance of log-odds all dimensions of a KOL have in common."""
    if len(judged) == 1:
        return 0.0
    fit = -0.5 * (COMMON / SPREAD_OF_COMMON) ** 2
    total = np.sum([one.good + one.bad for one in judged], axis=0)
    for some in _portions(np.flatnonzero(total >= LEAST_N)):
        logs = np.zeros((len(COMMON), len(some), len(_G)))
        for one in judged:
            likely = one.likelihoods(some).values
            for place, common in enumerate(COMMON):
                density = _of_g(common, usual, width)
                logs[place] += np.log(likely @ density + _LEAST_LIKELY)
        top = logs.max(axis=2, keepdims=True)
        fit += (np.log(np.exp(logs - top) @ _WEIGHT_OF_G) + top[..., 0]).sum(axis=1)
    return float(COMMON[fit.argmax()])


def _of_g(common: float, usual: float, width: float) -> Floats:
    """How probable each of `_T` is where g is each of `_G`, shape (values, gs)."""
    centre = usual + np.sqrt(width * common) * _G
    off = (_LOG_ODDS[:, None] - centre) ** 2 / (width * (1 - common))
    density: Floats = np.exp(-0.5 * off) / (_T * (1 - _T))[:, None]
    density /= density.sum(axis=0)
    return density


def _portions(which: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    """At most `SAMPLE` of these KOLs, evenly among all, in portions."""
    sample = which[:: max(1, -(-len(which) // SAMPLE))]
    for begin in range(0, len(sample), AT_ONCE):
        yield sample[begin : begin + AT_ONCE]


_LOG_ODDS: Final = np.log(_T / (1 - _T))
_WEIGHT_OF_G: Final = np.exp(-0.5 * _G**2) / np.exp(-0.5 * _G**2).sum()
_DRIFTS: Final = [DRIFT**2 / (2 * np.log(2) / (TRUST_HALF_LIFE[d] / DAY)) for d in DIMENSIONS]
