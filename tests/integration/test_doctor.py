"""The doctor on a real stack: healthy, then ill in ways it can name."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from schemas.partitioner import partition_of
from schemas.topics import TOPICS
from tests.builders import click, paid
from tests.integration.conftest import Product

pytestmark = pytest.mark.integration

NOW = time.time_ns() // 1_000_000
HOME = partition_of(b"u1", 4)
STRANGER = next(name for name in map(str, range(9)) if partition_of(name.encode(), 4) != HOME)


def examined(product: Product, exits: int, **environ: str) -> list[dict[str, str]]:
    """What the doctor finds."""
    done = subprocess.run(
        [sys.executable, "-m", "streams.cli", "doctor", "--json", "--home", str(product.home)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=os.environ | environ,
    )
    assert done.returncode == exits, done.stdout + done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["healthy"] == (exits == 0)
    findings: list[dict[str, str]] = told["findings"]
    return findings


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
        told = {**settings, name: value}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, told)])
    finally:
        await admin.close()


async def test_the_doctor_finds_nothing_in_health_and_names_each_illness(
    start: Callable[..., Product],
) -> None:
    product = start()
    product.send([json.dumps({"topic": "purchases", "value": paid(ts=NOW)})])

    found = examined(product, 0)

    assert {one["severity"] for one in found} == {"fine"}
    assert {one["about"] for one in found} >= {
        *("code path", "brokers", "topics", "co-partitioning", "group", "partitioners", "lag"),
        *("snapshots, user", "snapshots, kol", "clock, brokers", "clock, engine", "engine"),
        *("schema", "reader", "dead letters", "workers"),
    }
    assert "nothing is wrong" in product.kol("doctor")

    product.send([json.dumps({"topic": "clickstream", "value": click(ts=NOW), "key": STRANGER})])
    bootstrap = product.json("status")["kafka"]["bootstrap"]
    await altered(bootstrap, "purchases", TOPICS["purchases"].required, "cleanup.policy", "compact")
    ill = wrong(examined(product, 1))

    assert "in a wrong partition" in ill["partitioners"] or "murmur2" in ill["partitioners"]
    assert "cleanup.policy=compact, not delete" in ill["topics"]

    deaf = wrong(examined(product, 1, KOL_KAFKA__BOOTSTRAP="127.0.0.1:1"))
    assert "127.0.0.1:1" in deaf["brokers"]
    mute = wrong(examined(product, 1, KOL_CLICKHOUSE__PORT="1"))
    assert "no ClickHouse" in mute["engine"]
    stranger = wrong(examined(product, 1, KOL_CLICKHOUSE__READER_USERNAME="nobody"))
    assert "refuses" in stranger["reader"]
    empty = wrong(examined(product, 1, KOL_CLICKHOUSE__DATABASE="nowhere"))
    assert "kol migrate" in empty["schema"]
    nobody = wrong(examined(product, 1, KOL_APP_ID="another"))
    assert "nobody reads" in nobody["group"]
    other = wrong(examined(product, 1, KOL_KAFKA__PARTITIONS="8"))
    assert "this deployment has 8" in other["co-partitioning"]
