"""`kol forget`: erase a user; the credits stay."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.options import (
    FAILED,
    HOME,
    Home,
    Json,
    Timeout,
    Yes,
    confirm,
    use_home,
)
from streams.cli.screen import err, out, print_json, progress, styled

if TYPE_CHECKING:
    from streams.operations.forget.erase import Report


def forget(
    user: Annotated[str, typer.Argument(metavar="USER", help="The user_id, as in events.")],
    *,
    timeout: Timeout = 300.0,
    yes: Yes = False,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Erase a user from state, tables and topics; orders stay, anonymous, to the cent.

    Events with the same id that arrive later belong to a new user. Ends with a search through
    every table and topic, and exits 1 if it finds a trace. Safe to run again.
    """
    from streams.operations.forget.erase import forget as erase
    from streams.settings import load

    use_home(home)
    settings = load()
    confirm(f"Forget {user}?", yes=yes)
    with progress() as bar:
        task = bar.add_task("forgetting", total=None)
        on_step = lambda what: bar.update(task, description=what)  # noqa: E731  # of the bar only
        report = asyncio.run(erase(settings, user, timeout, on_step))
    if as_json:
        print_json(report.as_dict())
    else:
        _print_report(report)
    if report.traces.found:
        raise typer.Exit(FAILED)


def _print_report(report: "Report") -> None:
    done = {"orders renamed beyond what workers know": report.renamed}
    done |= {f"rows of {table} deleted": n for table, n in report.deleted.items()}
    done |= {"dead letters deleted from their topic": report.records}
    for what, n in done.items():
        out.print(f"{n:,} {what}")
    for place, n in report.traces.mentions.items():
        out.print(f"{place}: the same text {n:,} times, not as this user's id")
    if report.hidden:
        out.print(
            f"{report.hidden:,} of these rows are hidden at once and leave the disks within 7 days,"
            " by the turn `nightly` of the trainer"
        )
    for topic, n in report.references.items():
        out.print(
            f"{topic} is the shop's and has {n:,} records of this user until it takes them back"
        )
    if report.anonymous:
        ids = ", ".join(report.anonymous)
        out.print(f"anonymous ids of this user by identity, forget these, too: {ids}")
    kept = ", ".join(f"{topic} {days:g} d" for topic, days in report.inputs.items())
    out.print(f"The input topics are the shop's and keep its events: {kept}")
    for place, n in report.traces.found.items():
        err.print(f"{place}: still {n:,} traces")
    if report.traces.found:
        err.print("not forgotten yet: run it again")
    elif not report.known:
        out.print(
            styled("nobody to forget:", "yellow"),
            "no table and no topic held this id; forgotten before, or another id",
        )
    else:
        out.print(
            styled("forgotten:", "green"),
            "no trace in any table, nor in the newest word of a topic",
        )
