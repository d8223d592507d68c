"""Records of topics for commands: the newest ones, or all since a time; no group, no commits."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.clients.kafka_admin import BrokerError, client_options
from streams.errors import named
from streams.settings import Kafka
from streams.snapshots.stable_end import stable_ends

Place = tuple[str, int]  # topic, partition

LOG_APPEND_TIME = 1
WAIT_MS = 200
GIVE_UP_SECONDS = 20.0  # without getting on although something is left
FETCH_BYTES = 2 << 20  # of a partition at a time; a longer record comes alone


@dataclass(frozen=True, slots=True)
class TopicRecord:
    """One record of a topic, as the broker stores it."""

    topic: str
    partition: int
    offset: int
    at: int  # record time, milliseconds since the epoch, UTC
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes]
    by_broker: bool  # the record time is the broker's own


@dataclass(frozen=True, slots=True)
class PartitionRecords:
    """All records of a partition."""

    records: list[TopicRecord]
    end: int  # the offset after the last one, whatever compaction left


class RecordReader:
    """Reads committed records of topics, without a group and without commits."""

    def __init__(self, consumer: AIOKafkaConsumer, kafka: Kafka) -> None:
        self._consumer = consumer
        self._kafka = kafka

    def _tp(self, place: Place) -> TopicPartition:
        return TopicPartition(self._kafka.broker_topic(place[0]), place[1])

    async def newest(self, places: Iterable[Place], most: int) -> list[TopicRecord]:
        """The records in the last `most` offsets of each partition, in log order.

        Fewer than `most` where transactions were aborted or compaction removed some.
        """
        tps = [self._tp(place) for place in places]
        first = await self._consumer.beginning_offsets(tps)
        ends = await self._consumer.end_offsets(tps)
        starts = {tp: max(first[tp], ends[tp] - most) for tp in tps}
        return [record async for record in self._read_range(starts, ends)]

    async def first_at(self, offsets: Mapping[Place, int]) -> list[TopicRecord]:
        """The first record at or after an offset of each partition, where there is one."""
        starts = {self._tp(place): at for place, at in offsets.items()}
        ends = await self._consumer.end_offsets(list(starts))
        found: dict[Place, TopicRecord] = {}
        async for record in self._read_range(starts, ends):
            found.setdefault((record.topic, record.partition), record)
            if len(found) == len(starts):
                break
        return list(found.values())

    async def since(self, places: Iterable[Place], at_ms: int) -> AsyncIterator[TopicRecord]:
        """All records of these partitions from the first that is no older than `at_ms`."""
        tps = [self._tp(place) for place in places]
        first = await self._consumer.beginning_offsets(tps)
        ends = await self._consumer.end_offsets(tps)
        found = await self._consumer.offsets_for_times(dict.fromkeys(tps, max(at_ms, 0)))
        starts = {tp: found[tp].offset if found.get(tp) else ends[tp] for tp in tps}
        starts = {tp: max(first[tp], start) for tp, start in starts.items()}
        async for record in self._read_range(starts, ends):
            yield record

    async def ranges(
        self, starts: Mapping[Place, int], ends: Mapping[Place, int]
    ) -> AsyncGenerator[TopicRecord, None]:
        """The committed records of these partitions from an offset of each up to another.

        What is no longer there is passed over.

        Raises:
            BrokerError: a partition cannot be read to its end.

        """
        tps = {self._tp(place): place for place in starts}
        left = {tp: ends[place] for tp, place in tps.items() if starts[place] < ends[place]}
        async for record in self._read_range({tp: starts[tps[tp]] for tp in left}, left):
            yield record

    async def read_all(self, places: Iterable[Place]) -> dict[Place, "PartitionRecords"]:
        """All records of these partitions up to where they end now.

        Raises:
            BrokerError: a partition cannot be read to its end.
            OpenTransactionError: a transaction hides a part of one.

        """
        tps = {place: self._tp(place) for place in places}
        first = await self._consumer.beginning_offsets(list(tps.values()))
        ends = await stable_ends(client_options(self._kafka), tps.values())
        found: dict[Place, PartitionRecords] = {
            place: PartitionRecords([], ends[tp]) for place, tp in tps.items()
        }
        async for record in self._read_range(first, ends):
            found[record.topic, record.partition].records.append(record)
        return found

    async def stable_end(self, place: Place) -> int:
        """Where a partition ends now, once no open transaction hides what was appended before.

        Raises:
            OpenTransactionError: a transaction hides a part of it.

        """
        tp = self._tp(place)
        return (await stable_ends(client_options(self._kafka), [tp]))[tp]

    async def committed_end(self, place: Place) -> int:
        """Where what is committed of a partition ends now; an open transaction ends it, too."""
        tp = self._tp(place)
        return int((await self._consumer.end_offsets([tp]))[tp])

    async def _read_range(
        self, starts: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]
    ) -> AsyncIterator[TopicRecord]:
        """The records of each partition from an offset up to another; to be read to their ends.

        Raises:
            BrokerError: nothing came for a while: a transaction is open, or a broker is away.

        """
        left = {tp for tp, start in starts.items() if start < ends[tp]}
        if not left:
            return
        consumer = self._consumer
        consumer.assign(sorted(left))
        for tp in left:
            consumer.seek(tp, starts[tp])
        loop = asyncio.get_running_loop()
        last_progress, reached = loop.time(), dict(starts)
        while left:
            for tp, records in (await consumer.getmany(*left, timeout_ms=WAIT_MS)).items():
                last_progress = loop.time()
                for record in records:
                    if record.offset < ends[tp]:
                        yield _topic_record(record, self._kafka)
            before, reached = reached, {tp: await consumer.position(tp) for tp in left}
            if any(at != before[tp] for tp, at in reached.items()):
                last_progress = loop.time()  # also past what compaction or an abort has left empty
            done = {tp for tp, at in reached.items() if at >= ends[tp]}
            if done:
                consumer.pause(*done)
                left -= done
            elif loop.time() - last_progress >= GIVE_UP_SECONDS:
                tp = min(left)  # silence is no end
                raise BrokerError(f"{tp.topic}/{tp.partition} cannot be read to its end")


def _topic_record(record: Any, kafka: Kafka) -> TopicRecord:  # noqa: ANN401  # aiokafka ships no types
    return TopicRecord(
        kafka.plain_topic(record.topic) or record.topic,
        record.partition,
        record.offset,
        record.timestamp,
        record.key,
        record.value,
        dict(record.headers),
        record.timestamp_type == LOG_APPEND_TIME,
    )


async def oldest_at(kafka: Kafka, begins: Mapping[Place, int]) -> int | None:
    """The record time of the oldest record of some partitions, ms; None where none has any.

    Args:
        kafka: the brokers.
        begins: the offset at which each partition begins.

    """
    async with record_reader(kafka) as records:
        return min((one.at for one in await records.first_at(begins)), default=None)


@asynccontextmanager
async def record_reader(kafka: Kafka) -> AsyncIterator[RecordReader]:
    """A reader of records, connected to these brokers.

    Raises:
        BrokerError: no broker answers, or a request is refused.

    """
    consumer = AIOKafkaConsumer(
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        max_partition_fetch_bytes=FETCH_BYTES,
        **client_options(kafka),
    )
    try:
        await consumer.start()
        await asyncio.sleep(0)  # its tasks begin: one that never began cannot be stopped quietly
        try:
            yield RecordReader(consumer, kafka)
        finally:
            await consumer.stop()
    except KafkaError as error:
        raise BrokerError(f"Kafka at {kafka.bootstrap} does not answer: {named(error)}") from error
