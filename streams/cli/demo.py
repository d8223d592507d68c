"""`kol demo` and `kol top`: KOLs gain and lose trust, and each order is split to the cent."""

import json
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from deploy.embedded.home import EmbeddedError
from deploy.embedded.home import Home as Folder
from streams.cli.money import yuan
from streams.cli.options import FAILED, HOME, Home, Json, at_home, err, out, printed, told
from streams.cli.run import doors

if TYPE_CHECKING:
    from deploy.embedded.supervisor import Supervisor
    from streams.settings import Settings

MARK = "made-by-demo"
WIDTH = 28  # of an interval on the screen
SEED = 20_26


@told
def demo(
    *,
    seconds: Annotated[float, typer.Option(min=1, help="Length of the live part.")] = 120.0,
    rate: Annotated[float, typer.Option(min=1, help="Events a second.")] = 300.0,
    workers: Annotated[int, typer.Option(min=1, max=4, help="Worker processes.")] = 1,
    headless: Annotated[bool, typer.Option("--headless", help="No screen, only the end.")] = False,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """All of it on this machine, with believable traffic: begins anew each time.

    Ends with an account of every message and every cent; exits 1 if a law does not hold.
    """
    from streams.settings import load

    folder = Folder(at_home(home))
    _make_room(folder)
    show = not headless and out.is_terminal and not as_json
    stack = Stack(folder, workers)
    try:
        stack.start()
        settings = load()
        report = (
            _shown(settings, stack, seconds, rate) if show else _run(settings, stack, seconds, rate)
        )
    finally:
        stack.stop()
    _ended(report, as_json=as_json)


def _make_room(folder: Folder) -> None:
    """Begin anew, but never over somebody's own events."""
    mark = folder.path / MARK
    if (folder.data / "kafka" / "meta.properties").exists() and not mark.exists():
        raise EmbeddedError(
            f"{folder.path} holds events of `kol up`: kol demo --home another-folder"
        )
    folder.fresh()
    mark.touch()


class Stack:
    """The embedded stack, kept by a thread of this process."""

    def __init__(self, folder: Folder, workers: int) -> None:
        from streams.cli.stack import supervisor

        self.urls: list[str] = []
        self._folder = folder
        self._error: BaseException | None = None
        self._supervisor: Supervisor = supervisor(folder, workers, self._say)
        self._thread = threading.Thread(target=self._run, name="supervisor")

    def start(self) -> None:
        """Return once all is ready; raises what went wrong."""
        self._thread.start()
        while not self._supervisor.ready.wait(0.1):
            if self._error is not None:
                raise self._error
        self.urls = (self._folder.status() or {}).get("workers", [])

    def stop(self) -> None:
        """Stop all."""
        if self._thread.is_alive():
            self._supervisor.ask()
            self._thread.join()

    def latency_counts(self) -> Any:  # noqa: ANN401  # an array
        """End-to-end waits of all workers, per bucket."""
        import numpy as np

        from streams.cli.stack import asked
        from streams.telemetry import LATENCY

        total = np.zeros(len(LATENCY) + 1, np.int64)
        for url in self.urls:
            answer = asked(f"{url}/status.json")
            if answer:
                total += np.array(json.loads(answer)["latency_counts"], np.int64)
        return total

    def _run(self) -> None:
        try:
            self._supervisor.run()
        except BaseException as error:  # noqa: BLE001  # told to whoever waits
            self._error = error

    def _say(self, line: str) -> None:
        if err.is_terminal and not self._supervisor_ready():
            err.print(f"[dim]·[/] {line}", highlight=False)

    def _supervisor_ready(self) -> bool:
        return hasattr(self, "_supervisor") and self._supervisor.ready.is_set()


def _run(settings: "Settings", stack: Stack, seconds: float, rate: float) -> dict[str, Any]:
    """The whole demo without a screen."""
    return _play(settings, stack, seconds, rate, lambda _: None)


def _shown(settings: "Settings", stack: Stack, seconds: float, rate: float) -> dict[str, Any]:
    """The demo with its leaderboard."""
    with Live(console=out, refresh_per_second=4, screen=True) as live:
        begun = time.monotonic()

        def look(note: str) -> None:
            live.update(board(settings, f"{note} · {time.monotonic() - begun:.0f} s"))

        return _play(settings, stack, seconds, rate, look)


def _play(
    settings: "Settings", stack: Stack, seconds: float, rate: float, look: Callable[[str], None]
) -> dict[str, Any]:
    from schemas.events import INPUTS
    from streams.broker import asked
    from streams.draining import Watch, drain
    from streams.showing import Traffic, account, watched

    traffic = Traffic(settings, rate, SEED)
    traffic.start()
    try:
        while not traffic.history_sent.wait(0.3):
            look("sending the last 90 minutes")
        with asked(settings.kafka) as broker:
            watch = Watch(lambda left: look(f"catching up: {left} to go"), look)
            drain(broker, settings.app_id, 120, watch)
        before = stack.latency_counts()
        watched(traffic.stopped, seconds, lambda: look("live"))
    finally:
        traffic.stopped.set()
        traffic.join()
    if traffic.error is not None:
        raise traffic.error
    with asked(settings.kafka) as broker:
        watch = Watch(lambda left: look(f"draining: {left} to go"), look)
        drain(broker, settings.app_id, 120, watch)
        messages = sum(broker.end_offsets(INPUTS).values())
    return account(settings, messages, stack.latency_counts() - before)


def _ended(report: dict[str, Any], *, as_json: bool) -> None:
    from streams.showing import broken

    faults = broken(report)
    if as_json:
        printed(report)
    else:
        table = Table("model", "credited", "given back", title="every order, to the cent")
        for model, cents in report["credited_cents"].items():
            table.add_row(model, yuan(cents), yuan(report["refunded_cents"][model]))
        out.print(table)
        out.print(
            f"{report['messages']:,} messages, {report['orders']:,} orders worth"
            f" {yuan(report['paid_cents'])}, {report['scores']:,} scores;"
            f" from message to row {report['end_to_end_ms']['p50']} ms (p50),"
            f" {report['end_to_end_ms']['p99']} ms (p99)",
            highlight=False,
        )
    for fault in faults:
        err.print(f"[bold red]a law does not hold:[/] {fault}", highlight=False)
    if faults:
        raise typer.Exit(FAILED)


@told
def top(
    *,
    seconds: Annotated[float, typer.Option(help="Watch so long; 0 shows it once.")] = 0.0,
    most: Annotated[int, typer.Option("--most", "-n", min=1, help="KOLs to show.")] = 18,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Who is trusted now, how sure that is, and what they earned."""
    from streams.settings import load
    from streams.showing import leaders, watched

    at_home(home)
    settings = load()
    if as_json:
        printed(leaders(settings, most))
    elif not seconds:
        out.print(board(settings, "now", most))
    else:
        with Live(console=out, refresh_per_second=4) as live:
            watched(threading.Event(), seconds, lambda: live.update(board(settings, "live", most)))


def board(settings: "Settings", note: str, most: int = 18) -> Group:
    """The leaderboard: an interval is a bar, a point would claim too much."""
    from streams.showing import leaders

    table = Table(expand=True, box=None, pad_edge=False, header_style="bold")
    table.add_column("KOL", no_wrap=True)
    table.add_column("trust 0 ─ 100", width=WIDTH + 2)
    table.add_column("", justify="right")
    table.add_column("Δ", justify="right")
    table.add_column("resonance", width=WIDTH // 2 + 2)
    table.add_column("n", justify="right")
    table.add_column("credited", justify="right")
    table.add_column("given back", justify="right")
    for row in leaders(settings, most):
        trust, lo, hi = (100 * row[name] for name in ("trust", "trust_lo", "trust_hi"))
        change = trust - 100 * row["before"]
        felt_lo, felt, felt_hi = (
            None if row[name] is None else 100 * row[name]
            for name in ("resonance_lo", "resonance", "resonance_hi")
        )
        table.add_row(
            row["kol_id"],
            interval(lo, trust, hi, WIDTH),
            f"{trust:.0f} ({lo:.0f}–{hi:.0f})",
            Text(f"{change:+.1f}", style="green" if change > 0 else "red" if change < 0 else "dim"),
            interval(felt_lo, felt, felt_hi, WIDTH // 2),
            f"{row['n_eff']:.0f}",
            yuan(int(row["credit_cents"])),
            yuan(int(row["refunded_cents"])),
        )
    told_doors = doors()
    counts = {**told_doors.get("doors", {}), **told_doors.get("rejected", {})}
    foot = "  ".join(f"{name} {n:,}" for name, n in sorted(counts.items())) or "nothing said yet"
    return Group(
        Panel(table, title=f"kol-streams · who is trusted · {note}", border_style="cyan"),
        Text(f" every message left by one door: {foot}", style="dim"),
    )


def interval(lo: float | None, at: float | None, hi: float | None, width: int) -> Text:
    """A 90 % interval on a scale from 0 to 100.

    >>> interval(0, 50, 100, 5).plain
    '━━●━━'
    """
    if lo is None or at is None or hi is None:
        return Text("—", style="dim")
    first, point, last = (min(width - 1, int(value * width / 100)) for value in (lo, at, hi))
    style = "green" if lo >= 70 else "red" if hi < 40 else "yellow"  # noqa: PLR2004  # the gates
    text = Text(" " * first + "━" * (last - first + 1), style=style)
    return Text.assemble(
        text[:point] if point else "", ("●", f"bold {style}"), text[point + 1 : last + 1]
    )
