"""Sends blocks of cells to their partitions of `kol-cells`, in order."""

from collections.abc import Mapping, Sequence
from typing import Any

from schemas.topics import CELLS, MAX_MESSAGE_BYTES
from sinks.producer import Producer, Record


class Blocks:
    """Sends blocks to the KOL side.

    Args:
        client: `bootstrap_servers` and security, as aiokafka's clients take them.
        topic: what the brokers call it.

    """

    def __init__(self, client: Mapping[str, Any], topic: str = CELLS) -> None:
        self._producer = Producer(client, topic, MAX_MESSAGE_BYTES)

    async def start(self) -> None:
        """Connect."""
        await self._producer.start()

    async def send(self, blocks: Sequence[tuple[int, bytes]]) -> None:
        """Send blocks to their partitions; returns once the brokers have them all.

        Raises:
            SinkStopped: they are not acknowledged; see `Producer.send`.

        """
        await self._producer.send([Record(partition, block) for partition, block in blocks])

    async def stop(self) -> None:
        """Close."""
        await self._producer.stop()
