"""A worker reads consents and numbered values beside its inputs, on a real broker.

Life reads everything as it comes, a replay reads all of it after compaction: once what life kept
of events from before the newest consent is emptied, both have the same.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from aiokafka import AIOKafkaProducer
from faust.types import TP

from deploy.embedded import kafka
from schemas.columns import RecordBatch
from schemas.consents import ALLOWED
from schemas.entries import Entries, texts
from schemas.events import CLICKSTREAM, INPUTS, INTERACTIONS, PURCHASES
from schemas.numbered import KOL, encode_number
from schemas.reference_types import CONSENTS
from schemas.topics import CELLS, ERASURES, SNAPSHOTS, TOPICS
from schemas.values import Lists
from streams.clients.kafka_admin import client_options
from streams.clients.kafka_reader import record_reader
from streams.core.user.memory import UserMemory
from streams.settings import Kafka, Settings
from streams.worker import app as apps
from streams.worker import numbers_reader
from streams.worker.backpressure import Backpressure, Capacity
from streams.worker.intake import Intake
from streams.worker.lane_table import LaneTable
from streams.worker.lanes import Mute
from streams.worker.numbers_reader import NumbersReader
from streams.worker.pending import PendingFlushes
from streams.worker.read_ahead import ReadAhead
from streams.worker.telemetry import Telemetry
from streams.worker.user_lane import SKEW_MS, UserLane
from tests.builders import click
from tests.integration.topics import create_topics

pytestmark = pytest.mark.integration

HOLDS_AFTER_MS = 1_500  # shorter than in life: the test waits for it
USER = "u1"
Kept = dict[str, tuple[bool, ...]]  # event_id -> what may be kept


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("core.user.allowed_users", "core.user.consents", "worker.app"):
        monkeypatch.setattr(f"streams.{module}.HOLDS_AFTER_MS", HOLDS_AFTER_MS)
    monkeypatch.setattr("schemas.number_log.HOLDS_AFTER_MS", HOLDS_AFTER_MS)
    monkeypatch.setattr(numbers_reader, "READ_AFTER_MS", HOLDS_AFTER_MS - SKEW_MS)


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    """Everything of a deployment with one partition, on a broker of its own."""
    with kafka.broker(tmp_path / "broker", {"log.cleaner.backoff.ms": "100"}) as bootstrap:
        yield Settings(
            app_id="life",
            kafka=Kafka(bootstrap=bootstrap, partitions=1),
            hmac_key="a key of at least 16 bytes",
        )


async def make_topics(settings: Settings) -> None:
    bootstrap = settings.kafka.bootstrap
    quick = {"segment__ms": "1000", "min__cleanable__dirty__ratio": "0.01"}
    for topic in (*INPUTS, ERASURES, CELLS, CONSENTS, SNAPSHOTS):
        configs = {key.replace(".", "__"): one for key, one in TOPICS[topic].required.items()}
        configs |= {"message__timestamp__type": "LogAppendTime"}
        configs |= quick if topic == CONSENTS else {}
        await create_topics(bootstrap, [topic], 1, **configs)


class Watched(UserLane):
    """A lane that notes what it knew of each event when it folded it."""

    kept: Kept
    at: dict[str, int]

    def fold(self, batch: RecordBatch, now: float) -> None:
        super().fold(batch, now)
        if batch.topic == CLICKSTREAM:
            ids = [msgspec.json.decode(value or b"")["event_id"] for value in batch.values]
            user = np.repeat(self.memory.keyed_names.users([USER]), len(ids), axis=0)
            allowed = self.memory.state.consents.allowed(user, batch.received_at)
            self.kept |= zip(ids, map(tuple, allowed.tolist()), strict=True)
            self.at |= zip(ids, batch.received_at.tolist(), strict=True)


class Worker:
    """The reading half of a worker: no tables, no snapshots."""

    def __init__(self, settings: Settings, home: Path) -> None:
        telemetry = Telemetry()
        self.app = apps.create_app(settings, home)
        self.crashes: list[BaseException] = []
        self.lanes = LaneTable(1, 0.0, self.crashes.append)
        self.numbers = NumbersReader(settings.kafka, self.crashes.append)
        beside = [apps.consents_beside(self.app, self.lanes), self.numbers.beside()]
        pending = PendingFlushes()
        backpressure = Backpressure(Capacity(1 << 30, 1 << 40), self.lanes, pending, telemetry)
        self.intake = Intake(self.lanes, backpressure, ReadAhead(beside, telemetry), telemetry)
        self._settings = settings
        apps.wire_transport(self.app, settings, self, leaves=True)
        apps.add_agents(self.app, settings.kafka, self.intake)

    @property
    def lane(self) -> Watched:
        lane = self.lanes.user[0]
        assert isinstance(lane, Watched)
        return lane

    async def assigned(
        self,
        added: frozenset[int],  # noqa: ARG002  # there is one
        held: frozenset[int],  # noqa: ARG002  # as above
    ) -> Mapping[TP, int]:
        memory = UserMemory(0, hmac_key=self._settings.hmac_key.get_secret_value().encode())
        stand_in: Any = None
        lane = Watched(0, memory, stand_in, stand_in, Mute())
        lane.kept, lane.at = {}, {}
        memory.ask(self.numbers.known)
        self.numbers.need(lane.read_to)
        self.lanes.user[0] = lane
        return {TP(topic, 0): 0 for topic in (*INPUTS, ERASURES, CONSENTS, CELLS)}

    async def drain(self) -> None: ...

    async def lost(self, partitions: frozenset[int]) -> None: ...

    async def until(self, event_id: str) -> None:
        """Wait for an event to be folded; every wait looks ahead, as each second does."""
        async with asyncio.timeout(30):
            while not self.lanes.user or event_id not in self.lane.kept:
                assert not self.crashes
                self.intake.look_ahead()
                await asyncio.sleep(0.02)


@asynccontextmanager
async def running(worker: Worker) -> AsyncIterator[Worker]:
    await worker.app.start()
    try:
        yield worker
    finally:
        worker.numbers.stop()
        await worker.app.stop()


class Shop:
    """Who sends; each record is there when its call returns."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self.producer = producer
        self.consented_at = 0

    async def clicks(self, event_id: str) -> None:
        event = click(event_id=event_id, user_id=USER, kol_id="k1", ts=int(time.time() * 1000))
        await self.producer.send_and_wait(CLICKSTREAM, msgspec.json.encode(event), partition=0)

    async def allows(self, *words: str) -> None:
        now = int(time.time() * 1000)
        value = {"user_id": USER, "ts": now} | dict.fromkeys(words, True)
        raw = msgspec.json.encode(value)
        sent = await self.producer.send_and_wait(CONSENTS, raw, key=USER.encode(), partition=0)
        self.consented_at = sent.timestamp

    async def withdraws(self) -> None:
        sent = await self.producer.send_and_wait(CONSENTS, None, key=USER.encode(), partition=0)
        self.consented_at = sent.timestamp


def accounts_of(settings: Settings) -> Entries:
    """The KOL k1 has the account of our user."""
    names = settings.hmac_key.get_secret_value().encode()
    key = UserMemory(0, hmac_key=names).keyed_names.users([USER])
    empty = texts([""])
    columns = {"tier": empty, "vertical": empty, "display_name": empty}
    return Entries(texts(["k1"]), columns | {"accounts": Lists(key, np.array([1]))})


@asynccontextmanager
async def hanging(settings: Settings) -> AsyncIterator[None]:
    """A trainer that hangs amid a number: its transaction stays open."""
    async with AIOKafkaProducer(
        transactional_id="hangs", **client_options(settings.kafka)
    ) as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(SNAPSHOTS, b"a part", key=b"kol/9/0", partition=0)
        yield
        await producer.abort_transaction()


async def compacted(settings: Settings) -> None:
    """Wait until the broker keeps the newest consent and what rolled its segment."""
    async with asyncio.timeout(30), record_reader(settings.kafka) as records:
        while len((await records.read_all([(CONSENTS, 0)]))[CONSENTS, 0].records) > 2:  # noqa: ASYNC110  # the cleaner tells nobody
            await asyncio.sleep(0.1)


async def test_a_replay_after_compaction_keeps_what_life_kept_in_the_end(
    settings: Settings, tmp_path: Path
) -> None:
    await make_topics(settings)
    after = 1.1 * HOLDS_AFTER_MS / 1000
    async with AIOKafkaProducer(**client_options(settings.kafka)) as producer:
        shop = Shop(producer)
        records, seal = encode_number(KOL, 1, accounts_of(settings))
        for key, value in [*records, seal]:
            sent = await producer.send_and_wait(SNAPSHOTS, value, key=key, partition=0)
        async with running(Worker(settings, tmp_path / "life")) as life:
            await shop.clicks("before")
            await shop.allows(*ALLOWED)
            await asyncio.sleep(after)
            await shop.clicks("allowed")
            await life.until("allowed")
            await shop.withdraws()
            await asyncio.sleep(after)
            async with hanging(settings):
                await shop.clicks("withdrawn")
                await life.until("withdrawn")
            await shop.allows("geo")
            await asyncio.sleep(after)
            await shop.clicks("again")
            await life.until("again")
            newest = shop.consented_at
            owned = life.lane.counted(CLICKSTREAM, "own_event")
        kept, at = life.lane.kept, life.lane.at
        await asyncio.sleep(1.1)  # until the segment of these is old enough
        await producer.send_and_wait(CONSENTS, None, key=b"somebody else", partition=0)
        await compacted(settings)
    again = settings.model_copy(update={"app_id": "replay"})
    async with running(Worker(again, tmp_path / "replay")) as replay:
        await replay.until("again")

    none, geo = (False, False, False), (False, True, False)
    assert kept == {"before": none, "allowed": (True,) * 3, "withdrawn": none, "again": geo}
    emptied = {one: none if at[one] < newest + HOLDS_AFTER_MS else kept[one] for one in kept}
    assert replay.lane.kept == emptied
    own = sum(one >= sent.timestamp + HOLDS_AFTER_MS for one in at.values())
    assert owned == replay.lane.counted(CLICKSTREAM, "own_event") == own >= 3
    assert replay.lane.counted(CONSENTS, "consent_late") == 0


async def test_inputs_do_not_hold_up_the_many_consents_that_they_wait_for(
    settings: Settings, tmp_path: Path
) -> None:
    """As where a worker begins from empty: all topics are long, and inputs go on."""
    await make_topics(settings)
    worker, now = Worker(settings, tmp_path / "life"), int(time.time() * 1000)
    options = client_options(settings.kafka)
    async with AIOKafkaProducer(max_batch_size=1 << 20, **options) as producer:
        shop = Shop(producer)
        await shop.clicks("first")
        for first in range(0, 60_000, 5_000):
            consents, inputs = producer.create_batch(), producer.create_batch()
            for one in range(first, first + 5_000):
                raw = msgspec.json.encode({"user_id": f"v{one}", "ts": now, "geo": True})
                assert consents.append(key=b"v%d" % one, value=raw, timestamp=None)
                assert inputs.append(key=None, value=b"{}", timestamp=None)
            topic = PURCHASES if first % 10_000 else INTERACTIONS
            await producer.send_batch(consents, CONSENTS, partition=0)
            await producer.send_batch(inputs, topic, partition=0)
        await producer.flush()
        async with running(worker):
            await shop.clicks("live")
            await worker.until("first")
            known = worker.lane.offsets[CONSENTS]
            await worker.until("live")

    assert known == 60_000
