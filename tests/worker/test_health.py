"""A worker is live while it moves or waits for a good reason, ready while what it does is safe."""

import re
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from schemas.blocks import Block
from schemas.cells import NAMES
from schemas.events import CLICKSTREAM, PURCHASES
from schemas.reference_types import CONSENTS
from schemas.topics import CELLS, SNAPSHOTS
from sinks.base import Fault, State
from sinks.base import Health as SinkHealth
from streams.core.kernels import CODE_PATH
from streams.core.kol.memory import KolMemory
from streams.core.user.door_counts import MAY_DECREASE
from streams.core.user.memory import UserMemory
from streams.core.user.updates import collect_updates
from streams.settings import Settings
from streams.settings import Worker as WorkerSettings
from streams.snapshots import Pace, StateLog
from streams.transport import TP, ReadPosition
from streams.worker.health import REBALANCE_SECONDS, STUCK_SECONDS, UNSAFE_SECONDS, Health
from streams.worker.kol_lane import KolLane
from streams.worker.lane_table import LaneTable
from streams.worker.lanes import Mute
from streams.worker.outputs import SinkMetrics
from streams.worker.telemetry import OUT, READ, Telemetry
from streams.worker.user_lane import UserLane
from tests.builders import KEY, decoded, paid, refund

SINK_SECONDS = 60.0


class Reader:
    """A consumer that stands where a test says."""

    def __init__(self) -> None:
        self.is_connected = True
        self.counts = dict.fromkeys(READ, 4)
        self.at = {TP(topic, 0): ReadPosition(5, 10, 0.0, 5, 1_790_000_000.0) for topic in READ}

    def read_position(self, tp: TP) -> ReadPosition:
        return self.at[tp]

    def partition_counts(self) -> dict[str, int]:
        return self.counts

    def stands(self, topic: str, position: int, end: int | None = 10, committed: int = 5) -> None:
        self.at[TP(topic, 0)] = ReadPosition(position, end, 0.0, committed)


class World:
    """One worker that owns partition 0."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.reader = Reader()
        self.app = SimpleNamespace(rebalancing=False, consumer=self.reader)
        self.sink = SinkHealth("order_credit")
        self.telemetry = Telemetry()
        self.lanes = LaneTable(1, 30.0, lambda _: None, clock=lambda: self.now)
        log, pace = cast("StateLog", None), Pace(due_at=0.0)
        user, kol = UserMemory(0, hmac_key=KEY), KolMemory(0, 1)
        self.lanes.add(UserLane(0, user, log, pace, Mute()), KolLane(0, kol, log, pace, Mute()))
        self.backpressure = SimpleNamespace(paused_s=None)
        self.intake = SimpleNamespace(
            backpressure=self.backpressure,
            read_ahead=SimpleNamespace(long_waits={}),
            messages=0,
            export_metrics=lambda: self.telemetry.add(
                "kol_events_total", 3, CLICKSTREAM, "written"
            ),
        )
        self.health = Health(
            self.app,  # type: ignore[arg-type]  # a stand-in
            Settings(worker=WorkerSettings(name="w")),
            self.lanes,
            self.intake,  # type: ignore[arg-type]  # a stand-in
            self.telemetry,
            {"order_credit": self.sink},
        )

    def after(self, seconds: float) -> "World":
        """A look now and one later."""
        self.health.tick()
        self.now += seconds
        self.health.tick()
        return self

    def told(self, name: str) -> list[str]:
        """The lines of a metric."""
        lines = self.telemetry.exposition().decode().splitlines()
        return [line for line in lines if re.match(rf"{name}[{{ ]", line)]


@pytest.fixture
def world() -> World:
    return World()


# ---------------------------------------------------------------- live


def test_a_worker_that_stands_although_messages_wait_is_not_live(world: World) -> None:
    assert world.after(STUCK_SECONDS).health.live() == []
    assert world.after(1).health.live() == [
        "user/0 has not moved for 61 s",
        "kol/0 has not moved for 61 s",
    ]


def test_a_partition_moves_when_one_of_its_topics_does(world: World) -> None:
    """While catching up the other topics wait for the one that is oldest."""
    world.reader.stands(CELLS, 10)
    world.after(STUCK_SECONDS)
    world.reader.stands(CLICKSTREAM, 6)

    assert world.after(STUCK_SECONDS).health.live() == []


def test_a_partition_read_to_its_end_rests(world: World) -> None:
    for topic in READ:
        world.reader.stands(topic, 10)

    assert world.after(10 * STUCK_SECONDS).health.live() == []


def test_a_client_that_hears_nothing_although_it_is_connected_is_stuck(world: World) -> None:
    for topic in READ:
        world.reader.stands(topic, 10, end=None)

    assert world.after(STUCK_SECONDS + 1).health.live()


def test_without_a_broker_a_restart_would_not_help(world: World) -> None:
    world.reader.is_connected = False

    assert world.after(10 * STUCK_SECONDS).health.live() == []


@pytest.mark.parametrize("state", [State.RETRYING, State.STOPPED])
def test_a_sink_that_is_away_is_waited_for(world: World, state: State) -> None:
    world.sink.state = state

    assert world.after(10 * STUCK_SECONDS).health.live() == []


@pytest.mark.parametrize("topic", [CONSENTS, SNAPSHOTS])
def test_a_restart_does_not_help_inputs_that_wait_for_what_is_read_beside_them(
    world: World, topic: str
) -> None:
    world.intake.read_ahead.long_waits[topic] = 6.0
    waits = world.after(10 * STUCK_SECONDS).health.live()
    said = world.health.ready()
    world.intake.read_ahead.long_waits.clear()
    goes_on = world.health.live()

    assert waits == goes_on == []
    assert f"inputs have waited 6 s for {topic} to be read to its end" in said
    assert world.after(STUCK_SECONDS + 1).health.live()


def test_a_sink_that_is_back_after_long_leaves_time_to_move(world: World) -> None:
    world.sink.state = State.RETRYING
    world.after(10 * STUCK_SECONDS)
    world.sink.state = State.OK

    assert world.health.live() == []
    assert world.after(STUCK_SECONDS + 1).health.live()


def test_an_insert_without_an_answer_is_waited_for_until_it_is_long_given_up(world: World) -> None:
    world.after(10 * STUCK_SECONDS)
    world.backpressure.paused_s = 2 * SINK_SECONDS - 1
    waits = world.health.live()
    world.backpressure.paused_s = 2 * SINK_SECONDS

    assert waits == []
    assert world.health.live()


def test_after_a_rebalance_time_begins_anew(world: World) -> None:
    world.after(STUCK_SECONDS)
    world.app.rebalancing = True
    world.after(REBALANCE_SECONDS)
    during = world.health.live()
    world.app.rebalancing = False

    assert during == []
    assert world.after(STUCK_SECONDS).health.live() == []


def test_a_rebalance_that_does_not_end_is_no_life(world: World) -> None:
    world.app.rebalancing = True

    assert world.after(REBALANCE_SECONDS + 1).health.live() == [
        "a rebalance has not ended for 301 s"
    ]


def test_a_rebalance_waits_for_a_broker_that_is_away(world: World) -> None:
    world.app.rebalancing, world.reader.is_connected = True, False

    assert world.after(REBALANCE_SECONDS + 1).health.live() == []


# ---------------------------------------------------------------- ready


def test_a_worker_that_owns_moves_and_writes_is_ready(world: World) -> None:
    assert world.after(1).health.ready() == []


def test_what_a_worker_waits_for_is_said(world: World) -> None:
    world.app.rebalancing = True
    world.lanes.remove({0})
    world.backpressure.paused_s = 1.0
    world.sink.state = State.RETRYING

    assert world.health.ready() == [
        "a rebalance is under way",
        "no partitions",
        "order_credit: retrying",
        "reading waits for the sink",
    ]


def test_what_is_read_and_does_not_become_safe_is_said(world: World) -> None:
    world.reader.stands(PURCHASES, 7)
    world.after(UNSAFE_SECONDS + 1)
    late = world.health.ready()
    world.reader.stands(PURCHASES, 8, committed=6)

    assert late == [f"{PURCHASES}/0: nothing became safe for 301 s"]
    assert world.after(1).health.ready() == []


# ---------------------------------------------------------------- metrics


def test_lag_and_commits_are_told_of_what_is_owned_only(world: World) -> None:
    world.health.tick()
    mine = world.told("kol_lag_events")
    commits = world.told("kol_commit_timestamp_seconds")
    world.lanes.remove({0})
    world.health.tick()

    assert f'kol_lag_events{{partition="0",topic="{CLICKSTREAM}"}} 5.0' in mine
    assert len(mine) == len(commits) == len(READ)
    for name in ("kol_lag_events", "kol_commit_timestamp_seconds"):
        assert world.told(name) == []
    assert world.told("kol_watermark_timestamp_seconds") == []


def test_what_is_told_is_as_it_is_when_it_is_asked_for(world: World) -> None:
    text = world.health.exposition().decode()

    assert 'kol_partitions{side="user"} 1.0' in text
    assert f'kol_events_total{{door="written",topic="{CLICKSTREAM}"}} 3.0' in text


def test_what_is_not_booked_can_go_back(world: World) -> None:
    memory = world.lanes.user[0].memory
    memory.fold(decoded(PURCHASES, [refund("o1", 100)]))
    collect_updates(memory)
    world.health.tick()
    before = world.told("kol_not_booked")
    memory.fold(decoded(PURCHASES, [paid("o1", 1_000, event_id="p")], first_offset=1))
    collect_updates(memory)
    world.health.tick()

    line = f'kol_not_booked{{counter="refund_unmatched",topic="{PURCHASES}"}}'
    assert f"{line} 1.0" in before
    assert f"{line} 0.0" in world.told("kol_not_booked")
    assert len(before) == len(MAY_DECREASE)


def test_the_state_of_a_way_out_is_told_with_its_last_success(world: World) -> None:
    world.sink.state, world.sink.waiting, world.sink.succeeded_at = State.RETRYING, 7, 1_790e6
    world.health.tick()

    assert world.told("kol_sink_state") == [
        'kol_sink_state{state="ok",table="order_credit"} 0.0',
        'kol_sink_state{state="retrying",table="order_credit"} 1.0',
        'kol_sink_state{state="stopped",table="order_credit"} 0.0',
    ]
    assert world.told("kol_sink_buffer_rows") == ['kol_sink_buffer_rows{table="order_credit"} 7.0']
    assert world.told("kol_sink_last_success_timestamp_seconds") == [
        'kol_sink_last_success_timestamp_seconds{table="order_credit"} 1.79e+09'
    ]


def test_open_minutes_are_told_of_the_kol_side_that_is_owned(world: World) -> None:
    memory = world.lanes.kol[0].memory
    nothing = np.zeros(1, np.int64)
    fields = np.zeros((1, len(NAMES)), np.int64)
    version = np.ones(1, np.uint64)
    source, kol = nothing.astype(np.uint16), nothing.astype(np.int32)
    memory.fold(Block({}, {}, source, ["k1"], kol, nothing + 7, fields, version))
    world.health.tick()
    before = world.told("kol_open_minutes")
    world.lanes.remove({0})
    world.health.tick()

    assert before == ['kol_open_minutes{partition="0"} 1.0']
    assert world.told("kol_open_minutes") == world.told("kol_names") == []


def test_a_refused_row_and_a_retry_are_counted_with_their_table(world: World) -> None:
    watched = SinkMetrics(world.telemetry)
    watched.refused(world.sink, Fault.RANGE)
    watched.retried(world.sink)

    refused = 'kol_rows_refused_total{reason="range",table="order_credit"} 1.0'
    assert refused in world.told("kol_rows_refused_total")
    assert 'kol_sink_retries_total{table="order_credit"} 1.0' in world.told(
        "kol_sink_retries_total"
    )


def test_a_way_out_that_never_worked_looks_as_old_as_its_worker(world: World) -> None:
    SinkMetrics(world.telemetry)

    told = world.told("kol_sink_last_success_timestamp_seconds")
    assert len(told) == len(OUT)


def test_a_worker_says_which_version_and_code_path_it_runs(world: World) -> None:
    status = world.after(1).health.status()

    assert status["native"] == CODE_PATH
    assert re.match(r"\d+\.\d+", status["version"])


def test_a_topic_that_gets_more_partitions_is_noticed_while_running() -> None:
    world = World()
    world.health.tick()
    assert world.health.ready() == []

    world.reader.counts[PURCHASES] = 8
    world.health.tick()

    (fault,) = world.health.ready()
    assert fault.startswith("purchases has 8 partitions, this deployment 4")
    assert world.health.status()["ready"] == [fault]
    assert b'kol_topic_partitions{topic="purchases"} 8.0' in world.health.exposition()
    assert world.health.live() == []
