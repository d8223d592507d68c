import inspect
import json
import math
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import decode
from schemas.columns import NONE, UNKNOWN_CENTS, Behaviour, Codes, Decoded, Purchases, RecordBatch
from schemas.doors import RejectReason
from schemas.events import (
    CLICKSTREAM,
    FUTURE_MS,
    INPUTS,
    INTERACTIONS,
    KINDS,
    MAX_CENTS,
    MAX_DEPTH,
    MAX_EVENT_BYTES,
    MAX_ID,
    PURCHASES,
    YEAR_2000,
    Kind,
)
from schemas.identity import user_key
from schemas.partitioner import partition_of
from schemas.values import plain
from tests.builders import (
    HOUR,
    KEY,
    NAMES,
    NOON,
    Message,
    cancel,
    click,
    decoded,
    interaction,
    paid,
    record_batch,
    refund,
)
from tests.keyed import identity, order_key, words
from tests.schemas.plain import plain_reason
from tests.strategies import BAD, events, json_values, messages, record_batches

NAMED = {  # column of codes -> its list of names
    "kol": "kols",
    "brand": "brands",
    "platform": "platforms",
    "channel": "channels",
    "currency": "currencies",
    "category": "categories",
    "price_tier": "price_tiers",
    "size": "sizes",
}


def rows(result: Decoded) -> list[tuple[Any, ...]]:
    """Every row of every column, codes as names, to be compared."""
    facts = result.facts
    columns = {field.name: getattr(facts, field.name) for field in fields(facts)}
    for code, names in NAMED.items():
        if code in columns:
            known = columns.pop(names)
            columns[code] = [known[i] if i >= 0 else None for i in columns[code].tolist()]
    for name in ("topic", "partition", "next_offset"):
        del columns[name]
    return list(zip(*(map(repr, column) for column in columns.values()), strict=True))


def reasons(result: Decoded) -> list[str]:
    return [rejected.reason for rejected in result.rejected]


def reason_of(
    topic: str,
    message: Message | bytes | None,
    partition: int = 0,
    partitions: int = 1,
    received_at: int | None = None,
) -> str:
    result = decoded(topic, [message], partition, partitions, received_at=received_at)
    (reason,) = reasons(result) or ["accepted"]
    return reason


def behaviour(topic: str, *sent: Message) -> Behaviour:
    result = decoded(topic, sent)
    assert isinstance(result.facts, Behaviour)
    assert not result.rejected
    return result.facts


def purchases(*sent: Message) -> Purchases:
    result = decoded(PURCHASES, sent)
    assert isinstance(result.facts, Purchases)
    assert not result.rejected
    return result.facts


def names(known: Iterable[str], codes: Codes) -> list[str | None]:
    return [[*known, None][code] for code in codes.tolist()]


# Laws


@given(record_batches())
def test_every_message_is_either_a_fact_or_refused_with_one_known_reason(
    batch: RecordBatch,
) -> None:
    result = decode(batch, NAMES)
    offsets = [*result.facts.offset.tolist(), *(rejected.offset for rejected in result.rejected)]

    assert sorted(offsets) == batch.offsets.tolist()
    assert set(reasons(result)) <= {reason.label for reason in RejectReason}


@given(record_batches())
def test_facts_and_refusals_stand_in_the_order_of_the_log(batch: RecordBatch) -> None:
    result = decode(batch, NAMES)
    rejected_offsets = [rejected.offset for rejected in result.rejected]

    assert result.facts.offset.tolist() == sorted(result.facts.offset.tolist())
    assert rejected_offsets == sorted(rejected_offsets)


@given(record_batches(), st.data())
def test_the_cut_into_batches_does_not_matter(batch: RecordBatch, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(batch.values)))

    def part(piece: slice) -> Decoded:
        return decode(
            RecordBatch(
                batch.topic,
                batch.partition,
                batch.partitions,
                batch.first_offset,
                batch.next_offset,
                batch.values[piece],
                batch.offsets[piece],
                batch.received_at[piece],
            ),
            NAMES,
        )

    whole, head, tail = decode(batch, NAMES), part(slice(cut)), part(slice(cut, None))

    assert rows(whole) == rows(head) + rows(tail)
    assert list(whole.rejected) == [*head.rejected, *tail.rejected]


@pytest.mark.parametrize("topic", INPUTS)
@given(data=st.data())
def test_every_good_event_is_taken(topic: str, data: st.DataObject) -> None:
    assert not decoded(topic, [data.draw(events(topic))]).rejected


@pytest.mark.parametrize("topic", INPUTS)
@given(data=st.data())
def test_a_refused_message_is_kept_as_it_came_with_its_place(
    topic: str, data: st.DataObject
) -> None:
    sent = data.draw(st.lists(messages(topic), max_size=4))
    batch = record_batch(topic, sent, first_offset=40)
    by_offset = {rejected.offset: rejected for rejected in decode(batch, NAMES).rejected}

    for offset, rejected in by_offset.items():
        assert rejected.raw == batch.values[offset - 40]
        assert rejected.received_at == batch.received_at[offset - 40]
        assert (rejected.topic, rejected.partition) == (topic, 0)
        assert rejected.error


@pytest.mark.parametrize("topic", INPUTS)
@given(data=st.data())
def test_a_plain_reader_gives_the_same_reasons(topic: str, data: st.DataObject) -> None:
    raw = data.draw(messages(topic))
    (value,) = record_batch(topic, [raw]).values

    assert reason_of(topic, raw, received_at=NOON) == plain_reason(topic, value, NOON)


@pytest.mark.parametrize("topic", INPUTS)
@given(raw=st.binary(max_size=80) | json_values.map(msgspec.json.encode))
def test_no_bytes_make_the_decoder_raise(topic: str, raw: bytes) -> None:
    decoded(topic, [raw])


@pytest.mark.parametrize("topic", INPUTS)
@pytest.mark.parametrize("raw", BAD, ids=lambda raw: repr(raw[:20]))
def test_bytes_that_kill_parsers_are_only_refused(topic: str, raw: bytes) -> None:
    result = decoded(topic, [raw])

    assert len(result.rejected) == 1


@pytest.mark.parametrize("topic", INPUTS)
@given(data=st.data())
def test_the_columns_say_what_the_events_say(topic: str, data: st.DataObject) -> None:
    sent = data.draw(st.lists(events(topic), max_size=4))
    facts = decoded(topic, sent).facts

    assert facts.at.tolist() == [m["ts"] for m in sent]
    assert facts.kind.tolist() == [KINDS[topic][m.get("event") or m["kind"]] for m in sent]
    users = [user_key(m["user_id"]) for m in sent]
    ids = [identity(topic, m["user_id"], m["event_id"]) for m in sent]
    assert facts.user.tolist() == [words(KEY, "user", one) for one in users]
    assert facts.identity.tolist() == [words(KEY, "identity", one) for one in ids]


@pytest.mark.parametrize("topic", [CLICKSTREAM, INTERACTIONS])
@given(data=st.data())
def test_the_columns_of_behaviour_say_what_the_events_say(topic: str, data: st.DataObject) -> None:
    sent = data.draw(st.lists(events(topic), max_size=4))
    facts = behaviour(topic, *sent)

    def values(name: str, absent: float) -> list[Any]:
        return [absent if m.get(name) is None else m[name] for m in sent]

    assert names(facts.kols, facts.kol) == [m.get("kol_id") or None for m in sent]
    assert facts.dwell_ms.tolist() == values("dwell_ms", NONE)
    assert facts.visible_ms.tolist() == values("visible_ms", NONE)
    np.testing.assert_array_equal(facts.completion, values("completion", math.nan))
    np.testing.assert_array_equal(facts.account_age_d, values("account_age_d", math.nan))
    assert facts.shared.tolist() == [bool(m.get("share_id")) for m in sent]
    assert facts.live.tolist() == [bool(m.get("live_id")) for m in sent]


@given(st.lists(events(PURCHASES), max_size=4))
def test_the_columns_of_purchases_say_what_the_events_say(sent: list[Message]) -> None:
    facts = purchases(*sent)
    about = [
        m["order_id"] if m["kind"] == "paid" else m.get("ref_order_id") or m["order_id"]
        for m in sent
    ]

    assert facts.order_ids == about
    assert facts.user_ids == [m["user_id"] for m in sent]
    assert facts.event_ids == [m["event_id"] for m in sent]
    assert facts.raw == [msgspec.json.encode(m) for m in sent]
    assert facts.order.tolist() == [
        words(KEY, "order", order_key(m["user_id"], order))
        for m, order in zip(sent, about, strict=True)
    ]
    assert names(facts.brands, facts.brand) == [m.get("brand_id") or None for m in sent]
    assert names(facts.platforms, facts.platform) == [m.get("platform") or None for m in sent]
    assert names(facts.channels, facts.channel) == [m.get("channel_type") or None for m in sent]
    assert names(facts.currencies, facts.currency) == [
        (m.get("currency") or "").strip().upper() or None for m in sent
    ]
    assert facts.pay_cents.tolist() == [
        0 if m["kind"] == "cancel" else m["pay_cents"] for m in sent
    ]
    assert facts.list_cents.tolist() == [m.get("list_cents") or 0 for m in sent]
    assert facts.discount_cents.tolist() == [m.get("discount_cents") or 0 for m in sent]
    assert facts.promo.tolist() == [bool(m.get("promo_flag")) for m in sent]
    assert facts.member.tolist() == [bool(m.get("is_member")) for m in sent]
    assert names(facts.categories, facts.category) == [m.get("category") or None for m in sent]
    for texts, code, name in (
        (facts.price_tiers, facts.price_tier, "price_tier"),
        (facts.sizes, facts.size, "size"),
    ):
        assert names(texts, code) == [plain_tag(m.get(name)) for m in sent]
    assert facts.skus == [m.get("sku") or "" for m in sent]
    assert facts.coupon_ids == [m.get("coupon_id") or "" for m in sent]
    assert facts.reasons == [(m.get("reason") or "")[:200] for m in sent]
    np.testing.assert_array_equal(facts.qty, np.array([m.get("qty") for m in sent], np.float64))
    assert plain(facts.margin_cents) == [m.get("margin_cents") for m in sent]


def plain_tag(tag: str | float | None) -> str | None:
    """A word or a number as a text: a whole number has no point."""
    if isinstance(tag, str) or tag is None:
        return tag or None
    is_whole = isinstance(tag, int) or (abs(tag) < 2**53 and not tag % 1)
    return str(int(tag)) if is_whole else repr(tag)


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("L", "L"),
        (900, "900"),
        (900.0, "900"),
        (0.5, "0.5"),
        (-0.0, "0"),
        ("", None),
        (1e16, "1e+16"),
    ],
)
@pytest.mark.parametrize("name", ["size", "price_tier"])
def test_a_tag_is_a_word_or_a_number_as_a_text(
    name: str, tag: str | float, text: str | None
) -> None:
    facts = purchases(paid() | {name: tag})
    known = facts.sizes if name == "size" else facts.price_tiers

    assert list(known) == ([] if text is None else [text])


def test_of_a_reason_the_first_200_characters_are_kept() -> None:
    sent = [refund(reason=reason) for reason in ("x" * 201, "👶" * 300, "", None)]

    assert purchases(*sent).reasons == ["x" * 200, "👶" * 200, "", ""]


def test_an_absent_margin_is_none_and_not_nothing() -> None:
    facts = purchases(paid(margin_cents=0), paid(), paid(margin_cents=None), paid(margin_cents=-1))

    assert facts.margin_cents.tolist() == [0, UNKNOWN_CENTS, UNKNOWN_CENTS, -1]


@given(events(PURCHASES), st.sampled_from(["user_id", "order_id", "brand_id", "reason", "sku"]))
def test_the_text_of_a_rejection_never_holds_what_the_message_says(
    sent: Message, name: str
) -> None:
    secret = {name: ["13800138000"], "ts": "13800138000", "13800138000": {}}
    (rejected,) = decoded(PURCHASES, [sent | secret]).rejected

    assert "13800138000" not in rejected.error


# Refusals, one by one


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" ",
        b"{",
        b"\x00",
        b"plain words",
        b"\xef\xbb\xbf" + msgspec.json.encode(click()),
        msgspec.json.encode(click()) + b"}",
        msgspec.json.encode(click())[:-1],
        msgspec.json.encode(click()) * 2,
    ],
)
def test_what_is_no_json_is_not_json(raw: bytes) -> None:
    assert reason_of(CLICKSTREAM, raw) == "not_json"


@pytest.mark.parametrize("raw", [b"[]", b"1", b'"text"', b"true", b"null", b"[{}]"])
def test_json_that_is_no_object_is_not_json(raw: bytes) -> None:
    assert reason_of(CLICKSTREAM, raw) == "not_json"


@pytest.mark.parametrize(
    "extra",
    [b'"text":"\xff"', b'"\xff":1', b'"surplus":"\xc3"', b'"surplus":{"deep":["\xed\xa0\x80"]}'],
)
def test_bytes_that_are_not_utf8_anywhere_are_not_json(extra: bytes) -> None:
    raw = msgspec.json.encode(interaction())[:-1] + b"," + extra + b"}"

    assert reason_of(INTERACTIONS, raw) == "not_json"


def test_half_a_letter_in_each_of_two_messages_does_not_make_a_whole_one() -> None:
    first = msgspec.json.encode(interaction())[:-1] + b',"surplus":"\xe5\xa6'
    second = b'\x88"}'

    assert reasons(decoded(INTERACTIONS, [first, second])) == ["not_json", "not_json"]


@pytest.mark.parametrize("name", ["user_id", "event_id", "kol_id", "event"])
@pytest.mark.parametrize("half", ["\ud83d", "u\udc76", "\udc76\ud83d"])
def test_a_lone_surrogate_in_an_id_is_not_json(name: str, half: str) -> None:
    raw = json.dumps(interaction() | {name: half}).encode()

    assert reason_of(INTERACTIONS, raw) == plain_reason(INTERACTIONS, raw, NOON) == "not_json"


@pytest.mark.parametrize("name", ["text", "surplus", "device_hash", "\ud800"])
@pytest.mark.parametrize("half", ["\ud83d", "u\udc76", "\udc76\ud83d", "\\\ud83d", ["\udfff"]])
def test_a_lone_surrogate_in_a_field_that_is_ignored_rejects_nothing(
    name: str, half: str | list[str]
) -> None:
    more = {name: half if isinstance(half, str) or name == "surplus" else half[0]}
    raw = json.dumps(interaction() | more).encode()

    assert reason_of(INTERACTIONS, raw) == plain_reason(INTERACTIONS, raw, NOON) == "accepted"


def test_an_order_with_half_an_emoji_in_a_note_counts_and_its_bytes_stay() -> None:
    raw = json.dumps(
        paid() | {"note": "\udc00", "kol_id": "\ud83d", "emoji": "\U0001f476"}
    ).encode()
    read = decoded(PURCHASES, [raw])

    assert not read.rejected
    assert isinstance(read.facts, Purchases)
    assert read.facts.raw == [raw]


@pytest.mark.parametrize("name", ["sku", "category", "coupon_id", "reason", "size"])
def test_a_lone_surrogate_in_a_text_that_only_describes_is_read_as_a_mark(name: str) -> None:
    raw = json.dumps(paid() | {name: "太\ud83d大"}).encode()
    facts = decoded(PURCHASES, [raw]).facts
    assert isinstance(facts, Purchases)
    column = {"category": "categories", "coupon_id": "coupon_ids"}.get(name, f"{name}s")

    assert list(getattr(facts, column)) == ["太\ufffd大"]


def nested(depth: int, begin: bytes, end: bytes) -> bytes:
    """A click with a surplus field so that `depth` things are open at once."""
    inside = begin * (depth - 1) + b"1" + end * (depth - 1)
    return msgspec.json.encode(click())[:-1] + b',"surplus":' + inside + b"}"


@pytest.mark.parametrize(("begin", "end"), [(b"[", b"]"), (b'{"\\"[{":', b"}")])
def test_nesting_to_the_limit_is_taken_and_beyond_it_is_not_json(begin: bytes, end: bytes) -> None:
    assert reason_of(CLICKSTREAM, nested(MAX_DEPTH, begin, end)) == "accepted"
    assert reason_of(CLICKSTREAM, nested(MAX_DEPTH + 1, begin, end)) == "not_json"
    assert reason_of(CLICKSTREAM, nested(20_000, begin, end)) == "not_json"


def test_how_deep_the_caller_stands_does_not_change_the_answer() -> None:
    frames = len(inspect.stack())

    def below(more: int) -> str:
        if more:
            return below(more - 1)
        return reason_of(CLICKSTREAM, nested(MAX_DEPTH, b"[", b"]"))

    assert below(600 - frames) == "accepted"


def test_brackets_in_a_text_are_no_nesting() -> None:
    assert reason_of(INTERACTIONS, interaction("comment", text='[{"\\' * 2_000)) == "accepted"


def test_an_open_text_full_of_quotes_is_read_in_one_go() -> None:
    raw = b'{"text":"' + b'\\"' * (MAX_EVENT_BYTES // 2 - 10)

    assert reason_of(INTERACTIONS, raw) == "not_json"


REQUIRED = [
    *((CLICKSTREAM, click(), name) for name in ("event_id", "ts", "user_id", "event")),
    *(
        (INTERACTIONS, interaction(), name)
        for name in ("event_id", "ts", "user_id", "event", "kol_id")
    ),
    *(
        (PURCHASES, paid(), name)
        for name in ("event_id", "ts", "user_id", "order_id", "kind", "pay_cents")
    ),
    (PURCHASES, refund(), "pay_cents"),
    (PURCHASES, cancel(), "order_id"),
]


@pytest.mark.parametrize(("topic", "sent", "name"), REQUIRED)
def test_a_required_field_that_is_missing_or_null_is_invalid(
    topic: str, sent: Message, name: str
) -> None:
    assert reason_of(topic, {key: sent[key] for key in sent if key != name}) == "invalid"
    assert reason_of(topic, sent | {name: None}) == "invalid"


@pytest.mark.parametrize(
    ("topic", "sent"),
    [
        (CLICKSTREAM, click(event_id="")),
        (CLICKSTREAM, click(user_id="")),
        (INTERACTIONS, interaction(kol_id="")),
        (PURCHASES, paid("")),
    ],
)
def test_an_empty_required_name_is_invalid(topic: str, sent: Message) -> None:
    assert reason_of(topic, sent) == "invalid"


@pytest.mark.parametrize("name", ["event_id", "user_id", "kol_id", "share_id"])
def test_a_name_may_have_512_characters_and_not_one_more(name: str) -> None:
    assert reason_of(CLICKSTREAM, click(**{name: "\U0001f37c" * MAX_ID})) == "accepted"
    assert reason_of(CLICKSTREAM, click(**{name: "\U0001f37c" * MAX_ID + "x"})) == "invalid"


@pytest.mark.parametrize("ts", ["1716206400000", 1716206400000.0, True, [], 2**63, -(2**63) - 1])
def test_a_time_that_is_no_int64_is_invalid(ts: object) -> None:
    assert reason_of(CLICKSTREAM, click(ts=ts)) == "invalid"


@pytest.mark.parametrize("ts", [b"1e12", b"9" * 5_000, b"1e999", b"-0.0"])
def test_a_time_written_as_no_integer_is_invalid(ts: bytes) -> None:
    raw = msgspec.json.encode(click()).replace(str(NOON).encode(), ts)

    assert reason_of(CLICKSTREAM, raw) == "invalid"


@pytest.mark.parametrize("cents", [-1, MAX_CENTS + 1, 99.0, "99", True, False, 10**30])
@pytest.mark.parametrize("name", ["pay_cents", "list_cents", "discount_cents"])
def test_an_amount_that_is_no_integer_of_the_range_is_invalid(name: str, cents: object) -> None:
    assert reason_of(PURCHASES, paid() | {name: cents}) == "invalid"


@pytest.mark.parametrize("cents", [0, MAX_CENTS])
def test_the_ends_of_the_range_of_an_amount_are_taken(cents: int) -> None:
    assert purchases(paid(pay_cents=cents)).pay_cents.tolist() == [cents]


@pytest.mark.parametrize(
    "wrong",
    [
        {"dwell_ms": -1},
        {"dwell_ms": 1.5},
        {"completion": 1.01},
        {"completion": "0.5"},
        {"account_age_d": -1},
        {"live_id": 7},
        {"chain": ["a"] * 6},
        {"chain": "a"},
        {"viewers": True},
        {"text": {}},
    ],
    ids=str,
)
def test_an_optional_field_of_another_type_or_range_is_invalid(wrong: Message) -> None:
    assert reason_of(INTERACTIONS, interaction() | wrong) == "invalid"


@pytest.mark.parametrize(
    ("topic", "sent"),
    [
        (CLICKSTREAM, click(event="teleport")),
        (CLICKSTREAM, click(event="view")),
        (CLICKSTREAM, click(event="CLICK")),
        (CLICKSTREAM, click(event="")),
        (INTERACTIONS, interaction("click")),
        (PURCHASES, paid(kind="chargeback")),
        (PURCHASES, cancel(kind="view")),
    ],
)
def test_a_word_we_do_not_know_is_an_unknown_kind(topic: str, sent: Message) -> None:
    assert reason_of(topic, sent) == "unknown_kind"


@pytest.mark.parametrize(
    ("topic", "sent", "shown"),
    [
        (CLICKSTREAM, click(event="clack"), "`event` is 'clack',"),
        (INTERACTIONS, interaction("点赞\x1b"), "`event` is '点赞\\x1b',"),
        (PURCHASES, paid(kind="gift"), "`kind` is 'gift',"),
        (CLICKSTREAM, click(event="x" * 65), f"`event` is '{'x' * 64}…',"),
    ],
)
def test_an_unknown_kind_names_the_word(topic: str, sent: Message, shown: str) -> None:
    (rejected,) = decode(record_batch(topic, [sent]), NAMES).rejected

    assert rejected.error.startswith(shown)


@pytest.mark.parametrize(
    "kol_id",
    [
        *(
            "organic",
            "~",
            "~brand:b1",
            "Organic",
            "organic ",
            "ｏｒｇａｎｉｃ",
            "org\u200banic",
            " ~",
        ),
        *("\uff5ex", "\ufeff~", "orga\xadnic"),
    ],
)
def test_a_kol_can_not_have_a_name_of_ours(kol_id: str) -> None:
    assert reason_of(CLICKSTREAM, click(kol_id=kol_id)) == "reserved_id"
    assert reason_of(INTERACTIONS, interaction(kol_id=kol_id)) == "reserved_id"


@pytest.mark.parametrize("kol_id", ["organic-mum", "organi c", "órganic", "a~"])
def test_a_name_that_only_resembles_ours_is_free(kol_id: str) -> None:
    assert behaviour(CLICKSTREAM, click(kol_id=kol_id)).kols == [kol_id]


def test_a_message_may_have_256_kib_and_not_one_byte_more() -> None:
    raw = msgspec.json.encode(click())
    longest = raw + b" " * (MAX_EVENT_BYTES - len(raw))

    assert reason_of(CLICKSTREAM, longest) == "accepted"
    assert reason_of(CLICKSTREAM, longest + b" ") == "too_large"


def test_a_time_before_the_year_2000_is_bad() -> None:
    assert reason_of(CLICKSTREAM, click(ts=YEAR_2000)) == "accepted"
    assert reason_of(CLICKSTREAM, click(ts=YEAR_2000 - 1)) == "bad_time"
    assert reason_of(CLICKSTREAM, click(ts=NOON // 1_000)) == "bad_time"  # sent in seconds
    assert reason_of(CLICKSTREAM, click(ts=-(2**63)), received_at=NOON) == "bad_time"


def test_more_than_ten_minutes_after_the_record_time_is_the_future() -> None:
    ahead = NOON + FUTURE_MS

    assert FUTURE_MS == 10 * 60 * 1_000
    assert reason_of(CLICKSTREAM, click(ts=ahead), received_at=NOON) == "accepted"
    assert reason_of(CLICKSTREAM, click(ts=ahead + 1), received_at=NOON) == "from_the_future"
    assert reason_of(CLICKSTREAM, click(ts=2**63 - 1), received_at=NOON) == "from_the_future"


def test_a_record_without_a_value_is_a_null_value() -> None:
    assert reason_of(PURCHASES, None) == "null_value"


def test_a_user_in_another_partition_than_murmur2_says_is_in_the_wrong_one() -> None:
    right = partition_of(b"u1", 3)
    found = [reason_of(CLICKSTREAM, click(), partition=p, partitions=3) for p in range(3)]

    assert [p for p, reason in enumerate(found) if reason == "accepted"] == [right]
    assert found.count("wrong_partition") == 2


def test_of_several_foundthe_first_of_the_documented_order_is_told() -> None:
    elsewhere = 1 - partition_of(b"u1", 2)

    def reason(sent: Message, received_at: int = 0) -> str:
        return reason_of(CLICKSTREAM, sent, elsewhere, 2, received_at)

    bad = click(event="x", kol_id="~", ts=-1)

    assert reason(bad | {"event_id": ""}) == "invalid"
    assert reason(bad) == "unknown_kind"
    assert reason(bad | {"event": "click"}) == "reserved_id"
    assert reason(click(ts=-1)) == "bad_time"
    assert reason(click()) == "from_the_future"
    assert reason(click(), NOON) == "wrong_partition"


# What is accepted


def test_an_empty_kol_is_nobody() -> None:
    facts = behaviour(CLICKSTREAM, click(kol_id=""), click(kol_id=None))

    assert facts.kol.tolist() == [NONE, NONE]
    assert facts.kols == []


def test_every_optional_field_may_be_null_or_empty_or_absent() -> None:
    nothing = dict.fromkeys(["brand_id", "platform", "channel_type", "currency", "coupon_id"], "")
    full, empty = purchases(paid()), purchases(paid() | nothing)

    assert empty.brand.tolist() == [NONE]
    assert empty.currency.tolist() == [NONE]
    assert full.brand.tolist() == empty.brand.tolist()


def test_a_currency_is_the_same_in_any_case_and_with_spaces_around_it() -> None:
    sent = ["cny", " CNY", "Cny", "usd", "", "  ", None]
    facts = purchases(*(paid(currency=currency) for currency in sent))

    assert names(facts.currencies, facts.currency) == [*["CNY"] * 3, "USD", None, None, None]


def test_a_currency_that_is_none_costs_no_order() -> None:
    facts = purchases(paid(currency="Points"))

    assert names(facts.currencies, facts.currency) == ["POINTS"]


def test_a_label_nobody_told_us_about_costs_no_order() -> None:
    facts = purchases(paid(channel_type="metaverse", size=800, category="尿不湿"))

    assert facts.channels == ["metaverse"]


def test_fields_we_do_not_know_are_ignored() -> None:
    surplus = {"surplus": {"deep": [1, 2]}, "huge": 10**300}

    assert len(behaviour(CLICKSTREAM, click() | surplus)) == 1


def test_of_a_repeated_field_the_last_one_counts() -> None:
    raw = msgspec.json.encode(paid(pay_cents=700))

    for former in (b"5", b'"five"', b"-1", b"null"):
        twice = b'{"pay_cents":' + former + b"," + raw[1:]
        result = decoded(PURCHASES, [twice])
        assert isinstance(result.facts, Purchases)
        assert result.facts.pay_cents.tolist() == [700]
    assert reason_of(PURCHASES, raw[:-1] + b',"pay_cents":-1}') == "invalid"


def test_a_nul_is_a_character_like_any_other() -> None:
    facts = purchases(paid("o\0", user_id="u\0", event_id="e\0"))

    assert (facts.user_ids, facts.order_ids, facts.event_ids) == (["u\0"], ["o\0"], ["e\0"])


def test_a_refund_is_about_the_order_it_names_or_else_its_own() -> None:
    sent = refund("o1", order_id="r1")
    facts = purchases(sent, sent | {"ref_order_id": None}, sent | {"ref_order_id": ""})

    assert facts.order_ids == ["o1", "r1", "r1"]


def test_a_payment_is_about_its_own_order_whatever_it_refers_to() -> None:
    assert purchases(paid("o2", ref_order_id="o1")).order_ids == ["o2"]


def test_a_cancel_needs_no_amount_and_has_none() -> None:
    facts = purchases(cancel(), cancel(pay_cents=5))

    assert facts.pay_cents.tolist() == [0, 0]
    assert facts.kind.tolist() == [Kind.CANCEL, Kind.CANCEL]


def test_names_are_coded_by_first_appearance_among_the_taken() -> None:
    sent = [click(kol_id="~x"), click(kol_id="b"), click(kol_id="a"), click(kol_id="b")]
    result = decoded(CLICKSTREAM, sent)

    assert isinstance(result.facts, Behaviour)
    assert result.facts.kols == ["b", "a"]
    assert result.facts.kol.tolist() == [0, 1, 0]


def test_a_batch_of_nothing_is_nothing_with_the_next_offset() -> None:
    batch = RecordBatch(PURCHASES, 2, 4, 7, 19, [], np.array([], np.int64), np.array([], np.int64))
    result = decode(batch, NAMES)

    assert (len(result.facts), list(result.rejected)) == (0, [])
    assert (result.facts.next_offset, result.facts.partition) == (19, 2)
    assert result.facts.identity.shape == result.facts.user.shape == (0, 2)


@pytest.mark.parametrize("topic", INPUTS)
def test_columns_have_their_types_with_rows_and_without(topic: str) -> None:
    sent = {CLICKSTREAM: click(), INTERACTIONS: interaction(), PURCHASES: paid()}[topic]
    some, none = decoded(topic, [sent]).facts, decoded(topic, []).facts
    bad = decoded(topic, [b"x"], received_at=NOON - HOUR).facts

    def types(facts: Behaviour | Purchases) -> dict[str, Any]:
        columns = {field.name: getattr(facts, field.name) for field in fields(facts)}
        return {n: c.dtype for n, c in columns.items() if isinstance(c, np.ndarray)}

    assert types(some) == types(none) == types(bad)
    assert types(some)["at"] == np.int64
    assert types(some)["identity"] == np.uint64
    assert types(some)["kind"] == np.uint8
