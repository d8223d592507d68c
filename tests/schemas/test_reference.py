"""Records of reference topics: what is taken, what is refused and why, and their keys."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.doors import RejectReason
from schemas.events import MAX_EVENT_BYTES
from schemas.partitioner import partition_of
from schemas.reference import Refused, Tombstone, own_key, read_reference
from schemas.reference_keys import KEYS, key_from, key_of, key_parts
from schemas.reference_types import (
    CONSENTS,
    CONTENTS,
    IDENTITIES,
    NOTICES,
    POLICIES,
    PROFILES,
    REFERENCES,
    SPEND,
    Consent,
    Content,
    KolProfile,
    Notice,
    Reference,
)
from tests.builders import HOUR, MINUTE, NOON, Message
from tests.references import LEAST, records, text_ids
from tests.schemas.plain import VALIDATORS

TOPICS: Final = list(REFERENCES)


def read(
    topic: str,
    value: Message | bytes | None,
    key: bytes | None = None,
    partition: int = 0,
    partitions: int = 1,
) -> Reference | Tombstone | Refused:
    """A record at NOON; a dict is encoded and gets its own key unless another is given."""
    if isinstance(value, dict):
        key = key_from(topic, [value[name] for name in KEYS[topic]]) if key is None else key
        value = msgspec.json.encode(value)
    return read_reference(topic, key, value, NOON, partition=partition, partitions=partitions)


def reason(
    topic: str,
    value: Message | bytes | None,
    key: bytes | None = None,
    partition: int = 0,
    partitions: int = 1,
) -> str:
    found = read(topic, value, key, partition, partitions)
    return found.reason.label if isinstance(found, Refused) else "accepted"


# What is taken


@pytest.mark.parametrize("topic", TOPICS)
@settings(max_examples=25)
@given(data=st.data())
def test_a_record_says_what_was_sent(topic: str, data: st.DataObject) -> None:
    sent = data.draw(records(topic))

    found = read(topic, sent)

    assert isinstance(found, REFERENCES[topic])
    said = json.loads(msgspec.json.encode(found))
    assert said == dict.fromkeys(REFERENCES[topic].__struct_fields__) | {
        name: None if value == "" else filled(name, value) for name, value in sent.items()
    }


def filled(name: str, value: object) -> object:
    """Amounts as they are read: of every kind."""
    if name == "spend_cents":
        assert isinstance(value, dict)
        return dict.fromkeys(("fee", "commission", "seeding", "coupon")) | value
    return value


@pytest.mark.parametrize("topic", TOPICS)
def test_no_field_but_the_bold_ones_is_needed(topic: str) -> None:
    assert reason(topic, LEAST[topic]) == "accepted"
    for name in LEAST[topic]:
        rest = {other: value for other, value in LEAST[topic].items() if other != name}
        assert reason(topic, rest, b"k") == "invalid"


def test_an_optional_id_that_means_nobody_is_absent() -> None:
    profile = read(PROFILES, {"kol_id": "k1", "user_id": "Undefined", "tier": ""})
    content = read(CONTENTS, LEAST[CONTENTS] | {"kol_id": "null"})

    assert profile == KolProfile(kol_id="k1")
    assert isinstance(content, Content)
    assert content.kol_id is None


def test_what_is_not_said_of_consent_is_not_allowed() -> None:
    found = read(CONSENTS, {"user_id": "u1", "ts": NOON, "geo": True, "age_band": None})

    assert isinstance(found, Consent)
    assert found.allowed == (False, True, False)


def test_half_a_character_in_a_free_text_is_read_as_a_substitute() -> None:
    found = read_reference(PROFILES, b"k1", rb'{"kol_id":"k1","display_name":"\ud83d"}', NOON)

    assert found == KolProfile(kol_id="k1", display_name="\ufffd")


def test_a_leap_day_is_a_day_in_leap_years_alone() -> None:
    days = {
        "2024-02-29": "accepted",
        "2000-02-29": "accepted",
        "2096-02-29": "accepted",
        "2025-02-29": "invalid",
        "2100-01-01": "invalid",
        "2026-04-31": "invalid",
        "2026-12-31": "accepted",
        "2026-13-01": "invalid",
        "2026-1-01": "invalid",
        "1999-12-31": "invalid",
        "2026-01-00": "invalid",
        "2026-01-01\n": "invalid",
        "\u0662\u0660\u0662\u0666-01-01": "invalid",
    }

    assert {day: reason(SPEND, LEAST[SPEND] | {"day": day}) for day in days} == days


@given(st.dates(date(2000, 1, 1), date(2099, 12, 31)))
def test_every_day_of_this_century_is_a_day(day: date) -> None:
    assert reason(SPEND, LEAST[SPEND] | {"day": day.isoformat()}) == "accepted"


# What is refused


def test_a_record_without_a_key_is_refused_since_compaction_could_not_keep_it() -> None:
    value = msgspec.json.encode(LEAST[PROFILES])

    for key in (None, b""):
        found = read_reference(PROFILES, key, value, NOON)
        assert isinstance(found, Refused)
        assert found.reason is RejectReason.NULL_KEY
        assert reason(PROFILES, None, key) == "null_key"


@pytest.mark.parametrize("topic", TOPICS)
def test_a_record_with_the_key_of_another_is_refused(topic: str) -> None:
    for key in (b"another", b"\xff", b"a/b/c/d", b'"k1"'):
        assert reason(topic, LEAST[topic], key) == "wrong_key"


def test_an_identity_keyed_by_its_id_alone_is_refused_since_it_would_replace_an_earlier_one() -> (
    None
):
    assert reason(IDENTITIES, LEAST[IDENTITIES], b"a1") == "wrong_key"
    assert reason(NOTICES, LEAST[NOTICES], b"k1") == "wrong_key"


@pytest.mark.parametrize("topic", TOPICS)
def test_a_record_lies_where_its_key_belongs(topic: str) -> None:
    key = key_from(topic, [LEAST[topic][name] for name in KEYS[topic]])
    right = partition_of(key, 3)
    places = [reason(topic, LEAST[topic], partition=at, partitions=3) for at in range(3)]

    assert places == ["accepted" if at == right else "wrong_partition" for at in range(3)]
    assert reason(topic, None, key, partition=(right + 1) % 3, partitions=3) == "wrong_partition"


def test_a_wrong_value_is_refused_as_an_event_is() -> None:
    profile = LEAST[PROFILES]
    many = [{"coupon_id": str(n), "since": NOON} for n in range(257)]

    assert reason(PROFILES, b"x" * (MAX_EVENT_BYTES + 1), b"k1") == "too_large"
    assert reason(PROFILES, b"{oops", b"k1") == "not_json"
    assert reason(PROFILES, b"\xff", b"k1") == "not_json"
    assert reason(PROFILES, rb'{"kol_id":"\ud83d"}', b"k1") == "not_json"
    assert reason(PROFILES, rb'{"kol_id":"\ud83d"', b"k1") == "not_json"
    assert reason(PROFILES, rb'{"kol_id":"k1","coupon_ids":[{"coupon_id":"\ud83d"}]}', b"k1") == (
        "not_json"
    )
    assert reason(PROFILES, profile | {"verified": "yes"}) == "invalid"
    assert reason(PROFILES, profile | {"coupon_ids": ["x"]}) == "invalid"
    assert reason(PROFILES, profile | {"coupon_ids": many}) == "invalid"
    assert reason(PROFILES, profile | {"value_tags": [""] * 257}) == "invalid"
    assert reason(SPEND, LEAST[SPEND] | {"spend_cents": {"fee": 1.5}}) == "invalid"
    assert reason(SPEND, LEAST[SPEND] | {"spend_cents": {"fee": -1}}) == "invalid"
    assert reason(SPEND, LEAST[SPEND] | {"target_segment": {"newborn": 1.5}}) == "invalid"
    assert reason(IDENTITIES, LEAST[IDENTITIES] | {"birth_month": "2026-13"}) == "invalid"
    assert reason(CONSENTS, LEAST[CONSENTS] | {"stage": 1}) == "invalid"
    assert reason(NOTICES, LEAST[NOTICES] | {"kind": "praise"}) == "unknown_kind"


@pytest.mark.parametrize("name", ["Organic ", "~x", "~"])
def test_a_name_of_our_own_is_refused(name: str) -> None:
    for topic in (PROFILES, CONTENTS, SPEND, NOTICES):
        assert reason(topic, LEAST[topic] | {"kol_id": name}) == "reserved_id"


@pytest.mark.parametrize(
    ("topic", "name"),
    [
        *[(topic, "kol_id") for topic in (PROFILES, SPEND, "perception", NOTICES)],
        *[(CONTENTS, "content_id"), (IDENTITIES, "anon_id"), (IDENTITIES, "user_id")],
        *[(CONSENTS, "user_id"), ("perception", "respondent")],
    ],
)
def test_what_is_about_nobody_is_refused(topic: str, name: str) -> None:
    for nobody in ("undefined", " ", "０"):
        assert reason(topic, LEAST[topic] | {name: nobody}) == "placeholder_id"


def test_a_time_in_a_wrong_unit_is_refused() -> None:
    seconds = NOON // 1_000

    assert reason(POLICIES, LEAST[POLICIES] | {"ts": seconds}) == "bad_time"
    assert reason(POLICIES, LEAST[POLICIES] | {"effective_from": seconds}) == "bad_time"
    assert reason(PROFILES, {"kol_id": "k1", "ts": 0}) == "bad_time"
    assert (
        reason(PROFILES, {"kol_id": "k1", "coupon_ids": [{"coupon_id": "c", "since": seconds}]})
        == "bad_time"
    )


def test_a_clock_may_be_ten_minutes_ahead_of_the_record_time() -> None:
    assert reason(POLICIES, LEAST[POLICIES] | {"ts": NOON + 10 * MINUTE}) == "accepted"
    assert reason(POLICIES, LEAST[POLICIES] | {"ts": NOON + 10 * MINUTE + 1}) == "from_the_future"
    assert reason(POLICIES, LEAST[POLICIES] | {"effective_from": 2 * NOON}) == "accepted"


def test_of_several_reasons_the_first_of_the_list_counts() -> None:
    sent: Message = {"kol_id": "~x", "kind": "praise", "ref": 7, "ts": 5}
    mends: list[Message] = [
        {"ref": "r"},
        {"kind": "violation"},
        {"kol_id": "null"},
        {"kol_id": "k1"},
        {"ts": NOON + HOUR},
        {"ts": NOON},
    ]
    found = [_reason_of(NOTICES, None, sent)]
    for mend in mends:
        sent |= mend
        found.append(_reason_of(NOTICES, None, sent))

    assert found == [
        *("invalid", "unknown_kind", "reserved_id", "placeholder_id"),
        *("bad_time", "from_the_future", "null_key"),
    ]


def _reason_of(topic: str, key: bytes | None, value: object) -> str:
    found = read_reference(topic, key, msgspec.json.encode(value), NOON)
    assert isinstance(found, Refused)
    return found.reason.label


def test_every_reason_of_the_list_can_be_reached() -> None:
    reached = {
        reason(PROFILES, None, None),
        reason(PROFILES, b"x" * (MAX_EVENT_BYTES + 1), b"k1"),
        reason(PROFILES, b"", b"k1"),
        reason(PROFILES, {"kol_id": ""}, b"k1"),
        reason(NOTICES, LEAST[NOTICES] | {"kind": "praise"}),
        reason(PROFILES, {"kol_id": "organic"}),
        reason(PROFILES, {"kol_id": "0"}),
        reason(POLICIES, LEAST[POLICIES] | {"ts": 0}),
        reason(POLICIES, LEAST[POLICIES] | {"ts": 2 * NOON}),
        reason(PROFILES, {"kol_id": "k1"}, b"k2"),
        reason(PROFILES, {"kol_id": "k1"}, partition=1 - partition_of(b"k1", 2), partitions=2),
    }

    assert reached == {one.label for one in RejectReason if one is not RejectReason.NULL_VALUE}


@given(
    st.sampled_from(TOPICS),
    st.none() | st.binary(max_size=20),
    st.none() | st.binary(max_size=60),
)
def test_reading_never_raises(topic: str, key: bytes | None, value: bytes | None) -> None:
    found = read_reference(topic, key, value, NOON)

    assert isinstance(found, Refused | Tombstone | Reference)


@settings(max_examples=40)
@given(data=st.data())
def test_an_error_never_quotes_who_it_is_about(data: st.DataObject) -> None:
    topic, secret = data.draw(st.sampled_from(TOPICS)), f"geheim-{4711}"
    drawn = data.draw(records(topic))
    sent = {
        name: secret if isinstance(value, str) and name != "day" else value
        for name, value in drawn.items()
    }
    broken = data.draw(st.sampled_from(list(sent)))
    values = [
        msgspec.json.encode({**sent, broken: [secret]}),
        msgspec.json.encode(sent)[:-1],
        msgspec.json.encode({**sent, "ts": 0}),
        msgspec.json.encode({**sent, "kind": secret, "tags": {secret: secret}}),
    ]
    found = [read_reference(topic, secret.encode(), value, NOON) for value in values]
    found.append(read_reference(topic, f"{secret}/{secret}".encode(), None, NOON))

    assert not [one for one in found if isinstance(one, Refused) and secret in one.error]


# Keys


@pytest.mark.parametrize("topic", TOPICS)
@settings(max_examples=25)
@given(data=st.data())
def test_a_key_names_its_record_and_no_other(topic: str, data: st.DataObject) -> None:
    one, other = data.draw(records(topic)), data.draw(records(topic))
    parts, others = ([sent[name] for name in KEYS[topic]] for sent in (one, other))

    assert key_parts(topic, key_from(topic, parts)) == tuple(parts)
    assert (key_from(topic, parts) == key_from(topic, others)) == (parts == others)


@given(st.lists(st.tuples(*[text_ids] * 3), min_size=2, max_size=2, unique=True))
def test_ids_that_hold_the_separator_are_never_mixed_up(pair: list[tuple[str, ...]]) -> None:
    one, other = (key_from(NOTICES, parts) for parts in pair)

    assert one != other
    assert key_parts(NOTICES, one) == pair[0]


@given(st.binary(max_size=30), st.sampled_from(TOPICS))
def test_only_a_key_that_a_record_can_have_is_read(key: bytes, topic: str) -> None:
    parts = key_parts(topic, key)

    assert parts is None or key_from(topic, parts) == key


@pytest.mark.parametrize("ts", [-(2**63), 0, 946_684_799_999, 10_413_792_000_000, 2**63 - 1])
@pytest.mark.parametrize("value", [None, b"no JSON"])
def test_a_key_with_a_time_that_no_record_has_takes_nothing_back(
    ts: int, value: bytes | None
) -> None:
    found = read_reference(IDENTITIES, b"a/%d" % ts, value, NOON)

    assert isinstance(found, Refused)
    assert found.key is None
    assert key_parts(IDENTITIES, b"a/946684800000") == ("a", 946_684_800_000)


def test_the_key_of_a_record_is_made_of_its_fields() -> None:
    notice = Notice(kol_id="k/1", kind="violation", ref="100%", ts=NOON)

    assert key_of(NOTICES, notice) == b"k%2F1/violation/100%25"


@pytest.mark.parametrize("topic", TOPICS)
def test_a_value_alone_says_which_key_it_must_have(topic: str) -> None:
    value = msgspec.json.encode(LEAST[topic])
    key = own_key(topic, value)

    assert key == key_from(topic, [LEAST[topic][name] for name in KEYS[topic]])
    assert read_reference(topic, key, value, NOON) == read(topic, LEAST[topic])
    assert own_key(topic, value[:-1]) is None


def test_a_record_without_a_value_takes_back_what_its_key_names() -> None:
    assert read(IDENTITIES, None, b"a%%2F1/%d" % NOON) == Tombstone(IDENTITIES, ("a/1", NOON))
    assert read(PROFILES, None, b"a/1") == Tombstone(PROFILES, ("a/1",))
    assert reason(IDENTITIES, None, b"a/1/5") == "wrong_key"
    assert reason(IDENTITIES, None, b"a/x") == "wrong_key"
    assert reason(SPEND, None, b"k1/618/2026-02-30") == "wrong_key"


def test_a_record_that_is_refused_takes_back_what_its_key_names_as_compaction_does() -> None:
    bad = read(NOTICES, b"{oops", b"k1/violation/r1")
    other = read(PROFILES, {"kol_id": "k1"}, b"k2")

    assert isinstance(bad, Refused)
    assert (bad.reason, bad.key) == (RejectReason.NOT_JSON, ("k1", "violation", "r1"))
    assert isinstance(other, Refused)
    assert (other.reason, other.key) == (RejectReason.WRONG_KEY, ("k2",))


def test_a_record_on_a_wrong_partition_or_without_a_key_takes_nothing_back() -> None:
    elsewhere = 1 - partition_of(b"k1", 2)

    for value in (b"{oops", b'{"kol_id":"k1"}', None):
        for key, place in ((b"k1", (elsewhere, 2)), (None, (0, 1))):
            found = read(PROFILES, value, key, *place)
            assert isinstance(found, Refused)
            assert found.key is None


@dataclass(frozen=True)
class Sent:
    """A record as it lies in the log of a partition."""

    partition: int
    key: bytes
    value: bytes | None


def standing(log: Sequence[Sent], topic: str) -> dict[tuple[str | int, ...], Reference]:
    """What a reader of these records knows in the end."""
    known: dict[tuple[str | int, ...], Reference] = {}
    for one in log:
        place = {"partition": one.partition, "partitions": 2}
        found = read_reference(topic, one.key, one.value, NOON, **place)  # type: ignore[arg-type]
        if isinstance(found, Refused | Tombstone):
            known.pop(found.key or (), None)
        else:
            parts = key_parts(topic, key_of(topic, found))
            assert parts is not None
            known[parts] = found
    return known


def compacted(log: Sequence[Sent], untouched: int) -> list[Sent]:
    """What a broker leaves: of each partition and key the newest, and the end of the log."""
    newest = {(one.partition, one.key): at for at, one in enumerate(log)}
    return [
        one
        for at, one in enumerate(log)
        if at >= len(log) - untouched or newest[one.partition, one.key] == at
    ]


@st.composite
def logs(draw: st.DrawFn, topic: str) -> list[Sent]:
    """Records of few keys: readable, not readable, taken back, under a key of others, elsewhere."""
    some = [draw(records(topic)) for _ in range(2)]
    keys = [key_from(topic, [one[name] for name in KEYS[topic]]) for one in some]
    values = [*map(msgspec.json.encode, some), b"{oops", None]
    made = st.builds(
        lambda at, key, value: Sent(partition_of(key, 2) if at else 0, key, value),
        st.sampled_from([True, True, True, False]),
        st.sampled_from(keys),
        st.sampled_from(values),
    )
    return draw(st.lists(made, max_size=8))


@settings(max_examples=60)
@given(data=st.data())
def test_who_reads_after_compaction_knows_what_who_read_before_it_knows(
    data: st.DataObject,
) -> None:
    topic = data.draw(st.sampled_from(TOPICS))
    log = data.draw(logs(topic))
    left = compacted(log, data.draw(st.integers(0, len(log))))
    without_tombstones = [one for one in compacted(log, 0) if one.value is not None]

    assert standing(left, topic) == standing(log, topic)
    assert standing(without_tombstones, topic) == standing(log, topic)


# The schema


@pytest.mark.parametrize("topic", TOPICS)
@settings(max_examples=25)
@given(data=st.data())
def test_the_schema_takes_what_the_reader_takes(topic: str, data: st.DataObject) -> None:
    sent = data.draw(records(topic, bent=True))
    try:
        key = key_from(topic, [sent[name] for name in KEYS[topic]]) or b"k"
    except (KeyError, AttributeError):
        key = b"k"
    found = reason(topic, sent, key)
    formal = found in {"invalid", "unknown_kind"} or (
        found == "reserved_id" and (sent["kol_id"] == "organic" or sent["kol_id"].startswith("~"))
    )

    assert VALIDATORS[topic].is_valid(sent) != formal
