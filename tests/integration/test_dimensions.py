"""Reference topics in their dimensions, on the real broker and the real engine."""

import asyncio
import itertools
import json
import threading
import time
from collections.abc import Iterator
from typing import Any, Final

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from clickhouse_connect.driver.client import Client

from schemas.dimensions import DIMENSIONS, OF_TOPIC
from schemas.erasures import NOBODY, erasure_record
from schemas.keyed_names import as_hex
from schemas.partitioner import partition_of
from schemas.reference_keys import KEYS, key_from
from schemas.rows import TABLES
from schemas.topics import DEAD_LETTERS, ERASURES
from streams.clients.clickhouse import command, query
from streams.clients.kafka_admin import kafka_admin
from streams.operations.forget.references import Told, read_references
from streams.operations.forget.search import Person
from streams.settings import ClickHouse, Kafka, Settings
from streams.trainer.consents import Consents, Emptied
from streams.trainer.dimensions.cursor import ABSENT_MS
from streams.trainer.dimensions.reading import ReferenceReader
from streams.trainer.dimensions.rows import moment
from streams.trainer.dimensions.turn import Dimensions
from streams.trainer.erased_rows import ErasedRows
from streams.trainer.generations import Version
from streams.trainer.night import Night
from streams.trainer.report import Report
from tests.embedded.gateway.running import Server, gateway
from tests.embedded.waiting import until
from tests.integration.engine import empty, fresh
from tests.integration.topics import create_topics

pytestmark = pytest.mark.integration

REFERENCES: Final = tuple(dimension.topic for dimension in DIMENSIONS)
PARTITIONS: Final = 2
NOW: Final = time.time_ns() // 1_000_000
TS: Final = 1_767_225_600_000
RECENT: Final = moment(NOW - 3_600_000)
LATER: Final = moment(NOW + 86_400_000)

_generations = itertools.count(1)


class Shop:
    """The shop's topics, and the dimensions that are made of them."""

    def __init__(self, settings: Settings, client: Client) -> None:
        self.settings = settings
        self.client = client
        self.generation = next(_generations)
        self._turns = itertools.count(1)
        self._references = ReferenceReader(settings)
        self.now = NOW

    @property
    def name(self) -> Any:  # noqa: ANN401  # a function
        return lambda user: as_hex(self.settings.keyed_names.users([user])[0].tolist())

    def turn(self, generation: int = 0) -> Report:
        """A turn of the holder, some seconds after the last."""
        self.now += 5_000
        version = Version(generation or self.generation, next(self._turns))
        return self.reader().turn(version, now_ms=self.now, at_once=True)

    def reader(self) -> Dimensions:
        return Dimensions(self.client, self.settings, lambda: None, self._references)

    def night(self) -> Report:
        return Night(self.client, self.settings, lambda: None, self._references).turn(self.now, 0)

    def send(self, topic: str, *records: dict[str, Any] | bytes, key: bytes | None = None) -> None:
        """Values with the key that they say, or bytes with a key that is given."""

        async def sent() -> None:
            producer = AIOKafkaProducer(bootstrap_servers=self.settings.kafka.bootstrap)
            await producer.start()
            for one in records:
                value = one if isinstance(one, bytes) else json.dumps(one).encode()
                name = key or key_from(topic, [json.loads(value)[part] for part in KEYS[topic]])
                at = partition_of(name, PARTITIONS)
                await producer.send_and_wait(topic, value or None, key=name, partition=at)
            await producer.stop()

        asyncio.run(sent())

    def take_back(self, topic: str, *parts: str | int) -> None:
        self.send(topic, b"", key=key_from(topic, parts))

    def erase(self, user: str, at: int) -> None:
        """As `kol forget` publishes it."""
        name, value = erasure_record(user, at, self.settings.keyed_names)

        async def sent() -> None:
            producer = AIOKafkaProducer(bootstrap_servers=self.settings.kafka.bootstrap)
            await producer.start()
            topic = self.settings.kafka.broker_topic(ERASURES)
            for partition in range(PARTITIONS):
                await producer.send_and_wait(topic, value, key=name, partition=partition)
            await producer.stop()

        asyncio.run(sent())

    def shown(self, topic: str, columns: str) -> list[tuple[Any, ...]]:
        sql = OF_TOPIC[topic].select(columns) + " ORDER BY ALL"
        return [tuple(row.values()) for row in query(self.client, sql)]

    def traces(self, *texts: str) -> dict[str, int]:
        """In which columns any of these texts stands, whether a row counts or not."""
        found: dict[str, int] = {}
        for name, table in TABLES.items():
            columns = list(table.all_columns)
            held = [
                f"countIf(multiSearchAny(toString(`{column}`), {{texts:Array(String)}}))"
                for column in columns
            ]
            sql = f"SELECT [{', '.join(held)}] AS counts FROM {name}"  # noqa: S608  # names of ours
            (row,) = query(self.client, sql, {"texts": list(texts)})
            counts = zip(columns, map(int, row["counts"]), strict=True)
            found |= {f"{name}.{column}": n for column, n in counts if n}
        return found

    def make(self, *topics: str, partitions: int = PARTITIONS) -> None:
        asyncio.run(
            create_topics(
                self.settings.kafka.bootstrap, topics, partitions, cleanup__policy="compact"
            )
        )

    def delete(self, *topics: str) -> None:
        async def deleted() -> None:
            admin = AIOKafkaAdminClient(bootstrap_servers=self.settings.kafka.bootstrap)
            await admin.start()
            there = set(await admin.list_topics())
            await admin.delete_topics([topic for topic in topics if topic in there])
            await admin.close()

        asyncio.run(deleted())
        with kafka_admin(self.settings.kafka) as admin:
            until(lambda: not admin.counts().keys() & set(topics))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with gateway(tmp_path_factory.mktemp("engine")) as server:
        yield server


@pytest.fixture(scope="module")
def shop_once(server: Server, broker: str) -> Iterator[Shop]:
    client = fresh(server, "dimensions")
    kafka = Kafka(bootstrap=broker, prefix="dimensions.", partitions=PARTITIONS)
    conf = ClickHouse(
        host=server.host,
        port=server.port,
        database="dimensions",
        username=server.admin,
        password=server.passwords[server.admin],
    )
    shop = Shop(Settings(kafka=kafka, clickhouse=conf, hmac_key="k" * 32), client)
    shop.make(kafka.broker_topic(ERASURES), kafka.broker_topic(DEAD_LETTERS))
    yield shop
    shop.delete(*REFERENCES, kafka.broker_topic(ERASURES))
    client.close()


@pytest.fixture
def shop(shop_once: Shop) -> Shop:
    """A shop without reference topics and without rows."""
    shop_once.delete(*REFERENCES)
    empty(shop_once.client)
    return shop_once


def test_a_later_record_of_a_key_replaces_the_earlier_one_and_a_tombstone_leaves_no_trace(
    shop: Shop,
) -> None:
    shop.make(*REFERENCES)
    shop.send("kol-profile", {"kol_id": "k1", "display_name": "夏天"}, {"kol_id": "k2"})
    shop.send("policy", {"policy_id": "p1", "ts": TS, "type": "subsidy-of-old"})
    shop.turn()
    before = shop.shown("kol-profile", "kol_id, display_name"), shop.shown("policy", "type")
    shop.send("kol-profile", {"kol_id": "k1", "display_name": "秋天", "tier": "head"})
    shop.take_back("policy", "p1")
    report = shop.turn()
    after = shop.shown("kol-profile", "kol_id, display_name"), shop.shown("policy", "type")

    assert before == ([("k1", "夏天"), ("k2", "")], [("subsidy-of-old",)])
    assert after == ([("k1", "秋天"), ("k2", "")], [])
    assert shop.traces("subsidy-of-old") == {}
    assert report.rows == {"kol_dim": 1, "policy_dim": 1}
    assert set(report.behind.values()) == {0}
    assert not report.absent


def test_every_topic_says_all_it_knows(shop: Shop) -> None:
    shop.make(*REFERENCES)
    shop.send(
        "kol-profile",
        {
            "kol_id": "k1",
            "user_id": "u1",
            "tier": "koc",
            "verified": True,
            "ts": TS,
            "coupon_ids": [{"coupon_id": "c", "since": TS + 1}],
            "value_tags": ["calm"],
        },
    )
    shop.send(
        "campaign-spend",
        {
            "kol_id": "k1",
            "campaign": "618",
            "day": "2026-06-18",
            "spend_cents": {"fee": 7},
            "target_segment": {"0-6m": 0.5},
        },
    )
    shop.send("perception", {"kol_id": "k1", "respondent": "r1", "wave": "w", "ts": TS, "nps": 9})
    shop.send(
        "identity", {"anon_id": "a1", "ts": TS, "user_id": "u1", "tags": {"sleep": 0.25}, "geo": 3}
    )
    shop.send("content", {"content_id": "content-1", "ts": TS, "kol_id": "k1", "sponsored": True})
    shop.send("kol-notice", {"kol_id": "k1", "kind": "violation", "ref": "1", "ts": TS})
    shop.send("kol-consents", {"user_id": "u1", "ts": TS, "geo": True})
    shop.turn()
    name = shop.name

    assert shop.shown(
        "kol-profile", "tier, verified, virtual_kol, user_hash, coupon_ids, coupons_since, said_at"
    ) == [
        (
            *("koc", True, None, name("u1"), ["c"], ["2026-01-01 00:00:00.001"]),
            "2026-01-01 00:00:00.000",
        )
    ]
    assert shop.shown("campaign-spend", "day, fee_cents, seeding_cents, target_segment") == [
        ("2026-06-18", 7, 0, {"0-6m": 0.5})
    ]
    assert shop.shown("perception", "respondent_hash, nps, authenticity") == [(name("r1"), 9, None)]
    assert shop.shown("identity", "anon_hash, user_hash, tags, geo") == [
        (name("a1"), name("u1"), {"sleep": 0.25}, "3")
    ]
    assert shop.shown("content", "kol_id, sponsored, disclosed") == [("k1", True, None)]
    assert shop.shown("kol-notice", "kind, ref") == [("violation", "1")]
    assert shop.shown("kol-consents", "user_hash, stage, geo") == [(name("u1"), False, True)]


def test_what_is_wrong_becomes_a_dead_letter_takes_its_key_back_and_the_rest_is_read(
    shop: Shop,
) -> None:
    shop.make(*REFERENCES)
    shop.send("policy", b"{", {"policy_id": "p2", "ts": TS}, key=b"p2")
    shop.send("policy", {"policy_id": "p3", "ts": TS})
    shop.turn()
    shop.send("policy", b'{"policy_id": "p3"}', key=b"p3")
    shop.send("policy", {"policy_id": "p4", "ts": TS}, key=b"other")
    report = shop.turn()
    letters = query(shop.client, "SELECT topic, reason, payload FROM dead_letter ORDER BY reason")

    assert shop.shown("policy", "policy_id") == [("p2",)]
    assert report.rejected == {"invalid": 1, "wrong_key": 1}
    assert [(one["topic"], one["reason"], one["payload"][:2]) for one in letters] == [
        ("policy", "invalid", '{"'),
        ("policy", "not_json", "{"),
        ("policy", "wrong_key", '{"'),
    ]


def test_of_a_topic_that_was_made_anew_what_the_old_one_said_is_gone(shop: Shop) -> None:
    shop.make(*REFERENCES)
    shop.send("content", *({"content_id": f"old-{n}", "ts": TS} for n in range(5)))
    shop.turn()
    shop.delete("content")
    shop.make("content")
    shop.send("content", {"content_id": "new", "ts": TS}, {"content_id": "old-1", "ts": TS + 1})
    shop.turn()

    assert shop.shown("content", "content_id, toUnixTimestamp64Milli(published_at) AS at") == [
        ("new", TS),
        ("old-1", TS + 1),
    ]
    assert shop.traces("old-0", "old-2", "old-3", "old-4") == {}


def test_two_first_turns_leave_one_copy_of_a_dimension(shop: Shop) -> None:
    """A trainer's and the one before a swap, neither of which has seen the other's cursor."""
    shop.make(*REFERENCES)
    shop.send("content", {"content_id": "content-1", "ts": TS})
    shop.turn()
    command(shop.client, "TRUNCATE TABLE dimension_cursor")
    shop.turn()
    (found,) = query(shop.client, "SELECT count() AS copies FROM content_dim")

    assert found == {"copies": 1}


def test_a_topic_that_does_not_exist_has_an_empty_dimension_and_is_told(shop: Shop) -> None:
    shop.make(*(topic for topic in REFERENCES if topic != "policy"))
    shop.send("content", {"content_id": "content-1", "ts": TS})
    first = shop.turn()
    shop.delete("content")
    at_once = shop.turn(), shop.shown("content", "content_id")
    shop.now += ABSENT_MS
    later = shop.turn(), shop.shown("content", "content_id")

    assert first.absent == ["policy"]
    assert (at_once[0].absent, at_once[1]) == (["content", "policy"], [("content-1",)])
    assert (later[0].absent, later[1]) == (["content", "policy"], [])
    assert shop.traces("content-1") == {}


# ---------------------------------------------------------------- forgotten, and not allowed


def state(shop: Shop, table: str, **values: object) -> None:
    """A row with these values, and the defaults of all other columns."""
    shop.client.command(
        f"INSERT INTO {table} ({', '.join(values)}) SELECT "  # names of ours
        + ", ".join(f"{{{name}:{TABLES[table].columns[name]}}}" for name in values),
        parameters=values,
    )


def test_what_comes_back_of_a_forgotten_user_is_found_the_night_after(shop: Shop) -> None:
    """Inserts that were under way land after the deletion, into every table with names."""
    shop.make(*REFERENCES)
    user, other = shop.name("u1"), shop.name("u2")

    def live() -> None:
        for one in (user, other):
            state(shop, "event", user_hash=one, identity=1, received_at=RECENT, version=1)
            state(
                shop, "order_credit", user_hash=one, order_id=f"o-{one}", kols=["k"], paid_cents=7
            )
            state(shop, "identity_dim", anon_hash=one, user_hash=other, reading=1)
            state(shop, "perception_dim", kol_id=f"k-{one}", user_hash=one, reading=1)
            state(shop, "consent_dim", user_hash=one, reading=1)
            state(shop, "kol_dim", kol_id=f"k-{one}", user_hash=one, tier="head", reading=1)

    live()
    shop.erase("u1", NOW)
    erased = ErasedRows(shop.client, [user]).erase()
    after_forgetting = set(shop.traces(user))
    live()
    first = shop.night()
    after_the_night = set(shop.traces(user))
    second = shop.night()

    deleted = {"event": 1, "identity_dim": 1, "perception_dim": 1, "consent_dim": 1, "kol_dim": 1}
    assert (erased.renamed, erased.deleted) == (1, deleted)
    assert after_forgetting == after_the_night == {"kol_dim.kol_id", "order_credit.order_id"}
    assert first.found == deleted | {"order_credit": 1}
    assert second.found == {}
    assert query(
        shop.client,
        "SELECT user_hash, sum(paid_cents) AS cents FROM order_credit FINAL GROUP BY 1 ORDER BY 1",
    ) == [{"user_hash": NOBODY, "cents": 7}, {"user_hash": other, "cents": 7}]
    assert query(shop.client, "SELECT tier FROM kol_dim FINAL") == 2 * [{"tier": "head"}]
    assert len(query(shop.client, "SELECT 1 AS one FROM event FINAL")) == 1


def test_what_reference_topics_still_say_of_a_forgotten_user_is_counted(shop: Shop) -> None:
    shop.make(*REFERENCES)
    shop.send("identity", *({"anon_id": one, "ts": TS, "user_id": "u1"} for one in ("a", "b", "c")))
    shop.send("identity", {"anon_id": "c", "ts": TS, "user_id": "u2"})
    shop.take_back("identity", "b", TS)
    shop.send("kol-profile", {"kol_id": "u1"}, {"kol_id": "k", "user_id": "u1"})
    shop.send("perception", {"kol_id": "k", "respondent": "u1", "wave": "w", "ts": TS})
    person = Person("u1", 0, shop.now + 3_600_000, ())

    assert asyncio.run(read_references(shop.settings, person)) == Told(
        {"identity": 1, "kol-profile": 1, "perception": 1}, ["a", "b"]
    )


def test_hidden_rows_leave_the_disks_with_one_statement_a_week(shop: Shop) -> None:
    hidden = (
        "SELECT sum(rows) AS rows, countIf(has_lightweight_delete) AS hides FROM system.parts"
        " WHERE active AND database = currentDatabase() AND table = 'event'"
    )
    for user in ("u1", "u2"):
        state(shop, "event", user_hash=shop.name(user), identity=1, received_at=RECENT, version=1)
    shop.client.command("OPTIMIZE TABLE event FINAL")
    ErasedRows(shop.client, [shop.name("u1")]).erase()
    before = query(shop.client, hidden)
    nights = [shop.night().removed]
    until(lambda: query(shop.client, hidden) == [{"rows": 1, "hides": 0}])
    ErasedRows(shop.client, [shop.name("u2")]).erase()
    nights.append(shop.night().removed)

    assert before == [{"rows": 2, "hides": 1}]
    assert nights == [["event"], []]


def test_a_consent_begins_anew_and_empties_what_was_written_before_it(shop: Shop) -> None:
    """Whatever it allows, so that life ends as a replay of what compaction has left."""
    shop.make(*REFERENCES)
    user, other = shop.name("c1"), shop.name("c2")
    said = "SELECT user_hash, identity, stage, geo, age_band FROM event FINAL ORDER BY ALL"

    def write(one: str, identity: int, received_at: str) -> None:
        state(
            shop,
            "event",
            user_hash=one,
            identity=identity,
            received_at=received_at,
            stage="0-6m",
            geo="hz",
            age_band="25-29",
            version=identity,
        )

    write(user, 1, RECENT)
    write(user, 2, LATER)
    write(other, 3, RECENT)
    shop.send("kol-consents", {"user_id": "c1", "ts": TS, "geo": True})
    shop.turn()
    (consent,) = query(
        shop.client, "SELECT max(toUnixTimestamp64Milli(received_at)) AS at FROM consent_dim"
    )
    holds_from = int(consent["at"]) + 5_000
    write(user, 5, moment(holds_from - 1))
    write(user, 6, moment(holds_from))
    emptied = Consents(shop.client).empty(0)
    again = Consents(shop.client).empty(0)
    write(user, 4, RECENT)
    night = shop.night()

    full = {"stage": "0-6m", "geo": "hz", "age_band": "25-29"}
    assert (emptied, again, night.found) == (Emptied(2), Emptied(0), {"event": 1})
    assert {row["identity"]: row["geo"] for row in query(shop.client, said)} == {
        1: "",
        2: "hz",
        3: "hz",
        4: "",
        5: "",
        6: "hz",
    }
    assert [row for row in query(shop.client, said) if row["identity"] == 3] == [
        {"user_hash": other, "identity": 3, **full}
    ]
    shop.take_back("kol-consents", "c2")
    shop.turn()
    assert Consents(shop.client).empty(0).rows == 1


def test_what_a_paused_holder_writes_late_changes_nothing_that_is_read(shop: Shop) -> None:
    """It was stopped before it reads, before its rows or its cursor, and goes on afterwards."""
    shop.make(*REFERENCES)
    for stops in (2, 3, 4):
        key = f"k{stops}"
        shop.send("content", {"content_id": key, "ts": TS}, {"content_id": "gone", "ts": TS})
        held = _held_turn(shop, stops)
        shop.send("content", {"content_id": key, "ts": TS + 1})
        shop.take_back("content", "gone")
        shop.generation = next(_generations)
        shop.turn()
        expected = shop.shown("content", "content_id, published_at")
        next(held, None)
        assert shop.shown("content", "content_id, published_at") == expected, stops
        shop.generation = next(_generations)
        shop.turn()
        assert shop.shown("content", "content_id, published_at") == expected, stops


def _held_turn(shop: Shop, stops: int) -> Iterator[bool]:
    """Begin a turn that waits before its statement of this number; then it ends."""
    before, go_on, count = threading.Event(), threading.Event(), itertools.count()

    def check() -> None:
        if next(count) == stops:
            before.set()
            go_on.wait()

    reader = Dimensions(shop.client, shop.settings, check, ReferenceReader(shop.settings))
    shop.now += 5_000
    version = Version(shop.generation, 10_000 + stops)

    def turn() -> None:
        reader.turn(version, now_ms=shop.now, at_once=True)
        before.set()

    thread = threading.Thread(target=turn)
    thread.start()
    before.wait()

    def rest() -> Iterator[bool]:
        go_on.set()
        thread.join()
        yield next(count) <= stops

    return rest()
