"""The views of ClickHouse, column by column.

Every view has its description in `rows.VIEWS`. `COLUMNS` says what its columns mean and in which
unit; the migrations write that into ClickHouse as comments, `make docs` into a table.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from schemas.cells import DIMENSIONS, FIELDS
from schemas.dimensions import DIMENSIONS as REFERENCE
from schemas.dimensions import Dimension
from schemas.rows import MODELS, TABLES, Table
from schemas.units import CENTS, COUNT, DAY, MS, SHARE, UTC, commented


@dataclass(frozen=True, slots=True)
class ViewColumn:
    """A column of a view: what it means, and in which unit."""

    meaning: str
    unit: str = ""  # empty: a name, a code or a text

    @property
    def comment(self) -> str:
        """What stands in `system.columns`."""
        return commented(self.meaning, self.unit)


Columns = Mapping[str, ViewColumn]


def _of(table: Table, names: Iterable[str]) -> dict[str, ViewColumn]:
    """Columns that mean what they mean in a table."""
    return {name: ViewColumn(table.meaning(name), table.unit(name)) for name in names}


def _counters(table: Table) -> dict[str, ViewColumn]:
    """The counters of a minute cell that a table has."""
    return _of(table, (name for name in FIELDS if name in table.described))


def _shown(dimension: Dimension) -> dict[str, ViewColumn]:
    """The columns of a dimension that a view shows."""
    return _of(TABLES[dimension.table], dimension.shown)


_ORDER: Final = TABLES["order_credit"]
_SCORE: Final = TABLES["kol_score"]
_HOURLY_SCORE: Final = TABLES["score_1h"]
_TRUST: Final = ("trust", "trust_lo", "trust_hi")
_RESONANCE: Final = ("resonance", "resonance_lo", "resonance_hi")

_PLACE: Final = _of(_ORDER, ("brand_id", "platform", "channel"))
_LABELS: Final = {**_PLACE, **_of(_ORDER, ("currency",))}
_WHICH_ORDER: Final = _of(_ORDER, ("ordered_at", "order_id", "user_hash"))
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
    **_of(_ORDER, ("list_cents", "discount_cents", "margin_cents")),
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
_MINUTE: Final = _of(_SCORE, ("minute",))
_HOUR: Final = _of(_HOURLY_SCORE, ("hour",))
_DAY: Final = _of(TABLES["cell_1d"], ("day",))
_CREDIT_SUMS: Final = {
    "orders": ViewColumn("orders the KOL is concerned in", COUNT),
    "credit_cents": ViewColumn("the KOL's part of their payments, refunds not deducted", CENTS),
    "refunded_cents": ViewColumn("the KOL's part of what was given back of them", CENTS),
}
_ACTIVE: Final = ViewColumn("true if the KOL was a trust node at the last minute")
_LAST_SCORE: Final = {
    **_of(
        _HOURLY_SCORE, ("model_version", *_TRUST, "trust_min", "trust_max", *_RESONANCE, "n_eff")
    ),
    "active": _ACTIVE,
}
_SNAPSHOT: Final = _of(_SCORE, ("snapshot",))
_EVENT: Final = TABLES["event"]
_OTHERWISE_IN_VIEW: Final = {  # column of `event` -> the view's
    "dwell_ms": ("dwell_ms", ViewColumn("how long it was viewed; NULL where unknown", MS)),
    "completion_ppm": (
        "completion",
        ViewColumn("part of it that was viewed; NULL where unknown", SHARE),
    ),
    "visible_ms": (
        "visible_ms",
        ViewColumn("how long an impression was visible; NULL where unknown", MS),
    ),
    "credibility_ppm": (
        "credibility",
        ViewColumn("weight of the account as evidence about a KOL; 0 of clickstream", SHARE),
    ),
    "first_screen": (
        "first_screen",
        ViewColumn("true on the first screen of results, false not; NULL where unknown"),
    ),
    "sponsored": (
        "sponsored",
        ViewColumn("true if somebody paid for the content, false not; NULL where unknown"),
    ),
    "disclosed": (
        "disclosed",
        ViewColumn("true if it says that somebody paid for it, false not; NULL where unknown"),
    ),
}


def _event_columns() -> dict[str, ViewColumn]:
    """The columns of `v_event`: those of the table, NULL where it says -1."""
    names = [name for name in _EVENT.described if name != "version"]
    return dict(
        _OTHERWISE_IN_VIEW.get(name, (name, column)) for name, column in _of(_EVENT, names).items()
    )


_MODEL: Final = ViewColumn("the model: first, last, linear, position, time_decay or shapley")
_VIA: Final = ViewColumn("direct if one of the KOL's touches is, else share; none for organic")
_CREDITED_KOL: Final = ViewColumn("the KOL, or organic where no touch counts")


def _by(model: str) -> dict[str, ViewColumn]:
    """What a model says of an order and a KOL."""
    by = f", by model {model}"
    return {
        f"orders_{model}": ViewColumn(f"1 if the order concerns the KOL{by}, else 0", COUNT),
        f"credit_{model}": ViewColumn(
            f"the KOL's part of what was paid, refunds not deducted{by}", CENTS
        ),
        f"refunded_{model}": ViewColumn(f"the KOL's part of what was given back{by}", CENTS),
    }


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
    "v_order_kol": {
        "kol_id": _CREDITED_KOL,
        **_WHICH_ORDER,
        "via": _VIA,
        **_LABELS,
        **{name: column for model in MODELS for name, column in _by(model).items()},
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
            (
                *("excess_cents", "reversed_cents", "refunds_outside", "refunds_foreign"),
                *("refund_at", "refund_cents", "refund_kind", "refund_reason"),
                *("touch_kol", "touch_at", "touch_class", "touch_via", "touch_begin"),
                *("paid_again", "paid_again_cents", "touches_after", "first_after_ms"),
            ),
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
    "v_detector": {
        "kol_id": ViewColumn("the KOL"),
        **_MINUTE,
        "stream": ViewColumn(
            "promo: orders that the KOL has the largest part of by the model time_decay, bad if "
            "bought in a promotion; refund: such orders where an age ends and of which nothing was "
            "given back before it, bad if it was in it; unfollow: users of the minute, bad if they "
            "unfollowed"
        ),
        **_of(TABLES["detector_cell"], ("bucket", "n", "k")),
    },
    "v_event": _event_columns(),
    "v_score": {
        **_KOL,
        **_MINUTE,
        **_of(_SCORE, ("model_version", *_TRUST, *_RESONANCE, "n_eff")),
        **_of(_SCORE, [f"trust_{dimension}" for dimension in DIMENSIONS]),
        "uncertainty": ViewColumn("how much of trust is prior", SHARE),
        "final": ViewColumn("true once no accepted event can change the row"),
        **_SNAPSHOT,
        **_of(
            _SCORE,
            [name for d in DIMENSIONS for name in (f"trust_{d}_lo", f"trust_{d}_hi", f"n_{d}")],
        ),
        **_of(_SCORE, ("fast", "fast_lo", "fast_hi")),
        "active": ViewColumn("true while the KOL is a trust node: the gate of trust is open"),
        **_of(_SCORE, ("missing",)),
    },
    "v_dead_letter": _of(
        TABLES["dead_letter"],
        [name for name in TABLES["dead_letter"].described if name != "version"],
    ),
    "v_door": _of(TABLES["door_count"], ("topic", "partition", "door", "kind", "n")),
    "v_cell_1h": {**_KOL, **_HOUR, **_counters(TABLES["cell_1h"])},
    "v_credit_1h": {"model": _MODEL, "kol_id": _CREDITED_KOL, **_HOUR, **_CREDIT_SUMS},
    "v_score_1h": {**_KOL, **_HOUR, **_LAST_SCORE},
    "v_cell_1d": {**_KOL, **_DAY, **_counters(TABLES["cell_1d"])},
    "v_credit_1d": {"model": _MODEL, "kol_id": _CREDITED_KOL, **_DAY, **_CREDIT_SUMS},
    "v_place_credit_1d": {
        **_PLACE,
        "kol_id": _CREDITED_KOL,
        **_DAY,
        **_of(
            TABLES["place_credit_1d"],
            [f"{kind}_{model}" for model in MODELS for kind in ("orders", "credit", "refunded")],
        ),
    },
    "v_refund_1d": {
        "model": _MODEL,
        "kol_id": _CREDITED_KOL,
        **_DAY,
        **_of(TABLES["refund_1d"], ("refunds", "refunded_cents")),
    },
    "v_score_1d": {**_KOL, **_DAY, **_LAST_SCORE},
    "v_trust_node": {
        **_KOL,
        "week": ViewColumn("Monday of the ISO week, of business days", DAY),
        **_of(_HOURLY_SCORE, ("model_version", *_TRUST, "n_eff")),
        "active": ViewColumn("true if the KOL is a trust node of the week: it was at its last day"),
        "was_active": ViewColumn("true if it was at the end of any day of the week"),
    },
    **{dimension.view: _shown(dimension) for dimension in REFERENCE if dimension.view},
}
