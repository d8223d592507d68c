"""The faded sums of a KOL, from which trust and resonance are read.

A row of sums is kept at the landmarks of one minute, that of the last cell in it. They
halve every half-life of what they are for; squares of credible weights, and user-days a
second time, halve twice as fast, as the squares of weights do (Kish). Scores are made of
ratios in which the moment of reading cancels, so a row of sums is its own reading.

The sums of a KOL without a cell for 364 days start from nothing: of 60 million user-days (or
judgements) less than one is left after these 26 half-lives, so whatever comes now outweighs
all that was. It is decided by the minutes of two successive cells.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.cells import DIMENSIONS
from streams.core.arrays.arena import Floats
from streams.core.kol.cells import SCORED, Values
from streams.core.kol.decay import Fade, moved
from streams.core.kol.priors import RESONANCE, RESONANCE_HALF_LIFE, TRUST, TRUST_HALF_LIFE
from streams.core.kol.resonance import resonance
from streams.core.kol.trust import Scored, Trust, trust
from streams.core.moments import Minutes


class _Sum(NamedTuple):
    """One column of the sums."""

    field: str  # of the cells
    half_life: int  # minutes
    squared: bool = False  # weights are squared, so it halves twice as fast


_LAYOUT: Final = (
    *(_Sum(f"for_{d}", TRUST_HALF_LIFE[d]) for d in DIMENSIONS),
    *(_Sum(f"against_{d}", TRUST_HALF_LIFE[d]) for d in DIMENSIONS),
    *(_Sum(f"square_{d}", TRUST_HALF_LIFE[d], squared=True) for d in DIMENSIONS),
    _Sum("depth", RESONANCE_HALF_LIFE),
    _Sum("depth_square", RESONANCE_HALF_LIFE),
    _Sum("users_day", RESONANCE_HALF_LIFE),
    _Sum("users_day", RESONANCE_HALF_LIFE, squared=True),
)
WIDTH: Final = len(_LAYOUT)
RESTARTS_AFTER: Final = 26 * RESONANCE_HALF_LIFE  # minutes between two cells: 2^26 = 67 million

_MICRO: Final = 1e-6  # the unit of depths in a cell
_D: Final = len(DIMENSIONS)
_HALF_LIVES: Final = sorted({column.half_life for column in _LAYOUT})
_FADES: Final = tuple(map(Fade, _HALF_LIVES))
_FADE: Final = np.array([_HALF_LIVES.index(column.half_life) for column in _LAYOUT])
_FIELD: Final = np.array([SCORED.index(column.field) for column in _LAYOUT])
_SQUARED: Final = np.array([column.squared for column in _LAYOUT])


def weighted(values: Values, minute: Minutes) -> Floats:
    """What cells add to sums kept at their own minute; shape (n, WIDTH)."""
    weights = [fade.weight(minute, fade.landmark(minute)) for fade in _FADES]
    return values[:, _FIELD] * _laid_out(weights)


def carrying(since: Minutes, minute: Minutes) -> Floats:
    """What sums kept at minute `since` are multiplied by to be kept at `minute`; (n, WIDTH).

    0 where the sums start from nothing.
    """
    factors = _laid_out([moved(fade.landmark(since), fade.landmark(minute)) for fade in _FADES])
    factors[minute - since > RESTARTS_AFTER] = 0
    return factors


def scores(sums: Floats) -> tuple[Trust, Scored]:
    """Trust and resonance by sums of shape (n, WIDTH), each row kept at any minute."""
    good, bad, square = sums[:, :_D], sums[:, _D : 2 * _D], sums[:, 2 * _D : 3 * _D]
    depth, depth_square, days, days_square = np.ascontiguousarray(sums[:, 3 * _D :].T)
    return (
        trust(good, bad, square, TRUST),
        resonance(_MICRO * depth, _MICRO * depth_square, days, days_square, RESONANCE),
    )


def _laid_out(by_fade: list[Floats]) -> Floats:
    """A factor of each fade, as a factor of each column; shape (n, WIDTH)."""
    factors: NDArray[np.float64] = np.stack(by_fade, axis=1)[:, _FADE]
    factors[:, _SQUARED] *= factors[:, _SQUARED]
    return factors
