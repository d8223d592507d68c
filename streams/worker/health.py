"""Whether a worker is alive and ready, and how far it is."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import faust

from schemas.topics import CELLS, ERASURES
from sinks.base import Health as SinkHealth
from sinks.base import State
from streams.clients.kafka_admin import OpenTransaction, kafka_admin
from streams.core.kernels import CODE_PATH
from streams.core.sides import Side
from streams.settings import Settings
from streams.transport import TP, ReadPosition, consumer_of
from streams.worker.gauges import Gauges
from streams.worker.held import HeldMessages
from streams.worker.intake import Intake
from streams.worker.lane_table import LaneTable
from streams.worker.telemetry import READ, Telemetry

STUCK_SECONDS = 60.0  # without a step although messages wait
REBALANCE_SECONDS = 300.0  # from the start of a rebalance to its end: restores are in it
UNSAFE_SECONDS = 300.0  # without a commit although messages were read
Place = tuple[Side, int]  # a side's partition: its topics take turns, so they move together


class Health:
    """Answers of one worker; `tick` once a second keeps the gauges fresh.

    Args:
        app: the Faust app.
        settings: of this worker.
        lanes: what it owns.
        intake: what it has read, and whether reading is paused.
        telemetry: its metrics.
        sinks: how the inserts of each table stand.

    """

    def __init__(  # one for each thing that can be wrong
        self,
        app: faust.App,
        settings: Settings,
        lanes: LaneTable,
        intake: Intake,
        telemetry: Telemetry,
        sinks: Mapping[str, SinkHealth],
    ) -> None:
        self._app = app
        self._settings = settings
        self._lanes = lanes
        self._intake = intake
        self._telemetry = telemetry
        self._sinks = sinks
        self._gauges = Gauges(lanes, telemetry, sinks)
        self._held = HeldMessages(self._open_transactions, telemetry, lanes.clock)
        self._counts: dict[str, int] = {}  # topic -> its number of partitions
        self._version = version("kol-streams")  # costs milliseconds: it reads a file
        self._rebalancing: float | None = None  # since when a rebalance is under way
        self._moved: dict[Place, tuple[object, float]] = {}  # positions, and since when
        self._durable: dict[TP, tuple[object, float]] = {}  # what is committed, and since when

    def positions(self) -> dict[TP, ReadPosition]:
        """How far each topic partition of this worker is read."""
        if self._app.rebalancing or not self._lanes:
            return {}
        consumer, broker_topic = consumer_of(self._app), self._settings.kafka.broker_topic
        return {
            TP(topic, partition): consumer.read_position(TP(broker_topic(topic), partition))
            for topic in READ
            for partition in self._lanes.held
        }

    def tick(self) -> None:
        """Refresh gauges and remember who moved."""
        positions = self.positions()
        self._follow(positions)
        self._held.follow(positions)
        self._counts = self._partition_counts()
        for topic, count in self._counts.items():
            self._telemetry.set("kol_topic_partitions", count, topic)
        if not self._app.rebalancing:
            self._rebalancing = None
        elif self._rebalancing is None or not self._has_broker():
            self._rebalancing = self._lanes.clock()
        self._gauges.export()

    def _open_transactions(self) -> list[OpenTransaction]:
        with kafka_admin(self._settings.kafka) as broker:
            return broker.open_transactions(READ)

    def _partition_counts(self) -> dict[str, int]:
        """How many partitions the brokers say that each topic of `READ` has."""
        if not self._lanes:
            return {}
        counts = consumer_of(self._app).partition_counts()
        return {topic: counts[self._settings.kafka.broker_topic(topic)] for topic in READ}

    def _follow(self, positions: Mapping[TP, ReadPosition]) -> None:
        """Remember who moved and what became safe; begins anew in a rebalance."""
        now, is_excused = self._lanes.clock(), self._is_excused()
        by_place: dict[Place, list[ReadPosition]] = {}
        for tp, at in positions.items():
            by_place.setdefault(_place(tp), []).append(at)
            labels = tp.topic, str(tp.partition)
            if at.lag is not None:
                self._telemetry.set("kol_lag_events", at.lag, *labels)
            if at.committed_at is not None:
                self._telemetry.set("kol_commit_timestamp_seconds", at.committed_at, *labels)
        self._moved = {
            place: _since(
                self._moved.get(place),
                [at.position for at in some],
                now,
                is_idle=is_excused or all(at.is_at_end for at in some),
            )
            for place, some in by_place.items()
        }
        self._durable = {
            tp: _since(
                self._durable.get(tp), at.committed, now, is_idle=at.committed == at.position
            )
            for tp, at in positions.items()
            if tp.topic != ERASURES  # safe only when all is gone, which may wait for the inputs
        }

    def exposition(self) -> bytes:
        """What `/metrics` says, as it is now."""
        self._intake.export_metrics()
        self.tick()
        return self._telemetry.exposition()

    def live(self) -> list[str]:
        """Why this process should be restarted; [] when it moves, or waits for a good reason."""
        if self._is_excused():
            return []
        now, faults = self._lanes.clock(), []
        if self._rebalancing is not None and self._rebalancing < now - REBALANCE_SECONDS:
            faults.append(f"a rebalance has not ended for {now - self._rebalancing:.0f} s")
        return faults + [
            f"{side.value}/{partition} has not moved for {now - since:.0f} s"
            for (side, partition), (_, since) in self._moved.items()
            if since < now - STUCK_SECONDS
        ]

    def _is_excused(self) -> bool:
        """Whether something else is to blame where nothing moves; its time begins anew then."""
        if any(sink.state is not State.OK for sink in self._sinks.values()):
            return True  # a new process would wait, too
        if self._intake.read_ahead.long_waits:
            return True  # as above: the brokers do not bring what has to be known
        paused_s = self._intake.backpressure.paused_s
        if paused_s is not None and paused_s < 2 * self._settings.clickhouse.insert_seconds:
            return True  # an insert is without an answer, and not yet given up
        return bool(self._moved) and not self._has_broker()  # a new process would not even start

    def _has_broker(self) -> bool:
        """Whether any broker is connected."""
        return consumer_of(self._app).is_connected

    def ready(self) -> list[str]:
        """Why this worker cannot serve now; [] when it owns partitions and can write."""
        faults = []
        if self._app.rebalancing:
            faults.append("a rebalance is under way")
        if not self._lanes:
            faults.append("no partitions")
        faults += [
            f"{table}: {sink.state.value}"
            for table, sink in self._sinks.items()
            if sink.state is not State.OK
        ]
        partitions = self._settings.kafka.partitions
        faults += [
            f"{topic} has {count} partitions, this deployment {partitions}: messages in the others"
            " are not read; a count never changes: use new topics and a new KOL_APP_ID, and replay"
            for topic, count in self._counts.items()
            if count > partitions
        ]
        if self._intake.backpressure.paused_s is not None:
            faults.append("reading waits for the sink")
        faults += [
            f"inputs have waited {seconds:.0f} s for {topic} to be read to its end"
            for topic, seconds in self._intake.read_ahead.long_waits.items()
        ]
        now = self._lanes.clock()
        faults += [
            f"{tp.topic}/{tp.partition}: nothing became safe for {now - since:.0f} s"
            for tp, (_, since) in self._durable.items()
            if since < now - UNSAFE_SECONDS
        ]
        return faults

    def status(self) -> dict[str, Any]:
        """All of it, for `kol status`."""
        now = self._lanes.clock()
        return {
            "name": self._settings.worker.name or self._settings.app_id,
            "version": self._version,
            "native": CODE_PATH,
            "partitions": self._lanes.held,
            "ready": self.ready(),
            "live": self.live(),
            "read": self._intake.messages,
            "latency_counts": self._telemetry.latencies.counts.tolist(),
            "watermarks": {
                f"{lane.side.value}/{lane.partition}": lane.watermark(now) for lane in self._lanes
            },
            "greatest": {
                f"{topic}/{lane.partition}": at
                for lane in self._lanes.user.values()
                for topic, at in lane.greatest_times().items()
            },
            "lag": {
                f"{tp.topic}/{tp.partition}": at.lag or 0 for tp, at in self.positions().items()
            },
        }


def _place(tp: TP) -> Place:
    return (Side.KOL if tp.topic == CELLS else Side.USER), tp.partition


def _since(
    before: tuple[object, float] | None, value: object, now: float, *, is_idle: bool
) -> tuple[object, float]:
    """A value and since when it stands without a reason to."""
    return (value, now) if before is None or is_idle or before[0] != value else before
