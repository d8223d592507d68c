"""Files of events, as they are sent: one JSON object a line, merged by event time.

    {"topic": "clickstream", "value": {…}, "key": "u1"}
    {"topic": "purchases", "raw": "bytes as given"}

A value is sent byte for byte as it stands in the file. `raw` is sent as UTF-8, where a
lone surrogate U+DC80..U+DCFF is the byte 0x80..0xFF; `raw: null` is a record without a
value. Without `key` it is the value's `user_id`. One file keeps its order; several are
merged by `ts`, since a topic read far ahead of the others loses what comes after.
"""

import gzip
import heapq
import io
import json
import lzma
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec
import zstandard

from schemas.events import INPUTS
from schemas.mentions import user_and_time
from schemas.partitioner import partition_of
from sinks.feed import Feed
from streams.clients.kafka_admin import security_options
from streams.settings import Kafka

PROGRESS_MESSAGES = 1_000  # between two calls of `on_sent`


@dataclass(frozen=True, slots=True)
class Message:
    """One record to send, and the event time at which it takes its place."""

    topic: str
    key: bytes | None
    value: bytes | None
    at: int


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


_decode = msgspec.json.Decoder(_Line).decode


async def send_files(
    kafka: Kafka, files: Sequence[Path], on_sent: Callable[[int], None]
) -> tuple[Counter[str], list[Unusable]]:
    """Send all messages of the files; gives their number by topic, and the lines that are none.

    Raises:
        FileNotFoundError: a file does not exist; nothing was sent.

    """
    for path in files:
        path.stat()
    sent: Counter[str] = Counter()
    unusable: list[Unusable] = []
    async with Feed(kafka.bootstrap, options=security_options(kafka)) as feed:
        for message in merge_by_time(files):
            if isinstance(message, Unusable):
                unusable.append(message)
                continue
            key = message.key
            partition = partition_of(key, kafka.partitions) if key is not None else 0
            await feed.send(message.topic, partition, key, message.value)
            sent[message.topic] += 1
            if sent.total() % PROGRESS_MESSAGES == 0:
                on_sent(sent.total())
    return sent, unusable


def open_unpacked(path: Path) -> BinaryIO:
    """The file, unpacked if its name ends in .gz, .xz or .zst."""
    match path.suffix:
        case ".gz":
            return cast("BinaryIO", gzip.open(path, "rb"))
        case ".xz":
            return cast("BinaryIO", lzma.open(path, "rb"))
        case ".zst":
            return io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(path.open("rb")))
        case _:
            return path.open("rb")


def merge_by_time(paths: Sequence[Path]) -> Iterator[Message | Unusable]:
    """All messages of the files, the least event time first; one file keeps its order."""
    with ExitStack() as stack:
        files = [
            with_greatest_time(parse_lines(path, stack.enter_context(open_unpacked(path))))
            for path in paths
        ]
        if len(files) == 1:
            yield from (message for _, message in files[0])
            return
        yield from (message for _, message in heapq.merge(*files, key=lambda pair: pair[0]))


def with_greatest_time(
    messages: Iterable[Message | Unusable],
) -> Iterator[tuple[int, Message | Unusable]]:
    """Each message with the greatest time so far, which is its place in the merge."""
    newest = 0
    for message in messages:
        if isinstance(message, Message):
            newest = max(newest, message.at)
        yield newest, message


def parse_lines(path: Path, lines: Iterable[bytes]) -> Iterator[Message | Unusable]:
    """The messages of one file; empty lines are skipped."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield parse_line(line)
            except ValueError as error:
                yield Unusable(path, number, str(error))


def parse_line(line: bytes) -> Message:
    r"""The message a line describes.

    >>> parse_line(b'{"topic":"purchases","value":{"user_id":"u1","ts":5}}')
    Message(topic='purchases', key=b'u1', value=b'{"user_id":"u1","ts":5}', at=5)
    >>> parse_line(b'{"topic":"purchases","raw":"{oops"}').value
    b'{oops'

    Raises:
        ValueError: the line is no JSON object with a topic of ours and a value or raw.

    """
    try:
        read = _decode(line)
        topic, key, value = read.topic, read.key, _value(read.value, read.raw)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        topic, key, value = _parse_leniently(line)
    if topic not in INPUTS:
        raise ValueError(f"no input topic {topic!r}: one of {', '.join(INPUTS)}")
    user, at = user_and_time(value or b"")
    if key is msgspec.UNSET:
        key = user
    return Message(topic, key.encode(errors="surrogatepass") if key else None, value, at)


def _value(
    value: msgspec.Raw | msgspec.UnsetType, raw: str | msgspec.UnsetType | None
) -> bytes | None:
    if raw is not msgspec.UNSET:
        return None if raw is None else as_bytes(raw)
    if value is msgspec.UNSET:
        raise ValueError("neither value nor raw")
    return bytes(value)


def _parse_leniently(line: bytes) -> tuple[str, Any, bytes | None]:
    """A line with lone surrogates, which the strict reader refuses."""
    try:
        read = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError("not JSON") from error
    if not isinstance(read, dict) or not isinstance(read.get("topic"), str):
        raise ValueError('no object with a "topic"')  # noqa: TRY004  # one error for a line
    key = read.get("key", msgspec.UNSET)
    if key is not msgspec.UNSET and not isinstance(key, str | None):
        raise ValueError("key is no string")
    if "raw" in read:
        raw = read["raw"]
        if not isinstance(raw, str | None):
            raise ValueError("raw is no string")
        return read["topic"], key, None if raw is None else as_bytes(raw)
    if "value" not in read:
        raise ValueError("neither value nor raw")
    return read["topic"], key, json.dumps(read["value"], separators=(",", ":")).encode()


def as_bytes(raw: str) -> bytes:
    r"""The bytes a string of a file stands for.

    >>> as_bytes("\udcff好")
    b'\xff\xe5\xa5\xbd'
    """
    try:
        return raw.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # another lone surrogate: its own three bytes
        return raw.encode("utf-8", "surrogatepass")
