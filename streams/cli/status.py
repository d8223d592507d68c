"""`kol status`: what runs in this home."""

from typing import Any

import typer
from rich.table import Table

from streams.cli.options import FAILED, HOME, Home, Json, use_home
from streams.cli.screen import out, print_json, styled


def status(*, home: Home = HOME, as_json: Json = False) -> None:
    """Show processes, partitions of each worker, the trainer, faults, and where messages left."""
    from streams.operations.status import status_report
    from streams.settings import load

    report = status_report(use_home(home), load(()))
    if as_json:
        print_json(report)
    else:
        _print_report(report)
    if not report["processes"]:
        raise typer.Exit(FAILED)


def _print_report(report: dict[str, Any]) -> None:
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
        )
    if report["trainer"]:
        _print_trainer(report["trainer"])
    for held in report["held"]:
        out.print(styled(held["text"], "bold yellow"))
    replay = report["replay_read"]
    if replay and replay["fault"]:
        out.print(styled(replay["fault"], "bold red"))
    for title in ("doors", "rejected", "counters"):
        counts = report[title]
        if counts:
            texts = "  ".join(f"{name} {n:,}" for name, n in sorted(counts.items()))
            out.print(styled(title, "bold"), f" {texts}")


def _print_trainer(trainer: dict[str, Any]) -> None:
    page = trainer["page"] or {}
    waiting = sum(len(one["waiting"]) for one in page.get("turns", {}).values())
    waits = f", old days of {waiting} roll-ups wait for a later one" if waiting else ""
    out.print(f"trainer: {trainer['text']}{waits}")
    for one in page.get("turns", {}).values():
        if absent := one.get("absent"):
            out.print(f"no such topic, so nothing is known of it: {', '.join(absent)}")
        if found := sum(one.get("found", {}).values()):
            out.print(f"last night {found:,} rows that may not be kept were taken out")
        for topic, left in one.get("behind", {}).items():
            if left:
                out.print(f"{topic}: {left:,} records are not in its dimension yet")
    said = [trainer["fault"], "" if page else trainer["numbers"]]  # its page says it, too
    for fault in filter(None, [*said, *page.get("ready", []), *page.get("live", [])]):
        out.print(styled(f"trainer: {fault}", "bold red"))
