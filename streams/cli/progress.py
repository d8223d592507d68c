"""A progress bar on a terminal; without a terminal, nothing."""

import os

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from streams.cli.options import err


def progress() -> Progress:
    """A progress bar on stderr; disabled without a terminal and in CI."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}"),
        TimeElapsedColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal or bool(os.environ.get("CI")),
    )
