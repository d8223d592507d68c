"""Numbers on a real broker: whole or never, one publisher, the same after compaction."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from pydantic import SecretStr

from schemas.dimensions import CURSOR
from schemas.entries import Entries, texts
from schemas.events import INPUTS
from schemas.number_log import FOREVER, NumberLog, Values
from schemas.numbered import CONTENT, KOL
from schemas.reference_types import CONTENTS
from schemas.topics import SNAPSHOTS, TRAINER
from sinks.connection import connect as connect_to
from streams.clients.clickhouse import connect
from streams.clients.kafka_admin import BrokerError, adopt_topics, client_options, kafka_admin
from streams.clients.kafka_reader import record_reader
from streams.settings import ClickHouse, Kafka, Settings
from streams.trainer import number_plan, numbering
from streams.trainer.lock import Lock
from streams.trainer.numbering import Numbering
from streams.trainer.population import SOURCES
from streams.trainer.publishing import NotPublishedError, Numbers, Outcome
from streams.trainer.report import Report
from streams.trainer.turns import StoppedError
from tests.embedded.gateway.running import Server, gateway
from tests.integration.engine import connection_settings, fresh
from tests.integration.topics import create_topics

pytestmark = pytest.mark.integration

NOW = 0  # no base is a day old
DAY = 86_400_000
DDL = {"database": "numbered", "engine": "ReplacingMergeTree(version)", "on_cluster": ""}
State = Mapping[str, int]


def contents(state: State) -> Entries:
    flags = np.array(list(state.values()), np.int8)
    return Entries(texts(list(state)), {"disclosed": flags, "sponsored": flags})


def held(log: NumberLog, at: int = FOREVER) -> State | None:
    """What holds at a record time."""
    values = log.holding(CONTENT, at)
    if values is None:
        return None
    rows = values.all_rows()
    return dict(zip(values.ids(rows), values.flags("disclosed", rows).tolist(), strict=True))


class Topic:
    """A topic of one test's own."""

    def __init__(self, broker: str, name: str) -> None:
        self.kafka = Kafka(bootstrap=broker)
        self.name = re.sub(r"\W", "-", name)

    def numbers(self) -> Numbers:
        return Numbers(self.kafka, "kol", self.name)

    async def create(self) -> None:
        await create_topics(
            self.kafka.bootstrap, [self.name], 1, cleanup__policy="compact", segment__ms="1000",
            message__timestamp__type="LogAppendTime", min__cleanable__dirty__ratio="0.01",
            delete__retention__ms="0",
        )  # fmt: skip

    async def read(self) -> NumberLog:
        return await self.numbers().read()

    async def read_as_workers_do(self) -> NumberLog:
        """What is known of all records, those of transactions that were aborted among them."""
        tp, log = TopicPartition(self.name, 0), NumberLog()
        consumer = AIOKafkaConsumer(auto_offset_reset="earliest", **client_options(self.kafka))
        async with consumer:
            consumer.assign([tp])
            end = (await consumer.end_offsets([tp]))[tp]
            while await consumer.position(tp) < end:
                for one in (await consumer.getmany(tp, timeout_ms=200)).get(tp, []):
                    log.add(one.key, one.value, one.timestamp)
        return log

    async def keys(self) -> list[bytes]:
        """The keys that compaction has left."""
        place = (self.name, 0)
        async with record_reader(self.kafka) as records:
            end = await records.committed_end(place)
            return [one.key or b"" async for one in records.ranges({place: 0}, {place: end})]


@pytest.fixture
async def topic(broker: str, request: pytest.FixtureRequest) -> Topic:
    made = Topic(broker, request.node.name)
    await made.create()
    return made


# a publisher that is killed by its own hand at a step of its second number
KILLED = """
import asyncio, os, signal, sys
import numpy as np
from schemas.entries import Entries, texts
from sinks.producer import Producer
from streams.settings import Kafka
from streams.snapshots.transactions import TransactionalWriter
from streams.trainer.publishing import Numbers

def content(*ids):
    flags = np.ones(len(ids), np.int8)
    return {"content": Entries(texts(ids), {"disclosed": flags, "sponsored": flags})}

def dies():
    os.kill(os.getpid(), signal.SIGKILL)

async def main(broker, topic, step):
    numbers = Numbers(Kafka(bootstrap=broker), "kol", topic)
    await numbers.publish(content("a"), 0)
    async def start(self, begun=TransactionalWriter.start):
        await begun(self)
        commit = self._producer.commit_transaction
        async def late():
            await self._producer.flush()
            if step == "commit":
                dies()
            await commit()
        self._producer.commit_transaction = late
    async def send(self, records):
        dies()
    TransactionalWriter.start = start
    Producer.send = send
    await numbers.publish(content("a", "b"), 0)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_who_may_not_write_any_more_commits_nothing_and_the_next_one_can(
    topic: Topic,
) -> None:
    def lost() -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        await topic.numbers().publish({CONTENT: contents({"a": 1})}, NOW, before=lost)
    nothing = held(await topic.read())
    await topic.numbers().publish({CONTENT: contents({"b": 0})}, NOW)

    assert nothing is None
    assert held(await topic.read()) == {"b": 0}


@pytest.mark.parametrize(("step", "number"), [("commit", 2), ("seal", 3)])
async def test_a_number_amid_which_its_trainer_is_killed_is_never_used(
    topic: Topic, step: str, number: int
) -> None:
    words = [sys.executable, "-c", KILLED, topic.kafka.bootstrap, topic.name, step]
    root = Path(__file__).parents[2]
    died = await asyncio.to_thread(
        subprocess.run, words, check=False, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}
    )
    left, seen = await topic.read(), await topic.read_as_workers_do()
    done = await topic.numbers().publish({CONTENT: contents({"a": 0, "c": 1})}, NOW)
    found = await topic.read()

    assert died.returncode == -signal.SIGKILL
    assert held(left) == held(seen) == {"a": 1}
    assert seen.unsealed() == [(CONTENT, 2)]
    assert done.published[CONTENT].manifest.number == number
    assert done.published[CONTENT].manifest.base == 1
    for log in (found, await topic.read_as_workers_do()):
        assert held(log) == {"a": 0, "c": 1}
        assert not log.faults()


async def test_who_sleeps_while_another_one_publishes_is_fenced(topic: Topic) -> None:
    sleeper, other = topic.numbers(), topic.numbers()

    async def sleep_through_it() -> None:
        async with sleeper._writer() as writer:
            await other.publish({CONTENT: contents({"b": 1})}, NOW)
            await writer.write({b"content/2/0": b"late"})

    await sleeper.publish({CONTENT: contents({"a": 1})}, NOW)
    with pytest.raises(NotPublishedError, match="somebody else owns"):
        await sleep_through_it()
    done = await sleeper.publish({CONTENT: contents({"b": 1})}, NOW)

    assert done == Outcome()
    assert held(await topic.read()) == {"b": 1}


async def test_a_replay_after_compaction_finds_what_life_found(topic: Topic) -> None:
    numbers = topic.numbers()
    states: list[State] = [{f"c{n}": 1, "both": n % 2} for n in range(6)]
    await numbers.publish({CONTENT: contents(states[0])}, NOW)
    began = (await topic.read()).numbers(CONTENT)[0].sealed_at
    for n, state in enumerate(states[1:], 1):  # bases are the first and the fourth
        await numbers.publish({CONTENT: contents(state)}, began + (n == 3) * 2 * DAY)
    life = await topic.read()
    since = [one.holds_from for one in life.numbers(CONTENT)]
    gone = await numbers.remove_before(since[4])
    async with asyncio.timeout(60), AIOKafkaProducer(**client_options(topic.kafka)) as producer:
        while any(key.startswith(b"content/2/") for key in await topic.keys()):
            await producer.send_and_wait(topic.name, b"", key=b"mark")  # a segment ends with it
    replay = await topic.read()

    assert [one.base is None for one in life.numbers(CONTENT)] == [True, False, False] * 2
    assert gone == 3
    assert [held(life, at) for at in since] == states
    assert held(life, since[0] - 1) is None
    assert [held(replay, at) for at in since[4:]] == states[4:]
    assert not replay.faults()


async def test_a_topic_that_was_made_anew_is_read_from_its_beginning(topic: Topic) -> None:
    numbers = topic.numbers()
    for state in ({"a": 1}, {"b": 1}):
        await numbers.publish({CONTENT: contents(state)}, NOW)
    with kafka_admin(topic.kafka) as broker:
        broker.delete_app("nobody", [topic.name])
    await topic.create()
    before = (await numbers.read()).newest(CONTENT)
    done = await numbers.publish({CONTENT: contents({"b": 1})}, NOW)

    assert before is None
    assert done.published[CONTENT].manifest.number == 1
    assert held(await topic.read()) == {"b": 1}


async def test_topics_of_a_version_that_did_not_use_them_get_their_settings(broker: str) -> None:
    kafka = Kafka(bootstrap=broker, partitions=1)
    with kafka_admin(kafka) as admin:
        await create_topics(broker, [SNAPSHOTS, CONTENTS], 1, cleanup__policy="compact")
        async with AIOKafkaProducer(bootstrap_servers=broker) as producer:
            await producer.send_and_wait(CONTENTS, b"{}", key=b"c1")  # a shop was early
        adopt_topics(admin, 1)
        different = {topic: admin.differences(topic) for topic in (SNAPSHOTS, CONTENTS)}
        admin.delete_app("nobody", different)

    assert different[SNAPSHOTS] == []
    assert "message.timestamp.type=CreateTime" in str(different[CONTENTS])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with gateway(tmp_path_factory.mktemp("engine")) as server:
        fresh(server, "numbered").close()
        yield server


@pytest.fixture
async def settings(broker: str, server: Server) -> AsyncIterator[Settings]:
    """Of a deployment whose dimensions are empty, and whose topic holds no number."""
    with closing(connect_to(connection_settings(server, "numbered"))) as client:
        for topic in SOURCES.values():
            client.command(f"TRUNCATE TABLE {topic.dimension.table}")
        client.command(f"TRUNCATE TABLE {CURSOR}")
    kafka = Kafka(bootstrap=broker, partitions=1)
    conf = ClickHouse(
        host=server.host,
        port=server.port,
        database="numbered",
        username=server.admin,
        password=SecretStr(server.passwords[server.admin]),
    )
    topics = [SNAPSHOTS, TRAINER]
    await create_topics(broker, topics, 1, message__timestamp__type="LogAppendTime")
    yield Settings(app_id="kol", kafka=kafka, clickhouse=conf)
    with kafka_admin(kafka) as admin:
        admin.delete_app("nobody", topics)


class Turns:
    """The turns of one trainer over dimensions that are filled by hand."""

    def __init__(self, settings: Settings) -> None:
        self.client = connect(settings.clickhouse)
        self.numbering = Numbering(settings)

    def insert(self, table: str, **row: object) -> None:
        self.client.insert(table, [list(row.values())], list(row))

    def shown(self, topic: str) -> None:
        """A reading of a topic is complete."""
        self.insert("dimension_cursor", topic=topic, reading=1, shown=1, version=1)

    def content(self, name: str, version: int = 1, **flags: object) -> None:
        self.insert("content_dim", content_id=name, reading=1, version=version, **flags)

    def take(self, *, anyway: bool = False) -> Report:
        return self.numbering.turn(self.client, lambda: None, NOW, anyway=anyway)

    def values(self, kind: str) -> Values:
        found = self.numbering._numbers.log.holding(kind, FOREVER)
        assert found is not None
        return found


def test_what_the_dimensions_say_becomes_a_number_once(settings: Settings) -> None:
    turns = Turns(settings)
    nothing = turns.take()
    turns.shown("content")
    turns.shown("kol-profile")
    turns.content("c1", disclosed=True, sponsored=False)
    turns.content("c2", disclosed=None, sponsored=True)
    turns.content("gone", deleted=True)
    turns.insert(
        "kol_dim", kol_id="xia", reading=1, version=1, tier="koc", vertical="sleep",
        display_name="小夏", user_hash=f"{2**64 - 1:016x}{7:016x}",
    )  # fmt: skip
    first, again = turns.take(), turns.take()
    contents, kols = turns.values(CONTENT), turns.values(KOL)
    rows, row = contents.rows(["c1", "c2", "gone"]), kols.rows(["xia"])

    assert nothing.newest == {}
    assert first.newest == again.newest
    assert {kind: one.number for kind, one in first.newest.items()} == {CONTENT: 1, KOL: 2}
    assert contents.flags("disclosed", rows).tolist() == [1, -1, -1]
    assert contents.flags("sponsored", rows).tolist() == [0, 1, -1]
    assert [kols.texts(name, row) for name in ("tier", "vertical", "display_name")] == [
        ["koc"], ["sleep"], ["小夏"],
    ]  # fmt: skip
    assert kols.keys("accounts", row)[0].tolist() == [[7, 2**64 - 1]]


def test_a_dimension_that_was_emptied_is_said_and_kept_back(settings: Settings) -> None:
    turns = Turns(settings)
    turns.shown("content")
    rows = [[f"c{n}", 1, 1, True] for n in range(30)]
    turns.client.insert("content_dim", rows, ["content_id", "reading", "version", "disclosed"])
    before = turns.take()
    turns.client.command("TRUNCATE TABLE content_dim")
    kept, still = turns.take(), turns.take()
    after_a_restart = Turns(settings)
    asked = after_a_restart.take(anyway=True)

    assert kept.newest == before.newest
    assert kept.complaint == "no number of content is published: only 0 of 30 rows are left"
    assert still.complaint == kept.complaint
    assert asked.newest[CONTENT].number == 2
    assert len(after_a_restart.values(CONTENT)) == 0
    assert asked.complaint == ""


async def test_a_number_that_is_not_whole_is_said_until_another_one_follows(
    settings: Settings,
) -> None:
    turns = Turns(settings)
    turns.shown("content")
    turns.content("c1", disclosed=True)
    await asyncio.to_thread(turns.take)
    async with AIOKafkaProducer(**client_options(settings.kafka)) as producer:
        await producer.send_and_wait(SNAPSHOTS, b"x", key=b"content/2/seal")
    torn = await asyncio.to_thread(turns.take)
    turns.content("c2", disclosed=True)
    next_ = await asyncio.to_thread(turns.take)

    assert torn.complaint == "number 2 of content is not used: the manifest is missing"
    assert torn.newest[CONTENT].number == 1
    assert next_.newest[CONTENT].number == 3
    assert next_.complaint == ""


async def test_numbers_go_once_all_inputs_are_newer_than_what_superseded_them(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(number_plan, "DAY_MS", -FOREVER)  # each number is a base
    monkeypatch.setattr(numbering, "SLACK_MS", 1_000)
    turns = Turns(settings)
    turns.shown("content")
    for version in range(1, 5):
        turns.content("c1", version, disclosed=bool(version % 2))
        await asyncio.to_thread(turns.take)
    await create_topics(settings.kafka.bootstrap, INPUTS, 1)
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka.bootstrap) as producer:
        later = turns.numbering._numbers.log.numbers(CONTENT)[2].holds_from + 1_000
        for topic, at in zip(INPUTS, (later + 9, later, later + 1), strict=True):
            await producer.send_and_wait(topic, b"{}", timestamp_ms=at)
    turns.numbering._looked_at = -numbering.REMOVAL_MS
    await asyncio.to_thread(turns.numbering.turn, turns.client, lambda: None, 2 * later)
    with kafka_admin(settings.kafka) as admin:
        admin.delete_app("nobody", INPUTS)
    left = await Numbers(settings.kafka, "kol").read()

    assert [one.manifest.number for one in left.numbers(CONTENT)] == [3, 4]
    assert left.next_number == 5


async def test_a_topic_that_was_made_anew_gets_a_number_at_once(settings: Settings) -> None:
    turns = Turns(settings)
    turns.shown("content")
    turns.content("c1", disclosed=True)
    turns.content("c2", disclosed=True)
    before = await asyncio.to_thread(turns.take)
    with kafka_admin(settings.kafka) as admin:
        admin.delete_app("nobody", [SNAPSHOTS])
    with pytest.raises(BrokerError, match="`kol topics`"):
        await asyncio.to_thread(turns.take)
    await create_topics(
        settings.kafka.bootstrap, [SNAPSHOTS], 1, message__timestamp__type="LogAppendTime"
    )
    after = await asyncio.to_thread(turns.take)

    assert before.newest[CONTENT].number == after.newest[CONTENT].number == 1
    assert after.newest[CONTENT].sealed_at > before.newest[CONTENT].sealed_at
    assert len(turns.values(CONTENT)) == 2


async def test_the_app_that_published_last_goes_on_while_a_trainer_of_it_runs(
    settings: Settings,
) -> None:
    second = Turns(settings.model_copy(update={"app_id": "kol-2"}))
    second.shown("content")
    second.content("c1", disclosed=True)
    holder = Lock(settings.kafka, "kol", 6.0, lambda: 0, lambda: NOW)
    await holder.start()
    await asyncio.to_thread(Turns(settings).take)
    second.content("c2", disclosed=True)
    beside = await asyncio.to_thread(second.take)
    await holder.stop()
    alone = await asyncio.to_thread(second.take)

    assert beside.others == "a trainer of kol publishes the numbers"
    assert beside.newest[CONTENT].number == 1
    assert (alone.others, alone.newest[CONTENT].number) == ("", 2)
    assert len(second.values(CONTENT)) == 2
