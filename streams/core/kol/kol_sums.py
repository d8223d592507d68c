"""The faded sums of every KOL, after its last final and after its last written minute.

Open minutes are added to the sums in their order, from the final ones on; while nothing
before them changes, from the last written one on. Both ways make the same additions, so
they give the same bits.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Codes, Mask
from streams.core.arrays.arena import Arena, Arrays, Floats
from streams.core.arrays.scan import running
from streams.core.kol.cells import Values
from streams.core.kol.sums import RESTARTS_AFTER, WIDTH, carrying, weighted
from streams.core.moments import Minutes

NO_MINUTE: Final = 2**62  # behind all minutes

_SUMS: Final = np.dtype((np.float64, (WIDTH,)))


class KolSums:
    """Sums by KOL code; rows handed in are in order of KOL and minute, once each."""

    def __init__(self) -> None:
        self._final = Arena(sums=_SUMS, minute=np.int64, changed=np.int64)
        self._written = Arena(sums=_SUMS, minute=np.int64)  # NO_MINUTE where it is not known

    def __len__(self) -> int:
        return len(self._final)

    @property
    def changed(self) -> Minutes:
        """The first minute of each KOL that differs from what was written, or NO_MINUTE."""
        changed: Minutes = self._final["changed"]
        return changed

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

    def add_final(self, kol: Codes, minute: Minutes, values: Values) -> Floats:
        """The sums after each minute, shape (n, WIDTH); the minutes are final from now on."""
        begin, end = _groups(kol)
        owner = kol[begin]
        start, since = self._final["sums"][owner], self._final["minute"][owner]
        sums = _run(minute, values, begin, start, since)
        _put(self._final, owner, sums[end], minute[end])
        overtaken = self._written["minute"][owner] <= minute[end]
        _put(self._written, owner[overtaken], sums[end[overtaken]], minute[end[overtaken]])
        return sums

    def add_open(self, kol: Codes, minute: Minutes, values: Values, rewound: Mask) -> Floats:
        """The sums after each minute, shape (n, WIDTH), up to the last one a KOL has.

        Of a KOL that is rewound all open minutes are given, of others those after the
        last written one.
        """
        begin, end = _groups(kol)
        owner = kol[begin]
        again = rewound[owner]
        start = np.where(again[:, None], self._final["sums"][owner], self._written["sums"][owner])
        since = np.where(again, self._final["minute"][owner], self._written["minute"][owner])
        sums = _run(minute, values, begin, start, since)
        _put(self._written, owner, sums[end], minute[end])
        self.changed[:] = NO_MINUTE
        return sums

    def expired(self, closed_to: int) -> Mask:
        """Which KOLs will start from nothing with whatever cell comes next; shape (kols,)."""
        expired: Mask = closed_to + 1 - self._final["minute"] > RESTARTS_AFTER
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
        self._written = Arena(sums=_SUMS, minute=np.int64)
        self._written.extend(len(self))
        self._written["minute"][:] = NO_MINUTE


def _groups(kol: Codes) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The first and the last row of each KOL."""
    begin = np.flatnonzero(np.diff(kol, prepend=-1))
    return begin, np.append(begin[1:], len(kol))[: len(begin)] - 1


def _run(
    minute: Minutes, values: Values, begin: NDArray[np.intp], start: Floats, since: Minutes
) -> Floats:
    """The sums after each row, from what each group had at minute `since`."""
    before = np.append(minute[:1], minute[:-1])
    before[begin] = since
    return running(weighted(values, minute), carrying(before, minute), begin, start)


def _put(arena: Arena, owner: Codes, sums: Floats, minute: Minutes) -> None:
    arena["sums"][owner] = sums
    arena["minute"][owner] = minute
