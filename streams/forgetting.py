"""`kol forget`: a user goes, the credits stay.

    said      a record on every partition of `kol-erasures`: who, and up to which record time
    gone      every worker has forgotten, stated, snapshotted and committed it (`drain`)
    renamed   rows of `order_credit` that workers do not remember go to NOBODY; others with a
              hash of the person, and the person's dead letters, are deleted
    searched  every table and every topic of ours, for the id, its key and its hashes

Each step may be done again: running the command twice does no harm, and running it again is
what mends one that was cut off. The shop's own input topics are not ours to change: they keep
what was sent until their retention.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import numpy as np
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from schemas.columns import Rejected
from schemas.erasures import NOBODY, read, record
from schemas.events import INPUTS
from schemas.identity import user_key
from schemas.mentions import is_of
from schemas.partitioner import partition_of
from schemas.rows import TABLES
from schemas.topics import CELLS, DEAD_LETTERS, ERASURES, KOL_STATE, USER_STATE
from sinks.deadletter import key
from streams.broker import Broker, asked, client
from streams.browsing import Browser, Entry, browsing
from streams.core.pseudonyms import Pseudonyms
from streams.draining import Watch, drain
from streams.errors import ExpectedError
from streams.memories.chunks import assemble, unseal
from streams.memories.statelog import MANIFEST
from streams.reading import ReadingError, connected, rows
from streams.settings import Kafka, Settings

AHEAD_MS: Final = 4_000  # the moment lies behind the record: workers know it before they are there
AT_ONCE: Final = 1_000  # letters of one deletion
HASHED: Final = tuple(name for name, table in TABLES.items() if "user_hash" in table.columns)
RENAMED: Final = "order_credit"

Say = Callable[[str], None]


class ForgettingError(ExpectedError):
    """What is needed is not there; says what to do."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who is forgotten, under all names of ours."""

    user_id: str
    partition: int  # of the inputs
    at: int  # everything appended up to then is the person's, milliseconds since the epoch
    hashes: tuple[str, ...]  # of all who had this id up to then


@dataclass(slots=True)
class Report:
    """What was done, and what the search found."""

    at: int
    renamed: int = 0  # rows of orders, beyond those that workers told anew
    deleted: dict[str, int] = field(default_factory=dict)  # table -> rows
    records: int = 0  # of `kol-dead-letters`
    found: dict[str, int] = field(default_factory=dict)  # place -> traces; must be none
    mentions: dict[str, int] = field(default_factory=dict)  # place -> the same text, not theirs
    inputs: dict[str, float] = field(default_factory=dict)  # topic -> days it keeps events

    def told(self) -> dict[str, Any]:
        """All of it, for a machine."""
        return {
            "forgotten": not self.found,
            "at": self.at,
            "orders_renamed": self.renamed,
            "rows_deleted": self.deleted,
            "letters_deleted": self.records,
            "found": self.found,
            "mentions": self.mentions,
            "inputs_keep_days": self.inputs,
        }


async def forget(settings: Settings, user_id: str, seconds: float, say: Say) -> Report:
    """Forget a user; returns once all is done and searched.

    Args:
        settings: of the deployment.
        user_id: as on events.
        seconds: for the workers.
        say: gets a sentence for each step.

    Raises:
        ForgettingError: something is missing; nothing was done.
        NotDrainedError: said, but no worker has done it in time; to be run again.
        ReadingError, BrokerError: the engine or the brokers refuse; to be run again.

    """
    if not user_id or not settings.hmac_key.get_secret_value():
        raise ForgettingError("a user_id is needed, and the workers' KOL_HMAC_KEY")
    patient = {"insert_seconds": max(seconds, settings.clickhouse.insert_seconds)}
    conf = settings.clickhouse.model_copy(update=patient)
    engine = await asyncio.to_thread(connected, conf)
    try:
        await asyncio.to_thread(_may_delete, engine)
        await asyncio.to_thread(_has_workers, settings)
        say("telling the workers")
        person = await _said(settings, user_id)
        report = Report(person.at)
        await asyncio.to_thread(_waited, settings, seconds, say)
        say("renaming rows")
        letters = await asyncio.to_thread(_rows_gone, engine, person, report)
        say("deleting dead letters")
        await _records_gone(settings, person, letters, report)
        say("searching tables")
        await asyncio.to_thread(_search_tables, engine, person, report)
        await _search_topics(settings.kafka, person, report, say)
    finally:
        await asyncio.to_thread(engine.close)
    with asked(settings.kafka) as broker:
        report.inputs = {t: int(broker.configs(t)["retention.ms"]) / 86_400_000 for t in INPUTS}
    return report


# ---------------------------------------------------------------- said and waited for


def _may_delete(engine: Client) -> None:
    """Make sure that this account may, before anything is done."""
    try:
        for table in (*HASHED, "dead_letter"):
            _delete(engine, table, "0")
    except ReadingError as error:
        raise ForgettingError(
            f"KOL_CLICKHOUSE__USERNAME may not delete rows: grant it ALTER DELETE ({error})"
        ) from error


def _has_workers(settings: Settings) -> None:
    with asked(settings.kafka) as broker:
        _check_topics(broker)
        if not broker.members(settings.app_id):
            raise ForgettingError("no worker runs, and only workers forget: start `kol worker`")


def _check_topics(broker: Broker) -> None:
    missing = {ERASURES, DEAD_LETTERS, USER_STATE, KOL_STATE, CELLS} - broker.counts().keys()
    if missing:
        raise ForgettingError(f"no such topic: {', '.join(sorted(missing))}; see `kol topics`")


async def _said(settings: Settings, user_id: str) -> Person:
    """Publish the erasure, a little ahead of the brokers' clock; then who it is about."""
    n = settings.kafka.partitions
    home = partition_of(user_id.encode(), n)
    async with _producing(settings.kafka) as producer:
        probe = await producer.send_and_wait(ERASURES, None, key=b"clock", partition=home)
        at = int(probe.timestamp) + AHEAD_MS
        name, value = record(user_id, at)
        for partition in range(n):
            await producer.send_and_wait(ERASURES, value, key=name, partition=partition)
    async with browsing(settings.kafka) as browser:
        whole = await browser.whole([(ERASURES, home)])
    told = read(*zip(*((e.value, e.offset) for e in whole[ERASURES, home].entries), strict=True))
    mine = (told.user == np.array(user_key(user_id), np.uint64)).all(axis=1)
    return Person(user_id, home, at, hashes(settings, user_id, told.at[mine].tolist()))


def hashes(settings: Settings, user_id: str, moments: Iterable[int]) -> tuple[str, ...]:
    """What rows call all who had an id and were forgotten at these moments."""
    pseudonyms = Pseudonyms(settings.hmac_key.get_secret_value().encode())
    first = pseudonyms([user_id])
    since = np.array(sorted(set(moments))[:-1], np.int64)  # after the last one comes another person
    later = pseudonyms.later(np.repeat(first, len(since), axis=0), since)
    return tuple(one.tobytes().hex() for one in (*first, *later))


def _waited(settings: Settings, seconds: float, say: Say) -> None:
    def seen(left: int) -> None:
        say(f"waiting for the workers: {left} records to go")

    with asked(settings.kafka) as broker:
        drain(broker, settings.app_id, seconds, Watch(seen, say), stages=((ERASURES,),))


@asynccontextmanager
async def _producing(kafka: Kafka) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(acks="all", enable_idempotence=True, **client(kafka))
    try:
        await producer.start()
        yield producer
    except KafkaError as error:
        raise ForgettingError(f"Kafka at {kafka.bootstrap} does not take it: {error!r}") from error
    finally:
        await producer.stop()


# ---------------------------------------------------------------- rows


def _rows_gone(engine: Client, person: Person, report: Report) -> list[tuple[str, int, int]]:
    """Rename and delete rows; gives the places of the person's dead letters."""
    report.renamed = _rename(engine, person)
    for table in HASHED:
        count = _count(engine, table, _HASHED, person)
        _delete(engine, table, _HASHED, {"hashes": list(person.hashes)})
        if count and table != RENAMED:
            report.deleted[table] = count
    letters = _letters(engine, person)
    for start in range(0, len(letters), AT_ONCE):
        keys = ", ".join(one.sql for one in letters[start : start + AT_ONCE])
        _delete(engine, "dead_letter", f"{_LETTER} IN ({keys})")
    if letters:
        report.deleted["dead_letter"] = len(letters)
    return [(one.topic, one.partition, one.offset) for one in letters if one.topic]


_HASHED = "user_hash IN {hashes:Array(String)}"
_LETTER = "(topic, `partition`, `offset`, target, toUnixTimestamp64Milli(at))"


def _rename(engine: Client, person: Person) -> int:
    """Say orders that no worker remembers under NOBODY; with the versions and ages they have."""
    wanted = f"{_HASHED} AND notEmpty(kols)"
    count = _count(engine, f"{RENAMED} FINAL", wanted, person)
    names = [f"`{name}`" for name in TABLES[RENAMED].all_columns]
    picked = [f"'{NOBODY}'" if name == "`user_hash`" else name for name in names]
    _command(
        engine,
        f"INSERT INTO {RENAMED} ({', '.join(names)}) SELECT {', '.join(picked)}"  # noqa: S608  # names of ours
        f" FROM {RENAMED} FINAL WHERE {wanted} SETTINGS insert_deduplicate = 0",
        {"hashes": list(person.hashes)},
    )
    return count


def _count(engine: Client, table: str, condition: str, person: Person) -> int:
    found = rows(
        engine,
        f"SELECT count() AS n FROM {table} WHERE {condition}",  # noqa: S608  # as above
        {"hashes": list(person.hashes)},
    )
    return int(found[0]["n"])


def _delete(
    engine: Client, table: str, condition: str, parameters: Mapping[str, Any] | None = None
) -> None:
    """Delete rows, on every replica, before this returns."""
    sql = f"ALTER TABLE {table} DELETE WHERE {condition} SETTINGS mutations_sync = 2"
    _command(engine, sql, parameters)


def _command(engine: Client, sql: str, parameters: Mapping[str, Any] | None) -> None:
    try:
        engine.command(sql, parameters=dict(parameters or {}))
    except ClickHouseError as error:
        raise ReadingError(f"{error}") from error


@dataclass(frozen=True, slots=True)
class _Letter:
    """A row of `dead_letter`."""

    topic: str
    partition: int
    offset: int
    target: str
    at: int

    @property
    def sql(self) -> str:
        """Its key as `_LETTER` gives it; all texts are names of ours."""
        return f"('{self.topic}', {self.partition}, {self.offset}, '{self.target}', {self.at})"


def _letters(engine: Client, person: Person) -> list[_Letter]:
    """The person's letters: messages by their bytes, refused rows by a hash in them."""
    found = rows(
        engine,
        "SELECT DISTINCT topic, `partition`, `offset`, target,"
        " toUnixTimestamp64Milli(dead_letter.at) AS ms, encoding, payload FROM dead_letter"
        " WHERE if(target = 'input', ms <= {at:Int64} AND (position(payload, '\\\\') > 0"
        " OR position(if(encoding = 'base64', tryBase64Decode(payload), payload), {id:String}) > 0)"
        ", multiSearchAny(payload, {hashes:Array(String)}))",
        {"at": person.at, "id": person.user_id, "hashes": list(person.hashes)},
    )
    return [
        _Letter(one["topic"], one["partition"], int(one["offset"]), one["target"], int(one["ms"]))
        for one in found
        if one["target"] != "input" or is_of(_payload(one), person.user_id)
    ]


def _payload(row: Mapping[str, Any]) -> bytes:
    text = str(row["payload"])
    return msgspec.convert(text, bytes) if row["encoding"] == "base64" else text.encode()


# ---------------------------------------------------------------- records


async def _records_gone(
    settings: Settings, person: Person, places: Iterable[tuple[str, int, int]], report: Report
) -> None:
    """Put a tombstone on each of the person's letters, those without a row included."""
    gone = {(partition, key(topic, partition, offset)) for topic, partition, offset in places}
    async with browsing(settings.kafka) as browser:
        async for entry in _all(browser, DEAD_LETTERS, settings.kafka.partitions):
            if entry.key is not None and _is_theirs(entry, person):
                gone.add((entry.partition, entry.key))
    gone = {(at, name) for at, name in gone if b"/" in name}  # older ones share their key
    async with _producing(settings.kafka) as producer:
        for partition, name in sorted(gone):
            await producer.send_and_wait(DEAD_LETTERS, None, key=name, partition=partition)
    report.records = len(gone)


def _is_theirs(entry: Entry, person: Person) -> bool:
    return entry.value is not None and entry.at <= person.at and is_of(entry.value, person.user_id)


async def _all(browser: Browser, topic: str, partitions: int) -> AsyncIterator[Entry]:
    async for entry in browser.since([(topic, at) for at in range(partitions)], 0):
        yield entry


# ---------------------------------------------------------------- searched


def _search_tables(engine: Client, person: Person, report: Report) -> None:
    """Look into every column that can hold a text."""
    for name, table in TABLES.items():
        texts = [c for c, column in table.all_columns.items() if "String" in column.type]
        if not texts:
            continue
        hashed = [
            f"countIf(multiSearchAny(toString(`{c}`), {{hashes:Array(String)}}))" for c in texts
        ]
        said = [f"countIf(match(toString(`{c}`), {{id:String}}))" for c in texts]
        found = rows(
            engine,
            f"SELECT [{', '.join(hashed)}] AS hashed, [{', '.join(said)}] AS said FROM {name}",  # noqa: S608  # names of ours
            {"hashes": list(person.hashes), "id": pattern(person.user_id)},
        )[0]
        for kind, where in (("hashed", report.found), ("said", report.mentions)):
            counts = zip(texts, map(int, found[kind]), strict=True)
            where.update({f"{name}.{c}": n for c, n in counts if n})
    left = len(_letters(engine, person))
    if left:
        report.found["dead_letter"] = left


def pattern(user_id: str) -> str:
    r"""RE2's for an id that stands alone.

    >>> pattern("a.b")
    '(^|[^0-9A-Za-z_])\\Qa.b\\E([^0-9A-Za-z_]|$)'
    """
    quoted = user_id.replace("\\E", "\\E\\\\E\\Q")
    return rf"(^|[^0-9A-Za-z_])\Q{quoted}\E([^0-9A-Za-z_]|$)"


async def _search_topics(kafka: Kafka, person: Person, report: Report, say: Say) -> None:
    """Look at the newest record of every key; what it replaced goes with compaction."""
    found, mentions = report.found, report.mentions
    async with browsing(kafka) as browser:
        for topic, side in ((USER_STATE, "user"), (KOL_STATE, "kol")):
            for partition in range(kafka.partitions):
                say(f"searching {topic}/{partition}")
                for array, is_theirs in await _in_state(browser, (topic, partition), person):
                    where = found if side == "user" and is_theirs else mentions
                    _add(where, f"{topic}: {array}")
        say(f"searching {CELLS}, {DEAD_LETTERS}, {ERASURES}")
        signs = tuple(one.encode() for one in person.hashes)
        async for entry in _all(browser, CELLS, kafka.partitions):
            if any(sign in (entry.value or b"") for sign in signs):
                _add(found, CELLS)
        newest: dict[tuple[int, int | bytes | None], Entry] = {}
        async for entry in _all(browser, DEAD_LETTERS, kafka.partitions):
            name = entry.key if entry.key and b"/" in entry.key else entry.offset
            newest.pop((entry.partition, name), None)
            if _is_theirs(entry, person):
                newest[entry.partition, name] = entry
        if newest:
            found[DEAD_LETTERS] = len(newest)
        async for entry in _all(browser, ERASURES, kafka.partitions):
            if is_of(entry.value or b"", person.user_id):
                _add(mentions, ERASURES)


def _add(counts: dict[str, int], place: str) -> None:
    counts[place] = counts.get(place, 0) + 1


async def _in_state(
    browser: Browser, place: tuple[str, int], person: Person
) -> Sequence[tuple[str, bool]]:
    """The arrays of the newest snapshot that hold a trace, and whether it is the person's own."""
    latest: dict[bytes, bytes] = {}
    async for entry in browser.since([place], 0):
        latest.pop(entry.key or b"", None)
        if entry.value is not None:
            latest[entry.key or b""] = entry.value
    if MANIFEST not in latest:
        return []
    return await asyncio.to_thread(_in_snapshot, latest, person)


def _in_snapshot(latest: Mapping[bytes, bytes], person: Person) -> Sequence[tuple[str, bool]]:
    """Traces in the arrays, and in the chunks that changes are laid over."""
    arrays = assemble(unseal(latest[MANIFEST]), latest)
    signs = _signs(person.user_id, person.hashes)
    chunks = [
        (name.decode(), True)
        for name, chunk in latest.items()
        if not name.startswith((b"a/forgotten.", b"d/forgotten."))
        and any(sign in chunk for sign in signs)
    ]
    return chunks or traces(arrays, person.user_id, person.hashes)


def traces(
    arrays: Mapping[str, Any], user_id: str, old_hashes: Iterable[str]
) -> list[tuple[str, bool]]:
    """The arrays of a memory that hold an id, its key or a hash of it, and whether as a user's.

    Left out is the list of those who are forgotten. An id that stands as a text elsewhere (an
    order or a KOL of the same name) is not the user's.
    """
    signs = _signs(user_id, old_hashes)
    found = []
    for name, array in arrays.items():
        raw = array.tobytes()
        if not name.startswith("forgotten.") and any(sign in raw for sign in signs):
            found.append((name, True))
        elif name.endswith(".end") and user_id.encode() in _texts(arrays, name):
            found.append((name, False))
        elif name == "letters" and _is_in_letters(raw, user_id):
            found.append((name, True))
    return found


def _signs(user_id: str, old_hashes: Iterable[str]) -> tuple[bytes, ...]:
    """What stands for a user in the bytes of a memory, beside the id."""
    low = user_key(user_id)[0].to_bytes(8, "little")
    pairs = [(bytes.fromhex(one), one.encode()) for one in old_hashes]
    return (low, *(sign for pair in pairs for sign in pair))


def _texts(arrays: Mapping[str, Any], name: str) -> set[bytes]:
    raw = arrays[f"{name.removesuffix('.end')}.utf8"].tobytes()
    ends = arrays[name].tolist()
    return {raw[begin:end] for begin, end in zip([0, *ends], ends, strict=False)}


def _is_in_letters(raw: bytes, user_id: str) -> bool:
    letters = msgspec.msgpack.decode(raw, type=list[Rejected])
    return any(is_of(letter.raw or b"", user_id) for letter in letters)
