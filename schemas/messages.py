"""Messages into the fields of their events: read in chunks, each message or its rejection.

Of an event only what is needed stays, and it is gone before the next chunk is read. So all of
them use the same memory, which is near the core: texts that come again and again become numbers,
ids become hashes while they are there.

Where a compiled scanner is at hand it reads first, and what it leaves is read as said above: what
is in each column, and what is rejected and why, is the same with it and without.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from math import nan
from typing import Any, Final, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Keys, Mask, Moments, RecordBatch
from schemas.identity import EMPTY, hashed, paired
from schemas.keyed_names import KeyedNames, What
from schemas.partitioner import hashes_of
from schemas.placeholders import Placeholders
from schemas.readers import READERS, Reader
from schemas.reading import Rejection, read_each, read_plain

_CHUNK: Final = 256  # messages read together

Numbers = NDArray[np.int32]
Digests = NDArray[np.uint8]  # shape (n, 16)


class Numbering(defaultdict[Any, int]):
    """Values and their numbers, from 0 in order of appearance.

    >>> list(map(Numbering().__getitem__, ["a", None, "a"]))
    [0, 1, 0]
    """

    def __init__(self) -> None:
        super().__init__(count().__next__)  # a `__missing__` of our own takes longer


@dataclass(frozen=True, slots=True)
class Rows:
    """Events field by field; row i of each column is the same event."""

    place: NDArray[np.int64]  # in the batch
    at: Moments
    identity: Digests  # of topic, user and event
    user: Digests
    hash: NDArray[np.int64]  # of the user_id: by it the partition is chosen
    is_nobody: Mask  # the user_id is a placeholder
    columns: Mapping[str, NDArray[Any]]  # of fields; texts are objects, hashed ones are digests
    numbers: Mapping[str, Numbers]  # of values that come again and again, into `values`
    values: Mapping[str, Sequence[Any]]  # the distinct ones, in order of appearance

    def map(self, change: Callable[[NDArray[Any]], NDArray[Any]]) -> "Rows":
        """The same change of every column."""
        return Rows(
            change(self.place),
            change(self.at),
            change(self.identity),
            change(self.user),
            change(self.hash),
            change(self.is_nobody),
            {name: change(column) for name, column in self.columns.items()},
            {name: change(column) for name, column in self.numbers.items()},
            self.values,
        )


class Scanner(Protocol):
    """Reads the messages that it is certain of; `schemas.scanning` makes one."""

    def rows(
        self, batch: RecordBatch, placeholders: Placeholders, *, in_full: bool
    ) -> tuple[Rows, NDArray[np.int64]]:
        """The rows of these messages, and the places of those that are left."""
        ...


@dataclass(slots=True)
class Messages:
    """The events of a batch, their keyed names, and the rejections by place."""

    batch: RecordBatch
    rows: Rows
    identity: Keys
    user: Keys
    named: dict[str, NDArray[np.uint64]]  # by field; 0 where absent
    rejections: dict[int, Rejection] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows.place)

    def texts(self, name: str) -> list[str | None]:
        """A column of texts."""
        texts: list[str | None] = self.rows.columns[name].tolist()
        return texts

    def keep(self, which: Mask) -> None:
        """Drop all events but these."""
        self.rows = self.rows.map(lambda column: column[which])
        self.identity, self.user = self.identity[which], self.user[which]
        self.named = {name: low[which] for name, low in self.named.items()}


def parse(
    batch: RecordBatch,
    names: KeyedNames,
    placeholders: Placeholders,
    scanner: Scanner | None = None,
    *,
    in_full: bool = False,
) -> Messages:
    """Every message as read by the topic's decoder, or rejected."""
    reader = READERS[batch.topic, in_full]
    everywhere = np.arange(len(batch.values))
    if scanner is None:
        rows, rejections = _read(batch, everywhere, reader, placeholders)
    else:
        rows, left = scanner.rows(batch, placeholders, in_full=in_full)
        rejections = {}
        if len(left):
            others, rejections = _read(batch, left, reader, placeholders)
            if not len(rows.place):
                rows = others
            elif len(others.place):  # most of what is left is rejected
                rows = _merged(rows, others)
    return Messages(
        batch,
        rows,
        names.of_hashes(What.IDENTITY, rows.identity.tobytes()),
        names.of_hashes(What.USER, rows.user.tobytes()),
        {
            name: names.low_words(what, rows.columns[name].tobytes())
            for name, what in reader.hashed.items()
        },
        rejections,
    )


def _read(
    batch: RecordBatch, places: NDArray[np.int64], reader: Reader, placeholders: Placeholders
) -> tuple[Rows, dict[int, Rejection]]:
    """The messages at these places, by chunks."""
    values = batch.values
    if len(places) < len(values):
        values = [values[place] for place in places.tolist()]
    numbering = {name: Numbering() for name in reader.numbered}
    numbers: dict[str, list[Numbers]] = {name: [] for name in numbering}
    columns: dict[str, list[NDArray[Any]]] = defaultdict(list)
    at, is_nobody = [np.zeros(0, np.int64)], [np.zeros(0, np.bool_)]
    identities, users = bytearray(), list[bytes]()
    rejections: dict[int, Rejection] = {}
    for start in range(0, len(values), _CHUNK):
        chunk = values[start : start + _CHUNK]
        try:
            rows = read_plain(chunk, reader)
        except (TypeError, ValueError, RecursionError):
            rows = read_each(chunk, reader, start, rejections)
        if rows:
            taken = dict(zip(reader.fields, zip(*rows, strict=True), strict=True))
            at.append(np.fromiter(taken["ts"], np.int64, len(rows)))
            for name, parts in numbers.items():
                parts.append(_numbers(taken[name], numbering[name]))
            for name, column in _columns(reader, taken).items():
                columns[name].append(column)
            user_ids = taken["user_id"]
            users += map(str.encode, user_ids)
            nobody = placeholders.among(user_ids)
            is_nobody.append(_are_among(user_ids, nobody))
            identities += hashed(paired(f"{batch.topic}\0", user_ids, taken["event_id"]))
    read = np.delete(np.arange(len(values)), list(rejections))
    columns_of_none = _columns(reader, dict.fromkeys(reader.fields, ()))
    return (
        Rows(
            places[read],
            np.concatenate(at),
            _as_digests(identities),
            _as_digests(hashed(users)),
            hashes_of(users),
            np.concatenate(is_nobody),
            {
                name: np.concatenate([empty, *columns[name]])
                for name, empty in columns_of_none.items()
            },
            {name: np.concatenate([_NO_NUMBERS, *parts]) for name, parts in numbers.items()},
            {name: list(known) for name, known in numbering.items()},
        ),
        {int(places[one]): why for one, why in rejections.items()},
    )


_NO_NUMBERS: Final = np.zeros(0, np.int32)


def _columns(reader: Reader, taken: Mapping[str, Sequence[Any]]) -> dict[str, NDArray[Any]]:
    """The columns of a chunk that are kept as they are."""
    return {
        **{name: _ints(taken[name], absent) for name, absent in reader.ints.items()},
        **{name: _floats(taken[name]) for name in reader.floats},
        **{name: _objects(taken[name]) for name in reader.texts},
        **{name: _mask(taken[name]) for name in reader.flags},
        **{name: _digests(taken[name]) for name in reader.hashed},
    }


def _ints(values: Sequence[int | None], absent: int) -> NDArray[np.int64]:
    if _are_absent(values):
        return np.full(len(values), absent, np.int64)
    if None in values:
        return np.array([absent if value is None else value for value in values], np.int64)
    return np.array(values, np.int64)


def _floats(values: Sequence[float | None]) -> NDArray[np.float64]:
    if _are_absent(values):
        return np.full(len(values), nan)
    return np.array([nan if value is None else value for value in values], np.float64)


def _objects(values: Sequence[str | None]) -> NDArray[np.object_]:
    return np.array(values, np.object_)


def _mask(values: Sequence[object]) -> Mask:
    if _are_absent(values):
        return np.zeros(len(values), np.bool_)
    return np.fromiter(map(bool, values), np.bool_, len(values))


def _numbers(values: Sequence[Any], numbering: Numbering) -> Numbers:
    """The number of each; most fields that may be absent are absent from whole chunks."""
    if _are_absent(values):
        return np.full(len(values), numbering[None], np.int32)
    return np.fromiter(map(numbering.__getitem__, values), np.int32, len(values))


def _digests(values: Sequence[str | None]) -> Digests:
    """The digests of texts, that of the empty one where absent."""
    if _are_absent(values):
        return _as_digests(EMPTY * len(values))
    if None in values:
        return _as_digests(hashed([value.encode() if value else b"" for value in values]))
    return _as_digests(hashed(map(str.encode, cast("Sequence[str]", values))))


def _as_digests(hashes: bytes | bytearray) -> Digests:
    return np.frombuffer(hashes, np.uint8).reshape(-1, len(EMPTY))


def _are_absent(values: Sequence[Any]) -> bool:
    return not values or (values[0] is None and values.count(None) == len(values))


def _are_among(names: Sequence[str], few: frozenset[str]) -> Mask:
    if not few:
        return np.zeros(len(names), np.bool_)
    return np.array([name in few for name in names], np.bool_)


def _merged(first: Rows, second: Rows) -> Rows:
    """The rows of both in the order of the log, values numbered as if read in that order."""
    order = np.argsort(np.concatenate([first.place, second.place]))

    def both(one: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
        return np.concatenate([one, other])[order]

    numbers, values = {}, {}
    for name, known in first.values.items():
        numbering = Numbering()
        ours = [numbering[value] for value in known]
        theirs = np.array([numbering[value] for value in second.values[name]], np.int32)
        number = both(np.array(ours, np.int32)[first.numbers[name]], theirs[second.numbers[name]])
        numbers[name], values[name] = _renumbered(number, list(numbering))
    return Rows(
        both(first.place, second.place),
        both(first.at, second.at),
        both(first.identity, second.identity),
        both(first.user, second.user),
        both(first.hash, second.hash),
        both(first.is_nobody, second.is_nobody),
        {name: both(column, second.columns[name]) for name, column in first.columns.items()},
        numbers,
        values,
    )


def _renumbered(number: Numbers, values: Sequence[Any]) -> tuple[Numbers, list[Any]]:
    """The same values, numbered by their first appearance; each appears."""
    first = np.empty(len(values), np.int64)
    first[number[::-1]] = np.arange(len(number))[::-1]  # of several assignments the last one stays
    by_appearance = np.argsort(first)
    renumbered = np.empty(len(values), np.int32)
    renumbered[by_appearance] = np.arange(len(values))
    return renumbered[number], [values[one] for one in by_appearance.tolist()]
