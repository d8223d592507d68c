"""Feed, blocks and dead letters on the real broker: all there, once, in order."""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord

from deploy.embedded import kafka
from deploy.embedded.process import Process
from deploy.embedded.state_folder import StateFolder
from schemas.columns import Rejected
from schemas.partitioner import partition_of
from schemas.topics import CELLS, DEAD_LETTERS, MAX_MESSAGE_BYTES, plan
from sinks.base import SinkStopped
from sinks.blocks import Blocks
from sinks.deadletter import DeadLetters
from sinks.feed import Feed, FeedError
from tests.integration.topics import create_topics

pytestmark = pytest.mark.integration

PARTITIONS = 4


async def created(bootstrap: str, topic: str, **config: str) -> str:
    await create_topics(bootstrap, [topic], PARTITIONS, **config)
    return topic


async def create_planned(bootstrap: str, topic: str) -> None:
    """A topic of the product as `kol topics` makes it, once a broker."""
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap) as consumer:
        if topic in await consumer.topics():
            return
    partitions, config = plan(PARTITIONS)[topic]
    settings = {key.replace(".", "__"): value for key, value in config.items()}
    await create_topics(bootstrap, [topic], partitions, **settings)


async def records_in(bootstrap: str, topic: str) -> dict[int, list[ConsumerRecord[bytes, bytes]]]:
    """All records of a topic, by partition, as they lie in the log."""
    found: dict[int, list[ConsumerRecord[bytes, bytes]]] = defaultdict(list)
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, max_poll_records=100_000) as consumer:
        partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        while any([await consumer.position(p) < ends[p] for p in partitions]):
            for partition, records in (await consumer.getmany(timeout_ms=200)).items():
                found[partition.partition] += records
    return found


async def test_many_records_are_all_there_once_and_in_order(broker: str) -> None:
    topic = await created(broker, "many")
    sent: dict[int, list[bytes]] = defaultdict(list)
    async with Feed(broker, batch_bytes=16_384) as feed:
        for i in range(20_000):
            key, value = b"u%d" % (i % 97), b'{"event_id":"e%d","text":"some words"}' % i
            at = partition_of(key, PARTITIONS)
            await feed.send(topic, at, key, value)
            sent[at].append(value)
        await feed.flush()

        assert feed.delivered[topic] == 20_000

    found = await records_in(broker, topic)

    assert {p: [r.value for r in records] for p, records in found.items()} == sent
    assert all(partition_of(r.key or b"", PARTITIONS) == p for p, rs in found.items() for r in rs)


@pytest.mark.parametrize("compression", ["lz4", None])
async def test_keys_values_and_headers_come_back(broker: str, compression: str | None) -> None:
    topic = await created(broker, f"parts-{compression}")
    async with Feed(broker, compression="lz4" if compression else None) as feed:
        await feed.send(topic, 0, b"k", b"v" * 999, [("h", b"x")])
        await feed.send(topic, 0, b"k", None)
        await feed.send(topic, 0, None, b"\x00\xff")

    found = [(r.key, r.value, list(r.headers)) for r in (await records_in(broker, topic))[0]]

    assert found == [
        (b"k", b"v" * 999, [("h", b"x")]),
        (b"k", None, []),
        (None, b"\x00\xff", []),
    ]


async def oversized(bootstrap: str, topic: str) -> None:
    async with Feed(bootstrap, compression=None) as feed:
        await feed.send(topic, 0, b"k", b"v" * 2 * MAX_MESSAGE_BYTES)


async def test_a_record_above_the_brokers_limit_is_an_error(broker: str) -> None:
    topic = await created(broker, "limited", max__message__bytes=str(MAX_MESSAGE_BYTES))
    with pytest.raises(FeedError, match="limited/0: 1 records"):
        await oversized(broker, topic)


@contextmanager
def mortal(made: kafka.Broker) -> Iterator[Process]:
    """A broker that a test may kill."""
    log = made.home / "logs" / "mortal.log"
    process = Process(made.command(), log, env=kafka.JAVA_ENV, cwd=made.home)
    try:
        process.wait_until_ready(made.is_ready, kafka.START_SECONDS)
        yield process
    finally:
        process.stop(kafka.STOP_SECONDS)


async def sent_until_reported(feed: Feed, process: Process) -> tuple[FeedError, float]:
    """Send without a flush, kill the broker meanwhile: the error, and seconds from there to it."""
    killed_at = 0.0
    try:
        while True:
            for i in range(1_000):
                await feed.send("mortal", i % PARTITIONS, b"u%d" % i, b"v" * 300)
            if not killed_at and feed.delivered["mortal"] > 20_000:
                process.kill()
                killed_at = time.monotonic()
            await asyncio.sleep(0.001)  # records also leave because they lingered
    except FeedError as error:
        return error, time.monotonic() - killed_at


async def test_whoever_sends_is_told_in_time_that_the_broker_is_dead(tmp_path: Path) -> None:
    made = kafka.node(StateFolder(tmp_path), kafka.fetch(), (0, 0))
    give_up_seconds = 3.0
    with mortal(made) as process:
        await create_topics(made.bootstrap, ["mortal"], PARTITIONS)
        async with asyncio.timeout(60):
            feed = Feed(made.bootstrap, linger_seconds=0.01, give_up_seconds=give_up_seconds)
            with pytest.raises(FeedError, match="mortal/"):
                async with feed:
                    error, seconds = await sent_until_reported(feed, process)
        unacknowledged, in_log = error.unacknowledged, Counter[str]()
    with kafka.running(made):
        in_log["mortal"] = sum(map(len, (await records_in(made.bootstrap, "mortal")).values()))

    assert seconds <= give_up_seconds + 0.5  # of the busy machine
    assert unacknowledged["mortal"] > 0
    assert feed.sent == feed.delivered + unacknowledged
    assert feed.delivered["mortal"] <= in_log["mortal"] <= feed.sent["mortal"]


async def test_blocks_arrive_in_order(broker: str) -> None:
    await create_planned(broker, CELLS)
    blocks = Blocks({"bootstrap_servers": broker})
    await blocks.start()
    for i in range(5):
        await blocks.send([(i % PARTITIONS, b"a%d" % i), (0, b"b%d" % i)])
    await blocks.send([(3, bytes(900_000))])
    await blocks.stop()

    found = await records_in(broker, CELLS)

    assert [r.value for r in found[0]] == [b"a0", b"b0", b"b1", b"b2", b"b3", b"a4", b"b4"]
    assert len(found[3][-1].value or b"") == 900_000


async def test_a_message_at_the_limit_still_fits_into_the_dead_letters(broker: str) -> None:
    await create_planned(broker, DEAD_LETTERS)
    noise = bytes(i * i % 251 for i in range(MAX_MESSAGE_BYTES))  # barely compresses
    letters = DeadLetters({"bootstrap_servers": broker})
    await letters.start()
    await letters.send([Rejected("purchases", 2, 5, 1, "too_large", "", noise)])
    await letters.send([Rejected("purchases", 2, 6, 1, "null_value", "", None)])
    await letters.stop()

    large, empty = (await records_in(broker, DEAD_LETTERS))[2]

    assert large.value == noise
    assert dict(large.headers)["offset"] == b"5"
    assert (empty.key, empty.value) == (b"purchases/2/6", None)


async def test_a_missing_topic_or_partition_stops(broker: str) -> None:
    await create_planned(broker, CELLS)
    blocks = Blocks({"bootstrap_servers": broker})
    await blocks.start()
    with pytest.raises(SinkStopped, match="kol topics"):
        await blocks.send([(PARTITIONS, b"a")])
    await blocks.stop()
