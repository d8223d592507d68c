"""Events into Kafka, many and fast: whole record batches, built here, sent as they fill.

One call per record costs a client some 20 us; here a record is one append to the open batch
of its partition. Order is kept within a partition, and with acks from all replicas and an
idempotent producer a batch that is sent twice is there once.

The partition is the caller's to say (`schemas.partitioner`).
"""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from sinks.batches import Batch, Compression

Lane = tuple[str, int]  # topic, partition
Headers = list[tuple[str, bytes]]


class FeedError(Exception):
    """Records sent earlier were not taken by the brokers; says which and why."""


class Feed:
    """A way into topics; use it as an async context, which flushes at its end.

    Args:
        bootstrap: brokers, `host:port`, comma-separated.
        compression: of a batch; None sends it plain.
        batch_bytes: a batch is sent when it holds so much, before compression.
        linger_seconds: or so long after its first record.
        in_flight: batches under way before `send` waits: memory is about this times
            `batch_bytes`.
        give_up_seconds: a batch the brokers have not taken by then is an error.
        options: more for aiokafka's producer, such as how to authenticate.

    """

    def __init__(
        self,
        bootstrap: str,
        *,
        compression: Compression = "lz4",
        batch_bytes: int = 256 * 1024,
        linger_seconds: float = 0.05,
        in_flight: int = 32,
        give_up_seconds: float = 120.0,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.sent: Counter[str] = Counter()  # topic -> records handed in
        self.delivered: Counter[str] = Counter()  # topic -> records the brokers have
        self._producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap,
            acks="all",
            enable_idempotence=True,
            max_batch_size=batch_bytes,
            max_request_size=max(4 * batch_bytes, 4 << 20),
            **(options or {}),
        )
        self._compression = compression
        self._batch_bytes = batch_bytes
        self._linger = linger_seconds
        self._in_flight = in_flight
        self._give_up = give_up_seconds
        self._open: dict[Lane, Batch] = {}
        self._turns: defaultdict[Lane, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._shipping: set[asyncio.Task[None]] = set()
        self._error: Exception | None = None
        self._at = 0  # milliseconds: the client's time of the open batches

    async def __aenter__(self) -> Self:
        await self._producer.start()
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
            self._open.clear()
            try:
                await self._producer.stop()
            finally:
                await asyncio.gather(*self._shipping)

    async def send(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: Headers | None = None,
    ) -> None:
        """Hand in a record; waits only when too much is under way.

        Raises:
            FeedError: records sent earlier are not in Kafka.

        """
        lane = (topic, partition)
        headers = headers or []
        while True:
            batch = self._open.get(lane) or self._begun(lane)
            if batch.append(timestamp=self._at, key=key, value=value, headers=headers):
                self.sent[topic] += 1
                return
            self._ship(lane, batch)
            await self._room()

    async def flush(self) -> None:
        """Wait until the brokers have all that was sent.

        Raises:
            FeedError: they do not have it, and will not.

        """
        for lane, batch in list(self._open.items()):
            self._ship(lane, batch)
        while self._shipping:
            await asyncio.wait(self._shipping)
        self._complain()

    def _begun(self, lane: Lane) -> Batch:
        batch = self._open[lane] = Batch(self._batch_bytes, self._compression)
        self._at = time.time_ns() // 1_000_000
        asyncio.get_running_loop().call_later(self._linger, self._ship, lane, batch)
        return batch

    def _ship(self, lane: Lane, batch: Batch) -> None:
        if self._open.get(lane) is batch:
            del self._open[lane]
            task = asyncio.create_task(self._shipped(lane, batch))
            self._shipping.add(task)
            task.add_done_callback(self._shipping.discard)

    async def _shipped(self, lane: Lane, batch: Batch) -> None:
        topic, partition = lane
        try:
            async with asyncio.timeout(self._give_up):
                async with self._turns[lane]:  # first come, first served: order is kept
                    sent = await self._producer.send_batch(batch, topic, partition=partition)
                await sent
        except (KafkaError, TimeoutError, AssertionError) as error:  # the last: no such partition
            self._error = self._error or FeedError(
                f"{topic}/{partition}: {batch.record_count()} records were not taken: {error!r}"
            )
        else:
            self.delivered[topic] += batch.record_count()

    async def _room(self) -> None:
        await asyncio.sleep(0)  # batches leave while records come
        while len(self._shipping) >= self._in_flight:
            await asyncio.wait(self._shipping, return_when=asyncio.FIRST_COMPLETED)
        self._complain()

    def _complain(self) -> None:
        if self._error:
            raise self._error
