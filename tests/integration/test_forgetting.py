"""A user is forgotten on a real stack: searched everywhere, refunded later, replayed.

Topics are searched by the newest record of every key: what it replaced goes with compaction,
which the broker does in its own time.
"""

import asyncio
import hmac
import json
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from clickhouse_connect.driver.client import Client

from schemas.erasures import NOBODY, erasure_record
from schemas.identity import user_key
from schemas.partitioner import partition_of
from schemas.rows import TABLES
from schemas.topics import CELLS, DEAD_LETTERS, ERASURES, KOL_STATE, USER_STATE
from streams.clients.clickhouse import connect, query
from streams.clients.kafka_admin import client_options
from streams.clients.kafka_reader import record_reader
from streams.settings import Settings
from tests.builders import HOUR, MINUTE, click, interaction, paid, refund
from tests.chaos.stack import Stack, forget_state, running
from tests.keyed import user_hash
from tests.linking import found_in, found_in_tables, linkable, signs_of

pytestmark = [pytest.mark.integration, pytest.mark.stack]

PARTITIONS = 4
USER, OTHER = "u-forgotten", "u-stays"
HOME = partition_of(USER.encode(), PARTITIONS)
ASTRAY = next(key for key in "abcdef" if partition_of(key.encode(), PARTITIONS) != HOME)
QUICK = {"KOL_WORKER__SESSION_SECONDS": "6", "KOL_WORKER__SNAPSHOT_SECONDS": "1"}


def line(topic: str, value: Mapping[str, Any] | None, key: str = USER, **more: object) -> str:
    return json.dumps({"topic": topic, "key": key} | ({"value": value} if value else {}) | more)


def send(stack: Stack, lines: list[str]) -> None:
    path = stack.path / "events.jsonl"
    path.write_text("".join(f"{one}\n" for one in lines))
    stack.kol("ingest", "--allow-late", str(path))
    stack.kol("drain")


def forgotten(stack: Stack, *users: str) -> list[dict[str, Any]]:
    """What `kol forget` reports of each; they are forgotten at once."""

    def forget(user: str) -> dict[str, Any]:
        return dict(json.loads(stack.kol("forget", user, "--yes", "--json")))

    with ThreadPoolExecutor() as pool:
        return list(pool.map(forget, users))


def lived(now: int) -> list[str]:
    """What two users do; of the first there are letters of all kinds."""
    events = []
    for user in (USER, OTHER):
        of_user = {"user_id": user}
        events += [
            line("clickstream", click(ts=now - 20 * MINUTE, **of_user), user),
            line(
                "content-interactions", interaction("save", ts=now - 19 * MINUTE, **of_user), user
            ),
            line(
                "purchases",
                paid(f"o-{user[2:4]}", 10_001, ts=now - 9 * MINUTE, coupon_id=user, **of_user),
                user,
            ),
            line(
                "purchases",
                refund(f"o-{user[2:4]}", 0, ts=now - 8 * MINUTE, reason=f"by {user} ", **of_user),
                user,
            ),
            line("purchases", paid(f"p-{user[2:4]}", 7, ts=now - 8 * MINUTE, **of_user), user),
            line("purchases", refund(f"p-{user[2:4]}", 3, ts=now - 7 * MINUTE, **of_user), user),
            line("purchases", paid("late", 5, ts=now - 9 * HOUR, **of_user), user),
            line("clickstream", click(ts=now, **of_user), user if user == OTHER else ASTRAY),
        ]
    return [
        *events,
        line("clickstream", None, raw=f'{{"user_id": "{USER}", "oops'),
        line("clickstream", None, raw=f"\udcff {USER} \udcfe"),
        line("clickstream", None, raw=f"\udcff x{USER} \udcfe", key=OTHER),
    ]


def old_hash(settings: Settings) -> str:
    secret = settings.hmac_key.get_secret_value().encode()
    return hmac.new(secret, USER.encode(), "sha256").hexdigest()[:32]


def cents(engine: Client) -> dict[str, tuple[int, int]]:
    """Order -> paid and given back."""
    found = query(engine, "SELECT order_id, paid_cents, refunded_cents FROM v_order")
    assert len({one["order_id"] for one in found}) == len(found)
    return {one["order_id"]: (int(one["paid_cents"]), int(one["refunded_cents"])) for one in found}


def credits(engine: Client) -> list[dict[str, Any]]:  # noqa: A001  # the house's word
    return query(
        engine,
        "SELECT model, kol_id, order_id, credit_cents, refunded_cents FROM v_order_credit"
        " ORDER BY ALL",
    )


def cells(engine: Client) -> list[dict[str, Any]]:
    return query(engine, "SELECT * FROM v_minute ORDER BY ALL")


def in_tables(engine: Client, signs: list[str]) -> dict[str, int]:
    """Where any of these texts stands in a column of a table, FINAL or not."""
    found: dict[str, int] = {}
    for name, table in TABLES.items():
        columns = list(table.all_columns)
        with_it = ", ".join(
            f"countIf(multiSearchAny(toString(`{column}`), {{signs:Array(String)}}))"
            for column in columns
        )
        sql = f"SELECT [{with_it}] AS counts FROM {name}"  # noqa: S608  # names of ours
        (row,) = query(engine, sql, {"signs": signs})
        counts = zip(columns, map(int, row["counts"]), strict=True)
        found |= {f"{name}.{column}": count for column, count in counts if count}
    return found


async def newest(settings: Settings) -> dict[tuple[str, int], dict[Any, bytes | None]]:
    """The newest record of every key of our topics, by topic and partition."""
    topics = (USER_STATE, KOL_STATE, CELLS, DEAD_LETTERS, ERASURES)
    latest: dict[tuple[str, int], dict[Any, bytes | None]] = {
        (topic, partition): {} for topic in topics for partition in range(PARTITIONS)
    }
    async with record_reader(settings.kafka) as records:
        async for entry in records.since(latest, 0):
            latest[entry.topic, entry.partition][entry.key or entry.offset] = entry.value
    return latest


def in_topics(
    latest: Mapping[tuple[str, int], Mapping[Any, bytes | None]], signs: list[bytes]
) -> list[str]:
    """Where any of these bytes stands in the newest record of a key."""
    return [
        f"{topic}/{partition}: {name!r}"
        for (topic, partition), entries in latest.items()
        for name, value in entries.items()
        if any(sign in (value or b"") for sign in signs)
        and not (isinstance(name, bytes) and name.startswith(b"a/forgotten."))
    ]


def assert_nowhere(settings: Settings, engine: Client) -> None:
    """Neither id nor hash nor name; only what says who is forgotten names the user."""
    key = settings.hmac_key.get_secret_value().encode()
    digest, former, name = digest_of(USER), old_hash(settings), user_hash(key, USER)
    assert in_tables(engine, [USER, digest, former, name]) == {}
    assert len(others_letters(engine)) == 1
    signs = [f'"{USER}"'.encode(), f" {USER} ".encode(), digest.encode(), former.encode()]
    bare = [bytes.fromhex(one) for one in (digest, former, name)]
    words = [one[half][::-1] for one in bare for half in (slice(8), slice(8, 16))]
    latest = asyncio.run(newest(settings))
    assert in_topics(latest, [*signs, *bare, *words]) == []
    assert in_topics(latest, [name.encode()]) == [
        f"{ERASURES}/{at}: {one!r}"
        for at in range(PARTITIONS)
        for one in latest[ERASURES, at]
        if one.startswith(name.encode())
    ]


def assert_not_linkable(settings: Settings, engine: Client) -> None:
    """Who knows everybody's ids and orders but not the key finds no hash of them."""
    orders = [f"{letter}-{user[2:4]}" for letter in "op" for user in (USER, OTHER)]
    signs = signs_of(linkable([USER, OTHER], ["late", *orders]))
    name = user_hash(settings.hmac_key.get_secret_value().encode(), USER)
    who_has_the_key = {name.encode(): "the name on rows"}
    latest = asyncio.run(newest(settings))
    values = [value or b"" for entries in latest.values() for value in entries.values()]
    names = [
        str(name).encode() for entries in latest.values() for name in entries if name is not None
    ]

    assert found_in_tables(who_has_the_key, engine).keys() >= {"order_credit.user_hash"}
    assert found_in_tables(signs, engine) == {}
    assert found_in(signs, *values, *names) == []


def digest_of(user_id: str) -> str:
    low, high = user_key(user_id)
    return f"{high:016x}{low:016x}"


def others_letters(engine: Client) -> list[dict[str, Any]]:
    """Of who has a longer id: the same text in other bytes."""
    return query(
        engine,
        "SELECT offset FROM v_dead_letter WHERE encoding = 'base64'"
        " AND position(base64Decode(payload), {id:String}) > 0",
        {"id": f"x{USER}"},
    )


def test_a_forgotten_user_is_nowhere_refunded_later_and_not_revived_by_a_replay(
    tmp_path: Path,
) -> None:
    now = time.time_ns() // 1_000_000
    with running(tmp_path / "home", 1, QUICK) as stack:
        send(stack, lived(now))
        settings = stack.settings
        engine = connect(settings.clickhouse)
        age(engine, "old", hashed="user_hash")
        age(engine, "older", hashed=f"'{old_hash(settings)}'")  # as former versions wrote it
        before, owed, counted = cents(engine), credits(engine), cells(engine)
        assert in_tables(engine, [USER]).keys() >= {
            "order_credit.coupon_id",
            "order_credit.refund_reason",
        }

        assert_not_linkable(settings, engine)

        (done,) = forgotten(stack, USER)
        assert done["forgotten"], done
        assert done["known"]
        assert done["rows_deleted"]["dead_letter"] >= 4
        assert (cents(engine), credits(engine), cells(engine)) == (before, owed, counted)
        assert_nowhere(settings, engine)
        again, nobody = forgotten(stack, USER, "u-nobody")
        assert (again["forgotten"], again["orders_renamed"], again["rows_deleted"]) == (True, 0, {})
        assert not again["known"]
        assert not nobody["known"]

        send(stack, [line("purchases", refund("o-fo", 1_000, ts=now, user_id=USER))])
        send(stack, [line("purchases", paid("q-fo", 9, ts=now, user_id=USER))])
        after = {**before, "o-fo": (10_001, 1_000), "q-fo": (9, 0)}
        assert cents(engine) == after
        assert_nowhere(settings, engine)
        hashes = told_hashes(engine)
        engine.close()
        asyncio.run(publish_as_former_versions(settings, "u-former", now))

        stack.kol("down")
        forget_state(stack, settings)
        stack.up(env={"KOL_EPOCH": "1"})
        stack.kol("drain")
        settings = stack.settings
        engine = connect(settings.clickhouse)
        assert cents(engine) == after
        assert told_hashes(engine) == hashes
        assert hashes["o-fo"] == hashes["old"] == hashes["older"] == NOBODY
        assert_is_renewed(settings, "u-former", now)
        assert_nowhere(settings, engine)
        engine.close()


def age(engine: Client, order_id: str, hashed: str) -> None:
    """One of the user's orders is so old that no worker remembers it."""
    columns = ", ".join(f"`{name}`" for name in TABLES["order_credit"].columns)
    engine.command(
        f"INSERT INTO order_credit ({columns}) SELECT * REPLACE ('{order_id}' AS order_id,"  # noqa: S608  # names of ours
        f" {hashed} AS user_hash,"
        f" ordered_at - INTERVAL 400 DAY AS ordered_at) FROM"
        f" (SELECT {columns} FROM order_credit FINAL WHERE order_id = 'o-fo')"
    )


async def publish_as_former_versions(settings: Settings, user_id: str, at: int) -> None:
    """Erase a user by the digest of the id."""
    name = digest_of(user_id)
    producer = AIOKafkaProducer(**client_options(settings.kafka))
    await producer.start()
    try:
        for partition in range(PARTITIONS):
            await producer.send_and_wait(
                ERASURES,
                f'{{"user":"{name}","at":{at}}}'.encode(),
                key=f"{name}/{at}".encode(),
                partition=partition,
            )
    finally:
        await producer.stop()


def assert_is_renewed(settings: Settings, user_id: str, at: int) -> None:
    """The workers that read it wrote it anew, under the keyed name."""
    latest = asyncio.run(newest(settings))
    key, value = erasure_record(user_id, at, settings.keyed_names)
    for partition in range(PARTITIONS):
        records = latest[ERASURES, partition]
        assert records[f"{digest_of(user_id)}/{at}".encode()] is None
        assert records[key] == value


def told_hashes(engine: Client) -> dict[str, str]:
    found = query(engine, "SELECT order_id, user_hash FROM v_order")
    return {one["order_id"]: one["user_hash"] for one in found}
