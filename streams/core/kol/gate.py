"""The gate of trust: who counts as a trust node.

    opens   where the lower end of trust is at least .70, n_eff at least 30, and two dimensions
            have 5 independent judgements each
    closes  where the lower end of trust is below .60
    stays   as it was between the two

Between .60 and .70 nothing changes: who is near a bound does not go in and out with every comment.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Mask
from streams.core.arrays.arena import Floats
from streams.core.kol.trust import Trust

OPENS_AT: Final = 0.70  # of the lower end of trust
CLOSES_BELOW: Final = 0.60
LEAST_N: Final = 30.0  # judgements of all dimensions
LEAST_N_OF_ONE: Final = 5.0
LEAST_DIMENSIONS: Final = 2  # which have so many


def gate(trust: Trust, has_source: Floats) -> tuple[Mask, Mask]:
    """Where the gate opens, and where it closes; shape (rows,) each, never both."""
    judged = ((trust.n >= LEAST_N_OF_ONE) & (has_source > 0)).sum(axis=1)
    opens = (trust.low >= OPENS_AT) & (trust.n_eff >= LEAST_N) & (judged >= LEAST_DIMENSIONS)
    return opens, trust.low < CLOSES_BELOW


def latched(opens: Mask, closes: Mask, begin: NDArray[np.intp], before: Mask) -> Mask:
    """Whether the gate is open after each row of groups that stand one after the other.

    Args:
        opens: where it opens, shape (rows,).
        closes: where it closes.
        begin: the first row of each group.
        before: whether it was open before each group, shape (groups,).

    """
    moves = opens | closes
    state = opens.copy()
    state[begin] = np.where(moves[begin], opens[begin], before)
    decides = moves.copy()
    decides[begin] = True
    last = np.maximum.accumulate(np.where(decides, np.arange(len(opens)), 0))
    is_open: Mask = state[last]
    return is_open
