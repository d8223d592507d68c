"""Rows of `event`: each accepted event once, as it was sent, whatever the cuts and the restarts."""

import gc
import hashlib
import tracemalloc
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest
from xxhash import xxh3_64_digest, xxh3_128_digest, xxh64_digest

from schemas.codec import decode
from schemas.columns import Behaviour, RecordBatch
from schemas.consents import ALLOWED, HOLDS_AFTER_MS, read_consents
from schemas.erasures import erasure_record, read_erasures
from schemas.events import CLICKSTREAM, INTERACTIONS, KINDS, PURCHASES
from schemas.keyed_names import KeyedNames, What
from schemas.reference_types import CONSENTS
from schemas.rows import TABLES, Rows
from schemas.values import plain
from schemas.version import version_of
from streams.core.user.event_rows import EventRows, rows_of
from streams.core.user.memory import UserMemory
from tests import messy
from tests.builders import HOUR, KEY, NOON, Message, click, interaction, paid, record_batch
from tests.event_oracle import COLUMNS, event_rows
from tests.oracle import oracle

NAMES = KeyedNames(KEY)


class Reader:
    """A memory that takes messages in, and the rows it gave."""

    def __init__(self, life: int = 1) -> None:
        self.memory = UserMemory(0, hmac_key=KEY)
        self.memory.epoch, self.memory.life = 2, life
        self.ends = dict.fromkeys((CLICKSTREAM, INTERACTIONS, PURCHASES), 0)

    def read(self, topic: str, *messages: Message, received_at: int | None = None) -> None:
        batch = record_batch(
            topic, messages, first_offset=self.ends[topic], received_at=received_at
        )
        self.ends[topic] = batch.next_offset
        self.memory.fold(decode(batch, NAMES, in_full=True))

    def rows(self) -> list[dict[str, Any]]:
        return as_dicts(self.memory.take_events())


def as_dicts(rows: Rows | None) -> list[dict[str, Any]]:
    if rows is None:
        return []
    rows.validate()
    columns = [plain(column) for column in rows.columns.values()]
    return [dict(zip(rows.columns, row, strict=True)) for row in zip(*columns, strict=True)]


def test_a_click_is_a_row_also_where_it_names_no_kol() -> None:
    reader = Reader(life=3)
    reader.read(
        CLICKSTREAM,
        click(event_id="a", kol_id=None, event="search", brand_id="b", platform="p", ts=NOON),
        received_at=NOON + 250,
    )

    (row,) = reader.rows()

    assert row.keys() == TABLES["event"].columns.keys()
    assert {name: value for name, value in row.items() if value not in {"", 0, -1, None}} == {
        "moment": NOON,
        "received_at": NOON + 250,
        "topic": CLICKSTREAM,
        "kind": "search",
        "user_hash": hexed("u1"),
        "brand_id": "b",
        "platform": "p",
        "identity": named(What.IDENTITY, f"{CLICKSTREAM}\0u1\0a")[0],
        "version": version_of(2, 3, 1),
    }


def test_an_interaction_says_how_it_was_viewed_and_how_much_its_account_weighs() -> None:
    """An account of 12 days weighs (12/30)^2 of a quarter: a twenty-fifth."""
    reader = Reader()
    viewed = {"dwell_ms": 0, "completion": 0.7071, "account_age_d": 12, "share_depth": 2}
    reader.read(INTERACTIONS, interaction("view", content_id="c", **viewed))

    (row,) = reader.rows()

    assert [row[name] for name in ("kind", "kol_id", "content_id")] == ["view", "k1", "c"]
    assert [row[name] for name in ("dwell_ms", "visible_ms", "share_depth")] == [0, -1, 2]
    assert [row["completion_ppm"], row["account_age_d"]] == [707_100, 12.0]
    assert row["credibility_ppm"] == 40_000


@pytest.mark.parametrize("topic", [CLICKSTREAM, INTERACTIONS])
def test_every_kind_has_its_name(topic: str) -> None:
    reader = Reader()
    event = click if topic == CLICKSTREAM else interaction
    reader.read(topic, *(event(event=kind) for kind in KINDS[topic]))

    assert [row["kind"] for row in reader.rows()] == list(KINDS[topic])


def test_duplicates_late_ones_rejected_ones_and_purchases_are_none() -> None:
    reader = Reader()
    reader.read(
        CLICKSTREAM,
        click(event_id="a", ts=NOON),
        click(event_id="a", ts=NOON),
        click(event_id="b", ts=NOON - 2 * HOUR - 1),
        click(event_id="c", ts=NOON - 2 * HOUR),
        click(event_id="d", event="of another version"),
    )
    reader.read(PURCHASES, paid())

    assert [row["moment"] for row in reader.rows()] == [NOON, NOON - 2 * HOUR]
    assert reader.rows() == []


def test_a_batch_that_is_read_again_gives_no_row() -> None:
    reader = Reader()
    for _ in range(2):
        reader.read(CLICKSTREAM, click(event_id="a"), click(event_id="b"))

    assert len(reader.rows()) == 2
    reader.read(CLICKSTREAM, click(event_id="a"))
    assert reader.memory.waiting_events == 0


def test_no_row_has_an_id_of_a_person_or_a_hash_of_one_that_anybody_could_compute() -> None:
    ids = {
        "user_id": "u-77",
        "event_id": "e-77",
        "device_hash": "d-77",
        "ip_hash": "i-77",
        "session_id": "v-77",
        "share_id": "s-77",
        "anon_id": "a-77",
        "query": "q-77",
    }
    reader = Reader()
    reader.read(CLICKSTREAM, click(**ids))
    (row,) = reader.rows()
    texts = [*ids.values(), f"{CLICKSTREAM}\0u-77\0e-77"]
    digests = [digest for text in texts for digest in digests_of(text)]
    words = {
        int.from_bytes(digest[at : at + 8], order)
        for digest in digests
        for at in range(0, len(digest), 8)
        for order in ("big", "little")
    }

    assert not [name for name, value in row.items() if value in words]
    assert not [name for name, value in row.items() if "77" in str(value) and value in texts]
    assert row["user_hash"] not in {digest.hex()[:32] for digest in digests}


def digests_of(text: str) -> list[bytes]:
    """Hashes of a text that need no key."""
    data = text.encode()
    known = [hashlib.new(name, data).digest() for name in ("md5", "sha1", "sha256", "blake2b")]
    return [*known, xxh3_128_digest(data), xxh3_64_digest(data), xxh64_digest(data)]


def test_a_kol_that_means_nobody_is_none_and_own_events_are_told() -> None:
    reader = Reader()
    reader.read(CLICKSTREAM, click(kol_id="undefined"), click(kol_id="u1", event_id="own"))

    assert [row["kol_id"] for row in reader.rows()] == ["", "u1"]


def test_the_cut_into_batches_does_not_matter() -> None:
    clicks = [click(event_id=str(n), platform=f"p{n % 3}", kol_id=f"k{n % 5}") for n in range(40)]
    together, apart = Reader(), Reader()
    together.read(CLICKSTREAM, *clicks)
    for start in range(0, len(clicks), 7):
        apart.read(CLICKSTREAM, *clicks[start : start + 7])

    assert apart.rows() == together.rows()


def test_rows_of_both_topics_leave_together() -> None:
    reader = Reader()
    reader.read(CLICKSTREAM, click(platform="p", content_id="c"))
    reader.read(INTERACTIONS, interaction("like", content_id="d", live_id="l"))
    reader.read(CLICKSTREAM, click(event="search", kol_id="k2"))

    told = [
        [row[name] for name in ("topic", "kind", "kol_id", "content_id")] for row in reader.rows()
    ]

    assert told == [
        [CLICKSTREAM, "click", "k1", "c"],
        [INTERACTIONS, "like", "k1", "d"],
        [CLICKSTREAM, "search", "k2", ""],
    ]


def test_rows_of_several_partitions_are_those_of_each_in_turn() -> None:
    clicks = [click(event_id=str(n), platform=f"p{n % 3}", kol_id=f"k{n % 5}") for n in range(9)]
    parts, expected = [], []
    for life in (1, 2):
        both = Reader(life), Reader(life)
        for reader in both:
            reader.read(CLICKSTREAM, *clicks[:5], clicks[0])
            reader.read(INTERACTIONS, interaction("like", content_id="c", account_age_d=9))
            reader.read(CLICKSTREAM, *clicks[3 : 7 + life])
        parts += both[0].memory.take_event_parts()
        expected += both[1].rows()

    assert as_dicts(rows_of(parts)) == expected
    assert rows_of([]) is None


def test_a_detail_that_is_left_out_is_said_of_no_event() -> None:
    read = decode(record_batch(CLICKSTREAM, [click(platform="p")]), NAMES, in_full=True)
    assert isinstance(read.facts, Behaviour)
    assert read.details is not None
    given = EventRows()
    given.add(read.facts, read.details, np.arange(1))
    given.add(read.facts, {"platform": read.details["platform"]}, np.arange(1))

    first, second = as_dicts(rows_of(given.take(0, 1)))

    assert first == second


def test_who_reads_an_event_again_states_the_same_row_in_a_later_life() -> None:
    rows = []
    for life in (1, 2):
        reader = Reader(life)
        reader.read(CLICKSTREAM, click(session_id="v"))
        rows += reader.rows()

    first, second = ({**row, "version": 0} for row in rows)
    assert first == second
    assert rows[0]["version"] < rows[1]["version"]


def test_a_snapshot_holds_no_rows() -> None:
    """They are acknowledged before it is written."""
    reader = Reader()
    reader.read(CLICKSTREAM, click())

    again = UserMemory.restored(reader.memory.arrays(), 0, hmac_key=KEY)

    assert again.waiting_events == 0
    assert reader.memory.waiting_events == 1


def test_ever_new_labels_and_names_leave_nothing_behind() -> None:
    """One id is longer than all that may stay of a batch."""
    names, rows = KeyedNames(KEY), EventRows()
    fields = ("content_id", "share_id", "session_id", "device_hash", "ip_hash", "geo")

    def pass_by(turn: int) -> None:
        ids = {name: f"{name}-{turn}-".ljust(256, "x") for name in fields}
        sent = [
            click(event_id=f"{turn}-{n}", **{name: f"{one}{n}" for name, one in ids.items()})
            for n in range(10)
        ]
        read = decode(record_batch(CLICKSTREAM, sent), names, in_full=True)
        assert isinstance(read.facts, Behaviour)
        rows.add(read.facts, read.details or {}, np.arange(10))
        assert len(as_dicts(rows_of(rows.take(0, 1)))) == 10

    def bytes_after(turns: Iterable[int]) -> int:
        for turn in turns:
            pass_by(turn)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = bytes_after(range(20))
        after = bytes_after(range(20, 420))
    finally:
        tracemalloc.stop()

    assert after - before < 400 * 256


def test_nothing_is_said_again_of_who_was_erased_and_who_comes_later_is_another_person() -> None:
    reader = Reader()
    erased_at = NOON + 1_000
    name, value = erasure_record("u1", erased_at, NAMES)
    assert name
    reader.memory.fold_erasures(read_erasures([value], [0], NAMES), 1)
    reader.read(CLICKSTREAM, click(event_id="a"), click(event_id="b", user_id="u2"))
    reader.read(CLICKSTREAM, click(event_id="c", ts=NOON + 2_000))

    users = [row["user_hash"] for row in reader.rows()]

    assert len(users) == 2
    assert hexed("u2") == users[0]
    assert hexed("u1") not in users


def named(what: What, text: str) -> tuple[int, int]:
    """The name of a text, low word first."""
    low, high = NAMES.of_hashes(what, xxh3_128_digest(text.encode()))[0].tolist()
    return low, high


def hexed(user_id: str) -> str:
    low, high = named(What.USER, user_id)
    return f"{high:016x}{low:016x}"


COMBINATIONS = [
    (False, False, False),
    (True, False, False),
    (False, True, True),
    (True, True, True),
]


def consent(at: int, **allowed: bool) -> RecordBatch:
    """A record of u1's consent."""
    value = {"user_id": "u1", "ts": at, **allowed}
    batch = record_batch(CONSENTS, [value], received_at=at)
    return replace(batch, keys=[b"u1"])


def test_what_may_be_said_is_what_the_user_allowed_when_the_event_was_appended() -> None:
    reader = Reader()
    said = {"baby_stage": "0-6m", "geo": "CN", "age_band": "25-29"}
    reader.memory.fold_consents(read_consents(consent(NOON, stage=True), NAMES), 1)
    holds = NOON + HOLDS_AFTER_MS
    for number, (user, at) in enumerate([("u1", holds - 1), ("u1", holds), ("u2", holds)]):
        sent = click(event_id=str(number), user_id=user, **said)
        reader.read(CLICKSTREAM, sent, received_at=at)

    told = [[row[name] for name in ALLOWED] for row in reader.rows()]

    assert told == [["", "", ""], ["0-6m", "", ""], ["", "", ""]]


def stated(allowed: Sequence[tuple[bool, bool, bool]] | None) -> list[dict[str, Any]]:
    """The rows of four clicks of which so much may be said."""
    said = {"baby_stage": "0-6m", "geo": "CN", "age_band": "25-29"}
    read = decode(
        record_batch(CLICKSTREAM, [click(event_id=str(n), **said) for n in range(4)]),
        NAMES,
        in_full=True,
    )
    assert isinstance(read.facts, Behaviour)
    assert read.details is not None
    rows = EventRows()
    rows.add(read.facts, read.details, np.arange(4), None if allowed is None else np.array(allowed))
    return as_dicts(rows_of(rows.take(0, 1)))


def test_stage_place_and_age_are_said_only_where_that_is_allowed() -> None:
    found = [tuple(bool(row[name]) for name in ALLOWED) for row in stated(COMBINATIONS)]

    assert found == COMBINATIONS


def test_of_several_batches_each_says_what_is_allowed_of_its_own_events() -> None:
    reader = Reader()
    said = {"baby_stage": "0-6m", "geo": "CN", "age_band": "25-29"}
    at = NOON + HOLDS_AFTER_MS
    reader.read(CLICKSTREAM, click(event_id="a", **said), received_at=at)
    reader.memory.fold_consents(read_consents(consent(NOON, geo=True), NAMES), 1)
    reader.read(CLICKSTREAM, click(event_id="b"), received_at=at)
    twice = click(event_id="c", **said)
    others = click(event_id="d", user_id="u2", **said)
    reader.read(CLICKSTREAM, others, twice, twice, received_at=at)

    told = [[row[name] for name in ALLOWED] for row in reader.rows()]

    assert told == [[""] * 3, [""] * 3, [""] * 3, ["", "CN", ""]]


def test_without_a_word_on_consent_none_of_them_is_said() -> None:
    assert {row[name] for row in stated(None) for name in ALLOWED} == {""}


@pytest.mark.parametrize("seed", [1, 2])
def test_a_messy_log_gives_each_accepted_event_once_with_its_fields(seed: int) -> None:
    now = 1_767_225_600_000
    log = messy.records(messy.messy_lines(seed, now, users=20), 1, now)
    expected = oracle(log, 1)
    dice, memory, found = Random(seed), UserMemory(0, hmac_key=KEY), Counter[tuple[Any, ...]]()
    for topic in (CLICKSTREAM, INTERACTIONS):
        part = [record for record in log if record.topic == topic]
        start = 0
        while start < len(part):
            cut = part[start : start + dice.randint(1, 400)]
            values = [record.value for record in cut]
            memory.fold(
                decode(
                    record_batch(topic, values, first_offset=start, received_at=now),
                    NAMES,
                    in_full=True,
                )
            )
            start += len(cut)
            if dice.random() < 0.5:
                found.update(as_tuples(memory.take_events()))
    found.update(as_tuples(memory.take_events()))

    assert found.total() > 500
    assert found == event_rows(expected, KEY)


def as_tuples(rows: Rows | None) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in COLUMNS) for row in as_dicts(rows)]
