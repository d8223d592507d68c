"""Who is forgotten, and since when: one user_id may be several persons, one after the other.

An erasure ends a person: what was appended to the inputs up to its moment is that person's,
what is appended later under the same user_id is a new person's, whom nothing links to the
former. So whose an event is follows from the log alone: its user_id, its record time, and the
moments on `kol-erasures`. Of a person

    since   the moment that ended the one before, NEVER of the first
    key     user_key of the first; of the others user_key and `since`, mixed
    is_over a later moment is known: orders are told under NOBODY, memory goes (`UserMemory.erase`)

A moment is `held` while memory may know something of persons it ended.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Keys, Mask, Moments
from schemas.erasures import Erasures
from streams.core.arrays.arena import Arrays
from streams.core.arrays.index import Keyed, RowNumbers, Words, mix
from streams.core.moments import NEVER

NONE: Final = -1


@dataclass(frozen=True, slots=True)
class Persons:
    """Whose events are, shape `(n,)`."""

    key: Keys
    since: Moments
    is_over: Mask


class Forgotten:
    """The moments of every user that was ever forgotten."""

    def __init__(self) -> None:
        self._users = Keyed()
        self._moment = Keyed(offset=np.int64, held=np.bool_)  # by user and moment
        self._derive()

    def __len__(self) -> int:
        return len(self._moment)

    def learn(self, told: Erasures) -> Mask:
        """Take in erasures; gives which of them are news."""
        user, _ = self._users.add(told.user[:, 0], told.user[:, 1])
        row, news = self._moment.add(user.astype(np.uint64), told.at.astype(np.uint64))
        self._moment["offset"][row[news]] = told.offset[news]
        self._moment["held"][row[news]] = True
        self._derive()
        return news

    def persons(self, user: Keys, received_at: Moments) -> Persons | None:
        """Say whose events are; None where no user of them was ever forgotten."""
        if not len(self):
            return None
        found = self._users.find(user[:, 0], user[:, 1])
        hit = np.flatnonzero(found >= 0)
        if not hit.size:
            return None
        since = np.full(len(user), NEVER)
        is_over = np.zeros(len(user), np.bool_)
        who, at = found[hit], received_at[hit]
        since[hit], last = self._before(who, at), self._last(who)
        is_over[hit] = at <= last
        key = user.copy()
        again = hit[since[hit] != NEVER]
        key[again] = keys(user[again], since[again])
        self._hold(np.unique(who[at <= last]))
        return Persons(key, since, is_over)

    def _before(self, who: RowNumbers, at: Moments) -> Moments:
        """Give the last moment of each user before a time, NEVER where there is none."""
        first, count, moments = self._first[who], self._count[who], self._moments
        found = np.full(len(who), NEVER)
        for step in range(int(count.max(initial=0))):
            live = np.flatnonzero(step < count)
            moment = moments[first[live] + step]
            found[live] = np.where(moment < at[live], moment, found[live])
        return found

    def _last(self, who: RowNumbers) -> Moments:
        last: Moments = self._moments[self._first[who] + self._count[who] - 1]
        return last

    def _hold(self, who: RowNumbers) -> None:
        """Memory may know somebody again who was forgotten."""
        self._moment["held"][np.isin(self._moment["lo"], who.astype(np.uint64))] = True

    def ended(self, told: Erasures) -> tuple[Keys, Moments]:
        """Give the keys of all persons over of some users, and their user's last moment."""
        who = self._users.find(told.user[:, 0], told.user[:, 1])
        which = np.flatnonzero(np.isin(self._moment["lo"], who.astype(np.uint64)))
        return self._persons(which), self._last(self._moment["lo"][which].astype(np.int64))

    def over(self, read: int) -> Keys:
        """Give the keys of persons whose every event is read: to be dropped now.

        They are not held any more. `read`: everything appended before was folded.
        """
        which = np.flatnonzero(self._over(read))
        self._moment["held"][which] = False
        return self._persons(which)

    def is_due(self, read: int) -> bool:
        """Say whether `over` would give any."""
        return bool(self._over(read).any())

    def _over(self, read: int) -> Mask:
        over: Mask = self._moment["held"] & (self._moment["hi"].astype(np.int64) < read)
        return over

    def from_offset(self, end: int) -> int:
        """Give where reading has to begin to find all that is held; `end` where nothing is."""
        held = self._moment["offset"][self._moment["held"]]
        return int(held.min(initial=end))

    def _persons(self, which: NDArray[np.intp]) -> Keys:
        """Give the keys of those whom moments ended."""
        who, at = (self._moment[name][which].astype(np.int64) for name in ("lo", "hi"))
        user = np.stack([self._users["lo"][who], self._users["hi"][who]], axis=1)
        since = self._before(who, at)
        return np.where((since == NEVER)[:, None], user, keys(user, since))

    def _derive(self) -> None:
        """Sort moments by user."""
        who, at = (self._moment[name].astype(np.int64) for name in ("lo", "hi"))
        self._moments: Moments = at[np.lexsort((at, who))]
        self._count = np.bincount(who, minlength=len(self._users))
        self._first = np.cumsum(self._count) - self._count

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Give what a snapshot holds."""
        return self._moment.arrays(f"{prefix}.moment") | self._users.arrays(f"{prefix}.user")

    def restore(self, prefix: str, arrays: Arrays) -> None:
        """Take over what `arrays` gave; nothing, from a format that did not know them."""
        if f"{prefix}.moment.lo" in arrays:
            self._moment.restore(f"{prefix}.moment", arrays)
            self._users.restore(f"{prefix}.user", arrays)
            self._derive()


def keys(user: Keys, since: Moments) -> Keys:
    """Give the keys of persons that are not the first of their user_id."""
    moment: Words = since.astype(np.uint64)
    low, high = mix(user[:, 0], moment), mix(user[:, 1] ^ user[:, 0], moment)
    return np.stack([low, high], axis=1)
