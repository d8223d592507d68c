"""Writes to one partition of a topic, each time in one Kafka transaction: all of it, or nothing.

The transactional id belongs to the partition: `start` fences whoever had it before and aborts
what he had begun.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import InvalidProducerEpoch, ProducerFenced

BATCH_BYTES: Final = 900_000  # below the broker's usual limit of 1 MiB for a batch
TRANSACTION_MS: Final = 300_000  # an outage of the broker shorter than this fences nobody


class FencedError(Exception):
    """Somebody else owns the partition now, or the transaction was open for too long."""


class UncertainCommitError(Exception):
    """Whether the transaction was committed is not known; read the topic to find out."""


class ClosedError(Exception):
    """The writer is not started, or was stopped meanwhile; nothing is known to be lost."""


class TransactionalWriter:
    """Writes to one topic partition in transactions.

    Args:
        client: `bootstrap_servers` and security, as aiokafka's clients take them.
        name: the transactional id.
        tp: where to.

    """

    def __init__(self, client: Mapping[str, Any], name: str, tp: TopicPartition) -> None:
        self._client = client
        self._name = name
        self._tp = tp
        self._producer: AIOKafkaProducer | None = None
        self._is_uncertain = False  # a commit was cut off
        self._is_fenced = False

    async def start(self) -> None:
        """Fence whoever has the transactional id, and take it over."""
        self._producer = AIOKafkaProducer(
            transactional_id=self._name,
            transaction_timeout_ms=TRANSACTION_MS,
            max_batch_size=BATCH_BYTES,
            max_request_size=2 * BATCH_BYTES,
            compression_type=None,  # aiokafka compresses on the loop, 12 times the CPU of sending
            **self._client,
        )
        await self._producer.start()

    async def write(self, values: Mapping[bytes, bytes | None]) -> None:
        """Write values by key in one transaction; None is a tombstone.

        Raises:
            FencedError: somebody else has the transactional id; nothing was written.
            UncertainCommitError: this or an earlier commit was cut off.
            ClosedError: not started, or stopped meanwhile.

        """
        producer = self._usable_producer()
        sent: list[asyncio.Future[Any]] = []
        is_committing = False
        try:
            await producer.begin_transaction()
            for key, value in values.items():
                sent.append(
                    await producer.send(
                        self._tp.topic, value, key=key, partition=self._tp.partition
                    )
                )
            await asyncio.gather(*sent)
            is_committing = True
            await producer.commit_transaction()
        except (ProducerFenced, InvalidProducerEpoch) as error:
            raise self._fenced() from error
        except BaseException as error:
            if self._producer is not producer and isinstance(error, Exception):
                raise ClosedError(f"{self._name} was closed meanwhile") from error
            self._is_uncertain = is_committing
            if not is_committing:
                await self._abort(producer)
            elif isinstance(error, Exception):
                raise UncertainCommitError(f"{self._name}: the commit failed half-way") from error
            raise
        finally:
            _retrieve(producer, sent)

    def _usable_producer(self) -> AIOKafkaProducer:
        if self._producer is None:
            raise ClosedError(f"{self._name} is not open")
        if self._is_fenced:
            raise self._fenced()
        if self._is_uncertain:
            raise UncertainCommitError(f"{self._name}: an earlier commit was cut off")
        return self._producer

    def _fenced(self) -> FencedError:
        self._is_fenced = True
        return FencedError(f"{self._name}: somebody else owns this partition now")

    async def _abort(self, producer: AIOKafkaProducer) -> None:
        manager = producer._txn_manager  # noqa: SLF001  # no public way
        if manager.is_fatal_error():
            return
        try:
            await producer.abort_transaction()
        except ProducerFenced as error:
            raise self._fenced() from error

    async def stop(self) -> None:
        """Close the producer; what was committed stays."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()
            _retrieve(producer, [])


def _retrieve(producer: AIOKafkaProducer, sent: list[asyncio.Future[Any]]) -> None:
    """Look at every exception once, or asyncio complains about them at exit."""
    manager, sender = producer._txn_manager, producer._sender  # noqa: SLF001  # no public way
    batches = producer._message_accumulator._batches.values()  # noqa: SLF001  # as above
    waiters = [batch._drain_waiter for queue in batches for batch in queue]  # noqa: SLF001  # as above
    for future in (*sent, *waiters, manager._transaction_waiter, sender.sender_task):  # noqa: SLF001  # as above
        if future is not None and future.done() and not future.cancelled():
            future.exception()
