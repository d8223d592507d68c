"""Before a worker starts: does it stand beside topics and tables that fit?"""

import logging
import time
from contextlib import closing

from clickhouse_connect.driver.client import Client

from schemas.version import ONE_EPOCH
from sinks.migrate import check as schema_fault
from sinks.probe import insert_fault
from streams.clients.app_names import name_conflict
from streams.clients.clickhouse import connect, query
from streams.clients.kafka_admin import OUTAGE_SECONDS, Broker, kafka_admin
from streams.errors import ExpectedError
from streams.settings import Settings
from streams.worker.formats import conflict, formats

POLL_SECONDS = 0.5  # while workers of another format are there

log = logging.getLogger("kol.preflight")


class NotReadyError(ExpectedError):
    """What the worker needs is not there; says what to do."""


def checked(settings: Settings) -> Settings:
    """The settings to work with, once topics and tables fit them.

    A worker that begins from empty does so above every epoch that stands in the tables.

    Raises:
        NotReadyError: topics or tables are missing or of another version, or workers of other
            formats run.
        ExpectedError: nobody answers who has to be asked.

    """
    if not settings.hmac_key.get_secret_value():
        raise NotReadyError("KOL_HMAC_KEY is not set: user ids must not leave in the clear")
    _check_topics(settings)
    _check_tables(settings)
    check_formats(settings)
    if not settings.worker.from_empty:
        return settings
    with closing(connect(settings.clickhouse)) as engine:
        epoch = max(settings.epoch, greatest_epoch(engine))
    return settings.model_copy(update={"epoch": epoch})


def _check_topics(settings: Settings) -> None:
    with kafka_admin(settings.kafka, OUTAGE_SECONDS) as broker:
        fatal = [one for one in broker.differences() if one.fatal]
    if fatal:
        raise NotReadyError("; ".join(f"topic {one.topic} {one.what}" for one in fatal))


def _check_tables(settings: Settings) -> None:
    conf = settings.clickhouse
    with closing(connect(conf, database="")) as engine:
        fault = schema_fault(engine, conf.database)
        conflict = name_conflict(engine, settings)
    if fault:
        raise NotReadyError(f"{fault} (`kol migrate` brings it to this version)")
    if conflict:
        raise NotReadyError(conflict)
    with closing(connect(conf)) as writer:
        refused = insert_fault(writer)
    if refused:
        raise NotReadyError(refused)


def check_formats(settings: Settings) -> None:
    """Make sure that no workers of other formats run; waits a session for those that are gone.

    A worker with a name stays a member of its group for so long.

    Raises:
        NotReadyError: some are still there after that; says what to do.

    """
    with kafka_admin(settings.kafka, OUTAGE_SECONDS) as broker:
        fault = _format_conflict(broker, settings.app_id)
        if fault is None:
            return
        log.warning("waiting until they are gone: %s", fault)
        deadline = time.monotonic() + settings.worker.session_seconds + POLL_SECONDS
        while time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
            if _format_conflict(broker, settings.app_id) is None:
                return
        raise NotReadyError(fault)


def _format_conflict(broker: Broker, group: str) -> str | None:
    """Why a worker must not join the group now; the broker decides where nobody has yet."""
    found = broker.group_protocol(group)
    return conflict(group, found, formats()) if found else None


def greatest_epoch(engine: Client) -> int:
    """The greatest epoch among the rows of record, 0 without rows.

    A worker that begins from empty goes one above it: the state is gone, and rows of an epoch
    that was there before would not replace any. Every life writes its door counts.

    Raises:
        ReadingError: the account may not read `door_count`.

    """
    sql = "SELECT max(intDiv(version, {one_epoch:UInt64})) AS epoch FROM door_count"
    return int(query(engine, sql, {"one_epoch": ONE_EPOCH})[0]["epoch"])
