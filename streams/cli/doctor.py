"""`kol doctor`: what is wrong with a deployment, and how to mend it."""

import asyncio
from typing import TYPE_CHECKING

import typer
from rich.table import Table

from streams.cli.options import FAILED, HOME, Home, Json, use_home
from streams.cli.screen import out, print_json, progress, styled

if TYPE_CHECKING:
    from streams.operations.doctor.findings import Finding


def doctor(*, home: Home = HOME, as_json: Json = False) -> None:
    """Check brokers, topics, ClickHouse, clocks and workers, and say how to mend faults.

    Exits 1 if there is a fault.
    """
    from deploy.embedded.state_folder import StateFolder
    from streams.operations.doctor.facts import examine
    from streams.operations.doctor.findings import Severity
    from streams.operations.doctor.worker_findings import processes
    from streams.operations.status import worker_statuses
    from streams.settings import load

    folder = StateFolder(use_home(home))
    with progress() as bar:
        bar.add_task("examining", total=None)
        found = asyncio.run(examine(load(), worker_statuses(home)))
    found += processes((folder.status() or {}).get("processes", []), str(folder.logs))
    healthy = not any(finding.severity is Severity.FAULT for finding in found)
    if as_json:
        print_json({"healthy": healthy, "findings": [finding.as_dict() for finding in found]})
    else:
        _print_findings(found, healthy=healthy)
    if not healthy:
        raise typer.Exit(FAILED)


def _print_findings(found: list["Finding"], *, healthy: bool) -> None:
    colours = {"fine": "green", "warning": "yellow", "fault": "bold red"}
    table = Table("", "about", "what", show_edge=False)
    for finding in found:
        severity = finding.severity.value
        what = styled(finding.what)
        if finding.mend:
            what.append("\n").append(styled(f"→ {finding.mend}", "dim"))
        table.add_row(styled(severity, colours[severity]), finding.about, what)
    out.print(table)
    warnings = sum(finding.severity.value == "warning" for finding in found)
    if not healthy:
        out.print(styled("something is wrong", "bold red"))
    elif warnings:
        out.print(styled(f"no fault, but {warnings} to look at: see each warning", "yellow"))
    else:
        out.print(styled("nothing is wrong", "green"))
