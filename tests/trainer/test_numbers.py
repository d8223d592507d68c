"""Which numbers a trainer publishes: never a state that was read before the newest number."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

import msgspec
import numpy as np
import pytest

from schemas.entries import Entries, texts
from schemas.numbered import CONTENT, KINDS, encode_number
from streams.settings import Kafka
from streams.trainer.population import SOURCES, Population
from streams.trainer.publishing import NotPublishedError, Numbers, newest_numbers
from streams.trainer.turns import StoppedError

NOW = 1_800_000_000_000


def contents(*ids: str) -> Entries:
    flags = np.ones(len(ids), np.int8)
    return Entries(texts(list(ids)), {"disclosed": flags, "sponsored": flags})


class Topic:
    """The records of a topic that all share."""

    def __init__(self) -> None:
        self.records: list[tuple[bytes, bytes | None]] = []

    def publish(self, number: int, *ids: str) -> None:
        """Publish a base at once."""
        records, seal = encode_number(
            *(CONTENT, number, contents(*ids)), rows=len(ids), made_at=NOW, app="other"
        )
        self.records += [*records, seal]


class Holder(Numbers):
    """Numbers of a process, on a topic without brokers; something happens as it takes over."""

    def __init__(self, topic: Topic, meanwhile: Callable[[], None] = lambda: None) -> None:
        super().__init__(Kafka(), "kol")
        self._topic = topic
        self._meanwhile = meanwhile

    async def read(self) -> Any:  # noqa: ANN401  # as the original
        for key, value in self._topic.records[self._next_offset :]:
            self.log.add(key, value, NOW, by_broker=True)
        self._next_offset = len(self._topic.records)
        return self.log

    @asynccontextmanager
    async def _writer(self) -> AsyncIterator[Any]:
        self._meanwhile()
        yield None

    async def _write(self, writer: object, plan: Any, before: Callable[[], None]) -> None:  # noqa: ANN401  # a plan
        del writer
        before()
        self._topic.records += [*plan.records, plan.seal]


async def seen_by(holder: Holder) -> Mapping[str, int]:
    return newest_numbers(await holder.read())


async def test_who_slept_over_another_ones_number_does_not_publish_what_is_older() -> None:
    topic = Topic()
    topic.publish(1, "a")
    holder = Holder(topic, lambda: topic.publish(2, "a", "b"))
    seen = await seen_by(holder)

    with pytest.raises(NotPublishedError, match="number 2 of content was published meanwhile"):
        await holder.publish({CONTENT: contents("a", "x")}, NOW, seen=seen)

    assert newest_numbers(holder.log)[CONTENT] == 2


async def test_who_read_after_the_newest_number_publishes_the_next_one() -> None:
    topic = Topic()
    topic.publish(1, "a")
    holder = Holder(topic)
    done = await holder.publish({CONTENT: contents("a", "b")}, NOW, seen=await seen_by(holder))

    assert done.published[CONTENT].manifest.number == 2
    assert newest_numbers(holder.log) == {**dict.fromkeys(KINDS, 0), CONTENT: 2}


async def test_who_lost_the_lock_meanwhile_commits_nothing() -> None:
    topic = Topic()
    holder = Holder(topic)

    def lost() -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        await holder.publish({CONTENT: contents("a")}, NOW, seen=await seen_by(holder), before=lost)

    assert topic.records == []


class Dimensions:
    """A database whose dimensions are what a test says."""

    def __init__(self, shown: int = 7, parts: int = 3) -> None:
        self.shown, self.parts = shown, parts
        self.hashed = 0  # how often all values were

    def raw_query(self, sql: str, **_: object) -> bytes:
        if "system.parts" in sql:
            return msgspec.json.encode({"parts": self.parts})
        if "cityHash64" in sql:
            self.hashed += 1
            return msgspec.json.encode({"n": 0, "hash": 0})
        return msgspec.json.encode({"shown": self.shown})

    def query(self, sql: str, **_: object) -> Any:  # noqa: ANN401  # a stand-in
        del sql
        return type("Answer", (), {"result_columns": []})


def looked_at(population: Population, dimensions: Dimensions, newest: int) -> list[str]:
    found = population.changed(cast("Any", dimensions), lambda: None, dict.fromkeys(KINDS, newest))
    for kind, (_, marks) in found.items():
        population.take(kind, marks, newest)
    return sorted(found)


def test_a_state_is_looked_at_anew_where_somebody_else_published_the_newest_number() -> None:
    population, dimensions = Population("kol"), Dimensions()

    assert looked_at(population, dimensions, 4) == sorted(SOURCES)
    assert looked_at(population, dimensions, 4) == []
    assert looked_at(population, dimensions, 5) == sorted(SOURCES)


def test_a_dimension_that_was_never_read_to_its_end_says_nothing() -> None:
    assert looked_at(Population("kol"), Dimensions(shown=0), 0) == []


def test_a_table_to_which_nothing_was_written_is_not_hashed_again() -> None:
    population, dimensions = Population("kol"), Dimensions()
    looked_at(population, dimensions, 4)
    looked_at(population, dimensions, 4)

    assert dimensions.hashed == len(SOURCES)


@pytest.mark.parametrize(
    ("shown", "parts"), [(8, 3), (7, 4), (7, 0)], ids=["read anew", "written", "unknown"]
)
def test_a_table_that_may_have_changed_is_hashed_once(shown: int, parts: int) -> None:
    population, dimensions = Population("kol"), Dimensions()
    looked_at(population, dimensions, 4)
    dimensions.shown, dimensions.parts = shown, parts

    assert looked_at(population, dimensions, 4) == []
    assert dimensions.hashed == 2 * len(SOURCES)
    looked_at(population, dimensions, 4)
    assert dimensions.hashed == (2 if parts else 3) * len(SOURCES)
