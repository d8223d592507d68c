"""The embedded broker is a real one: it keeps what it is given, over kills and restarts."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import UnknownTopicOrPartitionError

from deploy.embedded import kafka
from deploy.embedded.state_folder import StateFolder
from deploy.embedded.supervisor import Supervisor, detach
from tests.embedded.waiting import lives, until

pytestmark = pytest.mark.integration

# a process that keeps a broker in the home argv[1]
KEEPER = """
import sys
from deploy.embedded import kafka
from deploy.embedded.state_folder import StateFolder
from deploy.embedded.supervisor import Supervisor
home = StateFolder(sys.argv[1])
home.acquire()
node = kafka.node(home, kafka.fetch())
Supervisor(home, [node.process_spec()], {"kafka": {"bootstrap": node.bootstrap}}).run()
"""


async def create(bootstrap: str, topic: str, partitions: int = 1) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, partitions, 1)])
    finally:
        await admin.close()


async def produce(bootstrap: str, topic: str, *values: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        for value in values:
            await producer.send_and_wait(topic, value, partition=0)


async def consume(bootstrap: str, topic: str) -> list[bytes]:
    """All committed values of partition 0."""
    partition = TopicPartition(topic, 0)
    async with AIOKafkaConsumer(
        bootstrap_servers=bootstrap, isolation_level="read_committed"
    ) as consumer:
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        end = (await consumer.end_offsets([partition]))[partition]
        found: list[bytes] = []
        while await consumer.position(partition) < end:
            for records in (await consumer.getmany(timeout_ms=100)).values():
                found += [record.value for record in records]
        return found


async def test_what_is_produced_is_consumed(broker: str) -> None:
    await create(broker, "round-trip", 4)

    await produce(broker, "round-trip", b"one", b"two")

    assert await consume(broker, "round-trip") == [b"one", b"two"]


async def test_a_transaction_is_there_as_a_whole_or_not_at_all(broker: str) -> None:
    await create(broker, "transactions")
    async with AIOKafkaProducer(bootstrap_servers=broker, transactional_id="test") as producer:
        async with producer.transaction():
            await producer.send("transactions", b"committed", partition=0)
        await producer.begin_transaction()
        await producer.send_and_wait("transactions", b"aborted", partition=0)
        await producer.abort_transaction()

    assert await consume(broker, "transactions") == [b"committed"]


async def test_a_group_forms_and_commits(broker: str) -> None:
    await create(broker, "grouped")
    await produce(broker, "grouped", b"one")
    async with AIOKafkaConsumer(
        "grouped",
        bootstrap_servers=broker,
        group_id="readers",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    ) as consumer:
        await consumer.getone()
        await consumer.commit()

        assert await consumer.committed(TopicPartition("grouped", 0)) == 1


async def test_a_topic_that_nobody_made_is_not_made_by_asking(broker: str) -> None:
    async with AIOKafkaConsumer(bootstrap_servers=broker) as consumer:
        assert not await consumer.topics() & {"typo"}
    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    [described] = await admin.describe_topics(["typo"])
    await admin.close()

    assert described["error_code"] == UnknownTopicOrPartitionError.errno


def errors(log: str) -> list[str]:
    """The errors of a broker's log, but one that it mends itself.

    A node may ask to be registered a moment before it is elected. It asks again.
    """
    return [
        line
        for line in log.splitlines()
        if " ERROR " in line and "apiKey=CONTROLLER_REGISTRATION" not in line
    ]


async def test_a_restart_keeps_what_there_was(tmp_path: Path) -> None:
    with kafka.broker(tmp_path) as first:
        await create(first, "kept")
        await produce(first, "kept", b"one")
    with kafka.broker(tmp_path) as second:
        await produce(second, "kept", b"two")

        assert await consume(second, "kept") == [b"one", b"two"]
    log = StateFolder(tmp_path).log("kafka").read_text()
    assert log.count("Kafka Server started") == 2
    assert log.count("Our registration has been persisted") == 2
    assert errors(log) == []


async def test_a_broker_that_is_killed_is_back_with_all_it_had(tmp_path: Path) -> None:
    home = StateFolder(tmp_path)
    node = kafka.node(home, kafka.fetch(), (0, 0))
    made = Supervisor(home, [node.process_spec()])
    made.start()
    try:
        await create(node.bootstrap, "kept")
        await produce(node.bootstrap, "kept", b"one")
        [before] = (home.status() or {})["processes"]
        os.kill(before["pid"], signal.SIGKILL)

        def is_back() -> bool:
            made.step()
            [after] = (home.status() or {})["processes"] or [before]
            return bool(after["restarts"] == 1 and after["state"] == "up")

        until(is_back)

        await produce(node.bootstrap, "kept", b"two")
        assert await consume(node.bootstrap, "kept") == [b"one", b"two"]
    finally:
        made.stop()


async def test_a_port_in_use_is_avoided(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        node = kafka.node(StateFolder(tmp_path), kafka.fetch(), (taken, taken))
        with kafka.running(node) as found:
            await create(found, "here")

    assert taken not in (node.port, node.controller_port)


def test_a_supervisor_that_is_killed_takes_its_broker_along(tmp_path: Path) -> None:
    home = StateFolder(tmp_path)
    status = detach(home, [sys.executable, "-c", KEEPER, str(tmp_path)], 60)
    [broker] = status["processes"]
    assert lives(broker["pid"])
    assert kafka.is_ready(status["kafka"]["bootstrap"])

    os.kill(status["supervisor"], signal.SIGKILL)
    os.waitpid(status["supervisor"], 0)

    until(lambda: not lives(broker["pid"]))
    assert not kafka.is_ready(status["kafka"]["bootstrap"])
    assert home.status() is None


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_nothing_but_loopback_is_listened_on(broker: str) -> None:
    port = int(broker.rpartition(":")[2])
    listening = {
        line.split()[1]
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        if line.split()[3] == "0A" and line.split()[1].endswith(f":{port:04X}")
    }
    own = socket.inet_aton("127.0.0.1")[::-1].hex().upper()

    assert {address.rpartition(":")[0] for address in listening} <= {
        own,
        f"0000000000000000FFFF0000{own}",
    }
    assert listening


def test_a_first_start_on_a_machine_prepares_quick_ones() -> None:
    java, ours = kafka.fetch().archives

    assert java.stat().st_size > 1_000_000
    assert ours.stat().st_size > 1_000_000


def test_the_command_line_fetches() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deploy.embedded.kafka"], capture_output=True, check=True
    )

    assert done.stdout == done.stderr == b""
