"""The doctor on a real stack: healthy, then ill in ways it can name."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from schemas.partitioner import partition_of
from schemas.topics import TOPICS
from streams.operations.doctor.facts import examine as examination
from tests.builders import click, paid
from tests.commands import command
from tests.integration.conftest import Product

pytestmark = [pytest.mark.integration, pytest.mark.stack]

NOW = time.time_ns() // 1_000_000
HOME = partition_of(b"u1", 4)
STRANGER = next(name for name in map(str, range(9)) if partition_of(name.encode(), 4) != HOME)

ELSEWHERE = partition_of(STRANGER.encode(), 4)


def findings_of(product: Product, exits: int, **environ: str) -> list[dict[str, str]]:
    """What the command finds."""
    done = command("doctor", "--json", home=product.home, env=environ)
    assert done.returncode == exits, done.stdout + done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["healthy"] == (exits == 0)
    findings: list[dict[str, str]] = report["findings"]
    return findings


async def examine(product: Product, part: str = "", **given: Any) -> dict[str, str]:  # noqa: ANN401  # settings
    """What has to be mended when some settings are others, by what it is about."""
    settings = product.settings
    update = {part: getattr(settings, part).model_copy(update=given)} if part else given
    found = await asyncio.to_thread(
        asyncio.run, examination(settings.model_copy(update=update), {})
    )
    return wrong([finding.as_dict() for finding in found])


def wrong(findings: list[dict[str, str]]) -> dict[str, str]:
    """What has to be mended, by what it is about."""
    return {one["about"]: one["what"] for one in findings if one["severity"] == "fault"}


async def altered(
    bootstrap: str, topic: str, settings: Mapping[str, str], name: str, value: str
) -> None:
    """Give a topic these settings, but one."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        altered = {**settings, name: value}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, altered)])
    finally:
        await admin.close()


async def test_the_doctor_finds_nothing_in_health_and_names_each_illness(
    start: Callable[..., Product],
) -> None:
    product = start()
    product.send([json.dumps({"topic": "purchases", "value": paid(ts=NOW)})])

    found = findings_of(product, 0)

    assert {one["severity"] for one in found} == {"fine"}
    assert {one["about"] for one in found} >= {
        *("code path", "brokers", "topics", "co-partitioning", "group", "partitioners", "lag"),
        *("retention", "snapshots, user", "snapshots, kol", "clock, brokers", "clock, engine"),
        *("engine", "schema", "reader", "dead letters", "workers", "roll-ups"),
    }
    assert "nothing is wrong" in product.kol("doctor")

    product.send([json.dumps({"topic": "clickstream", "value": click(ts=NOW), "key": STRANGER})])
    bootstrap = product.settings.kafka.bootstrap
    await altered(bootstrap, "purchases", TOPICS["purchases"].required, "cleanup.policy", "compact")
    ill = wrong(findings_of(product, 1))

    assert "in a wrong partition" in ill["partitioners"] or "murmur2" in ill["partitioners"]
    assert "cleanup.policy=compact, not delete" in ill["topics"]

    required = TOPICS["purchases"].required
    await altered(bootstrap, "purchases", required, "message.timestamp.type", "CreateTime")
    ill = wrong(findings_of(product, 1))
    worker = command("worker", home=product.home)

    assert "message.timestamp.type=CreateTime, not LogAppendTime" in ill["topics"]
    assert worker.returncode == 1
    assert "topic purchases has message.timestamp.type=CreateTime" in worker.stderr
    assert "--add-config message.timestamp.type=LogAppendTime" in worker.stderr

    await left_behind(bootstrap, "slow")
    deaf, mute, stranger, empty, nobody, other, slow = await asyncio.gather(
        without_brokers(product),
        examine(product, "clickhouse", port=1),
        examine(product, "clickhouse", reader_username="nobody"),
        examine(product, "clickhouse", database="nowhere"),
        examine(product, app_id="another"),
        examine(product, "kafka", partitions=8),
        examine(product, app_id="slow"),
    )
    assert "127.0.0.1:1" in deaf["brokers"]
    assert "no ClickHouse" in mute["engine"]
    assert "refuses" in stranger["reader"]
    assert "kol migrate" in empty["schema"]
    assert "nobody reads" in nobody["group"]
    assert "this deployment has 8" in other["co-partitioning"]
    assert slow["retention"].endswith(f"removed before they were read: clickstream/{ELSEWHERE}")


async def without_brokers(product: Product) -> dict[str, str]:
    """In a process of its own: the client leaves sockets open when nobody answers."""
    return wrong(
        await asyncio.to_thread(findings_of, product, 1, KOL_KAFKA__BOOTSTRAP="127.0.0.1:1")
    )


async def left_behind(bootstrap: str, group: str) -> None:
    """A group that has not read the only click, which is then removed."""
    place = TopicPartition("clickstream", ELSEWHERE)
    reader = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
    await reader.start()
    reader.assign([place])
    await reader.commit({place: 0})
    await reader.stop()
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.delete_records({place: RecordsToDelete(before_offset=1)})
    finally:
        await admin.close()
