"""Examples of what Prometheus would say: it is not there when dashboards are drawn.

The series have the labels that their metrics have, and the names that the query gives them. The
values are made up: a calm day, the same on every run.
"""

import math
import re
from collections.abc import Iterator
from itertools import product
from typing import Any, Final

import promql_parser

from tests.grafana import promql
from tests.grafana.boards import Panel, Target
from tests.grafana.frames import Frame
from tests.grafana.macros import Range
from tests.grafana.variables import interpolate

MOST: Final = 4  # series of a query
POINTS: Final = 240
LIKELY: Final = {  # unit -> what such a number is on a calm day
    "s": 0.18,
    "ms": 180.0,
    "percentunit": 0.0004,
    "percent": 0.04,
    "bytes": 240e6,
    "decbytes": 240e6,
    "Bps": 40e3,
    "binBps": 40e3,
    "eps": 420.0,
    "cps": 420.0,
    "ops": 12.0,
    "cpm": 900.0,
}
PLACES: Final = {  # values of labels that a metric has in life alone
    "side": ("user", "kol"),
    "partition": ("0", "1"),
    "version": ("0.1.0",),
    "path": ("numpy",),
    "state": ("ok",),
    "table": ("order_credit", "minute_cell", "kol_score"),
    "topic": ("clickstream", "content-interactions", "purchases"),
    "consumergroup": ("kol",),
    "instance": ("worker-1:6066", "worker-2:6066"),
    "job": ("kol-worker",),
    "kind": ("content", "kol"),
}


def examples(panel: Panel, target: Target, span: Range) -> list[Frame]:
    """Frames as Prometheus' data source makes them: one a series, its value called `Value`."""
    if not target.promql:
        return []
    legend = str(target.json.get("legendFormat") or "")
    unit = panel.unit_of("") or "none"
    step = max(1_000, (span.to_ms - span.from_ms) // POINTS)
    moments = list(range(span.from_ms, span.to_ms + 1, step))
    if target.json.get("instant"):
        moments = [span.to_ms]
    frames = []
    for number, labels in enumerate(_series(target.promql)):
        values = [_value(unit, number, at / 3.6e6, target) for at in moments]
        named = legend
        for name, word in labels.items():
            named = re.sub(rf"\{{\{{\s*{name}\s*\}}\}}", word, named)
        field: dict[str, Any] = {"name": "Value", "type": "number", "values": values}
        field["labels"] = labels
        if named and legend != "__auto":
            field["config"] = {"displayNameFromDS": named}
        time = {"name": "Time", "type": "time", "values": moments}
        frames.append({"refId": target.ref, "name": named or target.ref, "fields": [time, field]})
    return frames


def _series(expression: str) -> Iterator[dict[str, str]]:
    """Labels of the series that an expression gives, the first few."""
    text = interpolate(expression, {}, promql.SPAN)
    parsed = promql_parser.parse(text)
    kept = _kept(text)
    selector = next(iter(promql.selectors(parsed)), None)
    name = str(selector.name) if selector is not None else ""
    metric = promql.OURS.get(name) or promql.OURS.get(re.sub(r"_(bucket|sum|count)$", "", name))
    labels = [one for one in kept if one != "le"]
    known: list[tuple[str, ...]] = []
    if metric is not None and metric.series and set(labels) <= set(metric.labels):
        places = [metric.labels.index(one) for one in labels]
        known = list(dict.fromkeys(tuple(one[at] for at in places) for one in metric.series))
    if not known:
        known = list(product(*(PLACES.get(one, ("x",)) for one in labels)))
    for words in known[:MOST]:
        yield dict(zip(labels, words, strict=True))


def _kept(text: str) -> list[str]:
    """The labels that an expression groups by, its outermost `by` first."""
    found = re.search(r"\bby\s*\(([^)]*)\)", text)
    return [one.strip() for one in found[1].split(",") if one.strip()] if found else []


def _value(unit: str, number: int, hour: float, target: Target) -> float:
    """A calm day: more in the evening, less at night, a little noise that is always the same."""
    height = LIKELY.get(unit, 3.0) / (1 + 0.6 * number)
    if "timestamp_seconds" in target.promql and unit == "s":
        height = 12.0 / (1 + 0.6 * number)
    day = 1 + 0.35 * math.sin(2 * math.pi * (hour + 2 - 8) / 24)
    noise = 1 + 0.06 * math.sin(37 * hour + number) + 0.04 * math.sin(101 * hour)
    value = height * day * noise
    whole = unit in {"none", "locale", "short"} and height >= 1
    return float(round(value)) if whole else value
