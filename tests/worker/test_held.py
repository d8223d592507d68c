"""What open transactions hold back is asked for only where it stays, and exported with names."""

import asyncio
from collections.abc import Sequence

import pytest

from schemas.events import CLICKSTREAM, PURCHASES
from streams.clients.kafka_admin import LONG_OPEN_MS, BrokerError, OpenTransaction
from streams.transport import TP, ReadPosition
from streams.worker.held import ASK_AGAIN_S, HeldMessages
from streams.worker.telemetry import Telemetry

CLICKS, ORDERS = TP(CLICKSTREAM, 0), TP(PURCHASES, 0)
OPEN = OpenTransaction(PURCHASES, 0, 45, 7, 1_790_000_009_000, "shop", 1_790_000_000_000)
ELSEWHERE = OpenTransaction(PURCHASES, 3, 1, 7, 1_790_000_009_000)

LONG_S = LONG_OPEN_MS / 1000


def position(end: int | None = 10, high_watermark: int | None = 10) -> ReadPosition:
    return ReadPosition(10, end, 0.0, high_watermark=high_watermark)


class World:
    """A worker of two partitions, and what the brokers say of open transactions."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.asked = 0
        self.found: Sequence[OpenTransaction] = [OPEN, ELSEWHERE]
        self.is_away = False
        self.telemetry = Telemetry()
        self.held = HeldMessages(self.ask, self.telemetry, lambda: self.now)

    def ask(self) -> Sequence[OpenTransaction]:
        self.asked += 1
        if self.is_away:
            raise BrokerError("no Kafka")
        return self.found

    async def follow(self, orders: ReadPosition, seconds: float) -> None:
        """A look each second."""
        for _ in range(int(seconds)):
            self.held.follow({CLICKS: position(), ORDERS: orders})
            if self.held._asking is not None:
                await self.held._asking
            self.now += 1

    def exported(self, name: str) -> list[str]:
        lines = self.telemetry.exposition().decode().splitlines()
        return [line for line in lines if line.startswith(name + "{")]


@pytest.fixture
def world() -> World:
    return World()


async def test_what_is_held_back_has_a_count_a_beginning_and_a_name_until_it_is_read(
    world: World,
) -> None:
    await world.follow(position(end=10, high_watermark=55), LONG_S + 2)

    assert world.exported("kol_held_messages") == [
        'kol_held_messages{partition="0",topic="clickstream"} 0.0',
        'kol_held_messages{partition="0",topic="purchases"} 45.0',
    ]
    (since,) = world.exported("kol_open_transaction_timestamp_seconds")
    assert since.endswith(
        '{partition="0",producer_id="7",topic="purchases",transactional_id="shop"} 1.79e+09'
    )
    await world.follow(position(end=56, high_watermark=56), 1)
    assert world.exported("kol_held_messages")[1].endswith(" 0.0")
    assert world.exported("kol_open_transaction_timestamp_seconds") == []


async def test_transactions_on_their_way_ask_nobody(world: World) -> None:
    for _ in range(100):
        await world.follow(position(high_watermark=12), LONG_S)
        await world.follow(position(), 1)

    assert world.asked == 0


async def test_the_brokers_are_asked_every_ten_seconds_however_long_it_stays(world: World) -> None:
    await world.follow(position(high_watermark=55), LONG_S + 10 * ASK_AGAIN_S)

    assert world.asked == 10


async def test_a_broker_that_is_away_changes_nothing(world: World) -> None:
    world.is_away = True
    await world.follow(position(high_watermark=55), LONG_S + 1)
    world.is_away = False
    await world.follow(position(high_watermark=55), ASK_AGAIN_S)
    await world.follow(position(end=None, high_watermark=None), 5)  # no answer lately

    assert world.exported("kol_held_messages")[1].endswith(" 45.0")


def test_looking_needs_no_loop_while_nothing_is_held_back(world: World) -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()
    world.held.follow({CLICKS: position()})
