"""What `kol explain order` says of refunds that were not subtracted, and of odd events."""

from typing import Any

import pytest
from rich.text import Text

from streams.cli.explain import bought, differences, print_order
from tests.cli.stand_ins import explained


def order(currency: str = "CNY", **fields: int) -> dict[str, Any]:
    names = (
        *("excess_cents", "reversed_cents", "refunds_outside", "refunds_foreign"),
        *("paid_again", "paid_again_cents", "touches_after", "first_after_ms"),
    )
    return {"currency": currency, **dict.fromkeys(names, 0), **fields}


@pytest.mark.parametrize(
    ("one", "sentence"),
    [
        (order(excess_cents=5_742), "¥57.42 more was asked back than was paid"),
        (order("JPY", excess_cents=5_742), "JPY 5,742 more was asked back than was paid"),
        (
            order("USD", reversed_cents=3_000),
            "$30.00 of what was asked back failed and was reversed",
        ),
        (
            order(refunds_outside=1),
            "1 refund outside the window of 24 h before to 180 d after the order, not subtracted",
        ),
        (
            order(paid_again=1, paid_again_cents=25_900),
            "1 more paid with another amount, the last of ¥259.00: the earliest stands",
        ),
        (
            order(touches_after=1, first_after_ms=15_000),
            "1 touch 15 s after the order, not counted (a clock may be ahead)",
        ),
        (order("USD", refunds_foreign=2), "2 refunds in another currency than USD, not subtracted"),
    ],
)
def test_each_difference_is_a_sentence(one: dict[str, Any], sentence: str) -> None:
    assert differences(one) == [sentence]


UNKNOWN: dict[str, Any] = {
    **dict.fromkeys(("category", "sku", "size", "price_tier", "coupon_id"), ""),
    **dict.fromkeys(("qty", "margin_cents")),
    **dict.fromkeys(("list_cents", "discount_cents", "promo", "member"), 0),
    "currency": "CNY",
}


def test_of_a_product_that_is_known_is_said() -> None:
    known = {"category": "奶粉", "sku": "fh-900", "qty": 2.0, "margin_cents": 0, "promo": True}

    assert bought(UNKNOWN) == ""
    assert bought(UNKNOWN | known) == "奶粉, sku fh-900, quantity 2, margin ¥0.00, in a promotion"
    assert (
        bought(UNKNOWN | {"list_cents": 12_001, "coupon_id": "c"}) == "list price ¥120.01, coupon c"
    )


def test_an_order_without_any_has_none() -> None:
    assert differences(order()) == []


def test_no_id_and_no_name_of_a_kol_is_cut_on_a_narrow_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    kol = {"kol_id": "kol-" + "Q" * 60, "display_name": "很长的名字" * 8}
    one = explained("o1")
    one["touches"] = [one["touches"][0] | kol]
    one["models"][0]["shares"] = [one["models"][0]["shares"][0] | kol]

    print_order(one)

    text = capsys.readouterr().out
    assert "…" not in text
    assert text.count("Q") == 2 * 60
    assert text.count("很") == 2 * 8
    assert all(Text(line).cell_len <= 80 for line in text.splitlines())
