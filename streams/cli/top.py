"""`kol top`: the leaderboard of KOLs."""

import threading
from typing import Annotated

import typer

from streams.cli.board import board, live_board
from streams.cli.options import HOME, Duration, Home, Json, use_home
from streams.cli.screen import live, out, print_json


def top(
    *,
    duration: Duration = 0.0,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, help="At most this many KOLs.")
    ] = 18,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Show which KOLs are trusted now, with intervals, and what they earned.

    Prints the leaderboard once; with --duration it is refreshed for that long.
    """
    from streams.operations.leaderboard import leaders, refresh
    from streams.settings import load

    use_home(home)
    settings = load(("clickhouse",))
    if as_json:
        print_json(leaders(settings, limit))
    elif not duration:
        out.print(board(settings, "now", limit))
    else:
        with live() as shown:

            def show() -> None:
                shown.update(live_board(settings, "live", limit))

            refresh(threading.Event(), duration, show)
