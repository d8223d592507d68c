from typing import Any

import pytest

from schemas.columns import Behaviour, Purchases
from schemas.events import CLICKSTREAM, INTERACTIONS, PURCHASES
from streams.core.user.content import contents
from tests.builders import NOON, Message, click, decoded, interaction, paid, refund


def content(topic: str, message: Message) -> int:
    facts = decoded(topic, [message]).facts
    assert isinstance(facts, Behaviour | Purchases)
    return int(contents(facts, "CNY")[0])


def alike(topic: str, one: Message, other: Message) -> bool:
    return content(topic, one) == content(topic, other)


@pytest.mark.parametrize(
    "change", [{"ts": NOON + 1}, {"kol_id": "k2"}, {"event": "pdp_view"}, {"kol_id": None}]
)
def test_events_of_another_time_kol_or_kind_say_something_else(change: dict[str, Any]) -> None:
    assert not alike(CLICKSTREAM, click(), click() | change)


@pytest.mark.parametrize(
    "change",
    [
        *({"ts": NOON + 1}, {"pay_cents": 1}, {"order_id": "o2"}, {"kind": "refund"}),
        {"currency": "USD"},
    ],
)
def test_purchases_of_other_money_or_another_order_say_something_else(
    change: dict[str, Any],
) -> None:
    assert not alike(PURCHASES, paid(), paid() | change)


def test_what_says_the_same_in_other_words_does_not_differ() -> None:
    assert alike(PURCHASES, refund("o1"), refund("o1", order_id="r2"))
    assert alike(PURCHASES, paid(), paid(sku="s", category="c"))
    assert alike(PURCHASES, paid(currency=" cny"), paid(currency=None))  # both the shop's
    assert alike(INTERACTIONS, interaction(), interaction(dwell_ms=7_000))
    assert not alike(PURCHASES, refund(currency="CNY"), refund())  # its order's


def test_names_are_told_apart_in_one_batch() -> None:
    facts = decoded(CLICKSTREAM, [click(kol_id=f"k{n}") for n in range(1000)]).facts
    assert isinstance(facts, Behaviour)

    assert len(set(contents(facts, "CNY").tolist())) == 1000
