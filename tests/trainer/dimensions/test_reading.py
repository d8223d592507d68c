"""Which erasures a turn knows; reading itself runs in `tests/integration/test_dimensions.py`."""

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from pydantic import SecretStr

from schemas.erasures import erasure_record
from schemas.keyed_names import KeyedNames
from streams.clients.kafka_admin import BrokerError
from streams.settings import Settings
from streams.trainer.dimensions import reading
from streams.trainer.dimensions.reading import ReferenceReader

KEY = "k" * 32
NAMES = KeyedNames(KEY.encode())
AT = 1_800_000_000_000
Place = tuple[str, int]


@dataclass
class Record:
    """One of `kol-erasures`."""

    offset: int
    value: bytes


class Log:
    """The topic `kol-erasures`, whose every read is noted."""

    def __init__(self) -> None:
        self.values: list[bytes] = []
        self.begins: list[int] = []
        self.asked = 0  # times where it ends for who reads committed records
        self.closes = True

    def erase(self, *user_ids: str) -> None:
        self.values += [erasure_record(user_id, AT, NAMES)[1] for user_id in user_ids]

    async def stable_end(self, _: Place) -> int:
        self.asked += 1
        return len(self.values)

    async def ranges(
        self, starts: Mapping[Place, int], ends: Mapping[Place, int]
    ) -> AsyncIterator[Record]:
        (begin,), (end,) = starts.values(), ends.values()
        self.begins.append(begin)
        for offset in range(begin, end):
            yield Record(offset, self.values[offset])


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    made = Log()

    @asynccontextmanager
    async def record_reader(_: object) -> AsyncIterator[Log]:
        yield made
        if not made.closes:
            raise BrokerError("Kafka does not answer")

    monkeypatch.setattr(reading, "record_reader", record_reader)
    return made


def fails_with(reader: ReferenceReader, error: Exception) -> None:
    with reader.opened():
        reader.persons("topic", None)
        raise error


def erased(reader: ReferenceReader, topic_id: str, *user_ids: str) -> list[bool]:
    """Which of these users a turn knows to be erased; the end is not known, so it is asked for."""
    with reader.opened():
        found = reader.persons(topic_id, None)
    return [
        one is None for one in found.of([one.encode() for one in user_ids], [AT] * len(user_ids))
    ]


@pytest.fixture
def reader() -> ReferenceReader:
    return ReferenceReader(Settings(hmac_key=SecretStr(KEY)))


def test_of_erasures_only_what_is_new_is_read(log: Log, reader: ReferenceReader) -> None:
    log.erase("u1", "u2")
    erased(reader, "topic", "u1")
    log.erase("u3")

    assert erased(reader, "topic", "u1", "u2", "u3", "u4") == [True, True, True, False]
    assert log.begins == [0, 2]


@pytest.mark.parametrize("topic_id", ["another", "topic"], ids=["known", "not known yet"])
def test_erasures_of_a_topic_that_was_made_anew_are_read_from_its_beginning(
    log: Log, reader: ReferenceReader, topic_id: str
) -> None:
    log.erase("u1", "u2")
    erased(reader, "topic", "u1")
    log.values.clear()
    log.erase("u3")

    assert erased(reader, topic_id, "u1", "u3") == [False, True]


def test_where_erasures_end_is_asked_only_once_more_have_been_appended(
    log: Log, reader: ReferenceReader
) -> None:
    log.erase("u1")
    with reader.opened():
        for _ in range(3):
            reader.persons("topic", len(log.values))
        log.erase("u2")
        for _ in range(3):
            reader.persons("topic", len(log.values))

    assert (log.asked, log.begins) == (2, [0, 1])


@pytest.mark.parametrize("end", [2, 0], ids=["as long", "asked before it was made"])
def test_a_topic_that_was_made_anew_is_read_wherever_it_ends(
    log: Log, reader: ReferenceReader, end: int
) -> None:
    log.erase("u1", "u2")
    erased(reader, "topic", "u1")
    log.values.clear()
    log.erase("u3", "u4")

    with reader.opened():
        reader.persons("another", end)
    assert log.begins == [0, 0]


def test_a_connection_that_cannot_be_closed_fails_no_turn_and_hides_no_error(
    log: Log, reader: ReferenceReader, caplog: pytest.LogCaptureFixture
) -> None:
    log.closes = False
    erased(reader, "topic", "u1")

    with pytest.raises(KeyError, match="the turn's own"):
        fails_with(reader, KeyError("the turn's own"))
    assert [one.levelno for one in caplog.records] == [logging.WARNING] * 2
