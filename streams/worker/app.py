"""The Faust app of one worker: two agents, and the loops that run beside them.

An agent hands each batch of its side to the intake and does nothing else.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import faust
from faust.types import StreamT

from schemas.columns import RecordBatch
from schemas.consents import HOLDS_AFTER_MS
from schemas.events import INPUTS
from schemas.reference_types import CONSENTS
from schemas.topics import CELLS, ERASURES
from streams.core.moments import HORIZON_MS
from streams.core.sides import Side
from streams.runtime.pages import serve
from streams.settings import Kafka, Settings
from streams.transport import (
    APP_SETTINGS,
    SCHEME,
    TP,
    Hooks,
    Wiring,
    batch_topic,
    consumer_of,
    is_current,
    wire,
)
from streams.worker.flush import FlushLoop
from streams.worker.formats import formats, protocol
from streams.worker.health import Health
from streams.worker.intake import Intake
from streams.worker.lane_table import LaneTable
from streams.worker.loop_lag import LOOK_SECONDS, LoopLag
from streams.worker.naming import member_finder
from streams.worker.numbers_reader import NumbersReader
from streams.worker.outputs import Outputs
from streams.worker.read_ahead import Beside, Progress, ReachedEnd
from streams.worker.snapshotting import Release
from streams.worker.user_lane import SKEW_MS, InputEnd

TICK_SECONDS = 1.0
EVENTS_SECONDS = 0.05  # from one look whether rows of `event` are due to the next
METADATA_SECONDS = 5.0  # a topic that gets more partitions is noticed within this
STOP_SECONDS = 6.0  # for the last flush and snapshot at a stop; `shutdown` bounds all
GIVE_UP_SECONDS = 60.0  # numbered values that no record asks for any more leave memory
COMMIT_SECONDS = 0.25  # offsets follow snapshots at once; `kol drain` waits for them


def create_app(settings: Settings, datadir: Path) -> faust.App:
    """An app without agents, so that it reads nothing yet."""
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
        consumer_metadata_max_age_ms=int(METADATA_SECONDS * 1000),
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


def wire_transport(app: faust.App, settings: Settings, hooks: Hooks, *, leaves: bool) -> None:
    """Say which topics the transport reads, and who is told of rebalances."""
    kafka, find_member = settings.kafka, member_finder(settings)

    def find_holder() -> str | None:
        member = find_member()
        return None if member is None else member.member_id

    wire(
        app,
        Wiring(
            inputs=tuple(map(kafka.broker_topic, INPUTS)),
            others=(ERASURES, CONSENTS, kafka.broker_topic(CELLS)),
            hooks=hooks,
            horizon_ms=HORIZON_MS,
            first=frozenset({CONSENTS}) if settings.clickhouse.events else frozenset(),
            keyed=frozenset({CONSENTS}),
            protocol=protocol(formats()),
            leaves=leaves,
            find_holder=find_holder if settings.worker.name else None,
            stop_s=STOP_SECONDS,
        ),
    )


def add_agents(app: faust.App, kafka: Kafka, intake: Intake) -> None:
    """An agent for each side, and one for what inputs may have to wait for."""

    async def fold(side: Side, stream: StreamT[RecordBatch]) -> None:
        async for event in stream.noack().events():  # type: ignore[attr-defined]  # not in StreamT
            await intake.backpressure.wait_for_capacity()
            if side is Side.USER:
                await intake.read_ahead.wait(event.value, partial(is_current, app, event))
            await intake.wait_for_copy(side, event.value.partition)
            if is_current(app, event):  # asked last: nothing may come between it and the fold
                intake.fold(side, with_known_topic(kafka, event.value))
                await asyncio.sleep(0)  # flushes and heartbeats get their turn

    @app.agent(batch_topic(app, (*map(kafka.broker_topic, INPUTS), ERASURES)), name="user_side")
    async def user_side(stream: StreamT[RecordBatch]) -> None:
        await fold(Side.USER, stream)

    @app.agent(batch_topic(app, (CONSENTS,)), name="consents")
    async def consents(stream: StreamT[RecordBatch]) -> None:
        async for event in stream.noack().events():  # type: ignore[attr-defined]  # not in StreamT
            await intake.wait_for_copy(Side.USER, event.value.partition)
            if is_current(app, event):
                intake.fold(Side.USER, event.value)
                await asyncio.sleep(0)

    @app.agent(batch_topic(app, (kafka.broker_topic(CELLS),)), name="kol_side")
    async def kol_side(stream: StreamT[RecordBatch]) -> None:
        await fold(Side.KOL, stream)


def add_loops(
    app: faust.App,
    settings: Settings,
    flush_loop: FlushLoop,
    lanes: LaneTable,
    each_second: Sequence[Callable[[], None]],
) -> None:
    """What runs again and again: a flush of each side, and once a second a look around."""
    worker = settings.worker

    @app.task  # type: ignore[untyped-decorator]  # Faust says no types here
    async def flush_user_side() -> None:
        await repeat(app, worker.state_ms / 1000, flush_loop.flush_user_side)

    @app.task  # type: ignore[untyped-decorator]  # Faust says no types here
    async def flush_kol_side() -> None:
        await repeat(app, worker.score_ms / 1000, lambda: flush_loop.flush(Side.KOL))

    @app.task  # type: ignore[untyped-decorator]  # Faust says no types here
    async def flush_events() -> None:
        await repeat(app, min(worker.events_ms / 1000, EVENTS_SECONDS), flush_loop.flush_events)

    async def tick() -> None:
        for lane in lanes.user.values():
            ends = inputs_at_end(app, settings.kafka, lane.partition)
            lane.mark_read_to(ends)
            lane.advance_idle_inputs(ends, worker.quiet_seconds, lanes.clock())
        for call in each_second:
            call()

    @app.task  # type: ignore[untyped-decorator]  # Faust says no types here
    async def tick_each_second() -> None:
        await repeat(app, TICK_SECONDS, tick)


def add_loop_lag(app: faust.App, lag: LoopLag) -> None:
    """Look again and again how late it is."""

    @app.task  # type: ignore[untyped-decorator]  # Faust says no types here
    async def look_how_late_it_is() -> None:
        await repeat(app, LOOK_SECONDS, lag.look)


def add_outputs(app: faust.App, outputs: Outputs) -> None:
    """Open them at the start, close them at the end."""

    @app.task  # type: ignore[untyped-decorator]  # Faust says no types here
    async def open_outputs() -> None:
        await outputs.open()

    @app.on_before_shutdown.connect
    async def close_outputs(*_: object, **__: object) -> None:
        await outputs.close()


def add_numbers(app: faust.App, numbers: NumbersReader, lanes: LaneTable) -> None:
    """Let go what nobody asks for any more; end the reading of numbers with the app."""

    async def give_up() -> None:
        records = [lane.read_to for lane in lanes.user.values()]
        minutes = [lane.memory.asks_from for lane in lanes.kol.values()]
        if records or minutes:
            numbers.give_up(min(records + minutes))

    @app.task  # type: ignore[untyped-decorator]  # Faust says no types here
    async def give_up_numbers() -> None:
        await repeat(app, GIVE_UP_SECONDS, give_up)

    @app.on_before_shutdown.connect
    async def stop_numbers(*_: object, **__: object) -> None:
        numbers.stop()


def add_pages(app: faust.App, settings: Settings, health: Health) -> None:
    """Metrics, health and status over HTTP."""

    @app.task  # type: ignore[untyped-decorator]  # Faust says no types here
    async def serve_pages() -> None:
        await serve(health, settings.worker.host, settings.worker.port, app.wait_for_stopped)


async def repeat(
    app: faust.App, seconds: float, call: Callable[[], Awaitable[float | None]]
) -> None:
    """Call again and again until the app stops, `seconds` after each call has ended.

    A call may give the seconds that it wants to be left alone for; the longer time counts.

    What fails during a stop is ignored: outputs are closed then, and what was not written is
    read again.
    """
    while not app.should_stop:
        try:
            wanted = await call()
        except Exception:
            if app.should_stop:
                return
            raise
        await asyncio.sleep(max(seconds, wanted or 0))


def inputs_at_end(app: faust.App, kafka: Kafka, partition: int) -> dict[str, InputEnd]:
    """The inputs of a partition of which everything was delivered that was appended."""
    positions = {
        topic: consumer_of(app).read_position(TP(kafka.broker_topic(topic), partition))
        for topic in INPUTS
    }
    return {
        topic: InputEnd(at.delivered, at.end_at, at.idle_s)
        for topic, at in positions.items()
        if at.is_at_high_watermark and at.delivered is not None and at.end_at is not None
    }


def beside(
    app: faust.App, settings: Settings, lanes: LaneTable, numbers: NumbersReader
) -> list[Beside]:
    """What inputs wait for: consents speak of rows of `event` only, numbers of all that is made."""
    consents = [consents_beside(app, lanes)] if settings.clickhouse.events else []
    return [*consents, numbers.beside()]


def consents_beside(app: faust.App, lanes: LaneTable) -> Beside:
    """What a batch waits for: the consents of its users, its partition of `kol-consents`."""

    def progress(partition: int) -> Progress | None:
        lane = lanes.user.get(partition)
        if lane is None:
            return None
        return lane.progress(CONSENTS, consumer_of(app).read_position(TP(CONSENTS, partition)))

    def reached(partition: int) -> ReachedEnd | None:
        lane = lanes.user.get(partition)
        return None if lane is None else lane.consents

    return Beside(CONSENTS, HOLDS_AFTER_MS - SKEW_MS, progress, reached)


def with_known_topic(kafka: Kafka, batch: RecordBatch) -> RecordBatch:
    """A batch under the name that its topic has in `schemas.topics`."""
    topic = kafka.plain_topic(batch.topic)
    return batch if topic in {batch.topic, None} else replace(batch, topic=topic)


def offset_release(app: faust.App, kafka: Kafka) -> Release:
    """A function that lets the transport commit next offsets, once they are durable."""

    def release(offsets: Mapping[tuple[str, int], int]) -> None:
        consumer_of(app).mark_durable(
            {TP(kafka.broker_topic(topic), at): offset for (topic, at), offset in offsets.items()}
        )

    return release
