"""Options that mean the same in every command, and exit codes."""

import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from streams.cli.screen import err, is_answered_yes

OK, FAILED, USAGE = 0, 1, 2

Home = Annotated[
    Path, typer.Option("--home", envvar="KOL_HOME", help="Folder of state, logs and secrets.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON value instead of text.")]
Timeout = Annotated[
    float,
    typer.Option("--timeout", min=0, metavar="SECONDS", help="Seconds to wait before giving up."),
]
Duration = Annotated[
    float, typer.Option("--duration", min=0, metavar="SECONDS", help="Seconds to run.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Go ahead without asking.")]
HOME = Path(".kol")
MOMENTS = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%d"]
At = Annotated[
    datetime | None,
    typer.Option(
        "--at", formats=MOMENTS, help="As of this moment, UTC unless it has a zone; default: now."
    ),
]


def formerly(**names: str) -> dict[str, Any]:
    """Context settings of a command that still reads an option's old name, without showing it.

    >>> formerly(seconds="timeout")["token_normalize_func"]("seconds")
    'timeout'
    """
    return {"token_normalize_func": lambda name: names.get(name, name)}


def use_home(home: Path) -> Path:
    """Make `home` the folder that settings are read from."""
    os.environ["KOL_HOME"] = str(home)
    return home


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something that cannot be undone; without a terminal, `--yes` is required."""
    if yes:
        return
    if not sys.stdin.isatty():
        err.print("this cannot be undone: add --yes")
        raise typer.Exit(USAGE)
    if not is_answered_yes(f"{question} This cannot be undone."):
        raise typer.Abort
