"""What to do when an insert fails: try again, take it apart, or stop.

Three classes of errors, by their ClickHouse code:

* retry: the server is busy, away or gave no answer (the rows may be in: writing them twice is
  writing them once). Same rows, with exponential backoff and no limit.
* poison: a row cannot be encoded or parsed. The rows are halved until it is alone.
* stop: all else. The fault is ours (schema, rights), and rows are not to blame.

Two codes mean two things: 252 is "too many parts" (retry) or "more than 100 partitions in
one insert" (never succeeds: split by month); 241, out of memory, succeeds on its own or
only with fewer rows.
"""

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from clickhouse_connect.driver.exceptions import (
    ClickHouseError,
    DatabaseError,
    DataError,
    OperationalError,
)
from numpy.typing import NDArray

from schemas.rows import TABLES, Rows
from sinks.base import Fault

Positions = NDArray[np.intp]


class Verdict(Enum):
    """What an error asks for."""

    RETRY = "retry"
    RETRY_SMALLER = "retry, with fewer rows in the end"
    SPLIT_MONTHS = "split by month"
    HALVE = "halve, down to the row"
    STOP = "stop"


BUSY = frozenset(
    {3, 159, 198, 201, 202, 203, 209, 210, 236, 242, 243, 252, 254, 279, 285, 286, 289}
    | {319, 373, 425, 439, 999}
)
MEMORY = 241
PARTS_OR_PARTITIONS = 252
POISON = {
    **dict.fromkeys((6, 26, 27, 33, 38, 41, 72, 117), Fault.PARSING),
    **dict.fromkeys((53, 70, 349, 691), Fault.TYPE),
    **dict.fromkeys((69, 131, 321, 407), Fault.RANGE),
}
ENCODING = (DataError, TypeError, ValueError, AttributeError, OverflowError)

_STATUS = re.compile(r"HTTP status (\d+)")
_CODE = re.compile(r"\bCode: (\d+)")
_AWAY = frozenset({408, 425, 429, 500, 502, 503, 504})  # what a proxy says of a server it misses

ADVICE = {
    16: "the schema is another one: run `kol migrate`",
    20: "the schema is another one: run `kol migrate`",
    36: "the schema is another one: run `kol migrate`",
    47: "the schema is another one: run `kol migrate`",
    60: "a table is missing: run `kol migrate`",
    81: "the database is missing: run `kol migrate`",
    115: "the server does not know a setting: ClickHouse 25.8 or newer is needed",
    164: "the user may only read: see KOL_CLICKHOUSE__USERNAME",
    192: "no such user: see KOL_CLICKHOUSE__USERNAME",
    193: "wrong password: see KOL_CLICKHOUSE__PASSWORD",
    497: "the user lacks rights: grant INSERT on the tables",
    516: "wrong user or password: see KOL_CLICKHOUSE__USERNAME and KOL_CLICKHOUSE__PASSWORD",
}


def code_of(error: BaseException) -> int | None:
    """The ClickHouse code of an error, if it has one."""
    code = getattr(error, "code", None)
    if isinstance(code, int):
        return code
    message = _CODE.search(str(error)) if isinstance(error, ClickHouseError) else None
    return int(message[1]) if message else None


def judge(error: Exception) -> Verdict:
    """What an error of an insert asks for.

    >>> judge(OperationalError("connection lost"))
    <Verdict.RETRY: 'retry'>
    >>> judge(DatabaseError("no such table", code=60))
    <Verdict.STOP: 'stop'>
    """
    code = code_of(error)
    if code == PARTS_OR_PARTITIONS and "partitions for single INSERT" in str(error):
        return Verdict.SPLIT_MONTHS
    if code == MEMORY:
        return Verdict.RETRY_SMALLER
    if code in BUSY:
        return Verdict.RETRY
    if code in POISON:
        return Verdict.HALVE
    if code is not None:
        return Verdict.STOP
    return _judge_without_code(error)


def _judge_without_code(error: Exception) -> Verdict:
    if isinstance(error, OperationalError | OSError):
        return Verdict.RETRY  # transport: nobody knows whether the rows are in
    if isinstance(error, ENCODING):
        return Verdict.HALVE
    status = _STATUS.search(str(error)) if isinstance(error, DatabaseError) else None
    if status and int(status[1]) in _AWAY:
        return Verdict.RETRY
    return Verdict.STOP


def fault(error: Exception) -> Fault:
    """Why a row that is alone in its insert is refused.

    >>> fault(DatabaseError("too long", code=131)), fault(TypeError("no number"))
    (<Fault.RANGE: 'range'>, <Fault.ENCODING: 'encoding'>)
    """
    return POISON.get(code_of(error) or 0, Fault.ENCODING)


def advice(error: Exception) -> str:
    """What a person can do about an error that stops."""
    return ADVICE.get(code_of(error) or 0, "see the server's message")


@dataclass(slots=True)
class Backoff:
    """How long to wait before the next try: 0.2 s, doubling to 30 s, each times 0.5 to 1.5."""

    uniform: Callable[[float, float], float]
    first: float = 0.2
    longest: float = 30.0
    tries: int = 0

    def next_seconds(self) -> float:
        """Seconds to wait now."""
        seconds = min(self.longest, self.first * 2.0 ** min(self.tries, 16))
        self.tries += 1
        return seconds * self.uniform(0.5, 1.5)


@dataclass(slots=True)
class Breaker:
    """Opens when too large a share of rows is refused: then the rows are not to blame.

    Open above 5 % of the rows of the last five minutes, from 20 refused rows on.
    """

    window: float = 300.0  # seconds
    share: float = 0.05
    least: int = 20  # a few bad rows among a few are no pattern
    _seen: deque[tuple[float, int, int]] = field(default_factory=deque)  # at, rows, refused

    def add(self, now: float, rows: int, refused: int) -> None:
        """Count rows, refused ones among them."""
        self._seen.append((now, rows, refused))

    def is_open(self, now: float) -> bool:
        """Whether to stop rather than to refuse more."""
        while self._seen and self._seen[0][0] <= now - self.window:
            self._seen.popleft()
        rows = sum(entry[1] for entry in self._seen)
        refused = sum(entry[2] for entry in self._seen)
        return refused >= self.least and refused > self.share * rows


def halves(rows: Rows) -> list[Positions]:
    """Positions of two halves."""
    return np.array_split(np.arange(len(rows)), 2)


def by_months(rows: Rows, most: int = 50) -> list[Positions]:
    """Positions in groups of at most so many different months, at least two groups.

    One group means that all rows are of one month. A server takes an insert of at most 100
    partitions, unless it is told otherwise.
    """
    table = TABLES[rows.table]
    if not table.moment:
        return [np.arange(len(rows))]
    per_second = 1000 if table.columns[table.moment].startswith("DateTime64") else 1
    seconds = np.asarray(rows.columns[table.moment], np.int64) // per_second
    months = seconds.astype("datetime64[s]").astype("datetime64[M]")
    different, month = np.unique(months, return_inverse=True)
    groups = max(-(-len(different) // most), min(len(different), 2))
    cuts = np.array_split(np.arange(len(different)), groups)
    return [np.flatnonzero(np.isin(month, cut)) for cut in cuts]
