"""The oracle itself, on cases small enough to do by hand."""

import json
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.messy import MISSING, Line, messy_lines, records
from tests.oracle import (
    DAY_MS,
    HALF_HOUR_MS,
    HOUR_MS,
    MINUTE_MS,
    Expected,
    Order,
    Record,
    Touch,
    faded,
    oracle,
    partition_of,
    split,
    weights_of,
)

NOW = 1_760_000_400_000  # a whole half hour
AT = NOW - 40 * DAY_MS


def read(*events: dict[str, Any]) -> Expected:
    """What these events mean, all of `u1`, each topic one partition, in this order."""
    lines = [
        Line(topic_of(event), "u1", {"event_id": f"e{n}", "user_id": "u1", "ts": AT} | event)
        for n, event in enumerate(events)
    ]
    return oracle(records(lines, 1, NOW), 1)


def topic_of(event: dict[str, Any]) -> str:
    if "kind" in event:
        return "purchases"
    return "clickstream" if event["event"] in {"click", "impression"} else "content-interactions"


def click(kol: str, at: int = AT, **fields: object) -> dict[str, Any]:
    return {"event": "click", "kol_id": kol, "ts": at, **fields}


def paid(cents: int = 100, at: int = AT, order: str = "o", **fields: object) -> dict[str, Any]:
    return {"kind": "paid", "order_id": order, "pay_cents": cents, "ts": at, **fields}


def refund(cents: int, at: int = AT, order: str = "o", **fields: object) -> dict[str, Any]:
    ids = {"order_id": "r", "ref_order_id": order}
    return {"kind": "refund", **ids, "pay_cents": cents, "ts": at, **fields}


def reversal(cents: int, at: int = AT, order: str = "o", **fields: object) -> dict[str, Any]:
    return refund(cents, at, order, **{"kind": "refund_reversed"} | fields)


def cancel(at: int = AT, order: str = "o") -> dict[str, Any]:
    return {"kind": "cancel", "order_id": order, "ts": at}


def the_order(expected: Expected) -> Order:
    (order,) = expected.orders.values()
    return order


def the_credits(expected: Expected, model: str) -> dict[str, tuple[int, int]]:
    return dict(the_order(expected).credits[model])


def test_a_purchase_nobody_touched_is_organic() -> None:
    expected = read(paid(12_345))

    assert expected.credit_rows() == {
        (model, "organic", AT, "o", "none", 12_345, 0): 1
        for model in ("first", "last", "linear", "position", "time_decay", "shapley")
    }


def test_the_first_and_the_last_take_all_and_linear_counts_every_touch() -> None:
    touches = [click(kol, AT - HOUR_MS * n) for n, kol in enumerate("abaa", 1)]

    expected = read(*reversed(touches), paid(400))

    assert the_credits(expected, "first") == {"a": (400, 0), "b": (0, 0)}
    assert the_credits(expected, "last") == {"a": (400, 0), "b": (0, 0)}
    assert the_credits(expected, "linear") == {"a": (300, 0), "b": (100, 0)}
    assert the_credits(expected, "shapley") == {"a": (200, 0), "b": (200, 0)}


def test_position_gives_the_ends_two_fifths_each() -> None:
    touches = [click(kol, AT - HOUR_MS * n) for n, kol in enumerate("abcde")]

    expected = read(*reversed(touches), paid(1_500))

    shares = {kol: credit for kol, (credit, _) in the_credits(expected, "position").items()}
    assert shares == {"a": 600, "b": 100, "c": 100, "d": 100, "e": 600}


def test_a_week_halves_the_weight_of_a_touch() -> None:
    expected = read(click("old", AT - 7 * DAY_MS), click("new", AT - 1), paid(300))

    assert the_credits(expected, "time_decay") == {"old": (100, 0), "new": (200, 0)}


def test_cents_left_over_go_by_remainder_and_then_by_name() -> None:
    assert split(101, {"b": 1, "a": 1, "ä": 1}) == {"b": 34, "a": 34, "ä": 33}
    assert split(10, {"a": 1, "b": 2, "c": 4}) == {"a": 1, "b": 3, "c": 6}


@given(st.dictionaries(st.text(max_size=3), st.integers(0, 10**14)), st.integers(0, 10**12))
def test_a_split_loses_no_cent_and_is_fair_to_a_cent(weights: dict[str, int], cents: int) -> None:
    parts = split(cents, weights)
    total = sum(weights.values())

    assert sum(parts.values()) == (cents if total else 0)
    assert all(
        abs(parts[name] - Fraction(cents * weight, total)) < 1
        for name, weight in weights.items()
        if total
    )


def test_a_touch_has_the_moments_of_its_half_hour_up_to_the_order() -> None:
    begins = AT // HALF_HOUR_MS * HALF_HOUR_MS
    clicks = [click("a", begins + n * MINUTE_MS) for n in (29, 3, 7, 17, 30)]

    expected = read(*clicks, paid(at=begins + 10 * MINUTE_MS))

    (order,) = expected.orders.values()
    assert order.touches == (Touch(begins + 7 * MINUTE_MS, "a", "click", begins + 3 * MINUTE_MS),)


@pytest.mark.parametrize(("late", "counting"), [(-1, 1), (0, 1), (1, 0)])
def test_a_lookback_ends_to_the_millisecond(late: int, counting: int) -> None:
    expected = read(click("a", AT - 30 * DAY_MS - late), paid())

    (order,) = expected.orders.values()
    assert len(order.touches) == counting


def test_only_the_thirty_two_newest_are_looked_at_even_if_they_do_not_count() -> None:
    views = [
        click(f"v{n:02}", AT - 8 * DAY_MS, event="impression", visible_ms=1_000) for n in range(32)
    ]

    expected = read(click("a", AT - 9 * DAY_MS), *views, paid(77))

    assert the_credits(expected, "last") == {"organic": (77, 0)}


def test_a_kol_met_both_ways_is_direct() -> None:
    expected = read(
        click("a", AT - 2, share_id="s"), click("b", AT - 1, share_id="s"), click("a"), paid()
    )

    (order,) = expected.orders.values()
    assert order.via == {"a": "direct", "b": "share"}


def test_the_earlier_of_two_payments_stands_whichever_came_first() -> None:
    expected = read(
        click("a", AT - 5),
        paid(100, AT, brand_id="x"),
        click("b", AT),
        paid(700, AT - 2, brand_id="y"),
    )

    (order,) = expected.orders.values()
    assert (order.ordered_at, order.paid_cents, order.brand_id) == (AT - 2, 700, "y")
    assert the_credits(expected, "last") == {"a": (700, 0)}
    assert expected.doors["purchases", 0, "written"] == 2  # the second stands, it is not dropped
    assert (expected.counters["paid_replaced"], expected.counters["paid_differs"]) == (1, 1)
    assert order.again == (1, 100)
    assert [name for name, _ in expected.cells if name.startswith("~")] == ["~brand:y"]


def test_refunds_never_exceed_the_payment_and_are_split_like_the_credit() -> None:
    touches = [click("a", AT - 2), click("b", AT - 1)]

    expected = read(*touches, refund(20, AT - 1), paid(101), refund(13, AT + 1))

    assert the_credits(expected, "linear") == {"a": (51, 17), "b": (50, 16)}
    assert the_credits(read(paid(5), refund(9)), "first") == {"organic": (5, 5)}
    assert the_credits(read(paid(5), cancel(AT + 1)), "first") == {"organic": (5, 5)}


@pytest.mark.parametrize(
    ("away", "given_back"),
    [
        (-DAY_MS - 1, 0),
        (-DAY_MS, 10),
        (180 * DAY_MS, 10),
        (180 * DAY_MS + 1, 0),
    ],
)
def test_a_refund_counts_from_a_day_before_to_180_days_after(away: int, given_back: int) -> None:
    at = NOW - 200 * DAY_MS
    events = sorted([paid(at=at), refund(10, at + away)], key=lambda event: int(event["ts"]))

    (order,) = read(*events).orders.values()

    assert order.refunded_cents == given_back


@pytest.mark.parametrize(
    ("events", "cents", "excess", "reversed_cents", "unasked"),
    [
        ([refund(30), reversal(30)], 0, 0, 30, 0),
        ([reversal(30), refund(30)], 0, 0, 30, 0),
        ([refund(80), refund(70), reversal(20)], 100, 30, 20, 0),  # 130 of 100
        ([refund(10), reversal(30)], 0, 0, 30, 20),
        ([refund(10), cancel(), reversal(30)], 100, 0, 30, 20),
        ([refund(150), cancel()], 100, 0, 0, 0),
        ([refund(10), reversal(10, AT - DAY_MS - 1)], 10, 0, 0, 0),
        ([refund(10), reversal(10, currency="USD")], 10, 0, 0, 0),
        ([refund(10, currency="JPY"), reversal(4)], 0, 0, 4, 4),
        ([refund(10, currency=" cny"), reversal(4, currency="")], 6, 0, 4, 0),
    ],
)
def test_a_reversal_takes_back_what_was_asked_and_no_cancel(
    events: list[dict[str, Any]], cents: int, excess: int, reversed_cents: int, unasked: int
) -> None:
    first = [event for event in events if event["ts"] < AT]
    order = the_order(read(*first, paid(100), *[e for e in events if e["ts"] >= AT]))
    found = order.given_back

    assert (found.cents, found.excess_cents) == (cents, excess)
    assert (found.reversed_cents, found.unasked_cents) == (reversed_cents, unasked)


def test_what_concerns_an_order_in_another_currency_or_time_is_counted_apart() -> None:
    ago = AT - DAY_MS - 1

    expected = read(refund(1, ago, currency="USD"), refund(2, ago), paid(9, currency="USD "))
    foreign = read(paid(9, currency="usd"), refund(1), refund(2, currency="CNY"), cancel())

    assert (the_order(expected).currency, the_order(foreign).currency) == ("USD", "USD")
    given_back = [the_order(one).given_back for one in (expected, foreign)]
    assert [(one.outside, one.foreign) for one in given_back] == [(2, 0), (0, 1)]
    assert [one.cents for one in given_back] == [0, 9]


def test_cells_of_brands_have_the_shop_s_currency_only() -> None:
    brand: dict[str, Any] = {"brand_id": "x"}

    def cents(*events: dict[str, Any]) -> tuple[int, int, int]:
        expected = read(*[event | brand for event in events])
        cells = expected.cells.values()
        sums = [sum(cell.get(n, 0) for cell in cells) for n in ("paid_cents", "refund_cents")]
        return sums[0], sums[1], expected.counters["foreign_currency"]

    assert cents(paid(9, currency="cny"), refund(4), reversal(3)) == (9, 1, 0)
    assert cents(paid(9, currency="USD"), refund(4), reversal(3)) == (0, 0, 3)
    assert cents(paid(9, currency="USD"), refund(4, currency="CNY"), cancel()) == (0, 4, 2)
    assert cents(refund(4), paid(9, currency="USD")) == (0, 0, 2)
    assert cents(refund(4, AT - 2 * HOUR_MS), paid(9, currency="USD")) == (0, 0, 2)
    ago, other = AT - 2 * HOUR_MS - MINUTE_MS, cancel(order="other")
    assert cents(refund(4, ago), paid(9, currency="USD")) == (0, 0, 2)
    # the other one closes its minute before the order comes: it stays where it was
    assert cents(refund(4, ago), other, paid(9, currency="USD")) == (0, 4, 1)
    assert cents(refund(4, ago + 1), other, paid(9, currency="USD")) == (0, 4, 1)
    assert cents(refund(4, ago + MINUTE_MS), other, paid(9, currency="USD")) == (0, 0, 2)
    # an earlier `paid` of the same order moves both to the shop's currency
    both = [paid(9, currency="USD"), refund(4), paid(7, AT - 1)]
    assert cents(*both) == (7, 4, 0)


@pytest.mark.parametrize(("ago", "unmatched"), [(26 * HOUR_MS, 0), (26 * HOUR_MS + 1, 1)])
def test_a_refund_waits_twenty_six_hours_for_its_order(ago: int, unmatched: int) -> None:
    expected = read(refund(1, AT - ago), cancel(order="other"), paid(9))

    assert expected.counters["refund_unmatched"] == 1 + unmatched
    assert expected.counters["refund_outside"] == 1 - unmatched


@pytest.mark.parametrize(("late", "orders"), [(0, 1), (1, 2)])
def test_an_order_is_known_for_180_days_and_two_hours(late: int, orders: int) -> None:
    at, known = NOW - 200 * DAY_MS, 180 * DAY_MS + 2 * HOUR_MS
    closing = cancel(at + known + late, order="other")

    expected = read(paid(9, at), closing, paid(9, at + known), refund(1, at + known))

    assert len(expected.orders) == orders
    assert expected.doors["purchases", 0, "duplicate_order"] == 2 - orders
    assert expected.counters["refund_outside"] == 2 - orders


def test_a_shop_has_another_currency_if_it_is_set() -> None:
    lines = [Line("purchases", "u1", {"event_id": "e", "user_id": "u1"} | paid(7, brand_id="x"))]

    expected = oracle(records(lines, 1, NOW), 1, shop="JPY")

    assert the_order(expected).currency == "JPY"
    assert [cell["paid_cents"] for cell in expected.cells.values()] == [7]


@pytest.mark.parametrize("nobody", ["Undefined ", "０", "\u200b", " ", "[OBJECT\tobject]", "-1"])
def test_a_placeholder_behaves_in_no_way_but_buys(nobody: str) -> None:
    refused = {"placeholder_id"}

    expected = read(click("a", user_id=nobody), paid(5, user_id=nobody), refund(2, user_id=nobody))
    about = read(click(nobody), click("b", event="save"), click(nobody, event="save"), paid(5))

    assert expected.rejected == {("clickstream", 0, 0): refused}
    assert the_credits(expected, "last") == {"organic": (5, 2)}
    assert expected.counters["placeholder_user"] == 2
    assert about.rejected == {("content-interactions", 0, 1): refused}
    assert the_credits(about, "last") == {"b": (5, 0)}
    assert about.counters["placeholder_kol"] == 1
    assert {name for name, _ in about.cells} == {"b"}


@pytest.mark.parametrize(
    ("kol", "is_reserved"),
    [
        *[
            (name, True)
            for name in ("Organic", " ｏｒｇａｎｉｃ", "org\u200danic", "～x", "\ufeff ~")
        ],
        *[(name, True) for name in ("organic\u200e", "\u202eorganic\u202c")],
        *[(name, False) for name in ("organic-life", "org anic", "Organica", "a~", "örganic")],
    ],
)
def test_reserved_names_are_reserved_however_they_are_written(kol: str, is_reserved: bool) -> None:  # noqa: FBT001  # a column of the table
    for act in ("click", "save"):
        expected = read(click(kol, event=act))
        assert list(expected.rejected.values()) == [{"reserved_id"}] * is_reserved


def test_a_kol_earns_nothing_by_himself_and_is_only_counted() -> None:
    own = [click("u1"), click("u1", event="save"), click("U1", event="like")]

    expected = read(*own, paid(5))

    assert the_credits(expected, "linear") == {"U1": (5, 0)}
    assert expected.depth == {"U1": 693_147}  # ln 2
    assert expected.counters["own_event"] == 2
    assert expected.cells["u1", AT // MINUTE_MS]["saves"] == 1


def test_a_refund_that_meets_no_order_is_written_and_unmatched() -> None:
    expected = read(refund(10, order="never"))

    assert expected.doors == {("purchases", 0, "written"): 1}
    assert expected.counters["refund_unmatched"] == 1


def test_two_hours_are_not_too_late_and_a_millisecond_more_is() -> None:
    expected = read(paid(), refund(1, AT - 2 * HOUR_MS), refund(1, AT - 2 * HOUR_MS - 1))

    assert expected.doors == {("purchases", 0, "written"): 2, ("purchases", 0, "too_late"): 1}
    assert expected.dropped == {("purchases", 0, 2): "too_late"}


def test_an_id_is_forgotten_once_its_time_could_not_be_accepted_any_more() -> None:
    def doors(between: int) -> list[str]:
        expected = read(
            click("a", event_id="same"),
            click("b", AT + between),
            click("c", AT + between, event_id="same"),
        )
        return sorted(door for _, _, door in expected.doors.elements())

    assert doors(2 * HOUR_MS) == ["duplicate", "written", "written"]
    assert doors(2 * HOUR_MS + 1) == ["written", "written", "written"]


def test_a_user_is_new_once_in_every_minute_hour_day_and_week() -> None:
    monday = 1_759_708_800_000 - 7 * DAY_MS  # 2025-09-29 00:00 UTC
    times = [
        monday - 1,
        monday,
        monday + 61_000,
        monday + HOUR_MS,
        monday + DAY_MS,
        monday + DAY_MS,
    ]

    expected = read(*[click("a", at) for at in times])

    found = {
        minute - monday // MINUTE_MS: [
            cell.get(f"users{name}", 0) for name in ("", "_hour", "_day", "_week")
        ]
        for (_, minute), cell in expected.cells.items()
    }
    assert found == {
        -1: [1, 1, 1, 1],
        0: [1, 1, 1, 1],
        1: [1, 0, 0, 0],
        60: [1, 1, 0, 0],
        1440: [1, 1, 1, 0],
    }


def test_the_depth_of_a_day_is_the_logarithm_of_its_weights() -> None:
    acts = [{"event": kind, "kol_id": "a", "ts": AT} for kind in ("like", "save", "view")]

    expected = read(*acts, click("a"), {"event": "share", "kol_id": "a", "ts": AT + DAY_MS})

    assert expected.depth == {"a": 1_609_438 + 1_945_910}  # ln 5, ln 7


@pytest.mark.parametrize(
    ("value", "reasons"),
    [
        (None, {"null_value"}),
        (b"{", {"not_json", "invalid"}),
        ({"event": "teleport"}, {"unknown_kind"}),
        ({"kol_id": "~x"}, {"reserved_id"}),
        ({"ts": 0}, {"bad_time"}),
        ({"ts": NOW + 10 * MINUTE_MS}, set()),
        ({"ts": NOW + 10 * MINUTE_MS + 1}, {"from_the_future"}),
        ({"ts": MISSING, "event": "paid"}, {"invalid", "unknown_kind"}),
        ({"user_id": "u2"}, {"wrong_partition"}),
    ],
)
def test_a_refusal_has_every_reason_that_holds(
    value: dict[str, object] | bytes | None, reasons: set[str]
) -> None:
    body = None if isinstance(value, dict) else value
    if isinstance(value, dict):
        event = {"event_id": "e", "ts": AT, "user_id": "u1", "event": "click"} | value
        body = json.dumps({k: v for k, v in event.items() if v is not MISSING}).encode()
    partition = partition_of("u1", 64)

    expected = oracle([Record("clickstream", partition, 7, NOW, body)], 64)

    assert expected.rejected.get(("clickstream", partition, 7), set()) == reasons


def test_fading_is_exact_at_whole_weeks() -> None:
    assert [faded(10_080 * weeks) for weeks in range(4)] == [2**32, 2**31, 2**30, 2**29]
    assert weights_of("time_decay", [Touch(0, "a", "click", 0)], 59_999) == {"a": 2**32}


@pytest.mark.parametrize("seed", range(3))
def test_in_any_mess_every_message_has_one_fate_and_every_cent_one_owner(seed: int) -> None:
    log = records(messy_lines(seed, NOW, users=8, days=200), 3, NOW)

    expected = oracle(log, 3)

    assert expected.doors.total() + len(expected.rejected) == len(log)
    assert all(
        [sum(column) for column in zip(*shares.values(), strict=True)]
        == [order.paid_cents, order.refunded_cents]
        for order in expected.orders.values()
        for shares in order.credits.values()
    )


def test_a_mess_follows_from_its_seed_and_its_time() -> None:
    def texts(seed: int, now: int) -> Sequence[str]:
        return [line.text for line in messy_lines(seed, now, users=3)]

    assert texts(1, NOW) == texts(1, NOW)
    assert texts(1, NOW) != texts(2, NOW)
    assert texts(1, NOW) != texts(1, NOW + 1)
