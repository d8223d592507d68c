"""What the dimensions must say of reference topics, computed again in plain Python from records.

As `tests.oracle`: an independent reading of the definitions. Which records are refused, and why,
whoever made them says.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from streams.clients.kafka_reader import TopicRecord
from tests import keyed
from tests.event_oracle import ALLOWED, Consents
from tests.oracle import is_nobody, tag

Row = tuple[Any, ...]
Value = Mapping[str, Any]
Faults = Mapping[tuple[str, bytes | None, bytes | None], str]  # topic, key, value -> reason
KINDS_OF_CENTS: Final = ("fee", "commission", "seeding", "coupon")


@dataclass(slots=True)
class Known:
    """What stands in the end of all records, by topic and key; and what was refused."""

    newest: dict[tuple[str, bytes], tuple[int, Value | None]] = field(default_factory=dict)
    letters: Counter[Row] = field(default_factory=Counter)  # topic, partition, offset, reason

    @property
    def consents(self) -> Consents:
        """What each user allows; who was refused or took it back allows nothing, from then on."""
        return {
            key.decode(): (at, frozenset(name for name in ALLOWED if (value or {}).get(name)))
            for (topic, key), (at, value) in self.newest.items()
            if topic == "kol-consents"
        }

    def rows(self, secret: bytes) -> dict[str, Counter[Row]]:
        """The rows of each dimension that count, as their readers want them."""
        found: dict[str, Counter[Row]] = {topic: Counter() for topic in ROWS}
        for (topic, _), (at, value) in self.newest.items():
            if value is not None:
                row = ROWS[topic](value, lambda one: keyed.user_hash(secret, one))
                found[topic][(*row, at)] += 1
        return found


def known(records: Iterable[TopicRecord], faults: Faults) -> Known:
    """Read all records of reference topics, those of a partition by offset."""
    found = Known()
    for one in sorted(records, key=lambda record: (record.topic, record.partition, record.offset)):
        why = faults.get((one.topic, one.key, one.value))
        if why:
            found.letters[one.topic, one.partition, one.offset, why] += 1
        if one.key is not None:
            is_said = one.value is not None and not why
            value = json.loads(one.value or b"") if is_said else None
            found.newest[one.topic, one.key] = one.at, value
    return found


Name = Callable[[str], str]


def _words(value: Value, name: str) -> tuple[str, ...]:
    return tuple(value.get(name) or ())


def _text(value: Value, name: str) -> str:
    return value.get(name) or ""


def _float(value: Value, name: str) -> float | None:
    return None if value.get(name) is None else float(value[name])


def _weights(value: Value, name: str) -> Row:
    return tuple(sorted((key, float(of)) for key, of in (value.get(name) or {}).items()))


def _person(value: Value, name: Name) -> str:
    user = value.get("user_id")
    return "" if not user or is_nobody(user) else name(user)


def _profile(value: Value, name: Name) -> Row:
    coupons = value.get("coupon_ids") or ()
    return (
        value["kol_id"],
        *(_text(value, field) for field in ("display_name", "tier", "vertical")),
        _words(value, "credentials"),
        value.get("verified"),
        _words(value, "value_tags"),
        value.get("virtual_kol"),
        _person(value, name),
        tuple(one["coupon_id"] for one in coupons),
        tuple(one["since"] for one in coupons),
        value.get("ts"),
    )


def _content(value: Value, _: Name) -> Row:
    return (
        *(value["content_id"], _text(value, "kol_id"), value["ts"], _text(value, "genre")),
        *(value.get("sponsored"), value.get("disclosed")),
        *(_words(value, "evidence_refs"), _words(value, "claims"), _text(value, "text")),
        *(value.get("ai_generated"), value.get("virtual_kol")),
    )


def _spend(value: Value, _: Name) -> Row:
    return (
        *(value["kol_id"], value["campaign"], value["day"]),
        *(_text(value, "brand_id"), _text(value, "currency")),
        *(value["spend_cents"].get(kind) or 0 for kind in KINDS_OF_CENTS),
        *(_weights(value, "target_segment"), _words(value, "tracked_keywords"), value.get("ts")),
    )


def _perception(value: Value, name: Name) -> Row:
    return (
        *(value["kol_id"], name(value["respondent"]), value["wave"], value["ts"]),
        *(_person(value, name), _text(value, "brand_id"), _text(value, "survey")),
        *(value.get("nps"), _float(value, "brand_lift"), _float(value, "authenticity")),
        *(value.get("aided_recall"), value.get("unaided_recall")),
    )


def _identity(value: Value, name: Name) -> Row:
    return (
        *(name(value["anon_id"]), value["ts"], name(value["user_id"])),
        *(_float(value, "confidence"), _text(value, "age_band"), _text(value, "birth_month")),
        *(tag(value.get("geo")), _weights(value, "tags")),
    )


def _policy(value: Value, _: Name) -> Row:
    texts = (_text(value, "region"), _text(value, "type"))
    return value["policy_id"], value["ts"], *texts, value.get("effective_from")


def _notice(value: Value, _: Name) -> Row:
    return value["kol_id"], value["kind"], value["ref"], value["ts"]


def _consent(value: Value, name: Name) -> Row:
    return name(value["user_id"]), *(bool(value.get(column)) for column in ALLOWED)


ROWS: Final[Mapping[str, Callable[[Value, Name], Row]]] = MappingProxyType(
    {
        "kol-profile": _profile,
        "content": _content,
        "campaign-spend": _spend,
        "perception": _perception,
        "identity": _identity,
        "policy": _policy,
        "kol-notice": _notice,
        "kol-consents": _consent,
    }
)
