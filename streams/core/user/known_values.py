"""What numbered values say of the contents and KOLs of events, each at its own record time.

A batch may straddle the moment from which a number holds: each event is told by the number that
holds for it, so how events were cut into batches does not matter, nor when they are folded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.columns import NONE, Codes, Keys, Mask, Moments
from schemas.entries import UNKNOWN
from schemas.number_log import NumberLog, Values
from schemas.numbered import KOL, RATER
from schemas.values import Coded, compact
from streams.core.arrays.index import RowNumbers


class Asked(NamedTuple):
    """The values that hold for events: they stay, also where the log forgets them meanwhile."""

    code: NDArray[np.integer]  # of each event, into `values`; NONE where none holds, shape (n,)
    values: Sequence[Values]  # of one kind


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What is known of the contents of events, shape `(n,)`: 1 yes, 0 no, UNKNOWN."""

    sponsored: NDArray[np.int8]
    disclosed: NDArray[np.int8]
    number: NDArray[np.uint32]  # which number was asked; 0: none


class Raters(NamedTuple):
    """What is known of the users of events, shape `(n,)`."""

    agreement: NDArray[np.float64]  # with what is believed, 0 to 1; NaN: not known
    bought: Mask


class KnownValues:
    """The numbers that events may ask for, of one process."""

    def __init__(self) -> None:
        self.log = NumberLog()

    def asked(self, kind: str, received_at: Moments) -> Asked:
        """The values of a kind that hold at record times, nearly always the same at all of them."""
        count = len(received_at)
        if not count or not self.log.has_numbers(kind):
            return Asked(np.full(count, NONE), ())
        ends = np.array([received_at.min(), received_at.max()])
        first, last = self.log.numbers_at(kind, ends).tolist()
        if first == last:
            values = (self.log.values_of(first),) if first else ()
            return Asked(np.full(count, len(values) - 1), values)
        used, place = compact(self.log.numbers_at(kind, received_at) - 1)
        if used[0] == NONE:
            used, place = used[1:], place - 1
        return Asked(place, [self.log.values_of(number + 1) for number in used.tolist()])

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
        asked = self.asked(KOL, received_at)
        for place, values in enumerate(asked.values):
            near = np.flatnonzero(values.near("accounts", user) & (asked.code == place))
            if near.size:  # few: those of the accounts of any KOL
                row = _rows(values, kols, kol[near])
                own[near] = values.has("accounts", row, user[near])
        return own

    def raters(self, user: Keys, received_at: Moments) -> Raters:
        """How far events are to be believed for who says them, shape `(n,)`.

        Args:
            user: keyed names of the events' persons.
            received_at: record times.

        """
        found = Raters(np.full(len(user), np.nan), np.zeros(len(user), np.bool_))
        asked = self.asked(RATER, received_at)
        for place, values in enumerate(asked.values):
            which = np.flatnonzero(asked.code == place)
            rows = values.rows_of_names(user[which])
            found.agreement[which] = values.numbers("agreement", rows)
            found.bought[which] = values.flags("bought", rows) == 1
        return found


def disclosure(content: Coded, asked: Asked) -> Disclosure:
    """Whether contents of events are sponsored, and say so; an empty content_id is none."""
    found = Disclosure(
        np.full(len(content), UNKNOWN, np.int8),
        np.full(len(content), UNKNOWN, np.int8),
        np.zeros(len(content), np.uint32),
    )
    is_named = np.array([*map(bool, content.names), False], np.bool_)  # negative: the last place
    code = np.maximum(content.code, -1)
    named = is_named[code]
    for place, values in enumerate(asked.values):
        which = named & (asked.code == place)
        row = np.append(values.rows(content.names), NONE)  # of each name, and of none
        for name, column in (("sponsored", found.sponsored), ("disclosed", found.disclosed)):
            np.copyto(column, values.flags(name, row)[code], where=which)
        np.copyto(found.number, np.uint32(values.number.manifest.number), where=which)
    return found


def _rows(values: Values, names: Sequence[str], code: NDArray[np.integer]) -> RowNumbers:
    """The row of the name of each event; each name that is used is looked up once."""
    used, place = compact(code)
    return values.rows([names[one] for one in used.tolist()])[place]
