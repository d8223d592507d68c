"""Medians of a few measurements, with the interval that a bootstrap gives them.

Where the same was measured n times, n values are drawn from these with replacement, many times;
the interval holds the medians of nine in ten of such draws. Efron, Bootstrap Methods (1979).
"""

import random
import statistics
from collections.abc import Sequence
from typing import Final, NamedTuple

DRAWS: Final = 10_000
SEED: Final = 1  # the same measurements have the same interval
COVERED: Final = 0.9


class Interval(NamedTuple):
    """A median and its interval of 90 %."""

    median: float
    low: float
    high: float

    @property
    def text(self) -> str:
        """For a person.

        >>> Interval(1.25, 1.2, 1.3).text
        '1.25 (1.20–1.30)'
        """
        return f"{self.median:.2f} ({self.low:.2f}–{self.high:.2f})"

    def as_dict(self) -> dict[str, float]:
        """For machines."""
        return {name: round(value, 3) for name, value in self._asdict().items()}


def interval(values: Sequence[float]) -> Interval:
    """The median of some measurements and its interval.

    >>> interval([2.0, 2.0, 2.0])
    Interval(median=2.0, low=2.0, high=2.0)
    """
    rng = random.Random(SEED)  # noqa: S311  # a bootstrap, not a secret
    count = len(values)
    medians = sorted(statistics.median(rng.choices(values, k=count)) for _ in range(DRAWS))
    outside = round(DRAWS * (1 - COVERED) / 2)
    return Interval(statistics.median(values), medians[outside], medians[DRAWS - 1 - outside])
