"""The unit of a column, by its name and type: one rule for tables and views.

Names say it (`paid_cents`, `dwell_ms`), types do (moments are UTC), texts of counters end with it;
the others stand in `_NAMED`. A text without a unit is a name, a code, a version or a flag.
"""

from typing import Final

from schemas.cells import FIELDS

UTC: Final = "UTC"
CENTS: Final = "cents"
COUNT: Final = "count"
SHARE: Final = "0 to 1"
MS: Final = "ms"
DAY: Final = "day"
JUDGEMENTS: Final = "judgements"

_ENDS: Final = {"1e-6": "millionths", "1e-12": "trillionths", "milliseconds": MS}  # of a text
_SUFFIXES: Final = {"_cents": CENTS, "_ms": MS, "_ppm": "millionths"}  # of a name
_PREFIXES: Final = {
    "credit_": CENTS,
    "refunded_": CENTS,
    "orders_": COUNT,
    "trust_": SHARE,
    "resonance_": SHARE,
    "fast_": SHARE,
    "n_": JUDGEMENTS,
}
_NAMED: Final = {
    **dict.fromkeys(("trust", "fast", "resonance", "uncertainty", "confidence"), SHARE),
    **dict.fromkeys(
        ("n", "k", "touches", "orders", "refunds", "paid_again", "touches_after"), COUNT
    ),
    **dict.fromkeys(("refunds_outside", "refunds_foreign"), COUNT),
    "account_age_d": "days",
    "share_depth": "hops",
    "qty": "pieces or weight",
    "nps": "0 to 10",
    "brand_lift": "-1 to 1",
    "authenticity": "1 to 5",
    "target_segment": SHARE,
    "tags": "weight",
}


def unit_of(name: str, kind: str) -> str:
    """The unit of a column of this name and ClickHouse type; empty where it has none.

    >>> unit_of("paid_cents", "Int64"), unit_of("at", "DateTime64(3, 'UTC')"), unit_of("door", "")
    ('cents', 'UTC', '')
    """
    if "DateTime" in kind:
        return UTC
    if kind == "Date":
        return DAY
    if name in FIELDS:
        _, _, end = FIELDS[name].rpartition(", ")
        by_name = (unit for suffix, unit in _SUFFIXES.items() if name.endswith(suffix))
        return _ENDS.get(end) or next(by_name, COUNT)
    for suffix, unit in _SUFFIXES.items():
        if name.endswith(suffix):
            return unit
    for prefix, unit in _PREFIXES.items():
        if name.startswith(prefix):
            return unit
    return _NAMED.get(name, "")


def without_unit(text: str, unit: str) -> str:
    """A meaning whose end or middle names the unit, without it.

    >>> without_unit("resonance, 0 to 1; NULL while nothing is known", "0 to 1")
    'resonance; NULL while nothing is known'
    """
    words = [unit, *(end for end, of in _ENDS.items() if of == unit)]
    for word in words if unit else []:
        text = text.replace(f", {word}", "")
    return text


def commented(meaning: str, unit: str) -> str:
    """What stands in `system.columns`.

    >>> commented("paid", "cents"), commented("the KOL", "")
    ('paid [cents]', 'the KOL')
    """
    return f"{meaning} [{unit}]" if unit else meaning
