"""Hypothesis strategies for the words of `schemas`: events, messages, record batches.

Names come from small alphabets, so that users, KOLs, orders and event ids meet again.
Everything drawn by `clicks`, `interactions`, `purchases` and `events` is readable;
`messages` also draws what is not.
"""

from typing import Any

import msgspec
from hypothesis import strategies as st

from schemas.columns import RecordBatch
from schemas.events import (
    CLICKSTREAM,
    INPUTS,
    INTERACTIONS,
    KINDS,
    MAX_CENTS,
    MAX_EVENT_BYTES,
    PURCHASES,
)
from tests.builders import DAY, HOUR, NOON, Message, record_batch

text = st.text(st.characters(codec="utf-8"), max_size=12)  # Chinese, emoji, NUL: all of it
ids = st.one_of(st.sampled_from(["a", "b", "c", "妈妈", "x\0y"]), text.filter(bool))
users = st.sampled_from([f"u{i}" for i in range(6)])
kols = st.sampled_from(["k1", "k2", "k3", "妈妈测评", "K1", "zz"])
orders = st.sampled_from([f"o{i}" for i in range(8)])
times = st.integers(NOON - 2 * DAY, NOON + 2 * DAY)
cents = st.one_of(st.integers(0, 100_000), st.sampled_from([0, 1, MAX_CENTS]))
counts = st.integers(0, 120_000)
labels = st.one_of(st.sampled_from(["shelf", "social", "live", "private", ""]), text)
tags = st.one_of(labels, st.integers(-5, 5), st.floats(allow_nan=False, allow_infinity=False))


def _optional(**fields: st.SearchStrategy[Any]) -> dict[str, st.SearchStrategy[Any]]:
    return {name: st.none() | strategy for name, strategy in fields.items()}


def _events(
    needed: dict[str, st.SearchStrategy[Any]], optional: dict[str, st.SearchStrategy[Any]]
) -> st.SearchStrategy[Message]:
    always = {"event_id": st.uuids().map(str), "ts": times, "user_id": users}
    return st.fixed_dictionaries(always | needed, optional=_optional(**optional))


clicks = _events(
    {"event": st.sampled_from(list(KINDS[CLICKSTREAM]))},
    {
        "anon_id": ids,
        "device_hash": ids,
        "ip_hash": ids,
        "session_id": ids,
        "platform": labels,
        "channel_type": labels,
        "kol_id": kols | st.just(""),
        "content_id": ids,
        "share_id": ids | st.just(""),
        "share_depth": counts,
        "query": text,
        "first_screen": st.booleans(),
        "brand_id": ids,
        "category": labels,
        "price_tier": tags,
        "baby_stage": tags,
        "geo": tags,
        "exp_id": ids,
        "arm": labels,
        "visible_ms": counts,
        "slot_id": tags,
        "reco_id": ids,
        "reco_version": tags,
    },
)
interactions = _events(
    {"event": st.sampled_from(list(KINDS[INTERACTIONS])), "kol_id": kols},
    {
        "content_id": ids,
        "dwell_ms": counts,
        "completion": st.floats(0, 1),
        "text": text,
        "share_id": ids | st.just(""),
        "parent_share_id": ids,
        "share_depth": counts,
        "root_kol_id": kols,
        "chain": st.lists(ids, max_size=5),
        "reply_to": ids,
        "live_id": ids | st.just(""),
        "viewers": counts,
        "account_age_d": st.floats(0, 10_000),
        "device_hash": ids,
        "ip_hash": ids,
    },
)
_commerce = {
    "brand_id": ids,
    "sku": ids,
    "category": labels,
    "price_tier": tags,
    "qty": st.integers(0, 9) | st.floats(0, 9),
    "list_cents": cents,
    "discount_cents": cents,
    "coupon_id": ids,
    "promo_flag": st.booleans(),
    "is_member": st.booleans(),
    "channel_type": labels,
    "reason": text,
    "platform": labels,
    "margin_cents": st.integers(-MAX_CENTS, MAX_CENTS),
    "size": tags,
    "currency": st.sampled_from(["CNY", "cny ", "USD", "JPY", "points", ""]),
}
paid_orders = _events({"kind": st.just("paid"), "order_id": orders, "pay_cents": cents}, _commerce)
refunds = _events(
    {
        "kind": st.sampled_from(["refund", "refund_reversed"]),
        "order_id": orders,
        "pay_cents": cents,
    },
    _commerce | {"ref_order_id": orders | st.just("")},
)
cancels = _events(
    {"kind": st.just("cancel"), "order_id": orders},
    _commerce | {"ref_order_id": orders | st.just(""), "pay_cents": cents},
)
purchases = st.one_of(paid_orders, paid_orders, refunds, cancels)

BY_TOPIC: dict[str, st.SearchStrategy[Message]] = {
    CLICKSTREAM: clicks,
    INTERACTIONS: interactions,
    PURCHASES: purchases,
}


def events(topic: str) -> st.SearchStrategy[Message]:
    """Readable events of an input topic, as dicts."""
    return BY_TOPIC[topic]


_WIDE = {ord(narrow): ord(narrow) + 0xFEE0 for narrow in map(chr, range(0x21, 0x7F))}


@st.composite
def _spelled(draw: st.DrawFn, word: str) -> str:
    """A word with other case, width, spaces and zero-width characters, rarely another word."""
    between = st.sampled_from(
        ["", "", "", "\u200b", "\ufeff", "\xad", "\u200e", "\u202e", " ", "\n", "\u0301", "5"]
    )
    letters = [
        draw(between) + draw(st.sampled_from([c, c.upper(), c.translate(_WIDE)])) for c in word
    ]
    return "".join(letters) + draw(between)


spellings = st.sampled_from(
    ["organic", "~x", "undefined", "NaN", "0", "[object Object]", "(not set)", "", " "]
).flatmap(_spelled)  # of reserved names and placeholders

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)


@st.composite
def bent(draw: st.DrawFn, topic: str) -> Message:
    """An event with one field more, fewer or other than it should be."""
    event = draw(events(topic))
    name = draw(st.sampled_from([*event, "kind", "event", "pay_cents", "kol_id", "surplus"]))
    if draw(st.booleans()):
        return {key: value for key, value in event.items() if key != name}
    odd = st.sampled_from(["", "organic", "~x", -1, 2**63, 10**12 + 1, 1.5, "x" * 513, True])
    return event | {name: draw(odd | spellings | json_values)}


@st.composite
def mutated(draw: st.DrawFn, topic: str) -> bytes:
    """The bytes of an event after an accident: overwritten, cut, doubled."""
    raw = bytearray(msgspec.json.encode(draw(events(topic))))
    for _ in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(0, len(raw)))
        raw[begin : begin + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(raw)


BAD = (  # each of them once killed a parser
    b"",
    b"null",
    b"[]",
    b"7",
    b'"{}"',
    b"{}",
    b"\xef\xbb\xbf{}",
    b'{"event_id":"\\ud800"}',
    b'{"\xff":1}',
    b'{"ts":' + b"9" * 5000 + b"}",
    b'{"ts":NaN}',
    b'{"surplus":' + b"[" * 100_000,
    b"[" * 100_000 + b"]" * 100_000,
    b'{"a":' * 2_000 + b"1" + b"}" * 2_000,
    b" " * (MAX_EVENT_BYTES + 1),
)


def messages(topic: str) -> st.SearchStrategy[bytes | None]:
    """Anything that can stand in a record's value: events, near misses, noise, nothing."""
    return st.one_of(
        events(topic).map(msgspec.json.encode),
        events(topic).map(msgspec.json.encode),
        bent(topic).map(msgspec.json.encode),
        mutated(topic),
        json_values.map(msgspec.json.encode),
        st.binary(max_size=40),
        st.sampled_from(BAD),
        st.none(),
    )


@st.composite
def record_batches(draw: st.DrawFn, topic: str | None = None) -> RecordBatch:
    """A fetched record set with anything in it, at any place of a topic."""
    name = draw(st.sampled_from(INPUTS)) if topic is None else topic
    partitions = draw(st.integers(1, 3))
    return record_batch(
        name,
        draw(st.lists(messages(name), max_size=12)),
        partition=draw(st.integers(0, partitions - 1)),
        partitions=partitions,
        first_offset=draw(st.integers(0, 2**40)),
        received_at=draw(st.integers(NOON - HOUR, NOON + 3 * DAY)),
    )
