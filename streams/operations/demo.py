"""The demo from its first event to its final report, without a screen."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.events import INPUTS
from schemas.latency import LATENCY
from streams.clients.kafka_admin import kafka_admin
from streams.clients.worker_pages import fetch_statuses
from streams.operations.demo_report import demo_report
from streams.operations.demo_traffic import TrafficSender
from streams.operations.drain import Observer, drain
from streams.operations.leaderboard import refresh
from streams.operations.settling import settle
from streams.settings import Settings

SEED = 20_26
DRAIN_SECONDS = 120.0
PAUSE_SECONDS = 0.3


def play(
    settings: Settings,
    urls: Sequence[str],
    duration: float,
    rate: float,
    on_step: Callable[[str], None],
) -> dict[str, Any]:
    """Send the history, then live traffic; gives the report once everything is drained.

    Args:
        settings: of the running stack.
        urls: of the workers' pages, for latencies.
        duration: seconds of live traffic.
        rate: events a second of it.
        on_step: called with what is going on, at least twice a second.

    """
    traffic = TrafficSender(settings, rate, SEED)
    traffic.start()
    try:
        while not traffic.history_sent.wait(PAUSE_SECONDS):
            on_step("sending the last 90 minutes")
        _drain(settings, "catching up", on_step)
        before = _latency_counts(urls)
        refresh(traffic.stopped, duration, lambda: on_step("live"))
    finally:
        traffic.stopped.set()
        traffic.join()
    if traffic.error is not None:
        raise traffic.error
    _drain(settings, "draining", on_step)
    with kafka_admin(settings.kafka) as broker:
        messages = sum(broker.end_offsets(INPUTS).values())
        settle(broker, settings, DRAIN_SECONDS, Observer(notice=on_step, step=on_step))
    said_of = {topic: len(keys) for topic, keys in traffic.keys.items()}
    return demo_report(settings, messages, _latency_counts(urls) - before, said_of)


def _drain(settings: Settings, step: str, on_step: Callable[[str], None]) -> None:
    observer = Observer(lambda left: on_step(f"{step}: {left} to go"), on_step)
    with kafka_admin(settings.kafka) as broker:
        drain(broker, settings.app_id, DRAIN_SECONDS, observer)


def _latency_counts(urls: Iterable[str]) -> NDArray[np.int64]:
    """End-to-end latencies of all workers together, a count for each bucket of `LATENCY`."""
    total = np.zeros(len(LATENCY) + 1, np.int64)
    for status in fetch_statuses(urls).values():
        if status:
            total += np.array(status["latency_counts"], np.int64)
    return total
