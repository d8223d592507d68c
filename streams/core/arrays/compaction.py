"""When to rewrite an arena without its expired rows."""

from typing import Final

import numpy as np

from schemas.columns import Mask
from streams.core.arrays.arena import Arena

WORTH: Final = 4  # an arena is rewritten when at least one row of so many has expired


class Compaction:
    """Due once the rows have doubled since the last time, at least by `slack`: O(1) a row.

    With `slack` 0 it is always due (for tests: when rows are dropped must not matter).
    """

    def __init__(self, slack: int) -> None:
        self._slack = slack
        self._limit = slack

    def is_due(self, rows: int) -> bool:
        """Whether it is time to look for expired rows."""
        return rows >= self._limit

    def is_worth(self, expired: Mask) -> bool:
        """Whether so many rows have expired that the others should be rewritten."""
        return not self._slack or WORTH * int(np.count_nonzero(expired)) >= len(expired)

    def compact(self, arena: Arena, expired: Mask) -> None:
        """Drop the expired rows if they are worth it."""
        if self.is_worth(expired):
            arena.keep(~expired)
        self.reset(len(arena))

    def reset(self, rows: int) -> None:
        """Take in how many rows stayed."""
        self._limit = rows + max(rows, self._slack) if self._slack else 0
