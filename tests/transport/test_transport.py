"""The faults of Faust 0.15.3 that the transport avoids, each with its test."""

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Any, cast

import faust
import pytest
from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata
from faust.assignor.client_assignment import ClientAssignment, ClientMetadata
from faust.assignor.partition_assignor import PartitionAssignor
from faust.events import Event
from faust.exceptions import ImproperlyConfigured
from faust.types import TP

from schemas.columns import RecordBatch
from streams.transport import (
    APP_SETTINGS,
    NotCoPartitionedError,
    Transport,
    Wiring,
    batch_topic,
    consumer_of,
    wire,
)
from streams.transport.wiring import check_counts, shared_partitions
from tests.transport.fake_broker import SCHEME, FakeBroker, FakeThread, FakeTransport
from tests.transport.recording import CELLS, INPUTS, TOPICS, Ledger, Worker, make_app, running

CLICKS = TP("clickstream", 0)
ORDERS = TP("purchases", 0)


class Scene:
    """Workers over one fake broker."""

    def __init__(self, home: Path) -> None:
        self.broker = FakeBroker()
        self.ledger = Ledger()
        self._home = home

    def worker(self, **wiring: Any) -> Worker:  # noqa: ANN401  # fields of Wiring
        app = make_app("kol", f"{SCHEME}://", self._home / "faust", broker_commit_interval=60.0)
        cast("FakeTransport", app.transport).broker = self.broker
        return Worker(app, self.ledger, **wiring)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def thread(worker: Worker) -> FakeThread:
    return cast("FakeThread", consumer_of(worker.app)._thread)


async def rebalance(worker: Worker, partitions: tuple[int, ...] = (0,)) -> None:
    """A rebalance, until the worker reads again."""
    await thread(worker).rebalance(partitions)
    await worker.until(lambda: consumer_of(worker.app).flow_active)


class Holding:
    """An agent that takes batches and settles them when it is told to."""

    def __init__(self, worker: Worker) -> None:
        self.events: list[Event] = []
        self._worker = worker
        worker.app.agents.clear()
        worker.app.agent(batch_topic(worker.app, TOPICS), name="holder")(self.hold)

    async def hold(self, stream: Any) -> None:  # noqa: ANN401  # a stream
        async for event in stream.noack().events():
            self.events.append(event)
            self._worker.changed.set()


async def test_the_commit_stops_before_a_batch_that_is_not_settled_yet(scene: Scene) -> None:
    """Faust passes it: its first message may be in work, off by one (fault A)."""
    worker = scene.worker(drain_s=0.1, stop_s=0.1)
    worker.snapshot_on_drain = False
    holding = Holding(worker)
    scene.broker.fill(CLICKS, 30)
    async with running(worker):
        await worker.until(lambda: len(holding.events) == 3)
        holding.events[1].ack()
        holding.events[2].ack()
        await consumer_of(worker.app).commit()
        assert scene.broker.committed == {}

        holding.events[0].ack()
        await consumer_of(worker.app).commit()
        assert scene.broker.committed == {CLICKS: 30}


async def test_holes_in_the_offsets_do_not_hold_the_commit_back(scene: Scene) -> None:
    """Faust commits one gap a time (fault B)."""
    worker = scene.worker()
    scene.broker.fill(CLICKS, 2_000, hole_every=20)
    async with running(worker):
        await worker.until(lambda: worker.records == 2_000)
        await worker.snapshot()
        await consumer_of(worker.app).commit()

    assert scene.broker.commits[0] == {CLICKS: 2_100}


async def test_a_rebalance_repeats_nothing_that_was_read(scene: Scene) -> None:
    """Faust forgets the acknowledgements before its last commit (fault C)."""
    worker = scene.worker()
    for tp in (CLICKS, ORDERS):
        scene.broker.fill(tp, 3_000)
    async with running(worker):
        for turn in range(1, 4):
            await worker.until(lambda n=turn: worker.records >= n * 1_000)  # type: ignore[misc]
            await rebalance(worker)
        await worker.until(lambda: worker.records >= 6_000)
    read = Counter((b.topic, o) for b in worker.batches for o in b.offsets.tolist())

    assert len(read) == 6_000
    assert max(read.values()) == 1


async def test_offsets_are_committed_only_after_their_snapshot_is_durable(scene: Scene) -> None:
    """Faust commits before its changelog is sent (fault D)."""
    worker = scene.worker()
    scene.broker.fill(CLICKS, 100)
    async with running(worker):
        await worker.until(lambda: worker.records == 100)
        await consumer_of(worker.app).commit()
        before = list(scene.broker.commits)
        await rebalance(worker)
        durable = [offsets for call, offsets in worker.calls if call == "durable"]

    assert before == []
    assert scene.broker.commits == [{CLICKS: 100}]
    assert durable[0][CLICKS] == 100


async def test_a_paused_worker_goes_on_as_soon_as_an_agent_has_room(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Faust sleeps a second whenever every partition is paused (fault E)."""
    monkeypatch.setattr("streams.transport.consumer.STALL_S", 3_600.0)
    worker = scene.worker()
    async with running(worker):
        await worker.until(lambda: bool(worker.memory) and consumer_of(worker.app).flow_active)
        reader = consumer_of(worker.app)
        for tp in list(reader.assignment()):
            reader.on_buffer_full(tp)
        waiting = asyncio.create_task(reader._wait_next_records(1.0))
        await asyncio.sleep(0)
        was_waiting = not waiting.done()
        reader.on_buffer_drop(CLICKS)
        async with asyncio.timeout(10):
            await waiting

        assert was_waiting
        assert thread(worker).woken > 0
        assert CLICKS in reader._get_active_partitions()


async def test_a_stop_does_not_wait_for_a_paused_worker(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.transport.consumer.STALL_S", 3_600.0)
    worker = scene.worker()
    async with asyncio.timeout(20), running(worker):
        await worker.until(lambda: bool(worker.memory) and consumer_of(worker.app).flow_active)
        for tp in list(consumer_of(worker.app).assignment()):
            consumer_of(worker.app).on_buffer_full(tp)
        await asyncio.sleep(0.05)

    assert worker.calls[-1] == ("lost", [0])


def test_a_batch_topic_queues_few_batches() -> None:
    """Faust drops the setting silently and queues 4 096 (fault F)."""
    app = faust.App("kol", broker="kafkab://127.0.0.1:1", **APP_SETTINGS)
    topic = batch_topic(app, INPUTS)

    assert topic.queue.maxsize == 8
    assert topic.clone(is_iterator=True).queue.maxsize == 8


async def test_an_agent_that_waits_holds_no_other_back(scene: Scene) -> None:
    """Faust delivers to nobody while one queue is full (fault K)."""
    scene.broker.partitions = 3
    worker = scene.worker()
    worker.app.agents.clear()
    others, goes_on = list[RecordBatch](), asyncio.Event()

    @worker.app.agent(batch_topic(worker.app, INPUTS), name="waits")
    async def waits(stream: Any) -> None:  # noqa: ANN401  # a stream
        async for event in stream.noack().events():
            await goes_on.wait()
            worker.fold(event.value)

    @worker.app.agent(batch_topic(worker.app, (CELLS,)), name="goes_on")
    async def other(stream: Any) -> None:  # noqa: ANN401  # a stream
        async for event in stream.noack().events():
            others.append(event.value)
            worker.changed.set()

    inputs = [TP(topic, partition) for topic in INPUTS for partition in range(3)]
    for tp in [*inputs, TP(CELLS, 0)]:
        scene.broker.fill(tp, 1_000)
    async with running(worker):
        await worker.until(lambda: len(others) == 100)
        queue = next(iter(waits._actors)).stream.channel.queue  # type: ignore[attr-defined]
        waiting = queue.qsize()
        goes_on.set()
        await worker.until(lambda: worker.records == 9_000)

    assert waiting <= 6 + 2 * len(inputs)  # this broker's fetch brings one of each


async def test_a_failed_agent_settles_nothing_and_is_not_drained(scene: Scene) -> None:
    """Faust acknowledges the failing batch (fault G); its memory may hold half of it."""
    worker = scene.worker()
    scene.broker.fill(CLICKS, 30)

    async def fail(batch: RecordBatch) -> None:
        if batch.first_offset == 10:
            raise ZeroDivisionError("half-way")

    worker.before_fold = fail
    async with running(worker):
        await worker.until(lambda: worker.app.crashed)

    assert scene.broker.committed == {}
    assert ("drain", None) not in worker.calls
    assert worker.calls[-1] == ("lost", [0])


async def test_nothing_runs_between_a_failed_fold_and_the_crash(scene: Scene) -> None:
    """Faust commits first: meanwhile half a batch could be stated and kept (fault J)."""
    worker = scene.worker()
    scene.broker.fill(CLICKS, 20)
    seen: list[bool] = []

    async def fail(batch: RecordBatch) -> None:
        if batch.first_offset == 10:
            await worker.snapshot()  # there is something to commit
            asyncio.get_running_loop().call_soon(lambda: seen.append(bool(worker.app.crashed)))
            raise ZeroDivisionError("half-way")

    worker.before_fold = fail
    async with running(worker):
        await worker.until(lambda: worker.app.crashed)

    assert seen == [True]


async def test_a_commit_that_was_refused_is_made_later_although_nothing_new_came(
    scene: Scene,
) -> None:
    """Faust believes that it was made (fault H)."""
    worker = scene.worker()
    scene.broker.fill(CLICKS, 10)
    async with running(worker):
        await worker.until(lambda: worker.records == 10)
        scene.broker.refuse_commits = True
        await worker.snapshot()
        await consumer_of(worker.app).commit()
        scene.broker.refuse_commits = False
        await consumer_of(worker.app).commit()

        assert scene.broker.committed == {CLICKS: 10}


async def test_an_unknown_end_of_a_partition_hurts_nobody(scene: Scene) -> None:
    """Faust's drain loop dies of it when metrics are on (fault I)."""
    scene.broker.ends_unknown = True
    scene.broker.fill(CLICKS, 10)
    worker = scene.worker()
    async with running(worker):
        await worker.until(lambda: worker.records == 10)

    assert CLICKS not in worker.app.monitor.tp_end_offsets


async def test_a_drain_snapshots_once_and_the_rebalance_waits_for_nothing_else(
    scene: Scene,
) -> None:
    worker = scene.worker(drain_s=3_600.0)
    scene.broker.fill(CLICKS, 50)
    async with running(worker):
        await worker.until(lambda: worker.records == 50)
        async with asyncio.timeout(10):
            await rebalance(worker)

        assert [call for call, _ in worker.calls] == ["assigned", "drain", "durable", "assigned"]


async def test_what_a_drain_does_not_settle_is_read_again_by_the_next_owner(
    scene: Scene,
) -> None:
    """Faust waits for it without end, and twice."""
    worker = scene.worker()
    worker.snapshot_on_drain = False
    scene.broker.fill(CLICKS, 50)
    async with running(worker):
        await worker.until(lambda: worker.records == 50)
        async with asyncio.timeout(10):
            await thread(worker).rebalance(())
            await worker.until(lambda: worker.memory == {})
            await rebalance(worker)
        await worker.until(lambda: worker.records == 100)

        assert scene.broker.committed == {}


async def test_a_drain_that_hangs_is_cut_off(scene: Scene) -> None:
    worker = scene.worker(drain_s=0.1, stop_s=0.1)
    cut_off = asyncio.Event()

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cut_off.set()

    worker.drain = hang  # type: ignore[method-assign]
    async with asyncio.timeout(20), running(worker):
        await worker.until(lambda: bool(worker.memory) and consumer_of(worker.app).flow_active)
        await rebalance(worker)

    assert cut_off.is_set()


async def test_memory_of_a_retained_partition_stays_and_reading_goes_on_behind_it(
    scene: Scene,
) -> None:
    """Also behind batches whose snapshot failed: they are in memory, though not settled."""
    worker = scene.worker(drain_s=0.1)
    worker.snapshot_fails = True
    scene.broker.fill(CLICKS, 50)
    async with running(worker):
        await worker.until(lambda: worker.records == 50)
        before = worker.memory[0]
        await rebalance(worker)
        scene.broker.fill(CLICKS, 50)
        await worker.until(lambda: worker.records == 100)
        assert worker.memory[0] is before
        assert scene.broker.committed == {}

        worker.snapshot_fails = False
        await worker.snapshot()
        await consumer_of(worker.app).commit()
        assert scene.broker.committed == {CLICKS: 100}


async def test_a_late_acknowledgement_does_not_stand_for_the_batch_read_again(
    scene: Scene,
) -> None:
    worker = scene.worker(drain_s=0.1, stop_s=0.1)
    worker.snapshot_on_drain = False
    holding = Holding(worker)
    scene.broker.fill(CLICKS, 10)
    async with running(worker):
        await worker.until(lambda: len(holding.events) == 1)
        await rebalance(worker)
        await worker.until(lambda: len(holding.events) == 2)
        stale, fresh = holding.events
        stale.ack()
        await consumer_of(worker.app).commit()
        assert scene.broker.committed == {}
        assert consumer_of(worker.app).is_current(fresh.message)
        assert not consumer_of(worker.app).is_current(stale.message)

        fresh.ack()
        await consumer_of(worker.app).commit()
        assert scene.broker.committed == {CLICKS: 10}


async def test_what_faust_skips_in_a_rebalance_is_not_settled_by_it(scene: Scene) -> None:
    worker = scene.worker(drain_s=0.1, stop_s=0.1)
    holding = Holding(worker)
    scene.broker.fill(CLICKS, 10)
    async with running(worker):
        await worker.until(lambda: len(holding.events) == 1)
        message = holding.events[0].message
        message.tracked = False  # as if no agent had seen it
        consumer_of(worker.app).ack(message)
        await consumer_of(worker.app).commit()

        assert scene.broker.committed == {}


async def test_nothing_is_read_while_memories_are_made_ready(scene: Scene) -> None:
    worker = scene.worker()
    scene.broker.fill(CLICKS, 10)
    ready = asyncio.Event()
    assigned = worker.assigned

    async def slowly(added: frozenset[int], held: frozenset[int]) -> Any:  # noqa: ANN401  # as Hooks
        await ready.wait()
        return await assigned(added, held)

    worker.assigned = slowly  # type: ignore[method-assign]
    starting = asyncio.create_task(worker.app.start())  # returns when the memories are there
    await worker.until(lambda: worker.app.started and bool(thread(worker).held))
    await asyncio.sleep(0.2)
    before = worker.records
    ready.set()
    await worker.until(lambda: worker.records == 10)
    await starting
    await worker.app.stop()

    assert before == 0


async def nothing(partitions: frozenset[int]) -> None:
    """In the place of `Hooks.lost`."""


async def test_a_stop_in_the_middle_of_a_restore_gets_through(scene: Scene) -> None:
    worker = scene.worker(stop_s=0.2)
    begun = asyncio.Event()

    async def for_ever(added: frozenset[int], held: frozenset[int]) -> dict[TP, int]:  # noqa: ARG001  # as Hooks
        begun.set()
        await asyncio.Event().wait()
        return {}

    worker.assigned = for_ever  # type: ignore[method-assign]
    worker.lost = nothing  # type: ignore[method-assign]
    starting = asyncio.create_task(worker.app.start())
    await begun.wait()
    async with asyncio.timeout(20):
        await worker.app.stop()
        await starting

    assert worker.records == 0


async def test_an_assignment_without_an_offset_for_a_topic_stops_the_worker(scene: Scene) -> None:
    worker = scene.worker()

    async def forgetful(added: frozenset[int], held: frozenset[int]) -> dict[TP, int]:  # noqa: ARG001  # as Hooks
        return {CLICKS: 0}

    worker.assigned = forgetful  # type: ignore[method-assign]
    async with running(worker):
        await worker.until(lambda: worker.app.crashed)

    assert isinstance(worker.app.crash_reason, KeyError)


async def test_lost_partitions_are_dropped_when_the_new_assignment_is_known(scene: Scene) -> None:
    scene.broker.partitions = 3
    worker = scene.worker()
    async with running(worker):
        await worker.until(lambda: len(worker.memory) == 3)
        await rebalance(worker, (1,))

        assert worker.calls[-2:] == [("lost", [0, 2]), ("assigned", ([], [1]))]


async def test_a_worker_that_missed_a_generation_trusts_none_of_its_memories(
    scene: Scene,
) -> None:
    """While it was asleep its partitions may have been read, and stated, by somebody else."""
    worker = scene.worker()
    scene.broker.fill(CLICKS, 50)
    async with running(worker):
        await worker.until(lambda: worker.records == 50)
        worker.app.consumer_generation_id += 1
        await rebalance(worker)

        assert worker.calls[-2:] == [("lost", [0]), ("assigned", ([0], [0]))]


async def test_a_rejoin_within_the_same_generation_keeps_the_memories(scene: Scene) -> None:
    """As a static member's is."""
    worker = scene.worker()
    async with running(worker):
        await worker.until(lambda: bool(worker.memory) and consumer_of(worker.app).flow_active)
        worker.app.consumer_generation_id -= 1
        await rebalance(worker)

        assert worker.calls[-1] == ("assigned", ([], [0]))


def test_a_worker_with_another_scheme_is_not_wired() -> None:
    app = faust.App("kol", broker="kafka://127.0.0.1:1", **APP_SETTINGS)
    with pytest.raises(ImproperlyConfigured, match="kafkab://"):
        wire(app, Wiring(INPUTS, (CELLS,), hooks=cast("Any", None), horizon_ms=1))


def test_a_worker_that_does_not_await_its_streams_is_not_wired() -> None:
    settings = {**APP_SETTINGS, "stream_wait_empty": False}
    app = faust.App("kol", broker="kafkab://127.0.0.1:1", **settings)
    with pytest.raises(ImproperlyConfigured, match="stream_wait_empty"):
        wire(app, Wiring(INPUTS, (CELLS,), hooks=cast("Any", None), horizon_ms=1))


async def test_a_worker_that_is_not_wired_does_not_start(tmp_path: Path) -> None:
    app = make_app("kol", f"{SCHEME}://", tmp_path)
    with pytest.raises(ImproperlyConfigured, match="wire"):
        _ = app.consumer


def test_the_scheme_is_found_without_an_installed_package() -> None:
    app = faust.App("kol", broker="kafkab://127.0.0.1:1;127.0.0.1:2", **APP_SETTINGS)

    assert type(app.transport) is Transport
    assert [str(url) for url in app.conf.broker] == ["kafkab://127.0.0.1:1", "kafkab://127.0.0.1:2"]


def test_partition_numbers_that_are_not_whole_are_refused() -> None:
    held = {TP(topic, 0) for topic in TOPICS} | {TP("purchases", 1)}
    with pytest.raises(NotCoPartitionedError, match=r"purchases: \[0, 1\]"):
        shared_partitions(frozenset(held), frozenset(TOPICS))


@pytest.mark.parametrize("counts", [{"a": 4, "b": 8}, {"a": 0, "b": 0}, {"a": 4, "b": 0}])
def test_unequal_or_missing_topics_are_refused(counts: dict[str, int]) -> None:
    with pytest.raises(NotCoPartitionedError):
        check_counts(counts, deployed=8)


class Cluster:
    """What an assignor asks of the cluster."""

    def __init__(self, counts: dict[str, int]) -> None:
        self._counts = counts

    def partitions_for_topic(self, topic: str) -> set[int]:
        return set(range(self._counts[topic]))


Assigned = dict[str, ClientAssignment]


def assigned(app: faust.App, counts: dict[str, int], before: Assigned, *members: str) -> Assigned:
    """What Faust's assignor gives each member."""
    assignor = PartitionAssignor(app, replicas=0)
    metadata = {}
    for member in members:
        had = before.get(member) or ClientAssignment(actives={}, standbys={})
        client = ClientMetadata(
            assignment=had,
            url=f"http://{member}:6066",
            changelog_distribution={},
            external_topic_distribution={},
            topic_groups={},
        )
        metadata[member] = ConsumerProtocolMemberMetadata(2, list(counts), client.dumps())
    result = assignor._perform_assignment(Cluster(counts), metadata)
    return {
        member: ClientMetadata.loads(assignor._decompress(answer.user_data)).assignment
        for member, answer in result.items()
    }


def test_two_hundred_joins_and_leaves_keep_partition_numbers_together() -> None:
    app = faust.App("kol", broker="kafkab://127.0.0.1:1", **APP_SETTINGS)
    counts = dict.fromkeys(TOPICS, 8)
    rng, members, held = random.Random(3), ["m0"], Assigned()
    for step in range(200):
        if rng.random() < 0.5 and len(members) < 8:
            members.append(f"m{step + 1}")
        elif len(members) > 1:
            members.pop(rng.randrange(len(members)))
        held = assigned(app, counts, held, *members)
        numbers: list[int] = []
        for client in held.values():
            tps = frozenset(TP(t, p) for t, ps in client.actives.items() for p in ps)
            numbers += shared_partitions(tps, frozenset(TOPICS))

        assert sorted(numbers) == list(range(8))


async def test_a_group_that_stands_beyond_its_state_is_set_back_before_anything_is_read(
    scene: Scene,
) -> None:
    worker = scene.worker()
    scene.broker.fill(CLICKS, 30)
    scene.broker.committed = {CLICKS: 30, ORDERS: 0}
    seen = []

    async def look(_: RecordBatch) -> None:
        seen.append(dict(scene.broker.committed))

    worker.before_fold = look
    async with running(worker):
        await worker.until(lambda: worker.records == 30)
        await worker.snapshot()
        await consumer_of(worker.app).commit()

    assert scene.broker.commits == [{CLICKS: 0}, {CLICKS: 30}]
    assert seen[0] == {CLICKS: 0, ORDERS: 0}


async def test_what_a_memory_learned_before_reading_is_durable_by_its_snapshot_alone(
    scene: Scene,
) -> None:
    worker = scene.worker()
    scene.broker.fill(CLICKS, 5)
    scene.broker.fill(ORDERS, 1)
    assigned = worker.assigned

    async def learns(added: frozenset[int], held: frozenset[int]) -> Any:  # noqa: ANN401  # as Hooks
        starts = await assigned(added, held)
        worker.next[CLICKS] = 5
        return {**starts, CLICKS: 5}

    worker.assigned = learns  # type: ignore[method-assign]
    async with running(worker):
        await worker.until(lambda: worker.records == 1)
        consumer_of(worker.app).deliveries.skip(CLICKS, 7)  # the end of somebody's transaction
        await consumer_of(worker.app).commit()
        before = dict(scene.broker.committed)
        await worker.snapshot()
        await consumer_of(worker.app).commit()

    assert before == {}
    assert scene.broker.committed == {CLICKS: 7, ORDERS: 1}
