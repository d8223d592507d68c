"""A worker that remembers what it read, for tests of the transport: no rules, no tables."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import faust
from faust.streams import Stream
from faust.types import TP, StreamT

from schemas.columns import RecordBatch
from streams.transport import APP_SETTINGS, Wiring, batch_topic, consumer_of, is_current, wire

INPUTS = ("clickstream", "content-interactions", "purchases")
CELLS = "kol-cells"
TOPICS = (*INPUTS, CELLS)  # the inputs first


class Ledger:
    """What outlives the workers: the snapshot of each partition, as a state topic would."""

    def __init__(self) -> None:
        self.snapshots: dict[int, dict[TP, list[int]]] = defaultdict(dict)

    def offset(self, tp: TP) -> int:
        """Where a restored partition goes on."""
        seen = self.snapshots[tp.partition].get(tp, [])
        return seen[-1] + 1 if seen else 0


class Worker:
    """One Faust app with one agent; its memory of a partition is the list of offsets read."""

    def __init__(
        self,
        app: faust.App,
        ledger: Ledger,
        topics: tuple[str, ...] = TOPICS,
        **wiring: Any,  # noqa: ANN401  # fields of Wiring
    ) -> None:
        self.app = app
        self.topics = topics
        self.ledger = ledger
        self.memory: dict[int, dict[TP, list[int]]] = {}
        self.next: dict[TP, int] = {}
        self.batches: list[RecordBatch] = []
        self.calls: list[tuple[str, Any]] = []
        self.before_fold: Callable[[RecordBatch], Any] | None = None
        self.snapshot_fails = False
        self.snapshot_on_drain = True
        self.changed = asyncio.Event()
        wire(app, Wiring(topics[:3], topics[3:], hooks=self, horizon_ms=7_200_000, **wiring))
        app.agent(batch_topic(app, topics), name="reader")(self.read)

    async def read(self, stream: StreamT[Any]) -> None:
        async for event in cast("Stream[Any]", stream).noack().events():
            batch = event.value
            if self.before_fold is not None:
                await self.before_fold(batch)
            if is_current(self.app, event):
                self.fold(batch)

    def fold(self, batch: RecordBatch) -> None:
        tp = TP(batch.topic, batch.partition)
        self.batches.append(batch)
        self.memory[batch.partition].setdefault(tp, []).extend(batch.offsets.tolist())
        self.next[tp] = batch.next_offset
        self.changed.set()

    async def snapshot(self) -> None:
        """Durable first, then settled; the commit follows on its own."""
        if self.snapshot_fails:
            raise ConnectionError("the sink is down")
        taken = {p: {tp: list(seen) for tp, seen in m.items()} for p, m in self.memory.items()}
        offsets = dict(self.next)
        await asyncio.sleep(0)
        self.ledger.snapshots.update(taken)
        self.calls.append(("durable", offsets))
        consumer_of(self.app).mark_durable(offsets)

    async def assigned(self, added: frozenset[int], held: frozenset[int]) -> Mapping[TP, int]:
        self.calls.append(("assigned", (sorted(added), sorted(held))))
        for partition in added:
            kept = self.ledger.snapshots[partition]
            self.memory[partition] = {tp: list(seen) for tp, seen in kept.items()}
            for topic in self.topics:
                self.next[TP(topic, partition)] = self.ledger.offset(TP(topic, partition))
        self.changed.set()
        return {TP(topic, p): self.next[TP(topic, p)] for topic in self.topics for p in held}

    async def drain(self) -> None:
        self.calls.append(("drain", None))
        if self.snapshot_on_drain:
            await self.snapshot()

    async def lost(self, partitions: frozenset[int]) -> None:
        self.calls.append(("lost", sorted(partitions)))
        for partition in partitions:
            del self.memory[partition]
            for topic in self.topics:
                del self.next[TP(topic, partition)]
        self.changed.set()

    @property
    def records(self) -> int:
        return sum(len(batch.values) for batch in self.batches)

    async def until(self, holds: Callable[[], bool], seconds: float = 30) -> None:
        """Wait for something to become true."""
        async with asyncio.timeout(seconds):
            while not holds():
                self.changed.clear()
                try:
                    await asyncio.wait_for(self.changed.wait(), 0.05)
                except TimeoutError:
                    continue


def make_app(app_id: str, broker: str, datadir: Path, **settings: Any) -> faust.App:  # noqa: ANN401  # Faust's settings
    """A Faust app as the product makes it, with short timeouts."""
    return faust.App(
        app_id,
        broker=broker,
        datadir=str(datadir),
        web_enabled=False,
        **{
            **APP_SETTINGS,
            "broker_session_timeout": 10.0,
            "broker_request_timeout": 30.0,
            "broker_heartbeat_interval": 0.3,
            "broker_rebalance_timeout": 20.0,
            "broker_commit_interval": 0.2,
            **settings,
        },
    )


@asynccontextmanager
async def running(worker: Worker) -> AsyncIterator[Worker]:
    """The worker's app, started and stopped in order."""
    await worker.app.start()
    try:
        yield worker
    finally:
        await worker.app.stop()
