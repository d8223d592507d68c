"""Forward decay: a sum that halves every half-life, whatever the order of its parts.

    weight of minute m      w(m)  = 2^((middle of m - L) / half_life)
    sum                     S     = sum of w(m) * x
    read at the end of m    S(m)  = S * 2^(-(end of m - L) / half_life)

A part's weight is fixed when it is added, so parts may come in any order, sums of shards
add up, and a correction is an addition of the difference. Cormode, Shkapenyuk,
Srivastava & Xu, Forward Decay (2009).

The landmark L is a multiple of 64 half-lives since the epoch. So every sum has the same
landmark at the same time, a weight stays below 2^64, and moving on by one landmark is a
multiplication by 2^-64 (2^-128 for squares), which is exact in a double: a sum does not
show at which landmark it was kept. Minutes stand for their middle, which changes a
weight by 30 s of decay at most. The powers come from a table, so that they do not depend
on how many are asked for at once.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from streams.core.arrays.arena import Floats
from streams.core.moments import Minutes

DAY: Final = 1_440  # minutes
SPAN: Final = 64  # half-lives from one landmark to the next


@dataclass(frozen=True, eq=False, slots=True)
class Fade:
    """Forgetting with one half-life, counted in minutes; all shapes are `(n,)`."""

    half_life: int
    powers: Floats = field(init=False, repr=False)  # 2^(i / 2 half_life), in [1, 2)

    def __post_init__(self) -> None:
        steps = 2 * self.half_life  # half minutes, for the middle of a minute
        powers = [2.0 ** (step / steps) for step in range(steps)]
        object.__setattr__(self, "powers", np.array(powers))

    def landmark(self, minute: Minutes) -> Minutes:
        """The number of the landmark before or at the minute."""
        return (2 * minute + 1) // (2 * self.half_life * SPAN)

    def weight(self, minute: Minutes, landmark: Minutes) -> Floats:
        """What one observation of the minute weighs in a sum kept at that landmark.

        Its square is the weight in a sum that halves twice as fast.
        """
        whole, step = np.divmod(2 * minute + 1, 2 * self.half_life)
        weight: Floats = np.ldexp(self.powers[step], whole - SPAN * landmark)
        return weight

    def reading(self, minute: Minutes, landmark: Minutes) -> Floats:
        """What a sum kept at that landmark is to be multiplied by at the end of the minute."""
        whole, step = np.divmod(2 * minute + 2, 2 * self.half_life)
        reading: Floats = np.ldexp(1.0 / self.powers[step], SPAN * landmark - whole)
        return reading


def moved(landmark: Minutes, other: Minutes) -> Floats:
    """What a sum is to be multiplied by to go from one landmark to another."""
    factor: Floats = np.ldexp(1.0, SPAN * (landmark - other))
    return factor
