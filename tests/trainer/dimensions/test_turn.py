"""When the turn of the dimensions says how far it has come."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

import pytest
from pydantic import SecretStr

from schemas.dimensions import DIMENSIONS, Dimension
from schemas.keyed_names import KeyedNames
from schemas.reference import Tombstone
from schemas.reference_types import POLICIES
from streams.clients.clickhouse import ReadingError
from streams.settings import Settings
from streams.trainer.dimensions import turn
from streams.trainer.dimensions.cursor import Cursor, Found
from streams.trainer.dimensions.erased import Persons
from streams.trainer.dimensions.reading import Batch
from streams.trainer.dimensions.rows import Stated
from streams.trainer.dimensions.turn import Dimensions
from streams.trainer.generations import Version

NOW = 1_800_000_000_000
NAMES = KeyedNames(b"k" * 32)
NOBODY = Persons(NAMES)
TABLES = {one.table: f"id-of-{one.table}" for one in DIMENSIONS}


class Store:
    """Keeps cursors; deletions may fail."""

    def __init__(self, *, deletes: bool = True) -> None:
        self.deletes = deletes
        self.written: list[Cursor] = []
        self.rows_of_others = ""  # the table that has some
        self.dropped: list[tuple[str, int]] = []

    def table_ids(self) -> Mapping[str, str]:
        return TABLES

    def cursors(self) -> Mapping[str, Cursor]:
        return {one.topic: one for one in self.written}

    def write_cursor(self, cursor: Cursor, version: int) -> None:
        del version
        if cursor.topic == POLICIES:
            self.written.append(cursor)

    def insert(self, *_: object) -> None:
        """Take rows."""

    def drop_former(self, shown: Mapping[Dimension, int]) -> None:
        readings = {one.table: at for one, at in shown.items()}
        if self.rows_of_others in readings:
            self.dropped.append((self.rows_of_others, readings[self.rows_of_others]))

    def drop_taken_back(self, *_: object) -> None:
        if not self.deletes:
            raise ReadingError("ALTER DELETE is not granted")


class Broker:
    """Has the topic `policy` of some tombstones."""

    def topic_ids(self) -> Mapping[str, str]:
        return {POLICIES: "id"}

    def end_offsets(self, _: object) -> Mapping[tuple[str, int], int]:
        return {}


def turned(monkeypatch: pytest.MonkeyPatch, store: Store, records: int) -> None:
    """Take a turn that reads all there is, a record in two seconds."""
    seconds = [0.0]

    @contextmanager
    def admin(_: object) -> Iterator[Broker]:
        yield Broker()

    class Reader:
        @contextmanager
        def opened(self) -> Iterator[None]:
            yield

        def read(self, cursor: Cursor, _: Found) -> Batch:
            seconds[0] += 2.0
            at = cursor.offsets[0]
            stated = {0: [Stated(at, NOW, Tombstone(POLICIES, (f"p{at}",)))]}
            return Batch(stated, [], {0: at + 1})

        def persons(self, *_: object) -> Persons:
            return NOBODY

    def found(_: object, topics: Mapping[str, str]) -> dict[str, Found]:
        nothing = {topic: Found("", table) for topic, table in topics.items()}
        return nothing | {POLICIES: Found("id", topics[POLICIES], {0: records})}

    monkeypatch.setattr(turn, "kafka_admin", admin)
    monkeypatch.setattr(turn, "found_topics", found)
    monkeypatch.setattr(turn, "tombstones_kept_ms", lambda *_: 86_400_000)
    settings = Settings(hmac_key=SecretStr("k" * 32))
    client, reader = cast("Any", None), cast("Any", Reader())
    made = Dimensions(client, settings, lambda: None, reader, lambda: seconds[0])
    made._store = cast("Any", store)
    made.turn(Version(1, 1), now_ms=NOW, at_once=True)


def test_while_all_is_read_the_cursor_is_written_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = Store()
    turned(monkeypatch, store, 7)

    assert [one.offsets[0] for one in store.written] == [3, 6, 7]  # after 6 s, 12 s, at the end
    assert [one.shown == one.reading for one in store.written] == [False, False, True]


def test_a_deletion_that_fails_keeps_no_dimension_from_being_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = Store(deletes=False)
    with pytest.raises(ReadingError, match="not granted"):
        turned(monkeypatch, store, 1)

    (cursor,) = store.written
    assert cursor == replace(cursor, shown=cursor.reading, offsets={0: 1}, looked_at=NOW)
    assert cursor.reading > 0


def test_rows_of_another_reading_are_dropped_though_the_one_that_counts_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where two first turns read a topic at once, both have written all of it."""
    store = Store()
    turned(monkeypatch, store, 1)
    store.rows_of_others = "policy_dim"
    turned(monkeypatch, store, 1)

    assert store.dropped == [("policy_dim", store.written[-1].shown)]
