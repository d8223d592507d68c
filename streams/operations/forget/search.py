"""Searching tables, topics and snapshots for traces of a user, at the end of `kol forget`.

`found` counts traces of the person: there must be none. `mentions` counts the same text elsewhere,
such as an order or a KOL of that name. Of topics only the newest record of every key is read: what
it replaced goes with compaction.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import numpy as np
from clickhouse_connect.driver.client import Client
from numpy.typing import NDArray

from schemas.columns import Rejected
from schemas.identity import user_key
from schemas.letters import FIELDS, INPUT, TABLE, Letter, decoded
from schemas.mentions import is_of
from schemas.rows import TABLES
from schemas.topics import CELLS, DEAD_LETTERS, ERASURES, KOL_STATE, USER_STATE
from streams.clients.clickhouse import query
from streams.clients.kafka_reader import RecordReader, TopicRecord, record_reader
from streams.settings import Kafka
from streams.snapshots.history import History

_NO_KEY: Final = np.zeros((0, 2), np.uint64)  # of a snapshot of before names had one

Arrays = Mapping[str, NDArray[Any]]
OnStep = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Person:
    """Who is erased: the id, and the hashes that rows have instead of it."""

    user_id: str
    partition: int  # of the inputs
    at: int  # everything appended up to then is the person's, milliseconds since the epoch
    hashes: tuple[str, ...]  # of all who had this id up to then


@dataclass(frozen=True, slots=True)
class Traces:
    """What a search found: place -> number of times."""

    found: dict[str, int] = field(default_factory=dict)  # must be none
    mentions: dict[str, int] = field(default_factory=dict)  # the same text, not theirs
    keys: set[tuple[int, ...]] = field(default_factory=set)  # that named users in state: checks


async def search(engine: Client, kafka: Kafka, person: Person, on_step: OnStep) -> Traces:
    """Search every table and topic of ours for the id, its key and its hashes.

    Raises:
        ReadingError, BrokerError: the engine or the brokers refuse.

    """
    traces = Traces()
    on_step("searching tables")
    await asyncio.to_thread(_search_tables, engine, person, traces)
    await _search_topics(kafka, person, traces, on_step)
    return traces


def letters_of(engine: Client, person: Person) -> list[Letter]:
    """The person's letters: messages by their bytes, refused rows by a hash in them."""
    found = query(
        engine,
        f"SELECT {FIELDS}, encoding, payload FROM {TABLE}"  # noqa: S608  # names of ours
        " WHERE if(target = {input:String}, ms <= {at:Int64} AND (position(payload, '\\\\') > 0"
        " OR position(if(encoding = 'base64', tryBase64Decode(payload), payload), {id:String}) > 0)"
        ", multiSearchAny(payload, {hashes:Array(String)}))"
        " LIMIT 1 BY topic, `partition`, `offset`, target, ms, encoding, payload",
        {
            "input": INPUT,
            "at": person.at,
            "id": person.user_id,
            "hashes": list(person.hashes),
        },
    )
    return [
        Letter.read(one)
        for one in found
        if one["target"] != INPUT or is_of(decoded(one["encoding"], one["payload"]), person.user_id)
    ]


def belongs_to(record: TopicRecord, person: Person) -> bool:
    """Whether a record of `kol-dead-letters` is, or may be, the person's."""
    value = record.value
    return value is not None and record.at <= person.at and is_of(value, person.user_id)


async def all_records(
    records: RecordReader, topic: str, partitions: int
) -> AsyncIterator[TopicRecord]:
    """All records of a topic up to where it ends now."""
    async for record in records.since([(topic, at) for at in range(partitions)], 0):
        yield record


def _search_tables(engine: Client, person: Person, traces: Traces) -> None:
    """Search every column that can hold text."""
    for name, table in TABLES.items():
        texts = [c for c, column in table.all_columns.items() if "String" in column.type]
        if not texts:
            continue
        hashed = [
            f"countIf(multiSearchAny(toString(`{c}`), {{hashes:Array(String)}}))" for c in texts
        ]
        mentioned = [f"countIf(match(toString(`{c}`), {{id:String}}))" for c in texts]
        found = query(
            engine,
            f"SELECT [{', '.join(hashed)}] AS hashed, [{', '.join(mentioned)}] AS mentioned"  # noqa: S608  # names of ours
            f" FROM {name}",  # names of ours
            {"hashes": list(person.hashes), "id": word_pattern(person.user_id)},
        )[0]
        for kind, where in (("hashed", traces.found), ("mentioned", traces.mentions)):
            counts = zip(texts, map(int, found[kind]), strict=True)
            where.update({f"{name}.{c}": n for c, n in counts if n})
    left = len(letters_of(engine, person))
    if left:
        traces.found[TABLE] = left


def word_pattern(user_id: str) -> str:
    r"""A pattern of RE2 that matches an id as a word of its own.

    >>> word_pattern("a.b")
    '(^|[^0-9A-Za-z_])\\Qa.b\\E([^0-9A-Za-z_]|$)'
    """
    quoted = user_id.replace("\\E", "\\E\\\\E\\Q")
    return rf"(^|[^0-9A-Za-z_])\Q{quoted}\E([^0-9A-Za-z_]|$)"


async def _search_topics(kafka: Kafka, person: Person, traces: Traces, on_step: OnStep) -> None:
    """Search the newest record of every key; what it replaced goes with compaction."""
    found, mentions = traces.found, traces.mentions
    async with record_reader(kafka) as records:
        for topic, side in ((USER_STATE, "user"), (KOL_STATE, "kol")):
            for partition in range(kafka.partitions):
                on_step(f"searching {topic}/{partition}")
                history = await _history(records, (topic, partition))
                arrays = await asyncio.to_thread(_newest, history)
                traces.keys.update(map(tuple, arrays.get("key", _NO_KEY).tolist()))
                for array, is_own in await asyncio.to_thread(
                    _search_snapshot, history, arrays, person
                ):
                    where = found if side == "user" and is_own else mentions
                    _add(where, f"{topic}: {array}")
        on_step(f"searching {CELLS}, {DEAD_LETTERS}, {ERASURES}")
        patterns = tuple(one.encode() for one in person.hashes)
        async for record in all_records(records, CELLS, kafka.partitions):
            if any(pattern in (record.value or b"") for pattern in patterns):
                _add(found, CELLS)
        newest: dict[tuple[int, int | bytes | None], TopicRecord] = {}
        async for record in all_records(records, DEAD_LETTERS, kafka.partitions):
            name = record.key if record.key and b"/" in record.key else record.offset
            newest.pop((record.partition, name), None)
            if belongs_to(record, person):
                newest[record.partition, name] = record
        if newest:
            found[DEAD_LETTERS] = len(newest)
        async for record in all_records(records, ERASURES, kafka.partitions):
            if is_of(record.value or b"", person.user_id):
                _add(mentions, ERASURES)


def _add(counts: dict[str, int], place: str) -> None:
    counts[place] = counts.get(place, 0) + 1


async def _history(records: RecordReader, place: tuple[str, int]) -> History:
    history = History()
    async for record in records.since([place], 0):
        history.add(record.key or b"", record.value)
    return history


def _newest(history: History) -> Arrays:
    restored = history.restored(lambda _: None)
    return {} if restored is None else restored.arrays


def _search_snapshot(
    history: History, arrays: Arrays, person: Person
) -> Sequence[tuple[str, bool]]:
    """The newest arrays with a trace, and chunks that deltas are applied to; is it the person's?"""
    patterns = _byte_patterns(person.user_id, person.hashes)
    chunks = [
        (name.decode(), True)
        for name, chunk in history.chunks().items()
        if not name.startswith((b"a/forgotten.", b"d/forgotten."))
        and any(pattern in chunk for pattern in patterns)
    ]
    return chunks or in_arrays(arrays, person.user_id, person.hashes)


def in_arrays(
    arrays: Mapping[str, Any], user_id: str, old_hashes: Sequence[str]
) -> list[tuple[str, bool]]:
    """The arrays that hold an id, its key or a hash of it, and whether as the user's.

    Left out is the list of those who are forgotten. An id that stands as a text elsewhere (an
    order or a KOL of the same name) is not the user's.
    """
    patterns = _byte_patterns(user_id, old_hashes)
    found = []
    for name, array in arrays.items():
        raw = array.tobytes()
        if not name.startswith("forgotten.") and any(pattern in raw for pattern in patterns):
            found.append((name, True))
        elif name.endswith(".end") and user_id.encode() in _texts(arrays, name):
            found.append((name, False))
        elif name == "letters" and _is_in_letters(raw, user_id):
            found.append((name, True))
    return found


def _byte_patterns(user_id: str, old_hashes: Sequence[str]) -> tuple[bytes, ...]:
    """What represents a user in the bytes of a memory, beside the id."""
    low = user_key(user_id)[0].to_bytes(8, "little")  # in the state of former versions
    whole = [bytes.fromhex(one) for one in old_hashes]
    return (
        low,
        *(one.encode() for one in old_hashes),
        *whole,
        *(one[: len(one) // 2 - 1 : -1] for one in whole),  # the low word of a name, in a column
    )


def _texts(arrays: Mapping[str, Any], name: str) -> set[bytes]:
    raw = arrays[f"{name.removesuffix('.end')}.utf8"].tobytes()
    ends = arrays[name].tolist()
    return {raw[begin:end] for begin, end in zip([0, *ends], ends, strict=False)}


def _is_in_letters(raw: bytes, user_id: str) -> bool:
    letters = msgspec.msgpack.decode(raw, type=list[Rejected])
    return any(is_of(letter.raw or b"", user_id) for letter in letters)
