"""`kol snapshots`: numbered values, and what holds at a moment."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.table import Column, Table

from streams.cli.options import FAILED, HOME, At, Home, Json, use_home
from streams.cli.screen import err, out, print_json, styled

snapshots = typer.Typer(
    no_args_is_help=True,
    help="Numbered values: what all workers take for known of contents and KOLs, and since when.",
)


@snapshots.command("list")
def list_(
    *,
    limit: Annotated[
        int, typer.Option(min=1, help="At most this many numbers, newest first.")
    ] = 20,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """List the numbers on the topic: what each says of how much, from when it holds, or why not."""
    from streams.operations.numbers import listed, moment_text, read_numbers
    from streams.settings import load

    use_home(home)
    found = listed(asyncio.run(read_numbers(load(("kafka",)))), _now())
    if as_json:
        shown = [one.as_dict() for one in found[:limit]]
        print_json({"total": len(found), "numbers": shown})
        return
    if not found:
        out.print(
            "no numbers: a trainer publishes them once `content` or `kol-profile` has records"
        )
        return
    table = Table(
        *("kind", "number", "what", "rows", "changes", "kB"),
        Column("holds from (UTC)", no_wrap=True),
        Column("state", overflow="fold"),
        show_edge=False,
    )
    for one in found[:limit]:
        what = "" if one.base is None else "base" if one.base == one.number else f"to {one.base}"
        table.add_row(
            one.kind,
            str(one.number),
            what,
            "" if one.rows is None else f"{one.rows:,}",
            "" if one.upserts is None else f"+{one.upserts:,} -{one.removed or 0:,}",
            "" if one.stored_bytes is None else f"{one.stored_bytes / 1000:,.1f}",
            "" if one.holds_from is None else moment_text(one.holds_from),
            one.state,
        )
    out.print(table)
    if len(found) > limit:
        out.print(f"{len(found) - limit:,} older ones: --limit")


@snapshots.command("show")
def show(
    kind: Annotated[str, typer.Argument(help="Kind of values, such as content or kol.")],
    key: Annotated[
        str | None, typer.Argument(help="A content or KOL; without it, the first ones of all.")
    ] = None,
    *,
    at: At = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many rows.")] = 20,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Show what holds of all contents or KOLs, or of one, for records appended at a moment."""
    from streams.operations.numbers import moment_text, read_numbers, what_holds
    from streams.settings import load

    use_home(home)
    log = asyncio.run(read_numbers(load(("kafka",))))
    found = what_holds(log, kind, None if key is None else [key], _milliseconds(at), limit)
    if as_json:
        print_json(found.as_dict())
        return
    since = moment_text(found.holds_from)
    out.print(f"number {found.number} of {found.kind}, which holds since {since} UTC")
    if found.rows:
        table = Table(*found.rows[0], show_edge=False)
        for row in found.rows:
            table.add_row(*map(_text, row.values()))
        out.print(table)
    if key is None and found.total > len(found.rows):
        out.print(f"{found.total - len(found.rows):,} more: --limit")


@snapshots.command("publish")
def publish(
    *,
    anyway: Annotated[
        bool,
        typer.Option(
            "--accept-jump",
            help="Also what is kept back because it looks like a mishap, and beside the trainer "
            "of another app.",
        ),
    ] = False,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Publish what has changed now, as the trainer does every 30 s; it may run beside one.

    Exits 1 where something is kept back.
    """
    from streams.operations.numbers import publish as publish_now
    from streams.settings import load

    use_home(home)
    done = publish_now(load(), anyway=anyway)
    kept = [f"no number of {kind} is published: {why}" for kind, why in done.refused.items()]
    if as_json:
        newest = {kind: one._asdict() for kind, one in done.newest.items()}
        print_json({"newest": newest, "refused": done.refused, "others": done.others})
    else:
        for kind, one in done.newest.items():
            out.print(styled(kind, "bold"), f" number {one.number}, {one.rows:,} rows")
        for line in [*kept, *filter(None, [done.others])]:
            err.print(line)
        if not done.newest and not kept:
            out.print("nothing is known of contents or KOLs yet")
    if kept or done.others:
        raise typer.Exit(FAILED)


def _text(value: Any) -> str:  # noqa: ANN401  # of any form
    if isinstance(value, list):
        return ", ".join(value)
    return {None: "unknown", True: "yes", False: "no"}.get(value, str(value))


def _milliseconds(at: datetime | None) -> int:
    if at is None:
        return _now()
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def _now() -> int:
    return time.time_ns() // 1_000_000
