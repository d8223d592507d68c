"""Silence of the brokers is never taken for the end of a topic."""

from collections.abc import Mapping
from typing import Any, cast

import pytest
from aiokafka import TopicPartition

from streams.clients import kafka_reader
from streams.clients.kafka_admin import BrokerError
from streams.clients.kafka_reader import RecordReader
from streams.settings import Kafka


class Consumer:
    """Of a topic of ten offsets without a record; its position moves so far with each answer."""

    def __init__(self, step: int) -> None:
        self._step, self._at = step, 0
        self.answers = 0

    def assign(self, *_: object) -> None:
        """Be assigned."""

    seek = pause = assign

    async def beginning_offsets(self, tps: list[TopicPartition]) -> Mapping[TopicPartition, int]:
        return dict.fromkeys(tps, 0)

    async def end_offsets(self, tps: list[TopicPartition]) -> Mapping[TopicPartition, int]:
        return dict.fromkeys(tps, 10)

    async def getmany(self, *_: object, timeout_ms: int) -> Mapping[TopicPartition, Any]:
        del timeout_ms
        self.answers += 1
        self._at += self._step
        return {}

    async def position(self, _: TopicPartition) -> int:
        return self._at


def reader(step: int) -> RecordReader:
    return RecordReader(cast("Any", Consumer(step)), Kafka())


@pytest.fixture(autouse=True)
def _no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_reader, "GIVE_UP_SECONDS", 0.0)


async def test_a_topic_that_gives_nothing_before_its_end_is_not_empty() -> None:
    with pytest.raises(BrokerError, match="purchases/0 cannot be read to its end"):
        await reader(0).first_at({("purchases", 0): 0})
    with pytest.raises(BrokerError, match="purchases/0 cannot be read to its end"):
        await reader(0).newest([("purchases", 0)], 5)


async def test_offsets_without_records_are_read_over() -> None:
    assert await reader(10).first_at({("purchases", 0): 0}) == []


async def test_a_topic_that_has_ended_is_empty() -> None:
    assert await reader(0).first_at({("purchases", 0): 10}) == []
