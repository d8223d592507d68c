"""What currencies and reversals mean for orders, their cells and the counters."""

from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from schemas.events import PURCHASES
from streams.core.moments import HORIZON_MS
from streams.core.user.formats import CONVERSIONS, with_consents
from streams.core.user.memory import UserMemory
from tests.builders import (
    DAY,
    HOUR,
    KEY,
    MINUTE,
    NOON,
    Message,
    cancel,
    click,
    copied,
    paid,
    refund,
    reversal,
)
from tests.core.user.test_memory import Reader, latest_rows, read

BRAND = "~brand:b"
LAYOUTS = Path(__file__).parents[1] / "layouts"


def back(*messages: Message, **fields: object) -> dict[str, int]:
    """What the row says of an order of 100.00 and these messages."""
    row = read(paid("o1", 10_000, **fields), *messages).order()
    names = ("refunded", "excess", "reversed")
    return {name: row[f"{name}_cents"] for name in names} | {
        name: row[f"refunds_{name}"] for name in ("outside", "foreign")
    }


def standing(**fields: int) -> dict[str, int]:
    """As `back`, what is not given being 0."""
    return dict.fromkeys(("refunded", "excess", "reversed", "outside", "foreign"), 0) | fields


# ---------------------------------------------------------------- one order


def test_a_payment_without_a_currency_has_the_shops() -> None:
    reader = Reader(currency="EUR")
    reader.fold(paid(), paid("o2", currency="cny"))

    assert [reader.order(one)["currency"] for one in ("o1", "o2")] == ["EUR", "CNY"]


@pytest.mark.parametrize("currency", ["USD", "usd", " Usd ", None])
def test_a_refund_in_its_orders_currency_or_in_none_is_subtracted(currency: str | None) -> None:
    asked = refund(pay_cents=3_000, currency=currency)

    assert back(asked, currency="USD") == standing(refunded=3_000)


@pytest.mark.parametrize("one", [refund(pay_cents=3_000, currency="JPY"), cancel(currency="JPY")])
def test_in_another_currency_than_its_order_nothing_is_subtracted(one: Message) -> None:
    assert back(one, currency="USD") == standing(foreign=1)
    assert back(one) == standing(foreign=1)


def test_a_reversal_in_another_currency_takes_nothing_back() -> None:
    one = reversal(pay_cents=3_000, currency="USD")

    assert back(refund(pay_cents=3_000), one) == standing(refunded=3_000, foreign=1)


def test_outside_the_window_it_does_not_matter_in_which_currency() -> None:
    late = refund(ts=NOON + 180 * DAY + 1, currency="USD")

    assert back(late) == standing(outside=1)


def test_a_currency_of_its_own_is_kept_and_counted() -> None:
    reader = read(paid(currency="points"), refund(pay_cents=10, currency="Points"))

    assert (reader.order()["currency"], reader.order()["refunded_cents"]) == ("POINTS", 10)
    assert reader.doors()[PURCHASES, "currency_unknown"] == 2


@pytest.mark.parametrize(
    ("asked", "taken_back", "row"),
    [
        ([4_000], [4_000], standing(refunded=0, reversed=4_000)),
        ([4_000, 4_000], [4_000], standing(refunded=4_000, reversed=4_000)),
        ([4_000], [1_000], standing(refunded=3_000, reversed=1_000)),
        ([4_000], [9_000], standing(refunded=0, reversed=9_000)),
        ([], [4_000], standing(refunded=0, reversed=4_000)),
        ([9_000, 9_000], [5_000], standing(refunded=10_000, excess=3_000, reversed=5_000)),
        ([9_000, 9_000], [9_000], standing(refunded=9_000, reversed=9_000)),
    ],
)
def test_reversals_take_refunds_back(
    asked: list[int], taken_back: list[int], row: dict[str, int]
) -> None:
    refunds = [refund(pay_cents=cents, ts=NOON + n) for n, cents in enumerate(asked)]
    reversals = [reversal(pay_cents=cents, ts=NOON + n) for n, cents in enumerate(taken_back)]

    assert back(*refunds, *reversals) == row
    assert back(*reversals, *refunds) == row


def test_a_cancel_is_final() -> None:
    more = [refund(pay_cents=500), reversal(pay_cents=500)]

    assert back(cancel(), *more) == standing(refunded=10_000, reversed=500)


@pytest.mark.parametrize(
    ("after", "row"),
    [
        (-DAY - 1, standing(refunded=3_000, outside=1)),
        (-DAY, standing(reversed=3_000)),
        (180 * DAY, standing(reversed=3_000)),
        (180 * DAY + 1, standing(refunded=3_000, outside=1)),
    ],
)
def test_a_reversal_has_the_window_of_refunds(after: int, row: dict[str, int]) -> None:
    log = [paid(), refund(pay_cents=3_000), reversal(pay_cents=3_000, ts=NOON + after)]
    order = read(*sorted(log, key=lambda message: message["ts"])).order()

    assert {name: order[f"{name}_cents"] for name in ("refunded", "reversed")} == {
        name: row[name] for name in ("refunded", "reversed")
    }
    assert order["refunds_outside"] == row["outside"]


def test_what_was_not_subtracted_is_counted_and_may_be_taken_back() -> None:
    waiting = [refund(pay_cents=70, currency="USD"), reversal(pay_cents=30, currency="CNY")]
    reader = read(*waiting)
    before = reader.doors()
    reader.fold(paid(currency="USD", ts=NOON + 2))
    stands = reader.doors()
    reader.fold(paid(event_id="earlier", ts=NOON + 1))

    names = ["refund_unmatched", "refund_foreign", "reversal_excess_cents", "refund_excess_cents"]
    assert [before.get((PURCHASES, name), 0) for name in names] == [2, 0, 0, 0]
    assert [stands.get((PURCHASES, name), 0) for name in names] == [0, 1, 0, 0]
    assert [reader.doors().get((PURCHASES, name), 0) for name in names] == [0, 1, 30, 0]


def test_a_tombstone_says_nothing_of_refunds() -> None:
    reader = read(paid(ts=NOON + 1), refund(pay_cents=20_000, ts=NOON + 2))
    reader.collect()
    reader.fold(paid(event_id="earlier"))
    reader.collect()
    rows = list(reader.tables["order_credit"].values())

    assert sorted((row["ordered_at"], row["excess_cents"]) for row in rows) == [
        (NOON, 10_000),
        (NOON + 1, 0),
    ]


# ---------------------------------------------------------------- cells of brands


def cell(*messages: Message) -> dict[str, int]:
    """The fields that are not zero of the brand's cell in the minute of NOON."""
    return brand_cell(read(*messages))


def brand_cell(reader: Reader, at: int = NOON) -> dict[str, int]:
    rows = [row for row in reader.rows("minute_cell") if row["kol_id"] == BRAND]
    of_minute = [row for row in rows if row["minute"] == at // MINUTE * 60]
    numbers: dict[str, int] = {
        name: value
        for row in of_minute
        for name, value in row.items()
        if value and name not in {"kol_id", "minute", "source_partition"}
    }
    return numbers


def users(count: int = 1) -> dict[str, int]:
    return dict.fromkeys(("users", "users_hour", "users_day", "users_week"), count)


def test_an_order_in_another_currency_is_in_no_cell() -> None:
    reader = read(paid(brand_id="b", currency="USD"), paid("o2", brand_id="b", currency="cny"))

    assert brand_cell(reader) == {"events": 1, "orders": 1, "paid_cents": 10_000} | users()
    assert reader.doors()[PURCHASES, "foreign_currency"] == 1


def test_a_reversal_is_subtracted_in_the_cell_of_its_own_minute() -> None:
    reader = read(
        refund(pay_cents=300, brand_id="b"),
        reversal(pay_cents=200, brand_id="b", ts=NOON + MINUTE),
    )

    assert brand_cell(reader) == {"events": 1, "refunds": 1, "refund_cents": 300} | users()
    assert brand_cell(reader, NOON + MINUTE) == {"events": 1, "refund_cents": -200, "users": 1}


IN = {"events": 1, "refunds": 1, "refund_cents": 300} | users()
SPENT = {"events": 2, "orders": 1, "paid_cents": 9, "refunds": 1, "refund_cents": 300} | users()


@pytest.mark.parametrize(
    ("of_refund", "of_order", "in_cell", "foreign"),
    [
        (None, None, SPENT, 0),
        ("CNY", None, SPENT, 0),
        (None, "USD", {}, 2),
        ("USD", "USD", {}, 2),
        ("CNY", "USD", IN, 1),
        ("USD", None, {"events": 1, "orders": 1, "paid_cents": 9} | users(), 1),
    ],
)
def test_a_refund_is_in_the_cell_if_its_own_or_its_orders_currency_is_the_shops(
    of_refund: str | None, of_order: str | None, in_cell: dict[str, int], foreign: int
) -> None:
    order = paid(pay_cents=9, brand_id="b", currency=of_order)
    asked = refund(pay_cents=300, brand_id="b", currency=of_refund)
    for log in permutations([order, asked]):
        together = Reader()
        together.fold_batch(PURCHASES, log)
        for reader in (together, read(*log)):
            assert brand_cell(reader) == in_cell
            assert reader.doors().get((PURCHASES, "foreign_currency"), 0) == foreign
        assert latest_rows(together) == latest_rows(read(*log))


def test_a_refund_goes_out_and_in_with_the_payment_that_stands() -> None:
    asked = refund(pay_cents=300, brand_id="b")
    first = paid(ts=NOON + 3 * MINUTE, currency="USD")
    second = paid(ts=NOON + 2 * MINUTE, event_id="second")
    third = paid(ts=NOON + MINUTE, currency="USD", event_id="third")
    seen = []
    reader = Reader()
    for message in (asked, first, second, third):
        reader.fold(message)
        seen.append(brand_cell(reader))

    assert seen == [IN, {}, IN, {}]
    log = [first, asked, third, refund(pay_cents=1, brand_id="b", ts=NOON + MINUTE), second]
    together = Reader()
    together.fold_batch(PURCHASES, log)
    assert latest_rows(together) == latest_rows(read(*log))


def test_a_refund_whose_minute_is_closed_stays_where_it_is_and_is_counted() -> None:
    late = NOON + HORIZON_MS + MINUTE  # a minute of NOON is closed from here on
    for moment, closed in ((late, 1), (late - 1, 0)):
        log = [
            refund(pay_cents=300, brand_id="b"),
            click(ts=moment),
            paid("o2", ts=moment),
            paid(ts=moment, currency="USD"),
        ]
        pruned, unpruned = Reader(slack=0), Reader()
        for message in log:
            pruned.fold(message)
            pruned.collect()
            pruned.prune()
            unpruned.fold(message)
        for reader in (pruned, unpruned):
            assert brand_cell(reader) == (IN if closed else {})
            assert reader.doors().get((PURCHASES, "closed_minute"), 0) == closed
            assert reader.doors()[PURCHASES, "foreign_currency"] == 2 - closed


def test_without_a_brand_a_refund_is_only_counted() -> None:
    reader = read(refund(), paid(ts=NOON + HOUR, currency="USD"))

    assert reader.rows("minute_cell") == []
    assert reader.doors()[PURCHASES, "foreign_currency"] == 2


@pytest.mark.parametrize(("ago", "foreign"), [(26 * HOUR, 2), (26 * HOUR + 1, 1)])
def test_a_refund_that_stopped_waiting_has_no_order_whose_currency_it_could_have(
    ago: int, foreign: int
) -> None:
    reader = read(refund(ts=NOON - ago), refund("o2"), paid(currency="USD"))

    assert reader.doors()[PURCHASES, "foreign_currency"] == foreign


def test_a_setting_that_changed_takes_out_what_it_had_put_in() -> None:
    reader = read(paid(brand_id="b", ts=NOON + 1))
    reader.settings["currency"] = "USD"
    reader.restart(life=1)
    reader.fold(paid(brand_id="b", currency="CNY", event_id="earlier"))

    assert brand_cell(reader) == {}


# ---------------------------------------------------------------- what memory holds


def test_refunds_keep_their_brand_user_and_currency_when_codes_change() -> None:
    reader = Reader(slack=0)
    late = NOON + HORIZON_MS
    reader.fold(
        *(paid(f"x{n}", user_id=f"u{n}", brand_id=f"b{n}", platform=f"p{n}") for n in range(2, 5)),
        refund(pay_cents=5, brand_id="b", ts=late, currency="USD"),
        refund(pay_cents=3, brand_id="b", ts=late + 1, event_id="none"),
    )
    reader.prune()
    reader.restart(life=1)
    reader.prune()
    reader.fold(paid(currency="USD", ts=late + 2, pay_cents=100))

    assert reader.order()["refunded_cents"] == 8
    assert brand_cell(reader, late) == {}


def of_format_2(reader: Reader) -> dict[str, Any]:
    """What a snapshot of it held before currencies, reversals and all moments counted."""
    arrays = copied(reader.memory.arrays())
    arrays["allowances.left"] = np.zeros(len(arrays["allowances.at"]), np.int64)
    series = arrays["tally.series"].tobytes().decode().split("\n")
    place = {line: at for at, line in enumerate(series)}
    words = [line.split() for line in (LAYOUTS / "user-2.txt").read_text("utf-8").splitlines()]
    doors = [place[f"{line[1]} {line[2]}"] for line in words if line[0] == "door"]
    former = {
        **arrays,
        "offsets": arrays["offsets"][:4],
        "touches.at": arrays["touches.last"],
        "orders.pool.at": arrays["orders.pool.last"],
        "orders.totals": arrays["orders.totals"][:3],
        **{f"tally.{name}": arrays[f"tally.{name}"][doors] for name in ("total", "told")},
    }
    return {line[0]: former[line[0]] for line in words if line[0] not in {"door", "cell"}}


def upgraded(arrays: dict[str, Any]) -> Reader:
    """A memory that goes on from them in a second life."""
    reader = Reader()
    for convert in CONVERSIONS[1:]:
        arrays = dict(convert(arrays))
    arrays = dict(with_consents(arrays))
    reader.memory = UserMemory.restored(arrays, 3, hmac_key=KEY)
    reader.memory.life = 1
    return reader


def test_a_state_of_format_2_goes_on() -> None:
    former = read(
        paid(pay_cents=100, brand_id="b"),
        refund(pay_cents=120),
        refund("o3", pay_cents=5, brand_id="b"),
    )
    arrays = of_format_2(former)
    utf8 = arrays["labels.utf8"].tobytes().decode().replace("CNY", "cny")
    arrays["labels.utf8"] = np.frombuffer(utf8.encode(), np.uint8)
    reader = upgraded(arrays)
    reader.fold(
        reversal(pay_cents=30, currency="CNY"),
        paid(pay_cents=90, ts=NOON - 1, brand_id="b", event_id="earlier", currency="USD"),
        paid("o3", currency="USD", ts=NOON + 1),
        paid("o4", currency="CNY"),
    )

    assert "cny" in utf8
    assert [reader.order(one)["currency"] for one in ("o1", "o3", "o4")] == ["USD", "USD", "CNY"]
    row = reader.order()
    assert (row["refunded_cents"], row["excess_cents"]) == (90, 30)
    assert row["refunds_foreign"] == 1  # the reversal
    assert "orders" not in brand_cell(reader)  # it was there as yuan before
    assert reader.doors()[PURCHASES, "refund_excess_cents"] == 30


def test_an_order_of_format_2_has_its_currency_folded() -> None:
    former = read(paid(pay_cents=100))
    arrays = of_format_2(former)
    utf8 = arrays["labels.utf8"].tobytes().replace(b"CNY", b"cny")
    arrays["labels.utf8"] = np.frombuffer(utf8, np.uint8)
    reader = upgraded(arrays)
    reader.fold(refund(pay_cents=30, currency="CNY"))

    assert (reader.order()["currency"], reader.order()["refunded_cents"]) == ("CNY", 30)
