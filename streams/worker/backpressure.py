"""Back-pressure: reading pauses while too much is folded whose rows are not acknowledged.

Kafka keeps the rest. What memory holds of it is the changed keys, which it has anyway, the
rows and blocks of one flush, and the dead letters: the bytes of refused messages, twice more
while their rows are on their way. Rows of `event` are no changed keys, each is memory of its own:
they have a bound of their own.
"""

import asyncio
from dataclasses import dataclass

from streams.worker.lane_table import LaneTable
from streams.worker.pending import PendingFlushes
from streams.worker.telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class Capacity:
    """The most that may be folded and not acknowledged."""

    messages: int
    bytes: int  # of the messages' values; of those behind rows of `event` as much again
    events: int = 200_000  # rows of `event`


class Backpressure:
    """Whether there is capacity for more, and for how long there was none."""

    def __init__(
        self, capacity: Capacity, lanes: LaneTable, pending: PendingFlushes, telemetry: Telemetry
    ) -> None:
        self._capacity = capacity
        self._lanes = lanes
        self._pending = pending
        self._telemetry = telemetry
        self._has_capacity = asyncio.Event()
        self._has_capacity.set()
        self._paused_at: float | None = None
        self._counted_to = 0.0  # up to when this pause is in the metric

    async def wait_for_capacity(self) -> None:
        """Return at once, or when the sink has caught up."""
        await self._has_capacity.wait()

    @property
    def paused_s(self) -> float | None:
        """For how many seconds reading has been paused; None: it is not."""
        return None if self._paused_at is None else self._lanes.clock() - self._paused_at

    def unacknowledged(self) -> tuple[int, int]:
        """Messages folded and not acknowledged, and the bytes of their values."""
        parts = [lane.unacknowledged for lane in self._lanes.user.values()]
        parts += self._pending.unacknowledged_events()
        return sum(part.messages for part in parts), sum(part.bytes for part in parts)

    def waiting_events(self) -> tuple[int, int]:
        """Rows of `event` that are not acknowledged, and the bytes of their messages."""
        return self._pending.events.waiting(self._lanes.user.values())

    def update(self) -> None:
        """Pause or resume by what is unacknowledged now.

        Where it is the rows that a mute keeps back, a pause ends the mute of restored lanes: a
        short dip is better than memory without end. Rows of `event` leave whoever is mute.
        """
        messages, size = self.unacknowledged()
        events, event_size = self.waiting_events()
        capacity = self._capacity
        is_behind = messages > capacity.messages or size > capacity.bytes
        if is_behind:
            for lane in self._lanes.user.values():
                lane.mute.lift()
        if is_behind or events > capacity.events or event_size > capacity.bytes:
            self._pause()
        else:
            self._resume()

    def _pause(self) -> None:
        if self._paused_at is None:
            self._paused_at = self._counted_to = self._lanes.clock()
        self._has_capacity.clear()

    def _resume(self) -> None:
        if self._paused_at is not None:
            self._count_pause()
            self._paused_at = None
        self._has_capacity.set()

    def export_metrics(self) -> None:
        """Refresh what metrics say of it."""
        messages, size = self.unacknowledged()
        self._telemetry.set("kol_waiting_messages", messages)
        self._telemetry.set("kol_waiting_bytes", size)
        self._telemetry.set("kol_waiting_events", self.waiting_events()[0])
        if self._paused_at is not None:
            self._count_pause()

    def _count_pause(self) -> None:
        now = self._lanes.clock()
        self._telemetry.add("kol_backpressure_seconds_total", now - self._counted_to)
        self._counted_to = now
