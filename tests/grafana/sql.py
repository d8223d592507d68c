"""Checks of what dashboards ask of the real engine, with the rights of a reader.

Every statement of panels and variables, each with what may be chosen above the dashboard, is run
for a quarter of an hour, a day and ninety days. What comes back must be what its panel draws.
A statement is run once, however many panels ask it.
"""

import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from tests.grafana.boards import (
    SERIES,
    Board,
    Finding,
    Panel,
    Target,
    Variable,
)
from tests.grafana.examples import examples
from tests.grafana.frames import FrameError, display_names, framed, kind_of
from tests.grafana.macros import MacroError, Range, expand
from tests.grafana.variables import (
    ALL,
    AS_IN_ADDRESSES,
    HARD,
    STRICT,
    Choice,
    Choices,
    interpolate,
)

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
SPANS: Final = {"15 min": 15 * MINUTE, "24 h": DAY, "90 d": 90 * DAY}
VARIED: Final = frozenset({"24 h"})  # where all is chosen in every way
OPENED: Final = "as it opens"
POINTS: Final = 600  # as wide as a panel of half a screen
STEPS: Final = (  # what Grafana rounds an interval to: up to a limit, in milliseconds
    *((15, 10), (35, 20), (75, 50), (150, 100), (350, 200), (750, 500), (1_500, 1_000)),
    *((3_500, 2_000), (7_500, 5_000), (12_500, 10_000), (17_500, 15_000), (25_000, 20_000)),
    *((45_000, 30_000), (90_000, MINUTE), (210_000, 2 * MINUTE), (450_000, 5 * MINUTE)),
    *((750_000, 10 * MINUTE), (1_050_000, 15 * MINUTE), (1_500_000, 20 * MINUTE)),
    *((2_700_000, 30 * MINUTE), (5_400_000, 60 * MINUTE), (9_000_000, 120 * MINUTE)),
    *((16_200_000, 180 * MINUTE), (32_400_000, 360 * MINUTE), (86_400_000, 720 * MINUTE)),
)
GRAFANA: Final = "grafana"  # the account that asks
UNITS_MS: Final = {"m": MINUTE, "h": 60 * MINUTE, "d": DAY}  # of the range of a dashboard
MOST_ROWS: Final = 50_000  # of one answer
MOST_SHARE: Final = 10.0  # of what is shown as a share: cents and counts are far beyond
LONG_AGO: Final = Range(
    631_152_000_000, 631_152_000_000 + DAY, 2 * MINUTE
)  # 1990: nothing is there


def interval_of(span_ms: int, points: int = POINTS, least: int = 1_000) -> int:
    """How far apart points may be, as Grafana rounds it.

    >>> interval_of(DAY), interval_of(90 * DAY)
    (120000, 10800000)
    """
    exact = max(1, span_ms // points)
    rounded = next((step for limit, step in STEPS if exact < limit), DAY)
    return max(rounded, least)


def range_of(span_ms: int, end_ms: int, least: int = 1_000) -> Range:
    """A range that ends at a moment."""
    return Range(end_ms - span_ms, end_ms, interval_of(span_ms, least=least))


def least_interval(panel: Panel | None) -> int:
    """The least interval that a panel is set to, else a second.

    >>> least_interval(Panel({"interval": "1m"}, "x"))
    60000
    """
    text = str(panel.json.get("interval") or "") if panel is not None else ""
    found = re.fullmatch(r">?(\d+)(ms|s|m|h|d)", text)
    units = {"ms": 1, "s": 1_000, "m": MINUTE, "h": 60 * MINUTE, "d": DAY}
    return int(found[1]) * units[found[2]] if found else 1_000


def span_of(board: Board) -> int:
    """How many milliseconds a dashboard shows as it opens.

    >>> span_of(Board({"time": {"from": "now-28d", "to": "now"}})) // DAY
    28
    """
    since = str(board.json["time"]["from"]).removeprefix("now-")
    return int(since[:-1]) * UNITS_MS[since[-1]]


class Answer(NamedTuple):
    """What the engine says."""

    names: Sequence[str] = ()
    types: Sequence[str] = ()
    rows: Sequence[Sequence[Any]] = ()
    error: str = ""
    ms: float = 0.0


class Asked(NamedTuple):
    """A statement of a panel or a variable, and with what it was asked."""

    where: str
    target: Target
    panel: Panel | None
    answer: Answer
    said: str  # range and choices


def qualified(sql: str, database: str = "kol") -> str:
    """A statement with the database that the data source names.

    >>> qualified("SELECT v_kol.kol_id FROM v_kol")
    'SELECT kol.v_kol.kol_id FROM kol.v_kol'
    """
    return re.sub(r"(?<![.'\w])(v_\w+)\b", rf"{database}.\1", sql)


@dataclass(slots=True)
class Engine:
    """A reader's connection that asks everything once."""

    client: Client
    known: dict[str, Answer] = field(default_factory=dict)

    def ask(self, sql: str) -> Answer:
        """The answer to a statement; a refusal is one, too."""
        if sql not in self.known:
            began = time.perf_counter()
            try:
                result = self.client.query(sql)
            except ClickHouseError as error:
                self.known[sql] = Answer(error=_short(str(error)))
            else:
                spent = 1_000 * (time.perf_counter() - began)
                types = [one.name for one in result.column_types]
                self.known[sql] = Answer(result.column_names, types, result.result_rows, "", spent)
        return self.known[sql]


def _short(error: str) -> str:
    """What an error says of the statement, without the server's address and version.

    >>> _short("HTTPDriver: Code: 47. DB::Exception: Unknown column x. (UNKNOWN) (version 2)")
    'Unknown column x. (UNKNOWN)'
    """
    text = re.sub(r"\s*\(version .*", "", error, flags=re.DOTALL)
    return re.sub(r"^.*?DB::Exception: ", "", text, flags=re.DOTALL).strip()[:400]


# ---------------------------------------------------------------- what may be chosen


@dataclass(frozen=True, slots=True)
class Options:
    """What there is to choose from above a dashboard."""

    variables: Sequence[Variable]
    values: Mapping[str, tuple[str, ...]]
    texts: Mapping[str, tuple[str, ...]]

    def opened(self) -> dict[str, Choice]:
        """As the dashboard opens: All, or the first, or what it says."""
        return {one.name: self._first(one) for one in self.variables}

    def all_ways(self) -> Iterator[tuple[str, Choices]]:
        """Names of ways to choose, and what is chosen: one at a time differs from the first."""
        first = self.opened()
        yield OPENED, first
        several = [one for one in self.variables if one.is_multi]
        if several:
            yield "one of each", {**first, **{v.name: self.choice(v, 1) for v in several}}
            yield "two of each", {**first, **{v.name: self.choice(v, 2) for v in several}}
        for one in self.variables:
            if one.kind in {"custom", "interval"}:
                for value in self.values[one.name][1:]:
                    yield f"{one.name} {value}", {**first, one.name: Choice((value,))}
        asked = [one for one in self.variables if one.target is not None]
        for spared in (STRICT, AS_IN_ADDRESSES) if asked else ():
            hard = {
                one.name: Choice(HARD if one.is_multi else HARD[2:3], one.is_multi, spared=spared)
                for one in asked
            }
            yield f"hard names{' in addresses' if spared != STRICT else ''}", {**first, **hard}

    def choice(self, variable: Variable, count: int) -> Choice:
        """The first values of a variable; All where it has none."""
        options = self.values[variable.name]
        return Choice(options[:count] or (ALL,), variable.is_multi, options)

    def _first(self, variable: Variable) -> Choice:
        options, current = self.values[variable.name], variable.json.get("current") or {}
        given = current.get("value")
        values = tuple(map(str, given)) if isinstance(given, list) else (str(given or ""),)
        if variable.has_all and (values == (ALL,) or not current):
            all_value = str(variable.json.get("allValue") or "")
            return Choice((ALL,), variable.is_multi, options, all_value)
        chosen = values if all(one in options for one in values) else options[:1]
        texts = [t for v, t in zip(options, self.texts[variable.name], strict=True) if v in chosen]
        return Choice(chosen or ("",), variable.is_multi, options, texts=tuple(texts))


def options_of(board: Board, engine: Engine, span: Range) -> tuple[Options, list[Asked]]:
    """What may be chosen, and how the variables that ask were answered."""
    values: dict[str, tuple[str, ...]] = {}
    texts: dict[str, tuple[str, ...]] = {}
    asked: list[Asked] = []
    for one in sorted(board.variables, key=lambda one: one.target is not None):
        given = one.given
        if one.target is not None and one.target.sql:
            known = [other for other in board.variables if other.name in values]
            answer = run(one.target, Options(known, values, texts).opened(), engine, span)
            asked.append(Asked(f"{board.uid} / ${one.name}", one.target, None, answer, "options"))
            given = [(str(row[0]), str(row[1 if len(row) > 1 else 0])) for row in answer.rows]
        values[one.name] = tuple(value for value, _ in given)
        texts[one.name] = tuple(text for _, text in given)
    return Options(board.variables, values, texts), asked


def run(target: Target, choices: Choices, engine: Engine, span: Range) -> Answer:
    """The answer to what a target asks."""
    try:
        return engine.ask(expand(interpolate(target.sql, choices, span), span))
    except (MacroError, ValueError) as error:
        return Answer(error=str(error))


# ---------------------------------------------------------------- what is wrong with an answer


def answer_faults(asked: Asked, span: Range) -> Iterator[str]:
    """Sentences about an answer that its panel cannot draw."""
    answer, target = asked.answer, asked.target
    if answer.error:
        yield f"the engine refuses: {answer.error}"
        return
    if len(answer.rows) > MOST_ROWS:
        yield f"{len(answer.rows)} rows are too many for a panel"
    kinds = [kind_of(one) for one in answer.types]
    for name, kind, column_type in zip(answer.names, kinds, answer.types, strict=True):
        if kind == "other":
            yield f"column {name} is {column_type}, which no panel draws"
    if target.format == SERIES:
        yield from _series_faults(answer, kinds, span)
    if asked.panel is not None:
        yield from _panel_faults(asked.panel, target, answer, kinds)
    elif len(answer.names) > 2:  # value and text
        yield "a variable has a value and a text, no third column"


def _series_faults(answer: Answer, kinds: Sequence[str], span: Range) -> Iterator[str]:
    """Of a time series: time first and ascending, then texts, then numbers."""
    if answer.names[0] != "time" or kinds[0] != "time":
        yield f"column time must come first, not {answer.names[0]} ({answer.types[0]})"
        return
    if "Nullable" in answer.types[0]:
        yield "time may not be NULL"
    if "number" not in kinds:
        yield "a time series without a number"
    try:
        frames = framed(answer.names, answer.types, answer.rows)
    except FrameError as error:
        yield str(error)
        return
    moments = [one for frame in frames for one in frame["fields"][0]["values"]]
    if sorted(moments) != moments:
        yield "a time series must be in the order of time: ORDER BY time"
    if len(set(moments)) != len(moments):
        yield "two rows of a time series have one time and no text that tells them apart"
    slack = max(HOUR, span.interval_ms)  # of an hour or an interval that has begun before
    if moments and (min(moments) < span.from_ms - slack or max(moments) > span.to_ms):
        yield "rows lie outside of the range, where nothing is drawn"


def _panel_faults(
    panel: Panel, target: Target, answer: Answer, kinds: Sequence[str]
) -> Iterator[str]:
    if panel.kind == "timeseries" and target.format != SERIES:
        yield "a time series is asked with format 0"
    options = panel.json.get("options") or {}
    fields = (options.get("reduceOptions") or {}).get("fields", "")
    if panel.kind in {"stat", "bargauge"} and "number" not in kinds and not fields:
        yield "it shows numbers, and no column is one"
    for at, (name, kind) in enumerate(zip(answer.names, kinds, strict=True)):
        if kind == "number" and panel.unit_of(name) == "percentunit":
            values = [abs(row[at]) for row in answer.rows if row[at] is not None]
            if values and max(values) > MOST_SHARE:
                yield f"column {name} is shown as a share, and is up to {max(values):.6g}"


def override_faults(panel: Panel, answers: Iterable[tuple[Target, Answer]]) -> Iterator[str]:
    """Sentences about settings for columns that no answer has."""
    frames = []
    names: set[str] = set()
    for target, answer in answers:
        if answer.error:
            return
        names |= set(answer.names)
        try:
            form, ref = target.format, target.ref
            frames += framed(answer.names, answer.types, answer.rows, form=form, ref=ref)
        except FrameError:
            return
    names |= {name for called in display_names(frames) for name in called}
    label_names = {k for f in frames for one in f["fields"] for k in one.get("labels") or {}}
    shown = [panel.defaults.get("displayName", "")] + [
        str(one["value"])
        for override in panel.overrides
        for one in override["properties"]
        if one["id"] == "displayName"
    ]
    for title in shown:
        for label in re.findall(r"\$\{__field\.labels\.(\w+)\}", str(title)):
            if frames and label not in label_names:
                yield f"its series are named by column {label}, which no answer has"
    if any("__field.labels" in str(title) for title in shown):
        names |= {
            w for f in frames for one in f["fields"] for w in (one.get("labels") or {}).values()
        }
    names |= set(shown)
    for override in panel.overrides:
        matcher = override.get("matcher", {})
        if matcher.get("id") == "byName" and matcher.get("options") not in names:
            yield f"it sets how {matcher.get('options')} is shown, and no answer has that column"


# ---------------------------------------------------------------- all of it


@dataclass(slots=True)
class Checked:
    """What the checks have seen."""

    findings: list[Finding] = field(default_factory=list)
    statements: int = 0
    slowest_ms: float = 0.0


def check(
    boards: Sequence[Board],
    client: Client,
    end_ms: int,
    *,
    nothing: Client | None = None,
    has_data: bool = True,
    varied: Collection[str] = VARIED,
    progress: Callable[[str], None] = lambda _: None,
) -> Checked:
    """Ask everything that dashboards ask; gives what is wrong.

    Args:
        boards: the dashboards.
        client: with the rights of a reader.
        end_ms: where the ranges end.
        nothing: the same of an empty database: what is said there too is no row of other times.
        has_data: whether rows are to come back; else only no refusal.
        varied: ranges of `SPANS` for which all is chosen in every way.
        progress: told what is going on.

    """
    engine, checked = Engine(client), Checked()
    for board in boards:
        progress(board.uid)
        with_rows: set[str] = set()
        said: dict[Finding, str] = {}  # when it was found first
        for name in SPANS:
            asked = _check_span(board, engine, name, end_ms, with_rows, is_varied=name in varied)
            for found, when in asked:
                said.setdefault(found, when)
        checked.findings += [Finding(one.where, f"{one.what} [{at}]") for one, at in said.items()]
        if has_data and varied and not _is_translated(board):
            checked.findings += _check_rows(board, with_rows)
        if has_data and not _is_translated(board):
            empty = None if nothing is None else Engine(nothing)
            checked.findings += _check_bounds(board, engine, empty, end_ms)
    checked.statements = len(engine.known)
    checked.slowest_ms = max((one.ms for one in engine.known.values()), default=0.0)
    return checked


def _check_span(  # what is asked, and where
    board: Board,
    engine: Engine,
    name: str,
    end_ms: int,
    with_rows: set[str],
    *,
    is_varied: bool,
) -> Iterator[tuple[Finding, str]]:
    """Everything in one range; a dashboard in another language only as it opens."""
    length = SPANS[name]
    options, asked = options_of(board, engine, range_of(length, end_ms))
    in_every_way = is_varied and not _is_translated(board)
    ways = options.all_ways() if in_every_way else [(OPENED, options.opened())]
    for way, choices in ways:
        for panel in board.panels:
            span = range_of(length, end_ms, least_interval(panel))
            answers = []
            for target in panel.targets:
                if not target.sql:
                    continue
                answer = run(target, choices, engine, span)
                answers.append((target, answer))
                asked.append(Asked(panel.where, target, panel, answer, f"{name}, {way}"))
                if answer.rows:
                    with_rows.add(_place(panel.where, target))
            if way == OPENED and any(answer.rows for _, answer in answers):
                for fault in override_faults(panel, answers):
                    yield Finding(panel.where, fault), f"{name}, {way}"
    for one in asked:
        if one.panel is None and one.answer.rows:
            with_rows.add(_place(one.where, one.target))
        for fault in answer_faults(one, range_of(length, end_ms)):
            yield Finding(one.where, fault), f"query {one.target.ref}, {one.said}"


def _is_translated(board: Board) -> bool:
    """Whether it asks what another asks, with other words."""
    return board.uid.endswith("-zh")


def _place(where: str, target: Target) -> str:
    return f"{where} [{target.ref}]"


def _check_rows(board: Board, with_rows: set[str]) -> Iterator[Finding]:
    """Every statement gives rows in some range, with some choice."""
    for panel in board.panels:
        for target in panel.targets:
            if target.sql and _place(panel.where, target) not in with_rows:
                said = f"query {target.ref} never gave a row of the demo's three months"
                yield Finding(panel.where, said)


def _check_bounds(
    board: Board, engine: Engine, empty: Engine | None, end_ms: int
) -> Iterator[Finding]:
    """In a range where nothing happened a panel shows nothing of other times."""
    options, _ = options_of(board, engine, range_of(DAY, end_ms))
    for panel in board.panels:
        for target in panel.targets:
            if not target.sql or _is_timeless(target.sql):
                continue
            answer = run(target, options.opened(), engine, LONG_AGO)
            says_something = any(_says_something(row, answer.types) for row in answer.rows)
            if says_something and empty is not None:
                says_something = answer.rows != run(target, options.opened(), empty, LONG_AGO).rows
            if says_something:
                said = f"query {target.ref} shows rows of other times in a range without any"
                yield Finding(panel.where, said)


def _is_timeless(sql: str) -> bool:
    from tests.grafana.dashboards import TIMELESS  # noqa: PLC0415  # needs the SDK, this does not
    from tests.grafana.units import named_with, views_of  # noqa: PLC0415

    read = {name.split(".")[-1] for name in views_of(sql)} - named_with(sql)
    return read <= TIMELESS or "v_door" in read  # which counts since the beginning


def _says_something(row: Sequence[Any], types: Sequence[str]) -> bool:
    """Whether a row has a number that is neither zero nor missing."""
    return any(
        kind_of(column_type) == "number" and value not in (None, 0) and value == value  # noqa: PLR0124  # no NaN
        for value, column_type in zip(row, types, strict=True)
    )


# ---------------------------------------------------------------- frames for the renderer


def frames_of(boards: Sequence[Board], client: Client, end_ms: int) -> dict[str, dict[str, Any]]:
    """The frames of every panel as its dashboard opens: `{uid: {panel id: {range, frames}}}`."""
    engine = Engine(client)
    found: dict[str, dict[str, Any]] = {}
    for board in boards:
        length = span_of(board)
        options, _ = options_of(board, engine, range_of(length, end_ms))
        choices = options.opened()
        panels = found.setdefault(board.uid, {})
        for panel in board.panels:
            span = range_of(length, end_ms, least_interval(panel))
            frames = [
                frame
                for target in panel.targets
                for frame in (
                    _framed(target, run(target, choices, engine, span))
                    if target.sql
                    else examples(panel, target, span)
                )
            ]
            panels[str(panel.id)] = {
                "range": {"from": span.from_ms, "to": span.to_ms},
                "frames": frames,
                "isMadeUp": any(target.promql for target in panel.targets),
                "variables": {
                    name: choice.texts or choice.values for name, choice in choices.items()
                },
            }
    return found


def _framed(target: Target, answer: Answer) -> list[dict[str, Any]]:
    if answer.error:
        raise ValueError(answer.error)
    return framed(answer.names, answer.types, answer.rows, form=target.format, ref=target.ref)
