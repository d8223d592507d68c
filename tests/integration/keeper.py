"""A worker process that counts each offset it reads, in memory that survives.

    python -m tests.integration.keeper BOOTSTRAP APP HOME MEMBER

The smallest whole of the transport and the memories: what an app has to wire, in order.
"""

import asyncio
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import faust
import numpy as np
from faust.streams import Stream
from faust.types import TP, StreamT
from numpy.typing import NDArray

from schemas.columns import RecordBatch
from streams.snapshots import FencedError, LogOffsets, Pace, StateLog, start_offsets
from streams.transport import APP_SETTINGS, Wiring, batch_topic, consumer_of, is_current, wire

INPUTS = ("clickstream", "content-interactions", "purchases")
CELLS = "kol-cells"
TOPICS = (*INPUTS, CELLS)
STATE = "kol-user-state"


class Counts:
    """A partition's memory: how often each offset of each topic was read."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]] | None) -> None:
        self._counts = {topic: np.zeros(0, np.int64) for topic in TOPICS} | dict(arrays or {})
        self.next: dict[str, int] = {}

    def fold(self, batch: RecordBatch) -> None:
        counts = self._counts[batch.topic]
        grown = np.zeros(max(len(counts), batch.next_offset), np.int64)
        grown[: len(counts)] = counts
        np.add.at(grown, batch.offsets, 1)
        self._counts[batch.topic] = grown
        self.next[batch.topic] = batch.next_offset

    def arrays(self) -> dict[str, NDArray[Any]]:
        return self._counts


class Partition:
    """One partition that is ours: its memory, its log, and when to snapshot."""

    def __init__(self, memory: Counts, log: StateLog, pace: Pace) -> None:
        self.memory = memory
        self.log = log
        self.pace = pace
        self.turn = asyncio.Lock()  # one snapshot at a time


class Keeper:
    """The hooks, the agent and the snapshots of one app."""

    def __init__(self, app: faust.App, bootstrap: str) -> None:
        self._app = app
        self._client = {"bootstrap_servers": bootstrap}
        self._partitions: dict[int, Partition] = {}
        wire(app, Wiring(INPUTS, (CELLS,), hooks=self, horizon_ms=7_200_000))
        app.agent(batch_topic(app, TOPICS), name="count")(self.count)
        app.task(self.snapshots)

    async def count(self, stream: StreamT[Any]) -> None:
        async for event in cast("Stream[Any]", stream).noack().events():
            if is_current(self._app, event):
                self._partitions[event.value.partition].memory.fold(event.value)

    async def snapshots(self) -> None:
        while not self._app.should_stop:
            for number in list(self._partitions):
                if number in self._partitions and self._partitions[number].pace.is_due(
                    time.monotonic()
                ):
                    await self._snapshot(number)
            await asyncio.sleep(0.02)

    async def _snapshot(self, number: int) -> None:
        partition = self._partitions[number]
        async with partition.turn:
            offsets = dict(partition.memory.next)
            taken = partition.log.capture(partition.memory.arrays())  # between two batches
            # here an app waits until every row from before is acknowledged
            try:
                written = await partition.log.write(taken, offsets)
            except FencedError:
                if number in self._partitions:
                    raise
                return  # let go of meanwhile
            partition.pace.record(time.monotonic(), written.work_s)
        self._settle(number, offsets)

    def _settle(self, number: int, offsets: Mapping[str, int]) -> None:
        settled = {TP(topic, number): offset for topic, offset in offsets.items()}
        consumer_of(self._app).mark_durable(settled)

    async def assigned(self, added: frozenset[int], held: frozenset[int]) -> Mapping[TP, int]:
        for number in sorted(added):
            log = StateLog(self._client, self._app.conf.id, "user", STATE, number)
            opened = await log.open()  # fence, restore, new life
            tps = [TP(topic, number) for topic in TOPICS]
            consumer = consumer_of(self._app)
            oldest, ends = await consumer.earliest_offsets(*tps), await consumer.highwaters(*tps)
            committed = await consumer.group_offsets(*tps)
            logs = {tp.topic: LogOffsets(oldest[tp], ends[tp], committed[tp]) for tp in tps}
            memory = Counts(opened.arrays)
            memory.next = dict(start_offsets(number, opened.offsets, logs).offsets)
            pace = Pace.spread(time.monotonic(), number, 4, min_interval_s=0.2)
            self._partitions[number] = Partition(memory, log, pace)
            if opened.offsets is not None:
                self._settle(number, opened.offsets)
        print("holds", sorted(held), flush=True)  # noqa: T201  # for a test that watches
        return {
            TP(topic, p): self._partitions[p].memory.next[topic] for topic in TOPICS for p in held
        }

    async def drain(self) -> None:
        for number in list(self._partitions):
            await self._snapshot(number)

    async def lost(self, partitions: frozenset[int]) -> None:
        for number in partitions:
            if gone := self._partitions.pop(number, None):
                await gone.log.close()


def main(bootstrap: str, app_id: str, home: str, member: str) -> None:
    """Run until told to stop."""
    app = faust.App(
        app_id,
        broker=f"kafkab://{bootstrap}",
        datadir=str(Path(home) / member),
        web_enabled=False,
        consumer_group_instance_id=member,
        broker_heartbeat_interval=0.3,
        broker_session_timeout=6.0,
        broker_request_timeout=10.0,
        broker_commit_interval=0.2,
        **APP_SETTINGS,
    )
    Keeper(app, bootstrap)
    worker = faust.Worker(app, loglevel="INFO", redirect_stdouts=False)
    worker.execute_from_commandline()


if __name__ == "__main__":
    main(*sys.argv[1:])
