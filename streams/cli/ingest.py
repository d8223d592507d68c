"""`kol ingest`: files of events, sent as they stand."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.options import FAILED, HOME, Home, Json, command, err, out, print_json, use_home
from streams.cli.progress import progress

if TYPE_CHECKING:
    from streams.operations.ingest import Unusable


@command
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
    use_home(home)
    for path in files:
        path.stat()  # all of them before the first is sent
    sent, unusable = asyncio.run(_sent(files))
    for line in unusable[:10]:
        err.print(f"{line.path}:{line.line}: not sent: {line.why}", highlight=False)
    if as_json:
        print_json({"sent": dict(sent), "messages": sent.total(), "unusable": len(unusable)})
    else:
        told_topics = ", ".join(f"{n} to {topic}" for topic, n in sent.items()) or "nothing"
        out.print(f"sent {told_topics}; {len(unusable)} lines could not be sent")
    if strict and unusable:
        raise typer.Exit(FAILED)


async def _sent(files: list[Path]) -> tuple[Counter[str], list["Unusable"]]:
    from schemas.partitioner import partition_of
    from sinks.feed import Feed
    from streams.clients.kafka_admin import options
    from streams.operations.ingest import Unusable, merged
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
