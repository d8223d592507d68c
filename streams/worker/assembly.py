"""The one place that builds a worker: every part, and which of them knows which."""

import asyncio
from importlib.metadata import version
from pathlib import Path

import faust

from streams.core.kernels import CODE_PATH
from streams.core.kol.rows import MODEL_VERSION
from streams.settings import Settings
from streams.worker import app as apps
from streams.worker.backpressure import Backpressure, Capacity
from streams.worker.event_flushes import EventFlushes
from streams.worker.flush import FlushLoop
from streams.worker.health import Health
from streams.worker.intake import Intake
from streams.worker.lane_table import LaneTable
from streams.worker.loop_lag import LoopLag
from streams.worker.numbers_reader import NumbersReader
from streams.worker.outputs import Outputs
from streams.worker.pending import PendingFlushes
from streams.worker.read_ahead import ReadAhead
from streams.worker.rebalance import Rebalancer
from streams.worker.snapshotting import SnapshotWriter
from streams.worker.telemetry import Telemetry


def build(settings: Settings, datadir: Path, *, leaves: bool = False) -> faust.App:
    """A worker with everything it needs; nothing runs yet.

    Args:
        settings: of this worker.
        datadir: for Faust.
        leaves: whether it gives its partitions up when it stops.

    """
    app = apps.create_app(settings, datadir)
    telemetry = _telemetry()
    lanes = _lane_table(app, settings)
    pending = PendingFlushes(EventFlushes(settings.worker.events_ms / 1000))
    outputs = Outputs(settings, telemetry)
    backpressure = Backpressure(_capacity(settings), lanes, pending, telemetry)
    numbers = NumbersReader(settings.kafka, lanes.crash)
    read_ahead = ReadAhead(apps.beside(app, settings, lanes, numbers), telemetry)
    intake = Intake(lanes, backpressure, read_ahead, telemetry)
    snapshots = SnapshotWriter(lanes, telemetry, apps.offset_release(app, settings.kafka))
    flush_loop = FlushLoop(lanes, pending, outputs, snapshots, backpressure, telemetry)
    health = Health(app, settings, lanes, intake, telemetry, outputs.health)
    loop_lag = LoopLag(telemetry)
    rebalancer = Rebalancer(settings, lanes, flush_loop, numbers, telemetry)
    apps.wire_transport(app, settings, rebalancer, leaves=leaves)
    apps.add_agents(app, settings.kafka, intake)
    apps.add_loops(
        app,
        settings,
        flush_loop,
        lanes,
        (intake.look_ahead, intake.export_metrics, health.tick, loop_lag.export_metrics),
    )
    apps.add_loop_lag(app, loop_lag)
    apps.add_outputs(app, outputs)
    apps.add_numbers(app, numbers, lanes)
    apps.add_pages(app, settings, health)
    return app


def _telemetry() -> Telemetry:
    telemetry = Telemetry()
    telemetry.set("kol_build_info", 1, version("kol-streams"), CODE_PATH)
    telemetry.set("kol_model_info", 1, MODEL_VERSION)
    return telemetry


def _lane_table(app: faust.App, settings: Settings) -> LaneTable:
    crashing: list[asyncio.Future[None]] = []  # kept, or they would be collected

    def crash(error: BaseException) -> None:
        crashing.append(asyncio.ensure_future(app.crash(error)))

    return LaneTable(settings.kafka.partitions, settings.worker.mute_seconds, crash)


def _capacity(settings: Settings) -> Capacity:
    worker = settings.worker
    return Capacity(worker.waiting_messages, worker.waiting_mb << 20, worker.waiting_events)
