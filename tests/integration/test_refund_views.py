"""Credits, and refunds by both dates: what the views say adds up, to the cent, for every order."""

import asyncio
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from schemas.codec import decode
from schemas.rows import MODELS, Rows
from sinks.clickhouse import ClickHouse
from sinks.connection import ConnectionSettings
from sinks.migrate import migration_files, variables
from sinks.statements import views_after
from streams.core.user.memory import UserMemory
from streams.core.user.updates import collect_updates
from tests.builders import KEY
from tests.core.user.test_memory_laws import NOW, batch
from tests.embedded.gateway.running import gateway
from tests.integration.engine import connection_settings, fresh
from tests.messy import messy_lines, records
from tests.oracle import Expected, Order, Record, oracle, split, weights_of

pytestmark = pytest.mark.integration

Row = tuple[Any, ...]


def messy_log() -> list[Record]:
    """Orders of many refunds, over more than the time in which these count."""
    return records(messy_lines(5, NOW, users=120, days=200, malformed=0), 1, NOW)


def stated(log: Sequence[Record]) -> list[Rows]:
    memory = UserMemory(0, hmac_key=KEY)
    for topic in ("clickstream", "content-interactions", "purchases"):
        records_of = [one for one in log if one.topic == topic]
        memory.fold(decode(batch(records_of, 1), memory.keyed_names))
    return collect_updates(memory).rows


async def insert(settings: ConnectionSettings, every: Sequence[Rows]) -> None:
    sink = ClickHouse.at(settings)
    for rows in every:
        await sink.write(rows)
    await sink.close()


@pytest.fixture(scope="module")
def expected() -> Expected:
    return oracle(messy_log(), 1)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with gateway(tmp_path_factory.mktemp("engine")) as server:
        client = fresh(server, "refunds")
        asyncio.run(insert(connection_settings(server, "refunds"), stated(messy_log())))
        yield client
        client.close()


def counted(client: Client, query: str) -> Counter[Row]:
    return Counter(tuple(row) for row in client.query(query).result_rows)


def parts_of(order: Order, model: str) -> list[tuple[str, int, int, str]]:
    """KOL, time, cents and kind: what each KOL of a model gives back for each refund."""
    earned = split(order.paid_cents, weights_of(model, order.touches, order.ordered_at))
    parts, back, before = [], 0, dict.fromkeys(earned, 0)
    for at, cents, kind, _ in order.given_back.entries:
        back += cents
        after = split(back, earned)
        parts += [(kol, at, after[kol] - before[kol], kind) for kol in earned]
        before = after
    return parts


def test_the_log_has_what_is_tested(expected: Expected) -> None:
    entries = [order.given_back.entries for order in expected.orders.values()]
    some = [each for each in entries if each]

    assert len(some) > 60
    assert sum(len(each) > 2 for each in some) > 10
    assert {kind for each in some for _, _, kind, _ in each} == {"refund", "cancel", "reversal"}
    assert any(cents < 0 for each in some for _, cents, *_ in each)
    assert any(sum(cents for _, cents, *_ in each) == 0 != each[0][1] for each in some)
    assert any(len(order.via) > 2 for order in expected.orders.values() if order.refunded_cents)


def test_a_refund_has_its_order_s_date_and_its_own(client: Client, expected: Expected) -> None:
    found = counted(
        client,
        "SELECT toUnixTimestamp64Milli(ordered_at), order_id, toUnixTimestamp64Milli(refunded_at),"
        " refunded_cents, kind, reason FROM v_refund",
    )

    assert found == expected.refund_rows()


def test_a_kol_s_part_of_a_refund_is_his_part_after_it_less_that_before_it(
    client: Client, expected: Expected
) -> None:
    found = counted(
        client,
        "SELECT model, kol_id, toUnixTimestamp64Milli(ordered_at), order_id,"
        " toUnixTimestamp64Milli(refunded_at), refunded_cents, kind FROM v_refund_credit"
        " WHERE refunded_cents != 0",
    )

    assert found == Counter(
        (model, kol, order.ordered_at, order.order_id, *part)
        for order in expected.orders.values()
        for model in MODELS
        for kol, *part in parts_of(order, model)
        if part[1]
    )


ONE_ORDER = "ordered_at, order_id, user_hash"
KOL = "model, kol_id"


def cents_by(client: Client, view: str, columns: str) -> dict[Row, int]:
    """The cents given back in a view, added up by some columns; without zeros."""
    query = f"SELECT {columns}, sum(refunded_cents) AS cents FROM {view} GROUP BY ALL"  # noqa: S608  # names of ours
    return {row[:-1]: row[-1] for row in counted(client, query) if row[-1]}


def test_the_refunds_of_an_order_add_up_to_what_was_given_back(client: Client) -> None:
    refunds = cents_by(client, "v_refund", ONE_ORDER)

    assert refunds
    assert refunds == cents_by(client, "v_order", ONE_ORDER)


def test_a_kol_s_parts_of_refunds_add_up_to_what_he_gives_back(client: Client) -> None:
    parts = cents_by(client, "v_refund_credit", f"{KOL}, {ONE_ORDER}")

    assert parts
    assert parts == cents_by(client, "v_order_credit", f"{KOL}, {ONE_ORDER}")


def test_the_parts_of_all_kols_add_up_to_the_refund(client: Client) -> None:
    refunds = cents_by(client, "v_refund", f"{ONE_ORDER}, refunded_at")
    parts = cents_by(client, "v_refund_credit", f"{ONE_ORDER}, refunded_at, model")

    assert parts == {(*row, model): cents for row, cents in refunds.items() for model in MODELS}


def test_every_kol_of_an_order_is_there_for_every_refund_of_it(client: Client) -> None:
    def times(view: str, columns: str) -> dict[Row, int]:
        query = f"SELECT {columns}, count() FROM {view} GROUP BY ALL"  # noqa: S608  # names of ours
        return {row[:-1]: row[-1] for row in counted(client, query)}

    refunds = times("v_refund", ONE_ORDER)
    credited = times("v_order_credit", f"{KOL}, {ONE_ORDER}")

    assert times("v_refund_credit", f"{KOL}, {ONE_ORDER}") == {
        row: refunds[row[2:]] for row in credited if row[2:] in refunds
    }


def test_what_was_bought_is_what_the_payment_said(client: Client, expected: Expected) -> None:
    found = counted(
        client,
        "SELECT toUnixTimestamp64Milli(ordered_at), order_id, category, price_tier, sku, size, qty,"
        " coupon_id, promo, member, list_cents, discount_cents, margin_cents FROM v_order",
    )

    assert found == expected.product_rows()


BY_MODEL = ("v_order_credit", "v_refund_credit")
BY_SIZE = ("v_order", "v_order_touches", "v_refund")
AMOUNTS = r"\b(?:credit|refunded)_(?!cents\b|at\b)\w+"


@pytest.mark.parametrize("view", [*BY_MODEL, *BY_SIZE])
def test_a_view_that_reads_less_shows_what_it_showed(client: Client, view: str) -> None:
    shown = views_after(file for file in migration_files() if file.number <= 22)[view]
    for name, value in variables("refunds").items():
        shown = shown.replace(f"${{{name}}}", value)
    client.command(f"CREATE OR REPLACE VIEW former {shown}")

    row = "toString(tuple(*))"  # some columns are lists
    found, former = (counted(client, f"SELECT {row} FROM {name}") for name in (view, "former"))  # noqa: S608  # names of ours

    assert sum(found.values()) > (1_000 if view in BY_MODEL else 60)
    assert found == former
    described = (client.query(f"DESCRIBE {name}").result_rows for name in (view, "former"))
    assert len({tuple(column[:2] for column in columns) for columns in described}) == 1


@pytest.mark.parametrize("view", BY_MODEL)
def test_a_model_is_one_select_over_what_is_of_it(view: str) -> None:
    selects = views_after(migration_files())[view].split("UNION ALL")

    named = [
        (re.findall(r"'(\w+)' AS model", select), set(re.findall(AMOUNTS, select)))
        for select in selects
    ]
    assert named == [([model], {f"credit_{model}", f"refunded_{model}"}) for model in MODELS]


@pytest.mark.parametrize("view", BY_MODEL)
def test_who_asks_for_some_models_reads_nothing_of_the_others(client: Client, view: str) -> None:
    def reading(condition: str) -> int:
        asked = f"EXPLAIN indexes = 1 SELECT * FROM {view} WHERE {condition}"  # noqa: S608  # ours
        return sum("PrimaryKey" in line for (line,) in client.query(asked).result_rows)

    assert reading("model = 'linear' AND brand_id = 'b'") == 1
    assert reading("model IN ('last', 'linear')") == 2
    assert reading("brand_id = 'b'") == len(MODELS)


@pytest.mark.parametrize("view", BY_SIZE)
def test_sums_read_how_long_lists_are_and_not_what_is_in_them(client: Client, view: str) -> None:
    touches = ", sum(touches)" if view == "v_order" else ""
    asked = f"EXPLAIN header = 1 SELECT sum(refunded_cents){touches} FROM {view}"  # noqa: S608  # ours
    plan = "\n".join(line for (line,) in client.query(asked).result_rows)

    read = re.findall(r"(?:kols|touch_kol)[\w.]*", plan.rpartition("ReadFromMergeTree")[2])
    assert set(read) == {"kols.size0", *(["touch_kol.size0"] if touches else [])}


SOURCE = "model, kol_id, ordered_at, refunded_at, refunded_cents"


def test_what_days_are_added_up_from_is_the_same_in_the_shop_s_currency(client: Client) -> None:
    found = counted(client, f"SELECT {SOURCE} FROM refund_source")  # noqa: S608  # names of ours
    wanted = f"SELECT {SOURCE} FROM v_refund_credit WHERE currency = 'CNY' AND refunded_cents != 0"  # noqa: S608  # names of ours

    assert found == counted(client, wanted)


def former(order_id: str, refunded: list[int]) -> str:
    """Values of a row that knows of no times: 100 cents for two KOLs by every model."""
    of_models = f"[60, 40], {refunded}, " * len(MODELS)
    return (
        f"(1700000000123, '{order_id}', 100, {sum(refunded)}, {of_models}['a', 'b'],"
        " ['direct', 'share'], ['a', 'b'], [1699999999000, 1700000000000], ['click', 'share'], 1)"
    )


FORMER = (  # all that a version before 0021 writes, as far as it matters
    "INSERT INTO order_credit (ordered_at, order_id, paid_cents, refunded_cents,"  # noqa: S608  # ours
    + "".join(f" credit_{model}, refunded_{model}," for model in MODELS)
    + " kols, kol_via, touch_kol, touch_at, touch_class, version) VALUES "
    + f"{former('old', [20, 13])}, {former('kept', [0, 0])}"
)


def test_a_row_of_a_version_before_has_one_refund_at_its_order_s_time(client: Client) -> None:
    def asked(columns: str, view: str) -> list[Row]:
        query = f"SELECT {columns} FROM {view} WHERE order_id IN ('old', 'kept') ORDER BY ALL"  # noqa: S608  # names of ours
        return [tuple(row) for row in client.query(query).result_rows]

    client.command(FORMER)
    try:
        refunds = asked(
            "order_id, refunded_at = ordered_at, kind, reason, refunded_cents", "v_refund"
        )
        parts = asked("model, kol_id, refunded_cents", "v_refund_credit")
        of_days = client.query(
            "SELECT count() FROM refund_source"
            " WHERE toUnixTimestamp64Milli(ordered_at) = 1700000000123"
        ).result_rows
    finally:
        client.command("DELETE FROM order_credit WHERE order_id IN ('old', 'kept')")

    assert refunds == [("old", True, "undated", "", 33)]
    assert list(of_days) == [(0,)]
    assert [part for part in parts if part[0] == "linear"] == [
        ("linear", "a", 20),
        ("linear", "b", 13),
    ]
