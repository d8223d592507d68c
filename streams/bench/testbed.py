"""Where systems are measured: a broker and an engine of its own, and messages on its topics."""

import asyncio
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count, islice
from types import MappingProxyType
from typing import Final, Self

from deploy.demo.bulk import Sent
from deploy.embedded.state_folder import StateFolder
from schemas.partitioner import partition_of
from sinks.feed import Feed
from streams.bench.checkout import ROOT, USUAL, Peer
from streams.bench.messages import Messages
from streams.bench.ours import Place
from streams.bench.rounds import Measure
from streams.bench.windows import Run, measure_child
from streams.clients.kafka_admin import kafka_admin, security_options
from streams.operations.stack import RunningStack
from streams.settings import Settings, environment

SEED: Final = 7
SPARE: Final = 5_000  # a last batch may begin before and end after its window
LEAST_WARM: Final = 5_000  # events before a window
CHECKED: Final = 200_000  # messages that the oracle reads, too: it is slow
CHILD_SECONDS: Final = 900.0
INSERTED: Final = 200_000  # rows of the insert ceiling, after half as many
NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
BESIDE: Final = {"kafka": "broker", "clickhouse": "engine", "trainer": "trainer"}

OnStep = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured in a comparison."""

    events: int  # of each system, in each round
    rounds: int = 7
    workers: tuple[int, ...] = (1,)
    slow_events: int = 40_000  # of peers that are slow; 0: they do not run
    peers: tuple[str, ...] = USUAL
    ceilings: tuple[str, ...] = ("client", "wire", "decode", "insert")
    has_eventless: bool = False  # whether ours runs a second time, without rows of `event`
    is_checked: bool = True  # whether what was made is compared with what it should be

    @property
    def warm(self) -> int:
        """Events before a window: a third of those in it."""
        return max(self.events // 3, LEAST_WARM)

    @property
    def total(self) -> int:
        """Messages on the topics."""
        return self.events + self.warm + SPARE


@dataclass(slots=True)
class Bench:
    """A stack that runs as long as this context; the plan's messages come with `fill`."""

    folder: StateFolder
    plan: Plan
    on_step: OnStep
    has_trainer: bool = True
    filled: int = 0  # messages on the topics so far
    messages: Messages = field(init=False)
    _left: Iterator[Sent] = field(init=False)
    _stack: RunningStack = field(init=False)

    def __post_init__(self) -> None:
        self.messages = Messages(SEED, self.plan.total)
        self._left = iter(self.messages)
        self._stack = RunningStack(self.folder, 0, lambda _: None, has_trainer=self.has_trainer)

    def __enter__(self) -> Self:
        try:
            self._stack.start()
        except BaseException:
            self._stack.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.stop()

    def fill(self, total: int) -> None:
        """Send the next messages, until so many are on the topics."""
        if total > self.filled:
            self.on_step(f"filling the topics with {total:,} messages")
            asyncio.run(_send(self.settings, islice(self._left, total - self.filled)))
            self.filled = total

    @property
    def settings(self) -> Settings:
        """Those of the stack."""
        return self._stack.settings

    @property
    def env(self) -> dict[str, str]:
        """The same as variables."""
        status = self.folder.status() or {}
        return environment(status["settings"]) | {"KOL_HOME": str(self.folder.path)}

    @property
    def pids(self) -> dict[str, int]:
        """The processes beside the one that is measured."""
        processes = (self.folder.status() or {})["processes"]
        return {BESIDE[one["name"]]: one["pid"] for one in processes if one["name"] in BESIDE}

    def place(self, env: Mapping[str, str] = NOTHING) -> Place:
        """Where our workers run, with some variables of their own."""
        return Place(self.settings, {**self.env, **env}, self.folder.log("bench-worker"))

    def ceiling(self, name: str) -> Measure:
        """How one of the ceilings is measured."""
        kafka, warm, events = self.settings.kafka, self.plan.warm, self.plan.events
        if name == "insert":
            rows = min(INSERTED, events)
            words = ["streams.bench.insert_ceiling", "bench_insert", f"{rows // 2}", f"{rows}"]
        else:
            words = ["streams.bench.ceilings", name, kafka.bootstrap]
            words += map(str, (warm, events, kafka.partitions))
        return lambda: self._measure_child(name, [sys.executable, "-m", *words])

    def ours(self, workers: int = 1, env: Mapping[str, str] = NOTHING) -> Measure:
        """How our workers are measured: each time from nothing."""

        def measure() -> Run:
            place = self.place(env)
            place.reset_group()
            return place.measure(self.plan.warm, self.filled, self.pids, workers)

        return measure

    def peer(self, peer: Peer) -> Measure:
        """How a peer is measured: each time under another name, so from nothing."""
        numbers = count(1)

        def measure() -> Run:
            name = f"{peer.name.replace('_', '-')}-{next(numbers)}"
            try:
                return self.run_peer(peer, name)
            finally:
                self.forget_peer(name)

        return measure

    def run_peer(self, peer: Peer, name: str, *, reads_all: bool = False) -> Run:
        """The figures of a peer.

        Args:
            peer: the system.
            name: of its group and topics.
            reads_all: whether a slow one reads everything, too; the window has no warm-up then.

        """
        kafka = self.settings.kafka
        warm, events = self.plan.warm, self.plan.events
        if reads_all:
            warm, events = 1, self.filled
        elif peer.is_slow:
            warm, events = LEAST_WARM, self.plan.slow_events
        words = [kafka.bootstrap, str(warm), str(events), str(kafka.partitions), name]
        return self._measure_child(peer.name, peer.command(*words))

    def forget_peer(self, name: str) -> None:
        """Delete the group and the topics of a peer's run: of a large input they are gigabytes."""
        with kafka_admin(self.settings.kafka) as broker:
            broker.delete_app(name, [topic for topic in broker.counts() if name in topic])

    def _measure_child(self, name: str, command: list[str]) -> Run:
        return measure_child(name, command, self.pids, CHILD_SECONDS, folder=ROOT, env=self.env)


async def _send(settings: Settings, messages: Iterator[Sent]) -> None:
    """Send messages to the three topics."""
    partitions = settings.kafka.partitions
    partition_by_key: dict[bytes, int] = {}
    async with Feed(settings.kafka.bootstrap, options=security_options(settings.kafka)) as feed:
        for topic, key, value in messages:
            partition = partition_by_key.get(key)
            if partition is None:
                partition = partition_by_key[key] = partition_of(key, partitions)
            await feed.send(settings.kafka.broker_topic(topic), partition, key, value)
