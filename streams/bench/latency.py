"""From the time a message is scheduled for to its row that a query sees, at a steady rate.

An open loop: messages are sent by a process of its own at their times, late or not, and latency
counts from the scheduled time, so a stall shows in all that it holds up. A reader asks for new rows
of samples again and again; what it takes to ask is part of the latency.
"""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from deploy.embedded.state_folder import StateFolder
from schemas.events import INPUTS
from streams.bench.checkout import ROOT
from streams.bench.machine import machine
from streams.bench.ours import WORKER, Place
from streams.bench.pouring import SAMPLE, SAMPLED
from streams.bench.testbed import Bench, OnStep, Plan
from streams.bench.windows import MeasureError
from streams.clients.clickhouse import connect
from streams.clients.kafka_admin import kafka_admin
from streams.settings import ClickHouse

Latencies = dict[int, float]  # scheduled at -> until it was seen; milliseconds

SECONDS: Final = 30
LEFT_OUT: Final = 0.2  # of the time, at its beginning
LAST_SECONDS: Final = 10.0  # that the last rows are waited for
ASK_SECONDS: Final = 0.005  # between two questions
SHARES: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "p999": 0.999, "max": 1.0}
PROFILES: Final[Mapping[str, Mapping[str, str]]] = {
    "default": {},
    "quick": {"KOL_WORKER__STATE_MS": "20", "KOL_WORKER__EVENTS_MS": "20"},
}
WINDOW_MS: Final = 10_000  # before the newest sample that was seen: others may still come
QUESTIONS: Final = {  # what is looked for -> all rows of samples since a time, ms
    "events": "SELECT DISTINCT toUnixTimestamp64Milli(moment) FROM event"
    " WHERE kol_id = {sample:String} AND moment > fromUnixTimestamp64Milli({since:Int64})",
    "orders": "SELECT DISTINCT toUnixTimestamp64Milli(ordered_at) FROM order_credit"
    " WHERE brand_id = {sample:String}"
    " AND ordered_at > fromUnixTimestamp64Milli({since:Int64})",
}


def spread(latency_ms: Mapping[int, float], left_out: float = LEFT_OUT) -> dict[str, float]:
    """Percentiles of samples by their scheduled times, without the first ones.

    >>> spread({1: 500.0, 2: 10.0, 3: 30.0, 4: 20.0, 5: 40.0})
    {'samples': 4, 'p50': 20.0, 'p95': 40.0, 'p99': 40.0, 'p999': 40.0, 'max': 40.0}
    """
    times = sorted(latency_ms)
    values = sorted(latency_ms[at] for at in times[round(len(times) * left_out) :])
    if not values:
        raise MeasureError("no row of a sample was seen: is KOL_CLICKHOUSE__EVENTS off?")
    return {"samples": len(values)} | {
        name: round(values[max(0, -int(-share * len(values) // 1) - 1)], 1)
        for name, share in SHARES.items()
    }


def measure_latency(folder: StateFolder, rate: int, on_step: OnStep) -> dict[str, Any]:
    """The report of each profile at this rate, on a stack of its own in `folder`."""
    found: dict[str, Any] = {}
    with Bench(folder, Plan(events=0), on_step) as bed:
        bed.fill(bed.plan.total)  # so that a worker that has read something has begun
        for name, profile in PROFILES.items():
            place = bed.place(profile)
            place.reset_group()
            on_step(f"{rate:,} events a second, profile {name}")
            found[name] = _measure(place, rate)
    return {"rate": rate, "seconds": SECONDS, "profiles": found, "machine": machine()}


def _measure(place: Place, rate: int, seconds: int = SECONDS) -> dict[str, Any]:
    """The figures of one profile; the workers have read what was there before."""
    settings = place.settings
    words = [settings.kafka.bootstrap, str(rate), str(seconds), str(settings.kafka.partitions)]
    with kafka_admin(settings.kafka) as broker:
        there = sum(broker.end_offsets(INPUTS).values())
    with place.workers() as group:
        group.wait_until_read(there)
        begun = time.time_ns() // 1_000_000
        command = [sys.executable, "-m", "streams.bench.pouring", *words]
        before = group.seconds()
        with subprocess.Popen(command, cwd=ROOT, env={**os.environ, **place.env}) as pouring:
            try:
                seen = _watch(settings.clickhouse, pouring, begun, rate * seconds // SAMPLED)
            finally:
                pouring.kill()
        cpu = group.seconds()[WORKER] - before[WORKER]
    return {name: spread(found) for name, found in seen.items()} | {
        "cpu_us_per_event": round(cpu / (rate * seconds) * 1e6, 2)
    }


def _watch(
    conf: ClickHouse, pouring: "subprocess.Popen[bytes]", begun: int, samples: int
) -> dict[str, Latencies]:
    """Ask for new rows of samples until all are there, or none came for long after the last."""
    seen: dict[str, Latencies] = {name: {} for name in QUESTIONS}
    client = connect(conf)
    ended: float | None = None  # when the last message was sent
    try:
        while sum(map(len, seen.values())) < samples:
            for name, question in QUESTIONS.items():
                newest = max(seen[name], default=0)
                _ask(client, question, max(begun, newest - WINDOW_MS), seen[name])
            if ended is None and pouring.poll() is not None:
                ended = time.monotonic()
            if ended is not None and time.monotonic() - ended > LAST_SECONDS:
                break
            time.sleep(ASK_SECONDS)
        for name, question in QUESTIONS.items():  # those that came long after newer ones
            _ask(client, question, begun, seen[name])
    finally:
        client.close()
    if pouring.returncode:
        raise MeasureError(f"sending failed with exit code {pouring.returncode}")
    return seen


def _ask(client: Client, question: str, since: int, seen: Latencies) -> None:
    """Take in when samples since a time are seen that were not before."""
    found = client.query(question, parameters={"sample": SAMPLE, "since": since}).result_rows
    now_ms = time.time_ns() / 1e6
    for (at,) in found:
        seen.setdefault(at, now_ms - at)
