"""`kol ingest`: send files of events."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from streams.cli.options import FAILED, HOME, Home, Json, use_home
from streams.cli.screen import err, out, print_json, progress

SHOWN_LINES = 10  # of those that cannot be sent


def ingest(
    files: Annotated[
        list[Path], typer.Argument(help="JSON lines; .gz, .xz and .zst are unpacked.")
    ],
    *,
    strict: Annotated[bool, typer.Option(help="Exit 1 if a line cannot be sent.")] = False,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Send files of events, one {"topic": …, "value": {…}} or {"topic": …, "raw": "…"} a line."""
    from streams.operations.ingest import send_files
    from streams.settings import load

    use_home(home)
    with progress() as bar:
        task = bar.add_task("sending", total=None)
        on_sent = lambda n: bar.update(task, completed=n)  # noqa: E731  # of the bar only
        sent, unusable = asyncio.run(send_files(load(("kafka",)).kafka, files, on_sent))
    for line in unusable[:SHOWN_LINES]:
        err.print(f"{line.path}:{line.line}: not sent: {line.why}")
    if as_json:
        print_json({"sent": dict(sent), "messages": sent.total(), "unusable": len(unusable)})
    else:
        by_topic = ", ".join(f"{n} to {topic}" for topic, n in sent.items()) or "nothing"
        out.print(f"sent {by_topic}; {len(unusable)} lines could not be sent")
    if strict and unusable:
        raise typer.Exit(FAILED)
