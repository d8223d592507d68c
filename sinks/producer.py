"""Records of one topic to their partitions: in order, acknowledged by all replicas, once each."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from sinks.base import SinkStopped
from sinks.batches import Batch, stop

STOP_SECONDS = 0.2  # of each of the two steps; a worker gives its outputs 0.5 s to close
BATCH_BYTES = 512 * 1024  # before compression; a longer record has a batch to itself


@dataclass(frozen=True, slots=True)
class Record:
    """A record and its partition."""

    partition: int
    value: bytes | None
    key: bytes | None = None
    headers: list[tuple[str, bytes]] = field(default_factory=list)


class Producer:
    """Sends records to one topic.

    Args:
        client: `bootstrap_servers` and security, as aiokafka's clients take them.
        topic: where to.
        most_bytes: of one request, and of a batch on the topic.

    """

    def __init__(self, client: Mapping[str, Any], topic: str, most_bytes: int) -> None:
        self._client = client
        self._topic = topic
        self._most_bytes = most_bytes
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Connect, unless connected."""
        if self._producer is not None:
            return
        producer = AIOKafkaProducer(
            acks="all",
            enable_idempotence=True,
            max_request_size=self._most_bytes,
            **self._client,
        )
        try:
            await producer.start()
        except BaseException:
            await stop(producer, STOP_SECONDS)
            raise
        self._producer = producer

    async def send(self, records: Sequence[Record]) -> None:
        """Send records; returns once the brokers have them all.

        While the brokers are away it waits: without limit for an acknowledgement, but at most
        aiokafka's 40 s for what comes before (metadata, the batch ahead).

        Raises:
            SinkStopped: they refuse them for good, or were away for longer than that. The worker
                starts anew and sends them again.

        """
        if self._producer is None:
            raise RuntimeError("not started")
        try:
            sent = [
                await self._producer.send_batch(batch, self._topic, partition=partition)
                for partition, batch in _batches(records, self._most_bytes)
            ]
            await asyncio.gather(*sent)
        except AssertionError as error:  # aiokafka asserts that a partition is there
            raise SinkStopped(f"{self._topic}: {error}: run `kol topics`") from error
        except KafkaError as error:
            raise SinkStopped(f"{self._topic} was not written: {error!r}") from error

    async def stop(self) -> None:
        """Close in bounded time; records that are not acknowledged by then may be lost."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await stop(producer, STOP_SECONDS)


def _batches(records: Sequence[Record], limit: int) -> Iterator[tuple[int, Batch]]:
    """Records in batches of one partition each; within a partition the order stays."""
    filling: dict[int, Batch] = {}
    for record in records:
        batch = filling.setdefault(record.partition, _batch(limit))
        if not _append(batch, record):
            yield record.partition, batch
            filling[record.partition] = batch = _batch(limit)
            _append(batch, record)  # the first one always fits
    yield from filling.items()


def _batch(limit: int) -> Batch:
    return Batch(BATCH_BYTES, limit)


def _append(batch: Batch, record: Record) -> bool:
    headers = record.headers
    appended = batch.append(timestamp=None, key=record.key, value=record.value, headers=headers)
    return appended is not None
