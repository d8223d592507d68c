"""One user lane with everything around it, on stand-ins and a clock of its own."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any

from schemas.columns import Rejected
from schemas.events import CLICKSTREAM, INPUTS, PURCHASES
from schemas.rows import Rows
from streams.core.sides import Side
from streams.core.user.memory import UserMemory
from streams.snapshots import Pace
from streams.snapshots.chunks import Capture, Steps, capturing
from streams.snapshots.statelog import Written
from streams.worker.backpressure import Backpressure, Capacity
from streams.worker.event_flushes import EventFlushes
from streams.worker.flush import FlushLoop
from streams.worker.intake import Intake
from streams.worker.lane_table import LaneTable
from streams.worker.lanes import Mute
from streams.worker.pending import PendingFlushes
from streams.worker.read_ahead import ReadAhead
from streams.worker.snapshotting import SnapshotWriter
from streams.worker.telemetry import Telemetry
from streams.worker.user_lane import InputEnd, Reading, UserLane
from tests.builders import KEY, record_batch

NOW = 1_790_000_000_000
WIDE = Capacity(400_000, 1 << 27)
EVENTS_S = 1.0  # from one flush of events to the next
PLAIN = Reading()
IN_FULL = Reading(in_full=True)  # events become rows
LONG = 60.0  # seconds ago: a partition that has not just begun


class FakeOutputs:
    """Ways out that can be shut, or hang for some tables."""

    def __init__(self) -> None:
        self.is_shut = False
        self.hangs: set[str] = set()  # tables whose rows are never acknowledged
        self.events: list[str] = []
        self.sent: list[int] = []

    async def write_rows(self, rows: Rows) -> None:
        if self.is_shut:
            raise ConnectionError
        if rows.table in self.hangs:
            await asyncio.Event().wait()
        self.events.append(rows.table)

    async def send_blocks(self, blocks: Sequence[tuple[int, bytes]]) -> None:
        self.sent += [target for target, _ in blocks]

    async def send_letters(self, letters: Sequence[Rejected]) -> None:
        self.events += [letter.reason for letter in letters]


class StubLog:
    """A state log that remembers when it was written."""

    def __init__(self, events: list[str]) -> None:
        self.events = events
        self.taken: list[Capture] = []

    def capturing(self, arrays: Mapping[str, Any], *, whole: bool) -> Steps[Capture]:
        self.taken.append((yield from capturing(dict(arrays), {}, whole=whole)))
        return self.taken[-1]

    async def write(self, taken: Capture, offsets: Mapping[str, int]) -> Written:
        assert offsets
        self.events.append("snapshot")
        return Written(1, taken.changed_bytes, taken.state_bytes, 0.0)


class FullLog(StubLog):
    """A state log that finds no room for a copy."""

    def capturing(self, *_: object, **__: object) -> Steps[Capture]:
        raise MemoryError


class World:
    """One user lane with everything around it."""

    def __init__(
        self,
        mute_until: dict[str, int] | None = None,
        begun_at: float | None = None,
        capacity: Capacity = WIDE,
        reading: Reading = PLAIN,
        events_s: float = EVENTS_S,
    ) -> None:
        self.time = 0.0
        self.reading = reading
        self.outputs = FakeOutputs()
        self.released: list[dict[tuple[str, int], int]] = []
        self.crashes: list[BaseException] = []
        self.telemetry = Telemetry(now_ms=lambda: NOW)
        self.lanes = LaneTable(1, 30.0, self.crashes.append, clock=lambda: self.time)
        pending = PendingFlushes(EventFlushes(events_s))
        self.backpressure = Backpressure(capacity, self.lanes, pending, self.telemetry)
        self.intake = Intake(
            self.lanes, self.backpressure, ReadAhead([], self.telemetry), self.telemetry
        )
        self.snapshots = SnapshotWriter(
            self.lanes, self.telemetry, lambda offsets: self.released.append(dict(offsets))
        )
        self.loop = FlushLoop(
            self.lanes,
            pending,
            self.outputs,  # type: ignore[arg-type]  # a stand-in
            self.snapshots,
            self.backpressure,
            self.telemetry,
        )
        self.lane = self.add_lane(0, begun_at, mute_until)
        self.memory = self.lane.memory

    def add_lane(
        self,
        partition: int,
        begun_at: float | None = -LONG,
        mute_until: dict[str, int] | None = None,
        memory: UserMemory | None = None,
        log: StubLog | None = None,
    ) -> UserLane:
        lane = UserLane(
            partition,
            memory or UserMemory(partition, hmac_key=KEY),
            log or StubLog(self.outputs.events),  # type: ignore[arg-type]  # a stand-in
            Pace(due_at=5.0),
            Mute(mute_until or {}),
            begun_at,
            self.reading,
        )
        self.lanes.user[partition] = lane
        return lane

    async def fold(self, *events: dict[str, Any], first_offset: int = 0) -> None:
        topic = PURCHASES if "kind" in events[0] else CLICKSTREAM
        batch = record_batch(topic, list(events), first_offset=first_offset, received_at=NOW)
        await self.backpressure.wait_for_capacity()
        await self.intake.wait_for_copy(Side.USER, 0)
        self.intake.fold(Side.USER, batch)


def silent(world: World, **given: int) -> dict[str, InputEnd]:
    """Inputs that are all read to their end and silent for a minute; where they ended."""
    ends = {topic.replace("-", "_"): topic for topic in INPUTS}
    offsets = dict(world.memory.offsets) | {ends[name]: at for name, at in given.items()}
    return {topic: InputEnd(offsets[topic], NOW, LONG) for topic in INPUTS}


def shown(world: World, name: str) -> dict[tuple[str, ...], float]:
    """The series of a metric that are not 0, by their labels' values in order of their names."""
    world.intake.export_metrics()
    text = world.telemetry.exposition().decode()
    lines = [line.rpartition(" ") for line in text.splitlines() if line.startswith(f"{name}{{")]
    told = {tuple(re.findall(r'"([^"]*)"', labels)): float(value) for labels, _, value in lines}
    return {labels: value for labels, value in told.items() if value}
