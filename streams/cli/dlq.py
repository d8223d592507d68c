"""`kol dlq`: list, show and retry dead letters."""

import asyncio
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Column, Table

from streams.cli.options import (
    FAILED,
    HOME,
    Home,
    Json,
    Yes,
    use_home,
)
from streams.cli.screen import err, lines, out, print_json, progress, styled

if TYPE_CHECKING:
    from schemas.letters import Letter
    from streams.operations.dlq.retry import Outcome


dlq = typer.Typer(
    no_args_is_help=True,
    help="List, show and retry dead letters: messages that were rejected, rows that were refused.",
)


Reasons = Annotated[
    list[str] | None, typer.Option("--reason", help="Only letters with this reason; repeatable.")
]


Topics = Annotated[
    list[str] | None, typer.Option("--topic", help="Only letters of this topic; repeatable.")
]


@dlq.command("list")
def list_(
    *,
    reason: Reasons = None,
    topic: Topics = None,
    limit: Annotated[
        int, typer.Option(min=0, help="At most this many letters, newest first.")
    ] = 20,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Count dead letters by topic and reason, and list the newest."""
    from streams.clients.clickhouse import reader
    from streams.operations.dlq.letters import Selection, count_by_reason, find_letters
    from streams.settings import load

    use_home(home)
    selection = Selection.of(reason or (), topic or ())
    client = reader(load(("clickhouse",)).clickhouse)
    counted, newest = count_by_reason(client, selection), find_letters(client, selection, limit)
    if as_json:
        total = sum(int(group["letters"]) for group in counted)
        listed = [letter.as_dict() for letter in newest]
        print_json({"total": total, "groups": counted, "letters": listed})
        return
    if not counted:
        out.print("no dead letters")
        return
    table = Table("topic", "reason", "state", "letters", "newest (UTC)")
    for group in counted:
        name = group["topic"] or group["target"]
        table.add_row(
            name, group["reason"], group["state"], f"{group['letters']:,}", group["newest"]
        )
    out.print(table)
    if newest:
        _print_letters(newest)


def _print_letters(newest: list["Letter"]) -> None:
    table = Table("letter", "reason", "state", Column("error", overflow="fold"), title="newest")
    for letter in newest:
        table.add_row(letter.id, letter.reason, letter.state, letter.error)
    out.print(table)


@dlq.command("show")
def show(
    letter: Annotated[
        str, typer.Argument(metavar="TOPIC/PARTITION/OFFSET", help="Id of the letter.")
    ],
    *,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Show a dead letter: its place on the topic, the reason, and its bytes."""
    from streams.clients.clickhouse import reader
    from streams.operations.dlq.letters import as_text, letter_with_bytes
    from streams.settings import load

    use_home(home)
    found, raw = letter_with_bytes(reader(load(("clickhouse",)).clickhouse), letter)
    if as_json:
        print_json(found.as_dict() | {"bytes": len(raw)} | _payload(raw))
        return
    for name, value in found.as_dict().items():
        if name not in {"topic", "partition", "offset"}:
            out.print(styled(f"{name:>8}", "bold"), f" {value}")
    out.print(styled(f"{'bytes':>8}", "bold"), f" {len(raw):,}")
    out.print(lines(as_text(raw)))


def _payload(raw: bytes) -> dict[str, Any]:
    """The bytes as text or base64, and their value if they are JSON."""
    import msgspec

    from schemas.letters import encoded

    encoding, text = encoded(raw)
    payload: dict[str, Any] = {"encoding": encoding, "payload": text}
    try:
        return payload | {"value": msgspec.json.decode(raw)}
    except (ValueError, RecursionError):
        return payload


@dlq.command("retry")
def retry(
    ids: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TOPIC/PARTITION/OFFSET",
            help="Ids of letters; all new letters if none is given.",
        ),
    ] = None,
    *,
    reason: Reasons = None,
    topic: Topics = None,
    limit: Annotated[
        int, typer.Option(min=1, help="At most this many letters, oldest first.")
    ] = 1_000,
    yes: Yes = False,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Also retry what would be rejected again.")
    ] = False,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Send dead letters to their topics again, byte for byte, once their cause is mended.

    Without --yes it only lists which letters it would send, and why it would not send the others:
    they would be too late, or be rejected again. Exits 1 if none of the chosen letters can be sent.
    """
    from schemas.letters import NEW
    from streams.clients.clickhouse import reader
    from streams.operations.dlq.letters import Selection, count_by_reason, find_letters
    from streams.operations.dlq.retry import assess, send_again
    from streams.operations.status import greatest_times
    from streams.settings import load

    use_home(home)
    settings = load()
    states = () if ids else (NEW,)
    selection = Selection.of(reason or (), topic or (), ids or (), states)
    client = reader(settings.clickhouse)
    chosen = find_letters(client, selection, limit, newest=False)
    selected = sum(int(group["letters"]) for group in count_by_reason(client, selection))
    beyond = max(selected - len(chosen), 0)
    missing = sorted(set(ids or ()) - {letter.id for letter in chosen})
    with progress() as bar:
        task = bar.add_task(f"reading {len(chosen)} letters", total=None)
        reported = greatest_times(home)
        now = time.time_ns() // 1_000_000
        outcome = asyncio.run(assess(settings, chosen, reported, now, anyway=anyway))
        if yes and outcome.accepted:
            bar.update(task, description="putting back", total=len(outcome.accepted))
            on_sent = lambda n: bar.update(task, completed=n)  # noqa: E731  # of the bar only
            asyncio.run(send_again(settings, outcome, on_sent))
    _print_outcome(outcome, missing, beyond, as_json=as_json)
    if missing or (outcome.refused and not outcome.accepted):
        raise typer.Exit(FAILED)


def _print_outcome(outcome: "Outcome", missing: list[str], beyond: int, *, as_json: bool) -> None:
    """Print what was done; `beyond` letters were selected and not looked at, for the limit."""
    if as_json:
        accepted = [target.as_dict() for target in outcome.accepted]
        refused = [target.as_dict() for target in outcome.refused]
        key = "retried" if outcome.sent else "would_retry"
        report = {"dry_run": not outcome.sent, key: accepted}
        print_json(report | {"refused": refused, "missing": missing, "beyond_limit": beyond})
        return
    for one in outcome.refused:
        err.print(f"{one.letter.id} ({one.letter.reason}): {one.why_not}")
    for name in missing:
        err.print(f"{name}: no such letter")
    verb = "put back and marked" if outcome.sent else "would go back"
    out.print(f"{len(outcome.accepted)} letters {verb}, {len(outcome.refused)} stay")
    if beyond:
        out.print(f"{beyond:,} more were not looked at: run it again, or with a higher --limit")
    if outcome.accepted and not outcome.sent:
        out.print("nothing was done: add --yes")
