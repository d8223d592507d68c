"""What users allow us to keep of stage, place and age, by the newest record of each.

An event is allowed what its user's newest consent says, where that holds already (`at` and
`schemas.consents.HOLDS_AFTER_MS` are behind the event's record time); nobody is known to allow
anything else. What was allowed to a person ends with its erasure: who comes later under the same
user_id begins with nothing.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Keys, Mask, Moments
from schemas.consents import ALLOWED, HOLDS_AFTER_MS, Consents
from streams.core.arrays.arena import Arrays
from streams.core.arrays.compaction import Compaction
from streams.core.arrays.index import Keyed

_BITS: Final = (1 << np.arange(len(ALLOWED))).astype(np.uint8)


class AllowedUsers:
    """The users who allow something: what, and since when. Others are not kept."""

    def __init__(self, slack: int) -> None:
        self._users = Keyed(at=np.int64, allowed=np.uint8)
        self._compaction = Compaction(slack)

    def __len__(self) -> int:
        return len(self._users)

    def add(self, consents: Consents, erased_to: Moments) -> None:
        """Take in records in the order of the log; each replaces what its user said before.

        Args:
            consents: the records.
            erased_to: record time up to which the user of each was erased, NEVER where not.

        """
        row, _ = self._users.add(consents.user[:, 0], consents.user[:, 1])
        is_erased = consents.at <= erased_to
        self._users["at"][row] = consents.at  # of several of one user the last stands
        self._users["allowed"][row] = np.where(is_erased, 0, consents.allowed @ _BITS)
        if is_erased.any():
            self._drop_unneeded()

    def erase(self, user: Keys, until: Moments) -> None:
        """Forget what these users said at `until` or before."""
        row = self._users.find(user[:, 0], user[:, 1])
        is_known = row >= 0
        row, until = row[is_known], until[is_known]
        ended = row[self._users["at"][row] <= until]
        if ended.size:
            self._users["allowed"][ended] = 0
            self._drop_unneeded()

    def _drop_unneeded(self) -> None:
        """Drop all users who allow nothing: no trace stays of who is erased."""
        self._users.keep(self._users["allowed"] != 0)

    def allowed(self, user: Keys, received_at: Moments) -> Mask:
        """What may be kept of events, shape `(n, 3)`, in order of `ALLOWED`.

        Args:
            user: of the user_id as sent, also of who comes after an erased person.
            received_at: record times of the events.

        """
        row = self._users.find(user[:, 0], user[:, 1])
        known = np.flatnonzero(row >= 0)
        row = row[known]
        holds = self._users["at"][row] + HOLDS_AFTER_MS <= received_at[known]
        found = np.zeros((len(user), len(ALLOWED)), np.bool_)
        found[known] = (self._users["allowed"][row, None] & _BITS != 0) & holds[:, None]
        return found

    def prune(self) -> None:
        """Drop users who allow nothing, when there are many: not to be known is the same."""
        if self._compaction.is_due(len(self._users)):
            self._compaction.compact(self._users, self._users["allowed"] == 0)

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """What a snapshot holds, as views."""
        return self._users.arrays(prefix)

    def restore(self, prefix: str, arrays: Arrays) -> None:
        """Take over what `arrays` gave."""
        self._users.restore(prefix, arrays)
