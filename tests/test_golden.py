"""The whole path, byte for byte: each case of `tests/golden` is a story with its numbers.

What stands is compared three times: with the reviewed file, with the definitions in
`tests.oracle`, and with numbers worked out by hand, the working beside them.
"""

import base64
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import astuple
from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.cells import NAMES
from schemas.doors import OF_EVENTS
from schemas.rows import MODELS
from tests.golden_paths import (
    CASES,
    KEY,
    PARTITIONS,
    ROOM,
    Row,
    by_topic,
    expected,
    one_by_one,
    records,
    rows_of,
    tables_after,
    written,
)
from tests.keyed import user_hash
from tests.oracle import PRODUCT, Expected, Order, oracle

GIVEN_BACK = ("excess_cents", "reversed_cents", "refunds_outside", "refunds_foreign")
COUNTERS = (
    *("placeholder_user", "placeholder_kol", "own_event", "foreign_currency"),
    *("refund_unmatched", "refund_outside", "refund_foreign"),
    *("refund_excess_cents", "reversal_excess_cents"),
    *("paid_differs", "paid_replaced", "paid_after_cancel", "touch_after_order"),
)
UNTOLD = ("for_", "against_", "square_")  # by the oracle's cells


# ---------------------------------------------------------------- what a file says


def of(rows: list[Row], table: str, **fields: object) -> list[Row]:
    """The rows of a table with these values."""
    return [
        row
        for row in rows
        if row["table"] == table and all(row[name] == value for name, value in fields.items())
    ]


def orders(rows: list[Row], **fields: object) -> list[Row]:
    return [row for row in of(rows, "order_credit", **fields) if row["kols"]]


def order(rows: list[Row], **fields: object) -> Row:
    (row,) = orders(rows, **fields)
    return row


def credited(row: Row, model: str) -> dict[str, int]:
    return dict(zip(row["kols"], row[f"credit_{model}"], strict=True))


def returned(row: Row, model: str) -> dict[str, int]:
    return dict(zip(row["kols"], row[f"refunded_{model}"], strict=True))


def counted(rows: list[Row], door: str) -> int:
    return sum(row["n"] for row in of(rows, "door_count", door=door))


def cell(rows: list[Row], kol: str, clock: str) -> dict[str, int]:
    """The fields of a minute of the fifth of January, added over source partitions."""
    total: Counter[str] = Counter()
    for row in of(rows, "minute_cell", kol_id=kol, minute=f"2026-01-05 {clock}:00"):
        total.update({name: row[name] for name in NAMES if name in row})
    return dict(total)


def score(rows: list[Row], kol: str, clock: str) -> Row:
    (row,) = of(rows, "kol_score", kol_id=kol, minute=f"2026-01-05 {clock}:00")
    return row


def after(case: str, lines: int) -> list[Row]:
    """What stood when so many lines had been read."""
    log = records(case)[:lines]
    return rows_of(tables_after(log, one_by_one(log)))


def ms(text: str) -> int:
    """Milliseconds of a time as it is shown."""
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1_000)


# ---------------------------------------------------------------- every case


@pytest.mark.parametrize("case", CASES)
def test_what_stands_is_what_was_reviewed(case: str) -> None:
    reviewed = (ROOM / case / "rows.jsonl").read_text("utf-8")

    assert written(case) == reviewed, "run `make golden` and review the diff"


@pytest.mark.parametrize("case", CASES)
def test_a_story_has_its_events_its_rows_and_nothing_else(case: str) -> None:
    assert {path.name for path in (ROOM / case).iterdir()} == {"events.jsonl", "rows.jsonl"}


def test_no_story_is_without_a_file() -> None:
    assert sorted(path.name for path in ROOM.iterdir()) == CASES


@pytest.mark.parametrize("case", CASES)
def test_read_at_once_with_the_purchases_first_the_same_stands(case: str) -> None:
    log = records(case)

    at_once = rows_of(tables_after(log, by_topic(log)))

    assert meant(at_once) == meant(expected(case))


def meant(rows: list[Row]) -> list[Row]:
    """Without what only says that something else was said before."""
    return [
        row
        for row in rows
        if row.get("kols") != [] and (row["table"] != "minute_cell" or row.keys() & set(NAMES))
    ]


@pytest.mark.parametrize("case", CASES)
def test_orders_are_those_of_the_definitions(case: str) -> None:
    asked = oracle(records(case), PARTITIONS)

    assert [standing(row) for row in orders(expected(case))] == [
        defined(one)
        for one in sorted(
            asked.orders.values(), key=lambda one: (one.ordered_at, one.order_id, hashed(one))
        )
    ]


def standing(row: Row) -> dict[str, Any]:
    moments = [list(map(ms, row[name])) for name in ("touch_begin", "touch_at")]
    touches = zip(*moments, row["touch_kol"], row["touch_class"], strict=True)
    return {
        "key": (ms(row["ordered_at"]), row["order_id"], row["user_hash"]),
        "about": (row["brand_id"], row["platform"], row["channel"], row["currency"]),
        "product": tuple(row[name] for name in PRODUCT),
        "cents": (row["paid_cents"], row["refunded_cents"]),
        "refunds": list(
            zip(
                map(ms, row["refund_at"]),
                *(row[f"refund_{name}"] for name in ("cents", "kind", "reason")),
                strict=True,
            )
        ),
        "given_back": [row[name] for name in GIVEN_BACK],
        "touches": list(zip(touches, row["touch_via"], strict=True)),
        "via": list(zip(row["kols"], row["kol_via"], strict=True)),
    } | {model: (credited(row, model), returned(row, model)) for model in MODELS}


def defined(one: Order) -> dict[str, Any]:
    return {
        "key": (one.ordered_at, one.order_id, hashed(one)),
        "about": (one.brand_id, one.platform, one.channel, one.currency),
        "product": astuple(one.product),
        "cents": (one.paid_cents, one.refunded_cents),
        "refunds": list(one.given_back.entries),
        "given_back": [
            *(one.given_back.excess_cents, one.given_back.reversed_cents),
            *(one.given_back.outside, one.given_back.foreign),
        ],
        "touches": [((t.begin, t.last, t.kol, t.kind), t.via) for t in one.touches],
        "via": sorted(one.via.items(), key=lambda pair: pair[0].encode()),
    } | {model: sides(shares) for model, shares in one.credits.items()}


def sides(shares: Mapping[str, tuple[int, int]]) -> tuple[dict[str, int], dict[str, int]]:
    return (
        {kol: credit for kol, (credit, _) in shares.items()},
        {kol: refunded for kol, (_, refunded) in shares.items()},
    )


def hashed(one: Order) -> str:
    return user_hash(KEY, one.user_id)


@pytest.mark.parametrize("case", CASES)
def test_cells_are_those_of_the_definitions(case: str) -> None:
    asked = oracle(records(case), PARTITIONS)
    cells: dict[tuple[str, int], Counter[str]] = {}
    depth: Counter[str] = Counter()
    for row in of(expected(case), "minute_cell"):
        at = cells.setdefault((row["kol_id"], ms(row["minute"]) // 60_000), Counter())
        told = {name: row[name] for name in NAMES if name in row}
        at.update({name: n for name, n in told.items() if not name.startswith(UNTOLD)})
        depth[row["kol_id"]] += told.get("depth", 0)

    assert {key: dict(fields) for key, fields in cells.items() if fields} == asked.cells
    assert {kol: total for kol, total in depth.items() if total} == asked.depth


@pytest.mark.parametrize("case", CASES)
def test_every_message_leaves_by_the_door_of_the_definitions(case: str) -> None:
    rows, asked = expected(case), oracle(records(case), PARTITIONS)

    doors = {
        (row["topic"], row["partition"], row["door"]): row["n"]
        for row in of(rows, "door_count", kind="door")
    }
    letters = {
        (row["topic"], row["partition"], row["offset"]): row["reason"]
        for row in of(rows, "dead_letter")
    }

    assert doors == asked.doors
    assert letters.keys() == asked.rejected.keys() | asked.dropped.keys()
    assert all(reason in reasons_of(asked)[place] for place, reason in letters.items())
    assert counted(rows, "duplicate_differs") == asked.differing.total()
    assert all(counted(rows, counter) == asked.counters[counter] for counter in COUNTERS)


def reasons_of(asked: Expected) -> dict[tuple[str, int, int], frozenset[str]]:
    dropped = {place: frozenset({reason}) for place, reason in asked.dropped.items()}
    return {**asked.rejected, **dropped}


@pytest.mark.parametrize("case", CASES)
def test_each_model_pays_every_order_out_to_the_cent(case: str) -> None:
    for row in orders(expected(case)):
        for model in MODELS:
            assert sum(row[f"credit_{model}"]) == row["paid_cents"]
            assert sum(row[f"refunded_{model}"]) == row["refunded_cents"]


# ---------------------------------------------------------------- each case, by hand


def test_two_kols_share_an_order() -> None:
    row = order(expected("two_kols_share_an_order"))

    # xia 40 minutes before, lan 5, xia 2 and 1; 199.00 yuan
    assert row["touch_kol"] == ["kol-xia", "kol-lan", "kol-xia"]
    assert credited(row, "first") == {"kol-lan": 0, "kol-xia": 19_900}
    assert credited(row, "last") == {"kol-lan": 0, "kol-xia": 19_900}
    # 2 of 3: 13 266.67 and 6 633.33; the cent left over goes to the greater remainder
    assert credited(row, "linear") == {"kol-lan": 6_633, "kol-xia": 13_267}
    # 40 % and 40 %, 20 %
    assert credited(row, "position") == {"kol-lan": 3_980, "kol-xia": 15_920}
    assert credited(row, "shapley") == {"kol-lan": 9_950, "kol-xia": 9_950}
    # halved every week of 10 080 minutes
    lan, xia = 2 ** (-5 / 10_080), 2 ** (-40 / 10_080) + 2 ** (-1 / 10_080)
    assert round(19_900 * lan / (lan + xia)) == 6_638
    assert credited(row, "time_decay") == {"kol-lan": 6_638, "kol-xia": 13_262}


def test_two_kols_share_an_order_and_their_cells_and_its_brand_count() -> None:
    rows = expected("two_kols_share_an_order")
    once = {"users": 1, "users_hour": 1, "users_day": 1, "users_week": 1}

    assert cell(rows, "kol-xia", "11:40") == {"events": 1, "clicks": 1} | once
    # a coupon that was seen is no click; nobody has seen it in this hour before
    assert cell(rows, "kol-xia", "12:18") == {"events": 1, "users": 1, "users_hour": 1}
    assert cell(rows, "kol-xia", "12:19") == {"events": 1, "users": 1, "clicks": 1}
    assert cell(rows, "~brand:feihe", "12:20") == once | {
        "events": 1,
        "orders": 1,
        "paid_cents": 19_900,
    }


def test_a_touch_has_all_its_moments() -> None:
    rows = expected("a_touch_has_all_its_moments")
    between, later = order(rows, order_id="o-between"), order(rows, order_id="o-later")
    row = order(rows, order_id="o-after")

    # A 12:00, B 12:10, A 12:20, order 12:25: A is the last and the first
    assert row["touch_kol"] == ["kol-lan", "kol-xia"]
    for model in ("first", "last"):
        assert credited(row, model) == {"kol-lan": 0, "kol-xia": 10_000}
    assert row["touches_after"] == 0  # noted with an order only that nobody earned
    # the order at 12:15 sees A at 12:00 and 12:05, B at 12:10
    assert between["touch_kol"] == ["kol-xia", "kol-lan"]
    assert credited(between, "first") == {"kol-lan": 0, "kol-xia": 10_000}
    assert credited(between, "last") == {"kol-lan": 10_000, "kol-xia": 0}
    # n = 3, first and last are others: 2 (n - 2) = 2 each, lan 1 of 5
    assert later["touch_kol"] == ["kol-lan", "kol-xia", "kol-mei"]
    assert credited(later, "position") == {"kol-lan": 2_000, "kol-mei": 4_000, "kol-xia": 4_000}


def test_a_refund_before_its_order_waits_for_it() -> None:
    waiting, rows = after("refund_before_its_order", 2), expected("refund_before_its_order")

    assert orders(waiting) == []
    assert counted(waiting, "refund_unmatched") == 1
    for model in MODELS:
        assert credited(order(rows, order_id="o1"), model) == {"kol-mei": 10_000}
        assert returned(order(rows, order_id="o1"), model) == {"kol-mei": 2_500}


def test_a_refund_before_its_order_counts_only_within_a_day_of_it() -> None:
    rows = expected("refund_before_its_order")

    assert order(rows, order_id="o2")["refunded_cents"] == 0  # asked for 24 h and 1 ms before
    assert counted(rows, "refund_outside") == 1
    assert counted(rows, "refund_unmatched") == 1  # of an order that never came


def test_a_refund_on_day_forty_has_both_dates_and_stays_with_its_order() -> None:
    rows = expected("a_refund_on_day_forty")
    row = order(rows)

    # 5 January and forty days are 14 February; 181 days are 5 July, a day too late
    assert row["ordered_at"] == "2026-01-05 12:00:00.000"
    assert list(
        zip(
            row["refund_at"],
            row["refund_cents"],
            row["refund_kind"],
            row["refund_reason"],
            strict=True,
        )
    ) == [
        ("2026-02-14 12:00:00.000", 4_000, "refund", "太大"),
        ("2026-02-16 12:00:00.000", -1_500, "reversal", "account closed"),
        ("2026-07-05 12:00:00.000", 0, "refund", ""),
    ]
    assert (row["refunded_cents"], row["refunds_outside"]) == (2_500, 1)
    # 10 001 in two: the odd cent to the lesser name, here and of what is given back
    assert credited(row, "linear") == {"kol-lan": 5_001, "kol-xia": 5_000}
    assert returned(row, "linear") == {"kol-lan": 1_250, "kol-xia": 1_250}


def test_an_order_says_all_that_it_was_sent_with() -> None:
    row = order(expected("a_refund_on_day_forty"))

    assert (row["category"], row["sku"], row["size"], row["qty"]) == ("奶粉", "fh-900", "900", 2.0)
    assert (row["price_tier"], row["coupon_id"]) == ("high", "c-li")
    assert (row["promo"], row["member"]) == (1, 1)
    assert (row["list_cents"], row["discount_cents"], row["margin_cents"]) == (12_001, 2_000, -15)


def test_an_earlier_paid_replaces_another_brand() -> None:
    case = "an_earlier_paid_replaces_another_brand"
    before, rows = order(after(case, 4)), expected(case)
    row = order(rows)

    assert (before["brand_id"], before["paid_cents"]) == ("feihe", 30_001)
    assert credited(before, "linear") == {"kol-lan": 15_001, "kol-xia": 15_000}
    assert (row["brand_id"], row["paid_cents"], row["refunded_cents"]) == ("a2", 20_001, 101)
    assert row["ordered_at"] == "2026-01-05 12:00:00.000"
    for model in MODELS:  # lan came after noon
        assert credited(row, model) == {"kol-xia": 20_001}
        assert returned(row, model) == {"kol-xia": 101}


def test_an_earlier_paid_replaces_another_brand_and_nothing_of_that_stays() -> None:
    rows = expected("an_earlier_paid_replaces_another_brand")
    (left,) = of(rows, "order_credit", kols=[])

    assert (left["ordered_at"], left["paid_cents"]) == ("2026-01-05 12:10:00.000", 0)
    assert cell(rows, "~brand:feihe", "12:10") == {}
    assert cell(rows, "~brand:a2", "12:00")["paid_cents"] == 20_001
    assert cell(rows, "~brand:a2", "12:20")["refund_cents"] == 101
    assert counted(rows, "duplicate_order") == 1
    assert (counted(rows, "paid_replaced"), counted(rows, "paid_differs")) == (1, 2)


def test_a_late_touch_restates_the_order_of_every_model() -> None:
    case = "late_touch_restates"
    said = [credited(order(after(case, lines)), "first") for lines in (1, 4, 5, 6)]

    assert said == [
        {"organic": 8_800},
        {"kol-lan": 8_800},
        {"kol-lan": 8_800},  # what came too late says nothing
        {"kol-lan": 0, "kol-mei": 8_800},
    ]
    assert counted(expected(case), "too_late") == 1


def test_a_late_touch_restates_what_was_given_back() -> None:
    row = order(expected("late_touch_restates"))

    # mei 40 minutes before; lan 9, since the earliest of a half hour is the touch
    lan, mei = 2 ** (-9 / 10_080), 2 ** (-40 / 10_080)
    assert round(8_800 * lan / (lan + mei)) == 4_405
    assert credited(row, "time_decay") == {"kol-lan": 4_405, "kol-mei": 4_395}
    # 2 202.5 and 2 197.5: equal remainders, the first name has the cent
    assert returned(row, "time_decay") == {"kol-lan": 2_203, "kol-mei": 2_197}
    assert returned(row, "last") == {"kol-lan": 4_400, "kol-mei": 0}


def test_partial_refunds_are_split_as_the_credits_are() -> None:
    row = order(expected("partial_refunds_and_cancel"), order_id="o1")

    # 3 334 cents of 10 000, lan two touches of three and both ends
    assert returned(row, "linear") == {"kol-lan": 2_223, "kol-xia": 1_111}  # 2 222.8, 1 111.2
    assert returned(row, "position") == {"kol-lan": 2_667, "kol-xia": 667}  # 2 667.2, 666.8
    assert returned(row, "shapley") == {"kol-lan": 1_667, "kol-xia": 1_667}
    assert returned(row, "first") == {"kol-lan": 3_334, "kol-xia": 0}


def test_a_reversed_refund_is_taken_back_and_other_currencies_are_not_subtracted() -> None:
    rows = expected("a_refund_is_reversed_and_currencies_differ")
    shop, foreign = order(rows, order_id="o1"), order(rows, order_id="o2")

    assert [shop["currency"], foreign["currency"]] == ["CNY", "USD"]
    assert shop["refunded_cents"] == 3_000 - 3_000 + 2_999
    assert foreign["refunded_cents"] == 0  # 700 less 750, not below 0
    assert [shop["reversed_cents"], foreign["reversed_cents"]] == [3_000, 750]
    assert [shop["refunds_foreign"], foreign["refunds_foreign"]] == [1, 1]  # dollars; yen
    assert counted(rows, "refund_foreign") == 2
    assert counted(rows, "reversal_excess_cents") == 50
    # the order in dollars, its refund, its reversal; dollars and yen by their own
    assert counted(rows, "foreign_currency") == 5


def test_a_reversal_is_subtracted_in_its_own_minute_and_another_currency_is_in_no_cell() -> None:
    rows = expected("a_refund_is_reversed_and_currencies_differ")
    minutes = ("12:00", "12:01", "12:02", "12:03", "12:04", "12:05", "12:06")
    cells = [cell(rows, "~brand:feihe", minute) for minute in minutes]

    assert [one.get("refund_cents", 0) for one in cells] == [0, 3_000, -3_000, 2_999, 0, 0, 0]
    assert [one.get("refunds", 0) for one in cells] == [0, 1, 0, 1, 0, 0, 0]
    assert [one.get("events", 0) for one in cells] == [1, 1, 1, 1, 0, 0, 0]
    assert sum(one.get("paid_cents", 0) for one in cells) == 10_000


def test_partial_refunds_and_a_cancel_give_back_what_was_paid_and_no_more() -> None:
    rows = expected("partial_refunds_and_cancel")

    for order_id, paid in (("o2", 5_000), ("o3", 7_001)):
        row = order(rows, order_id=order_id)
        assert row["refunded_cents"] == row["paid_cents"] == paid
        for model in MODELS:
            assert returned(row, model) == credited(row, model)
    assert counted(rows, "refund_excess_cents") == 1_000  # 3 000 + 3 000 of 5 000
    assert cell(rows, "~brand:feihe", "12:12")["refund_cents"] == 3_000  # as it was sent
    # an odd cent, equal remainders: the first name has it
    assert credited(order(rows, order_id="o3"), "shapley") == {"kol-lan": 3_501, "kol-xia": 3_500}


def test_a_share_chain_shows_via_share() -> None:
    rows = expected("share_chain_via_share")
    via = {
        row["paid_cents"]: dict(zip(row["kols"], row["kol_via"], strict=True))
        for row in orders(rows)
    }

    assert via == {
        6_000: {"kol-xia": "share"},  # sun followed a share of a share
        9_000: {"kol-xia": "direct"},  # mei followed one and shared it herself
        3_000: {"kol-xia": "direct"},  # zhao began it
        4_000: {"kol-xia": "share"},  # 14 days after
        2_000: {"organic": "none"},  # and a millisecond
    }


def test_an_order_nobody_led_to_is_organic() -> None:
    row = order(expected("organic"))

    assert row["touch_kol"] == []
    for model in MODELS:
        assert credited(row, model) == {"organic": 12_345}
        assert returned(row, model) == {"organic": 45}


def test_ids_of_nobody_and_a_kol_himself_earn_nothing() -> None:
    rows = expected("nobodys_ids")

    for model in MODELS:
        assert credited(order(rows, order_id="o1"), model) == {"organic": 9_900}
        assert returned(order(rows, order_id="o1"), model) == {"organic": 900}
        assert credited(order(rows, order_id="o2"), model) == {"organic": 5_000}
        assert credited(order(rows, order_id="o3"), model) == {"Kol-lan": 7_000}  # another KOL
    doors = ("placeholder_id", "reserved_id", "placeholder_kol", "placeholder_user", "own_event")
    assert {door: counted(rows, door) for door in doors} == {
        "placeholder_id": 3,  # e1, e2, e6
        "reserved_id": 3,  # e7 to e9
        "placeholder_kol": 1,  # e5
        "placeholder_user": 2,  # e3, e4
        "own_event": 2,  # e11, e12
    }
    plain = {"events": 2, "users": 1, "users_hour": 1, "users_day": 1, "users_week": 1}
    assert cell(rows, "kol-lan", "11:51") == plain | {"clicks": 1, "questions": 1}


def test_malformed_messages_leave_with_their_reasons() -> None:
    rows = expected("malformed_messages")
    rejected = Counter({row["door"]: row["n"] for row in of(rows, "door_count", kind="rejected")})
    reasons = Counter(row["reason"] for row in of(rows, "dead_letter"))
    left = sum(row["n"] for row in of(rows, "door_count") if row["kind"] != "counter")

    assert reasons.pop("too_late") == 1
    others = {"too_large", "placeholder_id"}  # the latter has a story of its own
    assert set(rejected) == {reason.label for reason in OF_EVENTS} - others
    more = {"not_json": 2, "invalid": 4, "reserved_id": 2}
    assert reasons == dict.fromkeys(rejected, 1) | more
    assert left == len(records("malformed_messages"))


def test_malformed_messages_are_kept_as_they_came() -> None:
    rows = expected("malformed_messages")
    sent = {(r.topic, r.partition, r.offset): r.value for r in records("malformed_messages")}

    for row in of(rows, "dead_letter"):
        kept = row["payload"].encode()
        if row["encoding"] == "base64":
            kept = base64.b64decode(kept, validate=True)
        assert kept == (sent[row["topic"], row["partition"], row["offset"]] or b"")
    assert [row["payload"] for row in of(rows, "dead_letter", encoding="base64")] == [
        base64.b64encode(b"\xff\xfe" + "奶粉".encode()).decode()
    ]


TRUST = "a_kol_gains_and_loses_trust"
FORTNIGHT = 20_160  # minutes in which evidence halves


def believed(good: float, bad: float, square: float) -> float:
    """Trust in one dimension: Beta(1, 1) and evidence, whose unequal weights say less."""
    kappa = (good + bad) / square
    return (1 + kappa * good) / (2 + kappa * (good + bad))


def faded(minutes: int) -> float:
    return float(2 ** (-minutes / FORTNIGHT))


def test_a_kol_nobody_has_judged_may_be_anything() -> None:
    row = score(expected(TRUST), "kol-lan", "12:00")

    # log of a uniform variable: mean -1, variance 1; of E (.25) and B (.10), which have a source
    spread = 1.645 * math.hypot(25 / 35, 10 / 35)
    assert row["trust"] == round(math.exp(-1), 9)
    assert row["trust_lo"] == round(math.exp(-1 - spread), 9)
    assert row["trust_hi"] == 1  # e^(-1 + spread) is more
    assert (row["n_eff"], row["uncertainty"]) == (0, 1)
    assert (row["missing"], row["active"]) == ("A,I,O", 0)


def test_a_kol_gains_trust_by_two_grown_accounts() -> None:
    row = score(expected(TRUST), "kol-xia", "12:00")

    # E and B are Beta(2, 1): mean of the log psi(2) - psi(3) = -1/2, variance 1/4
    spread = 1.645 * math.hypot(25 / 35, 10 / 35) / 2
    assert (row["trust_E"], row["trust_B"]) == (round(2 / 3, 9), round(2 / 3, 9))
    assert row["trust"] == round(math.exp(-0.5), 9)
    assert row["trust_lo"] == round(math.exp(-0.5 - spread), 9)
    assert row["trust_hi"] == 1  # e^(-1/2 + spread) is more
    assert row["n_eff"] == 2
    assert row["uncertainty"] == round(2 / 3, 9)


def test_a_kol_gains_resonance_by_a_question_asked() -> None:
    row = score(expected(TRUST), "kol-xia", "12:00")

    # two user-days, ln(1 + 4) and nothing, beside 1 / (1.4826 * 0.25)^2 of the population
    scale = 1.4826 * 0.25
    population = 1 / scale**2
    depth = (math.log(5) + population * 0.8) / (2 + population)
    by_hand = 1 / (1 + math.exp(-(depth - 0.8) / scale))
    assert row["resonance"] == pytest.approx(by_hand, abs=2e-6)  # depths are kept to 1e-6


def test_a_kol_loses_trust_by_experts_of_different_weight() -> None:
    row = score(after(TRUST, 9), "kol-xia", "12:01")

    # 1/4 of 12:00, against it 1/4 and a half-grown 1/16; who repeats himself adds nothing
    before = 0.25 * faded(1)
    square = before**2 + 0.25**2 + 0.0625**2
    assert row["trust_E"] == round(believed(before, 0.3125, square), 9)
    # an unfollow is a word like others
    assert row["trust_B"] == round(believed(before, 0.25, before**2 + 0.25**2), 9)
    assert row["final"] == 0


def test_a_kol_is_judged_again_when_a_late_voice_comes() -> None:
    row = score(after(TRUST, 10), "kol-xia", "12:01")

    before = 0.25 * faded(1)
    square = before**2 + 2 * 0.25**2 + 0.0625**2
    assert row["trust_E"] == round(believed(before + 0.25, 0.3125, square), 9)
    assert row["final"] == 0


def test_a_minute_is_final_two_hours_past_its_end_and_not_before() -> None:
    moments = [after(TRUST, lines) for lines in (11, 12)]

    assert [score(rows, "kol-xia", "12:01")["final"] for rows in moments] == [0, 1]
    assert score(moments[0], "kol-xia", "12:01")["trust"] == pytest.approx(
        score(moments[1], "kol-xia", "12:01")["trust"], abs=1e-9
    )


def test_a_kol_is_remembered_fading() -> None:
    row = score(expected(TRUST), "kol-xia", "14:02")

    good, bad = 0.25 * faded(122), 0.25 * faded(121)
    assert row["trust_B"] == round(believed(good + 0.25, bad, good**2 + bad**2 + 0.25**2), 9)
    assert row["final"] == 0


def test_ties_go_by_utf8_bytes() -> None:
    rows = expected("ties_by_utf8_bytes")
    row = order(rows, paid_cents=103)
    four = ["kol-a", "Żaneta", "Ｂ宝妈", "👶日记"]

    assert row["kols"] == row["touch_kol"] == four
    # 25.75 each; UTF-16 would put the baby before the last of the three
    assert row["credit_linear"] == [26, 26, 26, 25]
    # 4 : 1 : 1 : 4 of 103: 41.2, 10.3, 10.3, 41.2
    assert row["credit_position"] == [41, 11, 10, 41]
    # two cents of 26 : 26 : 26 : 25 and of 41 : 11 : 10 : 41
    assert row["refunded_linear"] == [1, 1, 0, 0]
    assert row["refunded_position"] == [1, 0, 0, 1]


def test_ties_of_names_that_look_alike_go_by_their_bytes_too() -> None:
    row = order(expected("ties_by_utf8_bytes"), paid_cents=2)

    assert [kol.encode()[:2] for kol in row["kols"]] == [b"KO", b"e\xcc", b"\xc3\xa9"]
    assert row["credit_shapley"] == [1, 1, 0]


def test_of_thirty_three_touches_the_oldest_is_out_of_sight() -> None:
    row = order(expected("thirty_three_touches"))

    # the 32 newest are looked at; the view among them is eight days old and does not count
    assert len(row["touch_kol"]) == 31
    assert row["kols"] == ["kol-tao", "kol-xia"]
    assert credited(row, "first") == credited(row, "last") == {"kol-tao": 0, "kol-xia": 3_100}
    assert credited(row, "linear") == {"kol-tao": 1_500, "kol-xia": 1_600}
    # ends 58 each, 29 times 1; xia has both ends and 14 more: 130 of 145
    assert credited(row, "position") == {"kol-tao": 321, "kol-xia": 2_779}  # 320.7, 2 779.3
    assert credited(row, "shapley") == {"kol-tao": 1_550, "kol-xia": 1_550}
