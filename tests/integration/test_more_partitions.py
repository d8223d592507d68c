"""A topic gets more partitions while workers read it."""

import json
import time
from collections.abc import Callable

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions

from tests.builders import paid
from tests.embedded.waiting import until
from tests.integration.conftest import Product

pytestmark = pytest.mark.integration


async def grown(bootstrap: str, topic: str, count: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_partitions({topic: NewPartitions(count)})
    finally:
        await admin.close()


async def test_a_running_worker_says_so_and_reads_on_what_it_has(
    start: Callable[..., Product],
) -> None:
    product = start()
    await grown(product.settings.kafka.bootstrap, "purchases", 8)

    def faults() -> list[str]:
        workers = product.json("status")["workers"]
        pages = workers.values() if isinstance(workers, dict) else workers
        return [fault for page in pages if page for fault in page.get("ready", [])]

    until(lambda: any("purchases has 8 partitions" in fault for fault in faults()))
    now = time.time_ns() // 1_000_000
    product.send([json.dumps({"topic": "purchases", "value": paid(ts=now)})])

    assert product.sql("SELECT count() AS n FROM v_order") == [{"n": 1}]
    assert all(one["restarts"] == 0 for one in product.json("status")["processes"])
