"""How long what is ready waits for the event loop: batches, flushes, heartbeats, answers."""

import time
from collections.abc import Callable
from typing import Final

from streams.worker.telemetry import Telemetry

LOOK_SECONDS: Final = 0.02  # from one look to the next
SPAN_SECONDS: Final = (
    30.0  # the longest wait is told for so long, and for twice as long at the most
)


class LoopLag:
    """The longest wait of late.

    Args:
        telemetry: is told.
        clock: any steady clock, seconds.

    """

    def __init__(self, telemetry: Telemetry, clock: Callable[[], float] = time.monotonic) -> None:
        self._telemetry = telemetry
        self._clock = clock
        self._looked_at: float | None = None
        self._begun_at = clock()  # this span
        self._longest = 0.0  # in it
        self._before = 0.0  # in the span before

    async def look(self) -> None:
        """Take in how late this call is: it should come `LOOK_SECONDS` after the one before."""
        now = self._clock()
        if now - self._begun_at >= SPAN_SECONDS:
            self._begun_at, self._before, self._longest = now, self._longest, 0.0
        if self._looked_at is not None:
            self._longest = max(self._longest, now - self._looked_at - LOOK_SECONDS)
        self._looked_at = now

    def export_metrics(self) -> None:
        """Tell the longest wait."""
        self._telemetry.set("kol_loop_lag_seconds", max(self._longest, self._before))
