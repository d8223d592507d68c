"""Events that are folded and whose rows are not acknowledged."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(slots=True)
class Unacknowledged:
    """Folded batches whose rows are not acknowledged: when they were appended, and how much."""

    appended_at: list[NDArray[np.int64]] = field(default_factory=list)  # milliseconds
    count: list[NDArray[np.int64]] = field(default_factory=list)  # messages appended then
    messages: int = 0
    bytes: int = 0  # of their values, as they came

    def add(self, received_at: NDArray[np.int64], size: int) -> None:
        """Add one batch: few distinct append times, each with its messages."""
        times, counts = np.unique(received_at, return_counts=True)
        self.appended_at.append(times)
        self.count.append(counts)
        self.messages += len(received_at)
        self.bytes += size

    @classmethod
    def total(cls, parts: Iterable["Unacknowledged"]) -> "Unacknowledged":
        """All parts as one."""
        total = cls()
        for part in parts:
            total.appended_at += part.appended_at
            total.count += part.count
            total.messages += part.messages
            total.bytes += part.bytes
        return total
