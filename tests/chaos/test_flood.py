"""The flood's own answer is that of the definitions."""

import asyncio
import time

import pytest

from schemas.events import PURCHASES
from schemas.partitioner import partition_of
from tests.chaos.flood import USERS, Flood
from tests.oracle import Record, oracle

PARTITIONS = 4
NOW = time.time_ns() // 1_000_000


class Log:
    """Stands in for a feed: what is sent lies here."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.ends: dict[tuple[str, int], int] = {}

    async def send(self, topic: str, partition: int, key: bytes, value: bytes) -> None:
        assert key
        offset = self.ends.get((topic, partition), 0)
        self.ends[topic, partition] = offset + 1
        self.records.append(Record(topic, partition, offset, NOW, value))


@pytest.fixture(scope="module")
def flood_and_log() -> tuple[Flood, Log]:
    flood, log = Flood("nowhere", PARTITIONS, 1.0), Log()
    names = [b"flood-%d" % number for number in range(USERS)]
    users = [(name, partition_of(name, PARTITIONS)) for name in names]

    async def send() -> None:
        for at in range(3_000):
            await flood._one(log, users, at, NOW + at)  # type: ignore[arg-type]  # a stand-in

    asyncio.run(send())
    return flood, log


def test_every_message_of_a_flood_is_written(flood_and_log: tuple[Flood, Log]) -> None:
    flood, log = flood_and_log
    expected = oracle(log.records, PARTITIONS)

    written = {
        topic: sum(
            n for (at, _, door), n in expected.doors.items() if (at, door) == (topic, "written")
        )
        for topic in flood.answer.messages
    }

    assert written == dict(flood.answer.messages)
    assert not expected.rejected


def test_its_money_is_what_the_definitions_say(flood_and_log: tuple[Flood, Log]) -> None:
    flood, log = flood_and_log
    expected = oracle(log.records, PARTITIONS)

    orders = list(expected.order_rows().elements())
    answer = flood.answer

    assert len(orders) == answer.orders > 0
    assert sum(row[5] for row in orders) == answer.paid_cents
    assert sum(row[6] for row in orders) == answer.refunded_cents > 0
    assert answer.messages[PURCHASES] > answer.orders
