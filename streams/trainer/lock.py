"""One trainer at a time: the member of a consumer group to which the topic's one partition belongs.

    standby ──▶ assigned: claims a generation ──▶ confirms it before and after each turn
       ▲                                                   │
       └────────── its session ended, it left ◀────────────┘

The brokers take the partition from a holder that died or sleeps once its session has ended.
A holder confirms that it is one by committing its generation: only the member that the partition
belongs to can. What a former holder still writes does no harm, since its generation is lower.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import (
    ConsumerProtocolMemberAssignment,
    ConsumerProtocolMemberMetadata,
)
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from schemas.topics import TRAINER
from streams.clients.kafka_admin import BrokerError, client_options
from streams.errors import named
from streams.settings import Kafka
from streams.trainer.generations import ANSWER_MS, begin_generation, claim
from streams.trainer.standing import group_of

CONFIRM_SECONDS: Final = 15.0  # that brokers may take to confirm; then the turn is skipped
NEVER_MS: Final = 1 << 30  # nothing is read from the topic, which must not count as being stuck
HEARTBEATS: Final = 5  # in a session


class HolderStays(AbstractPartitionAssignor):  # type: ignore[misc]  # aiokafka ships no types
    """Gives the partition to the member with the greatest generation: its holder keeps it.

    Args:
        held: the generation of this member; 0 without one.

    """

    name = "holder-stays"

    def __init__(self, held: Callable[[], int]) -> None:
        self._held = held

    def metadata(self, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        """What this member says of itself when it joins."""
        return ConsumerProtocolMemberMetadata(0, list(topics), str(self._held()).encode())

    def assign(
        self,
        cluster: object,
        members: Mapping[str, ConsumerProtocolMemberMetadata],
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        """Who gets the partition; the others get nothing."""
        del cluster
        holder = max(members, key=lambda one: (int(members[one].user_data or b"0"), one))
        topics = members[holder].subscription
        return {
            one: ConsumerProtocolMemberAssignment(
                0, [(topic, [0]) for topic in topics] if one == holder else [], b""
            )
            for one in members
        }

    def on_assignment(self, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Nothing is kept of it."""


class ReadsNothing(ConsumerRebalanceListener):  # type: ignore[misc]  # as above
    """Pauses what is assigned: a fetch that waits would hold up every other question."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Nothing is to be done."""

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Pause."""
        self._consumer.pause(*assigned)


class Lock:
    """The membership of this process; nothing is asked of the brokers before `start`.

    Args:
        kafka: the brokers.
        app_id: whose trainers take turns.
        session_seconds: without a heartbeat, until another one holds it.
        greatest_known: the greatest generation of rows in the database.
        now_ms: milliseconds since the epoch.

    """

    def __init__(
        self,
        kafka: Kafka,
        app_id: str,
        session_seconds: float,
        greatest_known: Callable[[], int],
        now_ms: Callable[[], int],
    ) -> None:
        self._kafka = kafka
        self._greatest_known = greatest_known
        self._now_ms = now_ms
        self._group = group_of(app_id)
        self._session_ms = int(session_seconds * 1000)
        self._tp = TopicPartition(kafka.broker_topic(TRAINER), 0)
        self._generation = 0
        self._consumer: AIOKafkaConsumer | None = None
        self._watch: asyncio.Task[None] | None = None  # ends with what ended the membership

    @property
    def fault(self) -> BrokerError | None:
        """Why this process can never hold the lock again; None while it may."""
        if self._watch is None or not self._watch.done() or self._watch.cancelled():
            return None
        why = named(self._watch.exception() or RuntimeError("the consumer ended"))
        return BrokerError(f"the group {self._group} refuses this trainer: {why}")

    @property
    def is_assigned(self) -> bool:
        """Whether this process takes itself for the holder; only `confirm` makes sure."""
        return self._consumer is not None and self._tp in self._consumer.assignment()

    async def start(self) -> None:
        """Join the group.

        Raises:
            BrokerError: no broker answers.

        """
        consumer = AIOKafkaConsumer(
            group_id=self._group,
            enable_auto_commit=False,
            auto_offset_reset="latest",
            request_timeout_ms=ANSWER_MS,
            session_timeout_ms=self._session_ms,
            heartbeat_interval_ms=self._session_ms // HEARTBEATS,
            rebalance_timeout_ms=self._session_ms,
            max_poll_interval_ms=NEVER_MS,
            partition_assignment_strategy=(HolderStays(lambda: self._generation),),
            **client_options(self._kafka),
        )
        try:
            await consumer.start()
        except KafkaError as error:
            await consumer.stop()
            raise BrokerError(f"Kafka at {self._kafka.bootstrap}: {named(error)}") from error
        consumer.subscribe([self._tp.topic], listener=ReadsNothing(consumer))
        self._consumer = consumer
        self._watch = asyncio.create_task(_watched(consumer))

    async def stop(self) -> None:
        """Leave the group: another one takes over at once."""
        consumer, self._consumer = self._consumer, None
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait([self._watch])
        if consumer is not None:
            await consumer.stop()

    async def confirm(self, notes: str) -> int | None:
        """The generation to write with from now on; None while another process holds the lock.

        It is a new one after a take-over, and where somebody has begun one meanwhile.

        Args:
            notes: what others may read beside the generation.

        Raises:
            BrokerError: the brokers do not answer.

        """
        if not self.is_assigned or not await self._commit(notes):
            return None
        if not self._generation or await self._newest() != self._generation:
            mine = claim(self._now_ms())
            self._generation = await begin_generation(self._kafka, mine, self._greatest_known)
            if not await self._commit(notes):
                return None
        return self._generation

    async def is_overtaken(self) -> bool:
        """Whether somebody has begun a generation after this holder's last one.

        Raises:
            BrokerError: the brokers do not answer.

        """
        try:
            return self.is_assigned and await self._newest() != self._generation
        except _NotHolderError:
            return False

    async def note(self, notes: str) -> bool:
        """Keep notes; whether this process held the lock all the while.

        Raises:
            BrokerError: the brokers do not answer.

        """
        return self.is_assigned and await self._commit(notes)

    async def _newest(self) -> int:
        """The generation that was begun last, by whomever."""
        assert self._consumer is not None  # noqa: S101  # it is assigned
        return int((await self._asked(self._consumer.end_offsets([self._tp])))[self._tp])

    async def _commit(self, notes: str) -> bool:
        assert self._consumer is not None  # noqa: S101  # it is assigned
        try:
            await self._asked(self._consumer.commit({self._tp: (self._generation, notes)}))
        except _NotHolderError:
            return False
        return True

    async def _asked(self, answer: Any) -> Any:  # noqa: ANN401  # aiokafka ships no types
        try:
            async with asyncio.timeout(CONFIRM_SECONDS):
                return await answer
        except (CommitFailedError, IllegalStateError) as error:
            raise _NotHolderError from error
        except (KafkaError, TimeoutError) as error:
            raise BrokerError(f"Kafka at {self._kafka.bootstrap}: {named(error)}") from error


async def _watched(consumer: AIOKafkaConsumer) -> None:
    """Wait for a record, which never comes: whatever ends the membership is raised here."""
    while True:
        await consumer.getone()


class _NotHolderError(Exception):
    """The partition belongs to another member, or to none for the moment."""
