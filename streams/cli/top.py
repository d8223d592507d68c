"""`kol top`: who is trusted now, how sure that is, and what they earned."""

import threading
from typing import TYPE_CHECKING, Annotated

import typer
from rich.live import Live

from streams.cli.board import board
from streams.cli.options import HOME, Home, Json, at_home, command, out, printed

if TYPE_CHECKING:
    pass


@command
def top(
    *,
    seconds: Annotated[float, typer.Option(help="Watch so long; 0 shows it once.")] = 0.0,
    most: Annotated[int, typer.Option("--most", "-n", min=1, help="KOLs to show.")] = 18,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Who is trusted now, how sure that is, and what they earned."""
    from streams.operations.leaderboard import leaders, watched
    from streams.settings import load

    at_home(home)
    settings = load()
    if as_json:
        printed(leaders(settings, most))
    elif not seconds:
        out.print(board(settings, "now", most))
    else:
        with Live(console=out, refresh_per_second=4) as live:
            watched(threading.Event(), seconds, lambda: live.update(board(settings, "live", most)))
