"""Read a record of a reference topic: what it says, what it takes back, or why it is refused.

Reading never raises, whatever the bytes, and depends only on them, the record time, the place of
the record and the ids that mean nobody. Of several reasons to refuse one the first of this order
counts: too_large, not_json, invalid, unknown_kind, reserved_id, placeholder_id, bad_time,
from_the_future, null_key, wrong_key, wrong_partition.

The newest record of a key (the greatest offset) stands. A key always lies on the partition that
the default partitioner gives it, or its newest record could not be known. A record that is refused
takes back what its key names: compaction has it replace the one before, so whoever reads the
topic after that finds nothing else, and whoever read it before must end with the same.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import msgspec

from schemas.doors import RejectReason
from schemas.events import FUTURE_MS, YEAR_2000
from schemas.partitioner import partition_of
from schemas.placeholders import DEFAULT, Placeholders, is_reserved
from schemas.readers import Reader
from schemas.reading import Rejection, read_message
from schemas.reference_keys import KEYS, key_of, key_parts
from schemas.reference_types import NOTICE_KINDS, REFERENCES, KolProfile, Notice, Policy, Reference

_FREE: Final = frozenset({"display_name", "text", "claims"})  # half a character harms nothing there
_WHO: Final = ("kol_id", "user_id", "anon_id", "content_id", "respondent")  # ids that may be nobody

_NO_KEY: Final = Rejection(RejectReason.NULL_KEY, "the record has no key")
_ELSEWHERE: Final = Rejection(
    RejectReason.WRONG_PARTITION, "not the partition of murmur2 of the key"
)
_OPTIONAL: Final[Mapping[type[Any], frozenset[str]]] = MappingProxyType(
    {
        record: frozenset(
            field.name for field in msgspec.structs.fields(record) if not field.required
        )
        for record in REFERENCES.values()
    }
)


@dataclass(frozen=True, slots=True)
class Tombstone:
    """A record without a value: what its key names is taken back."""

    topic: str
    key: tuple[str | int, ...]  # the fields of `reference_keys.KEYS`


@dataclass(frozen=True, slots=True)
class Refused:
    """A record that says nothing; it goes to the dead letters."""

    reason: RejectReason
    error: str  # explains it to a person; never quotes the record
    key: tuple[str | int, ...] | None  # what is taken back all the same; None: nothing


def _reader(record: type[Reference]) -> Reader:
    return Reader(
        msgspec.json.Decoder(record).decode,
        lambda one: one,
        fields=(),
        names=[name for name in record.__struct_fields__ if name not in _FREE],
    )


_READERS: Final = MappingProxyType({topic: _reader(one) for topic, one in REFERENCES.items()})


def read_reference(
    topic: str,
    key: bytes | None,
    value: bytes | None,
    received_at: int,
    *,
    partition: int = 0,
    partitions: int = 1,
    placeholders: Placeholders = DEFAULT,
) -> Reference | Tombstone | Refused:
    """What one record of a reference topic says.

    Empty optional texts are None in it, and so are optional ids that mean nobody.

    Args:
        topic: one of `reference_types.REFERENCES`.
        key: of the record.
        value: its bytes; None takes back what the key names.
        received_at: record time, milliseconds.
        partition: where it lies.
        partitions: how many the topic has.
        placeholders: ids that mean nobody.

    """
    is_here = bool(key) and partition_of(key or b"", partitions) == partition
    if value is None:
        return _tombstone(topic, key, is_here=is_here)
    read = read_value(topic, value, placeholders)
    if not isinstance(read, Rejection):
        read = _wrong_time(read, received_at) or read
    if isinstance(read, Rejection):
        wrong = read
    elif not key:
        wrong = _NO_KEY
    elif key != key_of(topic, read):
        wrong = _wrong_key(topic)
    elif not is_here:
        wrong = _ELSEWHERE
    else:
        return read
    return Refused(*wrong, key_parts(topic, key) if key and is_here else None)


def _tombstone(topic: str, key: bytes | None, *, is_here: bool) -> Tombstone | Refused:
    if not key:
        return Refused(*_NO_KEY, None)
    parts = key_parts(topic, key)
    if parts is None:
        return Refused(*_wrong_key(topic), None)
    return Tombstone(topic, parts) if is_here else Refused(*_ELSEWHERE, None)


def _wrong_key(topic: str) -> Rejection:
    names = "/".join(KEYS[topic])
    return Rejection(RejectReason.WRONG_KEY, f"the key is not `{names}` of the value")


def read_value(
    topic: str, value: bytes, placeholders: Placeholders = DEFAULT
) -> Reference | Rejection:
    """As `read_reference`, of the value alone: neither its times nor its key are looked at."""
    read = read_message(value, _READERS[topic])
    if isinstance(read, Rejection):
        return read
    return _wrong_words(read, placeholders) or _without_nobody(read, placeholders)


def own_key(topic: str, value: bytes) -> bytes | None:
    """The key that a value must have; None if it cannot be read."""
    read = read_message(value, _READERS[topic])
    return None if isinstance(read, Rejection) else key_of(topic, read)


def _wrong_words(record: Reference, placeholders: Placeholders) -> Rejection | None:
    """Whether a word is one that this version does not know, or an id that nobody may have."""
    if isinstance(record, Notice) and record.kind not in NOTICE_KINDS:
        error = "`kind` is a word for what happened that this version does not know"
        return Rejection(RejectReason.UNKNOWN_KIND, error)
    kol_id = getattr(record, "kol_id", None)
    if kol_id and is_reserved(kol_id):
        error = "`kol_id` is `organic` or begins with `~`, however it is written"
        return Rejection(RejectReason.RESERVED_ID, error)
    for name in _nobody(record, placeholders):
        if name not in _OPTIONAL[type(record)]:
            error = f"`{name}` is one of KOL_PLACEHOLDER_IDS, or blank"
            return Rejection(RejectReason.PLACEHOLDER_ID, error)
    return None


def _nobody(record: Reference, placeholders: Placeholders) -> Iterator[str]:
    """The fields whose id means nobody."""
    for name in _WHO:
        one = getattr(record, name, None)
        if one is not None and one in placeholders:
            yield name


def _without_nobody(record: Reference, placeholders: Placeholders) -> Reference:
    """The record, optional fields that are empty or mean nobody being absent."""
    empty = {name for name in _OPTIONAL[type(record)] if getattr(record, name) == ""}
    absent = dict.fromkeys([*empty, *_nobody(record, placeholders)])
    return msgspec.structs.replace(record, **absent) if absent else record


def _wrong_time(record: Reference, received_at: int) -> Rejection | None:
    """Whether a time is impossible."""
    for name, moment in _moments(record):
        if moment < YEAR_2000:
            return Rejection(RejectReason.BAD_TIME, f"`{name}` is before the year 2000")
    if (record.ts or 0) > received_at + FUTURE_MS:
        error = "`ts` is more than 10 minutes after the record time"
        return Rejection(RejectReason.FROM_THE_FUTURE, error)
    return None


def _moments(record: Reference) -> Iterator[tuple[str, int]]:
    if record.ts is not None:
        yield "ts", record.ts
    if isinstance(record, Policy) and record.effective_from is not None:
        yield "effective_from", record.effective_from
    if isinstance(record, KolProfile):
        yield from (("since", coupon.since) for coupon in record.coupon_ids or ())
