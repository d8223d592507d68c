import re
from pathlib import Path

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import decode
from schemas.events import INPUTS, MAX_CENTS
from schemas.reference import Refused, read_reference
from schemas.reference_keys import KEYS, key_from
from schemas.reference_types import REFERENCES
from schemas.wire import (
    FOLDER,
    SENT,
    VERSION,
    Schema,
    as_text,
    breaking,
    path_of,
    wire_schema,
    write,
)
from tests.builders import NAMES, Message, cancel, paid, record_batch
from tests.schemas.plain import VALIDATORS
from tests.strategies import bent, events

EXAMPLES = sorted((FOLDER / "examples").glob("*/v*/*.json"))


def committed(topic: str) -> Schema:
    schema: Schema = msgspec.json.decode(path_of(topic).read_bytes())
    return schema


def is_accepted(topic: str, sent: Message) -> bool:
    """Whether the decoder finds the form right; what follows is not the schema's matter.

    That is time, place, placeholders, which are a setting, and other spellings of reserved names.
    """
    refused = [rejected.reason for rejected in decode(record_batch(topic, [sent]), NAMES).rejected]
    if refused == ["reserved_id"]:
        return not sent["kol_id"].startswith("~") and sent["kol_id"] != "organic"
    return refused in ([], ["bad_time"], ["from_the_future"], ["placeholder_id"])


# The schema and the decoder


@pytest.mark.parametrize("topic", INPUTS)
@given(data=st.data())
def test_the_schema_takes_what_the_decoder_takes(topic: str, data: st.DataObject) -> None:
    sent = data.draw(events(topic) | bent(topic))

    assert VALIDATORS[topic].is_valid(sent) == is_accepted(topic, sent)


@pytest.mark.parametrize("topic", SENT)
def test_the_schema_is_a_schema(topic: str) -> None:
    jsonschema.Draft202012Validator.check_schema(wire_schema(topic))


@pytest.mark.parametrize("topic", SENT)
def test_every_field_says_what_it_means(topic: str) -> None:
    assert all("description" in field for field in wire_schema(topic)["properties"].values())


def test_only_a_cancel_needs_no_amount() -> None:
    unpriced = {name: value for name, value in paid().items() if name != "pay_cents"}

    assert not VALIDATORS["purchases"].is_valid(unpriced)
    assert not VALIDATORS["purchases"].is_valid(unpriced | {"pay_cents": None})
    assert VALIDATORS["purchases"].is_valid(cancel())
    for kind in ("refund", "refund_reversed"):
        assert not VALIDATORS["purchases"].is_valid(unpriced | {"kind": kind})


# The files


@pytest.mark.parametrize("topic", SENT)
def test_the_committed_schema_is_current(topic: str) -> None:
    assert path_of(topic).read_bytes() == as_text(wire_schema(topic)), (
        "run `python -m schemas.wire`"
    )


@pytest.mark.parametrize("topic", SENT)
def test_nobody_who_follows_the_committed_schema_is_refused(topic: str) -> None:
    assert breaking(committed(topic), wire_schema(topic)) == []


@pytest.mark.parametrize("topic", SENT)
def test_every_topic_and_version_has_examples(topic: str) -> None:
    assert len(list((FOLDER / "examples" / topic / f"v{VERSION}").glob("*.json"))) >= 3


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parts[-3]}/{path.stem}")
def test_every_example_is_valid_and_taken(path: Path) -> None:
    topic = path.parts[-3]
    raw = path.read_bytes()
    sent = msgspec.json.decode(raw)

    VALIDATORS[topic].validate(sent)
    assert set(sent) <= set(SENT[topic].__struct_fields__)
    if topic in REFERENCES:
        key = key_from(topic, [sent[name] for name in KEYS[topic]])
        assert not isinstance(read_reference(topic, key, raw, sent.get("ts", 0)), Refused)
        return
    result = decode(record_batch(topic, [raw], received_at=sent["ts"]), NAMES)

    assert [len(result.facts), len(result.rejected)] == [1, 0]


def test_the_examples_use_every_field_that_there_is() -> None:
    used = {topic: set[str]() for topic in SENT}
    for path in EXAMPLES:
        used[path.parts[-3]] |= set(msgspec.json.decode(path.read_bytes()))

    assert used == {topic: set(SENT[topic].__struct_fields__) for topic in SENT}


def test_writing_again_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "wire").mkdir()
    write(tmp_path)
    write(tmp_path)

    assert [path_of(topic, tmp_path).read_bytes() for topic in SENT] == [
        path_of(topic).read_bytes() for topic in SENT
    ]


def test_a_change_that_breaks_a_producer_is_not_written(tmp_path: Path) -> None:
    path = path_of("purchases", tmp_path)
    path.parent.mkdir()
    wider = wire_schema("purchases")
    wider["properties"]["pay_cents"]["anyOf"][0]["maximum"] = MAX_CENTS + 1
    path.write_bytes(as_text(wider))

    with pytest.raises(ValueError, match=re.escape("$.pay_cents: no longer takes")):
        write(tmp_path)
    assert path.read_bytes() == as_text(wider)


# The law of change


def made(**fields: Schema) -> Schema:
    return {"type": "object", "properties": fields, "required": list(fields)}


TEXT = {"type": "string", "minLength": 1, "maxLength": 9}
NULL = {"type": "null"}
WHOLE = {"type": "integer", "minimum": 0, "maximum": 9}
BY_NAME = {
    "type": "object",
    "maxProperties": 2,
    "propertyNames": {"maxLength": 9},
    "additionalProperties": WHOLE,
}


def either(*ways: Schema) -> Schema:
    return {"anyOf": list(ways)}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (TEXT, TEXT | {"maxLength": 10}),
        (TEXT, {"type": "string"}),
        (TEXT, {}),
        (TEXT, either(TEXT, NULL)),
        (TEXT | {"enum": ["a"]}, TEXT | {"enum": ["b", "a"]}),
        (TEXT | {"enum": ["a"]}, TEXT),
        (TEXT | {"pattern": "a"}, TEXT | {"pattern": "a"}),
        (TEXT | {"pattern": "a"}, TEXT),
        (TEXT | {"description": "a"}, TEXT | {"description": "b"}),
        (WHOLE, WHOLE | {"type": "number"}),
        (WHOLE, WHOLE | {"minimum": -1}),
        (either(TEXT, NULL), either(WHOLE, NULL, TEXT)),
        ({"type": "array", "items": WHOLE}, {"type": "array"}),
        ({"type": "array", "items": WHOLE}, {"type": "array", "items": {"type": "number"}}),
        (BY_NAME, BY_NAME | {"maxProperties": 3}),
        (BY_NAME, BY_NAME | {"propertyNames": {"maxLength": 10}}),
        (BY_NAME, {"type": "object"}),
        (made(a=TEXT), made(a=TEXT) | {"required": []}),
        (made(a=TEXT), made(a=TEXT, b=TEXT) | {"required": ["a"]}),
    ],
    ids=str,
)
def test_a_change_that_takes_more_breaks_nobody(old: Schema, new: Schema) -> None:
    assert breaking(old, new) == []


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (made(a=TEXT, b=TEXT), made(a=TEXT), "$.b: has vanished"),
        (made(a=TEXT), made(a=TEXT, b=TEXT), "$.b: has become required"),
        (made(a=TEXT) | {"required": []}, made(a=TEXT), "$.a: has become required"),
        (made(a=TEXT), made(a=WHOLE), "$.a: type is narrower"),
        (made(a={}), made(a=NULL), "$.a: type is narrower"),
        ({"type": "number"}, {"type": "integer"}, "$: type is narrower"),
        (TEXT, TEXT | {"maxLength": 8}, "$: maxLength is narrower"),
        (TEXT, TEXT | {"minLength": 2}, "$: minLength is narrower"),
        ({"type": "integer"}, WHOLE, "$: minimum is narrower"),
        (WHOLE, WHOLE | {"maximum": 8}, "$: maximum is narrower"),
        (TEXT | {"enum": ["a", "b"]}, TEXT | {"enum": ["a"]}, "$: no longer b"),
        (TEXT, TEXT | {"enum": ["a"]}, "$: enum is new or other"),
        (TEXT, TEXT | {"pattern": "a"}, "$: pattern is new or other"),
        (TEXT | {"pattern": "a"}, TEXT | {"pattern": "b"}, "$: pattern is new or other"),
        (either(TEXT, NULL), TEXT, f"$: no longer takes {NULL}"),
        (either(TEXT, WHOLE), either(TEXT, NULL), f"$: no longer takes {WHOLE}"),
        (
            {"type": "array", "items": TEXT},
            {"type": "array", "items": NULL},
            "$[]: type is narrower",
        ),
        ({"type": "array"}, {"type": "array", "items": NULL}, "$[]: type is narrower"),
        (BY_NAME, BY_NAME | {"maxProperties": 1}, "$: maxProperties is narrower"),
        (BY_NAME, BY_NAME | {"additionalProperties": NULL}, "$.*: type is narrower"),
        (
            BY_NAME,
            BY_NAME | {"propertyNames": {"maxLength": 8}},
            "$.name: maxLength is narrower",
        ),
        (made(a=made(b=TEXT)), made(a=made(b=TEXT, c=TEXT)), "$.a.c: has become required"),
    ],
    ids=str,
)
def test_a_change_that_accepts_less_is_named(old: Schema, new: Schema, line: str) -> None:
    assert line in breaking(old, new)


def test_a_schema_breaks_nothing_of_its_own() -> None:
    assert not [line for t in SENT for line in breaking(wire_schema(t), wire_schema(t))]
