"""The log of a process: JSON lines on stderr, in which no library repeats itself.

A client without a broker logs the same lines fifty times a second, and after a crash every
service of Faust logs the same traceback, also of faults whose text is written for people. Of each
kind the first line of a minute is written as it is; the others are counted, and the count is one
line.
"""

import json
import logging
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TextIO

from schemas.escapes import escaped_json
from streams.runtime.shutdown import OURS

QUIET = ("aiokafka", "kafka", "mode", "faust", "streams.transport")  # warnings of theirs only
LIBRARIES = frozenset({"aiokafka", "asyncio", "clickhouse_connect", "faust", "kafka", "mode"})
WINDOW_SECONDS = 60.0  # in which a kind of line is written once
KINDS = 30  # in a window; further ones are one kind together

_VARYING = re.compile(r"0x[0-9a-fA-F]+|\d+")  # addresses, ports, ids: of no line's kind


class JsonLines(logging.Formatter):
    """One JSON object a line, control characters escaped; never values of rows."""

    def format(self, record: logging.LogRecord) -> str:
        """One record."""
        line = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return escaped_json(json.dumps(line, ensure_ascii=False, separators=(",", ":")))


@dataclass(slots=True)
class Kind:
    """Lines that differ in numbers only, since the first of them was written."""

    since: float
    dropped: int = 0
    last: logging.LogRecord | None = None


class RepeatLimit:
    """Which lines of libraries are written; our own always are.

    Args:
        clock: seconds that never go back.

    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kinds: dict[tuple[str, ...], Kind] = {}

    def passes(self, record: logging.LogRecord) -> bool:
        """Whether to write a line; takes a traceback from it that was written before."""
        if record.name.partition(".")[0] not in LIBRARIES or record.levelno < logging.WARNING:
            return True
        if record.exc_info and not self._is_worth_a_traceback(record.exc_info[1]):
            record.exc_info = record.exc_text = None
        template = str(record.msg).partition("\n")[0]
        return self._is_first((record.name, _VARYING.sub("#", template)), record)

    def _is_worth_a_traceback(self, error: BaseException | None) -> bool:
        """Whether a fault is not one of ours, which are sentences, and none that was logged."""
        is_ours = type(error).__module__.partition(".")[0] in OURS
        return not is_ours and self._is_first(("", repr(error)), None)

    def _is_first(self, key: tuple[str, ...], record: logging.LogRecord | None) -> bool:
        """Whether a kind begins; counts the line if it does not."""
        if key not in self._kinds:
            key = key if len(self._kinds) < KINDS else ("",)
        if key not in self._kinds:
            self._kinds[key] = Kind(self._clock())
            return True
        kind = self._kinds[key]
        if record is not None:
            kind.dropped += 1
            kind.last = record
        return False

    def ended(self, *, all_of_them: bool = False) -> Iterator[logging.LogRecord]:
        """A line for each kind whose minute is over, if others like it were left out."""
        now = self._clock()
        for key, kind in list(self._kinds.items()):
            if all_of_them or now - kind.since >= WINDOW_SECONDS:
                del self._kinds[key]
                if kind.last is not None:
                    yield _count_line(kind, kind.last, now)


def _count_line(kind: Kind, last: logging.LogRecord, now: float) -> logging.LogRecord:
    counted = f"{kind.dropped:,} more like this in {now - kind.since:.0f} s: {last.getMessage()}"
    values = {"name": last.name, "levelno": last.levelno, "levelname": last.levelname}
    return logging.makeLogRecord({**values, "msg": counted})


class LimitedHandler(logging.StreamHandler[TextIO]):
    """Writes lines to stderr as a `RepeatLimit` says; counts stand before a critical line."""

    def __init__(self, limit: RepeatLimit | None = None, stream: TextIO | None = None) -> None:
        super().__init__(stream or sys.stderr)
        self._limit = limit or RepeatLimit()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, and before it the counts of kinds whose minute is over."""
        for counted in self._limit.ended(all_of_them=record.levelno >= logging.CRITICAL):
            super().emit(counted)
        if self._limit.passes(record):
            super().emit(record)


def log_to_stderr(level: str) -> None:
    """Write JSON lines from `level` on; at `debug` every line, with its traceback."""
    handler = logging.StreamHandler(sys.stderr) if level == "debug" else LimitedHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("kafka.admin._groups").setLevel(
        logging.ERROR
    )  # warns of every protocol of ours
