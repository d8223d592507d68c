"""CPU per event of our worker, of stock Faust and of a hand-written consumer, by turns.

All of them read the same topics of the same broker, and each measures a window of events after
so many to warm up.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from deploy.demo.bulk import bulk
from deploy.embedded import ports
from deploy.embedded.state_folder import StateFolder
from schemas.partitioner import partition_of
from sinks.feed import Feed
from streams.bench import ours
from streams.bench.machine import machine
from streams.clients.kafka_admin import security_options
from streams.operations.stack import RunningStack
from streams.settings import Settings, environment

SEED = 7
HOUR_MS = 3_600_000
SPARE = 5_000  # a peer's last batch may begin before and end after its window
LEAST_WARM = 5_000  # events before a window
PEER_SECONDS = 60.0

Figures = dict[str, list[dict[str, float]]]  # consumer -> its measurements


class Plan(NamedTuple):
    """How much is measured in a comparison."""

    events: int  # of ours and the hand-written consumer, each round
    stock_events: int  # of stock Faust
    rounds: int

    @property
    def warm(self) -> int:
        """Events before the window of ours and the hand-written consumer."""
        return max(self.events // 6, LEAST_WARM)


def compare(folder: StateFolder, plan: Plan, on_step: Callable[[str], None]) -> dict[str, Any]:
    """The report of a comparison on a broker and an engine of its own, in `folder`."""
    stack = RunningStack(folder, 0, lambda _: None)
    try:
        stack.start()
        settings = stack.settings
        on_step("filling the topics")
        asyncio.run(_fill(settings, plan.events + plan.warm + SPARE))
        env = environment((folder.status() or {})["settings"]) | {"KOL_HOME": str(folder.path)}
        figures = _measure(folder, settings, env, plan, on_step)
    finally:
        stack.stop()
    return report(figures, plan.events + plan.warm)


def _measure(
    folder: StateFolder,
    settings: Settings,
    env: Mapping[str, str],
    plan: Plan,
    on_step: Callable[[str], None],
) -> Figures:
    figures: Figures = {"ours": [], "stock_faust": [], "hand_written": []}
    total = plan.events + plan.warm + SPARE
    bootstrap = settings.kafka.bootstrap
    (port,) = ports.free(0)
    log = folder.log("bench-worker")
    for number in range(1, plan.rounds + 1):
        on_step(f"round {number}: our worker")
        ours.reset_group(settings)
        figures["ours"].append(ours.measure(settings, env, port, plan.warm, total, log))
        on_step(f"round {number}: hand-written")
        figures["hand_written"].append(_peer("hand", bootstrap, plan.warm, plan.events))
        on_step(f"round {number}: stock Faust")
        figures["stock_faust"].append(_peer("stock", bootstrap, LEAST_WARM, plan.stock_events))
    return figures


async def _fill(settings: Settings, events: int) -> None:
    """Send events of the demo's generator to the three topics."""
    partitions = settings.kafka.partitions
    partition_by_key: dict[bytes, int] = {}
    start = time.time_ns() // 1_000_000 - HOUR_MS
    async with Feed(settings.kafka.bootstrap, options=security_options(settings.kafka)) as feed:
        for topic, key, value in bulk(SEED, events, start, rate_per_second=2_000):
            partition = partition_by_key.get(key)
            if partition is None:
                partition = partition_by_key[key] = partition_of(key, partitions)
            await feed.send(settings.kafka.broker_topic(topic), partition, key, value)


def _peer(module: str, bootstrap: str, warm: int, events: int) -> dict[str, float]:
    """One measurement of a peer, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", f"streams.bench.{module}", bootstrap, str(warm), str(events)],
        capture_output=True,
        text=True,
        timeout=PEER_SECONDS,
        check=False,
    )
    results = [line[line.index("{") :] for line in done.stdout.splitlines() if "{" in line]
    if not results:
        raise RuntimeError(f"{module} gave no figure: {done.stderr[-500:]}")
    return dict(json.loads(results[-1]))


def report(figures: Figures, events: int) -> dict[str, Any]:
    """Medians of the rounds, and the ratio of each peer's CPU per event to ours.

    Args:
        figures: measurements of each consumer.
        events: messages on the topics.

    """
    cost = {
        name: statistics.median(run["cpu_us_per_event"] for run in runs)
        for name, runs in figures.items()
    }
    return {
        "ratios": {
            name: round(cost[name] / cost["ours"], 2) for name in ("stock_faust", "hand_written")
        },
        "cpu_us_per_event": {name: round(us, 3) for name, us in cost.items()},
        "events_per_second": {
            name: round(statistics.median(run["events_per_second"] for run in runs))
            for name, runs in figures.items()
        },
        "runs": figures,
        "input": {"events": events, "topics": 3, "codec": "lz4", "seed": SEED},
        "machine": machine(),
        "path": "python",
    }
