"""`kol up`, `kol down`, `kol worker`, `kol status`: what runs here, and how it stands."""

import json
import sys
from collections import Counter
from typing import Annotated, Any

import typer
from rich.table import Table

from streams.cli.options import FAILED, HOME, Home, Json, at_home, err, notice, out, printed, told


@told
def up(
    *,
    workers: Annotated[int, typer.Option(min=0, max=4, help="Worker processes.")] = 1,
    detach: Annotated[bool, typer.Option("--detach", help="Return once all is ready.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget all events and rows.")] = False,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Broker, engine, topics, tables and workers on this machine, loopback only."""
    from deploy.embedded.home import Home as Folder
    from deploy.embedded.supervisor import detach as detached
    from streams.cli.stack import supervisor

    folder = Folder(at_home(home))
    if fresh:
        folder.fresh()

    def say(line: str) -> None:
        err.print(f"[dim]·[/] {line}", highlight=False)

    if detach:
        argv = [sys.executable, "-m", "streams.cli", "up", "--workers", str(workers)]
        status = detached(folder, [*argv, "--home", str(folder.path)], on_change=notice)
        if as_json:
            printed(status)
        else:
            err.print(f"[green]ready[/]: kafka {status['kafka']['bootstrap']}; `kol down` stops it")
        return
    folder.take()  # before anything is prepared
    supervisor(folder, workers, say).run()


@told
def down(*, home: Home = HOME, as_json: Json = False) -> None:
    """Stop what `kol up` started; events, rows and state stay."""
    from deploy.embedded.home import Home as Folder
    from deploy.embedded.supervisor import stop

    stopped = stop(Folder(at_home(home)))
    if as_json:
        printed({"stopped": stopped})
    else:
        out.print("stopped" if stopped else "nothing was running")


@told
def worker(
    *,
    leave: Annotated[
        bool, typer.Option("--leave", help="Give the partitions up at the stop (scale-in).")
    ] = False,
    from_empty: Annotated[
        bool, typer.Option("--from-empty", help="Begin without state although offsets exist.")
    ] = False,
    accept_gap: Annotated[
        bool, typer.Option("--accept-gap", help="Go on although unread events were removed.")
    ] = False,
    home: Home = HOME,
) -> None:
    """One worker: both sides of its share of the partitions, until SIGTERM."""
    from streams.settings import load
    from streams.worker import run

    at_home(home)
    settings = load()
    given = {"from_empty": from_empty or settings.worker.from_empty}
    given["accept_gap"] = accept_gap or settings.worker.accept_gap
    settings = settings.model_copy(update={"worker": settings.worker.model_copy(update=given)})
    raise typer.Exit(run(settings, leaves=leave))


@told
def status(*, home: Home = HOME, as_json: Json = False) -> None:
    """What runs, which partitions it owns, where messages left, what is wrong."""
    report = standing(at_home(home))
    if as_json:
        printed(report)
    else:
        _shown(report)
    if not report["processes"]:
        raise typer.Exit(FAILED)


def standing(home: Any) -> dict[str, Any]:  # noqa: ANN401  # a path
    """The whole picture of one home."""
    from deploy.embedded.home import Home as Folder
    from streams.cli.stack import asked

    state = Folder(home).status() or {}
    workers = []
    for url in state.get("workers", []):
        answer = asked(f"{url}/status.json")
        workers.append({"url": url, **(json.loads(answer) if answer else {"name": "silent"})})
    report: dict[str, Any] = {
        "state": state.get("state", "down"),
        "processes": state.get("processes", []),
        "kafka": state.get("kafka", {}),
        "clickhouse": state.get("clickhouse", {}),
        "workers": workers,
        "doors": {},
        "rejected": {},
        "counters": {},
    }
    if state:
        report |= doors()
    return report


def doors() -> dict[str, dict[str, int]]:
    """Messages by door, refusals by reason, and the counters, from the rows of record."""
    from streams.reading import ReadingError, reader, rows
    from streams.settings import load

    names = {"door": "doors", "rejected": "rejected", "counter": "counters"}
    found: dict[str, Counter[str]] = {name: Counter() for name in names.values()}
    try:
        for row in rows(reader(load().clickhouse), "SELECT door, kind, n FROM v_door"):
            found[names[row["kind"]]][row["door"]] += int(row["n"])
    except ReadingError:  # not there yet: nothing has been said
        return {}
    return {name: dict(+counts) for name, counts in found.items()}  # without those that are 0


def _shown(report: dict[str, Any]) -> None:
    if not report["processes"]:
        out.print("nothing runs in this home: `kol up` or `kol demo`")
        return
    running = Table("process", "pid", "state", "restarts", title=f"{report['state']}")
    for process in report["processes"]:
        running.add_row(
            process["name"], str(process["pid"]), process["state"], str(process["restarts"])
        )
    out.print(running)
    for one in report["workers"]:
        faults = ", ".join([*one.get("ready", []), *one.get("live", [])]) or "healthy"
        lag = sum(one.get("lag", {}).values())
        out.print(
            f"{one['name']}: partitions {one.get('partitions', [])}, {lag} behind, {faults}",
            highlight=False,
        )
    for title in ("doors", "rejected", "counters"):
        counts = report[title]
        if counts:
            told_counts = "  ".join(f"{name} {n:,}" for name, n in sorted(counts.items()))
            out.print(f"[bold]{title}[/]  {told_counts}", highlight=False)
