"""Hours and days equal what they are added up from, whatever happens and whoever is killed."""

import os
import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from itertools import product
from typing import Any, Final

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from schemas.erasures import NOBODY
from streams.clients.clickhouse import ReadingError
from streams.trainer.dirt import BEYOND
from streams.trainer.rollups import SupersededError, ZoneError
from streams.trainer.turns import StoppedError
from tests.embedded.gateway.running import Server, gateway
from tests.integration.engine import empty, fresh
from tests.integration.rollup_world import (
    DAY,
    HOUR,
    NOW,
    SHOP,
    SHOWN,
    Interrupted,
    Shop,
    Trainers,
    differences,
    shown,
)

LONG: Final = int(os.environ.get("KOL_TEST_ROLLUPS", "0"))  # changes of the long form; 0: short
pytestmark = [pytest.mark.integration, *([pytest.mark.timeout(4 * 3600)] if LONG else [])]
ZONE: Final = "America/New_York"
MINUTE: Final = 60_000
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
    "refunds 3 hours, 30 and 170 days later, a month that is ingested late": (
        *(late_refunds, ingested_month),
        *(Shop.count_cells, Shop.score, Shop.count_cells),
    ),
    "an earlier paid, other touches": (Shop.replace_paid, Shop.hand_over, Shop.score),
    "a forgotten user, whose former rows a mutation deletes": (Shop.forget,),
    "a lightweight delete": (partial(Shop.delete, lightweight=True),),
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


@pytest.mark.parametrize("is_new_first", [True, False])
@pytest.mark.parametrize("changed", [{"at": NOW - 130 * DAY}, {"user": NOBODY}])
def test_a_key_that_an_order_leaves_may_come_a_turn_before_or_after_the_new_one(
    changed: dict[str, Any], *, is_new_first: bool, shop: Shop, trainers: Trainers
) -> None:
    """Another month is another part, and rows of a large batch are several inserts."""
    holder = trainers.holder()
    one = replace(shop.new(NOW - 100 * DAY), currency=SHOP, cents=9_000)
    one = replace(one, refunds=((one.at + 20 * DAY, 4_000),))
    shop.state(one)
    trainers.turn(holder)
    states = [partial(shop.state, replace(one, **changed)), partial(shop.state, gone=[one])]
    for state in states if is_new_first else reversed(states):
        state()
        trainers.turn(holder)

    assert differences(shop, ZONE) == {}


def test_a_table_that_was_restored_numbers_its_inserts_anew_and_is_added_up_whole(
    shop: Shop, trainers: Trainers
) -> None:
    """As many inserts, and more, come before the next turn; none has a number that is new."""
    holder = trainers.holder()
    begin = datetime.fromtimestamp((NOW - 100 * DAY) / 1000, UTC).replace(day=10, hour=12)
    days = [int(begin.timestamp() * 1000) + n * DAY for n in range(4)]  # of one month, one part
    shop.state(shop.new(days[0]))
    trainers.turn(holder)
    for statement in (
        "CREATE TABLE restored AS order_credit",
        "EXCHANGE TABLES restored AND order_credit",
        "DROP TABLE restored SYNC",
    ):
        shop.client.command(statement)
    shop.paid.clear()
    for day in days[1:]:
        shop.state(shop.new(day))
    trainers.turn(holder)

    assert differences(shop, ZONE) == {}


def test_a_roll_up_that_a_former_trainer_did_not_know_is_added_up_whole(
    shop: Shop, trainers: Trainers
) -> None:
    """Also where that trainer wrote its cursors after the tables of the new version were made."""
    holder = trainers.holder()
    shop.state(*(replace(shop.new(NOW - n * 9 * DAY), currency=SHOP) for n in range(5)))
    trainers.turn(holder)
    for statement in (
        "TRUNCATE TABLE place_credit_1d",
        "ALTER TABLE rollup_floor DELETE WHERE target = 'place_credit_1d'",
        "ALTER TABLE rollup_cursor UPDATE table_id = splitByChar(' ', table_id)[1] WHERE 1",
    ):
        shop.client.command(statement, settings={"mutations_sync": 2})

    trainers.turn(holder, at_once=False)

    assert differences(shop, ZONE) == {}


def test_the_first_insert_of_a_month_has_the_number_0_on_replicas(client: Client) -> None:
    row = "SELECT '202602_0_0_0' AS _part, '202602' AS _partition_id, toUInt64(0) AS _block_number"
    given = {"partitions": ["202601"], "blocks": [7]}

    query = f"SELECT {BEYOND} FROM ({row}) AS s"  # noqa: S608  # words of ours
    [(is_new,)] = client.query(query, given).result_rows

    assert is_new


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
ORDERS: Final = ("v_credit_1h", "v_credit_1d", "v_place_credit_1d", "v_refund_1d")


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
        if at == CURSOR:  # of the short form: one with `INSERT` says as much
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

    for number in range(LONG or 4):
        if number % 50 == 49:  # of the long form: sooner
            trainers.turn(holder)
            assert differences(shop, ZONE) == {}, number
        shop.anything()
        if rng.random() < 0.5:
            happens = rng.choice((die, fail, shop.anything, others_work))
            is_stalled = rng.random() < 0.5
            client = Interrupted(trainers.client, rng.randrange(30), happens, is_stalled=is_stalled)
            with suppress(DiedError, ReadingError, SupersededError):
                trainers.turn(holder, client, at_once=rng.random() < 0.5)
            holder = trainers.holder()
    trainers.turn(holder)

    assert differences(shop, ZONE) == {}
    incremental = shown(shop.client)
    trainers.turn(holder, from_day=date(2000, 1, 1))
    assert shown(shop.client) == incremental


# ---------------------------------------------------------------- what fails


def fail() -> None:
    raise DatabaseError("memory is short")


def unsettled(client: Client) -> dict[str, list[Any]]:
    """Hours and days by roll-up that a turn began and did not settle."""
    sql = (
        "SELECT target, groupArray(bucket) FROM (SELECT target, bucket FROM rollup_floor"
        " GROUP BY target, bucket HAVING maxIf(version, settled = 0) > maxIf(version, settled = 1))"
        " GROUP BY target"
    )
    return {target: buckets for target, buckets in client.query(sql).result_rows}  # noqa: C416  # typed


def advanced(client: Client) -> set[str]:
    """The sources whose cursors the last turn wrote."""
    sql = (
        "SELECT source FROM rollup_cursor WHERE version = (SELECT max(version) FROM rollup_cursor)"
    )
    return {source for (source,) in client.query(sql).result_rows}


@pytest.mark.parametrize("refused", ["INSERT INTO rolled.refund_1d", "AS s ARRAY JOIN"])
def test_a_roll_up_that_fails_leaves_the_others_to_follow(
    refused: str, shop: Shop, trainers: Trainers
) -> None:
    """It cannot be written, or what changed of it cannot be found."""
    holder = trainers.holder()
    for change in (shop.pay, shop.refund, shop.count_cells, shop.score) * 2:
        change()
    trainers.turn(holder)
    for change in (shop.pay, shop.refund, shop.count_cells, shop.score):
        change()

    client = Interrupted(trainers.client, refused, fail, is_always=True)
    with pytest.raises(ReadingError, match="memory is short"):
        trainers.turn(holder, client)
    others = differences(shop, ZONE, set(SHOWN) - {"v_refund_1d"})
    found = set(unsettled(shop.client)) - {"refund_1d"}, advanced(shop.client)
    trainers.turn(holder)

    assert others == {}
    assert found == (set(), {"minute_cell", "kol_score"})
    assert differences(shop, ZONE) == {}


def test_days_of_a_statement_that_fails_stay_unsettled_and_others_do_not(
    shop: Shop, trainers: Trainers
) -> None:
    shop.state(*(replace(shop.new(NOW - n * 20 * DAY), currency=SHOP) for n in range(12)))

    with pytest.raises(ReadingError, match="memory is short"):
        trainers.turn(trainers.holder(), Interrupted(trainers.client, INSERT, fail))
    left = unsettled(shop.client)
    [(days,)] = shop.client.query("SELECT count(DISTINCT day) FROM credit_1d").result_rows

    assert (list(left), len(left["credit_1d"])) == (["credit_1d"], 2)  # of as many as 31 days
    assert days == 10


def test_a_turn_that_is_stopped_sends_no_other_statement(shop: Shop, trainers: Trainers) -> None:
    shop.pay(8)
    sent: list[int] = []

    def stop() -> None:
        sent.append(watched.number)
        raise StoppedError

    watched = Interrupted(trainers.client, INSERT, stop)
    with pytest.raises(StoppedError):
        trainers.turn(trainers.holder(), watched)

    assert sent == [watched.number]


# ---------------------------------------------------------------- what waits, what is kept


def test_changes_of_old_days_are_collected_and_those_of_recent_ones_are_not(
    shop: Shop, trainers: Trainers
) -> None:
    holder = trainers.holder()
    old, recent = shop.new(NOW - 60 * DAY), shop.new(NOW - HOUR)
    shop.state(old, recent)
    trainers.turn(holder)
    days = "SELECT sum(refunded_cents) FROM v_credit_1d WHERE model = 'linear'"
    for one in (old, recent):
        shop.state(replace(one, currency=SHOP, refunds=((one.at + HOUR, 40),)))

    waits = trainers.turn(holder, now_ms=NOW + 9 * MINUTE, at_once=False)
    [(before,)] = shop.client.query(days).result_rows
    done = trainers.turn(holder, now_ms=NOW + 10 * MINUTE, at_once=False)
    [(after,)] = shop.client.query(days).result_rows

    assert (before, after) == (40, 80)
    assert ("credit_1d" in waits.waiting, waits.is_complete) == (True, False)
    assert (done.buckets["credit_1d"], done.is_complete) == (2, True)


def test_old_days_that_changed_are_looked_for_only_when_they_are_due(
    shop: Shop, trainers: Trainers
) -> None:
    """A deletion makes all days of its partitions be looked at."""
    holder = trainers.holder()
    shop.pay(4)
    trainers.turn(holder)
    shop.delete(lightweight=True)

    client = Interrupted(trainers.client, "AS s ARRAY JOIN", fail, is_always=True)
    waits = trainers.turn(holder, client, now_ms=NOW + 9 * MINUTE, at_once=False)

    assert "refund_1d" in waits.waiting


def test_a_day_whose_orders_may_have_expired_is_kept_as_it_was(
    shop: Shop, trainers: Trainers
) -> None:
    holder = trainers.holder()
    one = replace(shop.new(NOW), currency=SHOP)
    shop.state(one)
    trainers.turn(holder)
    kept = shown(shop.client, ["v_credit_1d"])
    shop.client.command("ALTER TABLE order_credit DELETE WHERE 1 SETTINGS mutations_sync = 2")

    later = time.time_ns() // 1_000_000 + 800 * DAY  # stated_at is the server's
    trainers.turn(holder, now_ms=later, from_day=date(2000, 1, 1))

    assert shown(shop.client, ["v_credit_1d"]) == kept


def test_hours_of_two_days_are_kept_and_older_ones_are_added_up_when_asked(
    shop: Shop, trainers: Trainers
) -> None:
    holder = trainers.holder()
    shop.state(*(replace(shop.new(NOW - n * 6 * HOUR), currency=SHOP) for n in range(40)))
    rows = "SELECT count(DISTINCT hour) FROM credit_1h"
    floors = "SELECT count(DISTINCT bucket) FROM rollup_floor WHERE target = 'credit_1h'"
    kept, known = [], []
    for now in (NOW, NOW + 4 * DAY, NOW):  # a clock that goes wrong, and right again
        trainers.turn(holder, now_ms=now)
        kept.append(shop.client.query(rows).result_rows[0][0])
        known.append(shop.client.query(floors).result_rows[0][0])
        assert differences(shop, ZONE, ["v_credit_1h"]) == {}

    assert kept == [9, 0, 9]  # every six hours of 48, and none of a day that lies before
    assert known == kept


def test_no_condition_on_hours_or_kols_reads_all_orders(shop: Shop, trainers: Trainers) -> None:
    shop.state(*(shop.new(NOW - n * 20 * DAY) for n in range(12)))
    trainers.turn(trainers.holder())
    query = "EXPLAIN indexes = 1 SELECT * FROM v_credit_1h WHERE hour = '{}' AND kol_id = 'k1'"
    there = {}
    for age in (1, 100):
        hour = time.strftime("%Y-%m-%d %H:00:00", time.gmtime(NOW / 1000 - age * 86_400))
        plan = "\n".join(row[0] for row in shop.client.query(query.format(hour)).result_rows)
        read = plan.partition("order_credit")[2]
        found = re.search(r"Parts: (\d+)/(\d+)", read)
        there[age] = found and (int(found[1]) <= 1, int(found[2]) > 3)

    assert there == {1: (True, True), 100: (True, True)}


def test_a_holder_that_was_overtaken_stands_down(shop: Shop, trainers: Trainers) -> None:
    shop.pay(1)
    first, second = trainers.holder(), trainers.holder()
    trainers.turn(second)
    shop.pay(1)
    before = shown(shop.client, ORDERS)

    with pytest.raises(SupersededError, match="stands down"):
        trainers.turn(first)

    assert shown(shop.client, ORDERS) == before


def test_a_zone_that_the_engine_does_not_know_is_refused(trainers: Trainers) -> None:
    trainers.zone = "Asia/Nowhere"

    with pytest.raises(ZoneError, match=r"'Asia/Nowhere' of KOL_BUSINESS_ZONE: .* Asia/Shanghai"):
        trainers.turn(trainers.holder())
