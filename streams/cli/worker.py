"""`kol worker`: one worker, until it is asked to stop."""

from typing import Annotated

import typer

from streams.cli.options import HOME, Home, command, use_home


@command
def worker(
    *,
    leave: Annotated[
        bool, typer.Option("--leave", help="Give the partitions up at the stop (scale-in).")
    ] = False,
    from_empty: Annotated[
        bool, typer.Option("--from-empty", help="Begin without state although offsets exist.")
    ] = False,
    accept_gap: Annotated[
        bool, typer.Option("--accept-gap", help="Go on although unread events were removed.")
    ] = False,
    home: Home = HOME,
) -> None:
    """One worker: both sides of its share of the partitions, until SIGTERM."""
    from streams.settings import load
    from streams.worker.process import run

    use_home(home)
    settings = load()
    given = {"from_empty": from_empty or settings.worker.from_empty}
    given["accept_gap"] = accept_gap or settings.worker.accept_gap
    settings = settings.model_copy(update={"worker": settings.worker.model_copy(update=given)})
    raise typer.Exit(run(settings, leaves=leave))
