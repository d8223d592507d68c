"""What a worker owns and how its inserts stand, as gauges."""

from collections.abc import Mapping

from sinks.base import Health as SinkHealth
from sinks.base import State
from streams.core.sides import Side
from streams.core.user.door_counts import MAY_DECREASE, SERIES
from streams.worker.lane_table import LaneTable
from streams.worker.telemetry import READ, Telemetry

BY_TOPIC = ("kol_lag_events", "kol_held_messages", "kol_commit_timestamp_seconds")
BY_SIDE = (
    *("kol_watermark_timestamp_seconds", "kol_snapshot_timestamp_seconds"),
    "kol_names",
)


class Gauges:
    """Refreshed once a second, and whenever `/metrics` is read."""

    def __init__(
        self, lanes: LaneTable, telemetry: Telemetry, sinks: Mapping[str, SinkHealth]
    ) -> None:
        self._lanes = lanes
        self._telemetry = telemetry
        self._sinks = sinks

    def export(self) -> None:
        """Set all of them; series of partitions that went elsewhere disappear."""
        self._drop_series()
        now = self._lanes.clock()
        for side in Side:
            lanes = self._lanes.of(side)
            self._telemetry.set("kol_partitions", len(lanes), side.value)
            held = sum(lane.memory_bytes for lane in lanes)
            self._telemetry.set("kol_memory_bytes", held, side.value)
            for lane in lanes:
                for name, value, labels in lane.gauges(now):
                    self._telemetry.set(name, value, *labels)
        for topic, counter, kind in SERIES:
            if counter in MAY_DECREASE and kind == "counter":
                total = sum(lane.counted(topic, counter) for lane in self._lanes.user.values())
                self._telemetry.set("kol_not_booked", total, topic, counter)
        self._export_sinks()

    def _export_sinks(self) -> None:
        for table, sink in self._sinks.items():
            for state in State:
                is_in = float(sink.state is state)
                self._telemetry.set("kol_sink_state", is_in, table, state.value)
            self._telemetry.set("kol_sink_buffer_rows", sink.waiting, table)
            if sink.succeeded_at is not None:
                name = "kol_sink_last_success_timestamp_seconds"
                self._telemetry.set(name, sink.succeeded_at, table)

    def _drop_series(self) -> None:
        """A partition that went elsewhere is exported there."""
        owned = [(lane.side, str(lane.partition)) for lane in self._lanes]
        for name in BY_TOPIC:
            self._telemetry.keep_series(name, {(topic, at) for _, at in owned for topic in READ})
        for name in BY_SIDE:
            self._telemetry.keep_series(name, {(side.value, at) for side, at in owned})
        scored = {(at,) for side, at in owned if side is Side.KOL}
        self._telemetry.keep_series("kol_open_minutes", scored)
