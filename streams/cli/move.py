"""`kol topics`, `kol migrate`, `kol ingest`, `kol drain`: what moves before and with events."""

import asyncio
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from streams.cli.options import FAILED, HOME, Home, Json, at_home, err, notice, out, printed, told

if TYPE_CHECKING:
    from streams.ingest import Unusable


@told
def topics(*, home: Home = HOME, as_json: Json = False) -> None:
    """Create the topics that are missing, verify the rest."""
    from streams.broker import asked
    from streams.settings import load

    at_home(home)
    with asked(load().kafka) as broker:
        created = broker.create()
        differences = broker.differences()
    if as_json:
        printed({"created": created, "differences": [f"{d.topic} {d.what}" for d in differences]})
    else:
        out.print(f"{len(created)} topics created, {len(differences)} not as they have to be")
        for difference in differences:
            out.print(f"  {difference.topic} {difference.what}", highlight=False)
    if any(difference.fatal for difference in differences):
        raise typer.Exit(FAILED)


@told
def migrate(*, home: Home = HOME, as_json: Json = False) -> None:
    """Create the tables and views of this version; safe to run again."""
    from sinks.migrate import migrate as applied
    from streams.reading import connected
    from streams.settings import load

    at_home(home)
    conf = load().clickhouse
    client = connected(conf, database="")
    done = applied(client, conf.database, cluster=conf.cluster, definer=conf.definer)
    if as_json:
        printed({"applied": done})
    else:
        out.print(f"{len(done)} migrations applied" if done else "nothing to do")


@told
def ingest(
    files: Annotated[
        list[Path], typer.Argument(help="JSON lines; .gz, .xz and .zst are unpacked.")
    ],
    *,
    strict: Annotated[bool, typer.Option(help="Exit 1 when a line cannot be sent.")] = False,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Send files of events: {"topic": …, "value": {…}} or {"topic": …, "raw": "…"} a line."""
    at_home(home)
    for path in files:
        path.stat()  # all of them before the first is sent
    sent, unusable = asyncio.run(_sent(files))
    for line in unusable[:10]:
        err.print(f"{line.path}:{line.line}: not sent: {line.why}", highlight=False)
    if as_json:
        printed({"sent": dict(sent), "messages": sent.total(), "unusable": len(unusable)})
    else:
        told_topics = ", ".join(f"{n} to {topic}" for topic, n in sent.items()) or "nothing"
        out.print(f"sent {told_topics}; {len(unusable)} lines could not be sent")
    if strict and unusable:
        raise typer.Exit(FAILED)


async def _sent(files: list[Path]) -> tuple[Counter[str], list["Unusable"]]:
    from schemas.partitioner import partition_of
    from sinks.feed import Feed
    from streams.broker import options
    from streams.ingest import Unusable, merged
    from streams.settings import load

    conf = load().kafka
    sent: Counter[str] = Counter()
    unusable: list[Unusable] = []
    with progress() as bar:
        task = bar.add_task("sending", total=None)
        async with Feed(conf.bootstrap, options=options(conf)) as feed:
            for message in merged(files):
                if isinstance(message, Unusable):
                    unusable.append(message)
                    continue
                key = message.key
                partition = partition_of(key, conf.partitions) if key is not None else 0
                await feed.send(message.topic, partition, key, message.value)
                sent[message.topic] += 1
                if sent.total() % 1000 == 0:
                    bar.update(task, completed=sent.total())
    return sent, unusable


@told
def drain(
    *,
    seconds: Annotated[float, typer.Option(help="Give up after this long.")] = 600.0,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Wait until everything sent so far is read, stated in ClickHouse and safe."""
    from streams.broker import OUTAGE_SECONDS, asked
    from streams.draining import Watch
    from streams.draining import drain as drained
    from streams.settings import load

    at_home(home)
    settings = load()
    with progress() as bar, asked(settings.kafka, OUTAGE_SECONDS) as broker:
        task = bar.add_task("draining", total=None)

        def seen(left: int) -> None:
            bar.update(task, description=f"{left} messages to go")

        drained(broker, settings.app_id, seconds, Watch(seen, notice))
    if as_json:
        printed({"drained": True})


def progress() -> Progress:
    """A bar on stderr, only on a terminal."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}"),
        TimeElapsedColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal or bool(os.environ.get("CI")),
    )


def masked(settings: Any) -> dict[str, Any]:  # noqa: ANN401  # any settings model
    """Settings as they are in force, secrets as stars."""
    return dict(settings.model_dump(mode="json"))


@told
def config(*, home: Home = HOME, as_json: Json = False) -> None:
    """Every setting: its variable, its value in force, what it is for. Secrets are masked."""
    from streams.settings import described, environment, load

    at_home(home)
    values = masked(load())
    if as_json:
        printed(values)
        return
    flat = environment(values)
    for name, what in described().items():
        out.print(f"[bold]{name}[/]={flat[name]}  [dim]{what}[/]", highlight=False)
