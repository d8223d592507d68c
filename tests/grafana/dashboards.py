"""Checks of dashboards that need nothing but their JSON.

Each is a function from all dashboards to findings: sentences that say where and what is wrong.
`CHECKS` lists them. What needs an engine is in `sql.py`.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import dashboard as sdk

from schemas.views import COLUMNS
from tests.grafana import promql, units
from tests.grafana.boards import (
    CLICKHOUSE,
    GRAFANA,
    PROMETHEUS,
    Board,
    Finding,
    Panel,
    Target,
    Variable,
)
from tests.grafana.macros import (
    FRONT_END_ONLY,
    MACROS,
    SECONDS_FORMS,
    MacroError,
    Range,
    expand,
    macros_in,
    without_comments,
)
from tests.grafana.variables import Choice, references

DRAWN: Final = {"timeseries", "stat", "table", "bargauge", "text"}  # what is rendered in tests
NUMBERS: Final = {"stat", "bargauge"}  # which show one value of a series
TRANSFORMED: Final[frozenset[str]] = frozenset()  # transformations that are rendered in tests
BUILT_IN: Final = {"-- Grafana --", "grafana", "-- Mixed --", "-- Dashboard --"}
SPAN: Final = Range(1_767_225_600_123, 1_767_229_200_456, 60_000)
TIMELESS: Final = frozenset(  # what stands for ever: no range, no filter
    {"v_door", "v_kol", "v_content", "v_spend", "v_perception", "v_identity", "v_policy"}
    | {"v_notice"}
)
FILTERS: Final = (
    *("timeFilter_ms", "timeFilter", "dateFilter", "dateTimeFilter", "dt", "fromTime_ms"),
    *("fromTime", "timeFrom", "toTime_ms"),
)
NOW: Final = re.compile(r"\b(now|now64|today|yesterday|nowInBlock)\s*\(", re.IGNORECASE)
EARLIER: Final = re.compile(r"\bleast\(now(?:64)?\(\d*\), \$__toTime")  # a range may end later
COMPARED: Final = re.compile(r"(\w+)\s*[<>]=?\s*(?:\w+\()*$")
QUOTED: Final = re.compile(r"'(?:[^'\\]|\\.|'')*'|`[^`]*`|\"[^\"]*\"")  # texts and names
CHINESE: Final = re.compile(r"[\u4e00-\u9fff]")
REFUSED: Final = "the SDK does not take it"
UID: Final = re.compile(r"[\w-]{1,40}")
WIDTH: Final = 24  # columns of the grid

Boards = Sequence[Board]
Check = Callable[[Boards], Iterator[Finding]]


# ---------------------------------------------------------------- the JSON itself


def of_the_sdk(boards: Boards) -> Iterator[Finding]:
    """The SDK's types take the JSON and give it back."""
    register_default_plugins()
    for board in boards:
        try:
            typed = sdk.Dashboard.from_json(json.loads(json.dumps(board.json)))
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            yield Finding(board.uid, f"{REFUSED}: {error!r}")
            continue
        again = json.loads(json.dumps(typed, cls=JSONEncoder))
        for place in _lost(board.json, again):
            yield Finding(board.uid, f"the SDK's types know nothing of {place}")


def _lost(given: object, kept: object, place: str = "") -> Iterator[str]:
    """Where something that was given is not kept as it was."""
    if isinstance(given, Mapping) and isinstance(kept, Mapping):
        for name, value in given.items():
            inner = f"{place}.{name}" if place else str(name)
            if name in kept:
                yield from _lost(value, kept[name], inner)
            elif value not in (None, [], {}):
                yield inner
    elif isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        for number, (one, other) in enumerate(zip(given, kept, strict=True)):
            yield from _lost(one, other, f"{place}[{number}]")
    elif given != kept:
        yield place


def with_names_of_their_own(boards: Boards) -> Iterator[Finding]:
    """No two dashboards have a uid, no two panels of a dashboard an id."""
    for uid, count in Counter(board.uid for board in boards).items():
        if count > 1:
            yield Finding(uid, f"{count} dashboards have this uid")
    for board in boards:
        if not UID.fullmatch(board.uid):
            yield Finding(board.uid or str(board.path), "a uid is 1 to 40 letters, digits, - or _")
        if board.json.get("id") is not None:
            yield Finding(board.uid, "an id belongs to one Grafana; leave it out")
        for number, count in Counter(board.ids).items():
            if number is None:
                yield Finding(board.uid, "a panel has no id")
            elif count > 1:
                yield Finding(board.uid, f"{count} panels have the id {number}")


def on_the_grid(boards: Boards) -> Iterator[Finding]:
    """Panels lie on the grid's 24 columns, none on another."""
    for board in boards:
        taken: dict[tuple[int, int], str] = {}
        for panel in board.panels:
            place = panel.json.get("gridPos")
            if not place:
                yield Finding(panel.where, "it has no place on the grid")
                continue
            x, y, w, h = (int(place.get(name, 0)) for name in "xywh")
            if w < 1 or h < 1 or x < 0 or x + w > WIDTH:
                yield Finding(panel.where, f"x {x} and width {w} are not within {WIDTH} columns")
            squares = [(column, row) for column in range(x, x + w) for row in range(y, y + h)]
            lies_on = {taken[square] for square in squares if square in taken}
            for other in sorted(lies_on):
                yield Finding(panel.where, f"it lies on {other}")
            taken.update(dict.fromkeys(squares, panel.title))


# ---------------------------------------------------------------- what a person reads


def with_words(boards: Boards) -> Iterator[Finding]:
    """A panel says what it means, in which unit, and what to do where there is nothing."""
    for panel in _panels(boards):
        if panel.kind not in DRAWN:
            drawn = ", ".join(sorted(DRAWN))
            yield Finding(panel.where, f"{panel.kind} is not rendered in tests; {drawn} are")
        if panel.kind == "text":
            continue
        if not panel.title.strip():
            yield Finding(panel.where, "it has no title")
        if len(str(panel.json.get("description", ""))) < 20:  # not a sentence
            yield Finding(panel.where, "its description does not say what the number means")
        if not str(panel.defaults.get("noValue", "")).strip():
            yield Finding(panel.where, "no text says what to do where there is no data")
        if "unit" not in panel.defaults:
            yield Finding(panel.where, "it has no unit; `none` is one")
        for unit in sorted(_units(panel)):
            if not units.known(unit):
                yield Finding(panel.where, f"Grafana has no unit {unit}")
        for transformation in panel.json.get("transformations") or []:
            if transformation.get("id") not in TRANSFORMED:
                name = transformation.get("id")
                yield Finding(panel.where, f"the transformation {name} is not rendered in tests")


def _units(panel: Panel) -> set[str]:
    given = [panel.defaults.get("unit")]
    for override in panel.overrides:
        given += [one.get("value") for one in override["properties"] if one["id"] == "unit"]
    return {str(unit) for unit in given if unit is not None}


def in_both_languages(boards: Boards) -> Iterator[Finding]:
    """`kol-x-zh` is `kol-x` in Chinese: the same panels, places and questions."""
    by_uid = {board.uid: board for board in boards}
    for board in boards:
        other = by_uid.get(board.uid + "-zh")
        if board.uid.endswith("-zh"):
            if board.uid.removesuffix("-zh") not in by_uid:
                yield Finding(board.uid, "there is no such dashboard in English")
            for title in _titles(board):
                if not CHINESE.search(title):
                    yield Finding(board.uid, f"no Chinese in the title {title!r}")
        elif other is None:
            yield Finding(board.uid, f"there is no {board.uid}-zh in Chinese")
        elif _outline(board) != _outline(other):
            yield Finding(
                other.uid, f"panels, places or questions differ from those of {board.uid}"
            )


def _titles(board: Board) -> list[str]:
    return [board.title, *(panel.title for panel in board.panels if panel.title)]


def _outline(board: Board) -> list[tuple[Any, ...]]:
    """What does not depend on the language: places, and questions but for words and names."""
    asked = [
        (one.name, one.kind, one.is_multi, one.has_all, [value for value, _ in one.given])
        + (_question(one.target) if one.target is not None else ())
        for one in board.variables
    ]
    return asked + [
        (panel.id, panel.kind, panel.json.get("gridPos"), *map(_question, panel.targets))
        for panel in board.panels
    ]


def _question(target: Target) -> tuple[Any, ...]:
    """What is asked of whom: a statement without its texts, but with the variables in them."""
    named = sorted(references(target.sql))
    sql = QUOTED.sub("''", without_comments(target.sql))
    return target.source, target.ref, target.format, sql.split(), named, target.promql


def linked(boards: Boards) -> Iterator[Finding]:
    """A link leads to a dashboard that is there, in the same language, and sets what it has."""
    by_uid = {board.uid: board for board in boards}
    for board in boards:
        for url in board.links:
            parts = urlsplit(re.sub(r"\$\{[^}]*\}", "x", url))
            found = re.fullmatch(r"/?d/([^/]+)(?:/.*)?", parts.path)
            if found is None:
                if not url.startswith(("https://", "#")):
                    yield Finding(board.uid, f"the link {url} leads to no dashboard")
                continue
            there = by_uid.get(found[1])
            if there is None:
                yield Finding(board.uid, f"the link {url} leads to {found[1]}, which is not there")
                continue
            if there.uid.endswith("-zh") != board.uid.endswith("-zh"):
                yield Finding(board.uid, f"the link {url} leads to another language")
            names = {f"var-{one.name}" for one in there.variables} | {"from", "to", "timezone"}
            for name, _ in parse_qsl(parts.query, keep_blank_values=True):
                if name not in names and name.startswith("var-"):
                    yield Finding(board.uid, f"the link {url} sets {name}, which is not there")


# ---------------------------------------------------------------- what is asked


def of_provisioned_sources(
    boards: Boards, provisioned: Mapping[str, str] | None = None
) -> Iterator[Finding]:
    """What is asked is a data source that is provisioned, of its kind."""
    known = sources() if provisioned is None else provisioned
    for board in boards:
        asked = {(target.source, target.kind) for _, target in _targets([board])}
        for source, kind in sorted(asked):
            if source in BUILT_IN:
                continue
            if source not in known:
                said = f"the data source {source or '?'} is not provisioned"
                yield Finding(board.uid, said)
            elif known[source] != kind:
                said = f"{source} is provisioned as {known[source]}, not as {kind}"
                yield Finding(board.uid, said)


def sources(folder: Path = GRAFANA / "provisioning" / "datasources") -> dict[str, str]:
    """What is provisioned: uid and kind of every data source."""
    found: dict[str, str] = {}
    for path in sorted(folder.glob("*.y*ml")):
        said = yaml.safe_load(path.read_text("utf-8"))
        found |= {one["uid"]: one["type"] for one in said["datasources"]}
    return found


def asking_metrics_that_exist(boards: Boards) -> Iterator[Finding]:
    """PromQL parses, and names what our processes or known exporters export, in units of theirs."""
    for board in boards:
        choices = {one.name: Choice(("x",)) for one in board.variables}
        for panel in board.panels:
            for target in panel.targets:
                for fault in promql.faults(target.promql, choices) if target.promql else ():
                    yield Finding(panel.where, fault)
                if target.kind == PROMETHEUS and not target.promql:
                    yield Finding(panel.where, "a target of Prometheus without an expression")


def with_numbers_of_now(boards: Boards) -> Iterator[Finding]:
    """A number of Prometheus is asked at the end of the range: a dead process has no last value."""
    for panel in _panels(boards):
        if panel.kind not in NUMBERS:
            continue
        for target in panel.targets:
            if target.promql and (target.json.get("range") or not target.json.get("instant")):
                told = "its number is the last of a range, and outlives its process: ask instant"
                yield Finding(panel.where, told)


def with_variables_that_exist(boards: Boards) -> Iterator[Finding]:
    """Statements, titles and links name variables of their dashboard, in formats that are safe."""
    for board in boards:
        known = {one.name: one for one in board.variables}
        texts = json.dumps([board.json.get("panels"), board.json.get("links")], ensure_ascii=False)
        for name in sorted(board.variables_of(texts) - known.keys()):
            yield Finding(board.uid, f"there is no variable ${name}")
        asks = [one.name for one in board.variables if one.target is not None]
        for one in board.variables:
            if one.target is not None:
                late = board.variables_of(one.target.sql) & {*asks[asks.index(one.name) :]}
                for name in sorted(late):
                    yield Finding(f"{board.uid} / ${one.name}", f"${name} comes after it")
        for where, target in _targets([board]):
            for name, form in sorted(references(target.sql)):
                if name in known and not _is_safe(known[name], form):
                    yield Finding(where, f"a value of ${name} can break the statement; {SAFE}")


SAFE: Final = "let it come by ${name:queryparam}"


def _is_safe(variable: Variable, form: str) -> bool:
    """Whether no value of a variable ends the string it stands in.

    Values that the dashboard lists itself are known; what is asked for is not.
    """
    return form == "queryparam" or variable.kind in {"custom", "constant", "interval"}


def asking_views_in_the_range(boards: Boards) -> Iterator[Finding]:
    """A statement reads views, within the range of the dashboard, and by no clock of its own."""
    for where, target in _targets(boards):
        if not target.sql:
            if target.kind == CLICKHOUSE:
                yield Finding(where, "a target of ClickHouse without a statement")
            continue
        sql = without_comments(target.sql)
        own = units.named_with(sql)
        read = {name.split(".")[-1] for name in units.views_of(sql)} - own
        for name in sorted(read - COLUMNS.keys() - {"numbers", "system", "one"}):
            yield Finding(where, f"it reads {name}, which is no view of ours")
        for what in units.unnamed_in(sql):
            yield Finding(where, f"it reads {what}, which is no view by its name")
        bounded = [name for name in read if name not in TIMELESS]
        is_variable = "/ $" in where
        if bounded and not is_variable and not macros_in(sql, *FILTERS):
            yield Finding(where, f"no time filter: it reads all of {', '.join(sorted(bounded))}")
        for match in NOW.finditer(EARLIER.sub("", sql)):
            yield Finding(where, f"{match[1]}() is not the range of the dashboard")


def with_macros_that_fit(boards: Boards) -> Iterator[Finding]:
    """Macros are known and have their arguments; on fractions of a second only `_ms` forms."""
    for where, target in _targets(boards):
        if target.sql:
            yield from (Finding(where, fault) for fault in macro_faults(target.sql))


def macro_faults(sql: str) -> Iterator[str]:
    """Sentences about the macros of a statement."""
    for macro in macros_in(sql):
        if macro.name in FRONT_END_ONLY:
            yield f"$__{macro.name} works in the browser alone: no check can run it"
        elif macro.name not in MACROS and not _is_built_in(macro.name):
            yield f"$__{macro.name} is no macro of the data source"
        if macro.name not in SECONDS_FORMS:
            continue
        compared = COMPARED.search(without_comments(sql)[: macro.start])
        beside = [] if macro.args or compared is None else [compared[1]]
        words = {word for text in macro.args for word in re.findall(r"\w+", text)}
        for column in sorted(word for word in {*words, *beside} if units.is_fine(word)):
            written = f"({', '.join(macro.args)})" if macro.args else ""
            yield (
                f"$__{macro.name}{written} cuts the last second of {column}, which has "
                f"milliseconds; take $__{_fine_form(macro.name)}"
            )
    try:
        expand(sql, SPAN)
    except MacroError as error:
        yield str(error)


def _fine_form(name: str) -> str:
    other = {"dateTimeFilter": "timeFilter", "dt": "timeFilter", "timeGroup": "timeInterval"}
    other |= {"timeFrom": "fromTime", "timeTo": "toTime"}
    return f"{other.get(name, name)}_ms"


def _is_built_in(name: str) -> bool:
    return name in {"all", "interval", "interval_ms", "from", "to", "range", "range_s", "range_ms"}


def in_units_they_have(boards: Boards) -> Iterator[Finding]:
    """Columns are shown in a unit they have: cents divided, shares as shares."""
    for panel in _panels(boards):
        for target in panel.targets:
            if target.sql and panel.kind != "text":
                for fault in units.faults(panel, target):
                    yield Finding(panel.where, fault)
            if target.promql:
                for fault in units.promql_faults(panel, target):
                    yield Finding(panel.where, fault)


def _panels(boards: Boards) -> Iterator[Panel]:
    for board in boards:
        yield from board.panels


def _targets(boards: Boards) -> Iterator[tuple[str, Target]]:
    """Everything that is asked, and where."""
    for board in boards:
        for one in board.variables:
            if one.target is not None:
                yield f"{board.uid} / ${one.name}", one.target
        for panel in board.panels:
            for target in panel.targets:
                yield panel.where, target


CHECKS: Final[tuple[Check, ...]] = (
    of_the_sdk,
    with_names_of_their_own,
    on_the_grid,
    with_words,
    in_both_languages,
    linked,
    of_provisioned_sources,
    asking_metrics_that_exist,
    with_numbers_of_now,
    with_variables_that_exist,
    asking_views_in_the_range,
    with_macros_that_fit,
    in_units_they_have,
)


def refused(boards: Boards) -> list[Finding]:
    """What the SDK says of dashboards that it does not take; no other check can look at them."""
    return [one for one in of_the_sdk(boards) if one.what.startswith(REFUSED)]


def findings(boards: Boards) -> list[Finding]:
    """Everything that is wrong, as far as the JSON tells, each once."""
    return refused(boards) or list(
        dict.fromkeys(found for check in CHECKS for found in check(boards))
    )
