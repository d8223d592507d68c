"""What is folded, or sent, and not acknowledged yet."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from streams.core.sides import Side
from streams.worker.outgoing import Flush


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


@dataclass(frozen=True, slots=True, eq=False)
class PendingFlush:
    """A flush that is not acknowledged, and the events behind it."""

    flush: Flush
    unacknowledged: Unacknowledged


class PendingFlushes:
    """The flushes of both sides that are not acknowledged, the oldest first."""

    def __init__(self) -> None:
        self._by_side: dict[Side, list[PendingFlush]] = {side: [] for side in Side}

    def of(self, side: Side) -> list[PendingFlush]:
        """Those of one side as they are now."""
        return list(self._by_side[side])

    def add(self, side: Side, pending: PendingFlush) -> None:
        """Take one in."""
        self._by_side[side].append(pending)

    def remove(self, side: Side, pending: PendingFlush) -> None:
        """All of it is acknowledged."""
        self._by_side[side].remove(pending)

    def unacknowledged_events(self) -> list[Unacknowledged]:
        """The events behind flushes of the user side; those of the KOL side stem from them."""
        return [pending.unacknowledged for pending in self._by_side[Side.USER]]
