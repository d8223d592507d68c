"""The transport on a real broker: what is read, in which order, and when it refuses to go on."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.errors import ConsumerStoppedError
from aiokafka.structs import TopicPartition
from faust.types import TP

from schemas.columns import RecordBatch
from streams.transport import (
    CorruptRecordsError,
    NotCoPartitionedError,
    OffsetsGoneError,
    consumer_of,
)
from streams.transport.decompression import MAX_DECOMPRESSED_BYTES
from tests.integration.topics import create_topics
from tests.transport.recording import TOPICS, Ledger, Worker, make_app, running

pytestmark = pytest.mark.integration

HOUR_MS = 3_600_000


class Scene:
    """Four topics of one test's own, and workers that read them."""

    def __init__(self, broker: str, home: Path, name: str) -> None:
        self.broker = broker
        self._home = home
        self.group = name
        self.topics = tuple(f"{topic}.{name[:80]}" for topic in TOPICS)
        self.clicks, self.content, self.purchases, self.cells = self.topics
        self.ledger = Ledger()
        self._made = 0

    async def make_topics(self) -> None:
        await create_topics(self.broker, self.topics, 1)

    def worker(self, **settings: Any) -> Worker:  # noqa: ANN401  # Faust's settings
        self._made += 1
        datadir = self._home / str(self._made)
        app = make_app(self.group, f"kafkab://{self.broker}", datadir, **settings)
        return Worker(app, self.ledger, self.topics)


@pytest.fixture
def bare(broker: str, tmp_path: Path, request: pytest.FixtureRequest) -> Scene:
    return Scene(broker, tmp_path, request.node.name)


@pytest.fixture
async def scene(bare: Scene) -> Scene:
    await bare.make_topics()
    return bare


@asynccontextmanager
async def producing(broker: str, **settings: Any) -> AsyncIterator[AIOKafkaProducer]:  # noqa: ANN401  # aiokafka's
    producer = AIOKafkaProducer(bootstrap_servers=broker, **settings)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


def damage(home: Path, partition: str, word: bytes) -> None:
    """Change one byte of a record where the broker keeps it."""
    (segment,) = home.glob(f"**/{partition}/*.log")
    with segment.open("r+b") as file:
        file.seek(segment.read_bytes().index(word))
        file.write(b"!")


async def removed(broker: str, topic: str, before: int) -> None:
    """Move the beginning of a topic's partition, as retention does."""
    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=before)})
    await admin.close()


async def offsets_of(broker: str, topic: str) -> list[int]:
    """The offsets that are there."""
    tp = TopicPartition(topic, 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=broker, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([tp])
        await consumer.seek_to_beginning(tp)
        end = (await consumer.end_offsets([tp]))[tp]
        found: list[int] = []
        while await consumer.position(tp) < end:
            found += [record.offset for record in (await consumer.getmany(timeout_ms=50))[tp]]
        return found
    finally:
        await consumer.stop()


async def crash_of(worker: Worker) -> BaseException | None:
    """Why the worker stopped."""
    async with running(worker):
        await worker.until(lambda: worker.app.crashed)
    reason: BaseException | None = worker.app.crash_reason
    return reason


async def test_a_large_fetch_arrives_in_batches_of_at_most_five_thousand(
    scene: Scene,
) -> None:
    async with producing(scene.broker) as producer:
        for _ in range(12_000):
            await producer.send(scene.clicks, b"{}", partition=0)
        await producer.flush()
    worker = scene.worker()
    async with running(worker):
        await worker.until(lambda: worker.records == 12_000)

    assert max(len(batch.values) for batch in worker.batches) == 5_000
    assert worker.memory == {}
    assert {batch.partitions for batch in worker.batches} == {1}
    bounds = [(batch.first_offset, batch.next_offset) for batch in worker.batches]
    assert [start for start, _ in bounds[1:]] == [end for _, end in bounds[:-1]]


async def test_aborted_records_are_never_seen_and_open_ones_only_after_their_commit(
    scene: Scene,
) -> None:
    worker = scene.worker()
    async with (
        producing(scene.broker, transactional_id="upstream") as upstream,
        producing(scene.broker) as plain,
        running(worker),
    ):
        await upstream.begin_transaction()
        await upstream.send_and_wait(scene.clicks, b"aborted", partition=0)
        await upstream.abort_transaction()
        await upstream.begin_transaction()
        await upstream.send_and_wait(scene.clicks, b"committed", partition=0)
        await plain.send_and_wait(scene.clicks, b"behind", partition=0)
        await worker.until(
            lambda: consumer_of(worker.app).read_position(TP(scene.clicks, 0)).position == 2
        )
        seen_while_open = worker.records
        reader = consumer_of(worker.app)
        await worker.until(lambda: reader.read_position(TP(scene.clicks, 0)).is_at_end)
        is_whole_while_open = reader.read_position(TP(scene.clicks, 0)).is_at_high_watermark
        await upstream.commit_transaction()
        await worker.until(lambda: worker.records == 2)
        await worker.until(lambda: reader.read_position(TP(scene.clicks, 0)).is_at_high_watermark)
        standing = reader.read_position(TP(scene.clicks, 0))
        given = standing.delivered
        await worker.snapshot()
        await consumer_of(worker.app).commit()
        committed = await consumer_of(worker.app).group_offsets(TP(scene.clicks, 0))

    assert seen_while_open == 0
    assert [v for batch in worker.batches for v in batch.values] == [b"committed", b"behind"]
    assert (standing.position, standing.end) == (5, 5)
    assert not is_whole_while_open  # older events may come: nobody calls the topic quiet
    assert given == worker.batches[-1].next_offset  # what was handed out, not the end marker
    assert committed == {TP(scene.clicks, 0): 5}


async def test_a_topic_read_to_its_end_says_so_and_for_how_long_it_was_quiet(
    scene: Scene,
) -> None:
    worker = scene.worker()
    async with producing(scene.broker) as producer, running(worker):
        await producer.send_and_wait(scene.clicks, b"{}", partition=0)
        await worker.until(lambda: worker.records == 1)
        reader = consumer_of(worker.app)
        await worker.until(
            lambda: all(reader.read_position(TP(t, 0)).is_at_end for t in scene.topics)
        )
        await worker.until(lambda: reader.read_position(TP(scene.clicks, 0)).idle_s > 0.3)

        assert reader.read_position(TP(scene.clicks, 0)).position == 1
        assert not reader.read_position(TP("nowhere", 0)).is_at_end


async def test_while_catching_up_the_oldest_topic_goes_first_within_the_horizon(
    scene: Scene,
) -> None:
    """A day of clicks against three purchases: clicks never run two hours ahead of them."""
    start = 1_790_000_000_000
    async with producing(scene.broker) as producer:
        for topic, count in ((scene.clicks, 2_400), (scene.purchases, 24)):
            for row in range(count):
                stamp = start + row * 24 * HOUR_MS // count
                await producer.send(topic, b"x" * 1_000, partition=0, timestamp_ms=stamp)
        await producer.flush()
    worker = scene.worker(consumer_max_fetch_size=64 << 10)
    async with running(worker):
        await worker.until(lambda: worker.records == 2_424)
    reached = dict.fromkeys((scene.clicks, scene.purchases), start)
    apart = []
    for batch in worker.batches:
        if reached[scene.purchases] < start + 23 * HOUR_MS:
            apart.append(int(batch.received_at[0]) - min(reached.values()))
        reached[batch.topic] = int(batch.received_at[-1])

    assert max(apart) <= 2 * HOUR_MS + HOUR_MS
    assert len(worker.batches) > 10


async def test_records_damaged_on_disk_stop_the_worker_with_the_place(
    scene: Scene, broker_home: Path
) -> None:
    async with producing(scene.broker) as producer:
        await producer.send_and_wait(scene.clicks, b"whole", partition=0)
        await producer.send_and_wait(scene.clicks, b"to be damaged", partition=0)
    damage(broker_home, f"{scene.clicks}-0", b"damaged")
    worker = scene.worker()
    reason = await crash_of(worker)

    assert isinstance(reason, CorruptRecordsError)
    assert (reason.topic, reason.partition, reason.offset) == (scene.clicks, 0, 1)
    assert ("drain", None) not in worker.calls
    assert worker.calls[-1] == ("lost", [0])


async def test_records_that_unpack_to_more_than_the_limit_stop_the_worker_until_given_up(
    scene: Scene,
) -> None:
    async with producing(scene.broker) as producer:
        await producer.send_and_wait(scene.clicks, b"before", partition=0)
    async with producing(
        scene.broker, compression_type="gzip", max_request_size=2 * MAX_DECOMPRESSED_BYTES
    ) as producer:
        batch = producer.create_batch()
        batch.append(key=None, value=bytes(MAX_DECOMPRESSED_BYTES), timestamp=None)
        await (await producer.send_batch(batch, scene.clicks, partition=0))
        await producer.send_and_wait(scene.clicks, b"behind", partition=0)
    reason = await crash_of(scene.worker())

    assert isinstance(reason, CorruptRecordsError)
    assert (reason.offset, reason.next_offset) == (1, 2)
    assert "unpacks to more than 64 MiB" in str(reason)

    await removed(scene.broker, scene.clicks, reason.next_offset)
    scene.ledger.snapshots[0] = {TP(scene.clicks, 0): [0, 1]}  # the gap is accepted
    worker = scene.worker()
    async with running(worker):
        await worker.until(lambda: worker.records == 1)

    assert worker.batches[0].values == [b"behind"]


async def test_holes_that_compaction_left_are_passed_over(bare: Scene) -> None:
    """Of the keys a, b, x | a | a, b | a, y, b | z only the last ones of each stay; z is active."""
    await create_topics(bare.broker, bare.topics[1:], 1)
    await create_topics(
        bare.broker,
        [bare.clicks],
        1,
        cleanup__policy="compact",
        min__cleanable__dirty__ratio="0.01",
        segment__ms="1000",
    )
    start = 1_790_000_000_000
    async with producing(bare.broker) as producer:
        for row, keys in enumerate(("abx", "a", "ab", "ayb", "z")):  # a segment each, by time
            batch = producer.create_batch()
            for key in keys:
                batch.append(key=key.encode(), value=key.encode(), timestamp=start + row * HOUR_MS)
            await (await producer.send_batch(batch, bare.clicks, partition=0))
    async with asyncio.timeout(30):
        while await offsets_of(bare.broker, bare.clicks) != [2, 6, 7, 8, 9]:  # noqa: ASYNC110  # the cleaner tells nobody
            await asyncio.sleep(0.1)
    worker = bare.worker()
    async with running(worker):
        await worker.until(lambda: worker.records == 5)
        await worker.until(
            lambda: consumer_of(worker.app).read_position(TP(bare.clicks, 0)).is_at_end
        )
        await worker.snapshot()
        await consumer_of(worker.app).commit()
        committed = await consumer_of(worker.app).group_offsets(TP(bare.clicks, 0))
    bare.ledger.snapshots[0] = {TP(bare.clicks, 0): [3]}  # goes on in the middle of a hole
    successor = bare.worker()
    async with running(successor):
        await successor.until(lambda: successor.records == 4)

    assert [v for batch in worker.batches for v in batch.values] == [b"x", b"a", b"y", b"b", b"z"]
    assert [o for b in worker.batches for o in b.offsets.tolist()] == [2, 6, 7, 8, 9]
    assert committed == {TP(bare.clicks, 0): 10}
    assert [o for b in successor.batches for o in b.offsets.tolist()] == [6, 7, 8, 9]


async def test_records_removed_after_they_were_read_are_no_gap(scene: Scene) -> None:
    async with producing(scene.broker) as producer:
        for _ in range(10):
            await producer.send_and_wait(scene.clicks, b"{}", partition=0)
    scene.ledger.snapshots[0] = {TP(scene.clicks, 0): list(range(7))}
    await removed(scene.broker, scene.clicks, 7)
    worker = scene.worker()
    async with running(worker):
        await worker.until(lambda: worker.records == 3)

    assert worker.batches[0].first_offset == 7


async def test_a_group_that_stands_beyond_its_state_is_set_back_before_anything_is_read(
    scene: Scene,
) -> None:
    """So it is when a worker begins from empty: whoever waits for the group must wait again."""
    group = {"group_id": scene.group, "enable_auto_commit": False}
    old = AIOKafkaConsumer(bootstrap_servers=scene.broker, **group)
    async with producing(scene.broker) as producer:
        for _ in range(10):
            await producer.send_and_wait(scene.clicks, b"{}", partition=0)
    await old.start()
    old.assign([TopicPartition(scene.clicks, 0)])
    await old.commit({TopicPartition(scene.clicks, 0): 10})
    await old.stop()
    worker = scene.worker()
    told: list[int | None] = []

    async def look(_: RecordBatch) -> None:
        told.append(
            (await consumer_of(worker.app).group_offsets(TP(scene.clicks, 0)))[TP(scene.clicks, 0)]
        )

    worker.before_fold = look
    async with running(worker):
        await worker.until(lambda: worker.records == 10)
        await worker.snapshot()
        await consumer_of(worker.app).commit()
        after = await consumer_of(worker.app).group_offsets(TP(scene.clicks, 0))

    assert told == [0]
    assert after == {TP(scene.clicks, 0): 10}


async def test_records_that_retention_took_away_are_not_silently_skipped(
    scene: Scene,
) -> None:
    async with producing(scene.broker) as producer:
        for _ in range(10):
            await producer.send_and_wait(scene.clicks, b"{}", partition=0)
    scene.ledger.snapshots[0] = {TP(scene.clicks, 0): [0, 1, 2]}
    await removed(scene.broker, scene.clicks, 7)
    reason = await crash_of(scene.worker())

    assert isinstance(reason, OffsetsGoneError)
    assert "offset 3" in str(reason)
    assert "offers 7" in str(reason)


async def test_topics_of_unequal_partition_counts_are_refused(bare: Scene) -> None:
    await create_topics(bare.broker, (bare.clicks, bare.content, bare.cells), 2)
    await create_topics(bare.broker, [bare.purchases], 1)
    worker = bare.worker()

    assert isinstance(await crash_of(worker), NotCoPartitionedError)
    assert not worker.batches


async def test_a_missing_topic_is_refused_instead_of_left_out(bare: Scene) -> None:
    await create_topics(bare.broker, (bare.clicks, bare.content, bare.cells), 1)

    assert isinstance(await crash_of(bare.worker()), NotCoPartitionedError)


async def test_an_agent_that_fails_stops_the_worker_and_nothing_of_its_batch_is_committed(
    scene: Scene,
) -> None:
    async with producing(scene.broker) as producer:
        await producer.send_and_wait(scene.clicks, b"poison", partition=0)
    worker = scene.worker()

    async def fail(_: object) -> None:
        raise ZeroDivisionError("half-way")

    worker.before_fold = fail
    await crash_of(worker)
    successor = scene.worker()
    async with running(successor):
        await successor.until(lambda: successor.records == 1)
        committed = await consumer_of(successor.app).group_offsets(TP(scene.clicks, 0))

    assert committed == {TP(scene.clicks, 0): None}
    assert ("drain", None) not in worker.calls


async def test_after_a_crash_nobody_waits_for_the_thread_that_reads(scene: Scene) -> None:
    """It takes no more calls then, and who waited for an answer would never stop."""
    worker = scene.worker()
    clicks = TP(scene.clicks, 0)
    async with running(worker):
        await worker.until(lambda: clicks in consumer_of(worker.app).assignment())
        await worker.app.crash(ZeroDivisionError("half-way"))
        with pytest.raises(ConsumerStoppedError):
            await consumer_of(worker.app).group_offsets(clicks)
        committed = await consumer_of(worker.app)._commit({clicks: 0})

    assert not committed


async def test_a_worker_that_stops_in_order_leaves_nothing_to_read_again(
    scene: Scene,
) -> None:
    async with producing(scene.broker) as producer:
        for _ in range(50):
            await producer.send(scene.clicks, b"{}", partition=0)
        await producer.flush()
        for expected in (50, 0):
            worker = scene.worker()
            async with running(worker):
                await worker.until(lambda w=worker: w.memory != {})  # type: ignore[misc]
                clicks = TP(scene.clicks, 0)
                await worker.until(lambda w=worker, tp=clicks: _is_at_end(w, tp))  # type: ignore[misc]
            assert worker.records == expected
    counted = Counter(scene.ledger.snapshots[0][TP(scene.clicks, 0)])

    assert counted == Counter(range(50))


def _is_at_end(worker: Worker, tp: TP) -> bool:
    return consumer_of(worker.app).read_position(tp).is_at_end
