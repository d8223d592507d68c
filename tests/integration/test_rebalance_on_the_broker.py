"""Workers join and leave on a real broker: nothing is lost, nothing is read twice."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import InconsistentGroupProtocolError
from faust.types import TP

from streams.clients.kafka_admin import kafka_admin
from streams.settings import Kafka, Settings
from streams.transport import FencedMemberError, consumer_of
from streams.worker.formats import formats, protocol
from streams.worker.preflight import NotReadyError, check_formats
from tests.integration.topics import create_topics
from tests.transport import recording
from tests.transport.recording import Ledger, Worker, make_app, running

pytestmark = pytest.mark.integration

PARTITIONS = 4
TOPICS = tuple(f"{topic}.rebalance" for topic in recording.TOPICS)


@pytest.fixture(scope="module", autouse=True)
def topics(broker: str) -> None:
    asyncio.run(create_topics(broker, TOPICS, PARTITIONS))


class Stream:
    """Records sent evenly to all partitions of all topics, and how many there are."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer
        self.ends: Counter[TP] = Counter()

    async def send(self, each: int) -> None:
        for topic in TOPICS:
            for partition in range(PARTITIONS):
                for _ in range(each):
                    await self._producer.send(topic, b"{}", partition=partition)
                self.ends[TP(topic, partition)] += each
        await self._producer.flush()

    async def trickle(self, times: int, each: int) -> None:
        for _ in range(times):
            await self.send(each)
            await asyncio.sleep(0.05)


@pytest.fixture
async def stream(broker: str) -> AsyncIterator[Stream]:
    producer = AIOKafkaProducer(bootstrap_servers=broker, linger_ms=5)
    reader = AIOKafkaConsumer(bootstrap_servers=broker)
    await producer.start()
    await reader.start()
    try:
        made = Stream(producer)
        parts = [TopicPartition(topic, p) for topic in TOPICS for p in range(PARTITIONS)]
        for part, end in (await reader.end_offsets(parts)).items():
            made.ends[TP(*part)] = end
        yield made
    finally:
        await reader.stop()
        await producer.stop()


class Group:
    """Workers of one app id over one ledger."""

    def __init__(self, broker: str, home: Path, app_id: str) -> None:
        self.ledger = Ledger()
        self._broker, self._home, self._app_id = broker, home, app_id
        self._made = 0

    def worker(self, *, member: str | None = None, **wiring: Any) -> Worker:  # noqa: ANN401  # fields of Wiring
        self._made += 1
        app = make_app(
            self._app_id,
            f"kafkab://{self._broker}",
            self._home / str(self._made),
            consumer_group_instance_id=member,
        )
        return Worker(app, self.ledger, TOPICS, **wiring)

    def settings(self, broker: str, *, session_seconds: float) -> Settings:
        """Of a worker of the product that joins the group."""
        settings = Settings(app_id=self._app_id, kafka={"bootstrap": broker})
        worker = settings.worker.model_copy(update={"session_seconds": session_seconds})
        return settings.model_copy(update={"worker": worker})

    async def committed(self, worker: Worker) -> dict[TP, int | None]:
        return dict(await consumer_of(worker.app).group_offsets(*worker.next))


@pytest.fixture
def group(broker: str, tmp_path: Path, request: pytest.FixtureRequest) -> Group:
    return Group(broker, tmp_path, request.node.name)


def state_of(*workers: Worker) -> dict[TP, list[int]]:
    return {tp: seen for w in workers for m in w.memory.values() for tp, seen in m.items()}


def is_everything(stream: Stream, *workers: Worker) -> bool:
    state = state_of(*workers)
    return all(len(state.get(tp, ())) >= end for tp, end in stream.ends.items())


async def test_a_second_worker_takes_whole_partition_numbers_and_gives_them_back(
    group: Group,
) -> None:
    first, second = group.worker(), group.worker()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(running(first))
        await first.until(lambda: len(first.memory) == PARTITIONS)
        async with running(second):
            await second.until(lambda: len(second.memory) == 2)
            await first.until(lambda: len(first.memory) == 2)
            shared = set(first.memory) & set(second.memory)
            for worker in (first, second):
                held = {(tp.topic, tp.partition) for tp in consumer_of(worker.app).assignment()}
                assert held == {(topic, p) for topic in TOPICS for p in worker.memory}
        await first.until(lambda: len(first.memory) == PARTITIONS)
    assert not shared


async def test_while_workers_come_and_go_every_record_is_counted_exactly_once(
    stream: Stream, group: Group
) -> None:
    workers = [group.worker() for _ in range(3)]
    sending = asyncio.create_task(stream.trickle(times=60, each=20))
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(running(workers[0]))
        await workers[0].until(lambda: workers[0].records > 0)
        for worker in workers[1:]:
            async with running(worker):
                await worker.until(lambda w=worker: w.memory and w.records > 0)  # type: ignore[misc]
        await sending
        await workers[0].until(lambda: is_everything(stream, workers[0]))
        state = state_of(workers[0])

        assert state == {tp: list(range(end)) for tp, end in stream.ends.items()}
    folded = Counter(
        (b.topic, b.partition, o) for w in workers for b in w.batches for o in b.offsets.tolist()
    )
    assert max(folded.values()) == 1, "a drained rebalance repeats nothing"


async def test_a_retained_partition_keeps_its_memory_and_goes_on_behind_it(
    stream: Stream, group: Group
) -> None:
    first, second = group.worker(), group.worker()
    await stream.send(50)
    async with running(first):
        await first.until(lambda: is_everything(stream, first))
        before = {partition: id(memory) for partition, memory in first.memory.items()}
        async with running(second):
            await second.until(lambda: len(second.memory) == 2)
            await first.until(lambda: len(first.memory) == 2)

            assert {p: id(m) for p, m in first.memory.items()} == {
                p: i for p, i in before.items() if p in first.memory
            }
            await stream.send(10)
            await first.until(lambda: is_everything(stream, first, second))


async def test_when_the_sink_is_down_in_a_rebalance_the_new_owner_reads_again(
    stream: Stream, group: Group
) -> None:
    first, second = group.worker(drain_s=1.0), group.worker()
    first.snapshot_fails = True
    await stream.send(30)
    async with running(first):
        await first.until(lambda: is_everything(stream, first))
        async with running(second):
            await second.until(lambda: len(second.memory) == 2)
            await first.until(lambda: len(first.memory) == 2)
            await second.until(lambda: is_everything(stream, first, second))

            assert state_of(first, second) == {
                tp: list(range(end)) for tp, end in stream.ends.items()
            }


async def test_nothing_is_committed_before_its_snapshot_is_durable(
    stream: Stream, group: Group
) -> None:
    worker = group.worker()
    await stream.send(40)
    async with running(worker):
        await worker.until(lambda: is_everything(stream, worker))
        await asyncio.sleep(0.6)  # three commit intervals
        assert set((await group.committed(worker)).values()) == {None}

        await worker.snapshot()
        await consumer_of(worker.app).commit()
        assert await group.committed(worker) == dict(stream.ends)


async def test_what_is_restored_is_committed_although_nothing_new_comes(
    stream: Stream, group: Group
) -> None:
    """Otherwise somebody who waits for the commits would wait for ever."""
    await stream.send(5)
    for partition in range(PARTITIONS):
        group.ledger.snapshots[partition] = {
            TP(topic, partition): list(range(stream.ends[TP(topic, partition)])) for topic in TOPICS
        }
    worker = group.worker()
    async with running(worker):
        await worker.until(lambda: len(worker.memory) == PARTITIONS)
        await worker.until(lambda: consumer_of(worker.app).flow_active)
        consumer_of(worker.app).mark_durable(worker.next)
        await consumer_of(worker.app).commit()

        assert await group.committed(worker) == dict(stream.ends)


async def test_a_static_member_comes_back_to_its_partitions_without_a_rebalance(
    group: Group,
) -> None:
    stays = group.worker(member="a")
    async with running(stays):
        await stays.until(lambda: len(stays.memory) == PARTITIONS)
        async with running(group.worker(member="b")) as goes:
            await goes.until(lambda: len(goes.memory) == 2)
            await stays.until(lambda: len(stays.memory) == 2)
        calls = len(stays.calls)
        async with running(group.worker(member="b")) as back:
            await back.until(lambda: len(back.memory) == 2)

            assert set(back.memory) | set(stays.memory) == set(range(PARTITIONS))
        assert len(stays.calls) == calls


async def test_of_two_members_of_one_name_the_last_to_join_stays_and_the_other_ends(
    group: Group, broker: str
) -> None:
    def find_holder() -> str | None:
        with kafka_admin(Kafka(bootstrap=broker)) as admin:
            member = admin.member_named(older.app.conf.id, "twin")
        return None if member is None else member.member_id

    older, newer = (group.worker(member="twin", find_holder=find_holder) for _ in range(2))
    async with running(older):
        await older.until(lambda: len(older.memory) == PARTITIONS)
        async with running(newer):
            await newer.until(lambda: len(newer.memory) == PARTITIONS)
            await older.until(lambda: older.app.crashed, seconds=5)
            await asyncio.sleep(2.0)  # six heartbeats

            assert isinstance(consumer_of(older.app).crash_reason, FencedMemberError)
            assert not newer.app.crashed
            assert newer.calls == [("assigned", (list(range(PARTITIONS)),) * 2)]
            assert await asyncio.to_thread(find_holder) == consumer_of(newer.app).member_id()


async def test_a_static_member_that_leaves_gives_its_partitions_up_at_once(
    group: Group,
) -> None:
    stays = group.worker(member="a")
    async with running(stays):
        await stays.until(lambda: len(stays.memory) == PARTITIONS)
        async with running(group.worker(member="b", leaves=True)) as goes:
            await goes.until(lambda: len(goes.memory) == 2)
            await stays.until(lambda: len(stays.memory) == 2)
        await stays.until(lambda: len(stays.memory) == PARTITIONS, seconds=5)


async def test_workers_of_two_formats_never_share_a_group(group: Group, broker: str) -> None:
    """The broker refuses who comes later, so nothing is fenced, restored or read."""
    ours = formats()
    next_user = ours.user + 1
    today, newer = protocol(ours), protocol(ours._replace(user=next_user))
    old, late, new = (group.worker(protocol=one) for one in (today, newer, newer))
    settings = group.settings(broker, session_seconds=0.1)
    async with running(old):
        await old.until(lambda: len(old.memory) == PARTITIONS)
        await asyncio.to_thread(check_formats, settings)
        async with running(late):
            await late.until(lambda: late.app.crashed)
        assert isinstance(late.app.crash_reason, InconsistentGroupProtocolError)
        assert (len(old.memory), late.calls) == (PARTITIONS, [])
    async with running(new):
        await new.until(lambda: len(new.memory) == PARTITIONS)
        with pytest.raises(NotReadyError, match=rf"user side {next_user}, .*way back .* replay"):
            await asyncio.to_thread(check_formats, settings)


async def test_a_worker_without_partitions_waits_and_takes_over(
    stream: Stream, group: Group
) -> None:
    workers = [group.worker() for _ in range(PARTITIONS + 1)]
    async with AsyncExitStack() as stack:
        for worker in workers:
            await stack.enter_async_context(running(worker))
        await workers[0].until(lambda: sum(len(w.memory) for w in workers) == PARTITIONS)
        await workers[0].until(lambda: sum(bool(w.memory) for w in workers) == PARTITIONS)
        await stream.send(10)
        await workers[0].until(lambda: is_everything(stream, *workers))

        assert state_of(*workers) == {tp: list(range(end)) for tp, end in stream.ends.items()}
