"""Generations of the rows that trainers write: each is the number of a record of `kol-trainer`.

    generation = offset of the record + 1

Kafka gives every offset once and only rising ones. So rows of whoever began later carry a greater
version, and replace those that a paused process still writes under its older one.
"""

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from schemas.topics import TRAINER
from streams.clients.kafka_admin import BrokerError, client_options
from streams.errors import named
from streams.settings import Kafka

KEY: Final = b"newest"  # of every record, so that compaction keeps the last one
ANSWER_MS: Final = 10_000  # that the brokers may take
MARGIN: Final = 1_000  # generations above the greatest one whose rows are known
ROUND: Final = 500  # records sent at a time

TURN_BITS: Final = 40


class Version(NamedTuple):
    """A turn of one generation; no two turns have the same.

    >>> Version(1, 2).number == 2**40 + 2, Version(2, 0) > Version(1, 99)
    (True, True)
    """

    generation: int
    turn: int  # of the generation or of its holder, rising, below 2^40

    @property
    def number(self) -> int:
        """The version of the rows of the turn."""
        return self.generation << TURN_BITS | self.turn


class Claim(msgspec.Struct, frozen=True):
    """Who began a generation: a trainer, a turn by hand, or one who asks for a turn."""

    host: str
    pid: int
    since: int  # milliseconds since the epoch, UTC


def claim(now_ms: int) -> Claim:
    """One of this process."""
    return Claim(socket.gethostname(), os.getpid(), now_ms)


async def begin_generation(
    kafka: Kafka, mine: Claim, greatest_known: Callable[[], int] = lambda: 0
) -> int:
    """Append a claim; gives its generation, which is unique and greater than every former one.

    Where the topic was made anew, its numbers begin again below those of rows in the database.
    Then further records are appended until they are above these, by a margin for generations
    that left no row yet.

    Args:
        kafka: the brokers.
        mine: what is appended.
        greatest_known: the greatest generation of rows in the database, asked after appending.

    Raises:
        BrokerError: the brokers do not answer, or refuse.

    """
    producer = AIOKafkaProducer(
        acks="all", request_timeout_ms=ANSWER_MS, max_batch_size=1 << 16, **client_options(kafka)
    )
    topic = kafka.broker_topic(TRAINER)
    value = msgspec.json.encode(mine)
    try:
        await producer.start()
        generation = await _append(producer, topic, value, 1)
        known = await asyncio.to_thread(greatest_known)
        goal = known + MARGIN if generation <= known else generation
        while generation < goal:
            count = min(goal - generation, ROUND)
            generation = await _append(producer, topic, value, count)
    except (KafkaError, AssertionError) as error:  # aiokafka asserts that a partition is there
        raise BrokerError(f"Kafka at {kafka.bootstrap}, topic {topic}: {named(error)}") from error
    finally:
        await producer.stop()
    return generation


async def _append(producer: AIOKafkaProducer, topic: str, value: bytes, count: int) -> int:
    """Append the record so many times; the generation of the last one."""
    sent = [await producer.send(topic, value, key=KEY, partition=0) for _ in range(count)]
    return max([int((await one).offset) for one in sent]) + 1
