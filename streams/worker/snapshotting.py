"""Writing snapshots beside the main loop: once one is durable, its offsets may be committed."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence

from streams.core.sides import Side
from streams.worker.lane_table import LaneTable
from streams.worker.lanes import Lane, PendingSnapshot
from streams.worker.telemetry import Telemetry

COPY_BYTES = 128 << 20  # looked through in one flush, 10 ms; more only for a single lane
TURN_SECONDS = 0.005  # of a copy, before others have the loop for a turn

Release = Callable[[Mapping[tuple[str, int], int]], None]  # (topic, partition) -> next offset


class SnapshotWriter:
    """The snapshots under way.

    Args:
        lanes: whose they are.
        telemetry: counts them.
        release: lets offsets be committed.

    """

    def __init__(self, lanes: LaneTable, telemetry: Telemetry, release: Release) -> None:
        self._lanes = lanes
        self._telemetry = telemetry
        self._release = release
        self._writing: set[asyncio.Task[None]] = set()
        self.waiting_bytes = 0  # of copies that wait until something else is written

    async def captures(
        self, side: Side, lanes: Sequence[Lane], now: float, *, all_of_them: bool
    ) -> AsyncGenerator[tuple[Lane, PendingSnapshot], None]:
        """Copies of the lanes whose snapshot is due, or of all that changed.

        Once they are large the others wait for the next flush, so that batches come between; so
        they do while former copies of the user side wait for rows of `event`. A lane that holds
        its watermark waits, too: else offsets were durable before it was announced.
        """
        copied = self.waiting_bytes if side is Side.USER else 0
        for lane in lanes:
            is_wanted = lane.is_snapshot_due(now) and copied < COPY_BYTES
            is_wanted |= all_of_them and lane.is_dirty and not lane.is_snapshotting
            if is_wanted and not lane.holds_watermark(now):
                pending = await self._copy(lane)
                yield lane, pending
                copied += pending.capture.state_bytes

    async def _copy(self, lane: Lane) -> PendingSnapshot:
        """Copy a lane; its batches wait meanwhile, all else for one turn at the most."""
        begun = time.perf_counter()
        steps = lane.capturing()
        turn_began = begun
        try:
            while True:
                next(steps)
                if time.perf_counter() - turn_began >= TURN_SECONDS:
                    await asyncio.sleep(0)
                    turn_began = time.perf_counter()
        except StopIteration as done:
            copied: PendingSnapshot = done.value
        finally:
            steps.close()
        seconds = time.perf_counter() - begun
        self._telemetry.observe("kol_snapshot_copy_seconds", seconds, lane.side.value)
        return copied

    def start(
        self, lane: Lane, pending: PendingSnapshot, written: Awaitable[None] | None = None
    ) -> None:
        """Begin to write one, once `written` has ended."""
        if written is not None:
            self.waiting_bytes += pending.capture.changed_bytes
        task = asyncio.create_task(self._write(lane, pending, written))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def wait(self) -> None:
        """Return once none is under way."""
        while self._writing:
            await asyncio.wait(set(self._writing))
            await asyncio.sleep(0)

    async def _write(
        self, lane: Lane, pending: PendingSnapshot, written_before: Awaitable[None] | None
    ) -> None:
        try:
            if written_before is not None:
                await self._wait_for(written_before, pending)
            written = await lane.log.write(pending.capture, pending.offsets)
        except Exception as error:  # noqa: BLE001  # fenced or worse: this worker is not the owner
            lane.snapshot_failed()
            if self._lanes.is_ours(lane):
                self._lanes.crash(error)
            return  # the lane of a partition that went elsewhere may be cut off
        lane.snapshot_written(self._lanes.clock(), written.work_s)
        self._release({(topic, lane.partition): at for topic, at in pending.offsets.items()})
        self._export(lane, written.seconds, written.written_bytes)

    async def _wait_for(self, written: Awaitable[None], pending: PendingSnapshot) -> None:
        try:
            await written
        finally:
            self.waiting_bytes -= pending.capture.changed_bytes

    def _export(self, lane: Lane, seconds: float, size: int) -> None:
        side = lane.side.value
        self._telemetry.observe("kol_snapshot_seconds", seconds, side)
        self._telemetry.add("kol_snapshot_bytes_total", size, side)
        name = "kol_snapshot_timestamp_seconds"
        self._telemetry.set(name, time.time(), side, str(lane.partition))
