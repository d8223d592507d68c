"""A verdict over reference topics misses nothing: each kind of difference is told."""

import asyncio
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import numpy as np
import pytest

from schemas.codec import decode
from schemas.columns import RecordBatch
from schemas.consents import read_consents
from schemas.entries import Entries, texts
from schemas.number_log import NumberLog
from schemas.numbered import CONTENT, KOL, encode_number
from schemas.reference_types import CONSENTS, REFERENCES
from schemas.values import Lists
from sinks.memory import Memory
from streams.clients.kafka_reader import TopicRecord
from streams.core.user.memory import UserMemory
from tests.chaos.reference_verdict import FlagsOf, Stands, Wanted, against_references, wanted
from tests.chaos.references import References, references
from tests.chaos.verdict import Row, against_oracle, quiet, turns
from tests.chaos.world import Sent, world
from tests.event_oracle import ALLOWED, COLUMNS, CONSENT_MS, UNASKED, event_rows
from tests.oracle import Expected, Record, oracle
from tests.reference_oracle import Known, known

NOW = 1_767_225_600_000
BEFORE = NOW - 60_000  # when everything was said that came first
PARTITIONS = 4
KEY = b"the key of a verdict"

Plant = Callable[[Stands], None]


@dataclass(frozen=True, slots=True)
class Scene:
    """A small world, what is known beside it, and what must stand of both."""

    messages: list[Sent]
    references: References
    log: list[Record]
    found: Known
    numbers: NumberLog
    expected: Expected
    wanted: Wanted


def on_the_broker(first: list[Sent], later: list[Sent]) -> list[TopicRecord]:
    """Records as they lie on their topics."""
    offset = count()
    return [
        TopicRecord(
            one.topic, one.partition, next(offset), at, one.key, one.value, {}, by_broker=True
        )
        for at, some in ((BEFORE, first), (NOW, later))
        for one in some
    ]


def numbers_of(references: References) -> NumberLog:
    """What a trainer publishes of what came first: accounts of KOLs, and two flags."""
    kols, log = sorted(references.accounts), NumberLog()
    users = [min(references.accounts[kol]) for kol in kols]
    empty = texts([""] * len(kols))
    keys = UserMemory(0, hmac_key=KEY).keyed_names.users(users)
    accounts = Lists(keys, np.arange(1, len(kols) + 1))
    columns = {"tier": empty, "vertical": empty, "display_name": empty, "accounts": accounts}
    contents = Entries(
        texts(["c1", "笔记-2"]),
        {"sponsored": np.array([1, 0], np.int8), "disclosed": np.array([-1, 1], np.int8)},
    )
    for number, kind, entries in ((1, KOL, Entries(texts(kols), columns)), (2, CONTENT, contents)):
        records, seal = encode_number(kind, number, entries)
        for key, value in [*records, seal]:
            log.add(key, value, BEFORE)
    return log


@pytest.fixture(scope="module")
def scene() -> Scene:
    messages = world(3, NOW, PARTITIONS, users=10, days=10, bulk_messages=300)
    said = references(3, NOW, PARTITIONS, messages)
    offset = count()
    log = [Record(one.topic, one.partition, next(offset), NOW, one.value) for one in messages]
    found, numbers = known(on_the_broker(said.first, said.later), said.faults), numbers_of(said)
    expected = oracle(log, PARTITIONS, accounts=said.accounts)
    must = wanted(expected, found, numbers, KEY)
    return Scene(messages, said, log, found, numbers, expected, must)


def stands_of(wanted: Wanted) -> Stands:
    """An engine that says all of it."""
    return deepcopy(Stands(wanted.dimensions, wanted.letters, wanted.events, wanted.flags))


def test_references_are_the_same_for_the_same_seed(scene: Scene) -> None:
    assert references(3, NOW, PARTITIONS, scene.messages) == scene.references
    assert references(4, NOW, PARTITIONS, scene.messages) != scene.references


def test_what_comes_later_lies_amid_the_traffic_and_nothing_is_lost(scene: Scene) -> None:
    messages = [Sent("clickstream", 0, None, b"%d" % n) for n in range(500)]
    mingled = scene.references.amid(messages, 1)
    later = [one for one in mingled if one.topic != "clickstream"]

    assert [one for one in mingled if one.topic == "clickstream"] == messages
    assert later == scene.references.later
    assert mingled[:50] == messages[:50]


def test_what_is_said_in_the_end_is_neither_taken_back_nor_refused(scene: Scene) -> None:
    says = scene.references
    contents = {one.key for one in scene.references.first if one.topic == CONTENT}
    ends = {
        key: value for (topic, key), (_, value) in scene.found.newest.items() if topic == CONTENT
    }

    assert {key.encode() for key in says.said(says.first, CONTENT)} == contents
    assert {key.encode() for key in says.said([*says.first, *says.later], CONTENT)} == {
        key for key, value in ends.items() if value is not None
    }


def test_every_reference_topic_says_something_and_takes_something_back(scene: Scene) -> None:
    rows = scene.found.rows(KEY)

    assert all(rows.values())
    assert scene.found.letters
    assert {why for *_, why in scene.found.letters} == set(scene.references.faults.values())
    assert None in [value for _, value in scene.found.newest.values()]


def test_accounts_of_a_kol_are_the_kols_own_in_the_oracle_and_in_a_quiet_run(
    scene: Scene,
) -> None:
    peace = quiet(scene.log, PARTITIONS, KEY, scene.numbers)
    without = oracle(scene.log, PARTITIONS)

    assert against_oracle(peace, scene.expected, len(scene.log), KEY) == []
    assert scene.expected.counters["own_event"] > without.counters["own_event"]
    assert any("cells" in line for line in against_oracle(peace, without, len(scene.log), KEY))


def consented(scene: Scene) -> Counter[Row]:
    """The rows of events of a user side that heard what was said first before any event."""
    sink, first = Memory(), known(on_the_broker(scene.references.first, []), {})
    assert first.consents
    for at in range(PARTITIONS):
        memory, keys = UserMemory(at, hmac_key=KEY), list(first.consents)
        memory.fold_consents(read_consents(consents_of(scene, at), memory.keyed_names), len(keys))
        for batch in (batch for turn in turns(scene.log, PARTITIONS) for batch in turn):
            if batch.partition == at:
                memory.fold(decode(batch, memory.keyed_names, in_full=True))
        if (rows := memory.take_events()) is not None:
            asyncio.run(sink.write(rows))
    return Counter(tuple(row[name] for name in COLUMNS) for row in sink.rows("event"))


def consents_of(scene: Scene, partition: int) -> RecordBatch:
    some = [one for one in scene.references.first if one.topic == CONSENTS]
    some = [one for one in some if one.partition == partition]
    place = np.arange(len(some))
    values, keys = [one.value for one in some], [one.key for one in some]
    times = np.full(len(some), BEFORE, np.int64)
    return RecordBatch(CONSENTS, partition, PARTITIONS, 0, len(some), values, place, times, keys)


def test_events_of_the_oracle_say_what_a_user_side_says_that_heard_consents(scene: Scene) -> None:
    first = known(on_the_broker(scene.references.first, []), {})
    rows = event_rows(scene.expected, KEY, first.consents)

    assert consented(scene) == rows
    assert rows != event_rows(scene.expected, KEY)


def test_a_consent_begins_anew_and_of_what_was_before_it_nothing_stays(scene: Scene) -> None:
    first = known(on_the_broker(scene.references.first, []), {}).consents
    later = {user: (NOW - CONSENT_MS + 1, said) for user, (_, said) in first.items()}
    at_once = {user: (NOW - CONSENT_MS, said) for user, (_, said) in first.items()}

    assert event_rows(scene.expected, KEY, at_once) == event_rows(scene.expected, KEY, first)
    assert event_rows(scene.expected, KEY, later) == event_rows(scene.expected, KEY)


def test_who_was_refused_or_took_it_back_allows_nothing(scene: Scene) -> None:
    gone = [
        key
        for (topic, key), (_, value) in scene.found.newest.items()
        if topic == CONSENTS and value is None
    ]

    assert len(gone) > 2
    assert {scene.found.consents[key.decode()] for key in gone} == {(NOW, frozenset())}


def test_what_says_all_of_it_is_right(scene: Scene) -> None:
    flags = {flag for *_, flag in scene.wanted.flags}

    assert against_references(stands_of(scene.wanted), scene.wanted)[1:] == []
    assert {(1, -1, 2), (0, 1, 2), (-1, -1, 2), (-1, -1, 0)} <= flags


def changed(rows: Counter[Any], column: int, value: object) -> None:
    """Let one row say something else in a column."""
    row = next(row for row in rows if row[column] != value)
    rows[row] -= 1
    rows[(*row[:column], value, *row[column + 1 :])] += 1


def missing(rows: Counter[Any]) -> None:
    rows.subtract([next(iter(rows))])


def allowed(name: str) -> Plant:
    """Let a row of event say what nobody allowed."""
    return lambda it: changed(it.events, COLUMNS.index(name), "0-6m")


def unread(topic: str) -> Plant:
    """Let a row of a dimension be missing."""
    return lambda it: missing(it.dimensions[topic])


PLANTED: dict[str, tuple[str, Plant]] = {
    "a row of event is missing": ("events", lambda it: missing(it.events)),
    "a row of event is there twice": ("events", lambda it: it.events.update([*it.events][:1])),
    **{f"{name} is not allowed": ("events", allowed(name)) for name in ALLOWED},
    "a content is sponsored": ("flags", lambda it: changed(it.flags, 2, (1, 1, 2))),
    "another number was asked": ("flags", lambda it: changed(it.flags, 2, (1, -1, 1))),
    "a letter is missing": ("letters", lambda it: missing(it.letters)),
    **{f"{topic}, a row": (f"dimension {topic}", unread(topic)) for topic in REFERENCES},
    "a profile was read later": (
        "dimension kol-profile",
        lambda it: changed(it.dimensions["kol-profile"], -1, NOW + 1),
    ),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_each_fault_that_is_planted_is_told(planted: str, scene: Scene) -> None:
    about, plant = PLANTED[planted]
    other = stands_of(scene.wanted)
    plant(other)
    wrong = against_references(other, scene.wanted)

    assert any(line.startswith(about) for line in wrong), wrong


def test_flags_are_those_of_the_greatest_number_that_was_sealed_ten_seconds_before() -> None:
    numbers = NumberLog()
    for number, sponsored, sealed_at in ((1, 1, BEFORE), (2, 0, BEFORE + 5_000), (3, 1, BEFORE)):
        flags = {"sponsored": np.array([sponsored], np.int8), "disclosed": np.array([-1], np.int8)}
        records, seal = encode_number(CONTENT, number, Entries(texts(["c1"]), flags))
        for key, value in [*records, seal][: None if number < 3 else -1]:  # the third has no seal
            numbers.add(key, value, sealed_at)
    asked = FlagsOf(numbers)

    assert asked("c1", BEFORE + 9_999) == UNASKED
    assert asked("c1", BEFORE + 10_000) == (1, -1, 1)
    assert asked("c1", BEFORE + 14_999) == (1, -1, 1)
    assert asked("c1", BEFORE + 15_000) == (0, -1, 2)
    assert asked("c2", BEFORE + 15_000) == (-1, -1, 2)


def test_a_number_that_says_less_than_its_dimension_is_told(scene: Scene) -> None:
    full = replace(scene.wanted, published=scene.wanted.contents)
    less = {name: (-1, -1) if name == "c1" else flags for name, flags in full.contents.items()}

    assert against_references(stands_of(full), full) == []
    (wrong,) = against_references(stands_of(full), replace(full, published=less))
    assert wrong.startswith("newest number: 1 contents differ: [('c1'")
