"""An order's credits are compared with those of its own user."""

from collections.abc import Mapping
from typing import Any

import pytest

from streams.core.user.attribution import explained
from streams.operations import explain
from streams.operations.explain import explained_orders

AT = 1_767_225_600_000
PAID = {"hash-a": 100, "hash-b": 200}  # cents of two users' orders of one id in one millisecond
MODELS = [one.model for one in explained(AT, 1, 0, [])]


def order(user: str) -> dict[str, Any]:
    columns = (
        *("touch_kol", "touch_class", "touch_via", "begin_ms", "last_ms", "begun", "touched"),
        *("refunded", "refund_cents", "refund_kind", "refund_reason"),
    )
    texts = (
        *("brand_id", "platform", "channel", "currency", "ordered_at", "category", "price_tier"),
        *("sku", "size", "coupon_id"),
    )
    return {
        "order_id": "o1",
        "user_hash": user,
        "at": AT,
        "paid_cents": PAID[user],
        "refunded_cents": 0,
        "paid_again": 0,
        "paid_again_cents": 0,
        "touches_after": 0,
        "first_after_ms": 0,
        **dict.fromkeys(("excess_cents", "reversed_cents"), 0),
        **dict.fromkeys(("refunds_outside", "refunds_foreign"), 0),
        **dict.fromkeys(("qty", "margin_cents")),
        **dict.fromkeys(("promo", "member", "list_cents", "discount_cents"), 0),
        **dict.fromkeys(texts, ""),
        **{name: [] for name in columns},
    }


def credit(user: str, model: str, cents: int) -> dict[str, Any]:
    row = {"user_hash": user, "model": model, "kol_id": "organic", "at": AT}
    return row | {"credit_cents": cents, "refunded_cents": 0}


def agrees(monkeypatch: pytest.MonkeyPatch, cents: Mapping[str, int]) -> list[bool]:
    """What is said of both orders; nobody touched them, so each model credits nobody with all."""
    orders = [order(user) for user in PAID]
    credits_ = [credit(user, model, n) for user, n in cents.items() for model in MODELS]
    monkeypatch.setattr(
        explain, "query", lambda _, sql, __: orders if "v_order_touches" in sql else credits_
    )
    return [one["agrees"] for one in explained_orders(None, "o1")]  # type: ignore[arg-type]  # of nobody


def test_orders_of_two_users_with_one_id_and_one_millisecond_both_agree(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert agrees(monkeypatch, PAID) == [True, True]


def test_one_of_them_alone_may_disagree(monkeypatch: pytest.MonkeyPatch) -> None:
    assert agrees(monkeypatch, PAID | {"hash-b": 199}) == [True, False]
