"""Messages into the fields of their events: read in chunks, each message or its rejection.

Of an event only what is needed stays, and it is gone before the next chunk is read. So all of
them use the same memory, which is near the core: texts that come again and again become numbers,
ids become hashes while they are there.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import compress, count, filterfalse
from operator import attrgetter
from typing import Any, Final, NamedTuple, TypeVar, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.columns import Keys, Mask, RecordBatch
from schemas.doors import RejectReason
from schemas.events import (
    MAX_DEPTH,
    MAX_EVENT_BYTES,
    Clickstream,
    Event,
    Interaction,
    Purchase,
)
from schemas.identity import hashed, keys_of, paired
from schemas.keyed_names import KeyedNames, What
from schemas.placeholders import Placeholders
from schemas.surrogates import substituted

_CHUNK: Final = 256  # messages read together
_SHALLOW_BYTES: Final = 2 * MAX_DEPTH  # bytes: what is nested too deeply and readable is longer
_STRINGS: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)  # the last may stay open

ITSELF: Final = "itself"  # a column of whole events: purchases are few, and most fields are used
_IDS: Final = ("event_id", "user_id")
_CLICK_FIELDS: Final = (*_IDS, "ts", "event", "kol_id", "visible_ms", "share_id", "share_depth")
_INTERACTION_FIELDS: Final = (
    *(*_IDS, "ts", "event", "kol_id", "dwell_ms", "completion", "account_age_d"),
    *("share_id", "share_depth", "live_id"),
)
_PURCHASE_FIELDS: Final = (*_IDS, "ts", "kind", ITSELF)
_DEVICE: Final = ("device_hash", "ip_hash")  # as keyed names in table `event`
_CLICK_LABELS: Final = (
    *("platform", "channel_type", "content_id", "brand_id", "category", "slot_id", "reco_id"),
    *("reco_version", "exp_id", "arm", "baby_stage", "geo", "age_band"),
)
_INTERACTION_LABELS: Final = ("content_id", "parent_share_id", "root_kol_id")
_BEHAVIOUR_NAMES: Final = (*_IDS, "event", "kol_id")
_PURCHASE_NAMES: Final = (
    *(*_IDS, "kind", "order_id", "ref_order_id"),
    *("brand_id", "platform", "channel_type", "currency"),
)

_AnEvent = TypeVar("_AnEvent", bound=Event)
_Read = Callable[[bytes], _AnEvent]
_Values = tuple[Any, ...]  # the fields of one event


class Reader(NamedTuple):
    """How the messages of a topic are read."""

    read: _Read[Any]
    take: Callable[[Any], _Values]  # the fields of an event that are needed
    fields: Sequence[str]  # their names, those of its identity first
    keeps_ids: bool  # whether these are needed as texts, too
    numbered: Sequence[str]  # texts that come again and again
    flags: Sequence[str]  # of these only whether they are there, and not empty
    names: Sequence[str]  # texts that may not hold half a surrogate pair
    hashed: Sequence[str] = ()  # texts of which only hashes are needed, that of "" where absent


def _purchase_values(event: Purchase) -> _Values:
    return event.event_id, event.user_id, event.ts, event.kind, event


CLICKS: Final = Reader(
    msgspec.json.Decoder(Clickstream).decode,
    attrgetter(*_CLICK_FIELDS),
    _CLICK_FIELDS,
    keeps_ids=False,
    numbered=("event", "kol_id"),
    flags=("share_id",),
    names=_BEHAVIOUR_NAMES,
)
INTERACTED: Final = Reader(
    msgspec.json.Decoder(Interaction).decode,
    attrgetter(*_INTERACTION_FIELDS),
    _INTERACTION_FIELDS,
    keeps_ids=False,
    numbered=("event", "kol_id"),
    flags=("share_id", "live_id"),
    names=_BEHAVIOUR_NAMES,
)
CLICKS_IN_FULL: Final = CLICKS._replace(
    take=attrgetter(*_CLICK_FIELDS, *_CLICK_LABELS, *_DEVICE, "session_id", "first_screen"),
    fields=(*_CLICK_FIELDS, *_CLICK_LABELS, *_DEVICE, "session_id", "first_screen"),
    numbered=(*CLICKS.numbered, *_CLICK_LABELS, "share_id", "first_screen"),
    flags=(),
    hashed=(*_DEVICE, "session_id"),
)
INTERACTED_IN_FULL: Final = INTERACTED._replace(
    take=attrgetter(*_INTERACTION_FIELDS, *_INTERACTION_LABELS, *_DEVICE),
    fields=(*_INTERACTION_FIELDS, *_INTERACTION_LABELS, *_DEVICE),
    numbered=(*INTERACTED.numbered, *_INTERACTION_LABELS, "share_id", "live_id"),
    flags=(),
    hashed=_DEVICE,
)
PURCHASED: Final = Reader(
    msgspec.json.Decoder(Purchase).decode,
    _purchase_values,
    _PURCHASE_FIELDS,
    keeps_ids=True,
    numbered=("kind",),
    flags=(),
    names=_PURCHASE_NAMES,
)
_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Rejection(NamedTuple):
    """Why a message is no fact."""

    reason: RejectReason
    error: str


class Numbering(defaultdict[Any, int]):
    """Values and their numbers, from 0 in order of appearance.

    >>> list(map(Numbering().__getitem__, ["a", None, "a"]))
    [0, 1, 0]
    """

    def __init__(self) -> None:
        super().__init__(count().__next__)  # a `__missing__` of our own takes longer


@dataclass(slots=True)
class Messages:
    """The events of a batch field by field, their places in it, and the rejections by place."""

    batch: RecordBatch
    reader: Reader
    columns: dict[str, list[Any]]  # numbers, where the reader says so
    numbering: dict[str, Numbering]  # of those columns
    place: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, np.intp))
    rejections: dict[int, Rejection] = field(default_factory=dict)
    users: list[bytes] = field(default_factory=list)  # user_ids as UTF-8
    nobody: set[bytes] = field(default_factory=set)  # those that are placeholders
    identity: Keys = field(default_factory=lambda: keys_of(b""))
    user: Keys = field(default_factory=lambda: keys_of(b""))
    hashed: dict[str, Keys] = field(default_factory=dict)  # by field

    def __len__(self) -> int:
        return len(self.place)

    def are_nobody(self) -> Mask:
        """Which events are by a user_id that is a placeholder, shape (n,)."""
        if not self.nobody:
            return np.zeros(len(self), np.bool_)
        return np.array([user in self.nobody for user in self.users], np.bool_)

    def numbers(self, name: str) -> NDArray[np.int32]:
        """The numbers of a column, into its `numbering`."""
        return np.fromiter(self.columns[name], np.int32, len(self))

    def keep(self, which: Mask) -> None:
        """Drop all events but these."""
        for name, column in self.columns.items():
            self.columns[name] = list(compress(column, which))
        self.users = list(compress(self.users, which))
        self.place, self.identity, self.user = (
            self.place[which],
            self.identity[which],
            self.user[which],
        )
        self.hashed = {name: keys[which] for name, keys in self.hashed.items()}


def parse(
    batch: RecordBatch, reader: Reader, names: KeyedNames, placeholders: Placeholders
) -> Messages:
    """Every message as read by the topic's decoder, or rejected."""
    columns: dict[str, list[Any]] = {name: [] for name in reader.fields}
    numbering = {name: Numbering() for name in reader.numbered}
    messages = Messages(batch, reader, columns, numbering)
    identities, users = bytearray(), bytearray()
    others = {name: bytearray() for name in reader.hashed}
    for start in range(0, len(batch.values), _CHUNK):
        values = batch.values[start : start + _CHUNK]
        try:
            rows = _read_plain(values, reader)
        except (TypeError, ValueError, RecursionError):
            rows = _read_each(values, reader, start, messages.rejections)
        if rows:
            event_ids, user_ids, *_ = taken = tuple(zip(*rows, strict=True))
            _add(messages, taken)
            for name in reader.hashed:
                values = taken[reader.fields.index(name)]
                others[name] += hashed(_as_utf8(values))
            as_utf8 = list(map(str.encode, user_ids))
            messages.users += as_utf8
            messages.nobody.update(map(str.encode, placeholders.among(user_ids)))
            identities += hashed(paired(f"{batch.topic}\0", user_ids, event_ids))
            users += hashed(as_utf8)
    messages.identity = names.of_hashes(What.IDENTITY, identities)
    messages.user = names.of_hashes(What.USER, users)
    messages.hashed = {name: keys_of(hashes) for name, hashes in others.items()}
    messages.place = np.delete(np.arange(len(batch.values)), list(messages.rejections))
    return messages


def _add(messages: Messages, taken: Collection[Sequence[Any]]) -> None:
    """Append the fields of a chunk to the columns."""
    reader, columns, numbering = messages.reader, messages.columns, messages.numbering
    for name, values in zip(reader.fields, taken, strict=True):
        if name in numbering:
            columns[name] += _numbers(values, numbering[name])
        elif name in reader.flags:
            columns[name] += map(bool, values)
        elif name in reader.hashed:
            continue
        elif reader.keeps_ids or name not in _IDS:
            columns[name] += values


def _numbers(values: Sequence[Any], numbering: Numbering) -> Iterable[int]:
    """The number of each; most fields that may be absent are absent from whole chunks."""
    if values[0] is None and values.count(None) == len(values):
        return [numbering[None]] * len(values)
    return map(numbering.__getitem__, values)


def _as_utf8(values: Sequence[str | None]) -> Iterable[bytes]:
    """Texts as UTF-8, empty where absent."""
    if None in values:
        return [value.encode() if value else b"" for value in values]
    return map(str.encode, cast("Sequence[str]", values))


def _read_plain(values: Sequence[bytes | None], reader: Reader) -> list[_Values]:
    """The events of usual messages.

    Raises:
        TypeError: a message has no value.
        ValueError, RecursionError: one cannot be read, or is long enough to be too deep.

    """
    there = cast("Sequence[bytes]", values)
    if max(map(len, there)) > _SHALLOW_BYTES:
        raise ValueError("a long message")
    for value in filterfalse(bytes.isascii, there):
        value.decode()  # the parser does not look into what it skips
    return list(map(reader.take, map(reader.read, there)))


def _read_each(
    values: Sequence[bytes | None],
    reader: Reader,
    start: int,
    rejections: dict[int, Rejection],
) -> list[_Values]:
    """The events of any messages, one by one; rejections by place, beginning with `start`."""
    rows = []
    for place, value in enumerate(values, start):
        event = _check(value) or _read_one(cast("bytes", value), reader)
        if isinstance(event, Rejection):
            rejections[place] = event
        else:
            rows.append(reader.take(event))
    return rows


def read_message(value: bytes, reader: Reader) -> Any | Rejection:  # noqa: ANN401  # as it reads
    """What one message says, by the reader of its topic, or why it cannot be read."""
    return _check(value) or _read_one(value, reader)


def _read_one(value: bytes, reader: Reader) -> Event | Rejection:
    """The event of one message that can be decoded as text."""
    try:
        event: Event = reader.read(value)
    except (ValueError, RecursionError):  # all of msgspec's are ValueErrors
        return _read_again(value, reader)
    return event


def _check(value: bytes | None) -> Rejection | None:
    if value is None:
        return Rejection(RejectReason.NULL_VALUE, "the record has no value")
    if len(value) > MAX_EVENT_BYTES:
        error = f"{len(value)} bytes, more than {MAX_EVENT_BYTES}"
        return Rejection(RejectReason.TOO_LARGE, error)
    try:
        value.decode()
    except UnicodeDecodeError as error:
        return Rejection(RejectReason.NOT_JSON, f"not UTF-8 (byte {error.start})")
    if len(value) > _SHALLOW_BYTES and _depth(value) > MAX_DEPTH:
        return Rejection(RejectReason.NOT_JSON, f"nested more than {MAX_DEPTH} deep")
    return None


def _depth(value: bytes) -> int:
    """The greatest nesting depth; exact for JSON, any number for other bytes."""
    letters = np.frombuffer(_STRINGS.sub(b"", value), np.uint8) | 0x20  # "[" as "{", "]" as "}"
    steps = (letters == ord("{")).astype(np.int64) - (letters == ord("}"))
    return int(np.cumsum(steps).max(initial=0))


def _read_again(value: bytes, reader: Reader) -> Event | Rejection:
    """Why the decoder failed; the event if what was wrong does not count.

    That is a field that is repeated later, or a lone surrogate in none of the names.
    """
    try:
        fields = _object(value)  # of a repeated key the last one
    except (ValueError, RecursionError) as error:
        both = substituted(value)
        if both is not None:
            return _read_substituted(*both, reader)
        return Rejection(RejectReason.NOT_JSON, str(error))
    try:
        event: Event = reader.read(msgspec.json.encode(fields))
    except ValueError as error:
        return Rejection(RejectReason.INVALID, str(error))
    return event


def _read_substituted(first: bytes, second: bytes, reader: Reader) -> Event | Rejection:
    """The event of a message with lone surrogates, unless one of the names has one."""
    try:
        one, other = _object(first), _object(second)
    except (ValueError, RecursionError) as error:
        return Rejection(RejectReason.NOT_JSON, str(error))
    for name in reader.names:
        if name in one and bytes(one[name]) != bytes(other[name]):
            return Rejection(RejectReason.NOT_JSON, f"half a surrogate pair in `{name}`")
    return _read_again(first, reader)
