"""Hypothesis strategies for records of reference topics, and the least that each needs."""

from datetime import date
from typing import Any, Final

import msgspec
from hypothesis import strategies as st

from schemas.events import MAX_CENTS
from schemas.reference_types import NOTICE_KINDS
from tests.builders import NOON, Message
from tests.strategies import cents, json_values, kols, labels, spellings, tags, text, times

LEAST: Final[dict[str, Message]] = {
    "kol-profile": {"kol_id": "k1"},
    "content": {"content_id": "c1", "ts": NOON},
    "campaign-spend": {"kol_id": "k1", "campaign": "618", "day": "2026-06-18", "spend_cents": {}},
    "perception": {"kol_id": "k1", "respondent": "r1", "wave": "w1", "ts": NOON},
    "identity": {"anon_id": "a1", "ts": NOON, "user_id": "u1"},
    "policy": {"policy_id": "p1", "ts": NOON},
    "kol-notice": {"kol_id": "k1", "kind": "violation", "ref": "r1", "ts": NOON},
    "kol-consents": {"user_id": "u1", "ts": NOON},
}

text_ids = st.text(st.sampled_from("a/%25F·k妈\0 "), min_size=1, max_size=6)
_ids = text_ids.map(lambda text: f"x{text}")  # never nobody
_past = times.map(lambda at: min(at, NOON))
_words = st.lists(labels, max_size=3)
_flags = {"verified": st.booleans(), "virtual_kol": st.booleans()}
_days = st.dates(date(2000, 1, 1), date(2099, 12, 31)).map(str)

_NEEDED: Final[dict[str, dict[str, st.SearchStrategy[Any]]]] = {
    "kol-profile": {"kol_id": kols | _ids},
    "content": {"content_id": _ids, "ts": _past},
    "campaign-spend": {
        "kol_id": kols | _ids,
        "campaign": _ids,
        "day": _days,
        "spend_cents": st.fixed_dictionaries(
            {}, optional=dict.fromkeys(("fee", "commission", "seeding", "coupon"), cents)
        ),
    },
    "perception": {"kol_id": kols | _ids, "respondent": _ids, "wave": _ids, "ts": _past},
    "identity": {"anon_id": _ids, "ts": _past, "user_id": _ids},
    "policy": {"policy_id": _ids, "ts": _past},
    "kol-notice": {
        "kol_id": kols | _ids,
        "kind": st.sampled_from(NOTICE_KINDS),
        "ref": _ids,
        "ts": _past,
    },
    "kol-consents": {"user_id": _ids, "ts": _past},
}
_OPTIONAL: Final[dict[str, dict[str, st.SearchStrategy[Any]]]] = {
    "kol-profile": {
        "ts": _past,
        "display_name": text,
        "user_id": _ids,
        "tier": labels,
        "vertical": labels,
        "credentials": _words,
        "value_tags": _words,
        **_flags,
        "coupon_ids": st.lists(
            st.fixed_dictionaries({"coupon_id": _ids, "since": times}), max_size=3
        ),
    },
    "content": {
        "kol_id": kols,
        "genre": labels,
        "sponsored": st.booleans(),
        "disclosed": st.booleans(),
        "evidence_refs": _words,
        "claims": _words,
        "text": text,
        "ai_generated": st.booleans(),
        "virtual_kol": st.booleans(),
    },
    "campaign-spend": {
        "ts": _past,
        "brand_id": _ids,
        "currency": labels,
        "target_segment": st.dictionaries(labels, st.floats(0, 1), max_size=3),
        "tracked_keywords": _words,
    },
    "perception": {
        "user_id": _ids,
        "brand_id": _ids,
        "survey": labels,
        "nps": st.integers(0, 10),
        "brand_lift": st.floats(-1, 1),
        "authenticity": st.floats(1, 5),
        "aided_recall": st.booleans(),
        "unaided_recall": st.booleans(),
    },
    "identity": {
        "confidence": st.floats(0, 1),
        "age_band": labels,
        "birth_month": st.sampled_from(["2026-03", "2019-12", "2030-01"]),
        "geo": tags,
        "tags": st.dictionaries(labels, st.floats(-9, 9), max_size=3),
    },
    "policy": {"region": labels, "type": labels, "effective_from": times},
    "kol-notice": {},
    "kol-consents": {"stage": st.booleans(), "geo": st.booleans(), "age_band": st.booleans()},
}


@st.composite
def records(draw: st.DrawFn, topic: str, *, bent: bool = False) -> Message:
    """A record that can be read at NOON; bent: with one field more, fewer or other."""
    optional = {name: st.none() | value for name, value in _OPTIONAL[topic].items()}
    sent = draw(st.fixed_dictionaries(_NEEDED[topic], optional=optional))
    if not bent or not draw(st.booleans()):
        return sent
    name = draw(st.sampled_from([*sent, "kol_id", "kind", "tags", "surplus"]))
    if draw(st.booleans()):
        return {key: value for key, value in sent.items() if key != name}
    odd = st.sampled_from(["", "organic", "~x", -1, 2**63, MAX_CENTS + 1, 1.5, "x" * 513, True])
    inner = st.dictionaries(st.sampled_from(["fee", "x", ""]), odd | json_values, max_size=2)
    value: Message = sent | {name: draw(odd | spellings | json_values | inner | st.lists(inner))}
    msgspec.json.encode(value)
    return value
