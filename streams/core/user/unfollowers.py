"""Users who unfollowed a KOL in a minute, each once: k of the stream `unfollow`, of n users.

Several unfollows of a user in one minute are one observation.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Mask
from streams.core.arrays.coded import ExpiringPart, ExpiringTable
from streams.core.arrays.index import RowNumbers, packed
from streams.core.user.distinct import expired_minutes


class Unfollowers(ExpiringPart):
    """For every user and KOL the minutes with an unfollow that can still change."""

    def __init__(self, slack: int) -> None:
        self._minute = ExpiringTable(slack, expired_minutes)
        super().__init__({"": self._minute})

    def add(self, user: RowNumbers, kol: NDArray[Any], minute: NDArray[np.int64]) -> Mask:
        """Take in unfollows; which are the first of their user, KOL and minute."""
        _, first = self._minute.add(packed(user, kol), minute.astype(np.uint64))
        return first
