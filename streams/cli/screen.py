r"""The one way of text to the terminal; no command prints by any other.

Text of ids, file names, rows and errors comes from outside. So a string is shown as it is: never
as markup, its control characters as escapes such as `\x1b`. Only `styled` gives a style.
"""

import json
import os
import sys
import traceback
from collections.abc import Iterable
from typing import Any

import typer
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.segment import Segment
from rich.text import Text

from schemas.escapes import escaped, escaped_json, escaped_lines

Shown = RenderableType  # text, a table, a panel


class Screen(Console):
    """A terminal that reads no markup and shows control characters as escapes."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False)

    def render_str(self, text: str, **options: Any) -> Text:  # noqa: ANN401  # as rich's
        """A string as one line of text, whether it is printed, in a table or in a title."""
        given = {**options, "markup": False, "emoji": False}
        return super().render_str(escaped(text), **given)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Everything that reaches the terminal; also what was not made by `render_str`."""
        for segment in super().render(renderable, options):
            if segment.control:  # of rich itself, such as moving the cursor
                yield segment
            else:
                yield segment._replace(text=escaped_lines(segment.text))


out = Screen()
err = Screen(stderr=True)


def accept_every_character() -> None:
    """Show what the terminal's encoding lacks as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):  # a test's stream may have none
            reconfigure(errors="backslashreplace")


def styled(text: str, style: str = "") -> Text:
    """A string as one line of text in that style, such as "bold red"."""
    return Text(escaped(text), style)


def lines(text: str) -> Text:
    """Text of several lines, each as it is."""
    return Text(escaped_lines(text), overflow="fold")


def panel(body: Shown, title: str) -> Panel:
    """A frame around something, with a title."""
    return Panel(body, title=styled(title), border_style="cyan")


def stacked(*parts: Shown) -> Shown:
    """Several things, one below the other."""
    return Group(*parts)


def live(*, is_whole_screen: bool = False) -> Live:
    """Something on stdout that changes: `update` shows it anew."""
    return Live(console=out, refresh_per_second=4, screen=is_whole_screen)


def progress() -> Progress:
    """A progress bar on stderr; disabled without a terminal and in CI."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.completed}", markup=False),
        TimeElapsedColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal or bool(os.environ.get("CI")),
    )


def is_answered_yes(question: str) -> bool:
    """Whether a person answers `question` with yes; anything else is no."""
    err.print(f"{question} [y/N]:", end=" ")
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def print_json(value: Any) -> None:  # noqa: ANN401  # any value that JSON can hold
    """Print one JSON value on a line: UTF-8 whatever it holds, control characters escaped."""
    is_unicode = out.encoding.startswith("utf")
    document = json.dumps(value, ensure_ascii=not is_unicode, separators=(", ", ": "))
    out.file.write(escaped_json(document) + "\n")
    out.file.flush()


def print_notice(line: str) -> None:
    """Print a message on stderr."""
    err.print(line)


def print_step(line: str) -> None:
    """Print one step of what is being started on stderr."""
    err.print(styled("·", "dim"), line)


def print_failure(message: str) -> None:
    """Print why a command fails on stderr; further lines of the message are indented."""
    first, *further = message.rstrip("\n").split("\n")
    err.print(styled("kol:", "bold red"), first, soft_wrap=True)
    for line in further:
        err.print(f"  {line}", soft_wrap=True)


def print_traceback(error: BaseException) -> None:
    """Print where an exception was raised on stderr, for who mends it."""
    err.print(lines("".join(traceback.format_exception(error))), soft_wrap=True)


def print_usage(context: typer.Context) -> None:
    """Print how a command is typed on stderr."""
    err.print(lines(context.get_usage()))
    err.print(styled(f"Try '{context.command_path} --help' for help.", "dim"))
