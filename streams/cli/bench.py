"""`kol bench`: CPU per event of our worker beside stock Faust and a hand-written consumer."""

import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from deploy.embedded.state_folder import StateFolder
from streams.cli.options import Json, command, out, print_json
from streams.cli.progress import progress

if TYPE_CHECKING:
    from streams.settings import Settings

SEED = 7
SPARE = 5_000  # a peer's last batch may begin before and end after its window
PEER_SECONDS = 60.0
Figures = dict[str, list[dict[str, float]]]


@command
def bench(
    *,
    events: Annotated[
        int, typer.Option(min=20_000, help="Measured, for ours and by hand.")
    ] = 600_000,
    stock_events: Annotated[
        int, typer.Option(min=1_000, help="Measured, for stock Faust.")
    ] = 40_000,
    rounds: Annotated[int, typer.Option(min=1, help="Of all three, alternating.")] = 3,
    restore: Annotated[
        int, typer.Option(min=0, help="Snapshots and restores of so many users instead.")
    ] = 0,
    as_json: Json = False,
) -> None:
    """The same three topics (lz4) on the real broker, read by each in turn.

    Ours does everything: dedup, touches, orders, credits, cells, scores, snapshots, rows in
    ClickHouse. (a) stock Faust decodes JSON and counts per KOL. (b) confluent-kafka
    consume(500), msgspec and a dict of counts. Ratio: their CPU per event over ours.
    """
    if restore:
        _restore(restore, as_json=as_json)
        return
    warm = max(events // 6, 5_000)
    with tempfile.TemporaryDirectory(prefix="kol-bench-") as name, progress() as bar:
        task = bar.add_task("starting broker and engine", total=None)
        figures = _measured(
            StateFolder(name),
            events,
            stock_events,
            warm,
            rounds,
            lambda what: bar.update(task, description=what),
        )
    report = _report(figures, events + warm)
    if as_json:
        print_json(report)
    else:
        _shown(report)


def _measured(
    folder: StateFolder,
    events: int,
    stock_events: int,
    warm: int,
    rounds: int,
    say: Any,  # noqa: ANN401  # a callback
) -> Figures:
    from deploy.embedded import ports
    from streams.bench import ours
    from streams.operations.stack import RunningStack
    from streams.settings import environment, load

    stack = RunningStack(folder, 0, lambda _: None)
    figures: Figures = {"ours": [], "stock_faust": [], "hand_written": []}
    try:
        stack.start()
        os.environ["KOL_HOME"] = str(folder.path)
        settings = load()
        say("filling the topics")
        total = events + warm + SPARE
        asyncio.run(_fill(settings, total))
        told_settings = (folder.status() or {})["settings"]
        env = environment(told_settings) | {"KOL_HOME": str(folder.path)}
        bootstrap = settings.kafka.bootstrap
        (port,) = ports.free(0)
        for number in range(1, rounds + 1):
            say(f"round {number}: our worker")
            ours.begin_anew(settings)
            log = folder.log("bench-worker")
            figures["ours"].append(ours.measured(settings, env, port, warm, total, log))
            say(f"round {number}: hand-written")
            figures["hand_written"].append(_peer("hand", bootstrap, warm, events))
            say(f"round {number}: stock Faust")
            figures["stock_faust"].append(_peer("stock", bootstrap, 5_000, stock_events))
    finally:
        stack.stop()
    return figures


async def _fill(settings: "Settings", events: int) -> None:
    """The demo's generator in bulk, to the three topics."""
    from deploy.demo.bulk import bulk
    from schemas.partitioner import partition_of
    from sinks.feed import Feed
    from streams.clients.kafka_admin import options

    partitions = settings.kafka.partitions
    known: dict[bytes, int] = {}
    start = time.time_ns() // 1_000_000 - 3_600_000
    async with Feed(settings.kafka.bootstrap, options=options(settings.kafka)) as feed:
        for topic, key, value in bulk(SEED, events, start, rate_per_second=2_000):
            partition = known.get(key)
            if partition is None:
                partition = known[key] = partition_of(key, partitions)
            await feed.send(topic, partition, key, value)


def _restore(users: int, *, as_json: bool) -> None:
    """What a memory of so many users, and of a tenth as many KOLs, costs to keep and to restore."""
    from deploy.embedded import kafka
    from schemas.topics import KOL_STATE, USER_STATE
    from streams.bench import restoring
    from streams.clients.kafka_admin import kafka_admin
    from streams.settings import load

    with tempfile.TemporaryDirectory(prefix="kol-bench-") as name, progress() as bar:
        task = bar.add_task("starting broker", total=None)
        with kafka.broker(Path(name)) as bootstrap:
            settings = load().kafka.model_copy(update={"bootstrap": bootstrap})
            with kafka_admin(settings) as broker:
                broker.create()
            figures = asyncio.run(
                restoring.measured(
                    bootstrap,
                    Path(name),
                    restoring.Size(users, kols=max(users // 10, 1)),
                    lambda what: bar.update(task, description=what),
                )
            )
    report = figures | {"machine": _machine(), "topics": [USER_STATE, KOL_STATE]}
    if as_json:
        print_json(report)
    else:
        _restored(report)


def _restored(report: dict[str, Any]) -> None:
    table = Table("", "held MB", "written MB", "copy ms", "of a core", "topic MB", "restore s")
    for side in ("user", "kol"):
        first, later, compacted = (report[side][when] for when in ("first", "later", "compacted"))
        table.add_row(f"{side}, first", *_kept(first), *_back(first))
        table.add_row(f"{side}, in traffic", *_kept(later), *_back(later))
        table.add_row(f"{side}, compacted", "", "", "", "", *_back(compacted))
    out.print(table)
    out.print(
        f"{report['users']:,} users, {report['kols']:,} KOLs, one partition each; a snapshot "
        "for every 5 s of 20,000 events/s; p50–max",
        highlight=False,
    )


def _kept(found: dict[str, Any]) -> tuple[str, ...]:
    written, copy = found["written_mb"], found["copy_ms"]
    return (
        f"{found['held_mb']:,}",
        f"{written['p50']:.1f}–{written['max']:.1f}",
        f"{copy['p50']:.0f}–{copy['max']:.0f}",
        f"{found['share_of_core']:.1%}",
    )


def _back(found: dict[str, Any]) -> tuple[str, ...]:
    seconds = found["restore"]["seconds"]
    return f"{found['topic_mb']:,}", f"{seconds['p50']:.2f}–{seconds['max']:.2f}"


def _peer(module: str, bootstrap: str, warm: int, events: int) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", f"streams.bench.{module}", bootstrap, str(warm), str(events)],
        capture_output=True,
        text=True,
        timeout=PEER_SECONDS,
        check=False,
    )
    found = [line[line.index("{") :] for line in done.stdout.splitlines() if "{" in line]
    if not found:
        raise RuntimeError(f"{module} gave no figure: {done.stderr[-500:]}")
    return dict(json.loads(found[-1]))


def _report(figures: Figures, events: int) -> dict[str, Any]:
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
        "machine": _machine(),
        "path": "python",
    }


def _machine() -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "cpu": _cpu_name(),
    }


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if "model name" in line), "unknown")


def _shown(report: dict[str, Any]) -> None:
    table = Table("", "CPU µs/event", "(min–max)", "events/s", "CPU ÷ ours")
    for name, runs in report["runs"].items():
        costs = [run["cpu_us_per_event"] for run in runs]
        table.add_row(
            name,
            f"{report['cpu_us_per_event'][name]:.2f}",
            f"{min(costs):.2f}–{max(costs):.2f}",
            f"{report['events_per_second'][name]:,}",
            f"{report['ratios'].get(name, 1.0):.1f}",
        )
    out.print(table)
    machine = report["machine"]
    out.print(
        f"{len(report['runs']['ours'])} rounds, {report['input']['events']:,} messages; "
        f"{machine['cores']} × {machine['cpu']}, Python {machine['python']}",
        highlight=False,
    )
