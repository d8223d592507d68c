"""Whether what is seen is as near to what is expected as chance allows."""

from math import sqrt
from typing import SupportsFloat


def is_within(
    seen: SupportsFloat, expected: SupportsFloat, variance: SupportsFloat, errors: float = 4
) -> bool:
    """Whether a count or a mean lies within so many standard errors, its own.

    Four: one of 16 000 sound figures is farther away, and seeds are fixed.
    """
    return abs(float(seen) - float(expected)) <= errors * sqrt(float(variance))
