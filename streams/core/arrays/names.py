"""Names and their codes: texts kept as UTF-8 in one run of bytes, numbered from 0."""

from bisect import bisect
from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Codes, Keys, Mask
from schemas.keyed_names import KeyedNames
from streams.core.arrays.arena import Arena, Arrays

NO_TEXT: Final = -1  # the number of an empty text that is not kept
FEW: Final = 32  # with fewer than one new name in so many, each is inserted; else all are sorted


class Strings:
    """Texts by number, as UTF-8 in one run of bytes."""

    def __init__(self) -> None:
        self._bytes = Arena(utf8=np.uint8)
        self._ends = Arena(end=np.int64)

    def __len__(self) -> int:
        return len(self._ends)

    def add(self, texts: Iterable[str]) -> int:
        """Append texts; gives the number of the first."""
        encoded = [text.encode() for text in texts]
        sizes = np.fromiter(map(len, encoded), np.int64, len(encoded))
        start = len(self._bytes)
        self._bytes.append(utf8=np.frombuffer(b"".join(encoded), np.uint8))
        return self._ends.append(end=start + np.cumsum(sizes))

    def numbers(self, texts: Iterable[str]) -> NDArray[np.int64]:
        """Append texts; gives the number of each, NO_TEXT of an empty one."""
        given = list(texts)
        there = [text for text in given if text]
        if not there:
            return np.full(len(given), NO_TEXT, np.int64)
        first = self.add(there)
        if len(there) == len(given):
            return np.arange(first, first + len(given))
        is_there = np.array([bool(text) for text in given], np.bool_)
        return np.where(is_there, first - 1 + np.cumsum(is_there), NO_TEXT)

    def utf8(self, numbers: Sequence[int] | NDArray[Any]) -> list[bytes]:
        """Texts by their numbers, as UTF-8; that of NO_TEXT is empty."""
        number = np.asarray(numbers, np.int64)
        if not len(self):
            return [b""] * len(number)
        ends, utf8 = self._ends["end"], self._bytes["utf8"].data
        begin = np.where(number > 0, ends[np.maximum(number, 0) - 1], 0)
        end = np.where(number < 0, 0, ends[number])
        return [bytes(utf8[a:b]) for a, b in zip(begin.tolist(), end.tolist(), strict=True)]

    def texts(self, numbers: Sequence[int] | NDArray[Any]) -> list[str]:
        """Texts by their numbers; that of NO_TEXT is empty."""
        return [utf8.decode() for utf8 in self.utf8(numbers)]

    def keep_numbers(self, *used: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """Drop all texts but those with these numbers; gives the new numbers by the old ones."""
        stays = np.zeros(len(self), np.bool_)
        for numbers in used:
            stays[numbers[numbers != NO_TEXT]] = True
        self.keep(stays)
        return np.cumsum(stays) - 1

    def keep(self, which: Mask) -> None:
        """Drop all texts but these; the others are renumbered in their order."""
        sizes = np.diff(self._ends["end"], prepend=0)
        self._bytes.keep(np.repeat(which, sizes))
        self._ends.keep(which)
        self._ends["end"][:] = np.cumsum(sizes[which])

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """What a snapshot holds, as views."""
        return self._bytes.arrays(prefix) | self._ends.arrays(prefix)

    def restore(self, prefix: str, arrays: Arrays) -> None:
        """Take over what `arrays` gave."""
        self._bytes.restore(prefix, arrays)
        self._ends.restore(prefix, arrays)


class Names:
    """Few names (KOLs, brands, platforms) and their codes, with their order by UTF-8 bytes."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._code: dict[str, int] = {}
        self._strings = Strings()
        self._sorted = np.zeros(0, np.int64)  # codes in order of the names
        self._rank = np.zeros(0, np.int64)
        self._as_users = Arena(key=(np.uint64, (2,)))

    def __len__(self) -> int:
        return len(self.names)

    def codes(self, names: Iterable[str]) -> Codes:
        """The code of every name; a new name gets the next one."""
        given = list(names)
        new = [name for name in dict.fromkeys(given) if name not in self._code]
        if new:
            self._code |= zip(new, range(len(self.names), len(self.names) + len(new)), strict=True)
            self.names += new
            self._strings.add(new)
        return np.fromiter(map(self._code.__getitem__, given), np.int32, len(given))

    def recode(self, names: Sequence[str], code: Codes) -> Codes:
        """Turn codes into a batch's own list of names into ours; absent stays absent.

        Names of the list that no row uses stay unknown.
        """
        if not names:
            return code
        ours = np.full(len(names) + 1, -1, np.int32)  # the last place stands for "absent"
        used = np.flatnonzero(np.bincount(code + 1, minlength=len(names) + 1)[1:])
        ours[used] = self.codes(
            names if len(used) == len(names) else [names[i] for i in used.tolist()]
        )
        return ours[code]

    def rank(self) -> NDArray[np.int64]:
        """Every code's place in the order of the names' UTF-8 bytes, shape `(names,)`."""
        known, count = len(self._rank), len(self.names)
        if known < count:
            name = self.names.__getitem__  # texts are ordered as their UTF-8 bytes are
            if FEW * (count - known) < known:
                new = sorted(range(known, count), key=name)
                place = [bisect(self._sorted, name(code), key=name) for code in new]
                self._sorted = np.insert(self._sorted, place, new)
            else:
                self._sorted = np.array(sorted(range(count), key=name), np.int64)
            self._rank = np.empty(count, np.int64)
            self._rank[self._sorted] = np.arange(count)
        return self._rank

    def as_users(self, keyed: KeyedNames) -> Keys:
        """Every name's keyed name, as if it were a user_id, `(names, 2)`; of one key always."""
        known, count = len(self._as_users), len(self.names)
        if known < count:
            self._as_users.append(key=keyed.users(self.names[known:]))
        keys: Keys = self._as_users["key"]
        return keys

    def keep(self, which: Mask) -> None:
        """Drop all names but these; the others are renumbered in their order."""
        self._as_users.keep(which[: len(self._as_users)])
        self.names = [self.names[code] for code in np.flatnonzero(which).tolist()]
        self._code = {name: code for code, name in enumerate(self.names)}
        self._strings.keep(which)
        self._sorted, self._rank = np.zeros(0, np.int64), np.zeros(0, np.int64)

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """What a snapshot holds, as views."""
        return self._strings.arrays(prefix)

    def restore(self, prefix: str, arrays: Arrays) -> None:
        """Take over what `arrays` gave."""
        self._strings.restore(prefix, arrays)
        self.names = self._strings.texts(range(len(self._strings)))
        self._code = {name: code for code, name in enumerate(self.names)}
