"""What `kol forget` makes sure of, and whose hashes it asks for.

All of it runs in `tests/integration/test_forgetting.py`.
"""

import asyncio
import hmac
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka.errors import KafkaConnectionError
from clickhouse_connect.driver.exceptions import ClickHouseError
from kafka.errors import KafkaTimeoutError

from schemas.keyed_names import KeyedNames
from schemas.topics import TOPICS
from streams.clients.clickhouse import ReadingError
from streams.clients.kafka_admin import BrokerError
from streams.operations.forget import erase
from streams.operations.forget.erase import (
    ForgettingError,
    UnfinishedError,
    check_key,
    check_rights,
    forget,
    hashes,
)
from streams.operations.forget.search import Traces
from streams.settings import Settings
from tests.builders import KEY
from tests.core.user.test_erasures import later_hash
from tests.core.user.test_memory_laws import user_hash

SETTINGS = Settings(hmac_key=KEY.decode())


def former(message: bytes) -> str:
    """What rows of former versions have."""
    return hmac.digest(KEY, message, "sha256").hex()[:32]


@pytest.mark.parametrize(
    ("moments", "expected"),
    [
        ([9], [user_hash("u1"), former(b"u1")]),
        (
            [9, 5, 9],
            [
                *(user_hash("u1"), later_hash(user_hash("u1"), 5)),
                *(former(b"u1"), former(bytes.fromhex(former(b"u1")) + (5).to_bytes(8))),
            ],
        ),
    ],
)
def test_everybody_up_to_the_last_moment_has_a_hash(
    moments: list[int], expected: list[str]
) -> None:
    assert hashes(SETTINGS, "u1", moments) == tuple(expected)


def test_who_has_another_key_than_the_workers_forgets_nobody() -> None:
    own, other = (tuple(KeyedNames(key).check[0].tolist()) for key in (KEY, b"another key"))

    check_key(Traces(keys={own}), SETTINGS)
    check_key(Traces(), SETTINGS)  # no snapshot says it
    with pytest.raises(ForgettingError, match="KOL_HMAC_KEY is not the one"):
        check_key(Traces(keys={own, other}), SETTINGS)


class Engine:
    """Refuses statements with a word in them."""

    def __init__(self, word: str, why: str = "Code: 497. Not enough privileges") -> None:
        self._word = word
        self._why = why

    def command(self, sql: str, **_: object) -> None:
        if self._word in sql:
            raise ClickHouseError(self._why)

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize(
    ("word", "right"),
    [(" DELETE ", "ALTER DELETE"), ("kol_dim UPDATE user_hash", "ALTER UPDATE")],
)
def test_an_account_without_a_right_is_refused_before_anything_is_done(
    word: str, right: str
) -> None:
    with pytest.raises(ForgettingError, match=f"grant it {right}"):
        check_rights(cast("Any", Engine(word)))


def test_an_account_with_all_rights_may_forget() -> None:
    check_rights(cast("Any", Engine("INSERT")))


def test_an_engine_that_refuses_for_another_reason_is_not_told_to_grant_anything() -> None:
    engine = Engine(" DELETE ", "Code: 341. The table is being replicated anew")

    with pytest.raises(ReadingError, match="replicated anew"):
        check_rights(cast("Any", engine))


# ---------------------------------------------------------------- what fails on the way


class Kafka:
    """Brokers with all topics and a worker; one answer or one record may fail."""

    def __init__(self, fails_at: int = -1, *, says_how_long: bool = True) -> None:
        self.sent = 0  # records: the one that asks for the time, then one for each partition
        self._fails_at = fails_at
        self._says_how_long = says_how_long

    def counts(self) -> Mapping[str, int]:
        return dict.fromkeys(TOPICS, 4)

    def members(self, _: str) -> Mapping[str, object]:
        return {"worker": {}}

    def configs(self, _: str) -> Mapping[str, str]:
        if not self._says_how_long:
            raise KafkaTimeoutError
        return {"retention.ms": "604800000"}

    async def start(self) -> None:
        """Nothing is to be opened."""

    async def stop(self) -> None:
        """Nor to be closed."""

    async def send_and_wait(self, *_: object, **__: object) -> object:
        if self.sent == self._fails_at:
            raise KafkaConnectionError
        self.sent += 1
        return SimpleNamespace(timestamp=1_800_000_000_000)


def forgotten(monkeypatch: pytest.MonkeyPatch, kafka: Kafka) -> None:
    """Forget a user of whom nothing is kept; reading back what was published fails."""

    @contextmanager
    def admin(_: object) -> Iterator[Kafka]:
        yield kafka

    async def nothing(*_: object) -> Traces:
        return Traces()

    async def unread(*_: object) -> list[int]:
        if kafka.sent:
            raise BrokerError("kol-erasures/3 cannot be read to its end")
        return []

    monkeypatch.setattr(erase, "connect", lambda _: Engine("INSERT"))
    monkeypatch.setattr(erase, "kafka_admin", admin)
    monkeypatch.setattr(erase, "AIOKafkaProducer", lambda **_: kafka)
    monkeypatch.setattr(erase, "search", nothing)
    monkeypatch.setattr(erase, "_erased_at", unread)
    asyncio.run(forget(SETTINGS, "u1", 1.0, lambda _: None))


def test_where_not_even_the_time_is_known_nothing_was_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ForgettingError, match="does not take it"):
        forgotten(monkeypatch, Kafka(fails_at=0))


def test_an_erasure_that_is_on_some_partitions_is_to_be_run_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(UnfinishedError, match="not forgotten yet: run it again"):
        forgotten(monkeypatch, Kafka(fails_at=2))


def test_an_erasure_that_cannot_be_read_back_is_to_be_run_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(UnfinishedError, match="to its end; not forgotten yet: run it again"):
        forgotten(monkeypatch, Kafka())


def test_brokers_that_do_not_say_how_long_inputs_are_kept_are_asked_before_anything_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Asked at the end, they would take the report of an erasure with them."""
    kafka = Kafka(says_how_long=False)

    with pytest.raises(BrokerError, match="the brokers refuse"):
        forgotten(monkeypatch, kafka)
    assert kafka.sent == 0
