"""`kol rollup`: one turn of the roll-ups by hand."""

import asyncio
from datetime import datetime
from typing import Annotated

import typer
from rich.table import Table

from streams.cli.options import HOME, Home, Json, use_home
from streams.cli.screen import out, print_json, progress


def rollup(
    *,
    since: Annotated[
        datetime | None,
        typer.Option(
            "--from",
            formats=["%Y-%m-%d"],
            help="Recompute all days from this one on, a day of KOL_BUSINESS_ZONE.",
        ),
    ] = None,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Bring the roll-ups by hour and day up to date now, by one turn.

    Without --from it adds up what has changed. A trainer may run beside it. Of rows that the
    tables no longer hold, days stay as they are.
    """
    from streams.settings import load
    from streams.trainer.by_hand import roll_up

    use_home(home)
    settings = load()
    day = None if since is None else since.date()
    with progress() as bar:
        task = bar.add_task("statements", total=None)
        generation, report = asyncio.run(roll_up(settings, day, lambda: bar.advance(task)))
    if as_json:
        print_json({"generation": generation, "zone": settings.business_zone, **report.as_dict()})
        return
    table = Table("roll-up", "hours or days", "rows", show_edge=False)
    for name, buckets in report.buckets.items():
        table.add_row(name, f"{buckets:,}", f"{report.rows.get(name, 0):,}")
    if report.buckets:
        out.print(table)
    else:
        out.print("nothing had changed")
    out.print(f"{report.seconds:.1f} s; days are those of {settings.business_zone}")
