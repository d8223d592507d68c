"""Every metric of a worker, defined in one table; docs and tests read it.

Label values come from closed sets: never a user, a KOL or an event; only transactions that are
open for long have their own names, until they end. Counters and histograms
have all of their series from the start, or a rate would miss the first error; they count what
this process did and only grow (decision 0014). Timestamps instead of ages, so that a dead worker
looks old. Beside ours there is what the client library knows of the process: `process_*`.
"""

import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

from schemas.events import INPUTS
from schemas.latency import LATENCY
from schemas.reference_types import CONSENTS
from schemas.rows import TABLES, Rows
from schemas.topics import CELLS, ERASURES, SNAPSHOTS
from sinks.base import Fault
from streams.core.kol import memory as kol_memory
from streams.core.sides import Side
from streams.core.user import door_counts
from streams.core.user.steps import STEPS
from streams.runtime.metrics import Metric, MetricSet

END_TO_END = "kol_end_to_end_latency_seconds"
TRUST = "kol_trust_ratio"
READ_AHEAD = "kol_read_ahead_seconds_total"
TENTHS = tuple(tenth / 10 for tenth in range(1, 11))
COUNTED = {  # kind of a number that memory counts -> its metric
    "door": "kol_events_total",
    "rejected": "kol_rejected_total",
    "counter": "kol_counted_total",
}
READ = (*INPUTS, ERASURES, CONSENTS, CELLS)  # topics, partition by partition
TOPIC = tuple((topic,) for topic in READ)
SIDE = tuple((side.value,) for side in Side)
OUT = tuple((name,) for name, table in TABLES.items() if not table.derived)
LENGTHS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)


def _places(kind: str) -> tuple[tuple[str, ...], ...]:
    """Topic and label of every number of one kind, but those that can go back."""
    return tuple(
        (topic, label)
        for topic, label, of in (*door_counts.SERIES, *kol_memory.SERIES)
        if of == kind and label not in door_counts.MAY_DECREASE
    )


METRICS: dict[str, Metric] = {
    "kol_build_info": Metric(
        "gauge",
        "1, with the version, and that of compiled functions, or `off`, `absent`.",
        ("version", "native"),
    ),
    "kol_model_info": Metric("gauge", "1, with the generation of the formulas.", ("version",)),
    "kol_events_total": Metric(
        "counter",
        "Events that this process accepted or dropped, by door.",
        ("topic", "door"),
        series=_places("door"),
    ),
    "kol_rejected_total": Metric(
        "counter",
        "Messages that this process rejected.",
        ("topic", "reason"),
        series=_places("rejected"),
    ),
    "kol_counted_total": Metric(
        "counter",
        "Everything else that this process counted and that only grows.",
        ("topic", "counter"),
        series=_places("counter"),
    ),
    "kol_not_booked": Metric(
        "gauge",
        "What refunds did not do in owned partitions: an order that arrives later lowers it.",
        ("topic", "counter"),
    ),
    "kol_duplicates_skipped_total": Metric(
        "counter",
        "Messages delivered again and skipped, because memory has them.",
        ("topic",),
        series=TOPIC,
    ),
    "kol_read_messages_total": Metric(
        "counter", "Messages that this process folded.", ("topic",), series=TOPIC
    ),
    "kol_batch_events": Metric(
        "histogram",
        "Messages in a fetched record set.",
        ("topic",),
        (1, 10, 100, 1000, 2500, 5000),
        TOPIC,
    ),
    "kol_fold_seconds": Metric(
        "histogram", "Time to read and fold one batch.", ("side",), LENGTHS, SIDE
    ),
    "kol_fold_step_seconds_total": Metric(
        "counter",
        "Time that the user side spent in each step of folding.",
        ("step",),
        series=tuple((step,) for step in STEPS),
    ),
    END_TO_END: Metric(
        "histogram", "From a message's append to its rows' acknowledgement.", (), LATENCY
    ),
    "kol_lag_events": Metric("gauge", "Messages not yet read.", ("topic", "partition")),
    "kol_held_messages": Metric(
        "gauge",
        "Messages that cannot be read yet: a transaction has been open for seconds before them.",
        ("topic", "partition"),
    ),
    "kol_open_transaction_timestamp_seconds": Metric(
        "gauge",
        "Since when a transaction is open that holds messages back, and whose it is.",
        ("topic", "partition", "producer_id", "transactional_id"),
    ),
    "kol_commit_timestamp_seconds": Metric(
        "gauge", "When an offset was last committed.", ("topic", "partition")
    ),
    "kol_watermark_timestamp_seconds": Metric(
        "gauge", "Least event time still open, per partition.", ("side", "partition")
    ),
    "kol_snapshot_timestamp_seconds": Metric(
        "gauge",
        "When the last snapshot was committed; before the first, when the partition was assigned.",
        ("side", "partition"),
    ),
    "kol_snapshot_seconds": Metric(
        "histogram", "Time to write one snapshot.", ("side",), LENGTHS, SIDE
    ),
    "kol_snapshot_copy_seconds": Metric(
        "histogram",
        "Time that batches of a partition waited for the copy of a snapshot.",
        ("side",),
        LENGTHS,
        SIDE,
    ),
    "kol_snapshot_bytes_total": Metric(
        "counter", "Bytes written to state topics.", ("side",), series=SIDE
    ),
    "kol_restore_seconds": Metric(
        "histogram", "Time to restore a partition.", ("side",), LENGTHS, SIDE
    ),
    "kol_topic_partitions": Metric(
        "gauge", "Partitions of a topic, as the brokers say; all topics have as many.", ("topic",)
    ),
    "kol_partitions": Metric("gauge", "Partitions this worker owns.", ("side",)),
    "kol_rebalances_total": Metric("counter", "Assignments that this worker received."),
    "kol_rebalance_drain_seconds": Metric(
        "histogram", "Time to flush and snapshot before partitions go.", (), LENGTHS
    ),
    "kol_waiting_messages": Metric("gauge", "Messages folded whose rows are not acknowledged."),
    "kol_waiting_bytes": Metric("gauge", "Bytes of these messages."),
    "kol_waiting_events": Metric("gauge", "Rows of `event` that are not acknowledged."),
    "kol_backpressure_seconds_total": Metric(
        "counter", "Time that reading was paused because the sink was behind."
    ),
    READ_AHEAD: Metric(
        "counter",
        "Time that messages waited for what is read beside them.",
        ("topic",),
        series=((CONSENTS,), (SNAPSHOTS,)),
    ),
    "kol_sink_buffer_rows": Metric("gauge", "Rows sent and not acknowledged.", ("table",)),
    "kol_sink_rows_total": Metric("counter", "Rows acknowledged.", ("table",), series=OUT),
    "kol_rows_refused_total": Metric(
        "counter",
        "Rows the database refused.",
        ("table", "reason"),
        series=tuple((table, fault.value) for (table,) in OUT for fault in Fault),
    ),
    "kol_sink_retries_total": Metric(
        "counter", "Inserts that failed and were tried again.", ("table",), series=OUT
    ),
    "kol_sink_flush_seconds": Metric(
        "histogram", "Time until rows are acknowledged.", ("table",), LENGTHS, OUT
    ),
    "kol_sink_last_success_timestamp_seconds": Metric(
        "gauge",
        "When an insert was last acknowledged; before the first one, when the worker began.",
        ("table",),
    ),
    "kol_sink_state": Metric(
        "gauge", "1 for the state that a table's inserts are in.", ("table", "state")
    ),
    "kol_trust_ratio": Metric("histogram", "Trust in acknowledged rows of scores.", (), TENTHS),
    "kol_loop_lag_seconds": Metric(
        "gauge", "Longest wait for the event loop in the last 30 to 60 seconds."
    ),
    "kol_memory_bytes": Metric("gauge", "Bytes of a side's arrays.", ("side",)),
    "kol_names": Metric(
        "gauge", "KOLs, brands and words of orders in memory.", ("side", "partition")
    ),
    "kol_open_minutes": Metric(
        "gauge", "Minutes of KOLs that can still change; grows while a source lags.", ("partition",)
    ),
}


class Telemetry(MetricSet):
    """The metrics of one worker; `now_ms` is the time of day."""

    def __init__(self, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        self._now_ms = now_ms
        self.latencies = Distribution(END_TO_END)
        self.trust = Distribution(TRUST)
        super().__init__(METRICS, (self.latencies, self.trust), (END_TO_END, TRUST))

    def observe_latency(
        self, appended_at: Sequence[NDArray[np.int64]], messages: Sequence[NDArray[np.int64]]
    ) -> None:
        """Add the time since each moment, once for each of its messages."""
        if appended_at:
            elapsed_ms = self._now_ms() - np.concatenate(appended_at)
            self.latencies.add(np.maximum(elapsed_ms, 0) / 1000, np.concatenate(messages))

    def age(self, appended_at: Sequence[NDArray[np.int64]]) -> float:
        """Seconds since the newest of these moments, ascending each; 0 where there are none."""
        newest = [int(some[-1]) for some in appended_at if len(some)]
        return (self._now_ms() - max(newest)) / 1000 if newest else 0.0

    def observe_trust(self, acknowledged: Sequence[Rows]) -> None:
        """Add the trust in rows of scores."""
        for rows in acknowledged:
            if rows.table == "kol_score":
                self.trust.add(np.asarray(rows.columns["trust"], np.float64))


class Distribution(Collector):
    """Counts per bucket: many observations at a time, unlike the client's histogram."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._edges = np.array(METRICS[name].buckets)
        self._sum = 0.0
        self.counts: NDArray[np.int64] = np.zeros(len(self._edges) + 1, np.int64)

    def add(self, values: NDArray[np.float64], weight: NDArray[np.int64] | int = 1) -> None:
        """Take in `(n,)` observations, each `weight` times."""
        np.add.at(self.counts, np.searchsorted(self._edges, values), weight)
        self._sum += float((values * weight).sum())

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """As Prometheus wants it."""
        edges = [*(str(edge) for edge in self._edges.tolist()), "+Inf"]
        buckets = list(zip(edges, np.cumsum(self.counts).tolist(), strict=True))
        yield HistogramMetricFamily(
            self._name, METRICS[self._name].meaning, buckets=buckets, sum_value=self._sum
        )
