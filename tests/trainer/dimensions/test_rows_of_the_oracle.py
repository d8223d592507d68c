"""Rows of dimensions are what a second reading of the definitions makes of the same records."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schemas.dimensions import OF_TOPIC
from schemas.keyed_names import KeyedNames
from schemas.partitioner import partition_of
from schemas.reference import Refused, Tombstone, read_reference
from schemas.reference_types import CONSENTS, REFERENCES
from streams.clients.kafka_reader import TopicRecord
from streams.trainer.dimensions.erased import Persons
from streams.trainer.dimensions.rows import Stated, rows_of
from tests.builders import NOON, Message
from tests.chaos.references import key_of, references
from tests.chaos.world import Sent, world
from tests.reference_oracle import Faults, known
from tests.references import records

KEY = b"k" * 32
PARTITIONS = 4
READING = 3
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def dimensions(log: Sequence[TopicRecord]) -> dict[str, Counter[Any]]:
    """The rows that count, of records in batches of one topic and partition each."""
    batches: dict[tuple[str, int], list[Stated]] = {}
    for one in log:
        partitions = PARTITIONS if one.topic == CONSENTS else 1
        read = read_reference(
            *(one.topic, one.key, one.value, one.at),
            partition=one.partition,
            partitions=partitions,
        )
        if isinstance(read, Refused):
            if read.key is None:
                continue
            read = Tombstone(one.topic, read.key)
        batches.setdefault((one.topic, one.partition), []).append(Stated(one.offset, one.at, read))
    found: dict[str, Counter[Any]] = {topic: Counter() for topic in REFERENCES}
    for (topic, _), stated in batches.items():
        found[topic].update(standing(topic, stated))
    return found


def standing(topic: str, stated: Sequence[Stated]) -> Iterable[tuple[Any, ...]]:
    """What stands once all are written: of each key the row of the greatest version."""
    dimension, persons = OF_TOPIC[topic], Persons(KeyedNames(KEY))
    newest: dict[tuple[Any, ...], dict[str, Any]] = {}
    cut = len(stated) // 2
    for batch in (stated[:cut], stated[cut:]):
        for row in rows_of(topic, READING, batch, persons):
            key = tuple(row[name] for name in dimension.key)
            newest[key] = max(newest.get(key, row), row, key=lambda one: int(one["version"]))
    types = {name: dimension.target.all_columns[name].type for name in dimension.shown}
    for row in newest.values():
        assert row["reading"] == READING
        if not row["deleted"]:
            yield tuple(cell(row[name], kind) for name, kind in types.items())


def cell(value: Any, kind: str) -> Any:  # noqa: ANN401  # any column
    """As records have it: moments in milliseconds."""
    if isinstance(value, str) and "DateTime64" in kind:
        since = datetime.fromisoformat(value).replace(tzinfo=UTC) - EPOCH
        return round(since.total_seconds() * 1_000)
    if isinstance(value, dict):
        return tuple(sorted((name, float(of)) for name, of in value.items()))
    return tuple(cell(one, kind) for one in value) if isinstance(value, list | tuple) else value


def on_the_broker(sent: Iterable[Sent]) -> list[TopicRecord]:
    offset = count()
    return [
        TopicRecord(
            *(one.topic, one.partition, next(offset), NOON, one.key, one.value, {}),
            by_broker=True,
        )
        for one in sent
    ]


@st.composite
def logs(draw: st.DrawFn) -> tuple[list[Sent], Faults]:
    """Records of one topic, some of a key again, some without a value, some refused."""
    topic = draw(st.sampled_from(sorted(REFERENCES)))
    sent: list[Sent] = []
    faults: dict[tuple[str, bytes | None, bytes | None], str] = {}
    values: list[Message] = draw(st.lists(records(topic), min_size=1, max_size=4))
    for value in draw(st.lists(st.sampled_from(values), min_size=1, max_size=8)):
        key = key_of(topic, value)
        raw = draw(st.sampled_from([json.dumps(value).encode()] * 3 + [None, b"{oops"]))
        if raw == b"{oops":
            faults[topic, key, raw] = "not_json"
        partition = partition_of(key, PARTITIONS) if topic == CONSENTS else 0
        sent.append(Sent(topic, partition, key, raw))
    return sent, faults


@given(logs())
def test_whatever_a_record_says_stands_as_it_is_defined(log: tuple[list[Sent], Faults]) -> None:
    sent, faults = log
    recorded = on_the_broker(sent)

    assert dimensions(recorded) == known(recorded, faults).rows(KEY)


def test_what_is_said_anew_taken_back_or_refused_stands_as_it_is_defined() -> None:
    messages = world(3, NOON, PARTITIONS, users=10, days=10, bulk_messages=300)
    said = references(3, NOON, PARTITIONS, messages)
    recorded = on_the_broker([*said.first, *said.later])
    wanted = known(recorded, said.faults).rows(KEY)

    assert all(wanted.values())
    assert dimensions(recorded) == wanted
