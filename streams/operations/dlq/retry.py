"""Whether a dead letter may go back, and how it does."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import numpy as np
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from schemas.codec import decode
from schemas.columns import RecordBatch
from schemas.doors import Door, RejectReason
from schemas.events import INPUTS
from schemas.partitioner import partition_of
from schemas.rows import TABLES
from schemas.topics import DEAD_LETTERS
from schemas.version import MARKS
from sinks.feed import Feed, FeedError
from streams.clients.clickhouse import ReadingError, connect
from streams.clients.kafka_admin import options
from streams.clients.kafka_reader import Entry, Place, RecordReader, record_reader
from streams.core.moments import HORIZON_MS
from streams.operations.dlq.letters import INPUT, NEW, Letter, LetterError, place
from streams.settings import Settings

RETRIED = "retried"
TAIL: Final = 500  # newest records looked at for the greatest time of a partition
SKEW_MS: Final = 3_600_000  # clocks of workers, which date letters, against the brokers'
MARK_AT_ONCE: Final = 1_000  # letters
Greatest = Mapping[Place, int]  # topic partition -> greatest event time known, milliseconds
Seen = Callable[[int], None]  # how many were put back


@dataclass(frozen=True, slots=True)
class Way:
    """Where the bytes of a letter go, or why they do not."""

    letter: Letter
    why_not: str | None = None
    value: bytes = b""
    key: bytes | None = None
    partition: int = 0
    ts: int = 0  # event time; 0 where it cannot be read

    def as_dict(self) -> dict[str, Any]:
        """For a machine."""
        if self.why_not:
            return {"id": self.letter.id, "reason": self.letter.reason, "why_not": self.why_not}
        to = f"{self.letter.topic}/{self.partition}"
        return {"id": self.letter.id, "reason": self.letter.reason, "to": to}


def hopeless(letter: Letter) -> str | None:
    """Why a letter cannot go back whatever it holds; None where that is to be seen."""
    if letter.state != NEW:
        return f"was {letter.state} already"
    if letter.target != INPUT or letter.topic not in INPUTS:
        return (
            "is a row that the database refused, not a message: "
            "it is said again when its key changes or its partition is replayed"
        )
    if letter.reason == Door.TOO_LATE.label:
        return "would be too late again: the time of its partition only goes forward"
    if letter.reason == RejectReason.NULL_VALUE.label:
        return "has no value: there is nothing to put back"
    return None


def way(
    letter: Letter,
    raw: bytes | None,
    partitions: int,
    greatest: Greatest,
    now: int,
    *,
    anyway: bool = False,
) -> Way:
    """Where a letter goes, or why it does not.

    Args:
        letter: from the rows.
        raw: its bytes, None where they are gone.
        partitions: of the input topics.
        greatest: as far as it is known.
        now: milliseconds; the record time it would get.
        anyway: also what would be refused again.

    """
    why_not = hopeless(letter)
    if why_not:
        return Way(letter, why_not)
    if raw is None:
        return Way(letter, f"its bytes are not on {DEAD_LETTERS} any more")
    user, ts = _inside(raw)
    at = letter.partition % partitions if user is None else partition_of(user, partitions)
    again = _refusal(letter.topic, at, partitions, raw, now)
    if again and not anyway:
        return Way(letter, f"would be refused again: {again}")
    newest = greatest.get((letter.topic, at))
    if newest is not None and not again and ts < newest - HORIZON_MS:
        hours = (newest - ts) / 3_600_000
        return Way(
            letter,
            f"would be too late: {hours:.1f} h below the greatest time of {letter.topic}/{at}, "
            f"more than {HORIZON_MS / 3_600_000:g} h",
        )
    return Way(letter, None, raw, user, at, ts)


class _Inside(msgspec.Struct):
    user_id: Any = None
    ts: Any = None


_inside_of = msgspec.json.Decoder(_Inside).decode


def _inside(raw: bytes) -> tuple[bytes | None, int]:
    """User and time that bytes name, where they name any."""
    try:
        read = _inside_of(raw)
    except (ValueError, RecursionError):
        return None, 0
    user = read.user_id if isinstance(read.user_id, str) and read.user_id else None
    at = read.ts if isinstance(read.ts, int) and abs(read.ts) < 1 << 62 else 0
    return (None if user is None else user.encode()), at


def _refusal(topic: str, partition: int, partitions: int, raw: bytes, now: int) -> str | None:
    """What this version would say to these bytes there; None where it takes them."""
    read = decode(
        RecordBatch(
            topic, partition, partitions, 0, 1, [raw], np.zeros(1, np.int64), np.array([now])
        )
    )
    return f"{read.rejected[0].reason} ({read.rejected[0].error})" if read.rejected else None


@dataclass(slots=True)
class Outcome:
    """What became, or would become, of the letters chosen."""

    ways: list[Way] = field(default_factory=list)
    sent: bool = False  # False: only looked at

    @property
    def going(self) -> list[Way]:
        """Those that go back, the oldest event first."""
        return sorted((w for w in self.ways if not w.why_not), key=lambda w: (w.ts, w.letter.id))

    @property
    def refused(self) -> list[Way]:
        """Those that stay."""
        return [w for w in self.ways if w.why_not]


async def looked(
    settings: Settings,
    chosen: Sequence[Letter],
    told: Greatest,
    now: int,
    *,
    anyway: bool = False,
) -> Outcome:
    """Judge letters by their original bytes; nothing is sent.

    Args:
        settings: where the brokers are.
        chosen: letters.
        told: greatest times as workers say them; the newest records of each partition add to it.
        now: milliseconds.
        anyway: also what would be refused again.

    """
    partitions = settings.kafka.partitions
    wanted = [letter for letter in chosen if not hopeless(letter)]
    if not wanted:
        return Outcome([Way(one, hopeless(one)) for one in chosen])
    async with record_reader(settings.kafka) as records:
        raws = await _originals(records, wanted)
        there = {topic for topic in INPUTS if any(one.topic == topic for one in wanted)}
        places = [(topic, at) for topic in sorted(there) for at in range(partitions)]
        greatest = greatest_of(await records.newest(places, TAIL), partitions, told)
    return Outcome(
        [
            way(one, raws.get(place(one.id)), partitions, greatest, now, anyway=anyway)
            for one in chosen
        ]
    )


async def _originals(
    records: RecordReader, wanted: Sequence[Letter]
) -> dict[tuple[Any, ...], bytes]:
    """The bytes of letters by topic, partition, offset; each once, however often it was sent."""
    left = {place(one.id) for one in wanted}
    found: dict[tuple[Any, ...], bytes] = {}
    for since in (min((one.at for one in wanted), default=0) - SKEW_MS, 0):
        if not left:
            break
        places = [(DEAD_LETTERS, at) for at in sorted({at for _, at, _ in left})]
        async for entry in records.since(places, since):
            at = source(entry)
            if at in left and entry.value is not None:
                found[at] = entry.value
                left.discard(at)
    return found


def source(entry: Entry) -> tuple[str, int, int] | None:
    """Where a record of `kol-dead-letters` had been, by its headers; None if they do not say."""
    try:
        topic, partition, offset = (
            entry.headers[name] for name in ("topic", "partition", "offset")
        )
        return topic.decode(), int(partition), int(offset)
    except (KeyError, ValueError):
        return None


def greatest_of(entries: Iterable[Entry], partitions: int, told: Greatest) -> dict[Place, int]:
    """Greatest event time of topic partitions: of these records, and as told."""
    found = dict(told)
    values: dict[Place, list[Entry]] = {}
    for entry in entries:
        values.setdefault((entry.topic, entry.partition), []).append(entry)
    for (topic, partition), some in values.items():
        read = decode(
            RecordBatch(
                topic,
                partition,
                partitions,
                some[0].offset,
                some[-1].offset + 1,
                [one.value for one in some],
                np.array([one.offset for one in some]),
                np.array([one.at for one in some]),
            )
        )
        if len(read.facts):
            newest = int(read.facts.at.max())
            found[topic, partition] = max(newest, found.get((topic, partition), newest))
    return found


async def put_back(settings: Settings, outcome: Outcome, seen: Seen) -> None:
    """Send the original bytes of all that goes to their topics, then mark the letters.

    Raises:
        LetterError: the brokers did not take them; nothing is marked.
        ReadingError: they are sent, but the database did not take the marks.

    """
    try:
        async with Feed(settings.kafka.bootstrap, options=options(settings.kafka)) as feed:
            for number, one in enumerate(outcome.going, 1):
                await feed.send(one.letter.topic, one.partition, one.key, one.value)
                seen(number)
    except FeedError as error:
        raise LetterError(f"not put back, nothing is marked: {error}") from error
    outcome.sent = True
    client = await asyncio.to_thread(connect, settings.clickhouse)
    try:
        await asyncio.to_thread(mark, client, [one.letter for one in outcome.going])
    finally:
        await asyncio.to_thread(client.close)


def mark(client: Client, marked: Sequence[Letter], state: str = RETRIED) -> None:
    """Say what became of letters, over whatever workers said or will say of them.

    Raises:
        ReadingError: the database refuses; the letters then look as before.

    """
    version = MARKS | time.time_ns() // 1_000_000
    columns = [name for name in TABLES["dead_letter"].columns if name not in {"state", "version"}]
    names = ", ".join(f"`{name}`" for name in columns)
    for start in range(0, len(marked), MARK_AT_ONCE):
        keys = ", ".join(map(_key, marked[start : start + MARK_AT_ONCE]))
        try:
            client.command(
                f"INSERT INTO dead_letter ({names}, `state`, `version`)"  # noqa: S608  # quoted names and numbers
                f" SELECT {names}, {_quoted(state)}, toUInt64({version}) FROM dead_letter FINAL"
                " WHERE (topic, `partition`, `offset`, target, toUnixTimestamp64Milli(at))"
                f" IN ({keys})"
            )
        except ClickHouseError as error:
            raise ReadingError(
                f"put back, but not marked: {error}. Retrying them again does no harm."
            ) from error


def _key(one: Letter) -> str:
    where = f"{_quoted(one.topic)}, {one.partition}, {one.offset}"
    return f"({where}, {_quoted(one.target)}, {one.at})"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
