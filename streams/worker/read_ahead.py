"""Inputs wait until is read what has to be known of their events: consents, numbered values.

What holds for an event follows from record times alone: a record of those topics holds for events
whose record time is some seconds after its own (`HOLDS_AFTER_MS`). So a batch may be folded once
a topic is read to an end that was asked for, by our clock, no earlier than the batch's newest
record time less most of these seconds; the rest is for clocks that differ and replicas that lag.
While topics arrive together such an end is always there, and nobody waits. An end that was asked
for after the batch had arrived is late enough whatever the clocks say.

Brokers say with every fetch where a partition ends (its last stable offset where committed
records are read: what an open transaction hides holds nobody up). That costs no request.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from schemas.columns import RecordBatch
from streams.worker.telemetry import READ_AHEAD, Telemetry

POLL_SECONDS: Final = 0.02
LONG_SECONDS: Final = 5.0  # a wait that a person should hear of
NEVER: Final = -(1 << 62)


class Progress(NamedTuple):
    """How far a topic partition is read, and where it ends."""

    read: int  # all before this offset is folded
    end: int | None  # None: nobody has said lately
    asked_at: int | None  # the end is no older, milliseconds by our clock


class ReachedEnd:
    """When the newest end was asked for that is reached; ends may move on meanwhile."""

    def __init__(self) -> None:
        self.asked_at = NEVER
        self._ahead: tuple[int, int] | None = None  # an end that is not reached: offset, asked at

    def follow(self, at: Progress) -> None:
        """Take in how far reading is."""
        if self._ahead is not None and at.read >= self._ahead[0]:
            self.asked_at, self._ahead = max(self.asked_at, self._ahead[1]), None
        if at.end is None or at.asked_at is None:
            return
        if at.read >= at.end:
            self.asked_at = max(self.asked_at, at.asked_at)
        elif self._ahead is None:
            self._ahead = at.end, at.asked_at


@dataclass(frozen=True, slots=True)
class Beside:
    """A topic that is read beside the inputs.

    Args:
        topic: its name.
        leeway_ms: how much older than a record's time an end may be.
        progress: of a partition of the inputs; None where it is not ours.
        reached: what is kept of its ends; it leaves with the state that was read.

    """

    topic: str
    leeway_ms: int
    progress: Callable[[int], Progress | None]
    reached: Callable[[int], ReachedEnd | None]


class ReadAhead:
    """Lets batches through once all topics beside them are read far enough."""

    def __init__(
        self,
        beside: Sequence[Beside],
        telemetry: Telemetry,
        now_ms: Callable[[], int] = lambda: int(time.time() * 1000),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._beside = beside
        self._telemetry = telemetry
        self._now_ms = now_ms
        self._clock = clock
        self._waiting: dict[str, float] = {}  # topic -> since when

    async def wait(self, batch: RecordBatch, is_wanted: Callable[[], bool]) -> None:
        """Return once the batch may be folded, or when it is not wanted any more."""
        newest = int(batch.received_at.max(initial=NEVER))
        for one in self._beside:
            if not self._is_read(one, batch.partition, newest):
                await self._wait(one, batch.partition, newest, is_wanted)

    async def _wait(
        self, one: Beside, partition: int, newest: int, is_wanted: Callable[[], bool]
    ) -> None:
        enough = min(newest, self._now_ms() + one.leeway_ms)  # asked for from now on
        begun = counted = self._waiting[one.topic] = self._clock()
        try:
            while is_wanted() and not self._is_read(one, partition, enough):
                await asyncio.sleep(POLL_SECONDS)
                now = self._clock()
                self._telemetry.add(READ_AHEAD, now - counted, one.topic)
                counted = now
        finally:  # also where nobody waits any more: else it would be said for ever
            if self._waiting.get(one.topic) == begun:
                del self._waiting[one.topic]

    def _is_read(self, one: Beside, partition: int, newest: int) -> bool:
        reached = one.reached(partition)
        if reached is None:  # it went elsewhere: whoever has it waits
            return True
        if reached.asked_at + one.leeway_ms < newest:
            self._follow(one, partition, reached)
        return reached.asked_at + one.leeway_ms >= newest

    def _follow(self, one: Beside, partition: int, reached: ReachedEnd) -> None:
        progress = one.progress(partition)
        if progress is not None:
            reached.follow(progress)

    def refresh(self, partitions: Sequence[int]) -> None:
        """Take in how far topics are read, once a second: so batches find it known."""
        for one in self._beside:
            for partition in partitions:
                reached = one.reached(partition)
                if reached is not None:
                    self._follow(one, partition, reached)

    @property
    def long_waits(self) -> Mapping[str, float]:
        """The topics that inputs have been waiting for, and for how many seconds."""
        now = self._clock()
        return {
            topic: now - since
            for topic, since in self._waiting.items()
            if now - since >= LONG_SECONDS
        }
