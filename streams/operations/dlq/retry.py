"""Which dead letters may be sent to their topics again, and sending them."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import numpy as np
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from schemas.codec import decode
from schemas.columns import RecordBatch
from schemas.doors import Door, RejectReason
from schemas.events import INPUTS
from schemas.keyed_names import KeyedNames
from schemas.letters import INPUT, IS_AMONG, NEW, TABLE, Letter, keys
from schemas.mentions import user_and_time
from schemas.partitioner import partition_of
from schemas.placeholders import DEFAULT, Placeholders
from schemas.reference import own_key
from schemas.reference_types import REFERENCES
from schemas.rows import TABLES
from schemas.topics import DEAD_LETTERS
from schemas.version import MARKS
from sinks.feed import Feed, FeedError
from streams.clients.clickhouse import ReadingError, connect
from streams.clients.kafka_admin import kafka_admin, security_options
from streams.clients.kafka_reader import Place, RecordReader, TopicRecord, record_reader
from streams.core.moments import HORIZON_MS
from streams.operations.dlq.letters import LetterError, parse_id
from streams.operations.dlq.reference import Standing, newest_of_keys, reference_target
from streams.operations.dlq.target import RetryTarget
from streams.settings import Settings

RETRIED = "retried"
MISSING: Final = f"its bytes are not on {DEAD_LETTERS} any more"
_ANY: Final = KeyedNames(b"")  # of the key nothing depends here: no name is kept
TAIL: Final = 500  # newest records that are read for the greatest time of a partition
SKEW_MS: Final = 3_600_000  # clocks of workers, which date letters, against the brokers'
MARK_AT_ONCE: Final = 1_000  # letters
GreatestTimes = Mapping[Place, int]  # topic partition -> greatest event time known, milliseconds
OnSent = Callable[[int], None]  # how many were sent


def why_not_retryable(letter: Letter) -> str | None:
    """Why a letter cannot be retried, whatever it holds; None if that depends on its bytes."""
    if letter.state != NEW:
        return f"was {letter.state} already"
    if letter.target != INPUT or letter.topic not in (*INPUTS, *REFERENCES):
        return (
            "is a row that the database refused, not a message: "
            "the row is written again when its key changes or its partition is replayed"
        )
    if letter.reason == Door.TOO_LATE.label:
        return "would be too late again: the time of its partition only goes forward"
    if letter.reason == Door.DUPLICATE.label:
        return "would be a duplicate again: send it with an event_id of its own"
    if letter.reason == Door.DUPLICATE_ORDER.label:
        return "would not count again: one paid stands for an order"
    if letter.reason == RejectReason.NULL_VALUE.label:
        return "has no value: there is nothing to put back"
    return None


def retry_target(
    letter: Letter,
    raw: bytes | None,
    partitions: int,
    greatest: GreatestTimes,
    now: int,
    *,
    anyway: bool = False,
    placeholders: Placeholders = DEFAULT,
) -> RetryTarget:
    """Where a letter is sent again, or why it is not.

    Args:
        letter: from the rows.
        raw: its bytes; None if they are gone.
        partitions: of the input topics.
        greatest: event times, as far as they are known.
        now: milliseconds; the record time it would get.
        anyway: retry also what would be rejected again.
        placeholders: ids that mean nobody.

    """
    why_not = why_not_retryable(letter)
    if why_not:
        return RetryTarget(letter, why_not)
    if raw is None:
        return RetryTarget(letter, MISSING)
    user_id, ts = user_and_time(raw)
    user = None if user_id is None else user_id.encode()
    at = letter.partition % partitions if user is None else partition_of(user, partitions)
    again = _rejection(_one_record(letter.topic, at, partitions, raw, now), placeholders)
    if again and not anyway:
        return RetryTarget(letter, f"would be refused again: {again}")
    newest = greatest.get((letter.topic, at))
    if newest is not None and not again and ts < newest - HORIZON_MS:
        hours = (newest - ts) / 3_600_000
        return RetryTarget(
            letter,
            f"would be too late: {hours:.1f} h below the greatest time of {letter.topic}/{at}, "
            f"more than {HORIZON_MS / 3_600_000:g} h",
        )
    return RetryTarget(letter, None, raw, user, at, ts)


def _one_record(topic: str, partition: int, partitions: int, raw: bytes, now: int) -> RecordBatch:
    """The batch of a record with these bytes on that partition."""
    offset, received_at = np.zeros(1, np.int64), np.array([now])
    return RecordBatch(topic, partition, partitions, 0, 1, [raw], offset, received_at)


def _rejection(batch: RecordBatch, placeholders: Placeholders) -> str | None:
    """Why this version would reject the only record of a batch; None if it accepts it."""
    read = decode(batch, _ANY, placeholders)
    return f"{read.rejected[0].reason} ({read.rejected[0].error})" if read.rejected else None


def _order(target: RetryTarget) -> tuple[int, str, int, int]:
    letter = target.letter
    return target.ts, letter.topic, letter.partition, letter.offset


@dataclass(slots=True)
class Outcome:
    """What happened, or would happen, to the chosen letters."""

    targets: list[RetryTarget] = field(default_factory=list)
    sent: bool = False  # False: only assessed

    @property
    def accepted(self) -> list[RetryTarget]:
        """Those that can be retried, the oldest first."""
        return sorted((t for t in self.targets if not t.why_not), key=_order)

    @property
    def refused(self) -> list[RetryTarget]:
        """Those that cannot."""
        return [t for t in self.targets if t.why_not]


async def assess(
    settings: Settings,
    chosen: Sequence[Letter],
    reported: GreatestTimes,
    now: int,
    *,
    anyway: bool = False,
) -> Outcome:
    """Which letters can be retried, by their original bytes; sends nothing.

    Args:
        settings: where the brokers are.
        chosen: letters.
        reported: greatest times by the workers; the newest records of each partition add to them.
        now: milliseconds.
        anyway: retry also what would be rejected again.

    """
    partitions = settings.kafka.partitions
    candidates = [letter for letter in chosen if not why_not_retryable(letter)]
    if not candidates:
        return Outcome([RetryTarget(one, why_not_retryable(one)) for one in chosen])
    references = [one for one in candidates if one.topic in REFERENCES]
    async with record_reader(settings.kafka) as records:
        raws = await _original_bytes(records, candidates)
        counts = await asyncio.to_thread(_counts, settings) if references else {}
        standing = await _standing(records, settings, references, raws, counts)
        topics = {topic for topic in INPUTS if any(one.topic == topic for one in candidates)}
        places = [(topic, at) for topic in sorted(topics) for at in range(partitions)]
        newest = await records.newest(places, TAIL)
    nobody = settings.placeholders
    greatest = greatest_times(newest, partitions, reported, nobody)
    of_event = partial(retry_target, anyway=anyway, placeholders=nobody)
    of_reference = partial(reference_target, anyway=anyway, placeholders=nobody)
    targets = []
    for one in chosen:
        raw = raws.get(parse_id(one.id))
        why_not = why_not_retryable(one) or (MISSING if raw is None else None)
        if raw is None or why_not:
            targets.append(RetryTarget(one, why_not))
        elif one.topic in REFERENCES:
            targets.append(of_reference(one, raw, counts.get(one.topic, 0), standing, now))
        else:
            targets.append(of_event(one, raw, partitions, greatest, now))
    return Outcome(targets)


def _counts(settings: Settings) -> dict[str, int]:
    with kafka_admin(settings.kafka) as broker:
        return broker.counts()


async def _standing(
    records: RecordReader,
    settings: Settings,
    references: Sequence[Letter],
    raws: Mapping[tuple[Any, ...], bytes],
    counts: Mapping[str, int],
) -> Standing:
    """The newest record of each key that these letters have, as far as it is newer than one."""
    keys = {
        (one.topic, own_key(one.topic, raws[parse_id(one.id)]))
        for one in references
        if parse_id(one.id) in raws
    }
    topics = sorted({topic for topic, _ in keys})
    places = [(topic, at) for topic in topics for at in range(counts.get(topic, 0))]
    if not places:
        return {}
    since = records.since(places, min(one.at for one in references))
    return newest_of_keys(
        [one async for one in since if (one.topic, one.key) in keys], counts, settings.placeholders
    )


async def _original_bytes(
    records: RecordReader, candidates: Sequence[Letter]
) -> dict[tuple[Any, ...], bytes]:
    """The bytes of letters by topic, partition, offset; each once, however often it was sent."""
    left = {parse_id(one.id) for one in candidates}
    found: dict[tuple[Any, ...], bytes] = {}
    for since in (min((one.at for one in candidates), default=0) - SKEW_MS, 0):
        if not left:
            break
        places = [(DEAD_LETTERS, at) for at in sorted({at for _, at, _ in left})]
        async for record in records.since(places, since):
            at = original_place(record)
            if at is not None and at in left and record.value is not None:
                found[at] = record.value
                left.discard(at)
    return found


def original_place(record: TopicRecord) -> tuple[str, int, int] | None:
    """Topic, partition and offset that a dead letter's headers name; None if they name none."""
    try:
        topic, partition, offset = (
            record.headers[name] for name in ("topic", "partition", "offset")
        )
        return topic.decode(), int(partition), int(offset)
    except (KeyError, ValueError):
        return None


def greatest_times(
    records: Iterable[TopicRecord],
    partitions: int,
    reported: GreatestTimes,
    placeholders: Placeholders = DEFAULT,
) -> dict[Place, int]:
    """The greatest event time of each topic partition: of these records, and as reported."""
    found = dict(reported)
    values: dict[Place, list[TopicRecord]] = {}
    for record in records:
        values.setdefault((record.topic, record.partition), []).append(record)
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
            ),
            _ANY,
            placeholders,
        )
        if len(read.facts):
            newest = int(read.facts.at.max())
            found[topic, partition] = max(newest, found.get((topic, partition), newest))
    return found


async def send_again(settings: Settings, outcome: Outcome, on_sent: OnSent) -> None:
    """Send the bytes of all accepted letters to their topics, then mark the letters.

    Raises:
        LetterError: the brokers did not take them; nothing is marked.
        ReadingError: they are sent, but the database did not take the marks.

    """
    try:
        async with Feed(settings.kafka.bootstrap, options=security_options(settings.kafka)) as feed:
            for number, one in enumerate(outcome.accepted, 1):
                topic = settings.kafka.broker_topic(one.letter.topic)
                await feed.send(topic, one.partition, one.key, one.value)
                on_sent(number)
    except FeedError as error:
        raise LetterError(f"not put back, nothing is marked: {error}") from error
    outcome.sent = True
    client = await asyncio.to_thread(connect, settings.clickhouse)
    try:
        await asyncio.to_thread(mark, client, [one.letter for one in outcome.accepted])
    finally:
        await asyncio.to_thread(client.close)


def mark(client: Client, letters: Sequence[Letter], state: str = RETRIED) -> None:
    """Set the state of letters, over whatever workers wrote or will write about them.

    Raises:
        ReadingError: the database refuses; the letters then look as before.

    """
    version = MARKS | time.time_ns() // 1_000_000
    columns = [name for name in TABLES[TABLE].columns if name not in {"state", "version"}]
    names = ", ".join(f"`{name}`" for name in columns)
    for start in range(0, len(letters), MARK_AT_ONCE):
        chosen = keys(letters[start : start + MARK_AT_ONCE])
        try:
            client.command(
                f"INSERT INTO {TABLE} ({names}, `state`, `version`)"  # noqa: S608  # names of ours
                f" SELECT {names}, {{state:String}}, {{version:UInt64}} FROM {TABLE} FINAL"
                f" WHERE {IS_AMONG}",
                parameters={"state": state, "version": version} | chosen,
            )
        except ClickHouseError as error:
            raise ReadingError(
                f"put back, but not marked: {error}. Retrying them again does no harm."
            ) from error
