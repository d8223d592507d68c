"""Poison on a real stack: each record leaves by its door, byte for byte, and the worker lives."""

import asyncio
import base64
import json
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from schemas.events import CLICKSTREAM, INTERACTIONS, MAX_DEPTH, MAX_EVENT_BYTES, MAX_ID, PURCHASES
from schemas.partitioner import partition_of
from schemas.topics import DEAD_LETTERS, MAX_MESSAGE_BYTES
from streams.clients.clickhouse import reader
from streams.clients.kafka_reader import TopicRecord, record_reader
from streams.operations.dlq.letters import letter_with_bytes
from streams.operations.dlq.retry import original_place
from streams.settings import Kafka
from tests.builders import click, interaction, paid
from tests.integration.conftest import Product, running

pytestmark = [pytest.mark.integration, pytest.mark.stack]

PARTITIONS = 4
BATCH_HEADER = 61  # bytes of a record batch before its records, as Kafka's format v2 has them
RECORD_HEADER = 20  # at the most: lengths, deltas and counts of one record without headers
NOW = time.time_ns() // 1_000_000
USER = "u1"
HOME = partition_of(USER.encode(), PARTITIONS)
ELSEWHERE = (HOME + 1) % PARTITIONS

Place = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Poison:
    """One record, and the door it has to leave by."""

    name: str
    door: str
    value: bytes | None
    topic: str = CLICKSTREAM
    partition: int = HOME
    key: bytes | None = USER.encode()
    compression: str | None = None


def event(**fields: Any) -> dict[str, Any]:  # noqa: ANN401  # any JSON value
    """A good click, with these fields instead."""
    return click(**{"ts": NOW, "user_id": USER} | fields)


def encoded(message: dict[str, Any]) -> bytes:
    return json.dumps(message, ensure_ascii=False).encode()


def raw(old: bytes, new: bytes, **fields: Any) -> bytes:  # noqa: ANN401  # as above
    """A good click in which some bytes are others."""
    said = encoded(event(**fields))
    assert old in said
    return said.replace(old, new)


def padded(size: int, letters: str = "x", **fields: Any) -> bytes:  # noqa: ANN401  # as above
    """A good click of exactly so many bytes, with a long query of such letters."""
    rng = random.Random(size)
    bare = len(encoded(event(query="", **fields)))
    query = "".join(rng.choices(letters, k=size - bare))
    said = encoded(event(query=query, **fields))
    assert len(said) == size
    return said


def order(order_id: str = "o", **fields: Any) -> bytes:  # noqa: ANN401  # as above
    told: dict[str, Any] = {"order_id": order_id, "ts": NOW, "user_id": USER} | fields
    return encoded(paid(**told))


def nested(depth: int) -> bytes:
    """Lists inside each other."""
    return b"[" * depth + b"]" * depth


ODD = b' {"user_id":"\\u0075%s",\t"ts" :%d, "event_id":"odd","x":[1.50,{}],"event":"click"}\r\n' % (
    USER[1:].encode(),
    NOW,
)
AT_THE_LIMIT = MAX_MESSAGE_BYTES - BATCH_HEADER - RECORD_HEADER - len(USER)
POISON = [
    # malformed
    Poison("half an object", "not_json", encoded(event())[:-1]),
    Poison("an object and more", "not_json", encoded(event()) + b"}"),
    Poison("a list", "not_json", b"[]"),
    Poison("a text", "not_json", b'"click"'),
    Poison("null", "not_json", b"null"),
    Poison("nothing between two events", "not_json", b""),
    Poison("a space", "not_json", b" "),
    Poison("zeros", "not_json", bytes(100)),
    Poison("a byte order mark", "not_json", b"\xef\xbb\xbf" + encoded(event(event_id="bom"))),
    Poison("not a number", "not_json", raw(b'"price_tier": 1', b'"price_tier": NaN', price_tier=1)),
    Poison("UTF-16", "not_json", encoded(event()).decode().encode("utf-16")),
    Poison("a line end in a text", "not_json", raw(b"zz", b"\n", more="zz")),
    Poison("endless", "not_json", raw(b'"price_tier": 1', b'"price_tier": Infinity', price_tier=1)),
    # not UTF-8
    Poison("a byte 0xff in an id", "not_json", raw(b"kol-x", b"kol-\xff", kol_id="kol-x")),
    Poison("a byte 0xff in a skipped field", "not_json", raw(b"zz", b"\xff", more="zz")),
    Poison("a surrogate in UTF-8", "not_json", raw(b"zz", b"\xed\xa0\x80", more="zz")),
    Poison("an overlong zero", "not_json", raw(b"zz", b"\xc0\x80", more="zz")),
    # lone surrogates, escaped
    Poison("half a pair in an id", "not_json", raw(b"kol-x", b"\\ud800", kol_id="kol-x")),
    Poison("a pair the wrong way", "not_json", raw(b"kol-x", b"\\udc76\\ud83d", kol_id="kol-x")),
    # nested
    Poison("200,000 lists", "not_json", b"[" * 200_000),
    Poison("one list too many", "not_json", raw(b'"zz"', nested(MAX_DEPTH), more="zz")),
    # numbers
    Poison("a time of 5,000 digits", "invalid", raw(str(NOW).encode(), b"1" * 5_000)),
    Poison("a time of 20 digits", "invalid", encoded(event(ts=10**19))),
    Poison("a time as text", "invalid", encoded(event(ts=str(NOW)))),
    Poison("a time with a fraction", "invalid", encoded(event(ts=NOW + 0.5))),
    Poison("a time that is true", "invalid", encoded(event(ts=True))),
    Poison("no time", "invalid", encoded(event(ts=None))),
    Poison("a number out of range", "invalid", raw(b": 1}", b": 1e999}", price_tier=1)),
    Poison("cents of 31 digits", "invalid", order(pay_cents=10**30), PURCHASES),
    Poison("cents with a fraction", "invalid", order(pay_cents=0.5), PURCHASES),
    Poison("one cent too many", "invalid", order(pay_cents=10**12 + 1), PURCHASES),
    Poison("negative cents", "invalid", order(pay_cents=-1), PURCHASES),
    Poison("cents that are true", "invalid", order(pay_cents=True), PURCHASES),
    Poison("no cents", "invalid", order(pay_cents=None), PURCHASES),
    # types and lengths
    Poison("an empty object", "invalid", b"{}"),
    Poison("a user who is a number", "invalid", encoded(event(user_id=7))),
    Poison("a user without a name", "invalid", encoded(event(user_id=""))),
    Poison("an event in a list", "invalid", encoded(event(event=["click"]))),
    Poison("an id too long", "invalid", encoded(event(event_id="e" * (MAX_ID + 1)))),
    # words
    Poison("a word nobody knows", "unknown_kind", encoded(event(event="clack"))),
    Poison("no word", "unknown_kind", encoded(event(event=""))),
    Poison("a kind nobody knows", "unknown_kind", order(kind="gift"), PURCHASES),
    Poison("a word of another topic", "unknown_kind", encoded(event(event="view"))),
    Poison("a KOL named organic", "reserved_id", encoded(event(kol_id="organic"))),
    Poison("a KOL named as a cell", "reserved_id", encoded(event(kol_id="~brand:x"))),
    # times
    Poison("1970", "bad_time", encoded(event(ts=1))),
    Poison("before 1970", "bad_time", encoded(event(ts=-(2**63)))),
    Poison("2099", "from_the_future", encoded(event(ts=4_070_908_800_000))),
    Poison("the end of time", "from_the_future", encoded(event(ts=2**63 - 1))),
    # sizes
    Poison("one byte too long", "too_large", padded(MAX_EVENT_BYTES + 1)),
    Poison("as long as the broker takes", "too_large", padded(AT_THE_LIMIT)),
    Poison(
        "as long, and not to be compressed",
        "too_large",
        random.Random(1).randbytes(AT_THE_LIMIT),
    ),
    Poison(
        "longer than the broker takes, compressed",
        "too_large",
        padded(2_000_000, "0123456789"),
        compression="gzip",
    ),
    Poison("eight million spaces", "too_large", b" " * 8_000_000, compression="gzip"),
    # no value, no key, another key, another partition
    Poison("a tombstone", "null_value", None),
    Poison("neither key nor value", "null_value", None, key=None),
    Poison("in a wrong partition", "wrong_partition", encoded(event()), partition=ELSEWHERE),
    Poison("oddly written, in a wrong partition", "wrong_partition", ODD, partition=ELSEWHERE),
    Poison("keyed by the order", "wrong_partition", order("o9"), PURCHASES, ELSEWHERE, key=b"o9"),
    # what looks like poison and is none
    Poison("no key", "written", encoded(event(event_id="keyless")), key=None),
    Poison("another key", "written", encoded(event(event_id="other-key")), key=b"\xff\x00"),
    Poison("as long as allowed", "written", padded(MAX_EVENT_BYTES, event_id="long")),
    Poison("an id as long as allowed", "written", encoded(event(event_id="e" * MAX_ID))),
    Poison("a zero in an id", "written", encoded(event(event_id="a\0b", kol_id="k\0"))),
    Poison("whole pairs", "written", raw(b"kol-x", b"\\ud83d\\udc76", kol_id="kol-x")),
    Poison(
        "half a pair in a skipped field",
        "written",
        raw(b"zz", b"\\ud800", more="zz", event_id="half"),
    ),
    Poison(
        "a pair the wrong way in a skipped field",
        "written",
        raw(b"zz", b"\\udc76\\ud83d", more="zz", event_id="wrong-way"),
    ),
    Poison("a field twice", "written", raw(b'{"', b'{"ts": "x", "', event_id="twice")),
    Poison("400 digits nobody reads", "written", encoded(event(event_id="digits", more=10**400))),
    Poison("as deep as allowed", "written", raw(b'"zz"', nested(MAX_DEPTH - 1), more="zz")),
    Poison(
        "quotes and lines in names",
        "written",
        encoded(interaction("like", ts=NOW, user_id=USER, kol_id="k'\"\\\n\t`);--")),
        INTERACTIONS,
    ),
]


@dataclass(frozen=True, slots=True)
class Stage:
    """A stack that has read all of it."""

    product: Product
    bootstrap: str
    sent: dict[Place, Poison]
    committed: int  # records of committed transactions
    pids: dict[str, int]

    @property
    def written(self) -> int:
        """How many events are none."""
        return sum(one.door == "written" for one in self.sent.values()) + self.committed


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with running(tmp_path_factory.mktemp("poison") / "home") as product:
        status = product.json("status")
        bootstrap = status["kafka"]["bootstrap"]
        pids = {one["name"]: one["pid"] for one in status["processes"]}
        sent, committed = asyncio.run(poisoned(bootstrap))
        product.kol("drain", "--timeout", "90")
        yield Stage(product, bootstrap, sent, committed, pids)


async def poisoned(bootstrap: str) -> tuple[dict[Place, Poison], int]:
    """Send everything; gives where it lies, and how many good ones came in transactions."""
    sent: dict[Place, Poison] = {}
    for codec in (None, "gzip"):
        producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap, max_request_size=16 << 20, compression_type=codec
        )
        await producer.start()
        try:
            for one in POISON:
                if one.compression == codec:
                    batch = producer.create_batch()
                    batch.append(key=one.key, value=one.value, timestamp=None)
                    told = await (
                        await producer.send_batch(batch, one.topic, partition=one.partition)
                    )
                    sent[told.topic, told.partition, told.offset] = one
        finally:
            await producer.stop()
    return sent, await transactions(bootstrap)


async def transactions(bootstrap: str) -> int:
    """Three transactions on one partition, the second one aborted."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id="a-shop")
    await producer.start()
    try:
        for turn in range(3):
            await producer.begin_transaction()
            for number in range(5):
                said = encoded(event(event_id=f"t{turn}-{number}", kol_id=f"kol-t{turn}"))
                await producer.send(CLICKSTREAM, said, partition=HOME)
            await producer.send(CLICKSTREAM, b"{oops", partition=HOME) if turn == 1 else None
            await producer.flush()
            await (producer.abort_transaction() if turn == 1 else producer.commit_transaction())
    finally:
        await producer.stop()
    return 10


def test_each_record_leaves_by_its_door(stage: Stage) -> None:
    rows = stage.product.sql("SELECT topic, partition, offset, reason FROM v_dead_letter")
    reasons = {(row["topic"], row["partition"], int(row["offset"])): row["reason"] for row in rows}

    wrong = {
        one.name: (reasons.get(at, "written"), one.door)
        for at, one in stage.sent.items()
        if reasons.get(at, "written") != one.door
    }
    assert not wrong
    assert reasons.keys() <= stage.sent.keys()


def test_the_doors_add_up(stage: Stage) -> None:
    status = stage.product.json("status")

    doors = Counter(one.door for one in stage.sent.values())
    del doors["written"]
    assert status["doors"] == {"written": stage.written}
    assert status["rejected"] == doors


def test_every_letter_is_kept_byte_for_byte_in_the_table(stage: Stage) -> None:
    client = reader(stage.product.settings.clickhouse)
    for at, one in stage.sent.items():
        if one.door != "written":
            _, raw = letter_with_bytes(client, "/".join(map(str, at)))

            assert raw == (one.value or b""), one.name
    client.close()


@pytest.mark.parametrize("name", ["a byte 0xff in an id", "a word nobody knows"])
def test_a_letter_is_shown_as_it_came(stage: Stage, name: str) -> None:
    (at,) = (at for at, one in stage.sent.items() if one.name == name)
    told = stage.product.json("dlq", "show", "/".join(map(str, at)))
    payload = told["payload"]
    value = payload.encode() if told["encoding"] == "utf8" else base64.b64decode(payload)

    assert value == stage.sent[at].value


def test_every_letter_is_kept_byte_for_byte_on_its_topic(stage: Stage) -> None:
    kept = asyncio.run(letters_of(stage.bootstrap))

    for at, one in stage.sent.items():
        if one.door == "written":
            assert at not in kept
        else:
            assert kept[at] == (one.value, one.door), one.name


async def letters_of(bootstrap: str) -> dict[Place, tuple[bytes | None, str]]:
    places = [(DEAD_LETTERS, partition) for partition in range(PARTITIONS)]
    found: dict[Place, tuple[bytes | None, str]] = {}
    async with record_reader(Kafka(bootstrap=bootstrap)) as records:
        async for entry in records.since(places, 0):
            at = original_place(entry)
            assert at is not None
            assert at[1] == entry.partition
            found[at] = entry.value, entry.headers["reason"].decode()
    return found


def test_an_aborted_transaction_leaves_no_trace(stage: Stage) -> None:
    rows = stage.product.sql(
        "SELECT kol_id, sum(events) AS n FROM v_minute WHERE kol_id LIKE 'kol-t%' GROUP BY kol_id"
        " ORDER BY kol_id"
    )

    assert [(row["kol_id"], int(row["n"])) for row in rows] == [("kol-t0", 5), ("kol-t2", 5)]


def test_a_letter_goes_back_byte_for_byte(stage: Stage) -> None:
    (at,) = (at for at, one in stage.sent.items() if one.value is ODD)
    name = "/".join(map(str, at))
    done = stage.product.json("dlq", "retry", name, "--yes")
    back = asyncio.run(newest(stage.bootstrap))
    stage.product.kol("drain")
    letter = stage.product.json("dlq", "show", name)

    assert done["retried"] == [
        {"id": name, "reason": "wrong_partition", "to": f"{CLICKSTREAM}/{HOME}"}
    ]
    assert (back.key, back.value) == (USER.encode(), ODD)
    assert letter["state"] == "retried"
    assert stage.product.json("status")["doors"]["written"] == stage.written + 1


async def newest(bootstrap: str) -> TopicRecord:
    async with record_reader(Kafka(bootstrap=bootstrap)) as records:
        (entry,) = await records.newest([(CLICKSTREAM, HOME)], 1)
        return entry


def test_the_worker_lives_and_credits_what_comes_after(stage: Stage) -> None:
    touch = event(event_id="touch", kol_id="kol-after", ts=NOW + 1)
    bought = paid("after", 1_000, user_id=USER, ts=NOW + 2)
    stage.product.send(_lines([(CLICKSTREAM, touch), (PURCHASES, bought)]))
    (credit,) = stage.product.sql(
        "SELECT kol_id, credit_cents FROM v_order_credit"
        " WHERE order_id = 'after' AND model = 'last'"
    )
    processes = stage.product.json("status")["processes"]

    assert (credit["kol_id"], int(credit["credit_cents"])) == ("kol-after", 1_000)
    assert {one["name"]: one["pid"] for one in processes} == stage.pids
    assert not any(one["restarts"] for one in processes)


def _lines(events: Sequence[tuple[str, dict[str, Any]]]) -> list[str]:
    return [json.dumps({"topic": topic, "value": value}) for topic, value in events]
