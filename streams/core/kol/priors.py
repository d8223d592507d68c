"""What is believed of a KOL before there is evidence: population values number 0.

Numbered snapshots of the trainer will replace these values, each from the event time it
holds from; until then every row says `snapshot` 0 and uses this table. A prior is as
weak as it may be: a KOL nobody has judged shall have a wide interval, so that no gate on
the lower end lets it pass, and not a middling score that looks like knowledge.

| value | is | because |
|---|---|---|
| trust, good and bad | 1 and 1 in each dimension | the weakest prior whose two parts add up to 2: any trust between 0 and 1 is as likely as any other |
| dimensions | E .25, A .25, I .25, B .10, O .15 | who to believe is knowledge, authenticity and integrity first; reasoned, not fitted |
| half-lives of trust | 14 d, O 60 d | 30 days after a collapse the error is .17 instead of .27 without forgetting, at .013 instead of .009 in calm; what becomes of an order takes weeks to show |
| half-life of resonance | 14 d | the line of record moves as slowly as that of trust, beside which it is read |
| depth, median | 0.8 | ln(1 + s) of a user-day: nothing read is 0, a view ln 1.5, a view and a save ln 4.5; most days are among the first two |
| depth, MAD | 0.25 | half of the KOLs within 0.55 and 1.05, a wide population: what differs less is not told apart |
| depth, variance of a user-day | 1.0 | from 0 to ln 20 within one audience; the demo's world has 0.8 to 1.8 |
"""  # noqa: E501  # a table has no line breaks

from dataclasses import dataclass
from typing import Final

import numpy as np

from schemas.cells import DIMENSIONS
from streams.core.arrays.arena import Floats
from streams.core.kol.decay import DAY

SNAPSHOT: Final = 0  # the number of these values
NORMAL: Final = 1.4826  # a normal distribution's standard deviation over its MAD

TRUST_HALF_LIFE: Final = {d: (60 if d == "O" else 14) * DAY for d in DIMENSIONS}  # minutes
RESONANCE_HALF_LIFE: Final = 14 * DAY  # minutes


@dataclass(frozen=True, eq=False, slots=True)
class TrustPrior:
    """Pseudo-observations each way, shape (5,) or (rows, 5) in order of `DIMENSIONS`."""

    good: Floats
    bad: Floats


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


TRUST: Final = TrustPrior(np.ones(len(DIMENSIONS)), np.ones(len(DIMENSIONS)))
RESONANCE: Final = ResonancePrior(median=0.8, mad=0.25, variance=1.0)
