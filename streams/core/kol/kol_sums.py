"""Where every KOL stands: its faded sums after its last final and its last stated minute.

Open minutes are added to the sums in their order, from the final ones on; while nothing
before them changes, from the last stated one on. Both roads make the same additions, so
they lead to the same bits.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Codes, Mask
from streams.core.arrays.arena import Arena, Arrays, Floats
from streams.core.arrays.scan import running
from streams.core.kol.cells import Values
from streams.core.kol.sums import SILENCE, WIDTH, carrying, weighted
from streams.core.moments import Minutes

NO_MINUTE: Final = 2**62  # behind all minutes

_SUMS: Final = np.dtype((np.float64, (WIDTH,)))


class KolSums:
    """Sums by KOL code; rows handed in are in order of KOL and minute, once each."""

    def __init__(self) -> None:
        self._final = Arena(sums=_SUMS, minute=np.int64, changed=np.int64)
        self._stated = Arena(sums=_SUMS, minute=np.int64)  # NO_MINUTE where it is not known

    def __len__(self) -> int:
        return len(self._final)

    @property
    def changed(self) -> Minutes:
        """The first minute of each KOL that says something else than was stated, or NO_MINUTE."""
        changed: Minutes = self._final["changed"]
        return changed

    def welcome(self, kols: int) -> None:
        """Make room for so many KOLs; those never seen before have no evidence."""
        first = self._final.extend(kols - len(self))
        self.changed[first:] = NO_MINUTE
        self._stated.extend(kols - first)
        self._stated["minute"][first:] = NO_MINUTE

    def change(self, kol: Codes, minute: Minutes) -> None:
        """Remember that these minutes are to be stated again, and all behind them."""
        np.minimum.at(self.changed, kol, minute)

    def rewound(self, kol: Codes, minute: Minutes) -> Mask:
        """Which KOLs must begin at their final minutes again to come to these; shape (kols,)."""
        first = np.full(len(self), NO_MINUTE)
        np.minimum.at(first, kol, minute)
        return (first < NO_MINUTE) & (first <= self._stated["minute"])

    def close(self, kol: Codes, minute: Minutes, values: Values) -> Floats:
        """The sums after each minute, shape (n, WIDTH); the minutes are final from now on."""
        begin, end = _groups(kol)
        owner = kol[begin]
        start, since = self._final["sums"][owner], self._final["minute"][owner]
        sums = _run(minute, values, begin, start, since)
        _put(self._final, owner, sums[end], minute[end])
        overtaken = self._stated["minute"][owner] <= minute[end]
        _put(self._stated, owner[overtaken], sums[end[overtaken]], minute[end[overtaken]])
        return sums

    def state(self, kol: Codes, minute: Minutes, values: Values, rewound: Mask) -> Floats:
        """The sums after each minute, shape (n, WIDTH), up to the last one a KOL has.

        Of a KOL that is rewound all open minutes are given, of others those behind the
        last stated one.
        """
        begin, end = _groups(kol)
        owner = kol[begin]
        again = rewound[owner]
        start = np.where(again[:, None], self._final["sums"][owner], self._stated["sums"][owner])
        since = np.where(again, self._final["minute"][owner], self._stated["minute"][owner])
        sums = _run(minute, values, begin, start, since)
        _put(self._stated, owner, sums[end], minute[end])
        self.changed[:] = NO_MINUTE
        return sums

    def begins_anew(self, closed_to: int) -> Mask:
        """Which KOLs will have been silent for too long by all that is to come; shape (kols,)."""
        anew: Mask = closed_to + 1 - self._final["minute"] > SILENCE
        return anew

    def keep(self, which: Mask) -> None:
        """Forget all KOLs but these; the others are numbered anew in their order."""
        self._final.keep(which)
        self._stated.keep(which)

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Give what a snapshot holds, as views."""
        return self._final.arrays(prefix)

    def restore(self, prefix: str, arrays: Arrays) -> None:
        """Take over what `arrays` gave; the open minutes are to be added again."""
        self._final.restore(prefix, arrays)
        self._stated = Arena(sums=_SUMS, minute=np.int64)
        self._stated.extend(len(self))
        self._stated["minute"][:] = NO_MINUTE


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
