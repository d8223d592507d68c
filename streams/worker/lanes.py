"""One partition of one side: its memory, its log of snapshots, what is folded but not yet safe.

A batch goes through a lane in three moments: *folded* into memory as fetched, *stated* to
ClickHouse (and `kol-cells`) with the next round, *safe* once a snapshot that holds it is
committed; only then its offset may be committed.
"""

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from schemas.blocks import unpack
from schemas.codec import decode
from schemas.columns import RecordBatch
from schemas.erasures import read
from schemas.topics import CELLS, ERASURES
from streams.clients.kafka_reader import Whole
from streams.core.kol import memory as kol_memory
from streams.core.kol.memory import KolMemory
from streams.core.sides import Side
from streams.core.user import door_counts
from streams.core.user.memory import UserMemory
from streams.snapshots import Capture, Pace, StateLog
from streams.snapshots.pace import SHARE

REST_SECONDS = 0.3  # without a batch: a snapshot now lets `kol drain` end soon


@dataclass(slots=True)
class Waits:
    """Folded batches that are not acknowledged: append times for the latency, and how much."""

    at: list[NDArray[np.int64]] = field(default_factory=list)
    count: list[NDArray[np.int64]] = field(default_factory=list)
    messages: int = 0
    bytes: int = 0  # of their values, as they came

    def add(self, received_at: NDArray[np.int64], size: int) -> None:
        """Remember one batch: few distinct append times, each with its messages."""
        times, counts = np.unique(received_at, return_counts=True)
        self.at.append(times)
        self.count.append(counts)
        self.messages += len(received_at)
        self.bytes += size

    def taken(self) -> "Waits":
        """What was remembered so far; begins anew."""
        taken = Waits(self.at, self.count, self.messages, self.bytes)
        self.at, self.count, self.messages, self.bytes = [], [], 0, 0
        return taken


@dataclass(frozen=True, slots=True)
class Taken:
    """A lane between two batches: what a snapshot writes, and up to where it makes safe."""

    capture: Capture
    offsets: dict[str, int]  # next offset per topic


@dataclass(slots=True, eq=False)
class Lane:
    """One partition of one side."""

    side: Side
    partition: int
    memory: UserMemory | KolMemory
    log: StateLog
    mute_until: dict[str, int]  # nothing is stated before these offsets are passed
    muted_at: float
    pace: Pace
    begun_at: float | None  # when its first message came, or long ago; None: nothing yet
    is_empty: bool = False  # nothing yet, and quiet: it holds nobody's time
    waits: Waits = field(default_factory=Waits)
    keeping: bool = False  # a snapshot is being written
    purging: bool = False  # somebody was forgotten: the next snapshot leaves no trace of before
    is_dirty: bool = True  # something happened since the last capture
    idle_since: float = 0.0  # when the last batch was folded
    _counted: NDArray[np.int64] = field(init=False)  # the totals when they were last told

    def __post_init__(self) -> None:
        """Begin to count: what a restored memory has counted before was told by others."""
        self._counted = self.memory.totals

    def fold(self, batch: RecordBatch, now: float) -> None:
        """Take a batch in; it is not safe yet."""
        self.is_dirty, self.idle_since = True, now
        if isinstance(self.memory, UserMemory) and batch.topic == ERASURES:
            self.memory.fold_erasures(read(batch.values, batch.offsets), batch.next_offset)
            return  # it is no event: the partition has not begun by it
        if isinstance(self.memory, UserMemory):
            self.memory.fold(decode(batch))
        else:
            for block in batch.values:
                if block is not None:
                    self.memory.fold(unpack(block))
            self.memory.offsets[CELLS] = batch.next_offset
        self.waits.add(batch.received_at, sum(map(len, filter(None, batch.values))))
        self.is_empty = False
        if self.begun_at is None:
            self.begun_at = now

    def counted(self) -> Iterator[tuple[str, str, str, int]]:
        """How many more by topic, label and kind since this was asked last."""
        totals = self.memory.totals
        more, self._counted = totals - self._counted, totals
        places = door_counts.SERIES if self.side is Side.USER else kol_memory.SERIES
        for at in np.flatnonzero(more).tolist():
            yield *places[at], int(more[at])

    def forget(self, told: Whole) -> None:
        """Take in all of a partition of `kol-erasures`; the same again changes nothing."""
        if isinstance(self.memory, UserMemory):
            values, offsets = (
                [one.value for one in told.entries],
                [one.offset for one in told.entries],
            )
            self.memory.fold_erasures(read(values, offsets), told.end)

    def is_muted(self, now: float, longest: float) -> bool:
        """After a restore nothing is said until the lane is where the dead run may have been."""
        if self.mute_until:
            offsets = self.memory.offsets
            passed = all(offsets.get(topic, 0) >= end for topic, end in self.mute_until.items())
            if passed or now - self.muted_at >= longest:
                self.mute_until = {}
        return bool(self.mute_until)

    def is_due(self, now: float) -> bool:
        """Whether a snapshot is wanted: the pace says so, or the partition came to rest."""
        if self.keeping or not self.is_dirty:
            return False
        rests = now - self.idle_since >= REST_SECONDS
        return self.pace.is_due(now) or (rests and self.pace.is_free(now))

    def taken(self) -> Taken:
        """Memory as it stands between two batches, without those who are to be forgotten."""
        offsets = self.memory.offsets
        if isinstance(self.memory, UserMemory):
            self.purging |= self.memory.erase()
            offsets = self.memory.safe_offsets
        capture = self.log.capture(self.memory.arrays(), whole=self.purging)
        self.is_dirty, self.keeping = False, True
        return Taken(capture, dict(offsets))

    def reach(self, topic: str, end: int, at: int) -> None:
        """Everything that was appended to an input before `at` lies below `end`.

        Behind `end` there may be ends of transactions: who is mute does not wait for those.
        """
        if isinstance(self.memory, UserMemory) and self.memory.offsets[topic] >= end:
            self.mute_until.pop(topic, None)
            self.memory.mark_read_to(topic, at)
            self.is_dirty |= self.memory.has_erasures_due

    def returned(self) -> None:
        """What was taken did not become a snapshot."""
        self.is_dirty, self.keeping = True, False


def share(lanes: Collection[Lane]) -> None:
    """Let the snapshots of all lanes of a worker take their share of a core together."""
    for lane in lanes:
        lane.pace.share = SHARE / len(lanes)


def at_once(works: Sequence[Callable[[], None]]) -> None:
    """Do all of it in threads, as many at a time as there are cores; the first error is raised."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for done in [pool.submit(work) for work in works]:
            done.result()
