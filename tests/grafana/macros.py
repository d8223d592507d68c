"""What Grafana's ClickHouse data source makes of its macros, for a range and an interval.

Grafana's server is not at hand, so this is a reading of what the source documents: comments are
blanked, macros are replaced one name after another, the longer names first, also within the
arguments of others and within strings; names it does not know stay as they are. Macros of a whole
statement (`$__columns`, `$__lttb`, ...) are no part of our panels and are refused.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

SECONDS_FORMS: Final = frozenset(  # cut the last fraction of a second: not for DateTime64
    {"timeFilter", "dateTimeFilter", "dt", "fromTime", "toTime", "timeFrom", "timeTo"}
    | {"timeInterval", "timeGroup"}
)
FRONT_END_ONLY: Final = ("conditionalAll", "adHocFilters")  # no alert rule knows them
STATEMENTS: Final = ("columns", "rateColumns", "perSecondColumns", "increaseColumns", "lttb")
UNITS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3_600}
_NAME: Final = re.compile(r"\$__(\w+)")
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")


class MacroError(ValueError):
    """A macro that the data source refuses, in a sentence."""


@dataclass(frozen=True, slots=True)
class Range:
    """What a panel asks for: from when to when, and how far apart its points may be; all in ms."""

    from_ms: int
    to_ms: int
    interval_ms: int = 60_000

    @property
    def interval_s(self) -> int:
        """Whole seconds of the interval, at least one."""
        return max(1, self.interval_ms // 1_000)


@dataclass(frozen=True, slots=True)
class Macro:
    """A macro as it stands in a statement."""

    name: str
    args: tuple[str, ...]
    start: int
    end: int


def _moment(ms: int) -> str:
    return f"toDateTime({ms // 1_000})"


def _moment_ms(ms: int) -> str:
    return f"fromUnixTimestamp64Milli({ms})"


def _day(ms: int) -> str:
    return f"toDate('{datetime.fromtimestamp(ms / 1_000, UTC):%Y-%m-%d}')"


def _between(column: str, span: Range, written: Callable[[int], str]) -> str:
    return f"{column} >= {written(span.from_ms)} AND {column} <= {written(span.to_ms)}"


def _day_and_time(span: Range, args: Sequence[str]) -> str:
    return f"({_between(args[0], span, _day)}) AND ({_between(args[1], span, _moment)})"


def _group(_: Range, args: Sequence[str]) -> str:
    seconds = _seconds_of(args[1].strip("'\""))
    return f"toStartOfInterval(toDateTime({args[0]}), INTERVAL {seconds} second)"


def _interval(span: Range, args: Sequence[str]) -> str:
    return f"toStartOfInterval(toDateTime({args[0]}), INTERVAL {span.interval_s} second)"


def _interval_ms(span: Range, args: Sequence[str]) -> str:
    ms = max(1, span.interval_ms)
    return f"toStartOfInterval(toDateTime64({args[0]}, 3), INTERVAL {ms} millisecond)"


Expander = Callable[[Range, Sequence[str]], str]
MACROS: Final[dict[str, tuple[int | None, Expander]]] = {  # how many arguments; None: any
    "fromTime": (None, lambda span, _: _moment(span.from_ms)),
    "toTime": (None, lambda span, _: _moment(span.to_ms)),
    "fromTime_ms": (None, lambda span, _: _moment_ms(span.from_ms)),
    "toTime_ms": (None, lambda span, _: _moment_ms(span.to_ms)),
    "timeFilter": (1, lambda span, args: _between(args[0], span, _moment)),
    "timeFilter_ms": (1, lambda span, args: _between(args[0], span, _moment_ms)),
    "dateFilter": (1, lambda span, args: _between(args[0], span, _day)),
    "dateTimeFilter": (2, _day_and_time),
    "dt": (2, _day_and_time),
    "timeInterval": (1, _interval),
    "timeInterval_ms": (1, _interval_ms),
    "interval_s": (None, lambda span, _: str(span.interval_s)),
    "timeFrom": (1, lambda span, args: f"{args[0]} >= {_moment(span.from_ms)}"),
    "timeTo": (1, lambda span, args: f"{args[0]} <= {_moment(span.to_ms)}"),
    "timeGroup": (2, _group),
}


def expand(sql: str, span: Range) -> str:
    """The statement that reaches the engine.

    Raises:
        MacroError: a macro has a wrong number of arguments, or rewrites the whole statement.

    >>> expand("SELECT 1 WHERE $__timeFilter_ms(at) -- and $__fromTime", Range(1_500, 2_500))
    'SELECT 1 WHERE at >= fromUnixTimestamp64Milli(1500) AND at <= fromUnixTimestamp64Milli(2500)'
    """
    sql = without_comments(sql).rstrip()
    for name in sorted(STATEMENTS, key=len, reverse=True):
        if macros_in(sql, name):
            raise MacroError(f"$__{name} rewrites the whole statement; write the statement out")
    for name in sorted(MACROS, key=lambda one: (-len(one), one)):
        count, written = MACROS[name]
        for macro in reversed(_outer(macros_in(sql, name))):
            args = macro.args
            if count is not None and len(args) != count:
                wanted = "1 argument" if count == 1 else f"{count} arguments"
                raise MacroError(f"$__{name} takes {wanted}, not {len(args)}")
            sql = sql[: macro.start] + written(span, args) + sql[macro.end :]
    return sql


def _outer(found: Sequence[Macro]) -> list[Macro]:
    """Those that stand in no other of their name; the source does not look into what it wrote."""
    kept: list[Macro] = []
    for macro in found:
        if not kept or macro.start >= kept[-1].end:
            kept.append(macro)
    return kept


def macros_in(sql: str, *names: str) -> list[Macro]:
    """The macros of a statement in their order, or those of some names; comments do not count.

    >>> [m.name for m in macros_in("a >= $__fromTime_ms AND $__timeFilter_ms(f(b, c)) -- $__dt")]
    ['fromTime_ms', 'timeFilter_ms']
    >>> macros_in("$__timeFilter_ms(f(b, c))")[0].args
    ('f(b, c)',)
    """
    sql = without_comments(sql)
    found = []
    for match in _NAME.finditer(sql):
        if names and match[1] not in names:
            continue
        end = closing(sql, match.end()) if sql[match.end() : match.end() + 1] == "(" else None
        if end is None:
            found.append(Macro(match[1], (), match.start(), match.end()))
        else:
            args = arguments(sql[match.end() + 1 : end])
            found.append(Macro(match[1], tuple(args), match.start(), end + 1))
    return found


def without_comments(sql: str) -> str:
    """The same with blanks where comments stood; `--` within a string is none.

    >>> without_comments("SELECT '--', 1 -- two")
    "SELECT '--', 1       "
    """
    parts, at = [], 0
    while at < len(sql):
        end = _comment_end(sql, at)
        if end is not None:
            parts.append("".join(one if one == "\n" else " " for one in sql[at:end]))
        else:
            end = string_end(sql, at) if sql[at] in "'\"" else at + 1
            parts.append(sql[at:end])
        at = end
    return "".join(parts)


def _comment_end(sql: str, at: int) -> int | None:
    if sql.startswith("--", at):
        end = sql.find("\n", at)
        return len(sql) if end < 0 else end
    if sql.startswith("/*", at):
        end = sql.find("*/", at + 2)
        return len(sql) if end < 0 else end + 2
    return None


def string_end(sql: str, at: int) -> int:
    r"""Behind the string or quoted name that begins at a place.

    >>> string_end(r"'it\'s' x", 0)
    7
    """
    quote, at = sql[at], at + 1
    while at < len(sql):
        if sql[at] == "\\":
            at += 2
        elif sql[at] != quote:
            at += 1
        elif sql.startswith(quote, at + 1):
            at += 2
        else:
            return at + 1
    return len(sql)


def closing(sql: str, at: int) -> int | None:
    """Where the bracket that opens at a place is closed; None: nowhere."""
    depth = 0
    while at < len(sql):
        if sql[at] in "'\"`":
            at = string_end(sql, at)
            continue
        depth += {"(": 1, ")": -1}.get(sql[at], 0)
        if depth == 0:
            return at
        at += 1
    return None


def arguments(text: str, separator: str = ",") -> list[str]:
    """What stands between the commas of a list, brackets and strings kept whole.

    >>> arguments("f(a, b), 'c, d', [1, 2]")
    ['f(a, b)', "'c, d'", '[1, 2]']
    """
    parts, depth, start, at = [], 0, 0, 0
    while at < len(text):
        if text[at] in "'\"`":
            at = string_end(text, at)
            continue
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(text[at], 0)
        if text[at] == separator and depth == 0:
            parts.append(text[start:at].strip())
            start = at + 1
        at += 1
    return [*parts, text[start:].strip()] if text.strip() else []


def _seconds_of(duration: str) -> int:
    """Whole seconds of a duration such as `5m` or `1h30m`.

    >>> _seconds_of("1h30m")
    5400
    """
    found = _DURATION.findall(duration)
    seconds = round(sum(float(number) * UNITS[unit] for number, unit in found))
    if "".join(number + unit for number, unit in found) != duration or seconds <= 0:
        raise MacroError(f"$__timeGroup does not know the duration {duration!r}")
    return seconds
