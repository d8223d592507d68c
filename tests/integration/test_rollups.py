"""Hours and days equal what they are added up from, whatever happens and whoever is killed."""

import os
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import date
from functools import partial
from itertools import product
from typing import Final

import pytest
from clickhouse_connect.driver.client import Client

from streams.trainer.rollups import SupersededError
from tests.embedded.gateway.running import Server, gateway
from tests.integration.engine import empty, fresh
from tests.integration.rollup_world import (
    DAY,
    HOUR,
    NOW,
    Interrupted,
    Shop,
    Trainers,
    differences,
    shown,
)

pytestmark = pytest.mark.integration

LONG: Final = int(os.environ.get("KOL_TEST_ROLLUPS", "0"))  # changes of the long form; 0: short
ZONE: Final = "America/New_York"
ZONES: Final = ("America/New_York", "Europe/Berlin", "Asia/Shanghai", "Australia/Lord_Howe")


class DiedError(Exception):
    """The trainer was killed."""


def die() -> None:
    raise DiedError


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with gateway(tmp_path_factory.mktemp("engine")) as server:
        yield server


@pytest.fixture(scope="module")
def database(server: Server) -> Iterator[Client]:
    client = fresh(server, "rolled")
    yield client
    client.close()


@pytest.fixture
def client(database: Client) -> Client:
    empty(database)
    return database


@pytest.fixture
def shop(client: Client) -> Shop:
    return Shop(client, random.Random(7))


@pytest.fixture
def trainers(client: Client) -> Trainers:
    return Trainers(client, ZONE)


# ---------------------------------------------------------------- what may happen to an order


def late_refunds(shop: Shop) -> None:
    for late in (3 * HOUR, 30 * DAY, 170 * DAY):
        shop.state(*(shop.refunded(one, late) for one in shop.some()))


def ingested_month(shop: Shop) -> None:
    shop.state(*(shop.new(NOW - 300 * DAY - n * DAY) for n in range(31)))


CHANGES: Final[dict[str, tuple[Callable[[Shop], None], ...]]] = {
    "refunds 3 hours, 30 and 170 days later": (late_refunds, Shop.count_cells, Shop.score),
    "a month that is ingested late": (ingested_month, Shop.count_cells),
    "an earlier paid, other touches": (Shop.replace_paid, Shop.hand_over, Shop.score),
    "a forgotten user": (Shop.forget,),
    "a lightweight delete": (partial(Shop.delete, lightweight=True),),
    "a mutation": (partial(Shop.delete, lightweight=False),),
}


def test_a_change_reaches_hours_and_days_however_late(shop: Shop, trainers: Trainers) -> None:
    shop.pay(12)
    holder = trainers.holder()
    wrong = {}
    for name, changes in CHANGES.items():
        for change in changes:
            change(shop)
        trainers.turn(holder)
        wrong[name] = differences(shop, ZONE)

    assert not any(wrong.values()), wrong


def test_days_are_those_of_the_zone_even_where_they_have_another_length(
    shop: Shop, trainers: Trainers
) -> None:
    """A day of 25 hours in November 2025 and of 23 in March 2026, of half an hour less and more."""
    changes = (1_761_436_800_000, 1_762_056_000_000, 1_774_756_800_000, 1_775_318_400_000)
    moments = [at + n * HOUR // 2 for at in changes for n in range(-60, 60)]
    shop.state(*(shop.new(at) for at in moments))
    wrong = {}
    for zone in ZONES:
        trainers.zone = zone
        trainers.turn(trainers.holder())
        wrong[zone] = differences(shop, zone, ("v_credit_1d",))

    assert not any(wrong.values()), wrong


# ---------------------------------------------------------------- who dies, sleeps, works at once


INSERT: Final = "INSERT INTO rolled.credit_1d"
CURSOR: Final = "INSERT INTO rolled.rollup_cursor"
ORDERS: Final = ("v_credit_1h", "v_credit_1d", "v_refund_1d")


def positions(trainers: Trainers, shop: Shop) -> Sequence[int | str]:
    """Statements of a turn with something to do: all of them, in the short form two."""
    busy(shop)
    watched = Interrupted(trainers.client, "nowhere", die)
    trainers.turn(trainers.holder(), watched)
    return range(watched.number) if LONG else (INSERT, CURSOR)


def busy(shop: Shop) -> None:
    """Something for every roll-up of credits."""
    shop.pay(2)
    shop.refund()
    shop.replace_paid()
    if LONG:  # dear, as all days of a partition are computed anew
        shop.delete(lightweight=True)


def test_a_trainer_may_die_at_any_statement(shop: Shop, trainers: Trainers) -> None:
    shop.pay(8)
    wrong = {}
    for at in positions(trainers, shop):
        busy(shop)
        with suppress(DiedError):  # a turn with less to do has fewer statements
            trainers.turn(trainers.holder(), Interrupted(trainers.client, at, die))
        trainers.turn(trainers.holder())
        wrong[at] = differences(shop, ZONE, ORDERS)

    assert not any(wrong.values()), wrong


def test_what_a_sleeping_trainer_writes_once_it_wakes_changes_nothing(
    shop: Shop, trainers: Trainers
) -> None:
    """It sleeps between two statements, or inside an insert, after its rows were read."""
    shop.pay(8)
    wrong = {}
    for at, is_stalled in product(positions(trainers, shop), (True, False)):
        if is_stalled and at == CURSOR:
            continue
        busy(shop)
        sleeper, seen = trainers.holder(), []

        def others_work() -> None:
            busy(shop)
            trainers.turn(trainers.holder())
            seen.append(shown(shop.client, ORDERS))  # noqa: B023  # is called in this round

        client = Interrupted(trainers.client, at, others_work, is_stalled=is_stalled)
        with suppress(SupersededError):
            trainers.turn(sleeper, client)
        if seen:  # a turn with less to do has fewer statements
            changed = seen != [shown(shop.client, ORDERS)]
            wrong[at, is_stalled] = differences(shop, ZONE, ORDERS), changed

    assert wrong
    assert not any(found or changed for found, changed in wrong.values()), wrong


def test_random_changes_add_up_whoever_writes_dies_and_sleeps_meanwhile(
    shop: Shop, trainers: Trainers
) -> None:
    rng, holder = shop.rng, trainers.holder()
    shop.pay(8)

    def others_work() -> None:
        shop.anything()
        trainers.turn(trainers.holder())

    for _ in range(LONG or 6):
        shop.anything()
        if rng.random() < 0.5:
            happens = rng.choice((die, shop.anything, others_work))
            is_stalled = rng.random() < 0.5
            client = Interrupted(trainers.client, rng.randrange(30), happens, is_stalled=is_stalled)
            with suppress(DiedError, SupersededError):
                trainers.turn(holder, client, at_once=rng.random() < 0.5)
            holder = trainers.holder()
    trainers.turn(holder)

    assert differences(shop, ZONE) == {}
    incremental = shown(shop.client)
    trainers.turn(holder, from_day=date(2000, 1, 1))
    assert shown(shop.client) == incremental
