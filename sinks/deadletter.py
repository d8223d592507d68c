"""What could not be taken, as it came, to `kol-dead-letters`, with where it was and why.

At least once: readers tell letters apart by topic, partition and offset, which are headers.
The same letters are rows of `dead_letter`; this topic keeps the bytes for `kol dlq retry`.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer

from schemas.columns import Rejected
from schemas.topics import DEAD_LETTER_BYTES, DEAD_LETTERS


class DeadLetters:
    """The way of what was refused.

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
            max_request_size=DEAD_LETTER_BYTES,
            **self._client,
        )
        await self._producer.start()

    async def send(self, letters: Sequence[Rejected]) -> None:
        """Send letters; returns once the brokers have them all."""
        producer = self._producer
        if producer is None:
            raise RuntimeError("not started")
        sent = [
            await producer.send(
                DEAD_LETTERS,
                letter.raw,
                key=letter.topic.encode(),
                partition=letter.partition,
                headers=headers(letter),
            )
            for letter in letters
        ]
        await asyncio.gather(*sent)

    async def stop(self) -> None:
        """Let go."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()


def headers(letter: Rejected) -> list[tuple[str, bytes]]:
    """Where the message was, and why it is here."""
    return [
        ("topic", letter.topic.encode()),
        ("partition", str(letter.partition).encode()),
        ("offset", str(letter.offset).encode()),
        ("reason", letter.reason.encode()),
    ]
