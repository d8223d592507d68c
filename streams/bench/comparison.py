"""CPU per event of our workers and of others, beside the ceilings, by turns.

All of them read the same topics of the same broker. What each has made of the messages is compared
with what it should be before it is rated.
"""

import asyncio
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from statistics import median
from types import MappingProxyType
from typing import Any, Final, Self

from deploy.embedded.state_folder import StateFolder
from schemas.partitioner import partition_of
from sinks.feed import Feed
from streams.bench.checkout import ROOT, USUAL, Peer, checked, checked_peer, peers
from streams.bench.machine import machine
from streams.bench.messages import Messages
from streams.bench.ours import Place, sizes
from streams.bench.rounds import Measure, Rounds, measure_rounds, medians
from streams.bench.windows import MeasureError, Run, measure_child
from streams.clients.kafka_admin import security_options
from streams.operations.stack import RunningStack
from streams.settings import Settings, environment

SEED: Final = 7
SPARE: Final = 5_000  # a last batch may begin before and end after its window
LEAST_WARM: Final = 5_000  # events before a window
CHILD_SECONDS: Final = 900.0
EVENTLESS: Final = "ours, no event rows"
NO_EVENTS: Final[Mapping[str, str]] = MappingProxyType({"KOL_CLICKHOUSE__EVENTS": "false"})
NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
BESIDE: Final = {"kafka": "broker", "clickhouse": "engine", "trainer": "trainer"}
INSERTED: Final = 200_000  # rows of the insert ceiling, after half as many

OnStep = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured in a comparison."""

    events: int  # of each system, in each round
    rounds: int = 7
    workers: tuple[int, ...] = (1,)
    stock_events: int = 40_000  # of stock Faust; 0: it does not run
    peers: tuple[str, ...] = USUAL
    ceilings: tuple[str, ...] = ("client", "wire", "decode", "insert")
    has_eventless: bool = False  # whether ours runs a second time, without rows of `event`
    is_checked: bool = True  # whether what was made is compared with what it should be

    @property
    def warm(self) -> int:
        """Events before a window: a quarter of all."""
        return max(self.events // 3, LEAST_WARM)

    @property
    def total(self) -> int:
        """Messages on the topics."""
        return self.events + self.warm + SPARE


@dataclass(slots=True)
class Bench:
    """A broker and an engine of its own, with a plan's messages on the topics."""

    folder: StateFolder
    plan: Plan
    on_step: OnStep
    has_trainer: bool = True
    messages: Messages = field(init=False)
    _stack: RunningStack = field(init=False)

    def __post_init__(self) -> None:
        self.messages = Messages(SEED, self.plan.total)
        self._stack = RunningStack(self.folder, 0, lambda _: None, has_trainer=self.has_trainer)

    def __enter__(self) -> Self:
        try:
            self._stack.start()
            self.on_step(f"filling the topics with {self.plan.total:,} messages")
            asyncio.run(fill(self.settings, self.messages))
        except BaseException:
            self._stack.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.stop()

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

    def place(self) -> Place:
        """Where our workers run."""
        return Place(self.settings, self.env, self.folder.log("bench-worker"))

    def ceiling(self, name: str) -> Measure:
        """How one of the ceilings is measured."""
        kafka = self.settings.kafka
        window = [str(self.plan.warm), str(self.plan.events)]
        module, words = "streams.bench.ceilings", [name, kafka.bootstrap, *window]
        if name == "insert":
            module, words = "streams.bench.insert_ceiling", ["bench_insert"]
            words += [
                str(min(INSERTED, self.plan.events) // 2),
                str(min(INSERTED, self.plan.events)),
            ]
        else:
            words.append(str(kafka.partitions))
        command = [sys.executable, "-m", module, *words]
        return lambda: measure_child(name, command, self.pids, CHILD_SECONDS, env=self.env)

    def ours(self, workers: int, env: Mapping[str, str] = NOTHING) -> Measure:
        """How our workers are measured, with some variables of their own."""

        def measure() -> Run:
            place = self.place()
            place = Place(place.settings, {**place.env, **env}, place.log)
            place.reset_group()
            return place.measure(self.plan.warm, self.plan.total, self.pids, workers)

        return measure

    def peer(self, peer: Peer) -> Measure:
        """How a peer is measured: each time under another name, so it reads everything."""
        kafka = self.settings.kafka
        warm, events = self.plan.warm, self.plan.events
        if peer.name == "stock_faust":
            warm, events = LEAST_WARM, self.plan.stock_events
        numbers = count(1)

        def measure() -> Run:
            name = self.peer_name(peer, next(numbers))
            words = [kafka.bootstrap, str(warm), str(events), str(kafka.partitions), name]
            return measure_child(
                peer.name, peer.command(*words), self.pids, CHILD_SECONDS, folder=ROOT, env=self.env
            )

        return measure

    def peer_name(self, peer: Peer, number: int) -> str:
        """The name of a peer's group and topics in its first, second, … run."""
        return f"{peer.name.replace('_', '-')}-{number}"


async def fill(settings: Settings, messages: Messages) -> None:
    """Send messages to the three topics."""
    partitions = settings.kafka.partitions
    partition_by_key: dict[bytes, int] = {}
    async with Feed(settings.kafka.bootstrap, options=security_options(settings.kafka)) as feed:
        for topic, key, value in messages:
            partition = partition_by_key.get(key)
            if partition is None:
                partition = partition_by_key[key] = partition_of(key, partitions)
            await feed.send(settings.kafka.broker_topic(topic), partition, key, value)


def compare(folder: StateFolder, plan: Plan, on_step: OnStep) -> dict[str, Any]:
    """The report of a comparison on a broker and an engine of its own, in `folder`."""
    with Bench(folder, plan, on_step) as bench:
        some, not_run = peers(plan.peers)
        ceilings = {name: bench.ceiling(name) for name in plan.ceilings}
        systems = dict(zip(sizes(plan.workers), map(bench.ours, plan.workers), strict=True))
        if plan.has_eventless:
            systems[EVENTLESS] = bench.ours(plan.workers[0], NO_EVENTS)
        output = _check(bench, plan, on_step)
        rivals, outputs, wrong = _check_peers(bench, [p for p in some if _runs(p, plan)], on_step)
        rounds = measure_rounds(systems | rivals, ceilings, plan.rounds, on_step)
        return report(rounds, plan, bench.messages) | {
            "output": output,
            "peers": {p.name: {"work": p.work, **outputs.get(p.name, {})} for p in some},
            "not_run": not_run | wrong,
        }


def _runs(peer: Peer, plan: Plan) -> bool:
    return peer.name != "stock_faust" or plan.stock_events > 0


def _check_peers(
    bench: Bench, some: Sequence[Peer], on_step: OnStep
) -> tuple[dict[str, Measure], dict[str, dict[str, Any]], dict[str, str]]:
    """How to measure those whose output is right, what it says of theirs, and why not others."""
    able: dict[str, Measure] = {}
    outputs: dict[str, dict[str, Any]] = {}
    wrong: dict[str, str] = {}
    kafka = bench.settings.kafka
    for peer in some:
        measure = able[peer.name] = bench.peer(peer)
        if not peer.judged or not bench.plan.is_checked:
            continue
        on_step(f"{peer.name} reads everything once, to be checked")
        try:
            measure()
            name = bench.peer_name(peer, 1)
            found = checked_peer(peer, kafka.bootstrap, kafka.partitions, name, bench.env)
        except MeasureError as error:
            found = {"wrong": [str(error)]}
        outputs[peer.name] = found
        if found["wrong"]:
            del able[peer.name]
            wrong[peer.name] = f"it is not rated, its output is wrong: {found['wrong'][0]}"
    return able, outputs, wrong


def _check(bench: Bench, plan: Plan, on_step: OnStep) -> dict[str, Any]:
    """Let our workers read everything once, and compare what they wrote with the oracle."""
    if not plan.is_checked:
        return {"checked": False, "reason": "not asked for"}
    on_step("our workers read everything once, to be checked")
    bench.ours(1)()
    on_step("comparing every row with the oracle")
    return checked(bench.folder.path, bench.env)


def report(rounds: Rounds, plan: Plan, messages: Messages) -> dict[str, Any]:
    """Costs with their intervals, and the ratio of each system's to that of one of our workers."""
    runs = rounds.runs
    first = sizes(plan.workers)[0]
    others = [name for name in runs if name != first]
    return {
        "ratios": {
            name: ratio.as_dict() for name in others for ratio in [rounds.ratio(name, first)]
        },
        "first": first,
        "cpu_us_per_event": {name: rounds.cost(name).as_dict() for name in runs},
        "cpu_us": {
            name: {
                of: round(median(run["cpu_us"][of] for run in some), 3) for of in some[0]["cpu_us"]
            }
            for name, some in runs.items()
        },
        "events_per_second": medians(runs, "events_per_second"),
        "runs": runs,
        **rounds.as_dict(),
        "input": {
            "events": messages.count,
            "warm": plan.warm,
            "topics": 3,
            "codec": "lz4",
            "seed": messages.seed,
            "odd": messages.odd,
            "malformed": messages.malformed,
            "sha256": messages.sha256,
        },
        "machine": machine() | {"load": [round(load, 2) for load in os.getloadavg()]},
        "path": "python",
    }


def _median(runs: list[Run], process: str) -> float:
    return round(float(median(run["cpu_us"][process] for run in runs)), 3)
