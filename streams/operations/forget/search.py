"""What there is of a user in our tables, topics and snapshots: `kol forget` ends with this search.

*Found* is what is the person's: it must be nothing. *Mentions* are the same text elsewhere, such
as an order or a KOL of that name. Of topics the newest record of every key is looked at; what it
replaced goes with compaction.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from clickhouse_connect.driver.client import Client

from schemas.columns import Rejected
from schemas.identity import user_key
from schemas.mentions import is_of
from schemas.rows import TABLES
from schemas.topics import CELLS, DEAD_LETTERS, ERASURES, KOL_STATE, USER_STATE
from streams.clients.clickhouse import query
from streams.clients.kafka_reader import Entry, RecordReader, record_reader
from streams.settings import Kafka
from streams.snapshots.chunks import assemble, unseal
from streams.snapshots.statelog import MANIFEST

LETTER: Final = "(topic, `partition`, `offset`, target, toUnixTimestamp64Milli(at))"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Person:
    """Who is forgotten, under all names of ours."""

    user_id: str
    partition: int  # of the inputs
    at: int  # everything appended up to then is the person's, milliseconds since the epoch
    hashes: tuple[str, ...]  # of all who had this id up to then


@dataclass(frozen=True, slots=True)
class Traces:
    """What a search found: place -> how often."""

    found: dict[str, int] = field(default_factory=dict)  # must be none
    mentions: dict[str, int] = field(default_factory=dict)  # the same text, not theirs


@dataclass(frozen=True, slots=True)
class Letter:
    """A row of `dead_letter`."""

    topic: str
    partition: int
    offset: int
    target: str
    at: int

    @property
    def sql(self) -> str:
        """Its key as `LETTER` gives it; all texts are names of ours."""
        return f"('{self.topic}', {self.partition}, {self.offset}, '{self.target}', {self.at})"


async def search(engine: Client, kafka: Kafka, person: Person, say: Say) -> Traces:
    """Look for the id, its key and its hashes in every table and every topic of ours.

    Raises:
        ReadingError, BrokerError: the engine or the brokers refuse.

    """
    told = Traces()
    say("searching tables")
    await asyncio.to_thread(_in_tables, engine, person, told)
    await _in_topics(kafka, person, told, say)
    return told


def letters(engine: Client, person: Person) -> list[Letter]:
    """The person's letters: messages by their bytes, refused rows by a hash in them."""
    found = query(
        engine,
        "SELECT DISTINCT topic, `partition`, `offset`, target,"
        " toUnixTimestamp64Milli(dead_letter.at) AS ms, encoding, payload FROM dead_letter"
        " WHERE if(target = 'input', ms <= {at:Int64} AND (position(payload, '\\\\') > 0"
        " OR position(if(encoding = 'base64', tryBase64Decode(payload), payload), {id:String}) > 0)"
        ", multiSearchAny(payload, {hashes:Array(String)}))",
        {"at": person.at, "id": person.user_id, "hashes": list(person.hashes)},
    )
    return [
        Letter(one["topic"], one["partition"], int(one["offset"]), one["target"], int(one["ms"]))
        for one in found
        if one["target"] != "input" or is_of(_payload(one), person.user_id)
    ]


def _payload(row: Mapping[str, Any]) -> bytes:
    text = str(row["payload"])
    return msgspec.convert(text, bytes) if row["encoding"] == "base64" else text.encode()


def is_theirs(entry: Entry, person: Person) -> bool:
    """Whether a record of `kol-dead-letters` is, or may be, the person's."""
    return entry.value is not None and entry.at <= person.at and is_of(entry.value, person.user_id)


async def every(records: RecordReader, topic: str, partitions: int) -> AsyncIterator[Entry]:
    """Every record of a topic as it ends now."""
    async for entry in records.since([(topic, at) for at in range(partitions)], 0):
        yield entry


def _in_tables(engine: Client, person: Person, told: Traces) -> None:
    """Look into every column that can hold a text."""
    for name, table in TABLES.items():
        texts = [c for c, column in table.all_columns.items() if "String" in column.type]
        if not texts:
            continue
        hashed = [
            f"countIf(multiSearchAny(toString(`{c}`), {{hashes:Array(String)}}))" for c in texts
        ]
        said = [f"countIf(match(toString(`{c}`), {{id:String}}))" for c in texts]
        found = query(
            engine,
            f"SELECT [{', '.join(hashed)}] AS hashed, [{', '.join(said)}] AS said FROM {name}",  # noqa: S608  # names of ours
            {"hashes": list(person.hashes), "id": pattern(person.user_id)},
        )[0]
        for kind, where in (("hashed", told.found), ("said", told.mentions)):
            counts = zip(texts, map(int, found[kind]), strict=True)
            where.update({f"{name}.{c}": n for c, n in counts if n})
    left = len(letters(engine, person))
    if left:
        told.found["dead_letter"] = left


def pattern(user_id: str) -> str:
    r"""RE2's for an id that stands alone.

    >>> pattern("a.b")
    '(^|[^0-9A-Za-z_])\\Qa.b\\E([^0-9A-Za-z_]|$)'
    """
    quoted = user_id.replace("\\E", "\\E\\\\E\\Q")
    return rf"(^|[^0-9A-Za-z_])\Q{quoted}\E([^0-9A-Za-z_]|$)"


async def _in_topics(kafka: Kafka, person: Person, told: Traces, say: Say) -> None:
    """Look at the newest record of every key; what it replaced goes with compaction."""
    found, mentions = told.found, told.mentions
    async with record_reader(kafka) as records:
        for topic, side in ((USER_STATE, "user"), (KOL_STATE, "kol")):
            for partition in range(kafka.partitions):
                say(f"searching {topic}/{partition}")
                for array, is_own in await _in_state(records, (topic, partition), person):
                    where = found if side == "user" and is_own else mentions
                    _add(where, f"{topic}: {array}")
        say(f"searching {CELLS}, {DEAD_LETTERS}, {ERASURES}")
        signs = tuple(one.encode() for one in person.hashes)
        async for entry in every(records, CELLS, kafka.partitions):
            if any(sign in (entry.value or b"") for sign in signs):
                _add(found, CELLS)
        newest: dict[tuple[int, int | bytes | None], Entry] = {}
        async for entry in every(records, DEAD_LETTERS, kafka.partitions):
            name = entry.key if entry.key and b"/" in entry.key else entry.offset
            newest.pop((entry.partition, name), None)
            if is_theirs(entry, person):
                newest[entry.partition, name] = entry
        if newest:
            found[DEAD_LETTERS] = len(newest)
        async for entry in every(records, ERASURES, kafka.partitions):
            if is_of(entry.value or b"", person.user_id):
                _add(mentions, ERASURES)


def _add(counts: dict[str, int], place: str) -> None:
    counts[place] = counts.get(place, 0) + 1


async def _in_state(
    records: RecordReader, place: tuple[str, int], person: Person
) -> Sequence[tuple[str, bool]]:
    """The arrays of the newest snapshot that hold a trace, and whether it is the person's own."""
    latest: dict[bytes, bytes] = {}
    async for entry in records.since([place], 0):
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
    return chunks or in_arrays(arrays, person.user_id, person.hashes)


def in_arrays(
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
        elif name == "letters" and _is_inletters(raw, user_id):
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


def _is_inletters(raw: bytes, user_id: str) -> bool:
    letters = msgspec.msgpack.decode(raw, type=list[Rejected])
    return any(is_of(letter.raw or b"", user_id) for letter in letters)
