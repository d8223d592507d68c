"""Somebody else's transaction, open on every topic that the product reads.

It holds back what comes after it from whoever reads committed records: events on the inputs,
blocks, erasures, and the product's own snapshots. What it writes changes no row, even committed:

    inputs           messages once more that were sent before
    kol-cells        an empty block
    kol-erasures     somebody who never was is to be forgotten
    states           a key that no manifest names
    kol-consents     somebody who never was allows nothing
    kol-snapshots    a key that is no number's
"""

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import numpy as np
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from schemas.blocks import Block, pack
from schemas.cells import NAMES
from schemas.reference_types import CONSENTS
from schemas.topics import CELLS, ERASURES, KOL_STATE, SNAPSHOTS, USER_STATE
from streams.clients.kafka_admin import client_options
from streams.settings import Kafka
from tests.chaos.world import Sent

NOBODY: Final = "foreign"  # key, value and user_id where any would do
LONGER_MS: Final = 60_000  # the broker's patience with who ends his transaction himself
AGAIN_SECONDS: Final = 0.5  # between attempts to reach the broker
EMPTY_BLOCK: Final = pack(
    Block(
        {},
        {},
        np.zeros(0, np.uint16),
        [],
        np.zeros(0, np.int32),
        np.zeros(0, np.int64),
        np.zeros((0, len(NAMES)), np.int64),
        np.zeros(0, np.uint64),
    )
)


class Ending(StrEnum):
    """How a transaction ends."""

    COMMIT = "committed"
    ABORT = "aborted"
    LEAVE = "left to the broker"  # which aborts it after its time-out, within 10 s


@dataclass(slots=True)
class ForeignTransaction(threading.Thread):
    """One transaction, from `start` to `end`.

    Where the broker dies meanwhile it may stay open until the broker aborts it.
    """

    kafka: Kafka
    number: int
    seconds: float  # that it is to last
    ending: Ending
    copies: Sequence[Sent]  # messages that the inputs have
    opened: threading.Event = field(default_factory=threading.Event)
    ended: bool = False  # as `ending` says
    _over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        threading.Thread.__init__(self, name=f"foreign-{self.number}", daemon=True)

    def __hash__(self) -> int:
        return id(self)

    def end(self) -> None:
        """End it as it is to end; returns at once."""
        self._over.set()

    def run(self) -> None:
        """Open it, as soon as the broker is there; wait; end it."""
        while not (self._over.is_set() or self.opened.is_set()):
            try:
                asyncio.run(self._live())
            except KafkaError:  # the broker is away
                self._over.wait(AGAIN_SECONDS)
            else:
                self.ended = True

    async def _live(self) -> None:
        producer = AIOKafkaProducer(
            transactional_id=f"{NOBODY}-{self.number}",
            transaction_timeout_ms=self._patience_ms,
            **client_options(self.kafka),
        )
        try:
            await producer.start()
            await producer.begin_transaction()
            await self._write(producer)
            self.opened.set()
            await asyncio.to_thread(self._over.wait)
            if self.ending is Ending.COMMIT:
                await producer.commit_transaction()
            elif self.ending is Ending.ABORT:
                await producer.abort_transaction()
        finally:
            await producer.stop()

    @property
    def _patience_ms(self) -> int:
        """How long the broker waits for the end."""
        return int(self.seconds * 1_000) + (0 if self.ending is Ending.LEAVE else LONGER_MS)

    async def _write(self, producer: AIOKafkaProducer) -> None:
        records = (*self.copies, *_harmless(self.kafka.partitions))
        sent = [
            await producer.send(
                self.kafka.broker_topic(one.topic), one.value, key=one.key, partition=one.partition
            )
            for one in records
        ]
        await asyncio.gather(*sent)


def newest(messages: Sequence[Sent]) -> list[Sent]:
    """The last of these messages on each topic partition."""
    return list({(one.topic, one.partition): one for one in messages}.values())


def _harmless(partitions: int) -> Iterator[Sent]:
    """A record for each partition of each topic beside the inputs."""
    name = NOBODY.encode()
    yield Sent(SNAPSHOTS, 0, name, name)
    at = time.time_ns() // 1_000_000
    # as former versions wrote it: of nobody under any key
    forgotten = f"{NOBODY}/{at}".encode(), f'{{"user":"{NOBODY}","at":{at}}}'.encode()
    for partition in range(partitions):
        yield Sent(CELLS, partition, None, EMPTY_BLOCK)
        yield Sent(ERASURES, partition, *forgotten)
        yield Sent(CONSENTS, partition, name, None)
        for topic in (USER_STATE, KOL_STATE):
            yield Sent(topic, partition, name, name)
