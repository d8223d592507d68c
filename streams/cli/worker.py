"""`kol worker`: run one worker."""

from typing import Annotated

import typer

from streams.cli.options import HOME, Home, use_home


def worker(
    *,
    leave: Annotated[
        bool, typer.Option("--leave", help="Release the partitions when it stops (scale-in).")
    ] = False,
    from_empty: Annotated[
        bool,
        typer.Option("--from-empty", help="Start without state although offsets are committed."),
    ] = False,
    accept_gap: Annotated[
        bool,
        typer.Option("--accept-gap", help="Continue although retention removed unread events."),
    ] = False,
    home: Home = HOME,
) -> None:
    """Run one worker, which takes its share of the partitions, until SIGTERM."""
    from streams.settings import load
    from streams.worker.process import run

    use_home(home)
    settings = load()
    given = {"from_empty": from_empty or settings.worker.from_empty}
    given["accept_gap"] = accept_gap or settings.worker.accept_gap
    settings = settings.model_copy(update={"worker": settings.worker.model_copy(update=given)})
    raise typer.Exit(run(settings, leaves=leave))
