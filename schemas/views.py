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
from schemas.units import CENTS, COUNT, SHARE, UTC, commented


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


def _of(table: Table, names: Iterable[str], **units: str) -> dict[str, ViewColumn]:
    """Columns that mean what they mean in a table."""
    return {
        name: ViewColumn(table.meaning(name), units.get(name, table.unit(name))) for name in names
    }


def _counters(table: Table) -> dict[str, ViewColumn]:
    """The counters of a minute cell that a table has."""
    return _of(table, (name for name in FIELDS if name in table.described))


_ORDER: Final = TABLES["order_credit"]
_SCORE: Final = TABLES["kol_score"]
_HOURLY_SCORE: Final = TABLES["score_1h"]
_TRUST: Final = ("trust", "trust_lo", "trust_hi")
_RESONANCE: Final = ("resonance", "resonance_lo", "resonance_hi")
_JUDGEMENTS: Final = "judgements"
_IN_SHARES: Final = dict.fromkeys((*_TRUST, *_RESONANCE, "trust_min", "trust_max"), SHARE)

_LABELS: Final = _of(_ORDER, ("brand_id", "platform", "channel", "currency"))
_WHICH_ORDER: Final = _of(_ORDER, ("ordered_at", "order_id", "user_hash"), ordered_at=UTC)
_AMOUNTS: Final = {
    "paid_cents": ViewColumn("paid for the order", CENTS),
    "refunded_cents": ViewColumn("given back of it, at most what was paid", CENTS),
}
_KOL: Final = _of(_SCORE, ("kol_id",))
_MINUTE: Final = _of(_SCORE, ("minute",), minute=UTC)
_HOUR: Final = _of(_HOURLY_SCORE, ("hour",), hour=UTC)
_SNAPSHOT: Final = _of(_SCORE, ("snapshot",))
_MODEL: Final = ViewColumn("the model: first, last, linear, position, time_decay or shapley")
_CREDITED_KOL: Final = ViewColumn("the KOL, or organic where no touch counts")

COLUMNS: Final[Mapping[str, Columns]] = {
    "v_order_credit": {
        "model": _MODEL,
        "kol_id": _CREDITED_KOL,
        **_WHICH_ORDER,
        "via": ViewColumn("direct if one of the KOL's touches is, else share; none for organic"),
        **_LABELS,
        "credit_cents": ViewColumn("the KOL's part of what was paid, refunds not deducted", CENTS),
        "refunded_cents": ViewColumn("the KOL's part of what was given back", CENTS),
    },
    "v_order": {
        **_WHICH_ORDER,
        **_LABELS,
        **_AMOUNTS,
        "touches": ViewColumn("touches that count for the order", COUNT),
    },
    "v_order_touches": {
        **_WHICH_ORDER,
        **_LABELS,
        **_AMOUNTS,
        **_of(
            _ORDER,
            ("excess_cents", "reversed_cents", "refunds_outside", "refunds_foreign"),
            **dict.fromkeys(("excess_cents", "reversed_cents"), CENTS),
            **dict.fromkeys(("refunds_outside", "refunds_foreign"), COUNT),
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
    "v_credit_1h": {
        "model": _MODEL,
        "kol_id": _CREDITED_KOL,
        **_HOUR,
        "orders": ViewColumn("orders of that hour that the KOL is concerned in", COUNT),
        "credit_cents": ViewColumn("the KOL's part of their payments, refunds not deducted", CENTS),
        "refunded_cents": ViewColumn("the KOL's part of what was given back of them", CENTS),
    },
    "v_score_1h": {
        **_KOL,
        **_HOUR,
        **_of(
            _HOURLY_SCORE,
            ("model_version", *_TRUST, "trust_min", "trust_max", *_RESONANCE, "n_eff"),
            **_IN_SHARES,
            n_eff=_JUDGEMENTS,
        ),
    },
}
