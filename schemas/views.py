"""The views of ClickHouse, column by column.

Every view has its description in `rows.VIEWS`. `COLUMNS` says what its columns mean and in which
unit; the migrations write that into ClickHouse as comments, `make docs` into a table.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from schemas.cells import FIELDS
from schemas.rows import TABLES, Table


@dataclass(frozen=True, slots=True)
class ViewColumn:
    """A column of a view: what it means, and in which unit."""

    meaning: str
    unit: str = ""  # empty: a name, a code or a text

    @property
    def comment(self) -> str:
        """What stands in `system.columns`.

        >>> ViewColumn("paid", "cents").comment, ViewColumn("the KOL").comment
        ('paid [cents]', 'the KOL')
        """
        return f"{self.meaning} [{self.unit}]" if self.unit else self.meaning


UTC: Final = "UTC"
CENTS: Final = "cents"
COUNT: Final = "count"
SHARE: Final = "0 to 1"

Columns = Mapping[str, ViewColumn]


def _of(table: Table, names: Iterable[str], **units: str) -> dict[str, ViewColumn]:
    """Columns that mean what they mean in a table, whose texts may name the unit."""
    found = {}
    for name in names:
        meaning, unit = table.described[name].meaning, units.get(name, "")
        found[name] = ViewColumn(meaning.replace(f", {unit}", "") if unit else meaning, unit)
    return found


def _counters(table: Table) -> dict[str, ViewColumn]:
    """The counters of a minute cell that a table has."""
    return {name: _counter(name, text) for name, text in FIELDS.items() if name in table.described}


def _counter(name: str, text: str) -> ViewColumn:
    """A counter, with the unit that its text or its name ends with."""
    meaning, _, unit = text.rpartition(", ")
    if unit in {"1e-6", "1e-12"}:
        return ViewColumn(meaning, unit)
    if unit == "milliseconds":
        return ViewColumn(meaning, "ms")
    return ViewColumn(text, CENTS if name.endswith("_cents") else COUNT)


_ORDER: Final = TABLES["order_credit"]
_SCORE: Final = TABLES["kol_score"]
_HOURLY_SCORE: Final = TABLES["score_1h"]
_CREDITS: Final = TABLES["credit_1h"]
_TRUST: Final = ("trust", "trust_lo", "trust_hi")
_RESONANCE: Final = ("resonance", "resonance_lo", "resonance_hi")
_JUDGEMENTS: Final = "judgements"
_IN_SHARES: Final = dict.fromkeys((*_TRUST, *_RESONANCE, "trust_min", "trust_max"), SHARE)

_LABELS: Final = _of(_ORDER, ("brand_id", "platform", "channel", "currency"))
_WHICH_ORDER: Final = _of(_ORDER, ("ordered_at", "order_id", "user_hash"), ordered_at=UTC)
_REFUNDED: Final = ViewColumn("given back of it, at most what was paid", CENTS)
_PROMO: Final = {
    "promo": ViewColumn("true if bought in a promotion, false if not or unknown"),
    "member": ViewColumn("true if bought by a member, false if not or unknown"),
}
_PRODUCT: Final = {
    **_of(_ORDER, ("category", "price_tier", "sku", "size")),
    "qty": ViewColumn("how much was bought; NULL where unknown", "pieces or weight"),
    **_of(_ORDER, ("coupon_id",)),
    **_PROMO,
}
_AMOUNTS: Final = {
    "paid_cents": ViewColumn("paid for the order", CENTS),
    **_of(
        _ORDER,
        ("list_cents", "discount_cents", "margin_cents"),
        **dict.fromkeys(("list_cents", "discount_cents", "margin_cents"), CENTS),
    ),
    "refunded_cents": _REFUNDED,
}
_REFUND: Final = {
    "refunded_at": ViewColumn("when it was given back: event time of the refund", UTC),
    "kind": ViewColumn(
        "refund, cancel or reversal; merged: those of one quarter of an hour, of an order with "
        "more than 256; undated: from a version that kept no times, here at the order's"
    ),
    "reason": ViewColumn("why, as the shop sent it; empty where unknown"),
}
_KOL: Final = _of(_SCORE, ("kol_id",))
_MINUTE: Final = _of(_SCORE, ("minute",), minute=UTC)
_HOUR: Final = _of(_HOURLY_SCORE, ("hour",), hour=UTC)
_DAY: Final = {"day": ViewColumn("business day, in the zone of KOL_BUSINESS_ZONE", "day")}
_CREDIT_SUMS: Final = _of(
    _CREDITS,
    ("orders", "credit_cents", "refunded_cents"),
    orders=COUNT,
    credit_cents=CENTS,
    refunded_cents=CENTS,
)
_LAST_SCORE: Final = _of(
    _HOURLY_SCORE,
    ("model_version", *_TRUST, "trust_min", "trust_max", *_RESONANCE, "n_eff"),
    **_IN_SHARES,
    n_eff=_JUDGEMENTS,
)
_SNAPSHOT: Final = _of(_SCORE, ("snapshot",))
_MODEL: Final = ViewColumn("the model: first, last, linear, position, time_decay or shapley")
_VIA: Final = ViewColumn("direct if one of the KOL's touches is, else share; none for organic")
_CREDITED_KOL: Final = ViewColumn("the KOL, or organic where no touch counts")

COLUMNS: Final[Mapping[str, Columns]] = {
    "v_order_credit": {
        "model": _MODEL,
        "kol_id": _CREDITED_KOL,
        **_WHICH_ORDER,
        "via": _VIA,
        **_LABELS,
        **_of(_ORDER, ("category",)),
        **_PROMO,
        "credit_cents": ViewColumn("the KOL's part of what was paid, refunds not deducted", CENTS),
        "refunded_cents": ViewColumn("the KOL's part of what was given back", CENTS),
    },
    "v_order": {
        **_WHICH_ORDER,
        **_LABELS,
        **_PRODUCT,
        **_AMOUNTS,
        "touches": ViewColumn("touches that count for the order", COUNT),
    },
    "v_order_touches": {
        **_WHICH_ORDER,
        **_LABELS,
        **_PRODUCT,
        **_AMOUNTS,
        **_of(
            _ORDER,
            ("excess_cents", "reversed_cents", "refunds_outside", "refunds_foreign"),
            **dict.fromkeys(("excess_cents", "reversed_cents"), CENTS),
            **dict.fromkeys(("refunds_outside", "refunds_foreign"), COUNT),
        ),
        **_of(
            _ORDER,
            ("refund_at", "refund_cents", "refund_kind", "refund_reason"),
            refund_at=UTC,
            refund_cents=CENTS,
        ),
        **_of(
            _ORDER,
            ("touch_kol", "touch_at", "touch_class", "touch_via", "touch_begin"),
            touch_at=UTC,
            touch_begin=UTC,
        ),
        **_of(
            _ORDER,
            ("paid_again", "paid_again_cents", "touches_after", "first_after_ms"),
            paid_again=COUNT,
            paid_again_cents=CENTS,
            touches_after=COUNT,
            first_after_ms="ms",
        ),
    },
    "v_refund": {
        **_WHICH_ORDER,
        **_LABELS,
        **_of(_ORDER, ("category",)),
        **_REFUND,
        "refunded_cents": ViewColumn(
            "what it took back of the payment; below 0 of a reversal, 0 of what had no effect; "
            "together the refunded_cents of v_order",
            CENTS,
        ),
    },
    "v_refund_credit": {
        "model": _MODEL,
        "kol_id": _CREDITED_KOL,
        **_WHICH_ORDER,
        "via": _VIA,
        **_LABELS,
        **_of(_ORDER, ("category",)),
        **_PROMO,
        **_REFUND,
        "refunded_cents": ViewColumn(
            "the KOL's part of it: his part of all that was given back up to this refund less his "
            "part up to the one before; over KOLs the refund's cents, over refunds the "
            "refunded_cents of v_order_credit",
            CENTS,
        ),
    },
    "v_minute": {**_KOL, **_MINUTE, **_counters(TABLES["minute_cell"])},
    "v_score": {
        **_KOL,
        **_MINUTE,
        **_of(_SCORE, ("model_version", *_TRUST, *_RESONANCE), **_IN_SHARES),
        **_of(_SCORE, ("n_eff",), n_eff=_JUDGEMENTS),
        **{
            name: ViewColumn(column.meaning, SHARE)
            for name, column in _SCORE.described.items()
            if re.fullmatch("trust_[A-Z]", name)
        },
        "uncertainty": ViewColumn("how much of trust is prior", SHARE),
        "final": ViewColumn("true once no accepted event can change the row"),
        **_SNAPSHOT,
    },
    "v_dead_letter": _of(
        TABLES["dead_letter"],
        [name for name in TABLES["dead_letter"].described if name != "version"],
        at=UTC,
    ),
    "v_door": _of(TABLES["door_count"], ("topic", "partition", "door", "kind", "n"), n=COUNT),
    "v_cell_1h": {**_KOL, **_HOUR, **_counters(TABLES["cell_1h"])},
    "v_credit_1h": {"model": _MODEL, "kol_id": _CREDITED_KOL, **_HOUR, **_CREDIT_SUMS},
    "v_score_1h": {**_KOL, **_HOUR, **_LAST_SCORE},
    "v_cell_1d": {**_KOL, **_DAY, **_counters(TABLES["cell_1d"])},
    "v_credit_1d": {"model": _MODEL, "kol_id": _CREDITED_KOL, **_DAY, **_CREDIT_SUMS},
    "v_score_1d": {**_KOL, **_DAY, **_LAST_SCORE},
}
