"""Transactions that stay open, or whose end arrives late, on a real broker."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.errors import RequestTimedOutError
from aiokafka.protocol.transaction import EndTxnRequest

from deploy.embedded import kafka
from schemas.events import CLICKSTREAM, INPUTS
from schemas.reference_types import CONSENTS
from schemas.topics import ERASURES, USER_STATE
from streams.clients.kafka_admin import client_options, kafka_admin
from streams.core.user.formats import conversions
from streams.core.user.memory import UserMemory
from streams.operations import open_transactions, status
from streams.settings import Kafka, Settings
from streams.snapshots import FencedError, LogOffsets, OldStateError, StateLog, stable_end
from streams.snapshots.stable_end import OpenTransactionError, stable_ends
from streams.worker.restore import Restorer
from streams.worker.telemetry import Telemetry
from streams.worker.user_lane import UserLane
from tests.builders import KEY, NAMES
from tests.integration.topics import create_topics

pytestmark = pytest.mark.integration

INVALID_PRODUCER_EPOCH = 47  # as Kafka numbers its errors


class State:
    """A state topic of one test's own."""

    def __init__(self, broker: str, topic: str) -> None:
        self.client: dict[str, Any] = {"bootstrap_servers": broker}
        self.topic = topic
        self.tp = TopicPartition(topic, 0)

    def log(self) -> StateLog:
        return StateLog(self.client, self.topic, "user", self.topic, 0)


@pytest.fixture
async def state(broker: str, request: pytest.FixtureRequest) -> State:
    name = re.sub(r"\W", "-", request.node.name)
    await create_topics(broker, [name], 1, cleanup__policy="compact")
    return State(broker, name)


@asynccontextmanager
async def open_transaction(state: State) -> AsyncIterator[AIOKafkaProducer]:
    """Somebody else's transaction on the state topic, with one record, not ended yet."""
    async with AIOKafkaProducer(
        transactional_id=f"{state.topic}-foreign", **state.client
    ) as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(state.topic, b"x", key=b"foreign", partition=0)
        yield producer


async def test_an_owner_does_not_take_an_old_snapshot_for_the_newest(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who reads committed records sees nothing behind an open transaction."""
    monkeypatch.setattr(stable_end, "WAIT_S", 1.0)
    async with state.log() as log:
        await log.open()
        await log.write(log.capture({"a": np.arange(1)}), {"purchases": 1})
        async with open_transaction(state) as foreign:
            await log.write(log.capture({"a": np.arange(2)}), {"purchases": 2})
            async with state.log() as successor:
                with pytest.raises(OpenTransactionError, match=r"test_an_owner\S+/0 at \d+"):
                    await successor.open()
            await foreign.abort_transaction()
    async with state.log() as successor:
        found = await successor.open()

    assert found.offsets == {"purchases": 2}
    assert found.life == 2


async def test_a_transaction_that_ends_in_time_is_waited_for(state: State) -> None:
    async with open_transaction(state) as foreign:
        ends = asyncio.create_task(stable_ends(state.client, [state.tp]))
        await asyncio.sleep(0.3)
        waited = not ends.done()
        await foreign.commit_transaction()
        end = (await ends)[state.tp]

    assert waited
    assert end > 0


async def test_the_late_end_of_a_transaction_does_not_commit_half_of_the_next_snapshot(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of the second snapshot is sent twice, as no answer comes in time; then once more."""
    ends: list[EndTxnRequest] = []
    answers: list[int] = []
    send, begin = AIOKafkaClient.send, AIOKafkaProducer.begin_transaction

    async def lose_the_answer(self: AIOKafkaClient, node: int, request: Any, **how: Any) -> Any:  # noqa: ANN401  # aiokafka's
        answer = await send(self, node, request, **how)
        if isinstance(request, EndTxnRequest):
            ends.append(request)
            if len(ends) == 1:
                raise RequestTimedOutError
        return answer

    async def begin_and_meet_the_copy(self: AIOKafkaProducer) -> None:
        await begin(self)
        await self.send_and_wait(state.topic, b"half", key=b"a/half/0", partition=0)
        node = self._sender._coordinators[CoordinationType.TRANSACTION]
        answers.append((await send(self.client, node, ends[0])).error_code)

    async with state.log() as log:
        await log.open()
        await log.write(log.capture({"a": np.arange(1)}), {"purchases": 1})
        monkeypatch.setattr(AIOKafkaClient, "send", lose_the_answer)
        await log.write(log.capture({"a": np.arange(2)}), {"purchases": 2})
        monkeypatch.setattr(AIOKafkaProducer, "begin_transaction", begin_and_meet_the_copy)
        await log.write(log.capture({"a": np.arange(3)}), {"purchases": 3})
    monkeypatch.undo()
    async with state.log() as log:
        found = await log.open()

    assert len(ends) == 3
    assert answers == [INVALID_PRODUCER_EPOCH]
    assert found.offsets == {"purchases": 3}
    assert found.arrays is not None
    assert found.arrays["a"].tolist() == [0, 1, 2]


async def test_a_commit_that_is_answered_at_once_keeps_its_epoch(state: State) -> None:
    async with state.log() as log:
        await log.open()
        await log.write(log.capture({"a": np.arange(1)}), {"purchases": 1})
        producer = log._writer._producer
        await log.write(log.capture({"a": np.arange(2)}), {"purchases": 2})

        assert log._writer._ends == 1
        assert log._writer._producer is producer


async def test_who_was_replaced_meanwhile_does_not_come_back_by_a_new_epoch(
    state: State,
) -> None:
    """Taking a new epoch would fence the successor: what he has written is looked for first."""
    async with state.log() as first, state.log() as second:
        await first.open()
        await first.write(first.capture({"a": np.arange(1)}), {"purchases": 1})
        first._writer._may_be_late = True
        await second.open()
        with pytest.raises(FencedError):
            await first.write(first.capture({"a": np.arange(2)}), {"purchases": 2})
    async with state.log() as third:
        found = await third.open()

    assert found.offsets == {"purchases": 1}
    assert found.life == 3


# ---------------------------------------------------------------- a state older than its group


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    """Everything of a deployment with one partition, on a broker of its own."""
    with kafka.broker(tmp_path) as bootstrap:
        conf = Settings(
            app_id="old", kafka=Kafka(bootstrap=bootstrap, partitions=1), hmac_key=KEY.decode()
        )
        with kafka_admin(conf.kafka) as broker:
            broker.create()
        yield conf


async def snapshot(settings: Settings, clicks: int) -> None:
    """A snapshot of the user side that holds so many offsets of the clickstream."""
    topic, client = settings.kafka.broker_topic(USER_STATE), client_options(settings.kafka)
    log = StateLog(client, settings.app_id, "user", topic, 0, conversions(NAMES))
    async with log:
        await log.open()
        memory = UserMemory(0, hmac_key=KEY)
        memory.offsets[CLICKSTREAM] = clicks
        await log.write(log.capture(memory.arrays()), memory.offsets)


async def restore(settings: Settings) -> UserLane:
    with kafka_admin(settings.kafka) as broker:
        topics = (*INPUTS, ERASURES, CONSENTS)
        ends, committed = broker.end_offsets(topics), broker.committed(settings.app_id)
    logs = {at: LogOffsets(0, end, committed.get(at)) for at, end in ends.items()}
    return await Restorer(settings, Telemetry(), time.monotonic).user_lane(0, logs)


async def commit(settings: Settings, offset: int) -> None:
    tp = TopicPartition(CLICKSTREAM, 0)
    client = client_options(settings.kafka)
    async with AIOKafkaConsumer(group_id=settings.app_id, **client) as consumer:
        consumer.assign([tp])
        await consumer.commit({tp: offset})


async def test_a_snapshot_that_lacks_committed_events_is_not_taken_over(
    settings: Settings,
) -> None:
    async with AIOKafkaProducer(**client_options(settings.kafka)) as producer:
        for _ in range(3):
            await producer.send_and_wait(CLICKSTREAM, b"{}", partition=0)
    await snapshot(settings, clicks=1)
    await commit(settings, 3)

    with pytest.raises(OldStateError, match="clickstream up to 3, beyond the newest snapshot"):
        await restore(settings)


async def test_the_end_of_a_transaction_behind_the_snapshot_is_no_event(
    settings: Settings,
) -> None:
    options = client_options(settings.kafka)
    async with (
        AIOKafkaProducer(transactional_id="shop", **options) as producer,
        producer.transaction(),
    ):
        await producer.send_and_wait(CLICKSTREAM, b"{}", partition=0)
    await snapshot(settings, clicks=1)  # the marker is at 1
    await commit(settings, 2)
    lane = await restore(settings)
    await lane.log.close()

    assert lane.offsets[CLICKSTREAM] == 1


async def test_who_holds_records_back_is_known_while_the_transaction_is_open(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_transactions, "LONG_OPEN_MS", -1_000)
    options = client_options(settings.kafka)
    before = time.time_ns() // 1_000_000
    async with AIOKafkaProducer(transactional_id="backfill", **options) as producer:
        async with producer.transaction():
            for _ in range(3):
                await producer.send_and_wait(CLICKSTREAM, b"{}", partition=0)
            with kafka_admin(settings.kafka) as broker:
                (held,) = await asyncio.to_thread(broker.open_transactions, INPUTS)
            (shown,) = await asyncio.to_thread(status.held_back, settings)
        with kafka_admin(settings.kafka) as broker:
            after = await asyncio.to_thread(broker.open_transactions, INPUTS)

    assert (held.topic, held.partition, held.hidden) == (CLICKSTREAM, 0, 3)
    assert held.producer_id == producer._txn_manager.producer_id
    assert held.transactional_id == "backfill"
    assert held.began_at is not None
    assert before <= held.began_at <= held.written_at + 1_000
    assert shown.items() >= held.as_dict().items()
    assert shown["text"].startswith("3 messages of clickstream/0 are held back for ")
    assert shown["text"].endswith(" (backfill) has a transaction open")
    assert after == []
