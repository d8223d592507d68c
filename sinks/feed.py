"""Sends events into Kafka topics: many per second, in order, each acknowledged or reported.

`kol ingest`, `kol import`, `kol dlq retry`, the demo and the tests send through it. Records
of a partition are collected in one of aiokafka's batches and sent when it is full or has
lingered. Sending each record on its own (`AIOKafkaProducer.send`) takes three times as long
(decision 0016).

Order is kept within a partition. Every replica acknowledges, and since the producer is
idempotent, a batch that is sent again is stored once.
"""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Literal, Self

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder

from sinks.batches import stop

Headers = list[tuple[str, bytes]]

METADATA_SECONDS: Final = 10.0  # until a topic that the brokers do not name is taken for missing
STOP_SECONDS: Final = 2.0  # for the brokers to acknowledge what is under way at an early end


class FeedError(Exception):
    """Records are not acknowledged: says of which topic partition first, and why.

    They may still be in the log, if only the acknowledgement was lost.

    Args:
        reason: for a person.
        unacknowledged: topic -> records sent and not acknowledged; with `Feed.delivered`
            they make `Feed.sent`.

    """

    def __init__(self, reason: str, unacknowledged: Counter[str]) -> None:
        super().__init__(f"{reason}; {unacknowledged.total()} in all are not acknowledged")
        self.unacknowledged = unacknowledged


@dataclass(frozen=True, slots=True)
class _Batch:
    """Records of one partition, to be sent together."""

    builder: BatchBuilder
    created_at: int  # record time of all its records, milliseconds
    deadline: float  # of its acknowledgement, in the event loop's time


class Feed:
    """Sends records to topic partitions; an async context, whose end flushes.

    After a failure it is of no use: every further call raises the `FeedError`.

    Args:
        bootstrap: brokers, `host:port`, comma-separated.
        compression: of a batch; None sends it plain.
        batch_bytes: a batch is sent when it holds so much, before compression.
        linger_seconds: or so long after its first record.
        in_flight: most batches that are sent and not acknowledged; above, `send` waits.
            Memory is about this times `batch_bytes`, and one open batch for each partition.
        give_up_seconds: after its first record a batch has failed unless it is acknowledged.
        options: more for aiokafka's producer, such as how to authenticate.

    """

    def __init__(
        self,
        bootstrap: str,
        *,
        compression: Literal["lz4"] | None = "lz4",
        batch_bytes: int = 256 * 1024,
        linger_seconds: float = 0.05,
        in_flight: int = 32,
        give_up_seconds: float = 120.0,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.sent: Counter[str] = Counter()  # topic -> records handed in
        self.delivered: Counter[str] = Counter()  # topic -> records acknowledged by the brokers
        self._producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap,
            acks="all",
            enable_idempotence=True,
            compression_type=compression,
            max_batch_size=batch_bytes,
            max_request_size=max(4 * batch_bytes, 4 << 20),
            **(options or {}),
        )
        self._linger = linger_seconds
        self._most_in_flight = in_flight
        self._give_up = give_up_seconds
        self._open: dict[TopicPartition, _Batch] = {}
        self._order: defaultdict[TopicPartition, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._in_flight: set[asyncio.Task[None]] = set()
        self._failure: str | None = None  # the first one

    async def __aenter__(self) -> Self:
        try:
            await self._producer.start()
        except BaseException:
            await stop(self._producer, STOP_SECONDS)
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                await self.flush()
        finally:
            await self._stop()

    async def send(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: Headers | None = None,
    ) -> None:
        """Hand in a record; waits only while too many batches are in flight.

        Which partition is up to the caller (`schemas.partitioner`).

        Raises:
            FeedError: records sent earlier have failed; this one was not handed in.

        """
        tp = TopicPartition(topic, partition)
        while True:
            self._raise_failure()
            batch = self._open.get(tp) or self._open_batch(tp)
            if batch.builder.append(
                timestamp=batch.created_at, key=key, value=value, headers=headers or []
            ):
                self.sent[topic] += 1
                return
            self._ship(tp, batch)
            await asyncio.sleep(0)  # lets full batches leave while records keep coming
            await self._wait_for_capacity(self._most_in_flight - 1)

    async def partitions(self, topic: str) -> int:
        """How many partitions a topic has.

        Raises:
            FeedError: the brokers do not know it.

        """
        try:
            async with asyncio.timeout(METADATA_SECONDS):
                return len(await self._producer.partitions_for(topic))
        except (KafkaError, TimeoutError) as error:
            reason = f"the brokers know no topic {topic}: `kol topics` creates it"
            raise FeedError(reason, self.sent - self.delivered) from error

    async def flush(self) -> None:
        """Wait until the brokers have acknowledged every record sent so far.

        Raises:
            FeedError: some have failed; raised at the first one, not after the last.

        """
        for tp, batch in list(self._open.items()):
            self._ship(tp, batch)
        await self._wait_for_capacity(0)

    def _open_batch(self, tp: TopicPartition) -> _Batch:
        loop = asyncio.get_running_loop()
        batch = self._open[tp] = _Batch(
            self._producer.create_batch(),
            time.time_ns() // 1_000_000,
            loop.time() + self._give_up,
        )
        loop.call_later(self._linger, self._ship, tp, batch)
        return batch

    def _ship(self, tp: TopicPartition, batch: _Batch) -> None:
        """Start sending a batch, unless that was done before."""
        if self._open.get(tp) is batch:
            del self._open[tp]
            task = asyncio.create_task(self._deliver(tp, batch))
            self._in_flight.add(task)
            task.add_done_callback(self._in_flight.discard)

    async def _deliver(self, tp: TopicPartition, batch: _Batch) -> None:
        records = batch.builder.record_count()
        try:
            async with asyncio.timeout_at(batch.deadline):
                async with self._order[tp]:  # first come, first served
                    acknowledged = await self._producer.send_batch(
                        batch.builder, tp.topic, partition=tp.partition
                    )
                await acknowledged
        except (KafkaError, TimeoutError, AssertionError) as error:  # the last: no such partition
            self._failure = self._failure or (
                f"{tp.topic}/{tp.partition}: {records} records failed: {error!r}"
            )
        else:
            self.delivered[tp.topic] += records

    async def _wait_for_capacity(self, most: int) -> None:
        """Wait until at most so many batches are in flight."""
        while len(self._in_flight) > most:
            self._raise_failure()
            await asyncio.wait(self._in_flight, return_when=asyncio.FIRST_COMPLETED)
        self._raise_failure()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            self._abandon()  # so that what is reported stays true
            raise FeedError(self._failure, self.sent - self.delivered)

    def _abandon(self) -> None:
        """Count nothing as delivered any more."""
        self._open.clear()
        for task in self._in_flight:
            task.cancel()

    async def _stop(self) -> None:
        self._open.clear()
        await stop(self._producer, STOP_SECONDS)
        self._abandon()
        await asyncio.gather(*self._in_flight, return_exceptions=True)
