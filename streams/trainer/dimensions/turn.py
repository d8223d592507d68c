"""The turn that brings the dimensions up to date with their reference topics.

    1  read the cursors, then ask the brokers which topics there are and where they end
    2  of each topic in turn read some records, send what is wrong to the dead letters, write the
       rows of the rest; again, until all are read or the turn has taken long enough
    3  write the cursors, also now and then while much is read; then remove what counts no more

A row is what a record says, under its offset. So whatever is read or written twice, or late by a
holder of the lock that was paused, changes nothing. A cursor says only what stood in the table
before it was written; of two the later holder's counts. Decision 0029 has the proof.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from clickhouse_connect.driver.client import Client

from schemas.columns import Rejected
from schemas.dimensions import DIMENSIONS, OF_TOPIC
from schemas.topics import DEAD_LETTERS, ERASURES
from sinks.deadletter import DeadLetters
from streams.clients.kafka_admin import Broker, client_options, kafka_admin
from streams.clients.kafka_failures import of_brokers
from streams.errors import ExpectedError
from streams.settings import Settings
from streams.trainer.dimensions.cursor import HOUR_MS, Cursor, Found, looked, reached
from streams.trainer.dimensions.erased import Persons
from streams.trainer.dimensions.reading import (
    Batch,
    ReferenceReader,
    erasures_end,
    found_topics,
    tombstones_kept_ms,
)
from streams.trainer.dimensions.rows import rows_of
from streams.trainer.dimensions.store import DimensionStore
from streams.trainer.failures import Failures
from streams.trainer.generations import Version
from streams.trainer.report import Report

UNREAD: Final = "reference topics cannot be read"
NOTE_SECONDS: Final = 5.0  # of reading, until the cursors are written once more
LONGEST_SECONDS: Final = 5.0  # of reading, unless everything is to be read


class NoKeyError(ExpectedError):
    """Names cannot be made without the key."""


@dataclass(slots=True)
class _Topic:
    """One topic in a turn."""

    found: Found
    before: Cursor | None  # as it was written last
    now: Cursor
    looked_at: int  # milliseconds
    written: Cursor | None  # last, also in this turn
    taken_back_from: int | None = None  # least version of this turn that took a key back
    letters: Counter[str] = field(default_factory=Counter)

    has_failed: bool = False  # in this turn: the next one tries again

    @property
    def is_behind(self) -> bool:
        is_there = bool(self.found.topic_id) and not self.has_failed
        return is_there and self.now.left(self.found) > 0


class Dimensions:
    """The dimensions of one database, as the turns of one holder see them.

    Args:
        client: of the account that writes.
        settings: of the deployment.
        before: called before each statement.
        reader: of the process, which knows what it read in former turns.
        clock: seconds that never go back.

    """

    def __init__(
        self,
        client: Client,
        settings: Settings,
        before: Callable[[], None],
        reader: ReferenceReader,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reader = reader
        self._store = DimensionStore(client, before)
        self._settings = settings
        self._before = before
        self._clock = clock

    def turn(self, version: Version, *, now_ms: int, at_once: bool = False) -> Report:
        """Read what is new; gives what was written.

        Args:
            version: greater than that of any turn before, and used once.
            now_ms: the time, milliseconds.
            at_once: read all there is, however long it takes.

        Raises:
            ReadingError, BrokerError: ClickHouse or the brokers refuse; the next turn goes on.
            NoKeyError: there is no key to make names with.

        """
        started = self._clock()
        report = Report()
        failures = Failures()
        noted = started
        with kafka_admin(self._settings.kafka) as broker, self._reader.opened():
            with of_brokers(UNREAD):
                topics = self._look(broker, version.number, now_ms)
            while behind := [one for one in topics if one.is_behind]:
                for one in behind:
                    with failures.kept(), of_brokers(UNREAD):
                        one.has_failed = True
                        self._read(broker, one, report)
                        one.has_failed = False
                if not at_once and self._clock() - started > LONGEST_SECONDS:
                    break
                if self._clock() - noted >= NOTE_SECONDS:
                    for one in behind:
                        with failures.kept():
                            self._write_cursor(one, version.number)
                    noted = self._clock()
        for one in topics:
            with failures.kept():
                self._note(one, version.number, report)
        with failures.kept():
            self._drop_former(topics)
        failures.end()
        report.seconds = self._clock() - started
        return report

    def _look(self, broker: Broker, version: int, now_ms: int) -> list[_Topic]:
        table_ids = self._store.table_ids()
        cursors = self._store.cursors()  # before the ends, which are never less
        found = found_topics(broker, {one.topic: table_ids[one.table] for one in DIMENSIONS})
        topics = []
        for topic, there in found.items():
            before = cursors.get(topic)
            cursor = before or Cursor(topic)
            is_old = bool(there.topic_id) and now_ms - cursor.looked_at >= HOUR_MS
            kept_ms = tombstones_kept_ms(broker, topic) if is_old else HOUR_MS
            now = looked(cursor, there, now_ms, version, kept_ms)
            now = reached(now, {}, there, now_ms)
            topics.append(_Topic(there, before, now, looked_at=now_ms, written=before))
        return topics

    def _read(self, broker: Broker, topic: _Topic, report: Report) -> None:
        """Take the next records of a topic into its dimension."""
        if not self._settings.hmac_key.get_secret_value():
            raise NoKeyError("dimensions hold names of people: set the workers' KOL_HMAC_KEY")
        self._before()
        name = topic.now.topic
        batch = self._reader.read(topic.now, topic.found)
        end = erasures_end(broker)
        ids = broker.topic_ids()
        persons = self._reader.persons(ids.get(ERASURES, ""), end)
        if ids.get(name) != topic.found.topic_id:
            topic.found = Found("", topic.found.table_id)  # made anew meanwhile: the next turn's
            return
        self._write(topic, batch, persons, report)
        topic.now = reached(topic.now, batch.offsets, topic.found, topic.looked_at)

    def _write(self, topic: _Topic, batch: Batch, persons: Persons, report: Report) -> None:
        dimension = OF_TOPIC[topic.now.topic]
        rejected = [
            one
            for one in batch.rejected
            if not persons.is_about_erased(one.raw or b"", one.received_at)
        ]
        if rejected:
            asyncio.run(self._send(rejected))
            self._store.insert_letters(rejected)
            topic.letters.update(one.reason for one in rejected)
        for stated in batch.stated.values():
            rows = rows_of(topic.now.topic, topic.now.reading, stated, persons)
            if rows:
                self._store.insert(dimension, rows)
                report.rows[dimension.table] = report.rows.get(dimension.table, 0) + len(rows)
            taken = [int(row["version"]) for row in rows if row["deleted"]]
            if taken:
                least = min(taken)
                known = topic.taken_back_from
                topic.taken_back_from = least if known is None else min(known, least)

    async def _send(self, letters: Sequence[Rejected]) -> None:
        kafka = self._settings.kafka
        dead_letters = DeadLetters(client_options(kafka), kafka.broker_topic(DEAD_LETTERS))
        await dead_letters.start()
        try:
            await dead_letters.send(letters)
        finally:
            await dead_letters.stop()

    def _note(self, topic: _Topic, version: int, report: Report) -> None:
        """Write the cursor of a topic, then remove what it took back.

        A deletion that fails keeps nothing from being shown; the night repeats it.
        """
        name = topic.now.topic
        dimension = OF_TOPIC[name]
        self._write_cursor(topic, version)
        if topic.taken_back_from is not None:
            self._store.drop_taken_back(dimension, topic.taken_back_from)
        for reason, count in topic.letters.items():
            report.rejected[reason] = report.rejected.get(reason, 0) + count
        if topic.now.absent_since is not None:
            report.absent.append(name)
        report.behind[name] = topic.now.left(topic.found) if topic.found.topic_id else 0

    def _drop_former(self, topics: Sequence[_Topic]) -> None:
        """Remove rows of former readings: of a topic made anew, or of two that began at once."""
        self._store.drop_former(
            {OF_TOPIC[one.now.topic]: one.written.shown for one in topics if one.written}
        )

    def _write_cursor(self, topic: _Topic, version: int) -> None:
        if topic.now.is_worth_noting(topic.written):
            self._store.write_cursor(topic.now, version)
            topic.written = topic.now
