"""How a worker stands: what it owns, how far it is, what is wrong with it."""

import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

import faust

from schemas.events import INPUTS
from schemas.topics import CELLS, ERASURES
from sinks.base import Health as SinkHealth
from sinks.base import State
from streams.core.kernels import CODE_PATH
from streams.core.kol.memory import KolMemory
from streams.core.sides import Side
from streams.core.user.door_counts import MAY_DECREASE, SERIES
from streams.core.user.memory import UserMemory
from streams.transport import TP, ReadPosition, consumer_of
from streams.worker.flush import Rounds
from streams.worker.telemetry import READ, Telemetry

STUCK_SECONDS = 60.0  # without a step although messages wait
REBALANCE_SECONDS = 300.0  # from the start of a rebalance to its end: restores are in it
UNSAFE_SECONDS = 300.0  # without a commit although messages were read
Place = tuple[Side, int]  # a side's partition: its topics take turns, so they move together


class Health:
    """Answers of one worker; `tick` once a second keeps the gauges fresh."""

    def __init__(
        self,
        app: faust.App,
        rounds: Rounds,
        telemetry: Telemetry,
        sinks: Mapping[str, SinkHealth],
        name: str,
        sink_s: float,
        clock: Callable[[], float] = time.monotonic,
        named: Callable[[str], str] = str,
    ) -> None:
        self.telemetry = telemetry
        self._app = app
        self._rounds = rounds
        self._sinks = sinks
        self._name = name
        self._sink_s = sink_s  # an insert may be out for so long
        self._clock = clock
        self._named = named  # what the brokers call a topic
        self._rebalancing: float | None = None  # since when a rebalance is under way
        self._moved: dict[Place, tuple[object, float]] = {}  # positions, and since when
        self._safe: dict[TP, tuple[object, float]] = {}  # what is committed, and since when

    def positions(self) -> dict[TP, ReadPosition]:
        """Every topic partition this worker reads."""
        if self._app.rebalancing or not self._rounds.lanes:
            return {}
        reader = consumer_of(self._app)
        held = {lane.partition for lane in self._rounds.lanes.values()}
        return {
            TP(topic, partition): reader.read_position(TP(self._named(topic), partition))
            for topic in READ
            for partition in sorted(held)
        }

    def tick(self) -> None:
        """Refresh gauges and remember who moved."""
        self._follow(self.positions())
        if not self._app.rebalancing:
            self._rebalancing = None
        elif self._rebalancing is None or not self._speaks():
            self._rebalancing = self._clock()
        for side in Side:
            lanes = self._rounds.of(side)
            self.telemetry.set("kol_partitions", len(lanes), side.value)
            bytes_ = sum(a.nbytes for lane in lanes for a in lane.memory.arrays().values())
            self.telemetry.set("kol_memory_bytes", bytes_, side.value)
            for lane in lanes:
                labels = side.value, str(lane.partition)
                self.telemetry.set("kol_names", len(lane.memory.names), *labels)
                if isinstance(lane.memory, KolMemory):
                    minutes = lane.memory.open_minutes
                    self.telemetry.set("kol_open_minutes", minutes, str(lane.partition))
                mark = self._rounds.watermark(lane)
                if mark is not None:
                    self.telemetry.set("kol_watermark_timestamp_seconds", mark / 1000, *labels)
        for (topic, counter), n in self._not_booked().items():
            self.telemetry.set("kol_not_booked", n, topic, counter)
        for table, sink in self._sinks.items():
            for state in State:
                is_in = float(sink.state is state)
                self.telemetry.set("kol_sink_state", is_in, table, state.value)
            self.telemetry.set("kol_sink_buffer_rows", sink.waiting, table)
            if sink.succeeded_at is not None:
                name = "kol_sink_last_success_timestamp_seconds"
                self.telemetry.set(name, sink.succeeded_at, table)

    def _follow(self, positions: Mapping[TP, ReadPosition]) -> None:
        """Remember who moved and what became safe; begins anew in a rebalance."""
        now, waits = self._clock(), self._waits()
        by_place: dict[Place, list[ReadPosition]] = {}
        for tp, stands in positions.items():
            by_place.setdefault(_place(tp), []).append(stands)
            labels = tp.topic, str(tp.partition)
            if stands.position is not None and stands.end is not None:
                self.telemetry.set("kol_lag_events", max(0, stands.end - stands.position), *labels)
            if stands.committed_at is not None:
                self.telemetry.set("kol_commit_timestamp_seconds", stands.committed_at, *labels)
        self._moved = {
            place: _since(
                self._moved.get(place),
                [stands.position for stands in some],
                now,
                rests=waits or all(stands.is_at_end for stands in some),
            )
            for place, some in by_place.items()
        }
        self._safe = {
            tp: _since(self._safe.get(tp), stands.safe, now, rests=stands.safe == stands.position)
            for tp, stands in positions.items()
            if tp.topic != ERASURES  # safe only when all is gone, which may wait for the inputs
        }
        self._keep_series()

    def _keep_series(self) -> None:
        """Only what is ours is told: a partition that went elsewhere is told there."""
        lanes = [(lane.side, lane.partition) for lane in self._rounds.lanes.values()]
        read = {(topic, str(at)) for _, at in lanes for topic in READ}
        kept = {(side.value, str(at)) for side, at in lanes}
        for name in ("kol_lag_events", "kol_commit_timestamp_seconds"):
            self.telemetry.keep(name, read)
        for name in (
            "kol_watermark_timestamp_seconds",
            "kol_snapshot_timestamp_seconds",
            "kol_names",
        ):
            self.telemetry.keep(name, kept)
        scored = {(at,) for side, at in kept if side == Side.KOL.value}
        self.telemetry.keep("kol_open_minutes", scored)

    def exposition(self) -> bytes:
        """What `/metrics` says, as it is now."""
        self._rounds.tell()
        self.tick()
        return self.telemetry.exposition()

    def live(self) -> list[str]:
        """Why this process should be restarted; [] when it moves, or waits for a good reason."""
        if self._waits():
            return []
        now, faults = self._clock(), []
        if self._rebalancing is not None and self._rebalancing < now - REBALANCE_SECONDS:
            faults.append(f"a rebalance has not ended for {now - self._rebalancing:.0f} s")
        return faults + [
            f"{side.value}/{partition} has not moved for {now - since:.0f} s"
            for (side, partition), (_, since) in self._moved.items()
            if since < now - STUCK_SECONDS
        ]

    def _waits(self) -> bool:
        """Whether somebody else is to blame where nothing moves; patience begins anew then."""
        if any(sink.state is not State.OK for sink in self._sinks.values()):
            return True  # a new process would wait, too
        shut_s = self._rounds.shut_s
        if shut_s is not None and shut_s < 2 * self._sink_s:
            return True  # an insert is without an answer, and not yet given up
        return bool(self._moved) and not self._speaks()  # a new process would not even start

    def _speaks(self) -> bool:
        """Whether any broker is spoken to."""
        return consumer_of(self._app).is_connected

    def ready(self) -> list[str]:
        """Why this worker cannot serve now; [] when it owns partitions and can write."""
        faults = []
        if self._app.rebalancing:
            faults.append("a rebalance is under way")
        if not self._rounds.lanes:
            faults.append("no partitions")
        faults += [
            f"{table}: {sink.state.value}"
            for table, sink in self._sinks.items()
            if sink.state is not State.OK
        ]
        if self._rounds.shut_s is not None:
            faults.append("reading waits for the sink")
        now = self._clock()
        faults += [
            f"{tp.topic}/{tp.partition}: nothing became safe for {now - since:.0f} s"
            for tp, (_, since) in self._safe.items()
            if since < now - UNSAFE_SECONDS
        ]
        return faults

    def status(self) -> dict[str, Any]:
        """All of it, for `kol status`."""
        return {
            "name": self._name,
            "version": version("kol-streams"),
            "path": CODE_PATH,
            "partitions": sorted({lane.partition for lane in self._rounds.lanes.values()}),
            "ready": self.ready(),
            "live": self.live(),
            "read": self._rounds.read,
            "latency_counts": self.telemetry.latencies.counts.tolist(),
            "watermarks": {
                f"{lane.side.value}/{lane.partition}": self._rounds.watermark(lane)
                for lane in self._rounds.lanes.values()
            },
            "greatest": {
                f"{topic}/{lane.partition}": lane.memory.greatest_time(topic)
                for lane in self._rounds.of(Side.USER)
                if isinstance(lane.memory, UserMemory)
                for topic in INPUTS
            },
            "lag": {
                f"{tp.topic}/{tp.partition}": max(0, (stands.end or 0) - (stands.position or 0))
                for tp, stands in self.positions().items()
            },
        }

    def _not_booked(self) -> dict[tuple[str, str], int]:
        """Totals that can go back, of every owned partition."""
        memories = [lane.memory for lane in self._rounds.of(Side.USER)]
        return {
            (topic, counter): sum(
                memory.door_counts[topic, counter]
                for memory in memories
                if isinstance(memory, UserMemory)
            )
            for topic, counter, _ in SERIES
            if counter in MAY_DECREASE
        }


def _place(tp: TP) -> Place:
    return (Side.KOL if tp.topic == CELLS else Side.USER), tp.partition


def _since(
    before: tuple[object, float] | None, value: object, now: float, *, rests: bool
) -> tuple[object, float]:
    """A value and since when it stands without a reason to."""
    return (value, now) if before is None or rests or before[0] != value else before
