"""Who is erased, and since when: one user_id may be several persons, one after the other.

An erasure ends a person: what was appended to the inputs up to its moment is that person's,
what is appended later under the same user_id is a new person's, whom nothing links to the
former. So whose an event is follows from the log alone: its user_id, its record time, and the
moments on `kol-erasures`. Without the key nothing links them either. Of a person

    since      the moment that ended the one before, NEVER of the first
    key        the keyed name of the user_id of the first; of the others `KeyedNames.later`
    is_erased  a later moment is known: orders are written under NOBODY, all else is dropped

A moment is pending (`held`) while memory may know something of persons it ended.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Keys, Mask, Moments, Rejected
from schemas.erasures import Erasures
from schemas.identity import hashed
from schemas.keyed_names import KeyedNames, What
from schemas.mentions import users
from streams.core.arrays.arena import Arrays
from streams.core.arrays.index import Keyed, RowNumbers
from streams.core.moments import NEVER


@dataclass(frozen=True, slots=True)
class Persons:
    """Whose events are, shape `(n,)`."""

    key: Keys
    since: Moments
    is_erased: Mask


@dataclass(frozen=True, slots=True)
class Ended:
    """Erased persons, shape `(n,)`."""

    key: Keys
    until: Moments  # the last moment of their user_id
    later: Keys  # the key of whoever has that user_id after it


class ErasedPersons:
    """The moments of all erasures, by user."""

    def __init__(self, names: KeyedNames) -> None:
        self._names = names
        self._users = Keyed()
        self._moment = Keyed(offset=np.int64, held=np.bool_)  # by user and moment
        self._derive()

    def __len__(self) -> int:
        return len(self._moment)

    def add(self, erasures: Erasures) -> Mask:
        """Take in erasures; gives which of them are new."""
        user, _ = self._users.add(erasures.user[:, 0], erasures.user[:, 1])
        row, is_new = self._moment.add(user.astype(np.uint64), erasures.at.astype(np.uint64))
        self._moment["offset"][row[is_new]] = erasures.offset[is_new]
        self._moment["held"][row[is_new]] = True
        self._derive()
        return is_new

    def persons(self, user: Keys, received_at: Moments) -> Persons | None:
        """The persons events are of; None where no user of them was ever erased.

        Their moments are pending again where memory may now know somebody who is erased.
        """
        if not len(self):
            return None
        found = self._users.find(user[:, 0], user[:, 1])
        hit = np.flatnonzero(found >= 0)
        if not hit.size:
            return None
        since = np.full(len(user), NEVER)
        is_erased = np.zeros(len(user), np.bool_)
        who, at = found[hit], received_at[hit]
        since[hit], last = self._before(who, at), self._last(who)
        is_erased[hit] = at <= last
        key = user.copy()
        again = hit[since[hit] != NEVER]
        key[again] = self._names.later(user[again], since[again])
        self._hold(np.unique(who[at <= last]))
        return Persons(key, since, is_erased)

    def without_erased(self, rejected: Sequence[Rejected]) -> Sequence[Rejected]:
        """All but those that are, or may be, of an erased person."""
        if not len(self):
            return rejected
        return [one for one in rejected if not self._mentions_erased(one)]

    def _mentions_erased(self, rejected: Rejected) -> bool:
        ids = users(rejected.raw or b"")
        persons = self.persons(
            self._names.of_hashes(What.USER, hashed(ids)), np.full(len(ids), rejected.received_at)
        )
        return persons is not None and bool(persons.is_erased.any())

    def last_moments(self, user: Keys) -> Moments:
        """The last moment of each user, NEVER of who was never erased."""
        last = np.full(len(user), NEVER)
        if len(self):
            found = self._users.find(user[:, 0], user[:, 1])
            last[found >= 0] = self._last(found[found >= 0])
        return last

    def _before(self, who: RowNumbers, at: Moments) -> Moments:
        """The last moment of each user before a time, NEVER where there is none."""
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
        """Let the moments of users be pending: memory may know somebody again who was erased."""
        self._moment["held"][np.isin(self._moment["lo"], who.astype(np.uint64))] = True

    def ended(self, erasures: Erasures) -> Ended:
        """All erased persons of the users of some erasures."""
        found = self._users.find(erasures.user[:, 0], erasures.user[:, 1])
        which = np.flatnonzero(np.isin(self._moment["lo"], found.astype(np.uint64)))
        who = self._moment["lo"][which].astype(np.int64)
        last = self._last(who)
        return Ended(self._keys(which), last, self._names.later(self._user_ids(who), last))

    def is_due(self, read_to: int) -> bool:
        """Whether `collect_due` would give any."""
        return bool(self._due(read_to).any())

    def collect_due(self, read_to: int) -> Keys:
        """The keys of erased persons whose every event is read; they are pending no more.

        `read_to`: everything appended to the inputs before it was folded.
        """
        which = np.flatnonzero(self._due(read_to))
        self._moment["held"][which] = False
        return self._keys(which)

    def _due(self, read_to: int) -> Mask:
        due: Mask = self._moment["held"] & (self._moment["hi"].astype(np.int64) < read_to)
        return due

    def first_pending_offset(self, end: int) -> int:
        """The offset of the first pending record; `end` where nothing is pending."""
        held = self._moment["offset"][self._moment["held"]]
        return int(held.min(initial=end))

    def _keys(self, which: NDArray[np.intp]) -> Keys:
        """The keys of the persons whom moments ended."""
        who, at = (self._moment[name][which].astype(np.int64) for name in ("lo", "hi"))
        user = self._user_ids(who)
        since = self._before(who, at)
        later = self._names.later(user, since)
        return np.where((since == NEVER)[:, None], user, later)

    def _user_ids(self, who: RowNumbers) -> Keys:
        """The names of the user_ids."""
        return np.stack([self._users["lo"][who], self._users["hi"][who]], axis=1)

    def _derive(self) -> None:
        """Sort moments by user."""
        who, at = (self._moment[name].astype(np.int64) for name in ("lo", "hi"))
        self._moments: Moments = at[np.lexsort((at, who))]
        self._count = np.bincount(who, minlength=len(self._users))
        self._first = np.cumsum(self._count) - self._count

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """What a snapshot holds, as views."""
        return self._moment.arrays(f"{prefix}.moment") | self._users.arrays(f"{prefix}.user")

    def restore(self, prefix: str, arrays: Arrays) -> None:
        """Take over what `arrays` gave."""
        self._moment.restore(f"{prefix}.moment", arrays)
        self._users.restore(f"{prefix}.user", arrays)
        self._derive()
