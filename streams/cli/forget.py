"""`kol forget`: a user goes, the credits stay."""

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.options import FAILED, HOME, USAGE, Home, Json, at_home, command, err, out, printed
from streams.cli.progress import progress

if TYPE_CHECKING:
    from streams.operations.forget.erase import Report


@command
def forget(
    user: Annotated[str, typer.Argument(metavar="USER", help="The user_id, as events have it.")],
    *,
    seconds: Annotated[float, typer.Option(min=1, help="Wait this long for the workers.")] = 300.0,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Forget a user: state and dead letters go, orders stay as nobody's, to the cent.

    Whoever comes later under the same id is somebody new. Ends with a search through every
    table and topic; exits 1 when it finds something left. Safe to run again.
    """
    from streams.operations.forget.erase import forget as forgotten
    from streams.settings import load

    at_home(home)
    if not yes:
        if not sys.stdin.isatty():
            err.print("this cannot be undone: add --yes")
            raise typer.Exit(USAGE)
        typer.confirm(f"Forget {user}? This cannot be undone.", abort=True)
    settings = load()
    with progress() as bar:
        task = bar.add_task("forgetting", total=None)
        say = lambda what: bar.update(task, description=what)  # noqa: E731  # of the bar only
        report = asyncio.run(forgotten(settings, user, seconds, say))
    if as_json:
        printed(report.as_dict())
    else:
        _forgotten(report)
    if report.traces.found:
        raise typer.Exit(FAILED)


def _forgotten(report: "Report") -> None:
    done = {"orders renamed beyond what workers know": report.renamed}
    done |= {f"rows of {table} deleted": n for table, n in report.deleted.items()}
    done |= {"dead letters taken from their topic": report.records}
    for what, n in done.items():
        out.print(f"{n:,} {what}", highlight=False)
    for place, n in report.traces.mentions.items():
        out.print(f"{place}: the same text {n:,} times, not as this user's id", markup=False)
    kept = ", ".join(f"{topic} {days:g} d" for topic, days in report.inputs.items())
    out.print(f"The input topics are the shop's and keep its events: {kept}", highlight=False)
    for place, n in report.traces.found.items():
        err.print(f"{place}: still {n:,} traces", markup=False)
    if report.traces.found:
        err.print("not forgotten yet: run it again")
    else:
        out.print("[green]forgotten[/]: no trace in any table, nor in the newest word of a topic")
