"""`kol bench`: CPU per event beside others and beside another version; snapshots and restores."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.table import Table

from deploy.embedded.state_folder import StateFolder
from streams.cli.options import FAILED, Json
from streams.cli.screen import err, out, print_failure, print_json, progress

if TYPE_CHECKING:
    from streams.bench.testbed import Plan

EVENTS: Final = 600_000
WITH_PEERS: Final = 3_000_000  # Java compiles what it runs often: it needs to warm up

Report = dict[str, Any]


def bench(
    *,
    events: Annotated[
        int | None,
        typer.Option(
            min=60_000,  # compiled, a worker reads fewer between two looks at it
            help="Events to measure of each system in a round: 600,000; with --peers 3,000,000.",
        ),
    ] = None,
    slow_events: Annotated[
        int, typer.Option(min=0, help="Events to measure of slow peers; 0: they do not run.")
    ] = 40_000,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds in which each of them runs.")] = 7,
    workers: Annotated[str, typer.Option(help="Worker processes to start.")] = "1",
    oracle: Annotated[
        bool, typer.Option(help="Compare what was written with the oracle before it is rated.")
    ] = True,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help="Measure ours and a client alone; fail if their ratio rose by a quarter.",
        ),
    ] = False,
    store: Annotated[
        bool, typer.Option("--store", help="Store the ratio that --quick compares with.")
    ] = False,
    peers: Annotated[
        bool, typer.Option("--peers", help="Measure all peers; what cannot run is named.")
    ] = False,
    against: Annotated[
        Path | None,
        typer.Option(metavar="CHECKOUT", help="Compare with the version in another checkout."),
    ] = None,
    latency: Annotated[
        int,
        typer.Option(
            min=0, metavar="RATE", help="Measure latency at so many events a second instead."
        ),
    ] = 0,
    page: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the report with plots as HTML.")
    ] = None,
    restore: Annotated[
        int,
        typer.Option(min=0, help="Measure snapshots and restores of this many users instead."),
    ] = 0,
    as_json: Json = False,
) -> None:
    """Compare CPU per event with stock Faust, a hand-written consumer and bare clients.

    All of them read the same topics (lz4) from a real broker, by turns. Ours does everything:
    dedup, touches, orders, credits, cells, scores, snapshots, rows in ClickHouse, and every row is
    compared with the oracle before it is rated. Each figure is CPU of a window of a running
    process; a ratio is one of runs of the same round. `--workers 1,2` measures one worker, and two
    that share the partitions. `--against` compares this version with another one instead,
    `--latency` measures how long it takes until a query sees the row of a message.
    """
    if page and (restore or latency or against or quick):
        raise typer.BadParameter("only a comparison with others has plots", param_hint="--page")
    if restore:
        _show(_measure_restores(restore), _print_restores, as_json=as_json)
    elif latency:
        _show(_measure_latency(latency), _print_latency, as_json=as_json)
    elif against:
        plan = _plan(events or EVENTS, rounds, workers, oracle=oracle, slow_events=0)
        _show(_compare_trees(plan, against), _print_trees, as_json=as_json)
    elif quick:
        _be_quick(store=store, oracle=oracle, as_json=as_json)
    else:
        usual = WITH_PEERS if peers else EVENTS
        plan = _plan(events or usual, rounds, workers, oracle=oracle, slow_events=slow_events)
        report = _compare(_with_all_peers(plan) if peers else plan)
        if page:
            _write_page(report, page)
        _show(report, _print_comparison, as_json=as_json)


def _plan(events: int, rounds: int, workers: str, *, oracle: bool, slow_events: int) -> "Plan":
    from streams.bench.testbed import Plan

    try:
        counts = tuple(int(word) for word in workers.split(","))
    except ValueError:
        counts = ()
    if not counts or min(counts) < 1:
        raise typer.BadParameter("give numbers such as 1 or 1,2", param_hint="--workers")
    return Plan(
        events,
        rounds=rounds,
        workers=counts,
        slow_events=slow_events,
        has_eventless=True,
        is_checked=oracle,
    )


def _with_all_peers(plan: "Plan") -> "Plan":
    from streams.bench.checkout import PEERS

    return replace(plan, peers=tuple(peer.name for peer in PEERS))


def _compare(plan: "Plan") -> Report:
    from streams.bench.comparison import compare

    return _in_a_folder(lambda folder, on_step: compare(StateFolder(folder), plan, on_step))


def _compare_trees(plan: "Plan", other: Path) -> Report:
    from streams.bench.against import compare_trees

    return _in_a_folder(
        lambda folder, on_step: compare_trees(StateFolder(folder), plan, other, on_step)
    )


def _measure_latency(rate: int) -> Report:
    from streams.bench.latency import measure_latency

    return _in_a_folder(lambda folder, on_step: measure_latency(StateFolder(folder), rate, on_step))


def _measure_restores(users: int) -> Report:
    from streams.bench.restoring import measure_on_own_broker

    return _in_a_folder(lambda folder, on_step: measure_on_own_broker(folder, users, on_step))


def _in_a_folder(measure: Callable[[Path, Callable[[str], None]], Report]) -> Report:
    """The report of what is measured in a folder that is deleted then; its steps are shown."""
    with tempfile.TemporaryDirectory(prefix="kol-bench-") as name, progress() as bar:
        task = bar.add_task("starting broker and engine", total=None)

        def on_step(step: str) -> None:
            bar.update(task, description=step)
            if bar.disable:  # no terminal: half an hour without a word looks like a fault
                err.print(f"· {step}", markup=False)

        return measure(Path(name), on_step)


def _be_quick(*, store: bool, oracle: bool, as_json: bool) -> None:
    """Measure a few events; fail if the ratio to the client's cost is too high twice."""
    from streams.bench import quick
    from streams.bench.testbed import Plan

    plan = Plan(
        quick.EVENTS,
        quick.ROUNDS,
        peers=(),
        slow_events=0,
        ceilings=("client",),
        is_checked=oracle,
    )
    report = _compare(plan)
    if store:
        quick.store(report)
    stored = quick.stored_ratio(report["path"])
    if quick.is_slower(quick.ratio_of(report), stored):  # a busy machine may say so once
        report = min(report, _compare(plan), key=quick.ratio_of)
    ratio = quick.ratio_of(report)
    is_slower = quick.is_slower(ratio, stored)
    found = {"ours_by_client": ratio, "stored": stored, "is_slower": is_slower}
    _show(report | found, _print_quick, as_json=as_json)
    if is_slower:
        print_failure(
            f"ours costs {ratio:.2f} times a bare client, stored are {stored:.2f}: make it as fast "
            "as it was, or store the new ratio with `kol bench --quick --store`"
        )
        raise typer.Exit(FAILED)


def _write_page(report: Report, file: Path) -> None:
    from streams.bench.page import page

    file.write_text(page(report), encoding="utf-8")


def _show(report: Report, show: Callable[[Report], None], *, as_json: bool) -> None:
    """Print a report, for machines or by what shows it to a person."""
    if as_json:
        print_json(report)
    else:
        show(report)


def _print_latency(report: Report) -> None:
    table = Table("profile", "rows of", "p50 ms", "p95", "p99", "p99.9", "max", "samples")
    for profile, found in report["profiles"].items():
        for what in ("events", "orders"):
            one = found[what]
            times = (f"{one[name]:,.0f}" for name in ("p50", "p95", "p99", "p999", "max"))
            table.add_row(profile, what, *times, f"{one['samples']:,}")
    out.print(table)
    machine = report["machine"]
    out.print(
        f"{report['rate']:,} events/s for {report['seconds']} s, without the first fifth; from the "
        f"scheduled time to the row that a query sees; {machine['cores']} × {machine['cpu']}"
    )


def _print_restores(report: Report) -> None:
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


def _snapshot_columns(side: Report) -> tuple[str, ...]:
    written, copy = side["written_mb"], side["copy_ms"]
    return (
        f"{side['held_mb']:,}",
        f"{written['p50']:.1f}–{written['max']:.1f}",
        f"{copy['p50']:.0f}–{copy['max']:.0f}",
        f"{side['share_of_core']:.1%}",
    )


def _restore_columns(side: Report) -> tuple[str, ...]:
    seconds = side["restore"]["seconds"]
    return f"{side['topic_mb']:,}", f"{seconds['p50']:.2f}–{seconds['max']:.2f}"


def _print_comparison(report: Report) -> None:
    from streams.bench.page import checked_text, not_run_lines, peer_lines

    first = report["first"]
    table = Table("", "CPU µs/event", f"÷ {first}", "events/s")
    for name, cost in report["cpu_us_per_event"].items():
        ratio, speed = report["ratios"].get(name), report["events_per_second"][name]
        table.add_row(name, _interval(cost), _interval(ratio) if ratio else "1", f"{speed:,}")
    out.print(table)
    out.print(_processes(report["cpu_us"]))
    for line in (checked_text(report), *peer_lines(report), *not_run_lines(report)):
        out.print(line)
    _print_conditions(report)


def _processes(costs: dict[str, dict[str, float]]) -> Table:
    """CPU of each process beside a system, by event; the system itself comes first."""
    beside = sorted({of for parts in costs.values() for of in list(parts)[1:]})
    table = Table("CPU µs/event of", "itself", *beside)
    for name, parts in costs.items():
        own, *_ = parts.values()
        others = (f"{parts[of]:.2f}" if of in parts else "" for of in beside)
        table.add_row(name, f"{own:.2f}", *others)
    return table


def _interval(found: dict[str, float]) -> str:
    """A median and its interval of 90 %."""
    return f"{found['median']:.2f} ({found['low']:.2f}–{found['high']:.2f})"


def _print_quick(report: Report) -> None:
    from streams.bench.page import checked_text

    out.print(checked_text(report))
    ratio, stored = report["ours_by_client"], report["stored"]
    out.print(f"ours costs {ratio:.2f} times a bare client; stored are {stored:.2f}")
    _print_conditions(report)


def _print_trees(report: Report) -> None:
    table = Table("", "CPU µs/event", "events/s")
    for name, where in (("this", "this version"), ("that", report["against"])):
        cost, speed = report["cpu_us_per_event"][name], report["events_per_second"][name]
        table.add_row(where, _interval(cost), f"{speed:,}")
    out.print(table)
    ratio = report["ratio"]
    out.print(
        f"this version costs {ratio['median']:.3f} ({ratio['low']:.3f}–{ratio['high']:.3f}) of the "
        f"other; credits and doors are {'equal' if report['same_totals'] else 'NOT equal'}"
    )
    _print_conditions(report)


def _print_conditions(report: Report) -> None:
    """Print what was measured, and on what."""
    machine, made = report["machine"], report["input"]
    out.print(
        f"{report['rounds']} rounds, {report['repeated']} more were repeated since their ceiling "
        f"moved, {report['disturbed']} count although it did; {made['events']:,} messages, SHA-256 "
        f"{made['sha256'][:12]}…; {machine['cores']} × {machine['cpu']}, Python {machine['python']}"
    )
