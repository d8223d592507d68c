"""A partition of the KOL side: blocks of cells into scores."""

from collections.abc import Iterator

from schemas.blocks import unpack
from schemas.columns import RecordBatch
from schemas.rows import Rows
from schemas.topics import CELLS
from streams.core.kol import memory as kol_memory
from streams.core.kol.memory import KolMemory
from streams.core.sides import Side
from streams.snapshots import Pace, StateLog
from streams.worker.lanes import Gauge, Lane, Mute
from streams.worker.numbers_reader import NumbersReader


class KolLane(Lane):
    """One partition of the KOL side."""

    side = Side.KOL
    places = kol_memory.SERIES

    def __init__(
        self, partition: int, memory: KolMemory, log: StateLog, pace: Pace, mute: Mute
    ) -> None:
        super().__init__(partition, memory, log, pace, mute)
        self.memory = memory
        self._numbers: NumbersReader | None = None

    def ask(self, numbers: NumbersReader) -> None:
        """Judge by these numbers from now on, and by none that is not read yet."""
        self._numbers = numbers
        self.memory.ask(numbers.known)
        self.memory.know_to(numbers.known_to)

    def collect_updates(self) -> list[Rows]:
        """As of the memory, as far as the numbers are read."""
        if self._numbers is not None:
            self.memory.know_to(self._numbers.known_to)
        rows = self.memory.collect_updates()
        self.is_dirty |= self.memory.is_behind  # the next flush goes on
        return rows

    def fold(self, batch: RecordBatch, now: float) -> None:
        """Fold blocks of cells."""
        self.is_dirty, self.idle_since = True, now
        for block in batch.values:
            if block is not None:
                self.memory.fold(unpack(block))
        self.memory.offsets[CELLS] = batch.next_offset
        self._note_folded(batch)

    def watermark(self, now: float) -> int | None:  # noqa: ARG002  # as of every lane
        """What the slowest source partition has reached; None until all have spoken."""
        return self.memory.watermark

    def gauges(self, now: float) -> Iterator[Gauge]:
        """As of every lane, and how many minutes can still change."""
        yield from super().gauges(now)
        yield "kol_open_minutes", self.memory.open_minutes, (str(self.partition),)
