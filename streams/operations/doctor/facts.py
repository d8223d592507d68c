"""Asking a deployment for the facts that the other modules judge."""

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from importlib.metadata import version
from typing import Any

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from schemas.events import INPUTS
from schemas.reference_types import REFERENCES
from schemas.topics import KOL_STATE, TOPICS, TRAINER, USER_STATE
from sinks.migrate import check
from sinks.probe import insert_fault
from streams.clients.clickhouse import ReadingError, connect, query, reader
from streams.clients.kafka_admin import BrokerError, Offsets, kafka_admin
from streams.clients.kafka_reader import TopicRecord, record_reader
from streams.core.kernels import CODE_PATH
from streams.errors import ExpectedError
from streams.operations.doctor import (
    broker_findings,
    engine_findings,
    reading_findings,
    trainer_findings,
    twins,
    worker_findings,
)
from streams.operations.doctor.findings import Finding, fault, fine, warning
from streams.operations.replay.views import read_replay
from streams.settings import ClickHouse, Settings
from streams.trainer.standing import standing

NEWEST = 50  # records of each input partition that are read
TAIL = 40  # last offsets of a state partition; a manifest ends each snapshot
Pages = Mapping[str, Mapping[str, Any] | None]


async def examine(settings: Settings, pages: Pages) -> list[Finding]:
    """All findings, in the order in which one would mend them.

    Args:
        settings: of the deployment.
        pages: /status.json of the workers of this machine, by address; None: no answer.

    """
    found = [worker_findings.builds(version("kol-streams"), CODE_PATH, pages)]
    found += _settings(settings)
    try:
        found += await _kafka(settings)
    except BrokerError as error:
        found.append(fault("brokers", str(error), "without them nothing is read or safe"))
    found += _clickhouse(settings.clickhouse)
    found += _views(settings)
    return found + (worker_findings.workers(pages) if pages else [])


def _settings(settings: Settings) -> list[Finding]:
    if settings.hmac_key.get_secret_value():
        return []
    what = "KOL_HMAC_KEY is empty: user_hash can be computed by anybody"
    mend = "give all workers one key, before the first event: `kol config --new-key` prints one"
    return [warning("settings", what, mend)]


def _views(settings: Settings) -> list[Finding]:
    """Whether the tables that the views read are written; servers that are away have their own."""
    try:
        replay = read_replay(settings)
    except (ClickHouseError, ExpectedError):
        return []
    return [] if replay is None else [engine_findings.views(replay)]


# ---------------------------------------------------------------- Kafka


async def _kafka(settings: Settings) -> list[Finding]:
    n = settings.kafka.partitions
    with kafka_admin(settings.kafka) as broker:
        counts = broker.counts()
        where, copies = settings.kafka.bootstrap, broker.replicas()
        configs = {name: broker.configs(name) for name in TOPICS if name in counts}
        found = broker_findings.brokers(where, broker.version(), broker.brokers(), copies)
        found += broker_findings.topics(counts, configs, n, settings.kafka.broker_topic)
        found += reading_findings.owners(broker.members(settings.app_id), n)
        read = [name for name in reading_findings.READ_TOPICS if name in counts]
        # first what is safe, then where the topics begin and end: never ahead of each other
        committed = broker.committed(settings.app_id)
        ends = broker.end_offsets(read)
        found.append(reading_findings.retention(broker.first_offsets(read), committed))
        logs = [name for name in (*read, USER_STATE, KOL_STATE) if name in counts]
        found += broker_findings.open_transactions(broker.open_transactions(logs), _now())
        if TRAINER in counts:  # else the topics have a finding of their own
            trainers = standing(broker, settings.app_id)
            found.append(trainer_findings.roll_ups(trainers, _now()))
            found += trainer_findings.numbers(trainers, _now())
    return found + await _records(settings, counts, committed, ends)


async def _records(
    settings: Settings, counts: Mapping[str, int], committed: Offsets, ends: Offsets
) -> list[Finding]:
    n = settings.kafka.partitions
    unsafe = {at: committed.get(at, 0) for at, end in ends.items() if end > committed.get(at, 0)}
    async with record_reader(settings.kafka) as records:
        newest = await records.newest(_places(counts, (*INPUTS, *REFERENCES)), NEWEST)
        states = {
            side: await records.newest(_places(counts, [topic]), TAIL)
            for side, (topic, _) in reading_findings.STATES.items()
        }
        waiting = await records.first_at(unsafe) if unsafe else []
    now = _now()
    oldest = {(one.topic, one.partition): one.at for one in waiting}
    found = broker_findings.partitioners(newest, {**counts, **dict.fromkeys(INPUTS, n)}, now)
    found += reading_findings.lag(ends, committed, oldest, now)
    for side, (_, inputs) in reading_findings.STATES.items():
        known = {at for (topic, at), offset in committed.items() if topic in inputs and offset}
        waits = reading_findings.waiting_times(oldest, inputs, now)
        found += reading_findings.snapshots(side, states[side], waits, known, now)
    return found + _broker_clock(newest, now)


def _broker_clock(newest: Sequence[TopicRecord], now: int) -> list[Finding]:
    stamped = [one.at for one in newest if one.by_broker]
    return [worker_findings.clock("brokers", max(stamped), now, at_least=True)] if stamped else []


def _places(counts: Mapping[str, int], topics: Sequence[str]) -> list[tuple[str, int]]:
    return [(topic, at) for topic in topics for at in range(counts.get(topic, 0))]


# ---------------------------------------------------------------- ClickHouse


def _clickhouse(conf: ClickHouse) -> list[Finding]:
    try:
        client = connect(conf, database="")
    except ReadingError as error:
        return [fault("engine", str(error), "workers wait for it and lose nothing meanwhile")]
    try:
        return _schema_and_reader(conf, client)
    except (ClickHouseError, ExpectedError) as error:
        return [fault("engine", f"refuses a question: {error}", "see its log")]
    finally:
        client.close()


def _schema_and_reader(conf: ClickHouse, client: Client) -> list[Finding]:
    found = [engine_findings.engine(f"{conf.host}:{conf.port}", str(client.server_version))]
    wrong = check(client, conf.database)
    if wrong:
        return [*found, fault("schema", wrong, "`kol migrate`, or the version it was made by")]
    found.append(fine("schema", "that of this version"))
    found.append(engine_findings.writer(conf.username, _insert_fault(conf)))
    return [*found, *_reader(conf), *_letters(conf, client), _engine_clock(client)]


def _insert_fault(conf: ClickHouse) -> str:
    with closing(connect(conf)) as client:
        return insert_fault(client)


def _engine_clock(client: Client) -> Finding:
    before = _now()
    theirs = int(query(client, "SELECT toUnixTimestamp64Milli(now64(3)) AS now")[0]["now"])
    return worker_findings.clock("engine", theirs, (before + _now()) // 2)


def _letters(conf: ClickHouse, client: Client) -> list[Finding]:
    """Findings about dead letters, by when they were written: record times may be impossible."""
    lately = query(
        client,
        f"SELECT target, reason, count() AS letters FROM {conf.database}.dead_letter FINAL"  # noqa: S608  # a name of \w+
        " WHERE state = 'new' AND stated_at > now() - toIntervalMillisecond({ms:UInt64})"
        " GROUP BY target, reason",
        {"ms": engine_findings.LETTERS_MS},
    )
    return engine_findings.letters([{**one, "letters": int(one["letters"])} for one in lately])


def _reader(conf: ClickHouse) -> list[Finding]:
    """Findings about the account that only reads."""
    try:
        client = reader(conf)
        query(client, "SELECT 1 FROM v_dead_letter LIMIT 0")
    except ReadingError as error:
        mend = "grant it SELECT on the views; KOL_CLICKHOUSE__READER_USERNAME and its password"
        return [fault("reader", str(error), mend)]
    with closing(client):
        near_twins = twins.finding(twins.near_twins(twins.kols_with_traffic(client)))
        return [_reader_rights(conf, client), near_twins, _differences(client)]


def _differences(client: Client) -> Finding:
    sql = "SELECT door, sum(n) AS n FROM v_door WHERE kind = 'counter' GROUP BY door"
    return engine_findings.differences({one["door"]: int(one["n"]) for one in query(client, sql)})


def _reader_rights(conf: ClickHouse, client: Client) -> Finding:
    if not conf.reader_username:
        what = "views are read with the account that writes"
        mend = "make an account with SELECT on the views: KOL_CLICKHOUSE__READER_USERNAME"
        return warning("reader", what, mend)
    try:
        client.command("INSERT INTO door_count SELECT * FROM door_count WHERE 0")  # writes nothing
    except ClickHouseError:
        return fine("reader", f"{conf.reader_username} reads the views and cannot write")
    what = f"{conf.reader_username} may write"
    return warning("reader", what, "take INSERT from it, or set `readonly` in its profile")


def _now() -> int:
    return time.time_ns() // 1_000_000
