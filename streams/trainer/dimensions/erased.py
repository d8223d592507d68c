"""Whose a record of a reference topic is: a person's who was erased, or of who came later.

As of events: what was appended up to the moment of an erasure is about the former person.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from schemas.erasures import Erasures
from schemas.identity import hashed
from schemas.keyed_names import KeyedNames, What, as_hex
from schemas.mentions import users

Name = tuple[int, int]


class Persons:
    """Names of the persons who have an id, by the record time of what names them.

    Args:
        names: of the deployment.

    """

    def __init__(self, names: KeyedNames) -> None:
        self._names: Final = names
        self._moments: dict[Name, list[int]] = {}  # in order, each once

    def add(self, erasures: Erasures) -> None:
        """Take in erasures; those that are known already change nothing."""
        for (low, high), at in zip(erasures.user.tolist(), erasures.at.tolist(), strict=True):
            moments = self._moments.setdefault((low, high), [])
            place = bisect_left(moments, at)
            if moments[place : place + 1] != [at]:
                moments.insert(place, at)

    def of(self, ids: Sequence[bytes], received_at: Sequence[int]) -> list[str | None]:
        """The name of the person behind each id as rows have it; None: the person was erased."""
        found = self._names.of_hashes(What.USER, hashed(ids)).tolist()
        if not self._moments:
            return [as_hex(name) for name in found]
        return [
            self._person((low, high), at)
            for (low, high), at in zip(found, received_at, strict=True)
        ]

    def _person(self, name: Name, at: int) -> str | None:
        moments = self._moments.get(name)
        if moments is None:
            return as_hex(name)
        if bisect_left(moments, at) < len(moments):
            return None
        return self._later(name, moments[-1])

    def _later(self, name: Name, since: int) -> str:
        keys = np.array([name], np.uint64)
        return as_hex(self._names.later(keys, np.array([since], np.int64))[0].tolist())

    def is_about_erased(self, raw: bytes, received_at: int) -> bool:
        """Whether bytes that cannot be read may be about somebody who was erased."""
        if not self._moments:
            return False
        ids = users(raw)
        return None in self.of(ids, [received_at] * len(ids))

    def erased_since(self, at_ms: int) -> Iterable[str]:
        """The names of all persons who had an id that was erased at or after a moment."""
        for name, moments in self._moments.items():
            if moments[-1] >= at_ms:
                yield as_hex(name)
                yield from (self._later(name, since) for since in moments[:-1])
