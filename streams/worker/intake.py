"""The way in: batches of the transport, folded into their lanes."""

import time
from collections.abc import Iterable

from schemas.columns import RecordBatch
from streams.core.sides import Side
from streams.core.user.door_counts import MAY_DECREASE
from streams.worker.backpressure import Backpressure
from streams.worker.lane_table import LaneTable
from streams.worker.lanes import Lane
from streams.worker.read_ahead import ReadAhead
from streams.worker.telemetry import COUNTED, Telemetry


class Intake:
    """Folds batches and counts them."""

    def __init__(
        self,
        lanes: LaneTable,
        backpressure: Backpressure,
        read_ahead: ReadAhead,
        telemetry: Telemetry,
    ) -> None:
        self.messages = 0  # folded since this process began
        self.backpressure = backpressure
        self.read_ahead = read_ahead
        self._lanes = lanes
        self._telemetry = telemetry

    async def wait_for_copy(self, side: Side, partition: int) -> None:
        """Return once the lane of a batch may change: a snapshot is of one moment."""
        while (lane := self._lanes.find(side, partition)) and not lane.is_copied.is_set():
            await lane.is_copied.wait()

    def fold(self, side: Side, batch: RecordBatch) -> None:
        """Fold a batch; of a partition that is not ours, or folded before, it is ignored."""
        lane = self._lanes.find(side, batch.partition)
        if lane is None:
            return
        messages = len(batch.values)
        if batch.next_offset <= lane.offsets[batch.topic]:
            self._telemetry.add("kol_duplicates_skipped_total", messages, batch.topic)
            return
        begun = time.perf_counter()
        lane.fold(batch, self._lanes.clock())
        self._telemetry.observe("kol_fold_seconds", time.perf_counter() - begun, side.value)
        self._telemetry.observe("kol_batch_events", messages, batch.topic)
        self._telemetry.add("kol_read_messages_total", messages, batch.topic)
        self.messages += messages
        self.backpressure.update()

    def look_ahead(self) -> None:
        """Take in how far is read what inputs may have to wait for."""
        self.read_ahead.refresh(self._lanes.held)

    def export_metrics(self) -> None:
        """Refresh what metrics say of doors, counters, steps and back-pressure."""
        export_counts(self._lanes, self._telemetry)
        self.backpressure.export_metrics()


def export_counts(lanes: Iterable[Lane], telemetry: Telemetry) -> None:
    """Add to the metrics what memories have counted and measured since the last time."""
    for lane in lanes:
        for step, seconds in lane.take_step_seconds():
            telemetry.add("kol_fold_step_seconds_total", seconds, step)
        for topic, label, kind, increase in lane.take_counts():
            if label not in MAY_DECREASE:
                telemetry.add(COUNTED[kind], increase, topic, label)
