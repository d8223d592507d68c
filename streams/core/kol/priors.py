"""What is believed of a KOL before there is evidence: population values number 0.

Numbers of the trainer (`population`) replace those of trust, each from the minute it holds from
(`known_priors`); until then every row says `snapshot` 0 and uses this table. A prior is as
weak as it may be: a KOL nobody has judged shall have a wide interval, so that no gate on
the lower end lets it pass, and not a middling score that looks like knowledge.

| value | is | because |
|---|---|---|
| trust, good and bad | 1 and 1 in each dimension | the weakest prior whose two parts add up to 2: any trust between 0 and 1 is as likely as any other |
| trust, odds | 1 | a judgement against a KOL counts for as much as one for it, until the population says how much rarer they are |
| trust, common | 0 | no dimension says anything of another, until the population says how much |
| trust, drift | 0 | what was said holds, as far as it has not faded |
| trust, weight of a judgement | 0.25 | one by a grown account: agreement 1/2, verified purchase 1/2 |
| trust, dimensions with a source | E, B | of the others no event says anything yet |
| dimensions | E .25, A .25, I .25, B .10, O .15 | who to believe is knowledge, authenticity and integrity first; reasoned, not fitted |
| half-lives of trust | 14 d, O 60 d; 3 d for the fast line | 30 days after a collapse the error is .17 instead of .27 without forgetting, at .013 instead of .009 in calm; what becomes of an order takes weeks to show |
| half-life of resonance | 14 d | the line of record moves as slowly as that of trust, beside which it is read |
| depth, median | 0.8 | ln(1 + s) of a user-day: nothing read is 0, a view ln 1.5, a view and a save ln 4.5; most days are among the first two |
| depth, MAD | 0.25 | half of the KOLs within 0.55 and 1.05, a wide population: what differs less is not told apart |
| depth, variance of a user-day | 1.0 | from 0 to ln 20 within one audience; the demo's world has 0.8 to 1.8 |
"""  # noqa: E501  # a table has no line breaks

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.cells import DIMENSIONS
from streams.core.arrays.arena import Floats
from streams.core.kol.decay import DAY

SNAPSHOT: Final = 0  # the number of these values
NORMAL: Final = 1.4826  # a normal distribution's standard deviation over its MAD

TRUST_HALF_LIFE: Final = {d: (60 if d == "O" else 14) * DAY for d in DIMENSIONS}  # minutes
FAST_HALF_LIFE: Final = 3 * DAY  # minutes, of every dimension
RESONANCE_HALF_LIFE: Final = 14 * DAY  # minutes


@dataclass(frozen=True, eq=False, slots=True)
class TrustPrior:
    """What a population says of trust, shape (5,) or (rows, 5) in order of `DIMENSIONS`."""

    good: Floats  # pseudo-observations for a KOL
    bad: Floats  # and against it
    odds: Floats  # how many judgements for a KOL come for one against it, where trust is even
    common: Floats  # share of the variance of log-odds that all dimensions of a KOL share, below 1
    drift: Floats  # variance of log-odds between what was said and what is true now
    weight: Floats  # of a judgement: sum of squared weights over sum of weights, 1e-6
    has_source: Floats  # 1 where anything here can judge the dimension, else 0

    @property
    def parts(self) -> tuple[Floats, ...]:
        """All of it, in order."""
        return tuple(getattr(self, part.name) for part in fields(self))

    def columns(self, which: NDArray[np.intp]) -> "TrustPrior":
        """What is said of some dimensions."""
        return TrustPrior(*(part[..., which] for part in self.parts))


@dataclass(frozen=True, slots=True)
class ResonancePrior:
    """The population of KOLs a depth is compared with."""

    median: float  # of their depths, ln units
    mad: float  # median distance from it
    variance: float  # between the user-days of one KOL

    @property
    def scale(self) -> float:
        """The standard deviation of depths, by their MAD."""
        return NORMAL * self.mad

    @property
    def days(self) -> float:
        """As many user-days as a depth drawn from the population is worth.

        Their mean varies as the depths of the population do: with no evidence z is
        standard normal, and the interval spans the middle 90 % of all KOLs.
        """
        return self.variance / self.scale**2


TRUST: Final = TrustPrior(
    good=np.ones(len(DIMENSIONS)),
    bad=np.ones(len(DIMENSIONS)),
    odds=np.ones(len(DIMENSIONS)),
    common=np.zeros(len(DIMENSIONS)),
    drift=np.zeros(len(DIMENSIONS)),
    weight=np.full(len(DIMENSIONS), 250_000.0),
    has_source=np.array([float(d in {"E", "B"}) for d in DIMENSIONS]),
)
RESONANCE: Final = ResonancePrior(median=0.8, mad=0.25, variance=1.0)
