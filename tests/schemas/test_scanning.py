"""The compiled scanner and the readable decoder: the same columns, the same rejections.

Where nothing is compiled, both are the readable one. `KOL_TEST_SCANNING` sets how many examples
each law has.
"""

import json
import os
from dataclasses import fields
from functools import partial
from math import inf
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.demo.bulk import bulk
from schemas.codec import decode
from schemas.columns import NONE, Decoded, RecordBatch
from schemas.events import CLICKSTREAM, INPUTS, INTERACTIONS, MAX_EVENT_BYTES, Interaction
from schemas.placeholders import DEFAULT, Placeholders
from schemas.readers import READERS
from schemas.scanning import CompiledScanner, Field, fields_of
from schemas.values import Coded
from streams.core.kernels import HOT
from tests.builders import NAMES, NOON, Message, click, record_batch
from tests.messy import messy_lines, records
from tests.strategies import BAD, events, messages, spellings

SCANNER = CompiledScanner(HOT) if HOT else None  # also where KOL_NATIVE=0
SCHEMAS = Path(__file__).parents[2] / "schemas" / "examples"
EXAMPLES = int(os.environ.get("KOL_TEST_SCANNING", "100"))
ACCIDENTS = (
    *(b'"', b"\\", b"\\u", b"d83d", b"0", b"-", b".", b"e1", b",", b"}", b"{", b"]", b" "),
    *(b"\x00", b"\xff", b"\x7f", b"\xe5\xa6", b"null", b"true", b'"ts":1,', b'":"'),
)
EXAMPLE_EVENTS = {
    topic: [path.read_bytes() for path in sorted((SCHEMAS / topic).rglob("*.json"))]
    for topic in INPUTS
}
TOPICS = pytest.mark.parametrize("topic", INPUTS)


def plain(value: object) -> object:
    """A value to be compared: nan is nan, and types of numbers matter."""
    if isinstance(value, Coded):
        return [value.names[code] for code in value.code.tolist()]
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, repr(value.tolist())
    return value


def read(result: Decoded) -> dict[str, Any]:
    facts = {one.name: plain(getattr(result.facts, one.name)) for one in fields(result.facts)}
    details = {name: plain(value) for name, value in (result.details or {}).items()}
    return {**facts, "details": details, "rejected": list(result.rejected)}


def both(
    batch: RecordBatch, placeholders: Placeholders = DEFAULT, *, in_full: bool = False
) -> tuple[dict[str, Any], dict[str, Any]]:
    with_it = decode(batch, NAMES, placeholders, SCANNER, in_full=in_full)
    return read(with_it), read(decode(batch, NAMES, placeholders, in_full=in_full))


@st.composite
def spelled(draw: st.DrawFn, topic: str) -> bytes:
    """An event as some producer writes it: any order, blanks, escapes, fields we do not know."""
    unknown: list[Message] = [
        {},
        {"surplus": {"a": [1, -2.5, "x\n", None, {}], "": []}},
        {"x": "\t", "y": False},
    ]
    event = draw(events(topic)) | draw(st.sampled_from(unknown))
    names = draw(st.permutations(list(event)))
    blanks = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\n\t", "\r: ")]))
    ordered = {name: event[name] for name in names}
    return json.dumps(ordered, ensure_ascii=draw(st.booleans()), separators=blanks).encode()


@TOPICS
@settings(max_examples=EXAMPLES)
@given(st.data())
def test_any_batch_is_read_alike(topic: str, data: st.DataObject) -> None:
    one = st.one_of(spelled(topic), spelled(topic), messages(topic))
    sent = data.draw(st.lists(one, max_size=8))
    in_full = data.draw(st.booleans())
    batch = record_batch(topic, sent, partition=0, partitions=data.draw(st.integers(1, 2)))

    with_it, without = both(batch, in_full=in_full)

    assert with_it == without


@TOPICS
@settings(max_examples=EXAMPLES)
@given(st.data())
def test_any_accident_to_the_bytes_is_read_alike(topic: str, data: st.DataObject) -> None:
    raw = bytearray(data.draw(spelled(topic)))
    for _ in range(data.draw(st.integers(1, 3))):
        begin = data.draw(st.integers(0, len(raw)))
        piece = st.sampled_from(ACCIDENTS)
        raw[begin : begin + data.draw(st.integers(0, 2))] = data.draw(piece)

    with_it, without = both(record_batch(topic, [bytes(raw)]), in_full=True)

    assert with_it == without


@TOPICS
def test_a_messy_world_is_read_alike(topic: str) -> None:
    for seed in range(3):
        log = records(messy_lines(seed, NOON, users=12), 2, NOON)
        values = [one.value for one in log if one.topic == topic and one.partition == 0]
        batch = record_batch(topic, values, partitions=2, received_at=NOON)

        with_it, without = both(batch, in_full=seed > 0)

        assert with_it == without


@TOPICS
@pytest.mark.parametrize("in_full", [False, True])
def test_bytes_that_kill_parsers_are_read_alike(topic: str, *, in_full: bool) -> None:
    with_it, without = both(record_batch(topic, [*BAD, None, *BAD]), in_full=in_full)

    assert with_it == without


@TOPICS
@pytest.mark.parametrize("sent", [[], [None], [b"[]"] * 3])
def test_a_batch_of_which_nothing_is_taken_is_read_alike(
    topic: str, sent: list[bytes | None]
) -> None:
    with_it, without = both(record_batch(topic, sent))

    assert with_it == without


def test_who_means_nobody_is_known_by_the_list_that_is_set() -> None:
    users = ["undefined", "nobody", "no\nbody", " ", "妈妈", "u1", "u\0"]
    sent = [click(user_id=user) for user in users]

    for placeholders in (DEFAULT, Placeholders(["nobody", "妈妈"])):
        with_it, without = both(record_batch(CLICKSTREAM, sent), placeholders)

        assert with_it == without


@given(spellings)
def test_whoever_is_nobody_consists_of_the_letters_that_are_looked_at(one: str) -> None:
    assert one not in DEFAULT or set(one.encode()) <= set(DEFAULT.letters)


def test_usual_messages_are_all_taken() -> None:
    if SCANNER is None:
        return
    sent: dict[str, list[bytes]] = {topic: [] for topic in INPUTS}
    for topic, _, value in bulk(7, 3_000, NOON):
        sent[topic].append(value)
        as_python_does = json.dumps(msgspec.json.decode(value))  # blanks and escapes
        sent[topic].append(as_python_does.encode())
    for topic, values in sent.items():
        batch = record_batch(topic, [*values, *EXAMPLE_EVENTS[topic]])
        for in_full in (False, True):
            _, left = SCANNER.rows(batch, DEFAULT, in_full=in_full)

            assert not [batch.values[place] for place in left.tolist()]


def test_the_scanner_knows_what_each_field_may_hold() -> None:
    told = fields_of(READERS[INTERACTIONS, False])

    assert [one.name for one in told] == list(Interaction.__struct_fields__)
    assert [one for one in told if one.needed or one.keep or one.items] == [
        Field("event_id", needed=True, shape="text", least=1, most=512),
        Field("ts", needed=True, shape="int", least=-(2**63), most=2**63 - 1),
        Field("user_id", needed=True, shape="text", least=1, most=512),
        Field("kol_id", needed=True, shape="text", least=1, most=512, keep="number"),
        Field("event", needed=True, shape="text", least=0, most=MAX_EVENT_BYTES, keep="number"),
        _may(name="dwell_ms", shape="int", most=10**12, keep="int", absent=NONE),
        _may(name="completion", shape="float", most=1, keep="float"),
        _may(name="share_id", shape="text", most=512, keep="flag"),
        _may(name="share_depth", shape="int", most=10**12, keep="int"),
        _may(name="chain", shape="texts", most=512, items=5),
        _may(name="live_id", shape="text", most=512, keep="flag"),
        _may(name="account_age_d", shape="float", most=inf, keep="float"),
    ]


def test_only_what_becomes_columns_has_fields() -> None:
    reader = READERS[INTERACTIONS, False]

    with pytest.raises(TypeError, match="no columns"):
        fields_of(reader._replace(event=None))


def test_what_no_shape_is_known_of_is_said() -> None:
    class Other(msgspec.Struct):
        raw: bytes

    reader = READERS[INTERACTIONS, False]._replace(event=cast("type[Interaction]", Other))

    with pytest.raises(TypeError, match="the scanner knows no"):
        fields_of(reader)


_may = partial(Field, needed=False, least=0)
