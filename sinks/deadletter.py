"""Sends messages that were rejected to `kol-dead-letters`: their bytes, where they were, and why.

At least once: a letter's key is where its message was, so of two copies compaction keeps one,
and `kol forget` can take a single letter away. The same letters are rows of `dead_letter`; this
topic keeps the bytes for `kol dlq retry`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from schemas.columns import Rejected
from schemas.topics import DEAD_LETTER_BYTES, DEAD_LETTERS
from sinks.producer import Producer, Record


class DeadLetters:
    """Sends dead letters.

    Args:
        client: `bootstrap_servers` and security, as aiokafka's clients take them.
        topic: what the brokers call it.

    """

    def __init__(self, client: Mapping[str, Any], topic: str = DEAD_LETTERS) -> None:
        self._producer = Producer(client, topic, DEAD_LETTER_BYTES)

    async def start(self) -> None:
        """Connect."""
        await self._producer.start()

    async def send(self, letters: Sequence[Rejected]) -> None:
        """Send letters; returns once the brokers have them all.

        Raises:
            SinkStopped: they are not acknowledged; see `Producer.send`.

        """
        await self._producer.send([_record(letter) for letter in letters])

    async def stop(self) -> None:
        """Close."""
        await self._producer.stop()


def headers(letter: Rejected) -> list[tuple[str, bytes]]:
    """Where the message was, and why it is here."""
    return [
        ("topic", letter.topic.encode()),
        ("partition", str(letter.partition).encode()),
        ("offset", str(letter.offset).encode()),
        ("reason", letter.reason.encode()),
    ]


def key(topic: str, partition: int, offset: int) -> bytes:
    """What a letter is called on the topic, e.g. `purchases/3/17`."""
    return f"{topic}/{partition}/{offset}".encode()


def _record(letter: Rejected) -> Record:
    name = key(letter.topic, letter.partition, letter.offset)
    return Record(letter.partition, letter.raw, name, headers(letter))
