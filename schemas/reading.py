"""One message into an event, or why it is rejected: the readable decoder, message by message."""

import re
from collections.abc import Sequence
from itertools import filterfalse
from typing import Any, Final, NamedTuple, cast

import msgspec
import numpy as np

from schemas.doors import RejectReason
from schemas.events import MAX_DEPTH, MAX_EVENT_BYTES
from schemas.readers import Reader
from schemas.surrogates import substituted

_SHALLOW_BYTES: Final = 2 * MAX_DEPTH  # bytes: what is nested too deeply and readable is longer
_STRINGS: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)  # the last may stay open

Values = tuple[Any, ...]  # the fields of one event

_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Rejection(NamedTuple):
    """Why a message is no fact."""

    reason: RejectReason
    error: str


def read_plain(values: Sequence[bytes | None], reader: Reader) -> list[Values]:
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


def read_each(
    values: Sequence[bytes | None],
    reader: Reader,
    start: int,
    rejections: dict[int, Rejection],
) -> list[Values]:
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


def _read_one(value: bytes, reader: Reader) -> Any | Rejection:  # noqa: ANN401  # as it reads
    """The event of one message that can be decoded as text."""
    try:
        event = reader.read(value)
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


def _read_again(value: bytes, reader: Reader) -> Any | Rejection:  # noqa: ANN401  # as it reads
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
        event = reader.read(msgspec.json.encode(fields))
    except ValueError as error:
        return Rejection(RejectReason.INVALID, str(error))
    return event


def _read_substituted(first: bytes, second: bytes, reader: Reader) -> Any | Rejection:  # noqa: ANN401  # as it reads
    """The event of a message with lone surrogates, unless one of the names has one."""
    try:
        one, other = _object(first), _object(second)
    except (ValueError, RecursionError) as error:
        return Rejection(RejectReason.NOT_JSON, str(error))
    for name in reader.names:
        if name in one and bytes(one[name]) != bytes(other[name]):
            return Rejection(RejectReason.NOT_JSON, f"half a surrogate pair in `{name}`")
    return _read_again(first, reader)
