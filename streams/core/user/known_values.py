"""What numbered values say of the contents and KOLs of events, each at its own record time.

A batch may straddle the moment from which a number holds: each event is told by the number that
holds for it, so how events were cut into batches does not matter, nor when they are folded.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Codes, Keys, Mask, Moments
from schemas.entries import UNKNOWN
from schemas.number_log import NumberLog, Values
from schemas.numbered import CONTENT, KOL
from streams.core.arrays.index import RowNumbers


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What is known of the contents of events, shape `(n,)`: 1 yes, 0 no, UNKNOWN."""

    sponsored: NDArray[np.int8]
    disclosed: NDArray[np.int8]
    number: NDArray[np.uint32]  # which number was asked; 0: none


class KnownValues:
    """The numbers that events may ask for, of one process."""

    def __init__(self) -> None:
        self.log = NumberLog()

    def disclosure(
        self, contents: Sequence[str], content: Codes, received_at: Moments
    ) -> Disclosure:
        """Whether contents are sponsored, and say so.

        Args:
            contents: the content_ids of a batch; an empty one is none.
            content: of each event, into `contents`; negative where it names none.
            received_at: record times.

        """
        found = Disclosure(
            np.full(len(content), UNKNOWN, np.int8),
            np.full(len(content), UNKNOWN, np.int8),
            np.zeros(len(content), np.uint32),
        )
        is_named = np.array([*map(bool, contents), False], np.bool_)  # negative: the last place
        named = np.flatnonzero(is_named[np.maximum(content, -1)])
        for number, which in self._by_number(CONTENT, received_at, named):
            values = self.log.values_of(number)
            row = _rows(values, contents, content[which])
            found.sponsored[which] = values.flags("sponsored", row)
            found.disclosed[which] = values.flags("disclosed", row)
            found.number[which] = number
        return found

    def own_accounts(
        self, kols: Sequence[str], kol: Codes, user: Keys, received_at: Moments
    ) -> Mask:
        """Which events are of an account that belongs to their KOL, shape `(n,)`.

        Args:
            kols: the distinct kol_ids of a batch.
            kol: of each event, into `kols`.
            user: keyed names of the events' user_ids as sent.
            received_at: record times.

        """
        own = np.zeros(len(kol), np.bool_)
        everything = np.arange(len(kol))
        for number, which in self._by_number(KOL, received_at, everything):
            values = self.log.values_of(number)
            near = which[values.near("accounts", user[which])]
            if near.size:  # few: those of the accounts of any KOL
                row = _rows(values, kols, kol[near])
                own[near] = values.has("accounts", row, user[near])
        return own

    def _by_number(
        self, kind: str, received_at: Moments, which: RowNumbers
    ) -> Iterator[tuple[int, RowNumbers]]:
        """The numbers of a kind that hold for some events, each with its events."""
        number = self.log.numbers_at(kind, received_at[which])
        if not number.any():
            return
        for one in np.unique(number[number > 0]).tolist():
            yield one, which[number == one]


def _rows(values: Values, names: Sequence[str], code: Codes) -> RowNumbers:
    """The row of the name of each event; each name that is used is looked up once."""
    row = np.zeros(len(names), np.int64)
    used = np.unique(code)
    row[used] = values.rows([names[one] for one in used.tolist()])
    return row[code]
