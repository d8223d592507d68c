"""What to do when an insert fails: try again, take it apart, or stop.

`codes` has what each code of ClickHouse asks for. Without a code:

* retry: the server gave no answer (the rows may be in: writing them twice is writing them
  once), or a proxy answers for a server that it misses.
* halve: our client cannot encode a row.
* stop: all else.

One code means two things: 252 is "too many parts" (retry) or "more than 100 partitions in
one insert" (never succeeds: split by month).
"""

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from clickhouse_connect.driver.exceptions import (
    ClickHouseError,
    DatabaseError,
    DataError,
    OperationalError,
    ProgrammingError,
)
from numpy.typing import NDArray

from schemas.rows import TABLES, Rows
from sinks.base import Fault
from sinks.codes import OF_CODE, Verdict

Positions = NDArray[np.intp]

PARTS_OR_PARTITIONS = 252
SETTING_CONSTRAINT = 452
ENCODING = (DataError, TypeError, ValueError, AttributeError, OverflowError)

_STATUS = re.compile(r"HTTP status (\d+)")
_CODE = re.compile(r"\bCode: (\d+)")
_SETTING = re.compile(r"(?:[Mm]odify|[Ss]etting) [`'\"]?(\w+)")

# What a proxy before the server answers, which knows no codes
AWAY = frozenset({408, 421, 425, 429, *range(500, 600)} - {501, 505})
TOO_LARGE = 413
STATUS_ADVICE = {
    401: "a proxy before the server wants credentials of its own",
    403: "a proxy before the server refuses us",
    404: "no ClickHouse under this address: see KOL_CLICKHOUSE__HOST and KOL_CLICKHOUSE__PORT",
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
    if code is not None:
        return OF_CODE[code].verdict if code in OF_CODE else Verdict.STOP
    return _judge_without_code(error)


def _judge_without_code(error: Exception) -> Verdict:
    if isinstance(error, OperationalError | OSError):
        return Verdict.RETRY  # transport: nobody knows whether the rows are in
    if isinstance(error, ENCODING):
        return Verdict.HALVE
    status = _status(error)
    if status == TOO_LARGE:
        return Verdict.RETRY_SMALLER
    return Verdict.RETRY if status in AWAY else Verdict.STOP


def _status(error: Exception) -> int | None:
    """The HTTP status of an answer that has no code."""
    found = _STATUS.search(str(error)) if isinstance(error, DatabaseError) else None
    return int(found[1]) if found else None


def fault(error: Exception) -> Fault:
    """Why a row that is alone in its insert is refused.

    >>> fault(DatabaseError("too long", code=131)), fault(TypeError("no number"))
    (<Fault.RANGE: 'range'>, <Fault.ENCODING: 'encoding'>)
    """
    rule = OF_CODE.get(code_of(error) or 0)
    return rule.fault if rule else Fault.ENCODING


def advice(error: Exception) -> str:
    """What a person can do about an error that stops.

    >>> advice(DatabaseError("Setting async_insert should not be changed", code=452))[:64]
    "the account's profile constrains the setting `async_insert`: rem"
    """
    code = code_of(error)
    setting = _SETTING.search(str(error))
    if code is None and setting and isinstance(error, ProgrammingError):
        code = SETTING_CONSTRAINT  # the client has read the constraint, and sends nothing
    if code is None:
        return STATUS_ADVICE.get(_status(error) or 0, "see the server's message")
    if code not in OF_CODE:
        return f"this version does not know the code {code}: see the server's message"
    text = OF_CODE[code].advice or "see the server's message"
    return text.format(setting=setting[1] if setting else "?")


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
