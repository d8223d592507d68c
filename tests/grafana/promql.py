"""Whether a PromQL expression parses and asks for what is exported.

Names and labels come from the tables of our own processes (`streams`), and from what is written
down here of the exporters beside them.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

import promql_parser

from streams.runtime.metrics import Metric
from streams.trainer import telemetry as trainer
from streams.worker import telemetry as worker
from tests.grafana.macros import Range
from tests.grafana.variables import Choices, interpolate

OURS: Final[dict[str, Metric]] = {**worker.METRICS, **trainer.METRICS}
OF_SCRAPE: Final = {"job", "instance"}  # labels that Prometheus adds
GROUP: Final = {"consumergroup", "topic", "partition"}
OTHERS: Final[dict[str, set[str]]] = {  # name -> labels
    "up": set(),  # Prometheus itself
    "process_cpu_seconds_total": set(),  # the client library, in every process of ours
    "process_resident_memory_bytes": set(),
    "process_virtual_memory_bytes": set(),
    "process_start_time_seconds": set(),
    "process_open_fds": set(),
    "process_max_fds": set(),
    "kafka_consumergroup_lag": GROUP,  # kafka_exporter, beside the brokers
    "kafka_consumergroup_current_offset": GROUP,
    "kafka_topic_partition_current_offset": {"topic", "partition"},
}
HISTOGRAM: Final = ("_bucket", "_sum", "_count")
SPAN: Final = Range(1_767_225_600_000, 1_767_229_200_000, 60_000)
COUNTER_ONLY: Final = {"rate", "irate", "increase"}


def exported() -> dict[str, set[str]]:
    """Every name that can be asked for, with its labels."""
    names = dict(OTHERS)
    for name, metric in OURS.items():
        labels = set(metric.labels)
        if metric.kind != "histogram":
            names[name] = labels
            continue
        for suffix in HISTOGRAM:
            names[name + suffix] = labels | ({"le"} if suffix == "_bucket" else set())
    return names


def faults(expression: str, choices: Choices) -> Iterator[str]:
    """Sentences about what is wrong with an expression."""
    text = interpolate(expression, choices, SPAN)
    try:
        parsed = promql_parser.parse(text)
    except ValueError as error:
        yield f"the PromQL does not parse: {error}"
        return
    names = exported()
    for selector in selectors(parsed):
        if selector.name not in names:
            yield f"nothing exports the metric {selector.name}"
            continue
        yield from _wrong_labels(selector, names[selector.name])
    for call, selector in _called(parsed):
        metric = OURS.get(selector.name or "")
        if call in COUNTER_ONLY and metric is not None and metric.kind == "gauge":
            yield f"{call}() of {selector.name}, which is no counter"


def selectors(parsed: Any) -> list[Any]:  # noqa: ANN401  # what the parser gives
    """Every selection of series in an expression."""
    found: list[Any] = []

    def visit(node: Any) -> None:  # noqa: ANN401  # what the parser gives
        if isinstance(node, promql_parser.VectorSelector):
            found.append(node)
        elif isinstance(node, promql_parser.MatrixSelector):
            found.append(node.vector_selector)

    promql_parser.walk(parsed, visit)
    return found


def names_in(expression: str) -> list[str]:
    """The metrics that an expression asks for."""
    text = interpolate(expression, {}, SPAN)
    return [str(one.name) for one in selectors(promql_parser.parse(text))]


def _wrong_labels(selector: Any, known: set[str]) -> Iterator[str]:  # noqa: ANN401  # as parsed
    metric = OURS.get(selector.name) or OURS.get(re.sub(r"_(bucket|sum|count)$", "", selector.name))
    for matcher in selector.matchers.matchers:
        if matcher.name not in known | OF_SCRAPE:
            yield f"{selector.name} has no label {matcher.name}"
        elif (
            metric is not None
            and metric.series
            and matcher.op == promql_parser.MatchOp.Equal
            and matcher.name in metric.labels
        ):
            values = {one[metric.labels.index(matcher.name)] for one in metric.series}
            if matcher.value not in values:
                yield f'{selector.name} never has {matcher.name}="{matcher.value}"'


def _called(parsed: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401  # what the parser gives
    """Functions of ranges, each with the series it is called on."""
    found: list[tuple[str, Any]] = []

    def visit(node: Any) -> None:  # noqa: ANN401  # what the parser gives
        if isinstance(node, promql_parser.Call):
            found.extend(
                (node.func.name, one.vector_selector)
                for one in node.args
                if isinstance(one, promql_parser.MatrixSelector)
            )

    promql_parser.walk(parsed, visit)
    yield from found
