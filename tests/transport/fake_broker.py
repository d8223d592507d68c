"""A broker that does what a test says: real worker, streams, commits and drains above it."""

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, ClassVar, cast

import numpy as np
from faust.assignor.client_assignment import ClientAssignment
from faust.transport import base, drivers
from faust.types import TP
from mode import Service

from streams.transport import BatchConsumer, Transport
from streams.transport.fetch_thread import Fetch
from streams.transport.positions import End
from streams.transport.records import Piece

SCHEME = "fakeb"
NOW_MS = 1_790_000_000_000


class FakeBroker:
    """Offsets that exist, by topic partition, and what was committed."""

    def __init__(self, partitions: int = 1, piece: int = 10) -> None:
        self.partitions = partitions
        self.piece = piece  # records a delivery
        self.logs: dict[TP, list[int]] = defaultdict(list)  # offsets; holes are allowed
        self.ends: dict[TP, int] = {}
        self.committed: dict[TP, int] = {}
        self.commits: list[dict[TP, int]] = []
        self.refuse_commits = False
        self.ends_unknown = False

    def fill(self, tp: TP, count: int, *, hole_every: int = 0) -> None:
        """Append records; a hole after every `hole_every`, as transactions leave them."""
        for _ in range(count):
            end = self.ends.get(tp, 0)
            self.logs[tp].append(end)
            hole = hole_every and len(self.logs[tp]) % hole_every == 0
            self.ends[tp] = end + (2 if hole else 1)


class FakeThread(Service):
    """In the place of the thread with aiokafka's client, on the test's own loop."""

    abstract: ClassVar[bool] = True

    def __init__(self, consumer: "FakeConsumer", **kwargs: Any) -> None:  # noqa: ANN401  # mode's
        super().__init__(**kwargs)
        self.consumer = consumer
        self.positions: dict[TP, int] = {}
        self.held: set[TP] = set()
        self.topics: set[str] = set()
        self.woken = 0

    @property
    def broker(self) -> FakeBroker:
        return cast("FakeTransport", self.consumer.transport).broker

    async def subscribe(self, topics: Any) -> None:  # noqa: ANN401  # Faust's
        self.topics = set(topics)
        self.add_future(self.rebalance(range(self.broker.partitions)))

    async def rebalance(self, partitions: Any) -> None:  # noqa: ANN401  # any iterable
        """What a group's rebalance does to a member, start to end."""
        app, consumer = self.consumer.app, self.consumer
        app.on_rebalance_start()
        await consumer.on_partitions_revoked(set(self.held))
        app.consumer_generation_id += 1
        self.held = {TP(t, p) for t, p in itertools.product(self.topics, partitions)}
        self.positions = {tp: self.broker.committed.get(tp, 0) for tp in self.held}
        actives: dict[str, list[int]] = defaultdict(list)
        for tp in self.held:
            actives[tp.topic].append(tp.partition)
        app.assignor._assignment = ClientAssignment(actives=dict(actives), standbys={})
        await consumer.on_partitions_assigned(set(self.held), app.consumer_generation_id)

    async def getmany(self, active_partitions: set[TP], timeout: float) -> Fetch:  # noqa: ASYNC109  # Faust's
        fetch = Fetch(self.consumer.app.consumer_generation_id)
        if not self.consumer.flow_active:
            return fetch
        for tp in sorted(active_partitions & self.held):
            start = self.positions[tp]
            offsets = [o for o in self.broker.logs[tp] if o >= start][: self.broker.piece]
            if offsets:
                end = self.broker.ends[tp]
                last = offsets[-1] == self.broker.logs[tp][-1]
                self.positions[tp] = end if last else offsets[-1] + 1
                piece = Piece(
                    [b"%d" % offset for offset in offsets],
                    np.array(offsets),
                    np.full(len(offsets), NOW_MS),
                    start,
                    self.positions[tp],
                    None if self.broker.ends_unknown else end,
                )
                fetch.pieces.append((tp, piece))
        if not fetch:
            await asyncio.sleep(min(timeout, 0.01))
        return fetch

    async def seek_to(self, starts: Mapping[TP, int]) -> None:
        self.positions.update(starts)

    async def commit(self, offsets: Mapping[TP, int]) -> bool:
        if self.broker.refuse_commits:
            return False
        await asyncio.sleep(0)  # an answer takes its time
        self.broker.commits.append(dict(offsets))
        self.broker.committed.update(offsets)
        return True

    async def group_offsets(self, *tps: TP) -> Mapping[TP, int | None]:
        return {tp: self.broker.committed.get(tp) for tp in tps}

    def wake(self) -> None:
        self.woken += 1

    def end(self, tp: TP) -> End:
        end = self.broker.ends.get(tp, 0)
        return End(end, end, NOW_MS)

    def partitions(self, _: str) -> int:
        return self.broker.partitions

    def assignment(self) -> set[TP]:
        return set(self.held)

    def close(self) -> None:
        """Nothing to close."""


class FakeConsumer(BatchConsumer):
    """The real consumer over the fake thread."""

    def _new_consumer_thread(self) -> Any:  # noqa: ANN401  # not a thread at all
        return FakeThread(self, loop=self.loop, beacon=self.beacon)


class FakeProducer(base.Producer):
    """Sends nothing."""

    async def flush(self) -> None:
        await self.buffer.flush()


class FakeTransport(Transport):
    """The product's transport over one fake broker."""

    Consumer: ClassVar[type[Any]] = FakeConsumer
    Producer: ClassVar[type[Any]] = FakeProducer
    driver_version = "fake"

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  # Faust's
        super().__init__(*args, **kwargs)
        self.broker = FakeBroker()


drivers.TRANSPORTS.aliases.setdefault(SCHEME, "tests.transport.fake_broker:FakeTransport")
