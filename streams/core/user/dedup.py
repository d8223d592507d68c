"""The gate of one topic partition: each event is accepted, a duplicate or too late.

In this order, for one event after the other in the order of the log: it is too late
(`lateness`); or its identity is known, the first in the log stands; or it is accepted.
Only accepted events raise the greatest time and are remembered. An identity is known as
long as its time could still be accepted: not below the greatest time minus the horizon.
So it does not matter when its row is really dropped. What the first said is remembered with
it (`content`): a duplicate that says something else is counted and told.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Keys, Mask, Moments
from schemas.doors import Door
from streams.core.arrays.arena import Arrays
from streams.core.arrays.compaction import Compaction
from streams.core.arrays.index import Keyed, RowNumbers
from streams.core.moments import HORIZON_MS, NEVER
from streams.core.user.content import UNKNOWN
from streams.core.user.lateness import greatest_before

Doors = NDArray[np.uint8]

UNSEEN = np.iinfo(np.int64).min  # the time of an identity that is not remembered: below NEVER


class Gate:
    """The greatest accepted time of a topic partition and the identities that count."""

    def __init__(self, slack: int) -> None:
        self.greatest = NEVER
        self._seen = Keyed(at=np.int64, content=np.uint32)
        self._compaction = Compaction(slack)

    def __len__(self) -> int:
        return len(self._seen)

    def decide(
        self, at: Moments, identity: Keys, content: NDArray[np.uint32]
    ) -> tuple[Doors, Moments, Mask]:
        """Let a batch through, in the order of the log.

        Returns:
            WRITTEN, DUPLICATE or TOO_LATE for each event, the greatest accepted time before
            each, and which duplicates say something else than the event that stands, all `(n,)`.

        """
        row, first = self._seen.add(identity[:, 0], identity[:, 1])
        self._seen["at"][row[first]] = UNSEEN
        before = greatest_before(at, self.greatest)
        door = self._at_once(at, row, first, before)
        if door is None:
            return self._one_by_one(at, row, content)
        written = door == Door.WRITTEN
        stands = self._seen["content"]
        if written.all():  # the usual batch
            stands[row] = content
        else:
            stands[row[written]] = content[written]
        if written.any():
            self.greatest = max(self.greatest, int(at[written].max()))
        return door, before, _differ(door, content, row, stands)

    def _at_once(self, at: Moments, row: RowNumbers, first: Mask, before: Moments) -> Doors | None:
        """Decide all events together; None where only one after the other is exact.

        That is so when an identity returns after it stopped counting, when the first of
        several equal ones in this batch is too late, and when a duplicate has a later
        time than all before it.
        """
        seen = self._seen["at"]
        floor = before - HORIZON_MS
        late = at < floor
        new = first & ~late
        seen[row[new]] = at[new]
        again = ~first & ~late
        if np.any(again & ((seen[row] < floor) | (at > before))):
            seen[row[new]] = UNSEEN
            return None
        door = np.zeros(len(at), np.uint8)
        door[again] = Door.DUPLICATE
        door[late] = Door.TOO_LATE
        return door

    def _one_by_one(
        self, at: Moments, row: RowNumbers, content: NDArray[np.uint32]
    ) -> tuple[Doors, Moments, Mask]:
        """Decide one event after the other: the definition."""
        seen, stands = self._seen["at"], self._seen["content"]
        door = np.empty(len(at), np.uint8)
        before = np.empty(len(at), np.int64)
        differs = np.zeros(len(at), np.bool_)
        for i, (moment, known) in enumerate(zip(at.tolist(), row.tolist(), strict=True)):
            before[i] = self.greatest
            if moment < self.greatest - HORIZON_MS:
                door[i] = Door.TOO_LATE
            elif seen[known] >= self.greatest - HORIZON_MS:
                door[i] = Door.DUPLICATE
                differs[i] = stands[known] not in {content[i], UNKNOWN}
            else:
                door[i] = Door.WRITTEN
                seen[known], stands[known] = moment, content[i]
                self.greatest = max(self.greatest, moment)
        return door, before, differs

    def prune(self) -> None:
        """Drop identities that no longer count, when there are many."""
        if self._compaction.is_due(len(self._seen)):
            self._compaction.compact(self._seen, self._seen["at"] < self.greatest - HORIZON_MS)

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """What a snapshot holds."""
        return self._seen.arrays(prefix) | {f"{prefix}.greatest": np.array([self.greatest])}

    def restore(self, prefix: str, arrays: Arrays) -> None:
        """Take over what `arrays` gave."""
        self._seen.restore(prefix, arrays)
        self.greatest = int(arrays[f"{prefix}.greatest"][0])


def _differ(
    door: Doors, content: NDArray[np.uint32], row: RowNumbers, stands: NDArray[np.uint32]
) -> Mask:
    """Which duplicates say something else than the event that stands."""
    differ: Mask = door == Door.DUPLICATE
    if differ.any():
        standing = stands[row]
        differ &= (content != standing) & (standing != UNKNOWN)
    return differ
