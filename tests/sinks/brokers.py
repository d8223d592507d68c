"""Brokers for unit tests: they take batches, or do not."""

import asyncio
from collections import defaultdict
from types import SimpleNamespace
from typing import Any, ClassVar

from aiokafka.errors import UnknownTopicOrPartitionError
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.memory_records import MemoryRecords

Read = tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]  # key, value, headers


def read(raw: bytes | bytearray) -> list[Read]:
    """What is in record batches, as aiokafka's consumer reads it; checksums are checked."""
    records = MemoryRecords(bytes(raw))
    found: list[Read] = []
    while records.has_next():
        batch = records.next_batch()
        assert batch.validate_crc()
        found += [(r.key, r.value, list(r.headers)) for r in batch]
    return found


class Brokers:
    """Stands in for `AIOKafkaProducer`: keeps what it is sent, by topic and partition."""

    last: ClassVar["Brokers"]
    partitions = 4
    counts: ClassVar[dict[str, int]] = {"kol-profile": 3, "kol-notice": 1, "kol-consents": 4}

    def __init__(self, **options: Any) -> None:  # noqa: ANN401  # as the producer's
        self.options = options
        self.kept: defaultdict[tuple[str, int], list[Read]] = defaultdict(list)
        self.batches = 0
        self.under_way = 0
        self.most_under_way = 0
        self.errors: list[Exception] = []  # for the next deliveries
        self.gate = asyncio.Event()
        self.gate.set()
        self.is_started = self.is_stopped = self.is_torn_down = False
        self._sender = self.client = SimpleNamespace(close=self._tear_down)  # as the producer's
        self._message_accumulator = SimpleNamespace(_batches={}, _pending_batches=())
        type(self).last = self

    async def start(self) -> None:
        self.is_started = True

    async def stop(self) -> None:
        self.is_stopped = True

    async def _tear_down(self) -> None:
        self.is_torn_down = True

    async def partitions_for(self, topic: str) -> set[int]:
        await asyncio.sleep(0)
        if topic not in self.counts:
            raise UnknownTopicOrPartitionError
        return set(range(self.counts[topic]))

    def create_batch(self) -> BatchBuilder:
        return BatchBuilder(self.options["max_batch_size"], 0)

    async def send_batch(
        self, batch: BatchBuilder, topic: str, *, partition: int
    ) -> "asyncio.Future[None]":
        await asyncio.sleep(0)
        assert 0 <= partition < self.partitions, "Unrecognized partition"
        self.batches += 1
        return asyncio.ensure_future(self._delivered(batch, topic, partition))

    async def _delivered(self, batch: BatchBuilder, topic: str, partition: int) -> None:
        error = self.errors.pop(0) if self.errors else None
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await self.gate.wait()
        self.under_way -= 1
        if error:
            raise error
        self.kept[topic, partition] += read(batch._build())
