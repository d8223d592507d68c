"""What else an order says, and each of its refunds, as its row has them."""

from itertools import permutations
from typing import Any

from schemas.events import PURCHASES
from streams.core.user.refund_entries import MOST
from tests.builders import (
    DAY,
    HOUR,
    MINUTE,
    NOON,
    cancel,
    click,
    interaction,
    paid,
    refund,
    reversal,
)
from tests.core.user.test_memory import IN_FULL, Reader, read

PRODUCT = (
    *("category", "price_tier", "sku", "size", "qty", "coupon_id"),
    *("promo", "member", "list_cents", "discount_cents", "margin_cents"),
)
NOTHING = ["", "", "", "", None, "", 0, 0, 0, 0, None]


def product(row: dict[str, Any]) -> list[Any]:
    return [row[name] for name in PRODUCT]


def refunds(row: dict[str, Any]) -> list[tuple[int, int, str, str]]:
    """Time after noon, cents, kind and reason of each."""
    columns = (row[f"refund_{name}"] for name in ("at", "cents", "kind", "reason"))
    return [(at - NOON, *rest) for at, *rest in zip(*columns, strict=True)]


def test_what_a_payment_does_not_say_is_unknown() -> None:
    assert product(read(paid()).order()) == NOTHING


def test_another_payment_that_stands_brings_all_that_it_says() -> None:
    full, bare = paid(**IN_FULL), paid(event_id="earlier", ts=NOON - 1)
    row, other = read(full, bare).order(), read(bare, full).order()

    assert product(row) == product(other) == NOTHING


def test_what_an_order_says_stays_with_it_when_others_leave_and_over_a_restart() -> None:
    reader = Reader(slack=0)
    day = 200 * DAY
    for n in range(5):
        reader.fold(paid(f"old{n}", sku=f"s{n}", coupon_id=f"c{n}", category=f"k{n}", size=n))
    reader.fold(refund("old1", reason="gone"))
    reader.collect()
    reader.fold(paid(ts=NOON + day, **IN_FULL), refund(ts=NOON + day, reason="太大"))
    reader.fold(click(ts=NOON + day), interaction(ts=NOON + day))  # else no minute is final
    reader.collect()
    reader.prune()
    reader.restart(life=1)
    reader.fold(refund(ts=NOON + day + 1, pay_cents=5, reason="late"))
    row = reader.order()

    assert product(row) == product(read(paid(**IN_FULL)).order())
    assert refunds(row) == [(day, 1_000, "refund", "太大"), (day + 1, 5, "refund", "late")]
    assert reader.memory.state.labels.names == ["CNY", "3", "奶粉", "900g"]


LIMITED = ("platform", "channel", "category", "price_tier", "size")


def of_its_own(n: int, ts: int = NOON) -> dict[str, Any]:
    """A payment whose words nobody else says."""
    words = {"platform": f"p{n}", "channel_type": f"c{n}", "category": f"k{n}"}
    words |= {"price_tier": f"t{n}", "size": f"z{n}"}
    return paid(f"o{n}", ts=ts, sku=f"s{n}", currency=f"m{n}") | words


def labels(row: dict[str, Any]) -> list[str]:
    return [row[name] for name in LIMITED]


def test_words_of_a_label_beyond_the_limit_are_one_word() -> None:
    reader = Reader(label_limit=2)
    reader.fold(refund("o9", platform="p9", category="k9"))  # no payment: takes no place
    reader.fold(*(of_its_own(n) for n in (0, 1, 2)))
    reader.fold(of_its_own(0) | {"order_id": "again", "event_id": "again"})
    reader.fold(of_its_own(3, NOON + 28 * DAY))

    assert labels(reader.order("o1")) == ["p1", "c1", "k1", "t1", "z1"]
    assert labels(reader.order("o2")) == ["~others"] * 5
    assert [reader.order("o2")[name] for name in ("sku", "currency")] == ["s2", "M2"]
    assert labels(reader.order("again")) == ["p0", "c0", "k0", "t0", "z0"]
    assert labels(reader.order("o3")) == ["p3", "c3", "k3", "t3", "z3"]  # four weeks later


def test_a_word_of_one_label_takes_no_place_of_another() -> None:
    reader = Reader(label_limit=1)
    reader.fold(paid() | dict.fromkeys(("platform", "channel_type", *LIMITED[2:]), "same"))
    reader.fold(paid("o2", category="other"))

    assert labels(reader.order()) == ["same"] * 5
    assert reader.order("o2")["category"] == "~others"


def test_neither_cuts_nor_restarts_show_in_which_words_are_one() -> None:
    payments = [
        of_its_own(n % 7, NOON + n) | {"order_id": f"x{n}", "event_id": f"x{n}"} for n in range(20)
    ]
    at_once, one_by_one = Reader(label_limit=3), Reader(slack=0, label_limit=3)
    at_once.fold_batch(PURCHASES, payments)
    at_once.collect()
    for n, payment in enumerate(payments):
        one_by_one.fold(payment)
        one_by_one.collect()
        one_by_one.prune()
        one_by_one.restart(life=n + 1)
    found, expected = (
        [labels(one.order(f"x{n}")) for n in range(20)] for one in (one_by_one, at_once)
    )

    assert found == expected
    assert found[:4] == [*(labels(at_once.order(f"x{n}")) for n in range(3)), ["~others"] * 5]


def test_a_producer_of_ever_new_words_fills_no_memory() -> None:
    reader = Reader(slack=0, label_limit=2)
    for n in range(50):
        reader.fold(of_its_own(n) | {"currency": "CNY"})
        reader.collect()
    reader.fold(click(), interaction())  # else nothing is pruned
    reader.prune()
    limited = [f"{word}{n}" for n in range(2) for word in "pcktz"]

    assert sorted(reader.memory.state.labels.names) == sorted(["CNY", "~others", *limited])
    assert sum(name[0] == "~" for name in reader.memory.state.names.names) == len(limited)


def test_every_refund_has_its_time_cents_kind_and_reason() -> None:
    row = read(
        paid(pay_cents=100),
        refund(pay_cents=60, ts=NOON + HOUR, reason="太大"),
        reversal(pay_cents=20, ts=NOON + DAY, reason="account closed"),
        cancel(ts=NOON + 2 * DAY),
    ).order()

    assert refunds(row) == [
        (HOUR, 60, "refund", "太大"),
        (DAY, -20, "reversal", "account closed"),
        (2 * DAY, 60, "cancel", ""),
    ]
    assert row["refunded_cents"] == 100


def test_a_refund_without_effect_stays_listed_with_nothing() -> None:
    row = read(
        refund(pay_cents=9, ts=NOON - DAY - 1),
        paid(pay_cents=100),
        refund(pay_cents=8, ts=NOON + 1, currency="USD"),
        refund(pay_cents=7, ts=NOON + 180 * DAY + 1),
    ).order()

    assert refunds(row) == [
        (-DAY - 1, 0, "refund", ""),
        (1, 0, "refund", ""),
        (180 * DAY + 1, 0, "refund", ""),
    ]
    assert (row["refunds_outside"], row["refunds_foreign"]) == (2, 1)


def test_a_refund_that_had_stopped_waiting_is_none_of_the_order() -> None:
    other = cancel("other", ts=NOON + 27 * HOUR)
    row = read(refund(ts=NOON), other, paid(ts=NOON + 26 * HOUR + MINUTE)).order()

    assert refunds(row) == []


def test_no_refund_leaves_its_order_when_an_earlier_payment_stands() -> None:
    late = refund(pay_cents=5, ts=NOON + 180 * DAY)
    row = read(paid(), late).order()
    moved = read(paid(), paid(event_id="earlier", ts=NOON - 1), late).order()

    assert refunds(row) == [(180 * DAY, 5, "refund", "")]
    assert refunds(moved) == [(180 * DAY, 0, "refund", "")]


def test_whichever_comes_first_the_row_is_the_same() -> None:
    messages = [
        paid(pay_cents=100),
        refund(pay_cents=70, ts=NOON + 5, reason="b"),
        refund(pay_cents=70, ts=NOON + 5, reason="a"),
        reversal(pay_cents=30, ts=NOON + 5),
        refund(pay_cents=70, ts=NOON + 5, reason="a", currency="JPY", event_id="j"),
    ]
    rows = {str(read(*each).order()) for each in permutations(messages)}

    assert len(rows) == 1
    assert refunds(read(*messages).order()) == [
        (5, 0, "refund", "a"),
        (5, 70, "refund", "a"),
        (5, 30, "refund", "b"),
        (5, 0, "reversal", ""),
    ]


def test_an_order_with_very_many_refunds_has_a_bounded_row() -> None:
    many = [refund(pay_cents=1, ts=NOON + n * MINUTE, event_id=f"{n}") for n in range(MOST + 14)]
    row = read(paid(pay_cents=10_000), *many).order()

    assert refunds(row) == [((15 * n + 14) * MINUTE, 15, "merged", "") for n in range(18)]
    assert row["refunded_cents"] == MOST + 14


def test_touches_and_refunds_are_lists_of_their_own() -> None:
    row = read(click(ts=NOON - 1), paid(), refund(ts=NOON + 1), refund(ts=NOON + 2)).order()

    assert (len(row["touch_at"]), len(row["refund_at"])) == (1, 2)
