"""Files of events, unpacked, line by line, and merged by event time.

One file keeps its order; several are merged by `ts`, since a topic read far ahead of the others
loses what comes after. A time that no event can have takes no part in that. Reference records go
before events of the same time; those of a file that has events go with its events, those of a pipe
from its first event on. Memory does not grow with a file: at most `MOST_LINE_BYTES` of a
line are kept.
"""

import gzip
import heapq
import io
import lzma
import zlib
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import zstandard

from schemas.escapes import escaped
from schemas.events import FUTURE_MS, YEAR_2000
from streams.errors import ExpectedError
from streams.operations.ingest.lines import MOST_BYTES, Message, Unusable, parse_line

MOST_LINE_BYTES: Final = 8 * MOST_BYTES  # every byte as an escape, and the rest of the line
PACKED_BYTES: Final = 4_096  # of a .zst file, unpacked at a time
MAGIC_BYTES: Final = 6  # the longest of `FORMATS`
FORMATS: Final = {  # name of a file's end -> how such a file begins
    ".gz": (b"\x1f\x8b",),
    ".xz": (b"\xfd7zXZ\x00",),
    ".zst": (b"\x28\xb5\x2f\xfd", *(bytes((low, 0x2A, 0x4D, 0x18)) for low in range(0x50, 0x60))),
}


class FileError(ExpectedError):
    """A file cannot be read, or not to its end; the text names it."""


class DamagedFileError(FileError):
    """A file ends too early or is damaged, after lines that could be read."""


class _Frames(io.RawIOBase):
    """The content of a Zstandard file of any number of frames.

    Reading raises EOFError where the file ends within a frame.
    """

    def __init__(self, packed: BinaryIO) -> None:
        self._packed = packed
        self._pending = b""  # read and not unpacked
        self._content = b""  # unpacked and not given
        self._frame: zstandard.ZstdDecompressionObj | None = None  # between two frames: None

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401  # any writable buffer
        """Fill a buffer; gives how many bytes, 0 at the end."""
        while not self._content and self._unpack():
            pass
        size = min(len(buffer), len(self._content))
        buffer[:size] = self._content[:size]
        self._content = self._content[size:]
        return size

    def _unpack(self) -> bool:
        """Unpack some more bytes; False at the end of the file."""
        packed = self._pending or self._packed.read(PACKED_BYTES)
        if not packed:
            if self._frame is not None:
                raise EOFError("it ends within a frame")
            return False
        frame = self._frame = self._frame or zstandard.ZstdDecompressor().decompressobj()
        self._content = frame.decompress(packed)
        self._pending = frame.unused_data if frame.eof else b""
        if frame.eof:
            self._frame = None
        return True


def require_readable(paths: Iterable[Path]) -> None:
    """Open each file and read its first line; a pipe, which gives it only once, stays untouched.

    Raises:
        FileError: a file cannot be opened, or is not packed as its name says.

    """
    for path in paths:
        if not is_read_once(path):
            next(read_lines(path), None)


def is_read_once(path: Path) -> bool:
    """Whether it is a pipe or a device: what was read is gone."""
    return path.exists() and not path.is_file() and not path.is_dir()


def merge_by_time(paths: Sequence[Path], now: int) -> Iterator[Message | Unusable]:
    """All messages of the files, the least event time first; one file keeps its order.

    Args:
        paths: of the files, plain or packed.
        now: milliseconds; a time that is later than a worker would accept orders nothing.

    Raises:
        FileError: a file cannot be opened, before anything is given, or is damaged.

    """
    files = [_placed(path, now) for path in paths]
    for _, _, message in heapq.merge(*files, key=itemgetter(0, 1)):
        yield message


def _placed(path: Path, now: int) -> Iterator[tuple[int, bool, Message | Unusable]]:
    """The messages of a file with their places; of a pipe, whose first event is not known."""
    first = None if is_read_once(path) else _place_of_first_event(path, now)
    yield from with_greatest_time(read_messages(path), now, first)


def _place_of_first_event(path: Path, now: int) -> int | None:
    try:
        for message in read_messages(path):
            if isinstance(message, Message) and not message.is_reference:
                return message.at if YEAR_2000 <= message.at <= now + FUTURE_MS else 0
    except DamagedFileError:  # told once what is before the damage is given
        pass
    return None


def with_greatest_time(
    messages: Iterable[Message | Unusable], now: int, first_event: int | None = None
) -> Iterator[tuple[int, bool, Message | Unusable]]:
    """Each message with its place in the merge: the greatest possible time so far, is an event.

    Reference records of a file that has events are placed as the event before them is, or as the
    first one: the time of one may be anything, and must not hold up the events behind it.

    Args:
        messages: of one file.
        now: milliseconds.
        first_event: the place of its first event; None: it has none, or that is not known.

    """
    greatest, has_events = first_event or 0, False
    for message in messages:
        if isinstance(message, Message):
            if not message.is_reference and not has_events:
                greatest, has_events = 0, True
            is_possible = YEAR_2000 <= message.at <= now + FUTURE_MS
            goes_along = message.is_reference and (has_events or first_event is not None)
            if is_possible and not goes_along:
                greatest = max(greatest, message.at)
        yield greatest, has_events, message


def read_messages(path: Path) -> Iterator[Message | Unusable]:
    """The messages of one file; empty lines are skipped.

    Raises:
        FileError: it cannot be opened, or is damaged.

    """
    for number, line in read_lines(path):
        if line is None:
            yield Unusable(path, number, f"more than {MOST_LINE_BYTES} bytes")
        elif line.strip():
            try:
                yield parse_line(line, path, number)
            except ValueError as error:
                yield Unusable(path, number, str(error))


def read_lines(path: Path) -> Iterator[tuple[int, bytes | None]]:
    """Number and bytes of each line, from 1; None for one of more than `MOST_LINE_BYTES`.

    Raises:
        FileError: it cannot be opened, or is damaged.

    """
    number = 0
    try:
        with path.open("rb") as file, _unpacked(path, file) as content:
            while line := content.readline(MOST_LINE_BYTES):
                number += 1
                is_whole = line.endswith(b"\n") or len(line) < MOST_LINE_BYTES
                yield number, line if is_whole else None
                while not is_whole:
                    more = content.readline(MOST_LINE_BYTES)
                    is_whole = not more or more.endswith(b"\n")
    except (EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError, gzip.BadGzipFile) as error:
        raise DamagedFileError(
            f"{_named(path)} is damaged or cut short after line {number} ({error})"
        ) from error
    except OSError as error:
        raise FileError(f"{_named(path)} cannot be read: {error.strerror or error}") from error


def _named(path: Path) -> str:
    """Its name on one line."""
    return escaped(str(path))


def _unpacked(path: Path, file: io.BufferedReader) -> BinaryIO:
    """The content of a file that is plain or packed, whatever its name.

    Raises:
        FileError: it is not packed as its name says.

    """
    begin = file.peek(MAGIC_BYTES)[:MAGIC_BYTES]
    named = path.suffix.lower()
    found = next((name for name, magic in FORMATS.items() if begin.startswith(magic)), "")
    if named in FORMATS and found != named:
        raise FileError(f"{_named(path)} is no {named} archive, though its name ends so")
    match found:
        case ".gz":
            return cast("BinaryIO", gzip.GzipFile(fileobj=file))
        case ".xz":
            return cast("BinaryIO", lzma.LZMAFile(file))
        case ".zst":
            return cast("BinaryIO", io.BufferedReader(_Frames(file)))
        case _:
            return file
