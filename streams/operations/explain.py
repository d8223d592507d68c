"""Why an order is credited as it is: its touches, each model's weights and cents, recomputed."""

from collections.abc import Mapping
from typing import Any

from clickhouse_connect.driver.client import Client

from schemas.events import PURCHASES
from schemas.letters import FIELDS, INPUT, Letter
from streams.clients.clickhouse import query
from streams.core.user.attribution import Explained, Touch, explained
from streams.operations.display_names import display_names

MINUTE_MS = 60_000
MOST_LETTERS = 20
ORDER_FIELDS = (
    *("order_id", "ordered_at", "brand_id", "platform", "channel", "currency"),
    *("category", "price_tier", "sku", "size", "qty", "coupon_id", "promo", "member"),
    *("paid_cents", "list_cents", "discount_cents", "margin_cents"),
    *("refunded_cents", "excess_cents", "reversed_cents"),
    *("refunds_outside", "refunds_foreign"),
)


def explained_orders(client: Client, order_id: str) -> list[dict[str, Any]]:
    """Every order with this id, the newest first; an id is unique for one user only.

    The weights are computed by the rules of this version; `agrees` tells whether they lead to
    the cents in ClickHouse.
    """
    found = query(
        client,
        f"SELECT {', '.join(ORDER_FIELDS)},"  # noqa: S608  # columns of ours
        " user_hash, toUnixTimestamp64Milli(ordered_at) AS at,"
        " touch_kol, touch_class, touch_via, paid_again, paid_again_cents,"
        " touches_after, first_after_ms,"
        " arrayMap(t -> toUnixTimestamp64Milli(t), touch_begin) AS begin_ms,"
        " arrayMap(t -> toUnixTimestamp64Milli(t), touch_at) AS last_ms,"
        " arrayMap(t -> toString(t), touch_begin) AS begun,"
        " arrayMap(t -> toString(t), touch_at) AS touched,"
        " arrayMap(t -> toString(t), refund_at) AS refunded, refund_cents, refund_kind,"
        " refund_reason"
        " FROM v_order_touches WHERE order_id = {order_id:String} ORDER BY ordered_at DESC",
        {"order_id": order_id},
    )
    credited = query(
        client,
        "SELECT user_hash, model, kol_id, toUnixTimestamp64Milli(ordered_at) AS at, credit_cents,"
        " refunded_cents FROM v_order_credit WHERE order_id = {order_id:String}",
        {"order_id": order_id},
    )
    cents = {
        (row["user_hash"], row["at"], row["model"], row["kol_id"]): (
            row["credit_cents"],
            row["refunded_cents"],
        )
        for row in credited
    }
    names = display_names(client, {kol for row in found for kol in row["touch_kol"]})
    return [_explained(row, cents, names) for row in found]


def letters_about(client: Client, order_id: str) -> list[Letter]:
    """Dead letters of purchases that name this order, the newest first, at most `MOST_LETTERS`.

    A message that is no JSON names it if its bytes hold the id.
    """
    found = query(
        client,
        f"SELECT {FIELDS} FROM v_dead_letter"  # noqa: S608  # columns of ours
        " WHERE topic = {topic:String} AND target = {target:String} AND {order_id:String} != ''"
        " AND if(isValidJSON(payload), {order_id:String} IN"
        " (JSONExtractString(payload, 'order_id'), JSONExtractString(payload, 'ref_order_id')),"
        " position(payload, {order_id:String}) > 0)"
        f" ORDER BY at DESC, partition, offset LIMIT {MOST_LETTERS}",
        {"topic": PURCHASES, "target": INPUT, "order_id": order_id},
    )
    return [Letter.read(row) for row in found]


def _explained(
    row: dict[str, Any],
    cents: dict[tuple[str, int, str, str], tuple[int, int]],
    names: Mapping[str, str],
) -> dict[str, Any]:
    columns = (row[name] for name in ("touch_kol", "begin_ms", "last_ms", "touch_class"))
    touches = [Touch(*values) for values in zip(*columns, strict=True)]
    models = explained(row["at"], row["paid_cents"], row["refunded_cents"], touches)
    refunds = (row[name] for name in ("refunded", "refund_cents", "refund_kind", "refund_reason"))
    return {name: row[name] for name in ORDER_FIELDS} | {
        "refunds": [
            {"at": at, "cents": cents, "kind": kind, "reason": reason}
            for at, cents, kind, reason in zip(*refunds, strict=True)
        ],
        "touches": [
            _touch(touch, begin, at, row["at"], names)
            for touch, begin, at in zip(touches, row["begun"], row["touched"], strict=True)
        ],
        "paid_again": row["paid_again"],
        "paid_again_cents": row["paid_again_cents"],
        "touches_after": row["touches_after"],
        "first_after_ms": row["first_after_ms"],
        "models": [_model(model, names) for model in models],
        "agrees": all(
            cents.get((row["user_hash"], row["at"], model.model, kol), (0, 0))
            == (credit, model.refunded[kol])
            for model in models
            for kol, credit in model.credit.items()
        ),
    }


def _touch(
    touch: Touch, begin: str, at: str, ordered_at: int, names: Mapping[str, str]
) -> dict[str, Any]:
    return {
        "kol_id": touch.kol_id,
        "display_name": names.get(touch.kol_id, ""),
        "begin": begin,
        "at": at,
        "class": touch.klass,
        "via": touch.via,
        "age_minutes": (ordered_at - touch.last) // MINUTE_MS,
    }


def _model(model: Explained, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "model": model.model,
        "touch_weights": list(model.weights),
        "total_weight": sum(model.totals.values()),
        "shares": [
            {
                "kol_id": kol,
                "display_name": names.get(kol, ""),
                "weight": model.totals.get(kol, 0),
                "credit_cents": credit,
                "refunded_cents": model.refunded[kol],
            }
            for kol, credit in model.credit.items()
        ],
    }
