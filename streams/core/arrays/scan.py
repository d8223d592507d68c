"""Running sums of many groups at once, each added up strictly from its first part to its last.

    sum after part i  =  factor i * sum before it + part i

The order of additions is part of the result: a sum carried on from where it stood has the
same bits as one made from the start, however the parts came in portions. A running sum over all
groups, with the sum before each group taken off again, would not have that, and would
lose the small groups behind the great ones.
"""

import numpy as np
from numpy.typing import NDArray

from streams.core.arrays.arena import Floats


def running(parts: Floats, factors: Floats, begins: NDArray[np.intp], start: Floats) -> Floats:
    """The sums of each group after each of its parts, shape (n, width).

    Groups stand one after the other, each with one part at least: `begins` `(groups,)`
    says where; `start` `(groups, width)` is what each had before. O(n), in one pass for
    each part of the longest group.
    """
    sums = parts.copy()
    sums[begins] += factors[begins] * start
    sizes = np.diff(begins, append=len(parts))
    for place in range(1, int(sizes.max(initial=0))):
        at = begins[sizes > place] + place
        sums[at] += factors[at] * sums[at - 1]
    return sums
