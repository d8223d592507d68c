"""One trainer at a time holds the lock, on the real broker; generations only rise."""

import asyncio
import itertools
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from schemas.topics import TRAINER
from streams.clients.kafka_admin import kafka_admin
from streams.settings import Kafka
from streams.trainer.generations import MARGIN, begin_generation, claim
from streams.trainer.lock import Lock
from streams.trainer.standing import Notes, Standing, standing
from tests.integration.topics import create_topics

pytestmark = pytest.mark.integration

SESSION = 6.0  # seconds, the least that brokers allow
PATIENCE = 40.0
NOTES = Notes("shop-1", 7, 0).encode()

# a trainer that only says, once a fifth of a second, with which generation it holds the lock
HOLDER = """
import asyncio, sys
from streams.settings import Kafka
from streams.trainer.lock import Lock
async def main(bootstrap, prefix):
    lock = Lock(Kafka(bootstrap=bootstrap, prefix=prefix), prefix, 6.0, lambda: 0, lambda: 0)
    await lock.start()
    while True:
        print(await lock.confirm('{"host":"child","pid":1,"since":0}'), flush=True)
        await asyncio.sleep(0.2)
asyncio.run(main(*sys.argv[1:]))
"""

_numbers = itertools.count()


@dataclass(slots=True)
class Child:
    """A holder in a process of its own."""

    process: asyncio.subprocess.Process

    async def says(self, wanted: Callable[[str], bool]) -> str:
        """The first line that is as wanted."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while not wanted(line := (await self.process.stdout.readline()).decode().strip()):
                pass
        return line

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.process.pid, number)


@asynccontextmanager
async def child(kafka: Kafka) -> AsyncIterator[Child]:
    words = ["-c", HOLDER, kafka.bootstrap, kafka.prefix]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield Child(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@asynccontextmanager
async def locked(kafka: Kafka, greatest_known: int = 0) -> AsyncIterator[Lock]:
    lock = Lock(kafka, kafka.prefix, SESSION, lambda: greatest_known, lambda: 0)
    await lock.start()
    try:
        yield lock
    finally:
        await lock.stop()


@pytest.fixture
async def conf(broker: str) -> Kafka:
    """The brokers, with a topic of the trainer of its own for each test."""
    kafka = Kafka(bootstrap=broker, prefix=f"lock-{next(_numbers)}.")
    await create_topics(broker, [kafka.broker_topic(TRAINER)], 1, cleanup__policy="compact")
    return kafka


async def held(lock: Lock) -> int:
    """Its generation, once it holds the lock."""
    async with asyncio.timeout(PATIENCE):
        while True:
            if (generation := await lock.confirm(NOTES)) is not None:
                return generation
            await asyncio.sleep(0.05)


async def joined(kafka: Kafka, members: int) -> None:
    """Return once so many are in the group."""
    async with asyncio.timeout(PATIENCE):
        while True:
            if (await asyncio.to_thread(stands, kafka)).members == members:
                return
            await asyncio.sleep(0.05)


def stands(kafka: Kafka) -> Standing:
    with kafka_admin(kafka) as broker:
        return standing(broker, kafka.prefix)


async def test_a_holder_keeps_the_lock_and_its_generation_beside_one_that_stands_by(
    conf: Kafka,
) -> None:
    async with locked(conf) as first:
        generation = await held(first)
        async with locked(conf) as second:
            await joined(conf, 2)
            seen = [(await held(first), await second.confirm(NOTES)) for _ in range(5)]

    assert seen == 5 * [(generation, None)]


async def test_who_takes_over_from_one_that_leaves_has_a_greater_generation(conf: Kafka) -> None:
    async with locked(conf) as first:
        former = await held(first)
        async with locked(conf) as second:
            await joined(conf, 2)
            await first.stop()
            latter = await held(second)

    assert 1 <= former < latter


async def test_one_that_was_killed_or_stopped_loses_the_lock_with_its_session(
    conf: Kafka, broker: str
) -> None:
    other = Kafka(bootstrap=broker, prefix=f"{conf.prefix}killed.")
    await create_topics(broker, [other.broker_topic(TRAINER)], 1)
    async with child(conf) as stopped, child(other) as killed:
        before = [int(await one.says(str.isdigit)) for one in (stopped, killed)]
        async with locked(conf) as heir, locked(other) as next_heir:
            stopped.signal(signal.SIGSTOP)
            killed.signal(signal.SIGKILL)
            after = [await held(heir), await held(next_heir)]
            stopped.signal(signal.SIGCONT)
            await stopped.says(lambda line: line == "None")
            still = [await held(heir) for _ in range(3)]

    assert [now > then for now, then in zip(after, before, strict=True)] == [True, True]
    assert after[0] <= still[0] <= still[1] <= still[2]


async def test_a_generation_begun_by_hand_makes_the_holder_begin_another(conf: Kafka) -> None:
    async with locked(conf) as lock:
        first = await held(lock)
        by_hand = await begin_generation(conf, claim(0))
        third = await held(lock)

    assert first < by_hand < third


async def test_a_topic_made_anew_begins_above_the_rows_in_the_database(conf: Kafka) -> None:
    async with locked(conf, greatest_known=70) as lock:
        first = await held(lock)
        second = await held(lock)

    assert first == 70 + MARGIN
    assert second == first


async def test_what_a_holder_notes_is_known_everywhere_and_outlives_it(conf: Kafka) -> None:
    none = await asyncio.to_thread(stands, conf)
    async with locked(conf) as lock:
        generation = await held(lock)
        notes = Notes("shop-2", 8, 5).after("minutes", 99, settled=generation)
        is_noted = await lock.note(notes.encode())
    gone = await asyncio.to_thread(stands, conf)

    assert none == Standing(0, 0, None)
    assert is_noted
    assert gone == Standing(0, generation, notes)
    assert gone.last_success("minutes") == 99
