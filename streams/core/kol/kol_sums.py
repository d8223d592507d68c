"""The faded sums of every KOL, and its gate, after its last final and its last written row.

Open minutes are added to the sums in their order, from the final ones on; while nothing
before them changes, from the last written one on. Both ways make the same additions, so
they give the same bits. A row is of a minute with a cell, or a tick (`ticks`).
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Codes, Mask
from streams.core.arrays.arena import Arena, Arrays, Floats
from streams.core.arrays.scan import running
from streams.core.kol.cells import Values
from streams.core.kol.gate import latched
from streams.core.kol.known_priors import Known
from streams.core.kol.sums import RESTARTS_AFTER, WIDTH, Scores, carrying, weighted
from streams.core.moments import Minutes

NO_MINUTE: Final = 2**62  # behind all minutes

_SUMS: Final = np.dtype((np.float64, (WIDTH,)))


class KolRows(NamedTuple):
    """Rows of KOLs, in order of KOL and minute, once each."""

    kol: Codes
    minute: Minutes
    values: Values  # of cells; zeros where there is none
    is_cell: Mask  # else it is a tick


Judge = Callable[[KolRows, Floats], tuple[Scores, Known]]  # rows and the sums after them


class Judged(NamedTuple):
    """What is said of rows."""

    scores: Scores
    known: Known
    is_open: Mask  # the gate of trust


class _State(NamedTuple):
    """What is known of KOLs at some row of each; shape (kols,), sums (kols, WIDTH)."""

    sums: Floats
    minute: Minutes
    seen: Minutes  # the last minute with a cell; 0: none
    is_open: Mask

    def take(self, which: Mask) -> "_State":
        """Those of some KOLs."""
        sums, minute, seen, is_open = self
        return _State(sums[which], minute[which], seen[which], is_open[which])

    def or_else(self, other: "_State", which: Mask) -> "_State":
        """Those of some KOLs, of the others the other ones."""
        sums = np.where(which[:, None], self.sums, other.sums)
        minute, seen = (np.where(which, *both) for both in zip(self[1:3], other[1:3], strict=True))
        return _State(sums, minute, seen, np.where(which, self.is_open, other.is_open))


class KolSums:
    """Sums and gate by KOL code."""

    def __init__(self) -> None:
        self._final = Arena(
            sums=_SUMS, minute=np.int64, seen=np.int64, is_open=np.bool_, changed=np.int64
        )
        self._written = _written()

    def __len__(self) -> int:
        return len(self._final)

    @property
    def changed(self) -> Minutes:
        """The first minute of each KOL that differs from what was written, or NO_MINUTE."""
        changed: Minutes = self._final["changed"]
        return changed

    @property
    def seen(self) -> Minutes:
        """The last final minute with a cell of each KOL, 0 where there is none."""
        seen: Minutes = self._final["seen"]
        return seen

    def extend_to(self, kols: int) -> None:
        """Have so many KOLs; new ones have no evidence."""
        first = self._final.extend(kols - len(self))
        self.changed[first:] = NO_MINUTE
        self._written.extend(kols - first)
        self._written["minute"][first:] = NO_MINUTE

    def mark_changed(self, kol: Codes, minute: Minutes) -> None:
        """Let these minutes be written again, and all after them."""
        np.minimum.at(self.changed, kol, minute)

    def rewound(self, kol: Codes, minute: Minutes) -> Mask:
        """Which KOLs have to start from their final minutes again to reach these; shape (kols,)."""
        first = np.full(len(self), NO_MINUTE)
        np.minimum.at(first, kol, minute)
        return (first < NO_MINUTE) & (first <= self._written["minute"])

    def add_final(self, rows: KolRows, judge: Judge) -> Judged:
        """What is said after each row; the rows are final from now on."""
        begin, end = _groups(rows.kol)
        owner = rows.kol[begin]
        judged, last = _run(rows, begin, end, _at(self._final, owner), judge)
        _put(self._final, owner, last)
        overtaken = self._written["minute"][owner] <= rows.minute[end]
        _put(self._written, owner[overtaken], last.take(overtaken))
        return judged

    def add_open(self, rows: KolRows, rewound: Mask, judge: Judge) -> Judged:
        """What is said after each row, up to the last one a KOL has.

        Of a KOL that is rewound all open rows are given, of others those after the last
        written one.
        """
        begin, end = _groups(rows.kol)
        owner = rows.kol[begin]
        again = rewound[owner]
        start = _at(self._final, owner).or_else(_at(self._written, owner), again)
        judged, last = _run(rows, begin, end, start, judge)
        _put(self._written, owner, last)
        self.changed[:] = NO_MINUTE
        return judged

    def expired(self, closed_to: int) -> Mask:
        """Which KOLs will start from nothing with whatever cell comes next; shape (kols,)."""
        expired: Mask = closed_to + 1 - self.seen > RESTARTS_AFTER
        return expired

    def keep(self, which: Mask) -> None:
        """Drop all KOLs but these; the others are renumbered in their order."""
        self._final.keep(which)
        self._written.keep(which)

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """What a snapshot holds, as views."""
        return self._final.arrays(prefix)

    def restore(self, prefix: str, arrays: Arrays) -> None:
        """Take over what `arrays` gave; the open minutes have to be added again."""
        self._final.restore(prefix, arrays)
        self._written = _written()
        self._written.extend(len(self))
        self._written["minute"][:] = NO_MINUTE


def _written() -> Arena:
    """What is known after the last written row; the minute is NO_MINUTE where nothing is."""
    return Arena(sums=_SUMS, minute=np.int64, seen=np.int64, is_open=np.bool_)


def _groups(kol: Codes) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The first and the last row of each KOL."""
    begin = np.flatnonzero(np.diff(kol, prepend=-1))
    return begin, np.append(begin[1:], len(kol))[: len(begin)] - 1


def _run(
    rows: KolRows, begin: NDArray[np.intp], end: NDArray[np.intp], start: _State, judge: Judge
) -> tuple[Judged, _State]:
    """What is said after each row, and the state of each group after its last one."""
    seen = _last_cells(rows, begin, start.seen)
    before = _shifted(rows.minute, begin, start.minute)
    silent = rows.minute - _shifted(seen, begin, start.seen)
    factors = carrying(before, rows.minute, silent)
    sums = running(weighted(rows.values, rows.minute), factors, begin, start.sums)
    scores, known = judge(rows, sums)
    is_open = latched(scores.opens, scores.closes, begin, start.is_open)
    last = _State(sums[end], rows.minute[end], seen[end], is_open[end])
    return Judged(scores, known, is_open), last


def _last_cells(rows: KolRows, begin: NDArray[np.intp], seen: Minutes) -> Minutes:
    """The last minute with a cell up to each row; `seen` is that before each group."""
    is_first = np.zeros(len(rows.kol), np.bool_)
    is_first[begin] = True
    minute = _shifted(rows.minute, begin, seen)
    minute[rows.is_cell] = rows.minute[rows.is_cell]
    place = np.where(rows.is_cell | is_first, np.arange(len(minute)), 0)
    return minute[np.maximum.accumulate(place)]


def _shifted(values: Minutes, begin: NDArray[np.intp], first: Minutes) -> Minutes:
    """The value of the row before each, `first` where a group begins."""
    before = np.append(values[:1], values[:-1])
    before[begin] = first
    return before


def _at(arena: Arena, owner: Codes) -> _State:
    return _State(*(arena[name][owner] for name in _State._fields))


def _put(arena: Arena, owner: Codes, state: _State) -> None:
    for name, values in state._asdict().items():
        arena[name][owner] = values
