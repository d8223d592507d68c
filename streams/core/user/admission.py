"""Which names count as themselves: of each topic and four weeks the first of its log.

*KOLs.* Of the events of one topic partition in one stretch of four weeks (event time, since the
epoch) the first 131 072 different KOLs have cells of their own. Events of further ones
are counted in the cells of `~others`, which has no score. Touches and credits keep the names
as they are: money is never owed to `~others`.

*Labels.* Of the words that `paid` have for a platform, a channel, a category, a price tier or a
size the first 4 096 of each are on the rows of orders; further ones are `~others`. A currency
always is what it is: amounts of two are never one.

So a producer that invents a name or a word with every event fills neither memory nor the KOL side
nor the tables, and it is decided by the log of one topic partition alone.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Codes, Mask, Moments
from schemas.events import INPUTS
from streams.core.arrays.arena import Arrays
from streams.core.arrays.coded import ExpiringPart, ExpiringTable
from streams.core.arrays.index import RowNumbers, Words, high, low, packed
from streams.core.moments import DAY_MS, HORIZON_MS

WEEKS_MS: Final = 28 * DAY_MS  # a stretch
LIMIT: Final = 1 << 17  # KOLs of a topic partition and stretch; there are 100 000 in all
LABEL_LIMIT: Final = 1 << 12  # words of a label, partition and stretch; shops have some hundred
LABELS: Final = ("platform", "channel", "category", "price_tier", "size")  # those with a limit


def expired(kols: ExpiringTable, watermark: int) -> Mask:
    """Which rows are of stretches no accepted event can belong to any more."""
    end = (kols["hi"].astype(np.int64) + 1) * WEEKS_MS
    over: Mask = end + HORIZON_MS <= watermark
    return over


class Admission(ExpiringPart):
    """The names of the stretches that can still change; the key is topic and name, stretch.

    A label stands in place of the topic of its words. They are names as KOLs are (`named`).
    """

    def __init__(self, slack: int, limit: int = LIMIT, label_limit: int = LABEL_LIMIT) -> None:
        self._kol = ExpiringTable(slack, expired, user=None)  # a topic in place of the user
        super().__init__({"": self._kol})
        self._limits = (*(limit for _ in INPUTS), *(label_limit for _ in LABELS))
        self._count: dict[tuple[int, int], int] = {}  # topic, stretch -> KOLs
        self._admitted: dict[int, tuple[int, Mask]] = {}  # topic -> its stretch, admitted by code

    def admit(self, topic: str, kol: Codes, at: Moments) -> Mask:
        """Take events in, in the order of the log; gives which KOLs or words are admitted."""
        of = _PLACES.index(topic)
        first, last = (int(moment) // WEEKS_MS for moment in (at.min(), at.max()))
        if first != last:
            return self._look_up(of, kol, at)
        admitted = self._known(of, first, kol)
        if not admitted.all():
            new = np.flatnonzero(~admitted)
            admitted[new] = self._look_up(of, kol[new], at[new])
            self._admitted[of][1][kol[admitted]] = True
        return admitted

    def _known(self, of: int, stretch: int, kol: Codes) -> Mask:
        """Which KOLs are known to be admitted without looking them up."""
        known, admitted = self._admitted.get(of, (stretch, np.zeros(0, np.bool_)))
        more = int(kol.max()) + 1 - len(admitted)
        if known != stretch or more > 0:
            admitted = np.append(
                admitted & (known == stretch), np.zeros(max(2 * more, 0), np.bool_)
            )
        self._admitted[of] = stretch, admitted
        return admitted[kol]

    def _look_up(self, of: int, kol: Codes, at: Moments) -> Mask:
        one = packed(kol, at // WEEKS_MS)  # KOL, stretch
        ones = np.unique(one)
        stretches = np.unique(high(ones)).tolist()
        most = max((self._count.get((of, stretch), 0) for stretch in stretches), default=0)
        if most + len(ones) > self._limits[of]:
            return self._one_by_one(of, one)
        self._add(of, ones)
        return np.ones(len(one), np.bool_)

    def _one_by_one(self, of: int, one: Words) -> Mask:
        """Admit the new KOLs in the order in which they appear, as long as there is room."""
        ones, first, which = np.unique(one, return_index=True, return_inverse=True)
        admitted = self._kol.find(*_keys(of, ones)) >= 0
        new = np.flatnonzero(~admitted)
        taken = dict(self._count)
        for place in new[np.argsort(first[new])].tolist():
            stretch = of, int(ones[place]) >> _BITS
            admitted[place] = taken.get(stretch, 0) < self._limits[of]
            taken[stretch] = taken.get(stretch, 0) + 1
        self._add(of, ones[admitted])
        mask: Mask = admitted[which]
        return mask

    def _add(self, of: int, ones: Words) -> None:
        _, first = self._kol.add(*_keys(of, ones))
        if first.any():
            self._counted(np.full(int(np.count_nonzero(first)), of), high(ones[first]))

    def _counted(self, topic: RowNumbers, stretch: NDArray[np.int64]) -> None:
        for of, count in zip(*np.unique(packed(topic, stretch), return_counts=True), strict=True):
            place = int(of) & _LOW, int(of) >> _BITS
            self._count[place] = self._count.get(place, 0) + int(count)

    def prune(self, watermark: int) -> None:
        """Drop stretches no accepted event can belong to, when there are many rows."""
        rows = len(self)
        super().prune(watermark)
        if len(self) < rows:
            self._recount()

    def renumber_names(self, code: NDArray[np.int64]) -> None:
        """Give every KOL a new code, `code[old]`."""
        super().renumber_names(code)
        self._admitted = {}

    def restore(self, prefix: str, arrays: Arrays) -> None:
        """Take over what `arrays` gave."""
        super().restore(prefix, arrays)
        self._recount()

    def _recount(self) -> None:
        self._count = {}
        self._counted(low(self._kol["lo"]), self._kol["hi"].astype(np.int64))


def named(label: str, words: Sequence[str]) -> list[str]:
    """The reserved names under which the words of a label are counted.

    >>> named("size", ["900g"])
    ['~size:900g']
    """
    return [f"~{label}:{word}" for word in words]


_PLACES: Final = (*INPUTS, *LABELS)  # by code in keys: appended, never renumbered
_BITS: Final = 32
_LOW: Final = (1 << _BITS) - 1


def _keys(of: int, ones: Words) -> tuple[Words, Words]:
    """The keys of KOLs of a topic in stretches."""
    kol = low(ones)
    return packed(np.full(len(ones), of), kol), high(ones).astype(np.uint64)
