"""Erase a user from state, tables and topics; the credits stay.

    publish   a record to every partition of `kol-erasures`: who, and up to which record time
    wait      until every worker has applied, written, snapshotted and committed it (`drain`)
    erase     rows: orders that workers do not remember become NOBODY's; other rows with a name
              of the person, and the person's dead letters, are deleted
    search    every table and every topic of ours (`search.py`)

Each step may be done again: running the command twice does no harm, and running it again is
what mends one that was cut off. The shop's own topics are not ours to change: inputs keep what
was sent until their retention, reference topics until the shop sends tombstones. What an insert
under way brings back afterwards, the trainer takes out at night (`streams/trainer/night.py`).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import numpy as np
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from clickhouse_connect.driver.client import Client

from schemas.erasures import erasure_record, read_erasures
from schemas.events import INPUTS
from schemas.keyed_names import as_hex
from schemas.letters import IS_AMONG, TABLE, keys
from schemas.partitioner import partition_of
from schemas.topics import CELLS, DEAD_LETTERS, ERASURES, KOL_STATE, USER_STATE
from sinks.batches import stop
from sinks.deadletter import key
from streams.clients.clickhouse import ReadingError, connect, delete, empty
from streams.clients.kafka_admin import Broker, client_options, kafka_admin
from streams.clients.kafka_failures import of_brokers
from streams.clients.kafka_reader import record_reader
from streams.errors import ExpectedError, named
from streams.operations.drain import Observer, drain
from streams.operations.forget.former_hashes import Pseudonyms
from streams.operations.forget.references import read_references
from streams.operations.forget.search import (
    OnStep,
    Person,
    Traces,
    all_records,
    belongs_to,
    letters_of,
    search,
)
from streams.settings import Kafka, Settings
from streams.trainer.erased_rows import EMPTIED, HIDDEN, HIDDEN_DAYS, RENAMED, ErasedRows

AHEAD_MS: Final = 4_000  # of the broker's clock: workers read of the moment before they reach it
STOP_SECONDS: Final = 2.0  # for brokers that do not answer at the end
AT_ONCE: Final = 1_000  # letters of one deletion
DENIED: Final = 497  # ClickHouse's code: the account lacks a right
REFUSED: Final = "the brokers refuse"


class ForgettingError(ExpectedError):
    """What is needed is missing; says what to do."""


class UnfinishedError(ExpectedError):
    """The erasure is published, perhaps in part, but not all is done; says to run it again."""


@dataclass(slots=True)
class Report:
    """What was erased, and what the search found."""

    at: int
    renamed: int = 0  # orders, beyond those that workers wrote again
    deleted: dict[str, int] = field(default_factory=dict)  # table -> rows
    records: int = 0  # of `kol-dead-letters`
    traces: Traces = field(default_factory=Traces)
    inputs: dict[str, float] = field(default_factory=dict)  # topic -> days it keeps events
    references: dict[str, int] = field(default_factory=dict)  # topic -> records about the person
    anonymous: list[str] = field(default_factory=list)  # ids that were bound to the user
    known: bool = False  # whether anything of the user was kept before

    @property
    def hidden(self) -> int:
        """Rows that nobody can read any more and that leave the disks within `HIDDEN_DAYS + 1`."""
        return sum(self.deleted.get(table, 0) for table in HIDDEN)

    def as_dict(self) -> dict[str, Any]:
        """All fields for JSON, which may be kept: without the user's other ids."""
        return {
            "forgotten": not self.traces.found,
            "known": self.known,
            "at": self.at,
            "orders_renamed": self.renamed,
            "rows_deleted": self.deleted,
            "letters_deleted": self.records,
            "hidden_up_to_days": HIDDEN_DAYS + 1 if self.hidden else 0,
            "reference_records_left": self.references,
            "found": self.traces.found,
            "mentions": self.traces.mentions,
            "inputs_keep_days": self.inputs,
        }


async def forget(settings: Settings, user_id: str, timeout: float, on_step: OnStep) -> Report:  # noqa: ASYNC109  # of a thread
    """Erase a user; returns once everything is done and searched.

    Args:
        settings: of the deployment.
        user_id: as on events.
        timeout: seconds to wait for the workers.
        on_step: called with a sentence for each step.

    Raises:
        ForgettingError: something is missing; nothing was done.
        UnfinishedError: the erasure is published, perhaps in part, but not all is done.
        ReadingError, BrokerError: the engine or the brokers refuse; nothing was done.

    """
    if not user_id or not settings.hmac_key.get_secret_value():
        raise ForgettingError("a user_id is needed, and the workers' KOL_HMAC_KEY")
    patient = {"insert_seconds": max(timeout, settings.clickhouse.insert_seconds)}
    conf = settings.clickhouse.model_copy(update=patient)
    engine = await asyncio.to_thread(connect, conf)
    try:
        await asyncio.to_thread(check_rights, engine)
        with of_brokers(REFUSED):
            await asyncio.to_thread(_check_workers, settings)
            inputs = await asyncio.to_thread(_days_kept, settings)
        before = await search(engine, settings.kafka, await _present(settings, user_id), on_step)
        check_key(before, settings)
        on_step("publishing the erasure")
        person = await _publish_erasure(settings, user_id)
        report = Report(person.at, inputs=inputs, known=bool(before.found))
        with to_be_run_again():
            await asyncio.to_thread(_wait_for_workers, settings, timeout, on_step)
            on_step("renaming rows")
            places = await asyncio.to_thread(_erase_rows, engine, person, report)
            on_step("deleting dead letters")
            await _erase_records(settings, person, places, report)
            report.traces = await search(engine, settings.kafka, person, on_step)
            on_step("counting what reference topics say")
            told = await read_references(settings, person)
            report.references, report.anonymous = told.counts, told.anonymous
    finally:
        await asyncio.to_thread(engine.close)
    return report


@contextmanager
def to_be_run_again() -> Iterator[None]:
    """A failure from the publication on as one that says what to do.

    >>> with to_be_run_again():
    ...     raise ReadingError("no answer")
    Traceback (most recent call last):
    streams.operations.forget.erase.UnfinishedError: no answer; not forgotten yet: run it again
    """
    try:
        with of_brokers(REFUSED):
            yield
    except ExpectedError as error:
        raise UnfinishedError(f"{error}; not forgotten yet: run it again") from error


# ---------------------------------------------------------------- publish and wait


def check_rights(engine: Client) -> None:
    """Make sure, before anything is done, that this account may delete and change rows.

    Raises:
        ForgettingError: it may not; says what to grant.
        ReadingError: ClickHouse refuses for another reason.

    """
    probes: list[tuple[str, Callable[[], None]]] = [
        *(("ALTER DELETE", partial(delete, engine, table, "0")) for table in (RENAMED, TABLE)),
        *(
            ("ALTER UPDATE", partial(empty, engine, table, [column], "0"))
            for table, column in EMPTIED.items()
        ),
    ]
    for right, probe in probes:
        try:
            probe()
        except ReadingError as error:
            if error.code != DENIED:
                raise
            raise ForgettingError(
                f"KOL_CLICKHOUSE__USERNAME lacks a right: grant it {right} ({error})"
            ) from error


def _check_workers(settings: Settings) -> None:
    with kafka_admin(settings.kafka) as broker:
        _check_topics(broker)
        if not broker.members(settings.app_id):
            raise ForgettingError("no worker runs, and only workers forget: start `kol worker`")


def _days_kept(settings: Settings) -> dict[str, float]:
    """For how many days each input keeps events."""
    with kafka_admin(settings.kafka) as broker:
        return {t: int(broker.configs(t)["retention.ms"]) / 86_400_000 for t in INPUTS}


def _check_topics(broker: Broker) -> None:
    missing = {ERASURES, DEAD_LETTERS, USER_STATE, KOL_STATE, CELLS} - broker.counts().keys()
    if missing:
        raise ForgettingError(f"no such topic: {', '.join(sorted(missing))}; see `kol topics`")


def check_key(traces: Traces, settings: Settings) -> None:
    """Make sure that the workers would recognise whom this key names."""
    if traces.keys - {tuple(settings.keyed_names.check[0].tolist())}:
        raise ForgettingError(
            "KOL_HMAC_KEY is not the one that the workers have: nobody would be recognised; "
            "nothing was done"
        )


async def _publish_erasure(settings: Settings, user_id: str) -> Person:
    """Publish the erasure, a little ahead of the brokers' clock; gives whom it concerns."""
    n = settings.kafka.partitions
    home = partition_of(user_id.encode(), n)
    async with _producer(settings.kafka) as producer:
        probe = await producer.send_and_wait(ERASURES, None, key=b"clock", partition=home)
        at = int(probe.timestamp) + AHEAD_MS
        name, value = erasure_record(user_id, at, settings.keyed_names)
        with to_be_run_again():
            for partition in range(n):
                await producer.send_and_wait(ERASURES, value, key=name, partition=partition)
            moments = await _erased_at(settings, user_id, home)
    return Person(user_id, home, at, hashes(settings, user_id, moments))


async def _present(settings: Settings, user_id: str) -> Person:
    """Whom an erasure would concern if it were published now."""
    home = partition_of(user_id.encode(), settings.kafka.partitions)
    at = time.time_ns() // 1_000_000 + AHEAD_MS
    moments = [*await _erased_at(settings, user_id, home), at]
    return Person(user_id, home, at, hashes(settings, user_id, moments))


async def _erased_at(settings: Settings, user_id: str, home: int) -> list[int]:
    """Up to when the persons of this id were erased, milliseconds; read in its own partition."""
    names = settings.keyed_names
    async with record_reader(settings.kafka) as reader:
        log = await reader.read_all([(ERASURES, home)])
    records = log[ERASURES, home].records
    if not records:
        return []
    values, offsets = zip(*((one.value, one.offset) for one in records), strict=True)
    erasures = read_erasures(values, offsets, names)
    mine = (erasures.user == names.users([user_id])).all(axis=1)
    return [int(at) for at in erasures.at[mine]]


def hashes(settings: Settings, user_id: str, moments: Iterable[int]) -> tuple[str, ...]:
    """The user_hash of everybody who had this id up to the last of these moments, milliseconds.

    Those of today, then those of rows that former versions wrote.
    """
    since = np.array(sorted(set(moments))[:-1], np.int64)  # after the last one comes another person
    names = settings.keyed_names
    name = names.users([user_id])
    named = np.concatenate([name, names.later(np.repeat(name, len(since), axis=0), since)])
    pseudonyms = Pseudonyms(settings.hmac_key.get_secret_value().encode())
    first = pseudonyms([user_id])
    later = pseudonyms.later(np.repeat(first, len(since), axis=0), since)
    former = (one.tobytes().hex() for one in (*first, *later))
    return *map(as_hex, named.tolist()), *former


def _wait_for_workers(settings: Settings, timeout: float, on_step: OnStep) -> None:
    def remaining(left: int) -> None:
        on_step(f"waiting for the workers: {left} records to go")

    with kafka_admin(settings.kafka) as broker:
        drain(broker, settings.app_id, timeout, Observer(remaining, on_step), stages=((ERASURES,),))


@asynccontextmanager
async def _producer(kafka: Kafka) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(acks="all", enable_idempotence=True, **client_options(kafka))
    try:
        await producer.start()
        yield producer
    except KafkaError as error:
        raise ForgettingError(
            f"Kafka at {kafka.bootstrap} does not take it: {named(error)}"
        ) from error
    finally:
        await stop(producer, STOP_SECONDS)


# ---------------------------------------------------------------- rows


def _erase_rows(engine: Client, person: Person, report: Report) -> list[tuple[str, int, int]]:
    """Rename and delete rows; gives topic, partition and offset of the person's dead letters."""
    erased = ErasedRows(engine, person.hashes).erase()
    report.renamed, report.deleted = erased.renamed, dict(erased.deleted)
    theirs = letters_of(engine, person)
    for start in range(0, len(theirs), AT_ONCE):
        delete(engine, TABLE, IS_AMONG, keys(theirs[start : start + AT_ONCE]))
    if theirs:
        report.deleted[TABLE] = len(theirs)
    return [(one.topic, one.partition, one.offset) for one in theirs if one.topic]


# ---------------------------------------------------------------- records


async def _erase_records(
    settings: Settings, person: Person, places: Iterable[tuple[str, int, int]], report: Report
) -> None:
    """Write a tombstone for each of the person's dead letters, those without a row included."""
    gone = {(partition, key(topic, partition, offset)) for topic, partition, offset in places}
    async with record_reader(settings.kafka) as records:
        async for letter in all_records(records, DEAD_LETTERS, settings.kafka.partitions):
            if letter.key is not None and belongs_to(letter, person):
                gone.add((letter.partition, letter.key))
    gone = {(at, name) for at, name in gone if b"/" in name}  # older ones share their key
    async with _producer(settings.kafka) as producer:
        for partition, name in sorted(gone):
            topic = settings.kafka.broker_topic(DEAD_LETTERS)
            await producer.send_and_wait(topic, None, key=name, partition=partition)
    report.records = len(gone)
