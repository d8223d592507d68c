"""The numbers of `kol-snapshots`, folded record by record, and what holds at a record time.

    log = NumberLog()
    log.add(record.key, record.value, record.at)       # every record, in the order of the topic
    values = log.holding(CONTENT, received_at)          # once the topic is read far enough
    row = values.rows(content_ids)                      # NONE where an id is not known
    values.flags("disclosed", row)

See `numbered` for how far is far enough. A number that is not whole is never used: it is a
`Fault`, and the one before it holds on. Records may also be those of transactions that are open or
were aborted: without a seal they say nothing, and whoever uses their number later replaces them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.columns import NONE, Keys, Mask, Moments
from schemas.entries import UNKNOWN, Entries, Index, Rows, digests, names_of, strings
from schemas.identity import hashed, keys_of
from schemas.key_filter import KeyFilter
from schemas.numbered import (
    HOLDS_AFTER_MS,
    MANIFEST,
    SEAL,
    DamagedNumberError,
    Manifest,
    RecordKey,
    Said,
    decode_key,
    decode_manifest,
    decode_parts,
    seals,
)
from schemas.values import Lists

FOREVER: Final = 2**62  # milliseconds: beyond every record time


@dataclass(frozen=True)
class Number:
    """A number that is whole."""

    manifest: Manifest
    sealed_at: int  # record time of its seal
    stored_bytes: int
    said: Said
    base: "Number | None"  # of a delta

    @property
    def holds_from(self) -> int:
        """The first record time it holds for, milliseconds since the epoch."""
        return self.sealed_at + HOLDS_AFTER_MS

    @cached_property
    def values(self) -> "Values":
        """What holds once it does."""
        return Values(self)


class Fault(NamedTuple):
    """A number that is not used, and why."""

    kind: str
    number: int
    sealed_at: int
    why: str


class Values:
    """What holds once a number does: of each id that is known one row.

    Rows below the length of the base are those of the base, the others those of the delta.
    """

    def __init__(self, number: Number) -> None:
        base = number.base or number
        self.number = number
        self._base = base.said.upserts
        self._delta = None if number.base is None else number.said.upserts
        self._removed = None if number.base is None else Index(digests(number.said.removed))
        self._removed_names: Index | None = None  # where ids are names
        self._filters: dict[str, KeyFilter] = {}  # of columns of names that were asked

    def __len__(self) -> int:
        return self.number.manifest.rows

    def rows(self, ids: Sequence[str]) -> Rows:
        """The row of each id, NONE where nothing is known of it; shape (n,)."""
        keys = keys_of(hashed([one.encode("utf-8", "surrogatepass") for one in ids]))
        found = self._base.index.find(keys)
        if self._delta is None or self._removed is None:
            return found
        found[self._removed.find(keys) != NONE] = NONE
        newer = self._delta.index.find(keys)
        return np.where(newer == NONE, found, newer + len(self._base))

    def rows_of_names(self, names: Keys) -> Rows:
        """As `rows`, of a kind whose ids are keyed names."""
        found = self._base.index_of_names.find(names)
        if self._delta is None:
            return found
        if self._removed_names is None:
            self._removed_names = Index(names_of(self.number.said.removed))
        found[self._removed_names.find(names) != NONE] = NONE
        newer = self._delta.index_of_names.find(names)
        return np.where(newer == NONE, found, newer + len(self._base))

    def all_rows(self) -> Rows:
        """The rows of all ids that are known."""
        base = np.arange(len(self._base), dtype=np.int64)
        if self._delta is None:
            return base
        gone = np.concatenate(
            [
                self._base.index.find(digests(self.number.said.removed)),
                self._base.index.find(digests(self._delta.ids)),
            ]
        )
        is_there = np.ones(len(base), np.bool_)
        is_there[gone[gone != NONE]] = False
        new = np.arange(len(self._delta), dtype=np.int64) + len(base)
        return np.concatenate([base[is_there], new])

    def entries(self) -> Entries:
        """All of them, with the columns of the kind."""
        found = [entries.take(row) for _, entries, row in self._split(self.all_rows())]
        return Entries.joined([self._base.take(np.empty(0, np.int64)), *found])

    def flags(self, name: str, rows: Rows) -> NDArray[np.int8]:
        """The flag of each row: 1, 0, or UNKNOWN, also where the row is NONE."""
        found = np.full(len(rows), UNKNOWN, np.int8)
        for which, entries, row in self._split(rows):
            found[which] = np.asarray(entries.columns[name])[row]
        return found

    def numbers(self, name: str, rows: Rows) -> NDArray[np.float64]:
        """The number of each row: NaN where none is known, also where the row is NONE."""
        found = np.full(len(rows), np.nan)
        for which, entries, row in self._split(rows):
            found[which] = np.asarray(entries.columns[name])[row]
        return found

    def texts(self, name: str, rows: Rows) -> list[str]:
        """The text of each row, empty where none is known."""
        found = [""] * len(rows)
        for which, entries, row in self._split(rows):
            column = entries.columns[name]
            assert isinstance(column, Lists)  # noqa: S101  # as `KINDS` says
            for place, text in zip(which.tolist(), strings(column.take(row)), strict=True):
                found[place] = text
        return found

    def keys(self, name: str, rows: Rows) -> list[NDArray[np.uint64]]:
        """The names of each row, shape (m, 2) each, empty where none is known."""
        found = [np.empty((0, 2), np.uint64)] * len(rows)
        for which, entries, row in self._split(rows):
            column = entries.columns[name]
            assert isinstance(column, Lists)  # noqa: S101  # as `KINDS` says
            taken = column.take(row)
            parts = np.split(np.asarray(taken.flat), taken.ends[:-1])
            for place, keys in zip(which.tolist(), parts, strict=True):
                found[place] = keys
        return found

    def has(self, name: str, rows: Rows, keys: Keys) -> Mask:
        """Whether each of these names is one of the row beside it, shape (n,)."""
        found = np.zeros(len(rows), np.bool_)
        for which, entries, row in self._split(rows):
            column = entries.columns[name]
            assert isinstance(column, Lists)  # noqa: S101  # as `KINDS` says
            taken = column.take(row)
            beside = np.repeat(which, taken.sizes)
            same = (np.asarray(taken.flat) == keys[beside]).all(axis=1)
            found[beside[same]] = True
        return found

    def near(self, name: str, keys: Keys) -> Mask:
        """Which of many names may be one of a row, shape (n,): all that are, and few others."""
        if name not in self._filters:
            flat = [
                np.asarray(entries.columns[name].flat)
                for entries in (self._base, self._delta)
                if entries is not None
            ]
            self._filters[name] = KeyFilter(np.concatenate(flat))
        return self._filters[name].near(keys)

    def ids(self, rows: Rows) -> list[str]:
        """The id of each row."""
        found = [""] * len(rows)
        for which, entries, row in self._split(rows):
            for place, text in zip(which.tolist(), strings(entries.ids.take(row)), strict=True):
                found[place] = text
        return found

    def _split(self, rows: Rows) -> Iterator[tuple[Rows, Entries, Rows]]:
        """Which of the rows are of the base and of the delta, and which of theirs each is."""
        size = len(self._base)
        ours = np.flatnonzero((rows >= 0) & (rows < size))
        if ours.size:
            yield ours, self._base, rows[ours]
        newer = np.flatnonzero(rows >= size)
        if newer.size and self._delta is not None:
            yield newer, self._delta, rows[newer] - size


@dataclass
class _Seen:
    """What is read of a number: raw until it is sealed."""

    kind: str
    keys: dict[str, bytes | None] = field(default_factory=dict)  # part -> value, None once sealed

    def seal(self) -> dict[str, bytes]:
        """The raw values, which are kept no longer."""
        raw = {part: value for part, value in self.keys.items() if value is not None}
        self.keys = dict.fromkeys(self.keys)
        return raw


class NumberLog:
    """All numbers of the topic that may be asked for."""

    def __init__(self) -> None:
        self._seen: dict[int, _Seen] = {}
        self._numbers: dict[int, Number] = {}
        self._faults: dict[int, Fault] = {}
        self._greatest = 0
        self._holding: dict[str, tuple[Moments, Moments]] = {}  # kind -> from when, which number

    @property
    def next_number(self) -> int:
        """The number that nobody has used, as far as the topic is read."""
        return self._greatest + 1

    def add(
        self, key: bytes | None, value: bytes | None, at: int, *, by_broker: bool = True
    ) -> None:
        """Take in the next record.

        Args:
            key: of the record.
            value: None is a tombstone.
            at: its record time.
            by_broker: whether that is the broker's, not its producer's.

        """
        read = decode_key(key)
        if read is None:  # none of ours
            return
        self._greatest = max(self._greatest, read.number)
        if value is None:
            self._remove(read)
            return
        seen = self._seen.get(read.number)
        if seen is None or (seen.kind != read.kind and SEAL not in seen.keys):
            seen = self._seen[read.number] = _Seen(read.kind)  # the other one was given up
        if SEAL in seen.keys:
            seen.keys.setdefault(read.part, None)
            return
        seen.keys[read.part] = value  # in place of that of an aborted transaction
        if read.part == SEAL:
            self._seal(read, seen, value, at if by_broker else None)

    def _remove(self, key: RecordKey) -> None:
        """Take in a tombstone; that of any record ends the number."""
        self._numbers.pop(key.number, None)
        self._faults.pop(key.number, None)
        self._holding.pop(key.kind, None)
        if (seen := self._seen.get(key.number)) is not None:
            seen.keys.pop(key.part, None)
            if not seen.keys:
                del self._seen[key.number]

    def _seal(self, key: RecordKey, seen: _Seen, seal: bytes, at: int | None) -> None:
        self._holding.pop(key.kind, None)
        try:
            if at is None:
                raise DamagedNumberError("its record time is its producer's, not the broker's")  # noqa: TRY301  # one way out
            self._numbers[key.number] = self._whole(key, seen, seal, at)
        except DamagedNumberError as error:
            self._faults[key.number] = Fault(key.kind, key.number, at or 0, str(error))

    def _whole(self, key: RecordKey, seen: _Seen, seal: bytes, at: int) -> Number:
        raw = seen.seal()
        if MANIFEST not in raw:
            raise DamagedNumberError("the manifest is missing")
        if not seals(seal, raw[MANIFEST]):
            raise DamagedNumberError("the seal is that of another manifest")
        manifest = decode_manifest(raw[MANIFEST])
        if (manifest.kind, manifest.number) != (key.kind, key.number):
            raise DamagedNumberError(f"the manifest is that of {manifest.kind}/{manifest.number}")
        said = decode_parts(manifest, raw)
        named = [str(index) for index in range(len(manifest.sums))]
        size = sum(len(raw[part]) for part in (*named, MANIFEST, SEAL))
        if manifest.is_base:
            return Number(manifest, at, size, said, None)
        base = self._numbers.get(manifest.base)
        if base is None or not base.manifest.is_base or base.manifest.kind != key.kind:
            raise DamagedNumberError(f"its base, number {manifest.base}, is not there or not whole")
        return Number(manifest, at, size, said, base)

    def numbers(self, kind: str) -> list[Number]:
        """The whole numbers of a kind, the least first."""
        return [one for _, one in sorted(self._numbers.items()) if one.manifest.kind == kind]

    def newest(self, kind: str) -> Number | None:
        """The greatest whole number of a kind, whether it holds yet or not."""
        numbers = self.numbers(kind)
        return numbers[-1] if numbers else None

    def faults(self) -> list[Fault]:
        """The numbers that are not whole, the least first."""
        return [fault for _, fault in sorted(self._faults.items())]

    def unsealed(self) -> list[tuple[str, int]]:
        """Kind and number of those without a seal: under way, or given up."""
        return [
            (seen.kind, number)
            for number, seen in sorted(self._seen.items())
            if number not in self._numbers and number not in self._faults
        ]

    def has_numbers(self, kind: str) -> bool:
        """Whether any number of a kind is whole."""
        return len(self._moments(kind)[0]) > 0

    def numbers_at(self, kind: str, at: Moments) -> NDArray[np.int64]:
        """The number that holds at each record time, 0 where none does; shape (n,)."""
        since, number = self._moments(kind)
        return number[np.searchsorted(since, at, "right")]

    def holding(self, kind: str, at: int) -> Values | None:
        """What holds at a record time; None where nothing does."""
        number = int(self.numbers_at(kind, np.array([at]))[0])
        return self.values_of(number) if number else None

    def values_of(self, number: int) -> Values:
        """The values of a number that `numbers_at` gave."""
        return self._numbers[number].values

    def _moments(self, kind: str) -> tuple[Moments, Moments]:
        """From when each number of a kind holds, and which one: 0 before the first."""
        if kind not in self._holding:
            since = [(one.holds_from, one.manifest.number) for one in self.numbers(kind)]
            table = np.array(sorted(since), np.int64).reshape(-1, 2)
            number = np.concatenate([[0], np.maximum.accumulate(table[:, 1])])
            self._holding[kind] = table[:, 0], number
        return self._holding[kind]

    def superseded(self, kind: str, since: int) -> dict[int, list[bytes]]:
        """The numbers of a kind that no record from a record time on asks for, with their keys."""
        first = int(self.numbers_at(kind, np.array([since]))[0])
        bases = {one.manifest.base for one in self.numbers(kind) if one.manifest.number >= first}
        return {
            number: [RecordKey(kind, number, part).encode() for part in seen.keys]
            for number, seen in sorted(self._seen.items())
            if seen.kind == kind and number < first and number not in bases
        }

    def forget_before(self, kind: str, since: int) -> None:
        """Give up the memory of what `superseded` names."""
        for number in self.superseded(kind, since):
            self._seen.pop(number)
            self._numbers.pop(number, None)
            self._faults.pop(number, None)
        self._holding.pop(kind, None)
