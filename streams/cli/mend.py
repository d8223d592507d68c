"""`kol dlq`, `kol doctor`, `kol forget`: what could not be taken, what is wrong, who has to go."""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from streams.cli.move import progress
from streams.cli.options import FAILED, HOME, USAGE, Home, Json, at_home, err, out, printed, told

if TYPE_CHECKING:
    from streams.dlq import Letter, Outcome
    from streams.doctor import Finding
    from streams.forgetting import Report

dlq = typer.Typer(no_args_is_help=True, help="Dead letters: what could not be taken.")

Reasons = Annotated[list[str] | None, typer.Option("--reason", help="Of this reason; repeatable.")]
Topics = Annotated[list[str] | None, typer.Option("--topic", help="Of this topic; repeatable.")]


@dlq.command("list")
@told
def list_(
    *,
    reason: Reasons = None,
    topic: Topics = None,
    limit: Annotated[int, typer.Option(min=0, help="Letters shown, the newest first.")] = 20,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Dead letters: how many of each topic and reason, and the newest."""
    from streams.dlq import Choice, groups, letters
    from streams.reading import reader
    from streams.settings import load

    at_home(home)
    choice = Choice.of(reason or (), topic or ())
    client = reader(load().clickhouse)
    counted, newest = groups(client, choice), letters(client, choice, limit)
    if as_json:
        total = sum(int(group["letters"]) for group in counted)
        listed = [letter.told() for letter in newest]
        printed({"total": total, "groups": counted, "letters": listed})
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
        _listed(newest)


def _listed(newest: list["Letter"]) -> None:
    table = Table("letter", "reason", "state", "error", title="newest")
    for letter in newest:
        error = Text(letter.error, overflow="fold")
        table.add_row(Text(letter.id), letter.reason, letter.state, error)
    out.print(table)


@dlq.command("show")
@told
def show(
    letter: Annotated[str, typer.Argument(metavar="TOPIC/PARTITION/OFFSET", help="Which one.")],
    *,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """One dead letter: where it was, why it is here, what it holds."""
    from streams.dlq import opened, readable
    from streams.reading import reader
    from streams.settings import load

    at_home(home)
    found, raw = opened(reader(load().clickhouse), letter)
    if as_json:
        printed(found.told() | {"bytes": len(raw)} | _payload(raw))
        return
    for name, value in found.told().items():
        if name not in {"topic", "partition", "offset"}:
            out.print(f"[bold]{name:>8}[/] ", Text(str(value)), highlight=False)
    out.print(f"[bold]   bytes[/]  {len(raw):,}", highlight=False)
    out.print(Text(readable(raw)))


def _payload(raw: bytes) -> dict[str, Any]:
    """The bytes as JSON can hold them: text, or base64; and what they say, if they say JSON."""
    import base64

    import msgspec

    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return {"encoding": "base64", "payload": base64.b64encode(raw).decode()}
    told_payload: dict[str, Any] = {"encoding": "utf8", "payload": text}
    try:
        return told_payload | {"value": msgspec.json.decode(raw)}
    except (ValueError, RecursionError):
        return told_payload


@dlq.command("retry")
@told
def retry(
    ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="TOPIC/PARTITION/OFFSET", help="These; else all new ones."),
    ] = None,
    *,
    reason: Reasons = None,
    topic: Topics = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the oldest first.")] = 1_000,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; otherwise only look.")] = False,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Also what would be refused again.")
    ] = False,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Put dead letters back on their topics, byte for byte, once their cause is mended.

    Without --yes it says what would go and what would not. Refuses what would only be too
    late or could not be read again. Exits 1 when nothing of what was chosen can go.
    """
    from streams.dlq import NEW, Choice, letters, looked, put_back
    from streams.reading import reader
    from streams.settings import load

    at_home(home)
    settings = load()
    states = () if ids else (NEW,)
    choice = Choice.of(reason or (), topic or (), ids or (), states)
    chosen = letters(reader(settings.clickhouse), choice, limit, newest=False)
    missing = sorted(set(ids or ()) - {letter.id for letter in chosen})
    with progress() as bar:
        task = bar.add_task(f"reading {len(chosen)} letters", total=None)
        greatest = _greatest(home)
        now = time.time_ns() // 1_000_000
        outcome = asyncio.run(looked(settings, chosen, greatest, now, anyway=anyway))
        if yes and outcome.going:
            bar.update(task, description="putting back", total=len(outcome.going))
            seen = lambda n: bar.update(task, completed=n)  # noqa: E731  # of the bar only
            asyncio.run(put_back(settings, outcome, seen))
    _retried(outcome, missing, as_json=as_json)
    if missing or (outcome.refused and not outcome.going):
        raise typer.Exit(FAILED)


def _retried(outcome: "Outcome", missing: list[str], *, as_json: bool) -> None:
    if as_json:
        going, refused = ([w.told() for w in ws] for ws in (outcome.going, outcome.refused))
        said = {"dry_run": not outcome.sent, "retried" if outcome.sent else "would_retry": going}
        printed(said | {"refused": refused, "missing": missing})
        return
    for one in outcome.refused:
        err.print(f"{one.letter.id} ({one.letter.reason}): {one.why_not}", markup=False)
    for name in missing:
        err.print(f"{name}: no such letter", markup=False)
    verb = "put back and marked" if outcome.sent else "would go back"
    out.print(f"{len(outcome.going)} letters {verb}, {len(outcome.refused)} stay", highlight=False)
    if outcome.going and not outcome.sent:
        out.print("nothing was done: add --yes")


def _greatest(home: Path) -> dict[tuple[str, int], int]:
    """The greatest event time of each topic partition, as the workers of this home say it."""
    found: dict[tuple[str, int], int] = {}
    for page in _pages(home).values():
        for place, at in (page or {}).get("greatest", {}).items():
            name, _, partition = place.rpartition("/")
            if at is not None:
                found[name, int(partition)] = at
    return found


def _pages(home: Path) -> dict[str, dict[str, Any] | None]:
    """How the workers of this home stand, by address; None is silence."""
    from deploy.embedded.home import Home as Folder
    from streams.cli.stack import asked

    urls = (Folder(home).status() or {}).get("workers", [])
    answers = {url: asked(f"{url}/status.json") for url in urls}
    return {url: json.loads(answer) if answer else None for url, answer in answers.items()}


@told
def doctor(*, home: Home = HOME, as_json: Json = False) -> None:
    """What is wrong, how bad it is, and how to mend it; exits 1 on a fault."""
    from deploy.embedded.home import Home as Folder
    from streams.doctor import Severity, processes
    from streams.examining import examined
    from streams.settings import load

    folder = Folder(at_home(home))
    with progress() as bar:
        bar.add_task("examining", total=None)
        found = asyncio.run(examined(load(), _pages(home)))
    found += processes((folder.status() or {}).get("processes", []), str(folder.logs))
    healthy = not any(finding.severity is Severity.FAULT for finding in found)
    if as_json:
        printed({"healthy": healthy, "findings": [finding.told() for finding in found]})
    else:
        _examined(found, healthy=healthy)
    if not healthy:
        raise typer.Exit(FAILED)


def _examined(found: list["Finding"], *, healthy: bool) -> None:
    colours = {"fine": "green", "warning": "yellow", "fault": "bold red"}
    table = Table("", "about", "what", show_edge=False)
    for finding in found:
        severity = finding.severity.value
        what = Text(finding.what)
        if finding.mend:
            what.append(f"\n→ {finding.mend}", style="dim")
        table.add_row(Text(severity, style=colours[severity]), finding.about, what)
    out.print(table)
    out.print("[green]nothing is wrong[/]" if healthy else "[bold red]something is wrong[/]")


@told
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
    from streams.forgetting import forget as forgotten
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
        printed(report.told())
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
