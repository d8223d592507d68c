"""Writes to one partition of a topic, each time in one Kafka transaction: all of it, or nothing.

The transactional id belongs to the partition: `start` fences whoever had it before and aborts
what he had begun.

*Late requests.* aiokafka sends the end of a transaction again when no answer comes, and a broker
of the old protocol takes a first copy that arrives late for the end of the *next* transaction
(KIP-890): half of a snapshot would be committed. So after an end that was sent more than once, or
an abort, the next write takes a new producer epoch: a late copy is then refused.
Taking it would fence a rightful successor, too; what he committed before that is looked for.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import InvalidProducerEpoch, KafkaError, ProducerFenced

from streams.snapshots.stable_end import has_records_from

BATCH_BYTES: Final = 900_000  # below the broker's usual limit of 1 MiB for a batch
TRANSACTION_MS: Final = 300_000  # an outage of the broker shorter than this fences nobody
STOP_S: Final = 1.0  # to close a producer; a worker that ends has 9 s for all
RESTART_S: Final = 0.5  # between attempts to reach the brokers for a new epoch


log = logging.getLogger("kol.snapshots")


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
        self._is_stopped = False
        self._ends = 0  # requests that the transaction is to end
        self._may_be_late = False  # a copy of the last transaction's end may still arrive
        self._next_offset = 0  # behind our last record

    async def start(self) -> None:
        """Fence whoever has the transactional id, and take it over."""
        producer = AIOKafkaProducer(
            transactional_id=self._name,
            transaction_timeout_ms=TRANSACTION_MS,
            max_batch_size=BATCH_BYTES,
            max_request_size=2 * BATCH_BYTES,
            compression_type=None,  # aiokafka compresses on the loop, 12 times the CPU of sending
            **self._client,
        )
        _count_ends(producer, self._count_end)
        self._producer = producer
        await producer.start()

    async def write(
        self, values: Mapping[bytes, bytes | None], before: Callable[[], None] = lambda: None
    ) -> None:
        """Write values by key in one transaction; None is a tombstone.

        Args:
            values: by key.
            before: the commit; raises where nothing is to be written after all.

        Raises:
            FencedError: somebody else has the transactional id; nothing was written.
            UncertainCommitError: this or an earlier commit was cut off.
            ClosedError: not started, or stopped meanwhile.

        """
        producer = await self._usable_producer()
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
            before()
            is_committing = True
            self._ends = 0
            await producer.commit_transaction()
            self._may_be_late = self._ends > 1
            self._next_offset = max(future.result().offset for future in sent) + 1
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

    def _count_end(self) -> None:
        self._ends += 1

    async def _usable_producer(self) -> AIOKafkaProducer:
        if self._producer is None:
            raise ClosedError(f"{self._name} is not open")
        if self._is_fenced:
            raise self._fenced()
        if self._is_uncertain:
            raise UncertainCommitError(f"{self._name}: an earlier commit was cut off")
        return await self._renewed() if self._may_be_late else self._producer

    async def _renewed(self) -> AIOKafkaProducer:
        """A producer with a new epoch, unless somebody else has written meanwhile."""
        await self._stop_producer()
        while True:
            try:
                await self.start()
                is_ours = not await has_records_from(self._client, self._tp, self._next_offset)
                break
            except KafkaError as error:
                log.warning("%s: no new epoch yet: %r", self._name, error)
                await self._stop_producer()
                await asyncio.sleep(RESTART_S)
            if self._is_stopped:
                raise ClosedError(f"{self._name} was closed meanwhile")
        if self._is_stopped or self._producer is None:
            await self._stop_producer()
            raise ClosedError(f"{self._name} was closed meanwhile")
        if not is_ours:
            raise self._fenced()
        self._may_be_late = False
        return self._producer

    def _fenced(self) -> FencedError:
        self._is_fenced = True
        return FencedError(f"{self._name}: somebody else owns this partition now")

    async def _abort(self, producer: AIOKafkaProducer) -> None:
        manager = producer._txn_manager  # noqa: SLF001  # no public way
        if manager.is_fatal_error():
            return
        try:
            self._may_be_late = True
            await producer.abort_transaction()
        except ProducerFenced as error:
            raise self._fenced() from error

    async def stop(self) -> None:
        """Close the producer for good; what was committed stays."""
        self._is_stopped = True
        await self._stop_producer()

    async def _stop_producer(self) -> None:
        """Close the producer in bounded time; aiokafka waits for records that nobody takes."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            async with asyncio.timeout(STOP_S):
                await producer.stop()
        except TimeoutError:
            log.warning("%s: not closed in %g s; what it had begun is aborted", self._name, STOP_S)
            producer._sender.sender_task.cancel()  # noqa: SLF001  # no public way
            await producer.client.close()
        _retrieve(producer, [])


def _count_ends(producer: AIOKafkaProducer, count: Callable[[], None]) -> None:
    """Call `count` before each request that a transaction is to end."""
    sender = producer._sender  # noqa: SLF001  # no public way
    request = sender._do_txn_commit  # noqa: SLF001  # as above

    async def counted(result: Any) -> None:  # noqa: ANN401  # aiokafka's
        count()
        await request(result)

    sender._do_txn_commit = counted  # noqa: SLF001  # as above


def _retrieve(producer: AIOKafkaProducer, sent: list[asyncio.Future[Any]]) -> None:
    """Look at every exception once, or asyncio complains about them at exit."""
    manager, sender = producer._txn_manager, producer._sender  # noqa: SLF001  # no public way
    batches = producer._message_accumulator._batches.values()  # noqa: SLF001  # as above
    waiters = [batch._drain_waiter for queue in batches for batch in queue]  # noqa: SLF001  # as above
    for future in (*sent, *waiters, manager._transaction_waiter, sender.sender_task):  # noqa: SLF001  # as above
        if future is not None and future.done() and not future.cancelled():
            future.exception()
