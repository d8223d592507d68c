"""Memory, snapshots and transport together: killed workers count every record exactly once."""

import asyncio
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from deploy.embedded import kafka
from streams.snapshots import StateLog
from tests.embedded.waiting import until
from tests.integration.keeper import STATE, TOPICS
from tests.integration.topics import create_topics

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
PARTITIONS = 4


@pytest.fixture
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with kafka.broker(tmp_path_factory.mktemp("kafka")) as bootstrap:
        asyncio.run(create_topics(bootstrap, TOPICS, PARTITIONS))
        asyncio.run(create_topics(bootstrap, [STATE], PARTITIONS, cleanup__policy="compact"))
        yield bootstrap


class Crew:
    """Worker processes by name."""

    def __init__(self, broker: str, app_id: str, home: Path) -> None:
        self._broker, self._app_id, self._home = broker, app_id, home
        self._starts: Counter[str] = Counter()
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        self._starts[name] += 1
        words = ["-m", "tests.integration.keeper", self._broker, self._app_id, str(self._home)]
        with self._log(name).open("wb") as log:
            self.running[name] = subprocess.Popen(
                [sys.executable, *words, name], cwd=ROOT, stdout=log, stderr=log
            )

    def end(self, name: str, how: signal.Signals) -> int:
        process = self.running.pop(name)
        process.send_signal(how)
        return process.wait(timeout=30)

    def times(self, name: str, words: str) -> int:
        """How often a worker, since its last start, has said something."""
        return self._log(name).read_text().count(words)

    async def said(self, name: str, words: str, before: int = 0) -> None:
        """Wait until it has said it more than `before` times."""
        await asyncio.to_thread(until, lambda: self.times(name, words) > before)

    async def are_up(self, *names: str) -> None:
        for name in names:
            await self.said(name, "Worker ready")

    def _log(self, name: str) -> Path:
        return self._home / f"{name}-{self._starts[name]}.log"


@pytest.fixture
def crew(broker: str, tmp_path: Path) -> Iterator[Crew]:
    made = Crew(broker, "keeper", tmp_path)
    yield made
    for name in list(made.running):
        made.end(name, signal.SIGKILL)


@asynccontextmanager
async def flowing(broker: str, ends: Counter[TopicPartition]) -> AsyncIterator[None]:
    """Records come in all the time, to every partition of every topic."""
    stop = asyncio.Event()

    async def flow() -> None:
        async with AIOKafkaProducer(bootstrap_servers=broker, linger_ms=5) as producer:
            while not stop.is_set():
                for topic in TOPICS:
                    for partition in range(PARTITIONS):
                        await producer.send(topic, b"{}", partition=partition)
                        ends[TopicPartition(topic, partition)] += 1
                await producer.flush()
                await asyncio.sleep(0.002)

    task = asyncio.create_task(flow())
    try:
        yield
    finally:
        stop.set()
        await task


async def committed(broker: str, ends: Counter[TopicPartition]) -> dict[TopicPartition, int | None]:
    async with AIOKafkaConsumer(bootstrap_servers=broker, group_id="keeper") as consumer:
        return {tp: await consumer.committed(tp) for tp in ends}


async def caught_up(broker: str, ends: Counter[TopicPartition]) -> None:
    async with asyncio.timeout(90):
        while await committed(broker, ends) != dict(ends):  # each look takes a while
            pass


async def counts(broker: str, partition: int) -> dict[str, list[int]]:
    async with StateLog({"bootstrap_servers": broker}, "keeper", "user", STATE, partition) as log:
        found = await log.open()
        assert found.arrays is not None
        return {topic: array.tolist() for topic, array in found.arrays.items()}


async def miscounted(
    broker: str, ends: Counter[TopicPartition]
) -> list[tuple[TopicPartition, Counter[int]]]:
    """Where the restored memories differ from the log, and how."""
    wrong = []
    for partition in range(PARTITIONS):
        for topic, found in (await counts(broker, partition)).items():
            tp = TopicPartition(topic, partition)
            if found != [1] * ends[tp]:
                wrong.append((tp, Counter(found)))
    return wrong


async def test_workers_killed_at_random_moments_count_every_record_once(
    broker: str, crew: Crew
) -> None:
    rng = random.Random(7)
    ends: Counter[TopicPartition] = Counter()
    names = ["a", "b", "c"]
    async with flowing(broker, ends):
        for name in names:
            crew.start(name)
        await crew.are_up(*names)
        for _ in range(8):
            name = rng.choice(names)
            crew.end(name, rng.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM]))
            await asyncio.sleep(rng.uniform(0, 0.5))
            crew.start(name)
            await asyncio.sleep(rng.uniform(0.5, 2.5))
        await crew.are_up(*names)
    await caught_up(broker, ends)
    codes = [crew.end(name, signal.SIGTERM) for name in names]

    assert await miscounted(broker, ends) == []
    assert sum(ends.values()) > 1_000
    assert codes == [0, 0, 0]


async def test_a_worker_that_slept_through_a_rebalance_does_no_harm_when_it_wakes(
    broker: str, crew: Crew
) -> None:
    """It is fenced at its next snapshot, or learns first that it missed a generation."""
    everything = "holds [0, 1, 2, 3]"
    ends: Counter[TopicPartition] = Counter()
    async with flowing(broker, ends):
        for name in "ab":
            crew.start(name)
        await crew.are_up("a", "b")
        await crew.said("b", "holds [")
        before = crew.times("b", everything)
        crew.running["a"].send_signal(signal.SIGSTOP)
        await crew.said("b", everything, before)  # once the other one's session is over
        crew.running["a"].send_signal(signal.SIGCONT)
        await asyncio.sleep(3)
    await caught_up(broker, ends)
    codes = {name: crew.end(name, signal.SIGTERM) for name in "ab"}

    assert await miscounted(broker, ends) == []
    assert codes["b"] == 0
