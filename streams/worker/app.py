"""The Faust app of one worker: two agents, and the tasks that keep its rhythm.

An agent is glue: it hands a batch of its side to the rounds. What a batch means is the
core's, when it is said and safe the rounds', who owns a partition the ownership's.
"""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import faust
from faust.types import StreamT

from schemas.columns import RecordBatch
from schemas.events import INPUTS
from schemas.topics import CELLS, ERASURES
from streams.core.moments import HORIZON_MS
from streams.core.sides import Side
from streams.settings import Kafka, Settings
from streams.transport import (
    APP_SETTINGS,
    SCHEME,
    TP,
    Wiring,
    batch_topic,
    consumer_of,
    is_current,
    wire,
)
from streams.worker.flush import Ended, Rounds
from streams.worker.health import Health
from streams.worker.pages import serve
from streams.worker.rebalance import Owner

TICK_SECONDS = 1.0
STOP_SECONDS = 6.0  # for the last round and snapshot at a stop; `shutdown` bounds all
COMMIT_SECONDS = 0.25  # offsets follow snapshots at once; `kol drain` waits for them

log = logging.getLogger(__name__)


def made(settings: Settings, datadir: Path) -> faust.App:
    """An app that reads nothing yet."""
    kafka = settings.kafka
    url = ";".join(kafka.bootstrap.split(","))
    session = settings.worker.session_seconds
    return faust.App(
        settings.app_id,
        broker=f"{SCHEME}://{url}",
        broker_credentials=credentials(kafka),
        broker_session_timeout=session,
        broker_heartbeat_interval=session / 6,
        broker_request_timeout=max(60.0, session),
        broker_rebalance_timeout=60.0,
        broker_commit_interval=COMMIT_SECONDS,
        consumer_group_instance_id=settings.worker.name or None,
        topic_partitions=kafka.partitions,
        web_enabled=False,
        worker_redirect_stdouts=False,
        datadir=datadir,
        **APP_SETTINGS,
    )


def credentials(kafka: Kafka) -> faust.SASLCredentials | faust.SSLCredentials | None:
    """How the consumer proves who it is; None for a plain connection."""
    tls = None
    if kafka.security.endswith("SSL"):
        tls = ssl.create_default_context(cafile=str(kafka.ca_file) if kafka.ca_file else None)
    if kafka.username:
        return faust.SASLCredentials(
            username=kafka.username,
            password=kafka.password.get_secret_value(),
            ssl_context=tls,
            mechanism=kafka.mechanism,
        )
    return faust.SSLCredentials(tls) if tls else None


def tie(app: faust.App, kafka: Kafka, owner: Owner, *, leaves: bool) -> None:
    """Tell the transport which topics it reads and whose the partitions are."""
    wire(
        app,
        Wiring(
            inputs=INPUTS,
            others=(ERASURES, kafka.named(CELLS)),
            hooks=owner,
            horizon_ms=HORIZON_MS,
            leaves=leaves,
            stop_s=STOP_SECONDS,
        ),
    )


def equip(app: faust.App, settings: Settings, rounds: Rounds, owner: Owner, health: Health) -> None:
    """Give an app its agents, its tasks and its pages."""
    worker = settings.worker
    known = partial(as_known, settings.kafka)

    async def fold(side: Side, stream: StreamT[RecordBatch]) -> None:
        async for event in stream.noack().events():  # type: ignore[attr-defined]  # not in StreamT
            await rounds.room()
            if is_current(app, event):  # asked last: nothing may come between it and the fold
                rounds.fold(side, known(event.value))
                await asyncio.sleep(0)  # rounds and heartbeats get their turn

    @app.agent(batch_topic(app, (*INPUTS, ERASURES)), name="user_side")
    async def user_side(stream: StreamT[RecordBatch]) -> None:
        await fold(Side.USER, stream)

    @app.agent(batch_topic(app, (settings.kafka.named(CELLS),)), name="kol_side")
    async def kol_side(stream: StreamT[RecordBatch]) -> None:
        await fold(Side.KOL, stream)

    @app.task  # type: ignore[untyped-decorator]  # Faust says no types here
    async def state() -> None:
        await every(app, worker.state_ms / 1000, lambda: rounds.round(Side.USER))

    @app.task  # type: ignore[untyped-decorator]  # Faust says no types here
    async def score() -> None:
        await every(app, worker.score_ms / 1000, lambda: rounds.round(Side.KOL))

    @app.task  # type: ignore[untyped-decorator]  # Faust says no types here
    async def tick() -> None:
        async def ticked() -> None:
            for partition in owner.held:
                ended = at_end(app, partition)
                rounds.reach(partition, ended)
                rounds.rest(partition, ended, worker.quiet_seconds)
            rounds.tell()
            health.tick()

        await every(app, TICK_SECONDS, ticked)

    @app.task  # type: ignore[untyped-decorator]  # Faust says no types here
    async def pages() -> None:
        await serve(app, health, worker.host, worker.port)


async def every(app: faust.App, seconds: float, call: Callable[[], Awaitable[None]]) -> None:
    """Call again and again until the app stops; slower when a call takes longer.

    What fails at a stop is left: the doors are closed then, and what was not said is read again.
    """
    while not app.should_stop:
        try:
            await call()
        except Exception:
            if app.should_stop:
                return
            raise
        await asyncio.sleep(seconds)


def at_end(app: faust.App, partition: int) -> dict[str, Ended]:
    """The inputs of a partition of which everything was handed out that was appended."""
    positions = {topic: consumer_of(app).read_position(TP(topic, partition)) for topic in INPUTS}
    return {
        topic: Ended(stands.given, stands.ended_at, stands.quiet_s)
        for topic, stands in positions.items()
        if stands.is_whole and stands.given is not None and stands.ended_at is not None
    }


def as_known(kafka: Kafka, batch: RecordBatch) -> RecordBatch:
    """A batch under the name that its topic has in `schemas.topics`."""
    topic = kafka.known(batch.topic)
    return batch if topic in {batch.topic, None} else replace(batch, topic=topic)


def settle(app: faust.App, kafka: Kafka, offsets: Mapping[tuple[str, int], int]) -> None:
    """These next offsets are safe: they may be committed."""
    consumer_of(app).mark_durable(
        {TP(kafka.named(topic), at): offset for (topic, at), offset in offsets.items()}
    )
