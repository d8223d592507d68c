"""A worker process from its settings to its end: checks, doors out, app, Faust."""

import asyncio
import gc
import logging
import secrets
import signal
import sys
import time
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any

import faust
import msgspec
from clickhouse_connect.driver.client import Client

from schemas.version import ONE_EPOCH
from sinks.migrate import check as checked
from streams.clients.app_names import name_conflict
from streams.clients.clickhouse import connect, query
from streams.clients.kafka_admin import OUTAGE_SECONDS, kafka_admin
from streams.core.kernels import CODE_PATH
from streams.core.kol.memory import MODEL_VERSION
from streams.errors import ExpectedError
from streams.settings import Settings, home
from streams.worker import app as apps
from streams.worker.flush import Bound, Rhythm, Rounds
from streams.worker.health import Health
from streams.worker.outputs import Outlets
from streams.worker.rebalance import Owner
from streams.worker.shutdown import Ending
from streams.worker.telemetry import Telemetry

COLLECT = (200_000, 20, 100)  # containers before a look at the young ones, and so on

LAST_SECONDS = 0.05  # for tasks that were cancelled at the end

log = logging.getLogger("kol")


class NotReadyError(ExpectedError):
    """What the worker needs is not there; says what to do."""


def run(settings: Settings, *, leaves: bool = False) -> int:
    """Work until SIGTERM; gives the exit code. The last line of the log says why it ended."""
    logs(settings.log_level)
    ending = Ending()
    try:
        check(settings)
        if settings.worker.from_empty:
            with closing(connect(settings.clickhouse)) as engine:
                stands = epoch_said(engine)
            settings = settings.model_copy(update={"epoch": max(settings.epoch, stands)})
    except ExpectedError as refused:
        return ending.told(refused)
    datadir = home() / "data" / "faust" / (settings.worker.name or f"worker-{secrets.token_hex(4)}")
    datadir.mkdir(parents=True, exist_ok=True)
    raised = worked(settings, datadir, ending, leaves=leaves)
    gc.collect()  # what complains of being thrown away does so before the last line
    return ending.told(raised)


def worked(
    settings: Settings, datadir: Path, ending: Ending, *, leaves: bool
) -> BaseException | None:
    """Build all and run it to its end; gives what ended it, None for a stop in order."""
    app = apps.made(settings, datadir)
    equipped(app, settings, leaves=leaves)
    calm_collector()
    worker = Bounded(
        ending,
        app,
        loglevel=settings.log_level.upper(),
        logging_config=None,
        override_logging=False,
        redirect_stdouts=False,
        quiet=True,
    )
    try:
        worker.execute_from_commandline()
    except SystemExit as end:
        return (end.__context__ or end) if end.code else None
    return None


class Bounded(faust.Worker):
    """Faust's, with a bound on its end from the moment that begins, and without its idle second."""

    def __init__(self, ending: Ending, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  # Faust's
        super().__init__(*args, **kwargs)
        self.spinner = None  # it writes to the terminal, here to the log
        self._ending = ending

    def _schedule_shutdown(self, signal: signal.Signals) -> None:
        self._ending.begin()
        super()._schedule_shutdown(signal)

    async def _sentinel_task(self) -> None:
        await asyncio.sleep(LAST_SECONDS)

    def _crash(self, reason: BaseException) -> None:
        self._ending.begin(reason)
        super()._crash(reason)


def calm_collector() -> None:
    """Let the garbage collector look seldom: rows are lists of lists, and none of them a cycle."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT)


def equipped(app: faust.App, settings: Settings, *, leaves: bool = False) -> None:
    """Build everything around an app; nothing runs yet."""
    telemetry = Telemetry()
    telemetry.set("kol_build_info", 1, version("kol-streams"), CODE_PATH)
    telemetry.set("kol_model_info", 1, MODEL_VERSION)
    outlets = Outlets(settings, telemetry)
    worker = settings.worker

    def crashed(error: BaseException) -> None:
        ending.append(asyncio.ensure_future(app.crash(error)))

    ending: list[asyncio.Future[None]] = []  # kept, or they would be collected
    rounds = Rounds(
        Rhythm(worker.snapshot_seconds, worker.mute_seconds),
        Bound(worker.waiting_messages, worker.waiting_mb << 20),
        outlets,
        telemetry,
        settings.kafka.partitions,
        safe=lambda offsets: apps.settle(app, settings.kafka, offsets),
        crashed=crashed,
    )
    owner = Owner(settings, rounds, telemetry)
    name = worker.name or settings.app_id
    waits_s = settings.clickhouse.insert_seconds
    health = Health(
        app, rounds, telemetry, outlets.health, name, waits_s, named=settings.kafka.named
    )
    apps.tie(app, settings.kafka, owner, leaves=leaves)
    apps.equip(app, settings, rounds, owner, health)

    @app.task  # type: ignore[untyped-decorator]  # Faust says no types here
    async def doors() -> None:
        await outlets.open()

    @app.on_before_shutdown.connect
    async def closed(*_: object, **__: object) -> None:
        await outlets.close()


def check(settings: Settings) -> None:
    """Refuse to start beside topics or tables that do not fit.

    Raises:
        NotReadyError: topics or tables are missing or of another version.
        ExpectedError: nobody answers who has to be asked.

    """
    if not settings.hmac_key.get_secret_value():
        raise NotReadyError("KOL_HMAC_KEY is not set: user ids must not leave in the clear")
    with kafka_admin(settings.kafka, OUTAGE_SECONDS) as broker:
        fatal = [d for d in broker.differences() if d.fatal]
    if fatal:
        raise NotReadyError("; ".join(f"topic {d.topic} {d.what}" for d in fatal))
    conf = settings.clickhouse
    with closing(connect(conf, database="")) as engine:
        fault = checked(engine, conf.database)
        wrong = name_conflict(engine, settings)
    if fault:
        raise NotReadyError(f"{fault} (`kol migrate` brings it to this version)")
    if wrong:
        raise NotReadyError(wrong)


def epoch_said(client: Client) -> int:
    """The greatest epoch of what stands in the tables, 0 where nothing does.

    Who begins from empty goes one above it: the state that knew is gone, and a life of an
    epoch that was there before would not replace a row. Every life tells its doors.

    Raises:
        ReadingError: the account may not read `door_count`.

    """
    told = query(client, f"SELECT max(intDiv(version, {ONE_EPOCH})) AS epoch FROM door_count")  # noqa: S608  # a number
    return int(told[0]["epoch"])


class Lines(logging.Formatter):
    """One JSON object a line; never values of rows."""

    def format(self, record: logging.LogRecord) -> str:
        """One record."""
        line = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()


def logs(level: str) -> None:
    """JSON lines on stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for noisy in ("aiokafka", "kafka", "mode", "faust", "streams.transport"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
