"""Metrics of one process, made from a table: each has its kind, its meaning and its labels there.

Counters and histograms have all of their series from the start, or a rate would miss the first
error. Beside those of the table there is what the client library knows of the process: `process_*`.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Literal, NamedTuple

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

disable_created_metrics()  # type: ignore[no-untyped-call]  # as many lines again, for nobody


class Metric(NamedTuple):
    """One metric: its kind, its meaning in a sentence, its labels, its buckets."""

    kind: Literal["counter", "gauge", "histogram"]
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    series: tuple[tuple[str, ...], ...] = ()  # label values that are there from the start


class MetricSet:
    """The metrics of a table in a registry of their own.

    Args:
        table: of all of them, by name.
        others: collectors that take the place of the metrics they collect.
        elsewhere: names in the table whose values are in `others`.

    """

    def __init__(
        self,
        table: Mapping[str, Metric],
        others: Iterable[Collector] = (),
        elsewhere: Collection[str] = (),
    ) -> None:
        self.registry = CollectorRegistry()
        self._metrics = {
            name: _create(name, metric, self.registry)
            for name, metric in table.items()
            if name not in elsewhere
        }
        for one in others:
            self.registry.register(one)
        ProcessCollector(registry=self.registry)

    def add(self, name: str, amount: float = 1.0, *labels: str) -> None:
        """Raise a counter."""
        metric = self._metrics[name]
        assert isinstance(metric, Counter)  # noqa: S101  # the table says so
        (metric.labels(*labels) if labels else metric).inc(amount)

    def set(self, name: str, value: float, *labels: str) -> None:
        """Set a gauge."""
        metric = self._metrics[name]
        assert isinstance(metric, Gauge)  # noqa: S101  # the table says so
        (metric.labels(*labels) if labels else metric).set(value)

    def observe(self, name: str, value: float, *labels: str) -> None:
        """Add one observation to a histogram."""
        metric = self._metrics[name]
        assert isinstance(metric, Histogram)  # noqa: S101  # the table says so
        (metric.labels(*labels) if labels else metric).observe(value)

    def keep_series(self, name: str, series: Collection[tuple[str, ...]]) -> None:
        """Drop every series of a gauge but these."""
        metric = self._metrics[name]
        assert isinstance(metric, Gauge)  # noqa: S101  # the table says so
        for labels in set(metric._metrics) - set(series):  # noqa: SLF001  # no public question
            metric.remove(*labels)

    def exposition(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self.registry)


def _create(name: str, metric: Metric, registry: CollectorRegistry) -> Counter | Gauge | Histogram:
    created: Counter | Gauge | Histogram
    if metric.kind == "histogram":
        created = Histogram(
            name, metric.meaning, metric.labels, buckets=metric.buckets, registry=registry
        )
    else:
        kind = Counter if metric.kind == "counter" else Gauge
        created = kind(name, metric.meaning, metric.labels, registry=registry)
    for labels in metric.series:
        created.labels(*labels)
    return created
