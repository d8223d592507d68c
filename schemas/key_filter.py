"""Finds the few of many 128-bit keys that are among some: nearly all are told by one bit.

A key's low word is as good as random, so its last bits number a place of a table. Where that place
is free, the key is none of them; where it is not, the sorted low words tell.
"""

from typing import Final

import numpy as np

from schemas.columns import Keys, Mask

SPARSE: Final = 16  # places of the table for each key: one in so many others is looked at twice
LEAST_PLACES: Final = 1 << 10


class KeyFilter:
    """Some keys, of which many others are asked.

    Args:
        keys: shape `(m, 2)`; 24 bytes each are kept, at most twice that.

    """

    def __init__(self, keys: Keys) -> None:
        self._low: Final = np.unique(keys[:, 0])
        places = max(LEAST_PLACES, 1 << (SPARSE * len(self._low) - 1).bit_length())
        self._last_bits: Final = np.uint64(places - 1)
        self._is_taken: Final = np.zeros(places, np.bool_)
        self._is_taken[self._low & self._last_bits] = True

    def near(self, keys: Keys) -> Mask:
        """Which have the low word of one of ours, shape `(n,)`: all of ours, and no other soon."""
        found: Mask = self._is_taken[keys[:, 0] & self._last_bits]
        maybe = np.flatnonzero(found)
        if maybe.size:
            low = keys[maybe, 0]
            at = np.minimum(np.searchsorted(self._low, low), len(self._low) - 1)
            found[maybe] = self._low[at] == low
        return found
