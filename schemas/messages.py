"""Messages into the fields of their events: read in chunks, each message or its rejection.

Of an event only what is needed stays, and it is gone before the next chunk is read. So all of
them use the same memory, which is near the core: texts that come again and again become numbers,
ids become hashes while they are there.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress, count, filterfalse
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeVar, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.columns import Keys, Mask, Moments, RecordBatch
from schemas.doors import RejectReason
from schemas.events import (
    MAX_DEPTH,
    MAX_EVENT_BYTES,
    Clickstream,
    Event,
    Interaction,
    Purchase,
)
from schemas.identity import EMPTY, hashed, keys_of, paired
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
_DEVICE: Final = MappingProxyType({"device_hash": What.DEVICE, "ip_hash": What.IP})
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
    take: Callable[[Any], _Values]  # the fields of an event, at least those that are needed
    fields: Sequence[str]  # their names, in that order
    kept: Sequence[str]  # fields whose values stay as they are
    numbered: Sequence[str]  # texts that come again and again
    flags: Sequence[str]  # of these only whether they are there, and not empty
    names: Sequence[str]  # texts that may not hold half a surrogate pair
    hashed: Mapping[str, What] = MappingProxyType({})  # texts of which only names are needed


def _purchase_values(event: Purchase) -> _Values:
    return event.event_id, event.user_id, event.ts, event.kind, event


CLICKS: Final = Reader(
    msgspec.json.Decoder(Clickstream).decode,
    attrgetter(*_CLICK_FIELDS),
    _CLICK_FIELDS,
    kept=("visible_ms", "share_depth"),
    numbered=("event", "kol_id"),
    flags=("share_id",),
    names=_BEHAVIOUR_NAMES,
)
INTERACTED: Final = Reader(
    msgspec.json.Decoder(Interaction).decode,
    attrgetter(*_INTERACTION_FIELDS),
    _INTERACTION_FIELDS,
    kept=("dwell_ms", "completion", "account_age_d", "share_depth"),
    numbered=("event", "kol_id"),
    flags=("share_id", "live_id"),
    names=_BEHAVIOUR_NAMES,
)
CLICKS_IN_FULL: Final = CLICKS._replace(
    take=msgspec.structs.astuple,
    fields=Clickstream.__struct_fields__,
    numbered=(*CLICKS.numbered, *_CLICK_LABELS, "share_id", "first_screen"),
    flags=(),
    hashed={**_DEVICE, "session_id": What.SESSION},
)
INTERACTED_IN_FULL: Final = INTERACTED._replace(
    take=msgspec.structs.astuple,
    fields=Interaction.__struct_fields__,
    numbered=(*INTERACTED.numbered, *_INTERACTION_LABELS, "share_id", "live_id"),
    flags=(),
    hashed=_DEVICE,
)
PURCHASED: Final = Reader(
    msgspec.json.Decoder(Purchase).decode,
    _purchase_values,
    _PURCHASE_FIELDS,
    kept=(*_IDS, ITSELF),
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
    columns: dict[str, list[Any]]  # values as they are, and whether flags are there
    numbering: dict[str, Numbering]  # of the texts that come again and again
    numbers: dict[str, NDArray[np.int32]] = field(default_factory=dict)  # into their `numbering`
    at: Moments = field(default_factory=lambda: np.zeros(0, np.int64))
    place: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, np.intp))
    rejections: dict[int, Rejection] = field(default_factory=dict)
    users: list[bytes] = field(default_factory=list)  # user_ids as UTF-8
    nobody: set[bytes] = field(default_factory=set)  # those that are placeholders
    identity: Keys = field(default_factory=lambda: keys_of(b""))
    user: Keys = field(default_factory=lambda: keys_of(b""))
    named: dict[str, NDArray[np.uint64]] = field(default_factory=dict)  # by field; 0 where absent

    def __len__(self) -> int:
        return len(self.place)

    def are_nobody(self) -> Mask:
        """Which events are by a user_id that is a placeholder, shape (n,)."""
        if not self.nobody:
            return np.zeros(len(self), np.bool_)
        return np.array([user in self.nobody for user in self.users], np.bool_)

    def keep(self, which: Mask) -> None:
        """Drop all events but these."""
        for name, column in self.columns.items():
            self.columns[name] = list(compress(column, which))
        self.users = list(compress(self.users, which))
        self.place, self.at, self.identity, self.user = (
            self.place[which],
            self.at[which],
            self.identity[which],
            self.user[which],
        )
        self.numbers = {name: column[which] for name, column in self.numbers.items()}
        self.named = {name: low[which] for name, low in self.named.items()}


def parse(
    batch: RecordBatch, reader: Reader, names: KeyedNames, placeholders: Placeholders
) -> Messages:
    """Every message as read by the topic's decoder, or rejected."""
    columns: dict[str, list[Any]] = {name: [] for name in (*reader.kept, *reader.flags)}
    numbering = {name: Numbering() for name in reader.numbered}
    messages = Messages(batch, reader, columns, numbering)
    at: list[Moments] = []  # by chunk, as those below
    numbers: dict[str, list[NDArray[np.int32]]] = {name: [] for name in numbering}
    identities, users = bytearray(), bytearray()
    others = {name: bytearray() for name in reader.hashed}
    for start in range(0, len(batch.values), _CHUNK):
        chunk = batch.values[start : start + _CHUNK]
        try:
            rows = _read_plain(chunk, reader)
        except (TypeError, ValueError, RecursionError):
            rows = _read_each(chunk, reader, start, messages.rejections)
        if rows:
            taken = dict(zip(reader.fields, zip(*rows, strict=True), strict=True))
            _add(messages, taken)
            at.append(np.fromiter(taken["ts"], np.int64, len(rows)))
            for name, parts in numbers.items():
                parts.append(_numbers(taken[name], numbering[name]))
            for name in others:
                others[name] += _digests(taken[name])
            user_ids = taken["user_id"]
            as_utf8 = list(map(str.encode, user_ids))
            messages.users += as_utf8
            messages.nobody.update(map(str.encode, placeholders.among(user_ids)))
            identities += hashed(paired(f"{batch.topic}\0", user_ids, taken["event_id"]))
            users += hashed(as_utf8)
    if at:
        messages.at = np.concatenate(at)
    messages.numbers = {name: _joined(parts) for name, parts in numbers.items()}
    messages.identity = names.of_hashes(What.IDENTITY, identities)
    messages.user = names.of_hashes(What.USER, users)
    messages.named = {
        name: names.low_words(what, others[name]) for name, what in reader.hashed.items()
    }
    messages.place = np.delete(np.arange(len(batch.values)), list(messages.rejections))
    return messages


def _add(messages: Messages, taken: Mapping[str, Sequence[Any]]) -> None:
    """Append the fields of a chunk to the columns."""
    columns, reader = messages.columns, messages.reader
    for name in reader.kept:
        columns[name] += taken[name]
    for name in reader.flags:
        columns[name] += map(bool, taken[name])


def _numbers(values: Sequence[Any], numbering: Numbering) -> NDArray[np.int32]:
    """The number of each; most fields that may be absent are absent from whole chunks."""
    if _are_absent(values):
        return np.full(len(values), numbering[None], np.int32)
    return np.fromiter(map(numbering.__getitem__, values), np.int32, len(values))


def _joined(parts: Sequence[NDArray[np.int32]]) -> NDArray[np.int32]:
    return np.concatenate(parts) if parts else np.zeros(0, np.int32)


def _digests(values: Sequence[str | None]) -> bytes:
    """The digests of texts, that of the empty one where absent."""
    if _are_absent(values):
        return EMPTY * len(values)
    if None in values:
        return hashed([value.encode() if value else b"" for value in values])
    return hashed(map(str.encode, cast("Sequence[str]", values)))


def _are_absent(values: Sequence[Any]) -> bool:
    return values[0] is None and values.count(None) == len(values)


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
