"""Lines of a file of events: one JSON object each, whose value is sent as it stands.

    {"topic": "clickstream", "value": {…}, "key": "u1"}
    {"topic": "purchases", "raw": "bytes as given"}
    {"topic": "kol-profile", "raw": null, "key": "k1"}

`raw` is sent as UTF-8, where a lone surrogate U+DC80..U+DCFF is the byte 0x80..0xFF; `raw: null`
is a record without a value. Without `key` it is the value's `user_id`, of a reference record the
key that its value says.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from schemas.events import INPUTS
from schemas.mentions import user_and_time
from schemas.partitioner import partition_of
from schemas.reading import Rejection
from schemas.reference import own_key, read_value
from schemas.reference_types import REFERENCES
from schemas.topics import MAX_MESSAGE_BYTES

TOPICS: Final = (*INPUTS, *REFERENCES)
MOST_BYTES: Final = MAX_MESSAGE_BYTES - 1_024  # of key and value: the rest is the batch's own


@dataclass(frozen=True, slots=True)
class Message:
    """One record to send, the event time at which it takes its place, and where it stands."""

    topic: str
    key: bytes | None
    value: bytes | None
    at: int  # milliseconds; 0 where none can be read
    path: Path = Path()
    line: int = 0

    @property
    def is_reference(self) -> bool:
        """Whether it says what something is, not what happened."""
        return self.topic in REFERENCES

    def partition(self, partitions: int) -> int:
        """Where the default partitioner puts it; 0 without a key."""
        return partition_of(self.key, partitions) if self.key is not None else 0


@dataclass(frozen=True, slots=True)
class Unusable:
    """A line that is no message; it cannot be sent."""

    path: Path
    line: int
    why: str


class _Line(msgspec.Struct):
    topic: str
    value: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    raw: str | msgspec.UnsetType | None = msgspec.UNSET
    key: str | msgspec.UnsetType | None = msgspec.UNSET


class _Member(NamedTuple):
    """A member of a JSON object: its value as read, and its text."""

    read: Any
    text: str


_ABSENT: Final = _Member(msgspec.UNSET, "")
_decode = msgspec.json.Decoder(_Line).decode
_lenient: Final = json.JSONDecoder(parse_int=float)  # reads lone surrogates, NaN, any digits
_SPACE: Final = re.compile(r"[ \t\r\n]*")


def parse_line(line: bytes, path: Path = Path(), number: int = 0) -> Message:
    r"""The message a line describes.

    >>> parse_line(b'{"topic":"purchases","value":{"user_id":"u1","ts":5}}').value
    b'{"user_id":"u1","ts":5}'
    >>> parse_line(b'{"topic":"purchases","raw":"{oops"}').value
    b'{oops'

    Raises:
        ValueError: the line is no JSON object with a topic of ours and a value or raw, what it
            describes is larger than a topic takes, or a reference record that has no key.

    """
    try:
        read = _decode(line)
        topic, key, value = read.topic, read.key, _value(read.value, read.raw)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        topic, key, value = _parse_leniently(line)
    if topic not in TOPICS:
        raise ValueError(f"no topic {topic!r} of events: one of {', '.join(TOPICS)}")
    user, at = user_and_time(value or b"")
    if key is msgspec.UNSET and topic in REFERENCES:
        sent_key = own_key(topic, value or b"")
    else:
        given = user if key is msgspec.UNSET else key
        sent_key = as_bytes(given) if given else None
    if not sent_key and topic in REFERENCES:
        raise ValueError(_without_key(topic, value))
    size = len(value or b"") + len(sent_key or b"")
    if size > MOST_BYTES:
        raise ValueError(f"{size} bytes, more than a topic takes ({MOST_BYTES})")
    return Message(topic, sent_key, value, at, path, number)


def _without_key(topic: str, value: bytes | None) -> str:
    """Why a reference record cannot be sent: brokers keep the newest record of each key."""
    read = None if value is None else read_value(topic, value)
    why = f": {read.error}" if isinstance(read, Rejection) else ""
    return f'a record of {topic} needs a "key", and this value says none{why}'


def _value(
    value: msgspec.Raw | msgspec.UnsetType, raw: str | msgspec.UnsetType | None
) -> bytes | None:
    if raw is not msgspec.UNSET:
        return None if raw is None else as_bytes(raw)
    if value is msgspec.UNSET:
        raise ValueError("neither value nor raw")
    return bytes(value)


def _parse_leniently(line: bytes) -> tuple[str, Any, bytes | None]:
    """A line that the strict reader refuses, such as one with lone surrogates or NaN."""
    try:
        members = dict(_members(line.decode(errors="surrogateescape")))
    except (ValueError, RecursionError) as error:
        raise ValueError("not JSON, or no object") from error
    topic, key, raw = (members.get(name, _ABSENT).read for name in ("topic", "key", "raw"))
    if not isinstance(topic, str):
        raise ValueError('no object with a "topic"')  # noqa: TRY004  # one error for a line
    if key is not msgspec.UNSET and not isinstance(key, str | None):
        raise ValueError("key is no string")
    if raw is not msgspec.UNSET:
        if not isinstance(raw, str | None):
            raise ValueError("raw is no string")
        return topic, key, None if raw is None else as_bytes(raw)
    if "value" not in members:
        raise ValueError("neither value nor raw")
    return topic, key, members["value"].text.encode(errors="surrogateescape")


def _members(text: str) -> Iterator[tuple[str, _Member]]:
    """The members of a JSON object in order, each value with its own text.

    Raises:
        ValueError: the text is no JSON object, or an empty one.

    """
    mark, at = _mark(text, 0)
    is_open = mark == "{"
    while is_open:
        name, at = _lenient.raw_decode(text, at)
        colon, begin = _mark(text, at)
        if colon != ":" or not isinstance(name, str):
            raise ValueError("no member of an object")
        value, end = _lenient.raw_decode(text, begin)
        yield name, _Member(value, text[begin:end])
        mark, at = _mark(text, end)
        is_open = mark == ","
    if mark != "}" or at != len(text):
        raise ValueError("no object")


def _mark(text: str, at: int) -> tuple[str, int]:
    """The next character that is no space, and where the one after it is."""
    at = _after_space(text, at)
    return text[at : at + 1], _after_space(text, at + 1)


def _after_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def as_bytes(raw: str) -> bytes:
    r"""The bytes a string of a file stands for.

    >>> as_bytes("\udcff好")
    b'\xff\xe5\xa5\xbd'
    """
    try:
        return raw.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # another lone surrogate: its own three bytes
        return raw.encode("utf-8", "surrogatepass")
