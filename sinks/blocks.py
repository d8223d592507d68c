"""Blocks of cells to `kol-cells`: each to its partition, in order, acknowledged."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from schemas.topics import CELLS, MAX_MESSAGE_BYTES

LINGER_MS: Final = 0  # a round hands in all it has at once


class Blocks:
    """The way to the KOL side.

    Args:
        client: `bootstrap_servers` and security, as aiokafka's clients take them.

    """

    def __init__(self, client: Mapping[str, Any]) -> None:
        self._client = client
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Connect."""
        self._producer = AIOKafkaProducer(
            acks="all",
            enable_idempotence=True,
            compression_type="lz4",
            linger_ms=LINGER_MS,
            max_request_size=MAX_MESSAGE_BYTES,
            **self._client,
        )
        await self._producer.start()

    async def send(self, blocks: Sequence[tuple[int, bytes]]) -> None:
        """Send blocks to their partitions; returns once the brokers have them all."""
        producer = self._producer
        if producer is None:
            raise RuntimeError("not started")
        sent = [await producer.send(CELLS, block, partition=at) for at, block in blocks]
        await asyncio.gather(*sent)

    async def stop(self) -> None:
        """Let go."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()
