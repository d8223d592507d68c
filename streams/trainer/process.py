"""A trainer process from its settings to its exit code."""

import asyncio
import logging
import signal
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from typing import Final

from schemas.topics import SNAPSHOTS, TRAINER
from sinks.migrate import check as schema_fault
from streams.clients.app_names import name_conflict
from streams.clients.clickhouse import connect
from streams.clients.kafka_admin import OUTAGE_SECONDS, kafka_admin
from streams.errors import ExpectedError
from streams.runtime.logs import log_to_stderr
from streams.runtime.pages import serve
from streams.runtime.shutdown import Shutdown
from streams.settings import Settings
from streams.trainer.trainer import Trainer
from streams.trainer.turns import TURNS, Turn

CLOSE_SECONDS: Final = 2.0  # for the group to be left

log = logging.getLogger("kol.trainer")


class NotReadyError(ExpectedError):
    """What the trainer needs is not there; says what to do."""


def run(settings: Settings, *, once: bool = False, turns: Sequence[str] = tuple(TURNS)) -> int:
    """Take turns until SIGTERM, or each of them once; gives the exit code."""
    log_to_stderr(settings.log_level)
    shutdown = Shutdown(name="trainer")
    try:
        check(settings)
        chosen = {name: TURNS[name] for name in turns}
        asyncio.run(_run(settings, chosen, shutdown, once=once))
    except Exception as error:
        if not isinstance(error, ExpectedError):
            log.exception("unforeseen")
        return shutdown.report(error)
    return shutdown.report()


def check(settings: Settings) -> None:
    """Make sure that the topic and the tables of the trainer fit.

    Raises:
        NotReadyError: they are missing or of another version.
        ExpectedError: nobody answers who has to be asked.

    """
    with kafka_admin(settings.kafka, OUTAGE_SECONDS) as broker:
        fatal = [one for one in broker.differences(TRAINER, SNAPSHOTS) if one.fatal]
    if fatal:
        raise NotReadyError("; ".join(f"topic {one.topic} {one.what}" for one in fatal))
    conf = settings.clickhouse
    with closing(connect(conf, database="")) as engine:
        fault = schema_fault(engine, conf.database)
        conflict = name_conflict(engine, settings)
    if fault:
        raise NotReadyError(f"{fault} (`kol migrate` brings it to this version)")
    if conflict:
        raise NotReadyError(conflict)


async def _run(
    settings: Settings, turns: Mapping[str, Turn], shutdown: Shutdown, *, once: bool
) -> None:
    trainer = Trainer(settings, turns)
    loop = asyncio.get_running_loop()

    def stop() -> None:
        shutdown.begin()
        trainer.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    conf = settings.trainer
    pages = None
    if not once:
        pages = asyncio.create_task(serve(trainer.health, conf.host, conf.port, trainer.stopped))
    try:
        await (trainer.once() if once else trainer.work())
    finally:
        trainer.stop()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await trainer.close()
        if pages is not None:
            await asyncio.wait([pages], timeout=CLOSE_SECONDS)
