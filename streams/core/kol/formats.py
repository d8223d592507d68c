"""The formats of a snapshot's arrays on the KOL side, and how an older one becomes the next.

Every change of what `KolMemory.arrays` gives, or of what it means, is a new format. The function
appended to `CONVERSIONS` makes its arrays from those of the format before: a pure function that
knows names and dtypes of its own two formats and nothing of today's classes.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from streams.core.arrays.arena import Arrays


def _with_gates(arrays: Arrays) -> Arrays:
    """Format 2: the fast line begins with nothing, no gate is open, and no row is a tick."""
    sums = arrays["standing.sums"]
    fast = np.zeros((len(sums), _FAST))
    return {
        **arrays,
        "standing.sums": np.concatenate([sums[:, :_OF_RECORD], fast, sums[:, _OF_RECORD:]], axis=1),
        "standing.seen": arrays["standing.minute"],
        "standing.is_open": np.zeros(len(sums), np.bool_),
    }


_OF_RECORD: Final = 15  # columns of trust in format 1
_FAST: Final = 15  # and as many of the fast line

CONVERSIONS: Final[tuple[Callable[[Arrays], Arrays], ...]] = (_with_gates,)
