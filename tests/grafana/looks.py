"""Whether a drawn dashboard shows what its panels promise: one sentence a fault."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tests.grafana.boards import Board, Finding, Json, Panel
from tests.grafana.rendering import Seen

LENGTH: Final = r"(^|[\d.])\s*(ns|µs|ms|s|mins?|hours?|days?|weeks?)$"
MARKS: Final = {  # unit -> what has to stand beside a number of it, on an axis or in a cell
    "percentunit": r"%",
    "percent": r"%",
    "s": LENGTH,
    "ms": LENGTH,
    "bytes": r"(^|[\d.\s])(B|KiB|MiB|GiB|TiB)$",
    "decbytes": r"(^|[\d.\s])(B|kB|MB|GB|TB)$",
    "reqps": r"req/s$",
    "cps": r"c/s$",
    "ops": r"ops/s$",
    "wps": r"wr/s$",
    "rps": r"rd/s$",
    "cpm": r"c/m$",
    "dateTimeFromNow": r"(ago|^in .*|now)$",
}
BY_THRESHOLDS: Final = "thresholds"
MOST_OF_ONE: Final = 20.0  # a rise may be of many hundred percent, a share is never above one
IN_SECONDS: Final = 1e11  # as milliseconds: March 1973


def findings(board: Board, frames: Json, seen: Mapping[str, Seen]) -> list[Finding]:
    """What is wrong with the panels of a dashboard as they were drawn.

    Args:
        board: the dashboard.
        frames: id of a panel -> its range and frames.
        seen: id of a panel -> what `rendering.render` saw.

    """
    return [
        Finding(panel.where, fault)
        for panel in board.panels
        for fault in _faults(panel, frames.get(str(panel.id), {}), seen.get(str(panel.id)))
    ]


def _faults(panel: Panel, frames: Json, seen: Seen | None) -> Iterator[str]:
    if seen is None:
        yield "is not drawn"
        return
    if seen.error:
        yield f"cannot be drawn: {seen.error}"
        return
    if left := re.search(r"\$\{?\w+", seen.title):
        yield f"{left[0]} stands in its title as it is: there is no such variable"
    fields = [field for frame in frames.get("frames", ()) for field in frame["fields"]]
    if any(field["values"] for field in fields):
        yield from _faults_with_rows(panel, fields, seen)
    elif panel.kind != "text" and seen.no_data != (help_ := panel.defaults.get("noValue")):
        yield f"without rows it says {seen.no_data!r}, not what to do: {help_!r}"


def _faults_with_rows(panel: Panel, fields: list[Json], seen: Seen) -> Iterator[str]:
    if seen.no_data is not None:
        yield f"has rows and shows {seen.no_data!r}: does it look at a column that is not there?"
        return
    if seen.cut:
        yield f"hides a part of {len(seen.cut)} texts, such as {seen.cut[0]!r}"
    legend = panel.json.get("options", {}).get("legend", {})
    if panel.kind == "timeseries" and legend.get("showLegend", True) and not seen.legend:
        yield "has rows and an empty legend"
    for unit, values in _numbers(panel, fields):
        if doubt := _doubt(unit, values):
            yield doubt
        elif unit in MARKS and not any(re.search(MARKS[unit], text) for text in seen.texts):
            yield f"no number has the unit {unit!r}: {', '.join(seen.texts)}"
    if _shows_thresholds(panel) and not set(seen.thresholds) & set(seen.colours):
        yield f"none of its thresholds' colours is seen: {', '.join(seen.thresholds)}"


def _numbers(panel: Panel, fields: list[Json]) -> Iterator[tuple[str, list[float]]]:
    """The unit and the values of each field of numbers that is shown."""
    for field in fields:
        values = [value for value in field["values"] if value is not None]
        if field["type"] == "number" and values and not _is_hidden(panel, field["name"]):
            yield panel.unit_of(field["name"]), values


def _is_hidden(panel: Panel, column: str) -> bool:
    matcher: dict[str, Any] = {"id": "byName", "options": column}
    return any(
        one["id"] == "custom.hidden" and one.get("value")
        for override in panel.overrides
        if override["matcher"] == matcher
        for one in override["properties"]
    )


def _doubt(unit: str, values: list[float]) -> str | None:
    """Why these values can hardly be of this unit."""
    most = max(abs(value) for value in values)
    if unit == "percentunit" and most > MOST_OF_ONE:
        return f"{most} with the unit 'percentunit' is {most:.0%}: is it 'percent'?"
    if unit == "percent" and 0 < most <= 1:
        return f"at most {most} with the unit 'percent': is it a share of one, 'percentunit'?"
    if unit.startswith("dateTime") and 0 < most < IN_SECONDS:
        return f"{most} with the unit {unit!r} is a day of 1970: milliseconds are meant"
    return None


def _shows_thresholds(panel: Panel) -> bool:
    """Whether thresholds colour anything: values by their step, or lines across a chart."""
    if panel.kind == "timeseries":
        style = panel.defaults.get("custom", {}).get("thresholdsStyle", {})
        return bool(style.get("mode", "off") != "off")
    by = panel.defaults.get("color", {}).get("mode", BY_THRESHOLDS)
    shown = panel.json.get("options", {}).get("colorMode", "value") != "none"
    return panel.kind in {"stat", "bargauge"} and shown and bool(by == BY_THRESHOLDS)
