"""Every number a worker exports, born in one table; docs and tests read it.

Label values come from closed sets: never a user, a KOL or an event. Timestamps instead
of ages, so that a dead worker looks old.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

CODE_PATH = "python"  # readable rules on arrays; compiled kernels would say so here
LATENCY = tuple(round(0.005 * 1.25**step, 6) for step in range(48))  # 5 ms … 179 s, 25 % apart
END_TO_END = "kol_end_to_end_latency_seconds"
LENGTHS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)


class Metric(NamedTuple):
    """One metric: its kind, its meaning in a sentence, its labels, its buckets."""

    kind: Literal["counter", "gauge", "histogram"]
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    is_told: bool = False  # a counter whose total is kept elsewhere and told as it stands


METRICS: dict[str, Metric] = {
    "kol_build_info": Metric("gauge", "1, with version and code path.", ("version", "path")),
    "kol_events_total": Metric(
        "counter",
        "Events out of each door since the log began, from memory.",
        ("topic", "door"),
        is_told=True,
    ),
    "kol_rejected_total": Metric(
        "counter",
        "Messages refused since the log began, from memory.",
        ("topic", "reason"),
        is_told=True,
    ),
    "kol_counted_total": Metric(
        "counter",
        "What limits left out and money not booked, since the log began, from memory.",
        ("topic", "counter"),
        is_told=True,
    ),
    "kol_read_messages_total": Metric("counter", "Messages read by this process.", ("topic",)),
    "kol_batch_events": Metric(
        "histogram", "Messages in a fetched record set.", ("topic",), (1, 10, 100, 1000, 2500, 5000)
    ),
    "kol_fold_seconds": Metric("histogram", "Time to read and fold one batch.", ("side",), LENGTHS),
    END_TO_END: Metric(
        "histogram", "From a message's append to its rows' acknowledgement.", (), LATENCY
    ),
    "kol_lag_events": Metric("gauge", "Messages not yet read.", ("topic", "partition")),
    "kol_commit_timestamp_seconds": Metric(
        "gauge", "When an offset was last committed.", ("topic", "partition")
    ),
    "kol_watermark_timestamp_seconds": Metric(
        "gauge", "Least event time still open, per partition.", ("side", "partition")
    ),
    "kol_snapshot_timestamp_seconds": Metric(
        "gauge", "When the last snapshot was committed.", ("side", "partition")
    ),
    "kol_snapshot_seconds": Metric("histogram", "Time to write one snapshot.", ("side",), LENGTHS),
    "kol_snapshot_bytes_total": Metric("counter", "Bytes written to state topics.", ("side",)),
    "kol_restore_seconds": Metric("histogram", "Time to restore a partition.", ("side",), LENGTHS),
    "kol_partitions": Metric("gauge", "Partitions this worker owns.", ("side",)),
    "kol_rebalances_total": Metric("counter", "Assignments this worker got."),
    "kol_rebalance_drain_seconds": Metric("histogram", "Time to drain.", (), LENGTHS),
    "kol_waiting_messages": Metric("gauge", "Messages folded whose rows are not acknowledged."),
    "kol_waiting_bytes": Metric("gauge", "Bytes of these messages."),
    "kol_backpressure_seconds_total": Metric("counter", "Time that folding waited for the sink."),
    "kol_sink_buffer_rows": Metric("gauge", "Rows on their way, not acknowledged.", ("table",)),
    "kol_sink_rows_total": Metric("counter", "Rows acknowledged.", ("table",)),
    "kol_rows_refused_total": Metric("counter", "Rows the database refused.", ("table",)),
    "kol_sink_flush_seconds": Metric("histogram", "Time until rows are safe.", ("table",), LENGTHS),
    "kol_sink_last_success_timestamp_seconds": Metric("gauge", "Last safe insert.", ("table",)),
    "kol_sink_state": Metric(
        "gauge", "1 for the state a table's way out is in.", ("table", "state")
    ),
    "kol_memory_bytes": Metric("gauge", "Bytes of a side's arrays.", ("side",)),
    "kol_names": Metric("gauge", "KOLs and brands in memory.", ("side", "partition")),
    "kol_open_minutes": Metric(
        "gauge", "Minutes of KOLs that can still change; grows while a source lags.", ("partition",)
    ),
}


class Telemetry:
    """The metrics of one worker, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.latencies = Latencies()
        self._metrics = {
            name: _made(name, m, self.registry) for name, m in METRICS.items() if name != END_TO_END
        }
        self.registry.register(self.latencies)

    def add(self, name: str, amount: float = 1.0, *labels: str) -> None:
        """Count."""
        metric = self._metrics[name]
        assert isinstance(metric, Counter)  # noqa: S101  # the table says so
        (metric.labels(*labels) if labels else metric).inc(amount)

    def set(self, name: str, value: float, *labels: str) -> None:
        """Say how things stand."""
        metric = self._metrics[name]
        if isinstance(metric, Totals):
            metric.values[labels] = value
            return
        assert isinstance(metric, Gauge)  # noqa: S101  # the table says so
        (metric.labels(*labels) if labels else metric).set(value)

    def observe(self, name: str, value: float, *labels: str) -> None:
        """Add one observation."""
        metric = self._metrics[name]
        assert isinstance(metric, Histogram)  # noqa: S101  # the table says so
        (metric.labels(*labels) if labels else metric).observe(value)

    def keep(self, name: str, series: Collection[tuple[str, ...]]) -> None:
        """Drop every series of a gauge but these: partitions went elsewhere."""
        metric = self._metrics[name]
        assert isinstance(metric, Gauge)  # noqa: S101  # the table says so
        for labels in set(metric._metrics) - set(series):  # noqa: SLF001  # no public question
            metric.remove(*labels)

    def exposition(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self.registry)


def _made(
    name: str, metric: Metric, registry: CollectorRegistry
) -> "Counter | Gauge | Histogram | Totals":
    if metric.is_told:
        return Totals(name, metric, registry)
    if metric.kind == "histogram":
        return Histogram(
            name, metric.meaning, metric.labels, buckets=metric.buckets, registry=registry
        )
    kind = Counter if metric.kind == "counter" else Gauge
    return kind(name, metric.meaning, metric.labels, registry=registry)


class Totals(Collector):
    """A counter that is told its totals, by labels: memory counts, and survives a restart."""

    def __init__(self, name: str, metric: Metric, registry: CollectorRegistry) -> None:
        self.values: dict[tuple[str, ...], float] = {}
        self._name = name
        self._metric = metric
        registry.register(self)

    def collect(self) -> Iterator[CounterMetricFamily]:
        """As Prometheus wants it."""
        family = CounterMetricFamily(self._name, self._metric.meaning, labels=self._metric.labels)
        for labels, value in self.values.items():
            family.add_metric(labels, value)
        yield family


class Latencies(Collector):
    """Counts per bucket of `LATENCY`: many events at a time, unlike the client's histogram."""

    def __init__(self) -> None:
        self._sum_ms = 0.0
        self.counts: NDArray[np.int64] = np.zeros(len(LATENCY) + 1, np.int64)
        self._edges = np.array(LATENCY) * 1000.0

    def add(self, elapsed_ms: NDArray[np.int64], weight: NDArray[np.int64]) -> None:
        """Take in waits of `(n,)` milliseconds, each `weight` times."""
        np.add.at(self.counts, np.searchsorted(self._edges, elapsed_ms), weight)
        self._sum_ms += float(elapsed_ms @ weight)

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """As Prometheus wants it."""
        edges = [*(str(edge) for edge in LATENCY), "+Inf"]
        buckets = list(zip(edges, np.cumsum(self.counts).tolist(), strict=True))
        yield HistogramMetricFamily(
            END_TO_END, METRICS[END_TO_END].meaning, buckets=buckets, sum_value=self._sum_ms / 1000
        )


def quantile_ms(counts: Sequence[int] | NDArray[np.int64], q: float) -> float | None:
    """The q-quantile in milliseconds, interpolated inside its bucket; None without events.

    >>> counts = [0] * 49
    >>> counts[3] = 10
    >>> 7.8 < quantile_ms(counts, 0.5) < 9.8
    True
    """
    total = np.cumsum(np.asarray(counts, np.float64))
    if not len(total) or total[-1] == 0:
        return None
    at = int(np.searchsorted(total, q * total[-1]))
    edges = [0.0, *(1000.0 * edge for edge in LATENCY), 1000.0 * LATENCY[-1]]
    before = total[at - 1] if at else 0.0
    inside = (q * total[-1] - before) / max(total[at] - before, 1e-12)
    return float(edges[at] + inside * (edges[min(at + 1, len(edges) - 1)] - edges[at]))
