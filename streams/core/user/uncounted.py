"""Accepted events that wait to be counted: some thousand at once cost half of what batches do.

They are counted before anything looks at what they change: rows, snapshots, what is pruned or
erased. So when that happens shows nowhere.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Behaviour, Codes, Mask
from schemas.events import INPUTS
from streams.core.arrays.index import RowNumbers

MANY: Final = 1 << 12  # events of a topic that are counted without being asked to


class Acts(NamedTuple):
    """Events of one topic about KOLs, in the order of the log; `user` and `kol` in our codes."""

    events: Behaviour
    user: RowNumbers
    kol: Codes
    own: Mask  # of the KOL's own account
    credible: NDArray[np.int64]  # credibility of who says it, 1e-6


class Uncounted:
    """The events of each topic since the last time they were taken."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._waiting: dict[str, list[Acts]] = {topic: [] for topic in INPUTS}
        self._count = dict.fromkeys(INPUTS, 0)

    def add(self, acts: Acts) -> bool:
        """Let events wait; whether there are many of their topic."""
        topic = acts.events.topic
        self._waiting[topic].append(acts)
        self._count[topic] += len(acts.events)
        return self._count[topic] >= MANY

    def take(self) -> Iterator[Acts]:
        """All that waits, topic by topic."""
        for topic, waiting in self._waiting.items():
            if waiting:
                self._waiting[topic], self._count[topic] = [], 0
                yield _joined(waiting)


def _joined(parts: Sequence[Acts]) -> Acts:
    if len(parts) == 1:
        return parts[0]
    events, *columns = zip(*parts, strict=True)
    return Acts(Behaviour.joined(events), *map(np.concatenate, columns))
