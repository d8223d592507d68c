"""Flushes that are not acknowledged yet."""

from dataclasses import dataclass

from streams.core.sides import Side
from streams.worker.event_flushes import EventFlushes
from streams.worker.outgoing import Flush
from streams.worker.unacknowledged import Unacknowledged


@dataclass(frozen=True, slots=True, eq=False)
class PendingFlush:
    """A flush that is not acknowledged, and the events behind it."""

    flush: Flush
    unacknowledged: Unacknowledged


class PendingFlushes:
    """The flushes that are not acknowledged, the oldest first: of both sides, and of events."""

    def __init__(self, events: EventFlushes | None = None) -> None:
        self.events = events or EventFlushes()
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
