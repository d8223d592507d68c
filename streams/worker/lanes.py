"""One partition of one side: its memory, its state log, and what is not durable yet.

A batch passes a lane in three stages: *folded* into memory when it is fetched, *flushed* to
ClickHouse and `kol-cells` with the next flush, *durable* once a snapshot that holds it is
committed. Only then may its offset be committed.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from schemas.columns import RecordBatch
from streams.core.arrays.arena import Arrays
from streams.core.arrays.names import Names
from streams.core.sides import Side
from streams.snapshots import Capture, Pace, StateLog, Steps
from streams.worker.unacknowledged import Unacknowledged

IDLE_SECONDS = 0.3  # without a batch: a snapshot now lets `kol drain` end soon

Gauge = tuple[str, float, tuple[str, ...]]  # metric, value, labels beyond side and partition


@dataclass(frozen=True, slots=True)
class PendingSnapshot:
    """A lane between two batches: what a snapshot writes, and the offsets it makes durable."""

    capture: Capture
    offsets: dict[str, int]  # next offset per topic


@dataclass(slots=True)
class Mute:
    """Why a restored lane writes nothing yet: the crashed owner may have written newer rows.

    It ends once the offsets are passed that the topics ended at, or after some time: a short
    dip in what people read is better than memory without bound.
    """

    until: dict[str, int] = field(default_factory=dict)  # topic -> offset to be passed
    since: float = 0.0

    def is_on(self, offsets: dict[str, int], now: float, longest: float) -> bool:
        """Whether the lane still has to be silent; once it is off it stays off."""
        is_passed = all(offsets.get(topic, 0) >= end for topic, end in self.until.items())
        if is_passed or now - self.since >= longest:
            self.lift()
        return bool(self.until)

    def lift(self) -> None:
        """End it."""
        self.until = {}


class Memory(Protocol):
    """What both sides' memories have."""

    epoch: int
    life: int

    @property
    def offsets(self) -> dict[str, int]:
        """Where reading goes on, by topic."""

    @property
    def names(self) -> Names:
        """The KOLs and brands in it."""

    @property
    def totals(self) -> NDArray[np.int64]:
        """Everything it has counted since the partition's beginning."""

    def arrays(self) -> Arrays:
        """What a snapshot holds, as views."""


class Lane(ABC):
    """One partition of one side.

    Args:
        partition: its number.
        memory: what it knows.
        log: where its snapshots go.
        pace: when the next snapshot is due.
        mute: what keeps it silent after a restore.

    """

    side: ClassVar[Side]
    places: ClassVar[tuple[tuple[str, str, str], ...]]  # topic, label, kind of `memory.totals`

    def __init__(
        self, partition: int, memory: Memory, log: StateLog, pace: Pace, mute: Mute
    ) -> None:
        self.partition = partition
        self.log = log
        self.pace = pace
        self.mute = mute
        self.unacknowledged = Unacknowledged()
        self.is_dirty = True  # something happened since the last capture
        self.is_snapshotting = False  # a snapshot is being written
        self.is_purging = False  # the next snapshot must leave no trace of former ones
        self.is_copied = asyncio.Event()  # cleared while memory is being copied: it may not change
        self.is_copied.set()
        self.idle_since = 0.0  # when the last batch was folded
        self._memory = memory
        self._exported = memory.totals  # before a restore others counted

    @abstractmethod
    def fold(self, batch: RecordBatch, now: float) -> None:
        """Fold a batch into memory; it is not durable yet."""

    @abstractmethod
    def watermark(self, now: float) -> int | None:
        """The least event time still open, milliseconds; None while it is not known."""

    def holds_watermark(self, now: float) -> bool:  # noqa: ARG002  # the user side's
        """Whether the partition has just begun, so that its watermark is not announced yet."""
        return False

    def prune(self, now: float) -> None:  # noqa: B027  # nothing, unless a side has something
        """Drop from memory what no accepted event can change any more."""

    def gauges(self, now: float) -> Iterator[Gauge]:
        """What metrics say of this lane now."""
        yield "kol_names", len(self._memory.names), (self.side.value, str(self.partition))
        mark = self.watermark(now)
        if mark is not None:
            labels = self.side.value, str(self.partition)
            yield "kol_watermark_timestamp_seconds", mark / 1000, labels

    @property
    def offsets(self) -> dict[str, int]:
        """Where reading goes on, by topic."""
        return self._memory.offsets

    @property
    def memory_bytes(self) -> int:
        """How large its arrays are."""
        return sum(array.nbytes for array in self._memory.arrays().values())

    @property
    def durable_offsets(self) -> dict[str, int]:
        """Where reading would go on after a snapshot taken now."""
        return self._memory.offsets

    def take_unacknowledged(self) -> Unacknowledged:
        """What was folded since the last call."""
        taken, self.unacknowledged = self.unacknowledged, Unacknowledged()
        return taken

    def take_counts(self) -> Iterator[tuple[str, str, str, int]]:
        """Topic, label, kind and increase of every total since the last call."""
        totals = self._memory.totals
        increase, self._exported = totals - self._exported, totals
        for place in np.flatnonzero(increase).tolist():
            yield *self.places[place], int(increase[place])

    def take_step_seconds(self) -> Iterator[tuple[str, float]]:
        """Each step of folding that is measured, and the seconds in it since the last call."""
        yield from ()

    def is_muted(self, now: float, longest: float) -> bool:
        """Whether nothing may be written yet, `longest` seconds after a restore at most."""
        return self.mute.is_on(self.offsets, now, longest)

    def is_snapshot_due(self, now: float) -> bool:
        """Whether the pace asks for a snapshot, or the partition became idle."""
        if self.is_snapshotting or not self.is_dirty:
            return False
        is_idle = now - self.idle_since >= IDLE_SECONDS
        return self.pace.is_due(now) or (is_idle and self.pace.is_affordable(now))

    def capturing(self) -> Steps[PendingSnapshot]:
        """Copy memory in steps; nothing may be folded before the last one (`is_copied`)."""
        self.is_copied.clear()
        try:
            capture = yield from self.log.capturing(self._memory.arrays(), whole=self.is_purging)
        finally:
            self.is_copied.set()
        self.is_dirty, self.is_snapshotting = False, True
        return PendingSnapshot(capture, dict(self.durable_offsets))

    def snapshot_written(self, now: float, work_s: float) -> None:
        """Note that a snapshot became durable; it cost `work_s` of a core."""
        self.is_snapshotting = self.is_purging = False
        self.pace.record(now, work_s)

    def snapshot_failed(self) -> None:
        """Note that what was captured did not become durable."""
        self.is_dirty, self.is_snapshotting = True, False

    def _note_folded(self, batch: RecordBatch) -> None:
        self.unacknowledged.add(batch.received_at, batch.size)
