"""What every command has: --home, --json, exit codes, and one way to speak to a person."""

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
Json = Annotated[bool, typer.Option("--json", help="Print one JSON value for machines.")]
HOME = Path(".kol")

out = Console()
err = Console(stderr=True)


def at_home(home: Path) -> Path:
    """Make `home` the folder that settings are read from."""
    os.environ["KOL_HOME"] = str(home)
    return home


def printed(value: Any) -> None:  # noqa: ANN401  # anything JSON has a word for
    """Print one JSON value."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, separators=(", ", ": ")) + "\n")
    sys.stdout.flush()


def notice(line: str) -> None:
    """Say something to who waits, on stderr, as it is."""
    err.print(line, highlight=False, markup=False)


P = ParamSpec("P")
R = TypeVar("R")


def command(function: Callable[P, R]) -> Callable[P, R]:
    """An expected failure is a sentence on stderr and exit code 1, never a traceback."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except (ExpectedError, EmbeddedError, FileNotFoundError) as error:
            err.print(f"[bold red]kol:[/] {escape(str(error))}", highlight=False)
            raise typer.Exit(FAILED) from error

    return run
