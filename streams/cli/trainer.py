"""`kol trainer`: run the process that keeps roll-ups, dimensions and numbered values."""

from typing import Annotated

import typer

from streams.cli.options import HOME, Home, use_home

ONCE = (
    "Take each turn once, then end; for cron. Beside a living trainer it exits with 1: that one "
    "does the work already."
)


def trainer(
    *,
    once: Annotated[bool, typer.Option("--once", help=ONCE)] = False,
    turn: Annotated[
        list[str] | None,
        typer.Option(
            "--turn",
            help="Take only the turn of this name: minutes, dimensions, numbers, consents or "
            "nightly. May be given again.",
        ),
    ] = None,
    home: Home = HOME,
) -> None:
    """Run the process that keeps roll-ups, dimensions and numbered values, until SIGTERM.

    A turn is a pass over what has changed since the last one: "minutes" adds up by hour and day,
    "dimensions" reads the reference topics, "numbers" publishes what changed of contents and KOLs
    for all workers, "consents" empties what families do not allow any more, and "nightly" erases
    again what came back of erased persons.

    Of all that run for a deployment one holds the lock and takes turns; the others stand by and
    take over once it ends or its session does. Where it is down all of this stands still, and
    nothing is lost: the next turn does what is left.
    """
    from streams.settings import load
    from streams.trainer.process import run
    from streams.trainer.turns import TURNS

    use_home(home)
    unknown = sorted(set(turn or ()) - TURNS.keys())
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}: turns are {', '.join(TURNS)}")
    raise typer.Exit(run(load(), once=once, turns=turn or tuple(TURNS)))
