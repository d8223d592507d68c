"""What a worker exports is the table, all of it from the start, and nothing twice."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.metrics_core import Metric as Family

from schemas.latency import LATENCY
from streams.worker.telemetry import METRICS, TENTHS, TRUST, Distribution, Telemetry

PROCESS = "process_"  # what the client library knows of the process


def families(telemetry: Telemetry) -> dict[str, Family]:
    """What is exported, by the name in the table."""
    return {
        f"{one.name}_total" if one.type == "counter" else one.name: one
        for one in telemetry.registry.collect()
        if not one.name.startswith(PROCESS)
    }


@given(st.lists(st.tuples(st.floats(0, 1.5), st.integers(1, 5)), max_size=30))
def test_many_observations_at_a_time_are_counted_as_one_by_one(
    observed: list[tuple[float, int]],
) -> None:
    values = np.array([value for value, _ in observed])
    weights = np.array([weight for _, weight in observed], np.int64)
    told = Distribution(TRUST)
    told.add(values, weights)
    (family,) = told.collect()
    buckets = {s.labels["le"]: s.value for s in family.samples if s.name.endswith("_bucket")}

    for edge in (*TENTHS, np.inf):
        wanted = sum(weight for value, weight in observed if value <= edge)
        assert buckets["+Inf" if edge == np.inf else str(edge)] == wanted
    (total,) = [s.value for s in family.samples if s.name.endswith("_sum")]
    assert total == pytest.approx(sum(value * weight for value, weight in observed))


def test_what_is_exported_is_the_table_and_the_process() -> None:
    assert families(Telemetry()).keys() == METRICS.keys()


def test_every_metric_is_a_counter_if_and_only_if_its_name_says_so() -> None:
    assert {name for name, metric in METRICS.items() if metric.kind == "counter"} == {
        name for name in METRICS if name.endswith("_total")
    }


def test_every_series_that_is_counted_is_there_before_anything_happened() -> None:
    """A rate cannot see the first error of a series that begins with it."""
    for name, family in families(Telemetry()).items():
        if METRICS[name].kind != "gauge":
            ends = ("_total", "_count")
            found = {
                tuple(s.labels[label] for label in METRICS[name].labels): s.value
                for s in family.samples
                if s.name.endswith(ends)
            }
            assert found == dict.fromkeys(METRICS[name].series or [()], 0), name
            assert bool(METRICS[name].series) == bool(METRICS[name].labels), name


def test_buckets_grow_and_hold_what_they_are_for() -> None:
    assert all(m.buckets == tuple(sorted(set(m.buckets))) for m in METRICS.values())
    assert LATENCY[0] < 0.01
    assert LATENCY[-1] > 60
    assert TENTHS[-1] == 1.0  # trust is never above


def test_a_worker_tells_less_than_a_scrape_may_take() -> None:
    """`sample_limit` of the deployment is 5 000; what grows with partitions comes on top."""
    samples = [s for family in Telemetry().registry.collect() for s in family.samples]

    assert len(samples) < 1_500
