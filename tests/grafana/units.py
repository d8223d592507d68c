"""Whether a column is shown in a unit that it has.

Units of columns of the views stand in `schemas.views`. What a column of a statement is made of is
read from its text: names that are given with AS are followed to the columns of views. That is a
rough reading, made to catch what matters: cents as they are, shares as milliseconds, counts as
per cent.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from schemas.rows import TABLES
from schemas.units import CENTS, COUNT, DAY, MS, SHARE, UTC
from schemas.views import COLUMNS
from tests.grafana import promql
from tests.grafana.boards import Panel, Target
from tests.grafana.macros import arguments, without_comments

_TOKEN: Final = re.compile(r"'(?:[^'\\]|\\.|'')*'|`[^`]*`|\"[^\"]*\"|[\w$]+(?:\.\w+)*|\S")
_OPENS_ITEM: Final = {
    *("SELECT", "DISTINCT", "FROM", "JOIN", "WHERE", "PREWHERE", "BY", "ON", "HAVING", "WITH"),
    *("UNION", "ALL", "LIMIT", ","),
}
_DIVIDES: Final = {"/", "divide", "intDiv", "avg", "avgIf", "avgOrNull"}
SHARES: Final = {"percentunit", "percent"}
TIMES: Final = {"ms", "s", "m", "h", "d", "ns", "µs", "dtdurations", "dtdurationms", "clocks"}
SIZES: Final = {"bytes", "decbytes", "bits", "decbits", "kbytes", "mbytes"}
PLAIN: Final = {"", "none", "short", "locale", "sishort", "number", "string"}
RATES: Final = {"cps", "eps", "ops", "reqps", "rps", "wps", "iops", "cpm", "opm", "rpm", "epm"}
DATES: Final = {"dateTimeAsIso", "dateTimeAsLocal", "dateTimeFromNow", "dateTimeAsSystem"}
BYTE_RATES: Final = {"Bps", "binBps", "bps", "KBs", "MBs"}
KNOWN: Final = SHARES | TIMES | SIZES | PLAIN | RATES | DATES | BYTE_RATES
MOMENTS: Final = {UTC, DAY}
PARTS: Final = {"millionths", "trillionths"}


class Made(NamedTuple):
    """What a column of a statement is made of."""

    columns: frozenset[tuple[str, str]]  # of views: name, unit
    words: frozenset[str]  # all words of its expressions

    @property
    def units(self) -> set[str]:
        """Units of these columns, texts left out."""
        return {unit for _, unit in self.columns if unit}


def known(unit: str) -> bool:
    """Whether Grafana has the unit; of currencies and suffixes every one."""
    return unit in KNOWN or unit.startswith(("currency", "suffix:", "prefix:", "time:"))


def faults(panel: Panel, target: Target) -> Iterator[str]:
    """Sentences about columns of a statement that are shown in a unit they do not have."""
    for column, made in made_of(target.sql).items():
        unit = panel.unit_of(column)
        wrong = _wrong(made, unit)
        if wrong:
            names = ", ".join(sorted(name for name, of in made.columns if of and of not in MOMENTS))
            yield f"column {column} ({names}) {wrong}"


def _wrong(made: Made, unit: str) -> str:
    """What is wrong, of a column made of some units and shown in another; empty: nothing."""
    units = made.units
    if units <= MOMENTS:
        return ""  # a time is shown as one, or its age was taken
    divided = bool(made.words & _DIVIDES)
    if units & PARTS and not divided and units <= PARTS:
        return "is in millionths: divide it"
    if CENTS in units and not divided and units <= {CENTS, COUNT} | MOMENTS:
        return "is in cents: divide it by the currency's minor unit"
    if any(unit in _may(one, divided=divided) for one in units - MOMENTS):
        return ""
    if unit.startswith("currency") and CENTS in units:
        return ""
    if unit.startswith(("suffix:", "prefix:", "time:")):
        return ""
    return f"is in {' and '.join(sorted(units - MOMENTS))}, and shown as {unit or 'a plain number'}"


def _may(of: str, *, divided: bool) -> set[str]:
    """Units that something in a unit may be shown in."""
    if of == MS:
        return {"ms"} | (PLAIN | TIMES | SHARES if divided else set())
    if of == SHARE:
        return PLAIN | SHARES
    return PLAIN | RATES | (SHARES if divided else set())


def made_of(sql: str) -> Mapping[str, Made]:
    """The columns that a statement gives, in their order.

    >>> made = made_of("SELECT minute AS time, sum(credit_cents) / 100 AS net FROM v_order_credit")
    >>> list(made), sorted(made["net"].units)
    (['time', 'net'], ['cents'])
    """
    sql = without_comments(sql)
    units = _units_of(views_of(sql))
    tokens = _TOKEN.findall(sql)
    aliases = _aliases(tokens)
    return {
        name: _followed(_TOKEN.findall(text), aliases, units, set())
        for name, text in _selected(sql)
    }


def views_of(sql: str) -> list[str]:
    """What a statement reads by name: tables, views and its own WITH.

    >>> views_of("SELECT 1 FROM v_kol AS k JOIN (SELECT 2 FROM `kol`.`v_minute`) USING x")
    ['v_kol', 'kol.v_minute']
    """
    return [name for name, is_called in _sources(sql) if name and not is_called]


def unnamed_in(sql: str) -> list[str]:
    """What a statement reads without naming it: functions that give tables, but for `numbers`.

    >>> unnamed_in("SELECT 1 FROM merge('kol', '^v_') JOIN (SELECT 2 FROM numbers(3)) USING x")
    ['merge()']
    """
    return [
        f"{name}()" if is_called else "something"
        for name, is_called in _sources(sql)
        if (is_called and name.lower() != "numbers") or not name
    ]


def _sources(sql: str) -> list[tuple[str, bool]]:
    """What stands behind each FROM and JOIN but brackets, and whether it is called.

    What fills gaps between rows, WITH FILL FROM, reads nothing.
    """
    sql = re.sub(r"'(?:[^'\\]|\\.|'')*'", "''", without_comments(sql))
    behind = re.finditer(
        r"(?<!\w)(?<!FILL )(?:FROM|JOIN)\s+(?![\s(])([`\"\w.]*)(\s*\()?", sql, re.IGNORECASE
    )
    return [(re.sub(r"[`\"]", "", one[1]), one[2] is not None) for one in behind]


def named_with(sql: str) -> set[str]:
    """What a statement defines by WITH."""
    return set(re.findall(r"\b(\w+)\s+AS\s*\(\s*(?:SELECT|WITH)\b", sql, re.IGNORECASE))


def _units_of(views: Iterable[str]) -> dict[str, str]:
    return {
        name: column.unit
        for view in views
        for name, column in COLUMNS.get(view.split(".")[-1], {}).items()
    }


def _aliases(tokens: Sequence[str]) -> dict[str, list[Sequence[str]]]:
    """Of every name that is given with AS, what it is given to."""
    found: dict[str, list[Sequence[str]]] = {}
    starts = [0]
    for at, token in enumerate(tokens):
        if token in {"(", "["}:
            starts.append(at + 1)
        elif token in {")", "]"} and len(starts) > 1:
            starts.pop()
        elif token.upper() in _OPENS_ITEM:
            starts[-1] = at + 1
        elif token.upper() == "AS" and at + 1 < len(tokens) and tokens[at + 1] != "(":
            found.setdefault(tokens[at + 1].strip('`"'), []).append(tokens[starts[-1] : at])
    return found


def _followed(
    tokens: Sequence[str],
    aliases: Mapping[str, list[Sequence[str]]],
    units: Mapping[str, str],
    seen: set[tuple[str, int]],
) -> Made:
    """What an expression is made of; `seen` are the names whose meaning was followed already."""
    columns: set[tuple[str, str]] = set()
    words: set[str] = set(tokens)
    for token in tokens:
        parts = [part.strip('`"') for part in token.split(".")]
        name = parts[-2] if len(parts) > 1 and parts[-1].isdigit() else parts[-1]
        given = [
            (number, inner)
            for number, inner in enumerate(aliases.get(name, ()))
            if (name, number) not in seen
        ]
        for number, inner in given:
            made = _followed(inner, aliases, units, seen | {(name, number)})
            columns |= made.columns
            words |= made.words
        if name in units and not given:
            columns.add((name, units[name]))
    return Made(frozenset(columns), frozenset(words))


def _selected(sql: str) -> list[tuple[str, str]]:
    """Names and expressions of the outermost SELECT; of a UNION those of the first."""
    start = _outermost(sql, "SELECT")
    if start is None:
        return []
    begin = start + len("SELECT")
    length = _outermost(sql[begin:], "FROM")
    text = sql[begin:] if length is None else sql[begin : begin + length]
    found = []
    for item in arguments(re.sub(r"^\s*DISTINCT\b", "", text, flags=re.IGNORECASE)):
        named = re.search(r"\bAS\s+(`[^`]+`|\"[^\"]+\"|\w+)\s*$", item, re.IGNORECASE)
        name = named[1] if named else item.split(".")[-1]
        found.append((name.strip('`"'), item[: named.start()] if named else item))
    return found


def _outermost(sql: str, word: str) -> int | None:
    """Where a word first stands outside of all brackets and strings."""
    depth = 0
    for match in re.finditer(r"'(?:[^'\\]|\\.|'')*'|`[^`]*`|\"[^\"]*\"|[()]|\w+", sql):
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        if depth == 0 and match[0].upper() == word:
            return match.start()
    return None


def is_fine(column: str) -> bool:
    """Whether a column of some table has fractions of a second."""
    return any(
        "DateTime64" in table.columns[column]
        for table in TABLES.values()
        if column in table.columns
    )


# ---------------------------------------------------------------- Prometheus


def promql_faults(panel: Panel, target: Target) -> Iterator[str]:
    """Sentences about an expression whose metrics are in another unit than it is shown in."""
    if list(promql.faults(target.promql, {})):
        return  # that is said elsewhere
    names = promql.names_in(target.promql)
    may = {unit for name in names for unit in _of_metric(name, target.promql)}
    for shown in sorted(_shown_as(panel, target) & KNOWN - may) if names else ():
        yield f"{', '.join(sorted(set(names)))} shown as {shown or 'a plain number'}"


def _shown_as(panel: Panel, target: Target) -> set[str]:
    """The units that series of a query are shown in, by their names and its letter."""
    legend = str(target.json.get("legendFormat") or "")
    parts = re.split(r"\{\{[^}]*\}\}", legend)
    named = re.compile(".+".join(map(re.escape, parts)) if legend != "__auto" else ".+")
    shown, is_one = {str(panel.defaults.get("unit", ""))}, len(parts) == 1 and legend != "__auto"
    for override in panel.overrides:
        units = {str(one["value"]) for one in override["properties"] if one["id"] == "unit"}
        options = str(override["matcher"].get("options", ""))
        match override["matcher"].get("id"):
            case "byFrameRefID":
                is_meant, is_all = options == target.ref, True
            case "byName":
                is_meant, is_all = named.fullmatch(options) is not None, is_one
            case _:  # may be meant
                is_meant, is_all = True, False
        if units and is_meant:
            shown = units if is_all else shown | units
    return shown


def _of_metric(name: str, expression: str) -> set[str]:
    """Units that something made of a metric may be shown in, by the end of its name."""
    base = re.sub(r"_(bucket|sum|count)$", "", name)
    ratio = SHARES if "/" in expression or base.endswith("_ratio") else set()
    if name.endswith("_count"):
        return PLAIN | RATES | ratio
    if base.endswith("_seconds_total"):  # seconds of a second
        return PLAIN | SHARES | {"s"}
    if base.endswith("_seconds"):
        dated = DATES if base.endswith("_timestamp_seconds") else set()
        return {"s", "dtdurations", *ratio, *dated} | (
            PLAIN if ratio or _counts(expression) else set()
        )
    if base.removesuffix("_total").endswith("_bytes"):
        return SIZES | BYTE_RATES | ratio
    return PLAIN | (RATES if _counts(expression) or name.endswith("_total") else set()) | ratio


def _counts(expression: str) -> bool:
    return re.search(r"\b(rate|irate|increase|count|changes|bool)\b", expression) is not None
