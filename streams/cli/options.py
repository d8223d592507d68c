"""Options that mean the same in every command, exit codes, and the way messages are printed."""

import json
import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.markup import escape

from deploy.embedded.state_folder import EmbeddedError
from streams.errors import ExpectedError

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

out = Console()
err = Console(stderr=True)


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
    typer.confirm(f"{question} This cannot be undone.", abort=True)


def print_json(value: Any) -> None:  # noqa: ANN401  # any value that JSON can hold
    """Print one JSON value on a line."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, separators=(", ", ": ")) + "\n")
    sys.stdout.flush()


def print_notice(line: str) -> None:
    """Print a message on stderr, without markup."""
    err.print(line, highlight=False, markup=False)


def print_step(line: str) -> None:
    """Print one step of what is being started on stderr."""
    err.print(f"[dim]·[/] {line}", highlight=False)


P = ParamSpec("P")
R = TypeVar("R")


def command(function: Callable[P, R]) -> Callable[P, R]:
    """A command whose expected failures are one sentence on stderr and exit code 1."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except (ExpectedError, EmbeddedError, FileNotFoundError) as error:
            err.print(f"[bold red]kol:[/] {escape(str(error))}", highlight=False)
            raise typer.Exit(FAILED) from error

    return run
