"""Records of reference topics from the brokers: some of each topic at a time."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, aclosing, contextmanager
from dataclasses import dataclass
from typing import Final

from schemas.columns import Rejected
from schemas.erasures import read_erasures
from schemas.placeholders import Placeholders
from schemas.reference import Refused, Tombstone, read_reference
from schemas.reference_types import Reference
from schemas.topics import ERASURES
from streams.clients.kafka_admin import Broker, BrokerError
from streams.clients.kafka_reader import RecordReader, TopicRecord, record_reader
from streams.errors import ExpectedError
from streams.settings import Settings
from streams.trainer.dimensions.cursor import Cursor, Found
from streams.trainer.dimensions.erased import Persons
from streams.trainer.dimensions.rows import Stated

_ERASURES_PLACE: Final = (ERASURES, 0)  # each erasure lies on every partition: one is enough
RECORDS_AT_ONCE: Final = 20_000  # of a topic, between two writes
BYTES_AT_ONCE: Final = 16 << 20

TOMBSTONES_KEPT: Final = "delete.retention.ms"

log = logging.getLogger("kol.trainer")


class OtherKeyError(ExpectedError):
    """The key of this process makes other names than those that stand."""


@dataclass(slots=True)
class Batch:
    """Some records of one topic, by partition."""

    stated: dict[int, list[Stated]]
    rejected: list[Rejected]
    offsets: dict[int, int]  # partition -> up to where it is read


def found_topics(broker: Broker, topics: Mapping[str, str]) -> dict[str, Found]:
    """How each topic stands on the brokers; its value in `topics` is the UUID of its table."""
    ids = broker.topic_ids()
    ends: dict[str, dict[int, int]] = defaultdict(dict)
    for (topic, partition), end in broker.end_offsets(topics, stable=True).items():
        ends[topic][partition] = end
    return {
        topic: Found(ids.get(topic, "") if ends[topic] else "", table_id, dict(ends[topic]))
        for topic, table_id in topics.items()
    }


def tombstones_kept_ms(broker: Broker, topic: str) -> int:
    """How long the brokers keep a record that takes a key back."""
    return int(broker.configs(topic)[TOMBSTONES_KEPT])


def erasures_end(broker: Broker) -> int | None:
    """The end of `kol-erasures` as records were appended; None where there is no such topic."""
    return broker.end_offsets([ERASURES]).get(_ERASURES_PLACE)


class ReferenceReader:
    """Reads reference topics, and of `kol-erasures` what is new.

    One serves all turns of a process: erasures are read once. It connects with the first records
    of a turn (`opened`) and stays so until the end of it.

    Args:
        settings: of the deployment.

    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._names = settings.keyed_names
        self._placeholders = settings.placeholders
        self._persons = Persons(self._names)
        self._erasures_id = ""  # of the topic that the erasures are of
        self._next_erasure = 0  # offset
        self._runner: asyncio.Runner | None = None
        self._reader: RecordReader | None = None
        self._open = AsyncExitStack()

    @contextmanager
    def opened(self) -> Iterator[None]:
        """What is read inside of it is read over one connection."""
        with asyncio.Runner() as self._runner:
            try:
                yield
            finally:
                self._close(self._runner)

    def _close(self, runner: asyncio.Runner) -> None:
        """Close the connection; what was read stands, and an error on its way goes on."""
        if self._reader is None:
            return
        self._reader = None
        try:
            runner.run(self._open.aclose())
        except BrokerError as error:
            log.warning("the connection to reference topics is not closed in order: %s", error)

    def read(self, cursor: Cursor, found: Found) -> Batch:
        """The next records of a topic.

        Raises:
            BrokerError: they cannot be read.

        """
        assert self._runner is not None  # noqa: S101  # it is opened
        return self._runner.run(self._read(cursor, found))

    def persons(self, topic_id: str, end: int | None) -> Persons:
        """All who were erased by now.

        To be asked after the records: whoever was erased by then does not get a row.

        Args:
            topic_id: of `kol-erasures` now; where it was made anew all of it is read.
            end: `erasures_end` of just before; where it has not moved nothing is read.

        Raises:
            BrokerError, OpenTransactionError: they cannot be read.
            OtherKeyError: they have names made with another key.

        """
        assert self._runner is not None  # noqa: S101  # it is opened
        is_known = topic_id == self._erasures_id
        if not is_known:
            self._begin_anew()
            self._erasures_id = topic_id
        if not is_known or end != self._next_erasure:
            self._runner.run(self._read_erasures())
        return self._persons

    async def _connected(self) -> RecordReader:
        if self._reader is None:
            self._reader = await self._open.enter_async_context(record_reader(self._settings.kafka))
        return self._reader

    async def _read(self, cursor: Cursor, found: Found) -> Batch:
        topic = cursor.topic
        starts = {
            (topic, at): offset for at, offset in cursor.offsets.items() if offset < found.ends[at]
        }
        ends = {place: found.ends[place[1]] for place in starts}
        batch = Batch({}, [], {})
        count = size = 0
        async with aclosing((await self._connected()).ranges(starts, ends)) as records:
            async for record in records:
                if record.offset < starts[topic, record.partition]:
                    continue  # of another topic of this name; it is found with the next turn
                _take(batch, record, len(found.ends), self._placeholders)
                count += 1
                size += len(record.value or b"")
                if count >= RECORDS_AT_ONCE or size >= BYTES_AT_ONCE:
                    break
            else:
                batch.offsets = {at: end for (_, at), end in ends.items()}
        return batch

    def _begin_anew(self) -> None:
        self._persons, self._next_erasure = Persons(self._names), 0

    async def _read_erasures(self) -> None:
        place = _ERASURES_PLACE
        reader = await self._connected()
        end = await reader.stable_end(place)
        if end < self._next_erasure:  # the topic was made anew since its id was asked for
            self._begin_anew()
        records = [one async for one in reader.ranges({place: self._next_erasure}, {place: end})]
        values, offsets = [one.value for one in records], [one.offset for one in records]
        erasures = read_erasures(values, offsets, self._names)
        if erasures.foreign:
            raise OtherKeyError(
                "KOL_HMAC_KEY is not that of the workers: erasures have names made with another key"
            )
        self._persons.add(erasures)
        self._next_erasure = end


def _take(batch: Batch, record: TopicRecord, partitions: int, placeholders: Placeholders) -> None:
    read = read_reference(
        record.topic,
        record.key,
        record.value,
        record.at,
        partition=record.partition,
        partitions=partitions,
        placeholders=placeholders,
    )
    batch.offsets[record.partition] = record.offset + 1
    what: Reference | Tombstone
    if isinstance(read, Refused):
        batch.rejected.append(_letter(record, read))
        if read.key is None:
            return
        what = Tombstone(record.topic, read.key)  # compaction takes the key back all the same
    else:
        what = read
    stated = batch.stated.setdefault(record.partition, [])
    stated.append(Stated(record.offset, record.at, what))


def _letter(record: TopicRecord, why: Refused) -> Rejected:
    return Rejected(
        record.topic,
        record.partition,
        record.offset,
        record.at,
        why.reason.label,
        why.error,
        record.value,
    )
