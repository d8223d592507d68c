"""The nemeses of transactions do on a real broker what they are to do."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from deploy.embedded import kafka, ports
from deploy.embedded.state_folder import StateFolder
from schemas.events import CLICKSTREAM, INPUTS
from schemas.reference_types import CONSENTS
from schemas.topics import CELLS, ERASURES, KOL_STATE, SNAPSHOTS, USER_STATE
from streams.clients.kafka_admin import client_options, kafka_admin
from streams.settings import Kafka, Settings
from streams.snapshots import StateLog
from streams.snapshots.stable_end import stable_ends
from tests.chaos.foreign import Ending, ForeignTransaction
from tests.chaos.late_ends import LateEnds
from tests.chaos.proxy import Proxy, proxied
from tests.chaos.stack import listeners_behind
from tests.chaos.watch import Offsets
from tests.chaos.world import Sent
from tests.integration.topics import create_topics

pytestmark = pytest.mark.integration

READ = (*INPUTS, CELLS, USER_STATE, KOL_STATE, ERASURES, CONSENTS, SNAPSHOTS)
PLACES = [TopicPartition(topic, 0) for topic in READ]
PATIENCE = 60.0  # seconds; nothing here waits for so long
CLIENT_MS = 1_000  # the client's request time-out; 40 s by default


@dataclass(frozen=True, slots=True)
class Broken:
    """A broker with all topics, and a proxy in front of it."""

    kafka: Kafka
    proxy: Proxy


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broken]:
    home = StateFolder(tmp_path_factory.mktemp("kafka"))
    (port,) = ports.free(0)
    node = kafka.node(home, kafka.fetch(), (0, 0))
    with proxied(port, LateEnds()) as proxy:
        properties = kafka.server_properties(node.port, node.controller_port)
        node = replace(node, settings=listeners_behind(proxy, port, properties))
        node.prepare()
        with kafka.running(node) as bootstrap:
            conf = Kafka(bootstrap=bootstrap, partitions=1)
            with kafka_admin(conf) as broker:
                broker.create()
            yield Broken(conf, proxy)


async def test_a_foreign_transaction_hides_what_follows_on_every_topic_until_it_ends(
    broken: Broken,
) -> None:
    during, after = [], {}
    for number, ending in enumerate((Ending.COMMIT, Ending.ABORT, Ending.LEAVE)):
        copies = [Sent(topic, 0, b"u", b"{}") for topic in INPUTS]
        foreign = ForeignTransaction(broken.kafka, number, PATIENCE, ending, copies)
        foreign.start()
        await asyncio.to_thread(foreign.opened.wait, PATIENCE)
        during.append(await hidden(broken.kafka))
        foreign.end()
        await asyncio.to_thread(foreign.join, PATIENCE)
        if ending is not Ending.LEAVE:  # an end is answered before it can be read
            await stable_ends(client_options(broken.kafka), PLACES)
        after[ending] = await hidden(broken.kafka)

    assert during == 3 * [set(READ)]
    assert after == {Ending.COMMIT: set(), Ending.ABORT: set(), Ending.LEAVE: set(READ)}


async def test_an_offset_beyond_its_snapshot_is_wrong_only_where_an_event_lies_between(
    broken: Broken,
) -> None:
    topic = "beyond"
    await create_topics(broken.kafka.bootstrap, [topic], 1)
    async with AIOKafkaProducer(transactional_id=topic, **client_options(broken.kafka)) as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(topic, b"aborted", partition=0)  # 0, and its marker 1
        await producer.abort_transaction()
        async with producer.transaction():
            await producer.send_and_wait(topic, b"event", partition=0)  # 2, and its marker 3
    await stable_ends(client_options(broken.kafka), [TopicPartition(topic, 0)])
    offsets = Offsets(Settings(kafka=broken.kafka))
    found = {at: await offsets._has_records((topic, 0), 0, at) for at in (2, 3, 4)}

    assert found == {2: False, 3: True, 4: True}


async def hidden(conf: Kafka) -> set[str]:
    """Topics with records that a reader of committed ones does not see yet."""
    ends = []
    for isolation in ("read_uncommitted", "read_committed"):
        async with AIOKafkaConsumer(
            bootstrap_servers=conf.bootstrap, isolation_level=isolation
        ) as consumer:
            ends.append(await consumer.end_offsets(PLACES))
    return {tp.topic for tp in PLACES if ends[0][tp] > ends[1][tp]}


async def test_an_end_that_the_proxy_delivers_late_commits_no_half_of_the_next_snapshot(
    broken: Broken,
) -> None:
    topic = "late-ends"
    await create_topics(broken.kafka.bootstrap, [topic], 1, cleanup__policy="compact")
    client: dict[str, Any] = {
        "bootstrap_servers": f"{ports.HOST}:{broken.proxy.port}",
        "request_timeout_ms": CLIENT_MS,
    }
    rng = np.random.default_rng(1)
    async with StateLog(client, "late", "user", topic, 0) as log:
        await log.open()
        await log.write(log.capture({"a": rng.random(1)}), {CLICKSTREAM: 1})
        broken.proxy.hold_end(1)
        for size in (2, 1 << 19):  # the last one is 4 MB: several requests
            await log.write(log.capture({"a": rng.random(size)}), {CLICKSTREAM: size})
    ends = broken.proxy.late_ends
    async with StateLog(client, "late", "user", topic, 0) as log:
        found = await log.open()

    assert ends is not None
    assert (ends.held, ends.late) == (1, 1)
    assert found.offsets == {CLICKSTREAM: 1 << 19}
    assert not found.fell_back
