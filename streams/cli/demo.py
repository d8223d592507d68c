"""`kol demo`: the whole product on this machine, with believable traffic."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from deploy.embedded.state_folder import StateFolder
from streams.cli.board import live_board
from streams.cli.money import as_money
from streams.cli.options import (
    FAILED,
    Duration,
    Home,
    Json,
    use_home,
)
from streams.cli.screen import err, live, out, print_json, print_step, styled

if TYPE_CHECKING:
    from streams.operations.stack import RunningStack

DEMO_HOME = Path(".kol-demo")


def demo(
    *,
    duration: Duration = 120.0,
    rate: Annotated[float, typer.Option(min=1, help="Events a second.")] = 300.0,
    workers: Annotated[int, typer.Option(min=1, max=4, help="Worker processes to start.")] = 1,
    headless: Annotated[
        bool, typer.Option("--headless", help="Show no leaderboard, only the final report.")
    ] = False,
    home: Home = DEMO_HOME,
    as_json: Json = False,
) -> None:
    """Run the whole product on this machine with believable traffic; each run starts from empty.

    It has a home of its own: `kol top --home .kol-demo` shows it in another terminal. It never
    empties a home that `kol up` has run in. Ends with a report that accounts for every message and
    every cent; exits 1 if the sums differ.
    """
    from streams.operations.demo_report import violations
    from streams.operations.stack import RunningStack, clear_demo_home

    folder = StateFolder(use_home(home))
    clear_demo_home(folder)
    has_screen = not headless and out.is_terminal and not as_json
    stack = RunningStack(folder, workers, print_step if err.is_terminal else _print_nothing)
    try:
        stack.start()
        report = (_play_on_screen if has_screen else _play)(stack, duration, rate)
    finally:
        stack.stop()
    if as_json:
        print_json(report)
    else:
        _print_report(report)
    faults = violations(report)
    for fault in faults:
        err.print(styled("a law does not hold:", "bold red"), fault)
    if faults:
        raise typer.Exit(FAILED)


def _print_nothing(_: str) -> None:
    pass


def _play(stack: "RunningStack", duration: float, rate: float) -> dict[str, Any]:
    from streams.operations.demo import play

    return play(stack.settings, stack.urls, duration, rate, _print_nothing)


def _play_on_screen(stack: "RunningStack", duration: float, rate: float) -> dict[str, Any]:
    from streams.operations.demo import play

    settings = stack.settings

    with live(is_whole_screen=True) as shown:
        started = time.monotonic()

        def show(step: str) -> None:
            shown.update(live_board(settings, f"{step} · {time.monotonic() - started:.0f} s"))

        return play(settings, stack.urls, duration, rate, show)


def _print_report(report: dict[str, Any]) -> None:
    currency = report["currency"]
    table = Table("model", "credited", "given back", title="every order, to the cent")
    for model, cents in report["credited_cents"].items():
        refunded = report["refunded_cents"][model]
        table.add_row(model, as_money(cents, currency), as_money(refunded, currency))
    out.print(table)
    out.print(
        f"{report['messages']:,} messages, {report['orders']:,} orders worth"
        f" {as_money(report['paid_cents'], currency)}, {report['scores']:,} scores;"
        f" from message to row {report['end_to_end_ms']['p50']} ms (p50),"
        f" {report['end_to_end_ms']['p99']} ms (p99)",
    )
    held = (f"{topic} {one['rows']:,}" for topic, one in report["dimensions"].items())
    out.print(f"known beside: {', '.join(held)}")
