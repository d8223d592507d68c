"""The rhythm of a worker: fold as fetched, state in rounds, keep snapshots, let go of offsets.

A round says what changed in all lanes of a side, waits until every row, block and dead
letter of it is acknowledged, and only then lets the snapshots begin that were copied at
the same moment. What could not be sent stays owed and goes first in the next round:
rows carry versions, so saying them twice or late is harmless.

What is folded and not acknowledged is bounded in messages and in bytes (`Bound`): above,
folding waits and Kafka keeps the rest. Memory of it is the changed keys, which memory has
anyway, the rows and blocks of one round, and the dead letters: the bytes of refused
messages, twice more while their rows are on their way.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from schemas.columns import RecordBatch, Rejected
from schemas.events import INPUTS
from schemas.rows import Rows
from schemas.version import epoch_and_life
from streams.core.sides import Side
from streams.core.user.door_counts import MAY_DECREASE
from streams.core.user.memory import UserMemory
from streams.core.user.rows import ChangedCells
from streams.worker.lanes import Lane, Taken, Waits
from streams.worker.outgoing import Said, Source, blocks, tables
from streams.worker.telemetry import COUNTED, Telemetry

FIRST_SECONDS = 2.0  # after a partition's first message its clock stands: others begin, too
NOTHING_CLOSED = 0  # the watermark of a partition that has begun and cannot say more
COPY_BYTES = 128 << 20  # of memory looked through in one round, 10 ms; more only for a single lane
SKEW_MS = 1_000  # between our clock and the brokers'
DRAIN_SECONDS = 8.0  # for the last round and snapshot before partitions go

_UNTOLD = -1

log = logging.getLogger("kol.rounds")


class Outlets(Protocol):
    """The doors out; each call returns once what it was given is safe."""

    async def rows(self, rows: Rows) -> None:
        """Write rows of one table."""

    async def blocks(self, blocks: Sequence[tuple[int, bytes]]) -> None:
        """Send blocks of cells to their partitions, in order."""

    async def letters(self, letters: Sequence[Rejected]) -> None:
        """Send dead letters."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often what happens, seconds."""

    snapshot: float  # between two of a lane, at the least
    longest_mute: float  # after a restore


@dataclass(frozen=True, slots=True)
class Bound:
    """How much may be folded and not acknowledged; above, folding waits for the sink."""

    messages: int
    bytes: int  # of the messages' values


@dataclass(frozen=True, slots=True)
class Ended:
    """An input that was handed out to its end; what of it is folded, memory knows.

    While a transaction is open behind what can be read, that is not its end: its events are older.
    """

    given: int  # the offset behind its last records: transactions may end behind that
    at: int  # this was its end then or later, milliseconds since the epoch
    quiet_s: float  # since the last records were handed out


class Rounds:
    """All lanes of a worker and the tasks that move them."""

    def __init__(
        self,
        rhythm: Rhythm,
        bound: Bound,
        outlets: Outlets,
        telemetry: Telemetry,
        partitions: int,
        safe: Callable[[Mapping[tuple[str, int], int]], None],
        crashed: Callable[[BaseException], None],
        clock: Callable[[], float] = time.monotonic,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self.read = 0  # messages since this process began
        self.lanes: dict[tuple[Side, int], Lane] = {}
        self._rhythm = rhythm
        self._bound = bound
        self._outlets = outlets
        self._telemetry = telemetry
        self._partitions = partitions
        self._safe = safe  # these next offsets may be committed
        self._crashed = crashed
        self._clock = clock
        self._now_ms = now_ms
        self._owed: dict[Side, list[tuple[Said, Waits]]] = {Side.USER: [], Side.KOL: []}
        self._turn = {side: asyncio.Lock() for side in Side}
        self._keeping: set[asyncio.Task[None]] = set()
        self._room = asyncio.Event()
        self._room.set()
        self._shut_at: float | None = None  # since when folding waits
        self._counted_at = 0.0  # up to when this waiting was counted
        self._told: dict[int, int | None] = {}  # watermarks the KOL side has been told

    def of(self, side: Side) -> list[Lane]:
        """The lanes of one side, by partition."""
        return [lane for (of, _), lane in sorted(self.lanes.items(), key=_order) if of is side]

    async def room(self) -> None:
        """Wait while too much is folded and not yet said: the sink is behind."""
        await self._room.wait()

    @property
    def shut_s(self) -> float | None:
        """For how many seconds folding has been waiting for the sink; None: it is not."""
        return None if self._shut_at is None else self._clock() - self._shut_at

    def waiting(self) -> tuple[int, int]:
        """Messages folded and not acknowledged, and the bytes of their values."""
        waits = [lane.waits for lane in self.of(Side.USER)]
        waits += [owed for _, owed in self._owed[Side.USER]]
        return sum(one.messages for one in waits), sum(one.bytes for one in waits)

    def tell(self) -> None:
        """Refresh what the metrics say of the waiting and of doors and counters."""
        self.count()
        messages, size = self.waiting()
        self._telemetry.set("kol_waiting_messages", messages)
        self._telemetry.set("kol_waiting_bytes", size)
        if self._shut_at is not None:
            self._count_waiting()

    def count(self) -> None:
        """Add what this worker's memories have counted since the last time to its metrics."""
        for lane in self.lanes.values():
            for topic, label, kind, more in lane.counted():
                if label not in MAY_DECREASE:
                    self._telemetry.add(COUNTED[kind], more, topic, label)

    def _count_waiting(self) -> None:
        now = self._clock()
        self._telemetry.add("kol_backpressure_seconds_total", now - self._counted_at)
        self._counted_at = now

    def fold(self, side: Side, batch: RecordBatch) -> None:
        """Take a batch in; what is nobody's partition or was folded before is left alone."""
        lane = self.lanes.get((side, batch.partition))
        if lane is None:
            return
        if batch.next_offset <= lane.memory.offsets[batch.topic]:
            skipped = len(batch.values)
            self._telemetry.add("kol_duplicates_skipped_total", skipped, batch.topic)
            return
        begun = time.perf_counter()
        lane.fold(batch, self._clock())
        self._telemetry.observe("kol_fold_seconds", time.perf_counter() - begun, side.value)
        self._telemetry.observe("kol_batch_events", len(batch.values), batch.topic)
        self._telemetry.add("kol_read_messages_total", len(batch.values), batch.topic)
        self.read += len(batch.values)
        self._breathe()

    async def round(self, side: Side, *, snapshot: bool = False) -> None:
        """Say what changed; then keep the snapshots that are due, or all with `snapshot`."""
        async with self._turn[side]:
            now = self._clock()
            lanes = [
                lane for lane in self.of(side) if not lane.is_muted(now, self._rhythm.longest_mute)
            ]
            try:
                said, waits = self._said(lanes), _waits(lanes)
            except Exception as error:
                self.lanes.clear()  # some have told what nobody took: it is to be read again
                self._crashed(error)
                raise
            if said or waits.at:
                self._owed[side].append((said, waits))
            taken: list[tuple[Lane, Taken]] = []
            try:
                taken += _taken(lanes, now, snapshot=snapshot)
                await self._pay(side)
            except BaseException:
                for lane, _ in taken:
                    lane.returned()
                raise
            for lane, capture in taken:
                self._keep(lane, capture)
            for lane in lanes:
                self._settle(lane)
        self._breathe()

    async def drain(self) -> None:
        """Say and keep everything; bounded, so that a dead sink cannot hold a rebalance."""
        begun = self._clock()
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                await self.kept()
                for side in Side:
                    await self.round(side, snapshot=True)
                await self.kept()
        except TimeoutError:
            log.warning("not drained in %s s: what is not safe will be read again", DRAIN_SECONDS)
        self._telemetry.observe("kol_rebalance_drain_seconds", self._clock() - begun)

    async def kept(self) -> None:
        """Wait for the snapshots under way."""
        while self._keeping:
            await asyncio.wait(set(self._keeping))
            await asyncio.sleep(0)

    def drop(self, lost: Collection[int]) -> list[Lane]:
        """Forget the lanes of partitions that went elsewhere; gives them, for their logs."""
        self.count()
        gone = [lane for lane in self.lanes.values() if lane.partition in lost]
        for lane in gone:
            del self.lanes[lane.side, lane.partition]
            self._told.pop(lane.partition, None)
        return gone

    def rest(self, partition: int, ended: Mapping[str, Ended], seconds: float) -> None:
        """Topics folded to their end and quiet stop holding the partition's watermark.

        A topic that never had an event holds it until the others have had some for so long.
        """
        lane = self.lanes.get((Side.USER, partition))
        if lane is None or not isinstance(lane.memory, UserMemory):
            return
        offsets = lane.memory.offsets  # what was handed out may wait, or be thrown away
        topics = [
            topic
            for topic, end in ended.items()
            if end.quiet_s >= seconds and offsets[topic] >= end.given
        ]
        if lane.begun_at is None:
            lane.is_empty = set(topics) == set(INPUTS)
        elif self._clock() - lane.begun_at >= seconds:
            for topic in topics:
                lane.is_dirty |= lane.memory.advance_idle(topic)  # its own from now on: to be kept

    def reach(self, partition: int, ended: Mapping[str, Ended]) -> None:
        """Where inputs ended, and when: once that is folded, nothing older is to come."""
        lane = self.lanes.get((Side.USER, partition))
        if lane is not None:
            for topic, end in ended.items():
                lane.reach(topic, end.given, end.at - SKEW_MS)

    def watermark(self, lane: Lane) -> int | None:
        """The watermark of a lane; None while it may still begin with something older."""
        if not isinstance(lane.memory, UserMemory):
            return lane.memory.watermark
        if lane.begun_at is None or _holds_time(lane, self._clock()):
            return None
        return lane.memory.watermark(INPUTS)

    async def _pay(self, side: Side) -> None:
        """Send all that is owed; it stays owed until all of it is safe."""
        owed = self._owed[side]
        for said, waits in list(owed):
            await _all(
                [self._outlets.rows(rows) for rows in said.rows]
                + [self._outlets.blocks(said.blocks), self._outlets.letters(said.letters)]
            )
            if side is Side.USER:
                self._observe(waits)
            self._look_at(said.rows)
            owed.remove((said, waits))

    def _said(self, lanes: Sequence[Lane]) -> Said:
        """What the lanes of one side say now."""
        rows: list[Rows] = []
        sources: list[Source] = []
        letters: list[Rejected] = []
        for lane in lanes:
            if isinstance(lane.memory, UserMemory):
                told = lane.memory.collect_updates()
                rows += told.rows
                letters += told.letters
                sources.append(self._source(lane, told.cells))
            else:
                rows += lane.memory.collect_updates()
        marks = {source.partition: source.watermark for source in sources if source.speaks}
        moved = any(self._told.get(at, _UNTOLD) != mark for at, mark in marks.items())
        self._told |= marks
        messages = blocks(sources, self._partitions, moved=moved) if sources else []
        return Said(tables(rows), messages, letters)

    def _source(self, lane: Lane, cells: ChangedCells) -> Source:
        mark = self.watermark(lane)
        if mark is None and lane.begun_at is not None:
            mark = NOTHING_CLOSED
        life = epoch_and_life(lane.memory.epoch, lane.memory.life)
        return Source(lane.partition, life, cells, mark is not None or lane.is_empty, mark)

    def _keep(self, lane: Lane, taken: Taken) -> None:
        task = asyncio.create_task(self._kept(lane, taken))
        self._keeping.add(task)
        task.add_done_callback(self._keeping.discard)

    async def _kept(self, lane: Lane, taken: Taken) -> None:
        """Write one snapshot; then offsets up to it may be committed."""
        try:
            written = await lane.log.write(taken.capture, taken.offsets)
        except Exception as error:  # noqa: BLE001  # fenced or worse: this worker is not the owner
            lane.returned()
            if self.lanes.get((lane.side, lane.partition)) is lane:
                self._crashed(error)
            return  # the lane of a partition that went elsewhere may be cut off
        lane.keeping = lane.purging = False
        lane.pace.taken(self._clock(), written.work_s)
        self._safe({(topic, lane.partition): at for topic, at in taken.offsets.items()})
        side = lane.side.value
        self._telemetry.observe("kol_snapshot_seconds", written.seconds, side)
        self._telemetry.add("kol_snapshot_bytes_total", written.size, side)
        self._telemetry.set(
            "kol_snapshot_timestamp_seconds", self._now_ms() / 1000, side, str(lane.partition)
        )

    def _settle(self, lane: Lane) -> None:
        if isinstance(lane.memory, UserMemory):
            lane.memory.prune(self.watermark(lane))

    def _observe(self, waits: Waits) -> None:
        if waits.at:
            elapsed = self._now_ms() - np.concatenate(waits.at)
            elapsed_s = np.maximum(elapsed, 0) / 1000
            self._telemetry.latencies.add(elapsed_s, np.concatenate(waits.count))

    def _look_at(self, told: Sequence[Rows]) -> None:
        for rows in told:
            if rows.table == "kol_score":
                self._telemetry.trust.add(np.asarray(rows.columns["trust"], np.float64))

    def _breathe(self) -> None:
        """Open or close the way in by what waits for the sink.

        Who is mute after a restore speaks then: a short dip is better than memory without end.
        """
        messages, size = self.waiting()
        if messages > self._bound.messages or size > self._bound.bytes:
            for lane in self.of(Side.USER):
                lane.mute_until = {}
            if self._shut_at is None:
                self._shut_at = self._counted_at = self._clock()
            self._room.clear()
        else:
            if self._shut_at is not None:
                self._count_waiting()
                self._shut_at = None
            self._room.set()


async def _all(calls: Sequence[Awaitable[None]]) -> None:
    """Await all; the first failure cancels the rest and is raised."""
    if not calls:
        return
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)
        raise


def _taken(lanes: Sequence[Lane], now: float, *, snapshot: bool) -> Iterator[tuple[Lane, Taken]]:
    """Copies of the lanes that are due, or of all with `snapshot`.

    Once they are large the others wait for the next round, so that batches come between.
    """
    copied = 0
    for lane in lanes:
        wanted = lane.is_due(now) and copied < COPY_BYTES
        wanted |= snapshot and lane.is_dirty and not lane.keeping
        if wanted and not _holds_time(lane, now):  # else offsets were safe before its watermark
            taken = lane.taken()
            yield lane, taken
            copied += taken.capture.size


def _holds_time(lane: Lane, now: float) -> bool:
    """Whether a partition of events has just begun: its watermark is not told yet."""
    begun_at = lane.begun_at if lane.side is Side.USER else None
    return begun_at is not None and now - begun_at < FIRST_SECONDS


def _waits(lanes: Sequence[Lane]) -> Waits:
    taken = [lane.waits.taken() for lane in lanes]
    return Waits(
        [times for waits in taken for times in waits.at],
        [counts for waits in taken for counts in waits.count],
        sum(waits.messages for waits in taken),
        sum(waits.bytes for waits in taken),
    )


def _order(entry: tuple[tuple[Side, int], Lane]) -> tuple[str, int]:
    (side, partition), _ = entry
    return side.value, partition
