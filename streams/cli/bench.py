"""`kol bench`: CPU per event beside two other consumers; the cost of snapshots and restores."""

import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from deploy.embedded.state_folder import StateFolder
from streams.cli.options import Json
from streams.cli.screen import out, print_json, progress


def bench(
    *,
    events: Annotated[
        int,
        typer.Option(min=20_000, help="Events to measure, of ours and the hand-written consumer."),
    ] = 600_000,
    stock_events: Annotated[
        int, typer.Option(min=1_000, help="Events to measure of stock Faust.")
    ] = 40_000,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds in which each of them runs.")] = 3,
    restore: Annotated[
        int,
        typer.Option(min=0, help="Measure snapshots and restores of this many users instead."),
    ] = 0,
    as_json: Json = False,
) -> None:
    """Compare CPU per event with stock Faust and a hand-written consumer.

    All three read the same topics (lz4) from a real broker. Ours does everything: dedup, touches,
    orders, credits, cells, scores, snapshots, rows in ClickHouse. Stock Faust decodes JSON and
    counts per KOL. The hand-written one is confluent-kafka's consume(500), msgspec and a dict of
    counts. The ratio is their CPU per event divided by ours.
    """
    report = _measure_restores(restore) if restore else _compare(events, stock_events, rounds)
    if as_json:
        print_json(report)
    else:
        (_print_restores if restore else _print_comparison)(report)


def _compare(events: int, stock_events: int, rounds: int) -> dict[str, Any]:
    from streams.bench.comparison import Plan, compare

    with tempfile.TemporaryDirectory(prefix="kol-bench-") as name, progress() as bar:
        task = bar.add_task("starting broker and engine", total=None)
        on_step = lambda what: bar.update(task, description=what)  # noqa: E731  # of the bar only
        return compare(StateFolder(name), Plan(events, stock_events, rounds), on_step)


def _measure_restores(users: int) -> dict[str, Any]:
    from streams.bench.restoring import measure_on_own_broker

    with tempfile.TemporaryDirectory(prefix="kol-bench-") as name, progress() as bar:
        task = bar.add_task("starting broker", total=None)
        on_step = lambda what: bar.update(task, description=what)  # noqa: E731  # of the bar only
        return measure_on_own_broker(Path(name), users, on_step)


def _print_restores(report: dict[str, Any]) -> None:
    table = Table("", "held MB", "written MB", "copy ms", "of a core", "topic MB", "restore s")
    for side in ("user", "kol"):
        first, later, compacted = (report[side][when] for when in ("first", "later", "compacted"))
        table.add_row(f"{side}, first", *_snapshot_columns(first), *_restore_columns(first))
        table.add_row(f"{side}, in traffic", *_snapshot_columns(later), *_restore_columns(later))
        table.add_row(f"{side}, compacted", "", "", "", "", *_restore_columns(compacted))
    out.print(table)
    out.print(
        f"{report['users']:,} users, {report['kols']:,} KOLs, one partition each; a snapshot "
        "for every 5 s of 20,000 events/s; p50–max",
    )


def _snapshot_columns(side: dict[str, Any]) -> tuple[str, ...]:
    written, copy = side["written_mb"], side["copy_ms"]
    return (
        f"{side['held_mb']:,}",
        f"{written['p50']:.1f}–{written['max']:.1f}",
        f"{copy['p50']:.0f}–{copy['max']:.0f}",
        f"{side['share_of_core']:.1%}",
    )


def _restore_columns(side: dict[str, Any]) -> tuple[str, ...]:
    seconds = side["restore"]["seconds"]
    return f"{side['topic_mb']:,}", f"{seconds['p50']:.2f}–{seconds['max']:.2f}"


def _print_comparison(report: dict[str, Any]) -> None:
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
    )
