"""A writer whose broker is away closes in bounded time."""

import asyncio
from types import SimpleNamespace
from typing import cast

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from streams.snapshots import transactions
from streams.snapshots.transactions import TransactionalWriter


class Hanging:
    """A producer that waits for an acknowledgement for ever."""

    def __init__(self) -> None:
        self.is_client_closed = False
        self.client = SimpleNamespace(close=self.close)
        sender_task = asyncio.create_task(self.stop())
        self._sender = SimpleNamespace(sender_task=sender_task)
        self._txn_manager = SimpleNamespace(_transaction_waiter=None)
        self._message_accumulator = SimpleNamespace(_batches={})

    async def stop(self) -> None:
        await asyncio.get_running_loop().create_future()

    async def close(self) -> None:
        self.is_client_closed = True


async def test_a_producer_that_nobody_answers_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "STOP_S", 0.01)
    writer, producer = TransactionalWriter({}, "kol-user-0", TopicPartition("t", 0)), Hanging()
    writer._producer = cast("AIOKafkaProducer", producer)

    async with asyncio.timeout(10):
        await writer.stop()

    assert producer.is_client_closed
    with pytest.raises(asyncio.CancelledError):
        await producer._sender.sender_task
