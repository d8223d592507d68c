"""Numbers are read whole, on and on, and again where older ones are needed; on a stand-in."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError

from schemas.entries import Entries, texts
from schemas.number_log import NumberLog
from schemas.numbered import CONTENT, HOLDS_AFTER_MS, encode_number
from schemas.topics import SNAPSHOTS
from streams.settings import Kafka
from streams.worker import numbers_reader
from streams.worker.numbers_reader import SPARE_MS, NumbersReader
from streams.worker.read_ahead import NEVER
from tests.builders import HOUR, NOON, SECOND

TP = TopicPartition(SNAPSHOTS, 0)


@dataclass
class Record:
    """As the client gives it."""

    offset: int
    key: bytes
    value: bytes | None
    timestamp: int
    timestamp_type: int = 1


class Topic:
    """What the broker has."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.now = NOON
        self.fails = 0  # so many answers

    def publish(self, *, sealed: bool = True) -> int:
        """A number that says of one content that it is sponsored."""
        number = 1 + len({record.key.split(b"/")[1] for record in self.records})
        flags = np.ones(1, np.int8)
        entries = Entries(texts(["c1"]), {"sponsored": flags, "disclosed": flags})
        records, seal = encode_number(CONTENT, number, entries)
        for key, value in [*records, seal] if sealed else records:
            self.records.append(Record(len(self.records), key, value, self.now))
        return number


class FakeConsumer:
    """Reads it."""

    topic: ClassVar[Topic]
    isolations: ClassVar[list[str]] = []

    def __init__(self, **options: Any) -> None:  # noqa: ANN401  # aiokafka's
        self.isolations.append(options["isolation_level"])
        self._at = 0

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def assign(self, tps: list[TopicPartition]) -> None:
        assert tps == [TP]

    def seek(self, _: TopicPartition, offset: int) -> None:
        self._at = offset

    async def getmany(self, *_: TopicPartition, timeout_ms: int) -> dict[TopicPartition, Any]:
        assert timeout_ms > 0
        await asyncio.sleep(0)
        self.topic.now += 1
        if self.topic.fails:
            self.topic.fails -= 1
            raise KafkaConnectionError
        if self._at > len(self.topic.records):
            self._at = 0  # as `auto_offset_reset` says
        found = self.topic.records[self._at :][:2]
        self._at += len(found)
        return {TP: found} if found else {}

    async def position(self, _: TopicPartition) -> int:
        return self._at

    def highwater(self, _: TopicPartition) -> int:
        return len(self.topic.records)

    def last_poll_timestamp(self, _: TopicPartition) -> int:
        return self.topic.now


@pytest.fixture
def topic(monkeypatch: pytest.MonkeyPatch) -> Topic:
    FakeConsumer.topic = Topic()
    monkeypatch.setattr(numbers_reader, "AIOKafkaConsumer", FakeConsumer)
    monkeypatch.setattr(numbers_reader, "AGAIN_SECONDS", 0.0)
    return FakeConsumer.topic


@pytest.fixture
async def reader(topic: Topic) -> AsyncIterator[NumbersReader]:
    assert topic
    crashes: list[BaseException] = []
    made = NumbersReader(Kafka(), crashes.append)
    yield made
    made.stop()
    assert not crashes


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110  # the reader tells nobody
            await asyncio.sleep(0)


def numbers(reader: NumbersReader) -> list[int]:
    return [one.manifest.number for one in reader.known.log.numbers(CONTENT)]


def asked_at(reader: NumbersReader) -> int:
    reached = reader.beside().reached(0)
    assert reached is not None
    return reached.asked_at


async def test_the_topic_is_read_whole_and_then_on(topic: Topic, reader: NumbersReader) -> None:
    topic.publish()
    reader.need(NEVER)
    await until(lambda: numbers(reader) == [1])
    topic.publish()
    await until(lambda: numbers(reader) == [1, 2])

    assert set(FakeConsumer.isolations) == {"read_uncommitted"}


async def test_an_end_counts_once_all_before_it_is_read(
    topic: Topic, reader: NumbersReader
) -> None:
    for _ in range(5):
        topic.publish()
    reader.need(NEVER)
    before = asked_at(reader)
    await until(lambda: asked_at(reader) > NEVER)

    assert before == NEVER
    assert numbers(reader) == [1, 2, 3, 4, 5]


async def test_brokers_that_fail_are_asked_again_and_reading_goes_on_where_it_was(
    topic: Topic, reader: NumbersReader
) -> None:
    topic.publish()
    reader.need(NEVER)
    await until(lambda: numbers(reader) == [1])
    topic.fails = 3
    topic.publish()
    await until(lambda: numbers(reader) == [1, 2])

    assert not reader.known.log.faults()


async def test_a_topic_that_was_made_anew_says_all_that_counts(
    topic: Topic, reader: NumbersReader
) -> None:
    for _ in range(3):
        topic.publish()
    reader.need(NEVER)
    await until(lambda: numbers(reader) == [1, 2, 3])
    topic.records.clear()
    topic.publish()
    await until(lambda: numbers(reader) == [1])


async def test_a_topic_that_was_made_anew_and_is_empty_says_nothing_any_more(
    topic: Topic, reader: NumbersReader
) -> None:
    for _ in range(3):
        topic.publish()
    reader.need(NEVER)
    await until(lambda: numbers(reader) == [1, 2, 3])
    topic.records.clear()
    await until(lambda: numbers(reader) == [])
    for _ in range(4):  # more records than before
        topic.publish()
    await until(lambda: numbers(reader) == [1, 2, 3, 4])


async def test_what_only_older_records_ask_for_is_let_go_and_read_again_when_they_come(
    topic: Topic, reader: NumbersReader
) -> None:
    topic.publish()
    topic.now += 2 * HOUR
    topic.publish()
    second_from = topic.now + HOLDS_AFTER_MS
    reader.need(NEVER)
    await until(lambda: numbers(reader) == [1, 2])
    log = reader.known.log
    reader.give_up(second_from + SPARE_MS - 1)
    still = numbers(reader)
    reader.give_up(second_from + SPARE_MS)
    less = numbers(reader)
    reader.need(second_from)
    same = reader.known.log is log
    reader.need(second_from - 1)

    assert (still, less, same) == ([1, 2], [2], True)
    assert asked_at(reader) == NEVER
    await until(lambda: numbers(reader) == [1, 2])


async def test_a_start_holds_only_numbers_that_records_from_its_state_on_ask_for(
    topic: Topic, reader: NumbersReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    froms = []
    for _ in range(4):
        topic.publish()
        froms.append(topic.now + HOLDS_AFTER_MS)
        topic.now += 2 * HOUR
    most: list[int] = []
    add = NumberLog.add

    def watched(log: NumberLog, *record: Any, **how: Any) -> None:  # noqa: ANN401  # as it is
        add(log, *record, **how)
        most.append(len(log.numbers(CONTENT)))

    monkeypatch.setattr(NumberLog, "add", watched)
    reader.need(froms[2] + SPARE_MS)
    await until(lambda: numbers(reader) == [3, 4])
    reader.need(froms[3] + SPARE_MS)
    held = numbers(reader)
    reader.need(froms[2] - 1)  # a partition that lags further behind
    await until(lambda: numbers(reader) == [2, 3, 4])

    assert held == [3, 4]
    assert max(most[: len(topic.records)]) == 2


async def test_parts_without_a_seal_say_nothing_and_hold_nobody_up(
    topic: Topic, reader: NumbersReader
) -> None:
    """As a trainer leaves them that hangs amid a number."""
    topic.publish(sealed=False)
    reader.need(NEVER)
    await until(lambda: asked_at(reader) > NEVER)

    assert numbers(reader) == []


async def test_what_nobody_foresaw_ends_the_worker(topic: Topic) -> None:
    crashes: list[BaseException] = []
    reader = NumbersReader(Kafka(), crashes.append)
    topic.records.append(SimpleNamespace(offset=0))  # type: ignore[arg-type]  # no record at all
    reader.need(NEVER)
    await until(lambda: bool(crashes))
    reader.stop()

    assert isinstance(crashes[0], AttributeError)


def test_the_spare_time_is_longer_than_what_a_number_waits_for() -> None:
    assert SPARE_MS > HOLDS_AFTER_MS + 10 * SECOND


async def test_minutes_are_judged_as_far_as_the_topic_is_read(
    topic: Topic, reader: NumbersReader
) -> None:
    """A number of now holds in 10 s: of a minute that begins within 5 s all are read."""
    assert reader.known_to < 0
    topic.publish()
    reader.need(NEVER)
    await until(lambda: numbers(reader) == [1] and asked_at(reader) > NEVER)

    assert reader.known_to == (asked_at(reader) + 5_000) // 60_000
