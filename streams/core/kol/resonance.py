"""Resonance: how deep a KOL goes with those it reaches, beside all other KOLs.

    depth  D  = S[ln(1 + s)] / S[1]              over user-days, s = what the user did that day
    within    = S[ln(1 + s)^2] / S[1] - D^2,  n = S[1]^2 / S_2[1]                        Kish
    D~        = (n D + n0 median) / (n + n0)
    var       = (n within + n0 variance + n n0 / (n + n0) (D - median)^2) / (n + n0)^2
    z         = (D~ - median) / (1.4826 MAD),  score = sigmoid(gamma z)
    interval  = the same of D~ -+ 1.645 sqrt(var): the sigmoid is monotone

S are faded sums, S_2 fades twice as fast. The logarithm is taken per user and day: one fan
cannot carry a score. D~ and var are those of n user-days seen and n0 pseudo user-days at
the median of the population, the conjugate update of a normal mean and variance; with no
evidence the interval is that of the population. As in `trust`, only ratios of sums enter.
"""

from typing import Final

import numpy as np

from streams.core.arrays.arena import Floats
from streams.core.kol.priors import ResonancePrior
from streams.core.kol.trust import FORGOTTEN, Scored, Z, ratio

GAMMA: Final = {
    "depth": 0.30,
    "valence": 0.20,
    "re-spread": 0.20,
    "identity": 0.20,
    "presence": 0.10,
}
MISSING: Final = {  # part -> why it is not in the score; gamma is renormalised to the others
    "valence": "comments are not read yet",
    "re-spread": "the depth of a share in its tree is not counted yet",
    "identity": "comments are not read yet",
    "presence": "viewer-minutes of live rooms are not counted yet",
}
_PRESENT: Final = sum(weight for part, weight in GAMMA.items() if part not in MISSING)


def resonance(
    depth: Floats, depth_square: Floats, days: Floats, days_square: Floats, prior: ResonancePrior
) -> Scored:
    """Resonance by the evidence so far, in [0, 1]; faded sums of shape (rows,).

    `depth` is in ln units, `days` counts distinct users of a day. Where `days_square`
    is below `FORGOTTEN` there is no evidence.
    """
    seen = days_square >= FORGOTTEN
    n = ratio(days, days_square, seen) * days
    mean = ratio(depth, days, seen)
    within = np.maximum(ratio(depth_square, days, seen) - mean * mean, 0.0)
    all_days = n + prior.days
    shrunk = (n * mean + prior.days * prior.median) / all_days
    apart = n * prior.days / all_days * (mean - prior.median) ** 2
    variance = (n * within + prior.days * prior.variance + apart) / all_days**2
    spread = Z * np.sqrt(variance)
    return Scored(*(_score(shrunk + step, prior) for step in (0.0, -spread, spread)))


def _score(depth: Floats, prior: ResonancePrior) -> Floats:
    z = (depth - prior.median) / prior.scale
    return 1.0 / (1.0 + np.exp(-GAMMA["depth"] / _PRESENT * z))
