"""The KOL side: one partition of `kol-cells`, folded into the scores of its KOLs.

A block brings cells and how far their source partitions are. The watermark is the least
of all sources that have anything. A minute is written twice: first 30 s after its end;
until the lateness horizon has passed a changed cell lets the rows of its KOL be written
again, from its own minute on; then the minute is final, its rows are written once more, and
its cells go into the KOL's base sums and leave memory.

A row is a function of the KOL's cells up to its own minute, whether the minutes before it
are still open or were final long ago, and of the numbers that hold at it (`known_priors`). A KOL of
which nothing is said has a row each midnight (`ticks`); one whose sums would start from nothing
(`sums`) leaves memory.

How many minutes are open is not limited: they wait for the source that is furthest behind.
"""

from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from schemas.blocks import Block
from schemas.columns import Mask
from schemas.rows import Rows
from schemas.topics import CELLS
from schemas.version import version_of
from streams.core.arrays.arena import Arrays, Floats
from streams.core.arrays.compaction import Compaction
from streams.core.arrays.names import Names
from streams.core.kol.cells import SLACK, MergedCells
from streams.core.kol.decay import DAY
from streams.core.kol.known_priors import Known, KnownPriors, Numbers
from streams.core.kol.kol_sums import NO_MINUTE, KolRows, KolSums
from streams.core.kol.rows import counter_rows, score_rows
from streams.core.kol.sums import Scores, scores
from streams.core.kol.ticks import has_midnight
from streams.core.kol.timeline import Timeline
from streams.core.moments import GRACE_MS, HORIZON_MS, MINUTE_MS

COUNTERS: Final = {
    "blocks": "blocks read",
    "cells": "cells taken in",
    "cell_not_newer": "cells that were known already, or in a newer version",
    "cell_after_final": "cells of a minute that was final already",
}

SERIES: Final = tuple((CELLS, name, "counter") for name in COUNTERS)  # as `door_counts.SERIES`

NO_WATERMARK: Final = -2  # a source partition of which no block has come yet
EMPTY: Final = -1  # a source partition with nothing there: it does not count

PORTION: Final = 1 << 13  # rows worked on at once: hours may become final in one moment
ROOM: Final = 1 << 18  # rows of silent KOLs that one call gives: some 100 MB


class KolMemory:
    """What a partition of the KOL side knows; changed in place by `fold` and `collect_updates`."""

    def __init__(
        self,
        partition: int,
        sources: int,
        slack: int = SLACK,
        portion: int = PORTION,
        room: int = ROOM,
    ) -> None:
        """Begin with nothing; `sources` is the number of partitions of the input topics.

        When memory is pruned (`slack`), how many rows are worked on at once (`portion`) and how
        many silent days one call says (`room`) do not show in any row.
        """
        self.partition = partition
        self.epoch = 0
        self.life = 0
        self.folded = 0  # updates of this life
        self.offsets: dict[str, int] = {CELLS: 0}  # where reading goes on
        self.names = Names()
        self.cells = MergedCells(slack)
        self.lives = np.zeros(sources, np.int64)
        self._watermarks = np.full(sources, NO_WATERMARK, np.int64)
        self._kol_sums = KolSums()
        self._compaction = Compaction(slack)
        self._known = KnownPriors()
        self._known_to = NO_MINUTE  # the last minute whose numbers are known
        self._portion = portion
        self._room = room
        self._counts = np.zeros(len(COUNTERS), np.int64)
        self._counts_written = self._counts.copy()
        self._final_to = -1  # minutes up to here take no more cells
        self._closed_to = -1  # and up to here they are in the base sums
        self._written_to = -1  # minutes up to here have been written

    @property
    def watermark(self) -> int | None:
        """The least watermark of all sources, milliseconds; None until all have sent one."""
        counting = self._watermarks[self._watermarks != EMPTY]
        if not counting.size or NO_WATERMARK in counting:
            return None
        return int(counting.min())

    @property
    def version(self) -> int:
        """The version of the latest updates."""
        return version_of(self.epoch, self.life, self.folded)

    @property
    def counters(self) -> dict[str, int]:
        """What was counted since the partition's beginning, as `COUNTERS`."""
        return dict(zip(COUNTERS, self._counts.tolist(), strict=True))

    @property
    def totals(self) -> NDArray[np.int64]:
        """The same, in order of `SERIES`."""
        return self._counts.copy()

    @property
    def open_minutes(self) -> int:
        """How many minutes of KOLs can still change."""
        return int(np.count_nonzero(self.cells.minute > self._closed_to))

    def fold(self, block: Block) -> None:
        """Take a block in: its cells first, then what its watermarks close.

        Raises:
            ValueError: it comes from more source partitions than there are.

        """
        if max([*block.watermarks, *block.lives], default=0) >= len(self.lives):
            raise ValueError(f"block of more than {len(self.lives)} source partitions")
        self._merge(block)
        for source, mark in block.watermarks.items():
            self._watermarks[source] = max(
                int(self._watermarks[source]), EMPTY if mark is None else mark
            )
        for source, life in block.lives.items():
            self.lives[source] = max(int(self.lives[source]), life)
        self._final_to = max(self._final_to, self._passed(HORIZON_MS))

    def ask(self, numbers: Numbers) -> None:
        """Ask these numbers from now on, which all partitions of a process share."""
        self._known = KnownPriors(numbers)

    def know_to(self, minute: int) -> None:
        """Write no minute after this one: numbers that hold for it may not be read yet."""
        self._known_to = minute

    @property
    def asks_from(self) -> int:
        """The first moment whose numbers may be asked for, milliseconds."""
        return (self._closed_to + 1) * MINUTE_MS

    def collect_updates(self) -> list[Rows]:
        """What changed since the last call: rows of `kol_score` and of `door_count`."""
        self.folded += 1
        rows = [*self._final_rows(), *self._open_rows(), *self._counter_rows()]
        self.cells.prune(self._closed_to)
        self._prune_kols()
        return [part for part in rows if len(part)]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a snapshot holds, mostly as views."""
        progress = [self.offsets[CELLS], self._final_to, self._closed_to, self._written_to]
        return {
            **self.names.arrays("names"),
            **self.cells.arrays("cells"),
            **self._kol_sums.arrays("standing"),
            "marks": self._watermarks,
            "lives": self.lives,
            "counts": self._counts,
            "progress": np.array(progress, np.int64),
        }

    @classmethod
    def restored(cls, arrays: Arrays, partition: int, slack: int = SLACK, room: int = ROOM) -> Self:
        """The memory that `arrays` was taken from; its life is for the caller to set."""
        memory = cls(partition, len(arrays["marks"]), slack, room=room)
        memory.names.restore("names", arrays)
        memory.cells.restore("cells", arrays)
        memory._kol_sums.restore("standing", arrays)
        memory._watermarks[:] = arrays["marks"]
        memory.lives[:] = arrays["lives"]
        memory._counts[:] = memory._counts_written[:] = arrays["counts"]
        progress = arrays["progress"].tolist()
        memory.offsets[CELLS], memory._final_to, memory._closed_to, memory._written_to = progress
        return memory

    def _prune_kols(self) -> None:
        """Drop the KOLs without open minutes whose sums have expired, when there are many."""
        if not self._compaction.is_due(len(self.names)):
            return
        stays = ~self._kol_sums.expired(self._closed_to)
        stays[self.cells.kol] = True
        if self._compaction.is_worth(~stays):
            self.names.keep(stays)
            self._kol_sums.keep(stays)
            self.cells.renumber_kols(np.cumsum(stays) - 1)
            self._known.forget()
        self._compaction.reset(len(self.names))

    def _passed(self, lateness: int) -> int:
        """The last minute whose end the watermark has passed by so much, -1 if none."""
        watermark = self.watermark
        return -1 if watermark is None else max((watermark - lateness) // MINUTE_MS - 1, -1)

    def _merge(self, block: Block) -> None:
        rows = np.flatnonzero(block.minute > self._final_to)
        kol = self.names.recode(block.kols, block.kol[rows])
        self._kol_sums.extend_to(len(self.names))
        changed, newer = self.cells.merge(
            kol, block.minute[rows], block.source[rows], block.version[rows], block.fields[rows]
        )
        kol, minute = self.cells.kol[changed], self.cells.minute[changed]
        written = minute <= self._written_to
        self._kol_sums.mark_changed(kol[written], minute[written])
        self._counts += 1, newer, len(rows) - newer, len(block) - len(rows)

    @property
    def is_behind(self) -> bool:
        """Whether another call of `collect_updates` goes on with minutes that are final."""
        return self._closed_to < self._known_final_to

    @property
    def _known_final_to(self) -> int:
        return min(self._final_to, self._known_to)

    def _reach(self) -> int:
        """How far one call closes: silence of all KOLs may end after months, a row for each day."""
        begin = self._closed_to
        if not self._kol_sums.seen.any():  # nobody has a tick before the first cell
            begin = int(self.cells.minute.min(initial=self._known_final_to))
        days = max(1, self._room // max(1, len(self._kol_sums)))
        return min(self._known_final_to, (begin // DAY + 1 + days) * DAY - 1)

    def _final_rows(self) -> list[Rows]:
        """Rows of the minutes that became final; their cells go into the base sums."""
        if not self.is_behind:
            return []
        to = self._reach()
        line = Timeline.of(self.cells, self._kol_sums.seen, self._closed_to, to)
        places = line.in_order((line.minute > self._closed_to) & (line.minute <= to))
        self._closed_to = to
        return [self._add_final(line.rows(part)) for part in line.portions(places, self._portion)]

    def _add_final(self, rows: KolRows) -> Rows:
        judged = self._kol_sums.add_final(rows, self._judge)
        return score_rows(self.names.names, rows, judged, self.version, final=True)

    def _open_rows(self) -> list[Rows]:
        """Rows of the open minutes that are due for the first time, or changed since."""
        written_to = max(self._written_to, min(self._passed(GRACE_MS), self._known_to))
        changed = self._kol_sums.changed
        has_changed = changed < NO_MINUTE
        if self._closed_to < self._final_to or self._known_to < self._written_to:
            return []  # what they begin with, or their numbers, are not known yet
        if written_to == self._written_to and not has_changed.any():
            return []
        whose = self._stirred(written_to, has_changed)
        line = Timeline.of(self.cells, self._kol_sums.seen, self._closed_to, written_to, whose)
        kol, minute = line.kol, line.minute
        open_ = (minute > self._closed_to) & (minute <= written_to)
        due = open_ & ((minute > self._written_to) | (minute >= changed[kol]))
        rewound = self._kol_sums.rewound(kol[due], minute[due])
        places = line.in_order(due | (open_ & rewound[kol]))
        self._written_to = written_to
        return [
            self._add_open(line.rows(part), due[part], rewound)
            for part in line.portions(places, self._portion)
        ]

    def _stirred(self, written_to: int, has_changed: Mask) -> Mask | None:
        """The KOLs of which a row is due; None: those of all, a midnight has passed."""
        if has_midnight(self._written_to, written_to):
            return None
        minute = self.cells.minute
        has_changed[self.cells.kol[(minute > self._written_to) & (minute <= written_to)]] = True
        return has_changed

    def _add_open(self, rows: KolRows, due: Mask, rewound: Mask) -> Rows:
        judged = self._kol_sums.add_open(rows, rewound, self._judge)
        every = score_rows(self.names.names, rows, judged, self.version, final=False)
        return every if due.all() else every.pick(np.flatnonzero(due))

    def _judge(self, rows: KolRows, sums: Floats) -> tuple[Scores, Known]:
        known = self._known.of_rows(self.names.names, rows.kol, rows.minute)
        return scores(sums, rows.minute, known.prior, known.audits), known

    def _counter_rows(self) -> list[Rows]:
        if np.array_equal(self._counts, self._counts_written):
            return []
        self._counts_written[:] = self._counts
        return [counter_rows(CELLS, self.partition, self.counters, self.version)]
