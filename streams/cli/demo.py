"""`kol demo`: KOLs gain and lose trust, and each order is split to the cent."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.live import Live
from rich.table import Table

from deploy.embedded.state_folder import EmbeddedError, StateFolder
from streams.cli.board import board
from streams.cli.money import as_yuan
from streams.cli.options import (
    FAILED,
    HOME,
    Duration,
    Home,
    Json,
    command,
    err,
    out,
    print_json,
    use_home,
)

if TYPE_CHECKING:
    from streams.operations.stack import RunningStack
    from streams.settings import Settings

MARK = "made-by-demo"
SEED = 20_26


@command
def demo(
    *,
    duration: Duration = 120.0,
    rate: Annotated[float, typer.Option(min=1, help="Events a second.")] = 300.0,
    workers: Annotated[int, typer.Option(min=1, max=4, help="Worker processes to start.")] = 1,
    headless: Annotated[bool, typer.Option("--headless", help="No screen, only the end.")] = False,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """All of it on this machine, with believable traffic: begins anew each time.

    Ends with an account of every message and every cent; exits 1 if a law does not hold.
    """
    from streams.operations.stack import RunningStack
    from streams.settings import load

    folder = StateFolder(use_home(home))
    _make_room(folder)
    show = not headless and out.is_terminal and not as_json
    stack = RunningStack(folder, workers, _progress)
    try:
        stack.start()
        settings = load()
        report = (_shown if show else _run)(settings, stack, duration, rate)
    finally:
        stack.stop()
    _ended(report, as_json=as_json)


def _make_room(folder: StateFolder) -> None:
    """Begin anew, but never over somebody's own events."""
    mark = folder.path / MARK
    if (folder.data / "kafka" / "meta.properties").exists() and not mark.exists():
        raise EmbeddedError(
            f"{folder.path} holds events of `kol up`: kol demo --home another-folder"
        )
    folder.fresh()
    mark.touch()


def _progress(line: str) -> None:
    if err.is_terminal:
        err.print(f"[dim]·[/] {line}", highlight=False)


def _run(
    settings: "Settings", stack: "RunningStack", duration: float, rate: float
) -> dict[str, Any]:
    """The whole demo without a screen."""
    return _play(settings, stack, duration, rate, lambda _: None)


def _shown(
    settings: "Settings", stack: "RunningStack", duration: float, rate: float
) -> dict[str, Any]:
    """The demo with its leaderboard."""
    with Live(console=out, refresh_per_second=4, screen=True) as live:
        begun = time.monotonic()

        def look(note: str) -> None:
            live.update(board(settings, f"{note} · {time.monotonic() - begun:.0f} s"))

        return _play(settings, stack, duration, rate, look)


def _play(
    settings: "Settings",
    stack: "RunningStack",
    duration: float,
    rate: float,
    look: Callable[[str], None],
) -> dict[str, Any]:
    from schemas.events import INPUTS
    from streams.clients.kafka_admin import kafka_admin
    from streams.clients.worker_pages import latency_counts
    from streams.operations.demo_traffic import Traffic, account
    from streams.operations.drain import Observer, drain
    from streams.operations.leaderboard import watched

    traffic = Traffic(settings, rate, SEED)
    traffic.start()
    try:
        while not traffic.history_sent.wait(0.3):
            look("sending the last 90 minutes")
        with kafka_admin(settings.kafka) as broker:
            watch = Observer(lambda left: look(f"catching up: {left} to go"), look)
            drain(broker, settings.app_id, 120, watch)
        before = latency_counts(stack.urls)
        watched(traffic.stopped, duration, lambda: look("live"))
    finally:
        traffic.stopped.set()
        traffic.join()
    if traffic.error is not None:
        raise traffic.error
    with kafka_admin(settings.kafka) as broker:
        watch = Observer(lambda left: look(f"draining: {left} to go"), look)
        drain(broker, settings.app_id, 120, watch)
        messages = sum(broker.end_offsets(INPUTS).values())
    return account(settings, messages, latency_counts(stack.urls) - before)


def _ended(report: dict[str, Any], *, as_json: bool) -> None:
    from streams.operations.demo_traffic import broken

    faults = broken(report)
    if as_json:
        print_json(report)
    else:
        table = Table("model", "credited", "given back", title="every order, to the cent")
        for model, cents in report["credited_cents"].items():
            table.add_row(model, as_yuan(cents), as_yuan(report["refunded_cents"][model]))
        out.print(table)
        out.print(
            f"{report['messages']:,} messages, {report['orders']:,} orders worth"
            f" {as_yuan(report['paid_cents'])}, {report['scores']:,} scores;"
            f" from message to row {report['end_to_end_ms']['p50']} ms (p50),"
            f" {report['end_to_end_ms']['p99']} ms (p99)",
            highlight=False,
        )
    for fault in faults:
        err.print(f"[bold red]a law does not hold:[/] {fault}", highlight=False)
    if faults:
        raise typer.Exit(FAILED)
