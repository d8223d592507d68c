"""The main loop: write changed rows every 200 ms, start due snapshots, prune memory.

Where orders leave more often, they do so alone: each insert costs the engine much, and nobody
waits for cells and counters, or for a snapshot, for less than that.

A flush collects what changed in all lanes of a side, waits until every row, block and dead
letter of it is acknowledged, and only then starts the snapshots that were copied at the same
moment. What could not be sent stays pending and goes first in the next flush: rows carry
versions, so writing them twice or late is harmless.

Rows of `event` leave beside them, in flushes of their own; a snapshot waits for those before it,
too.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Collection, Sequence

from streams.core.sides import Side
from streams.worker.backpressure import Backpressure
from streams.worker.changes import LaneChanges, collect_changes, order_changes
from streams.worker.lane_table import LaneTable
from streams.worker.lanes import Lane, PendingSnapshot
from streams.worker.outgoing import Flush, blocks, by_table
from streams.worker.outputs import Outputs
from streams.worker.pending import PendingFlush, PendingFlushes
from streams.worker.snapshotting import SnapshotWriter
from streams.worker.telemetry import Telemetry
from streams.worker.unacknowledged import Unacknowledged

DRAIN_SECONDS = 8.0  # for the last flush and snapshot before partitions go
LATE_SECONDS = 1.0  # after its append a message is late anyway: reading is behind. Then flushes of
SHARE = 0.1  # a side may take so much of the loop, as long as
LONGEST_SECONDS = 0.5  # no row waits longer for the next one
CELLS_SECONDS = 0.2  # the least between two flushes of more than orders

Captured = tuple[Lane, PendingSnapshot, Awaitable[None] | None]  # and what it waits for

_UNANNOUNCED = -1

log = logging.getLogger("kol.flush")


class FlushLoop:
    """Flushes the lanes of either side, one flush of a side at a time.

    Args:
        lanes: what is flushed.
        pending: flushes that are not acknowledged.
        outputs: where they go.
        snapshots: writes what was copied.
        backpressure: is told when something was acknowledged.
        telemetry: latencies and trust of what was acknowledged.

    """

    def __init__(  # one for each thing a flush meets
        self,
        lanes: LaneTable,
        pending: PendingFlushes,
        outputs: Outputs,
        snapshots: SnapshotWriter,
        backpressure: Backpressure,
        telemetry: Telemetry,
    ) -> None:
        self._lanes = lanes
        self._pending = pending
        self._outputs = outputs
        self._snapshots = snapshots
        self._backpressure = backpressure
        self._telemetry = telemetry
        self._turn = {side: asyncio.Lock() for side in Side}
        self._events_turn = asyncio.Lock()
        self._announced: dict[int, int | None] = {}  # watermarks that the KOL side has been sent
        self._cells_at = -CELLS_SECONDS  # when the last flush of more than orders began
        self._is_behind = False  # reading was, by that flush

    async def flush_user_side(self) -> float:
        """Write the orders that changed, and all else with them five times a second at the most.

        Returns:
            As `flush`.

        """
        if self._lanes.clock() - self._cells_at >= CELLS_SECONDS:
            return await self.flush(Side.USER)
        async with self._turn[Side.USER]:
            self._collect_orders()
            await self._send_pending(Side.USER)
        return 0.0

    async def flush(self, side: Side, *, snapshot: bool = False) -> float:
        """Write what changed; then start the snapshots that are due, or all with `snapshot`.

        Returns:
            Seconds to leave the loop to others, where reading is behind: a later flush says of
            an order once what two had said of it.

        """
        async with self._turn[side]:
            now, lanes = self._lanes.clock(), self._lanes.unmuted(side)
            is_late = self._collect(side, lanes, now) > LATE_SECONDS
            if side is Side.USER:
                self._cells_at, self._is_behind = now, is_late
            spent = self._lanes.clock() - now
            captured = await self._send(side, lanes, now, snapshot=snapshot)
            for lane, pending, written in captured:
                self._snapshots.start(lane, pending, written)
            for lane in lanes:
                lane.prune(self._lanes.clock())
        self._backpressure.update()
        return min(spent / SHARE, LONGEST_SECONDS) if is_late else 0.0

    async def flush_events(self, *, at_once: bool = False) -> None:
        """Write the rows of `event` that wait, if they are due, or with `at_once` all the same."""
        events = self._pending.events
        async with self._events_turn:
            now, lanes = self._lanes.clock(), list(self._lanes.user.values())
            if not (at_once or events.are_due(lanes, now, is_behind=self._is_behind)):
                return
            try:
                events.take(lanes, now)
            except Exception as error:
                self._lanes.abandon(error)  # as below
                raise
            for flush in events.pending():
                await self._outputs.write_rows(flush.rows)
                events.acknowledge(flush)
            events.acknowledge()
        self._backpressure.update()

    def _collect_orders(self) -> None:
        """Add the orders that changed to what is pending; their messages stay unacknowledged."""
        lanes = [self._lanes.user[lane.partition] for lane in self._lanes.unmuted(Side.USER)]
        try:
            rows = by_table([rows for lane in lanes for rows in order_changes(lane)])
        except Exception as error:
            self._lanes.abandon(error)  # as below
            raise
        if rows:
            self._pending.add(Side.USER, PendingFlush(Flush(rows), Unacknowledged()))

    def _collect(self, side: Side, lanes: Sequence[Lane], now: float) -> float:
        """Add what changed to what is pending; gives the age of the newest message, seconds."""
        try:
            flush = self._put_together(collect_changes(self._lanes, side, lanes, now))
            unacknowledged = Unacknowledged.total(lane.take_unacknowledged() for lane in lanes)
        except Exception as error:
            self._lanes.abandon(error)  # some have given what nobody took
            raise
        if flush or unacknowledged.appended_at:
            self._pending.add(side, PendingFlush(flush, unacknowledged))
        return self._telemetry.age(unacknowledged.appended_at)

    def _put_together(self, changes: Sequence[LaneChanges]) -> Flush:
        sources = [one.source for one in changes if one.source is not None]
        marks = {source.partition: source.watermark for source in sources if source.speaks}
        moved = any(self._announced.get(at, _UNANNOUNCED) != mark for at, mark in marks.items())
        self._announced |= marks
        return Flush(
            by_table([rows for one in changes for rows in one.rows]),
            blocks(sources, self._lanes.partitions, moved=moved) if sources else [],
            [letter for one in changes for letter in one.letters],
        )

    async def _send(
        self, side: Side, lanes: Sequence[Lane], now: float, *, snapshot: bool
    ) -> list[Captured]:
        """Copy the lanes that are due, then send all that is pending; gives the copies."""
        captured: list[Captured] = []
        try:
            async for lane, pending in self._snapshots.captures(
                side, lanes, now, all_of_them=snapshot
            ):
                captured.append((lane, pending, self._events_written(side, lane)))
            await self._send_pending(side)
        except BaseException:
            for lane, _, _ in captured:
                lane.snapshot_failed()
            raise
        return captured

    def _events_written(self, side: Side, lane: Lane) -> Awaitable[None] | None:
        """What ends once the rows of `event` are acknowledged that a lane gave so far."""
        if side is Side.KOL:
            return None
        return self._pending.events.written(self._lanes.user[lane.partition])

    async def _send_pending(self, side: Side) -> None:
        """Send all that is pending; it stays so until all of it is acknowledged."""
        for pending in self._pending.of(side):
            flush = pending.flush
            await _gather(
                *(self._outputs.write_rows(rows) for rows in flush.rows),
                self._outputs.send_blocks(flush.blocks),
                self._outputs.send_letters(flush.letters),
            )
            if side is Side.USER:
                self._telemetry.observe_latency(
                    pending.unacknowledged.appended_at, pending.unacknowledged.count
                )
            self._telemetry.observe_trust(flush.rows)
            self._pending.remove(side, pending)

    async def drain(self) -> None:
        """Write and snapshot everything; bounded, so that a dead sink cannot hold a rebalance."""
        begun = self._lanes.clock()
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                for side in Side:  # first of all: rows of `event` may be all that cannot leave
                    await self.flush(side)
                await self.flush_events(at_once=True)
                await self._snapshots.wait()
                for side in Side:
                    await self.flush(side, snapshot=True)
                await self.flush_events(at_once=True)
                await self._snapshots.wait()
        except TimeoutError:
            log.warning(
                "not drained in %s s: what is not durable will be read again", DRAIN_SECONDS
            )
        self._telemetry.observe("kol_rebalance_drain_seconds", self._lanes.clock() - begun)

    def forget_watermarks(self, partitions: Collection[int]) -> None:
        """Announce the watermarks of these partitions anew, should they come back."""
        for partition in partitions:
            self._announced.pop(partition, None)


async def _gather(*calls: Awaitable[None]) -> None:
    """Await all; the first failure cancels the rest and is raised."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)
        raise
