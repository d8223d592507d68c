"""Numbers on `kol-snapshots`: read, published each in a transaction, and removed.

All apps that share the topic share one transactional id. Who is about to write takes it over:
that fences whoever had it and ends a transaction that he left open; then the topic is read to its
end, and what is written follows from that. So no number is used twice, whoever sleeps, dies or
writes at the same time. Who offers a state says which number was the newest before it was read:
where another one is by now, the state may be older than that number, and is not published. The
seal follows the commit, outside of the transaction; `schemas.numbered` says why.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from schemas.entries import Entries
from schemas.number_log import FOREVER, Number, NumberLog
from schemas.numbered import KINDS
from schemas.topics import MAX_MESSAGE_BYTES, SNAPSHOTS
from sinks.base import SinkStopped
from sinks.producer import Producer, Record
from streams.clients.kafka_admin import client_options
from streams.clients.kafka_reader import record_reader
from streams.errors import ExpectedError, named
from streams.settings import Kafka
from streams.snapshots.transactions import (
    ClosedError,
    FencedError,
    TransactionalWriter,
    UncertainCommitError,
)
from streams.trainer.number_plan import Plan, Refusal, planned

SEAL_SECONDS: Final = 30.0  # for the brokers to take a seal

log = logging.getLogger("kol.trainer")


class NotPublishedError(ExpectedError):
    """A number did not come about; the next turn makes another one."""


@dataclass
class Outcome:
    """What became of the states that were offered."""

    published: dict[str, Number] = field(default_factory=dict)  # kind -> its number
    refused: dict[str, str] = field(default_factory=dict)  # kind -> why


class Numbers:
    """What the topic holds, as far as it was read, and the one way to write to it.

    Args:
        kafka: the brokers.
        app_id: whose trainer writes.
        topic: where the numbers are.

    """

    def __init__(self, kafka: Kafka, app_id: str, topic: str = SNAPSHOTS) -> None:
        self._kafka = kafka
        self._app_id = app_id
        self._place = (topic, 0)
        self._tp = TopicPartition(kafka.broker_topic(topic), 0)
        self._next_offset = 0
        self.log = NumberLog()

    async def read(self) -> NumberLog:
        """Read on to the end of what is committed; gives all numbers.

        Raises:
            BrokerError: the brokers do not answer.

        """
        async with record_reader(self._kafka) as records:
            end = await records.committed_end(self._place)
            if end < self._next_offset:  # the topic was made anew
                self.log, self._next_offset = NumberLog(), 0
            async for one in records.ranges({self._place: self._next_offset}, {self._place: end}):
                self.log.add(one.key, one.value, one.at, by_broker=one.by_broker)
        self._next_offset = end
        return self.log

    async def publish(
        self,
        states: Mapping[str, Entries],
        now_ms: int,
        *,
        anyway: bool = False,
        seen: Mapping[str, int] | None = None,
        before: Callable[[], None] = lambda: None,
    ) -> Outcome:
        """Publish what differs from the newest numbers.

        Args:
            states: of each kind that is offered.
            now_ms: milliseconds since the epoch.
            anyway: also what a jump would keep back.
            seen: the newest number of each kind before its state was read; None: they are new.
            before: each commit; raises where nothing is to be published any more.

        Raises:
            NotPublishedError: it failed, or another number is the newest by now; what was
                committed until then stands.
            BrokerError: the brokers do not answer.

        """
        outcome = Outcome()
        async with self._writer() as writer:
            await self.read()
            _require_newest(self.log, states, seen)
            for kind, state in states.items():
                plan = planned(self.log, kind, state, now_ms, self._app_id, anyway=anyway)
                if isinstance(plan, Refusal):
                    outcome.refused[kind] = plan.why
                elif plan is not None:  # the newest number does not say it already
                    await self._write(writer, plan, before)
                    outcome.published[kind] = await self._checked(plan)
        return outcome

    async def _write(
        self, writer: TransactionalWriter, plan: Plan, before: Callable[[], None]
    ) -> None:
        await writer.write(dict(plan.records), before)
        key, value = plan.seal
        producer = Producer(client_options(self._kafka), self._tp.topic, MAX_MESSAGE_BYTES)
        try:
            async with asyncio.timeout(SEAL_SECONDS):
                await producer.start()
                await producer.send([Record(0, value, key)])
        except TimeoutError as error:
            raise NotPublishedError(
                f"number {plan.number} of {plan.kind} was committed, but not sealed in"
                f" {SEAL_SECONDS:g} s; it counts only if its seal is on the topic"
            ) from error
        finally:
            await producer.stop()

    async def _checked(self, plan: Plan) -> Number:
        """The number as readers find it.

        Raises:
            NotPublishedError: it is not there, or not whole.

        """
        found = await self.read()
        number = found.newest(plan.kind)
        if number is not None and number.manifest.number == plan.number:
            return number
        why = [fault.why for fault in found.faults() if fault.number == plan.number]
        raise NotPublishedError(
            f"number {plan.number} of {plan.kind} is not whole on the topic:"
            f" {'; '.join(why) or 'it is not there'}"
        )

    async def remove_before(self, oldest_ms: int) -> int:
        """Remove the numbers that no record from a record time on asks for; says how many.

        Raises:
            NotPublishedError, ExpectedError: as `publish`.

        """
        await self.read()
        if not self._superseded(oldest_ms):
            return 0
        async with self._writer() as writer:
            await self.read()
            gone = self._superseded(oldest_ms)
            tombstones: dict[bytes, bytes | None] = {
                key: None for keys in gone.values() for key in keys
            }
            if tombstones:
                await writer.write(tombstones)
        await self.read()
        return len(gone)

    def _superseded(self, oldest_ms: int) -> dict[int, list[bytes]]:
        found: dict[int, list[bytes]] = {}
        for kind in KINDS:
            found |= self.log.superseded(kind, min(oldest_ms, FOREVER))
        return found

    @asynccontextmanager
    async def _writer(self) -> AsyncIterator[TransactionalWriter]:
        """The transactional id, taken over from whoever had it."""
        name = f"publisher-of-{self._tp.topic}"
        writer = TransactionalWriter(client_options(self._kafka), name, self._tp)
        try:
            await writer.start()
            yield writer
        except (FencedError, UncertainCommitError, ClosedError, SinkStopped) as error:
            raise NotPublishedError(str(error)) from error
        except (KafkaError, AssertionError) as error:  # aiokafka asserts that a partition is there
            raise NotPublishedError(f"{self._tp.topic} was not written: {named(error)}") from error
        finally:
            await writer.stop()


def newest_numbers(found: NumberLog) -> dict[str, int]:
    """The newest whole number of each kind, 0 where there is none."""
    newest = {kind: found.newest(kind) for kind in KINDS}
    return {kind: 0 if one is None else one.manifest.number for kind, one in newest.items()}


def _require_newest(found: NumberLog, kinds: Iterable[str], seen: Mapping[str, int] | None) -> None:
    """Make sure that the states of these kinds were read after the newest number was published."""
    if seen is None:
        return
    newest = newest_numbers(found)
    for kind in kinds:
        if newest[kind] != seen[kind]:
            raise NotPublishedError(
                f"number {newest[kind]} of {kind} was published meanwhile: the next turn looks anew"
            )
