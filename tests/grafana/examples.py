"""Examples of what Prometheus would say: it is not there when dashboards are drawn.

The series have the labels that their metrics have, and the names that the query gives them. The
values are made up: a calm day of two workers, the same on every run. What `CALM` has agrees with
each other, a median with its p99 as well as a sum with its parts.
"""

import math
import re
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, Final

import promql_parser

from streams.runtime.metrics import Metric
from streams.trainer.turns import TURNS
from tests.grafana import promql
from tests.grafana.boards import Panel, Target
from tests.grafana.frames import Frame
from tests.grafana.macros import Range
from tests.grafana.variables import interpolate

MOST: Final = 4  # series of a query
POINTS: Final = 240
CALM: Final[tuple[tuple[str, tuple[float, ...]], ...]] = (  # expression -> value of each series
    (r"kol_rejected_total.* / [\d.]+$", (0.3,)),
    (r"kol_rejected_total.*kol_events_total", (0.0003,)),
    (r"kol_rejected_total", (5.0, 3.0, 1.0, 0.0)),
    (r"kol_events_total", (510.0, 6.0, 0.5, 1.5)),
    (r"quantile\(0\.5, .*kol_end_to_end", (0.12,)),
    (r"quantile\(0\.99, .*kol_end_to_end", (0.38,)),
    (r"^sum\(kol_lag_events", (100.0,)),
    (r"kol_lag_events", (70.0, 20.0, 10.0)),
    (r"kol_(held|sink_retries|rows_refused|rebalances|backpressure|read_ahead)", (0.0,)),
    (r"kol_trainer_(failures|number_refused|behind)", (0.0,)),
    (r"kol_watermark", (3.0, 2.0)),
    (r"kol_commit", (7.0, 6.0, 6.0)),
    (r"kol_snapshot_timestamp", (6.0, 4.0)),
    (r"kol_snapshot_seconds", (0.12, 0.05)),
    (r"kol_snapshot_bytes", (60e3, 12e3)),
    (r"kol_waiting_messages", (130.0, 120.0)),
    (r"kol_waiting_events", (110.0, 100.0)),
    (r"kol_sink_flush_seconds", (0.06, 0.05, 0.03, 0.09)),
    (r"kol_sink_rows", (45.0, 160.0, 60.0, 380.0)),
    (r"kol_sink_buffer", (20.0, 70.0, 30.0, 160.0)),
    (r"process_resident_memory", (310e6, 300e6)),
    (r"kol_memory", (90e6, 30e6)),
    (r"kol_names", (2_600.0, 900.0)),
    (r"kol_open_minutes", (340.0,)),
    (r"kol_fold_step", (0.02, 0.008, 0.012, 0.009)),
    (r"kol_trainer_last_success", (4.0, 4.0, 20.0, 1_500.0)),
    (r"kol_trainer_turn", (0.4, 0.2, 0.3, 1.2)),
    (r"kol_trainer_number_timestamp", (900.0, 700.0)),
)
STEADY: Final[tuple[tuple[str, tuple[float, ...]], ...]] = (  # the same at every moment
    (r"kol_sink_state\{state=~", (0.0,)),
    (r"kol_sink_state", (28.0, 0.0, 0.0)),
    (r"kol_(build|model)_info\)", (2.0,)),
    (r"\(kol_trainer_(info|is_holder)\)", (1.0,)),
    (r"kol_trainer_waiting", (2.0,)),
    (r"kol_partitions", (8.0, 8.0)),
    (r"kol_topic_partitions", (8.0,)),
)
LIKELY: Final = {  # unit -> what any other number is
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
    "native": ("0.1",),
    "state": ("ok", "retrying", "stopped"),
    "turn": tuple(TURNS),
    "table": ("order_credit", "minute_cell", "kol_score"),
    "topic": ("clickstream", "content-interactions", "purchases"),
    "consumergroup": ("kol",),
    "instance": ("worker-1:6066", "worker-2:6066"),
    "job": ("kol-worker",),
    "kind": ("content", "kol"),
}
OF_REFERENCES: Final = ("kol-profile", "content", "identity")  # topics that only the trainer reads


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
        values = [_value(unit, number, at / 3.6e6, target.promql) for at in moments]
        if target.promql.endswith("> 0") and not any(values):
            continue
        named = legend
        for name, word in labels.items():
            named = re.sub(rf"\{{\{{\s*{name}\s*\}}\}}", word, named)
        field: dict[str, Any] = {"name": "Value", "type": "number", "values": values}
        field["labels"] = labels
        if named and legend != "__auto":
            field["config"] = {"displayNameFromDS": named}
        time = {"name": "Time", "type": "time", "values": moments}
        frames.append({"refId": target.ref, "name": named or target.ref, "fields": [time, field]})
    return frames or [_nothing(target.ref)]


def _nothing(ref: str) -> Frame:
    """The frame of a query that no series answers."""
    fields = [{"name": "Time", "type": "time"}, {"name": "Value", "type": "number"}]
    return {"refId": ref, "name": ref, "fields": [{**one, "values": []} for one in fields]}


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
        known = list(product(*(_values(name, metric, one) for one in labels)))
    for words in known[:MOST]:
        yield dict(zip(labels, words, strict=True))


def _values(name: str, metric: Metric | None, label: str) -> tuple[str, ...]:
    """What a label of a metric may be; its own name where nobody knows."""
    if metric is not None and label in metric.labels and metric.series:
        at = metric.labels.index(label)
        return tuple(dict.fromkeys(one[at] for one in metric.series))
    if label == "topic" and name.startswith("kol_trainer_"):
        return OF_REFERENCES
    return PLACES.get(label, (label,))


def _kept(text: str) -> list[str]:
    """The labels that an expression groups by, its outermost `by` first."""
    found = re.search(r"\bby\s*\(([^)]*)\)", text)
    return [one.strip() for one in found[1].split(",") if one.strip()] if found else []


def _value(unit: str, number: int, hour: float, expression: str) -> float:
    """A calm day: more in the evening, less at night, a little noise that is always the same."""
    if line := re.fullmatch(r"vector\(([\d.]+)\)", expression):
        return float(line[1])
    steady = _height(STEADY, number, expression)
    if steady is not None:
        return steady
    height = _height(CALM, number, expression)
    if height is None:
        height = LIKELY.get(unit, 3.0) / (1 + 0.6 * number)
    day = 1 + 0.35 * math.sin(2 * math.pi * (hour + 2 - 8) / 24)
    noise = 1 + 0.06 * math.sin(37 * hour) + 0.04 * math.sin(101 * hour)
    value = height * day * noise
    whole = unit in {"none", "locale", "short"} and height >= 1
    return float(round(value)) if whole else value


def _height(
    known: Sequence[tuple[str, tuple[float, ...]]], number: int, expression: str
) -> float | None:
    """What is written down of a series of an expression."""
    for pattern, values in known:
        if re.search(pattern, expression):
            return values[min(number, len(values) - 1)]
    return None
