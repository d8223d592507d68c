"""A second app reads all again while the first lives: `kol replay`, its swap, its way back."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from clickhouse_connect.driver.client import Client

from schemas.erasures import NOBODY
from schemas.events import INPUTS
from schemas.keyed_names import as_hex
from schemas.partitioner import partition_of
from schemas.rows import VIEWS
from schemas.topics import CELLS, DEAD_LETTERS, ERASURES, OWN
from schemas.version import MARKS
from streams.clients.clickhouse import connect, query
from streams.clients.kafka_admin import Offsets, kafka_admin
from streams.clients.kafka_reader import record_reader
from streams.core.moments import DAY_MS
from streams.operations.replay.prepare import replay_settings
from streams.settings import Settings
from tests.builders import HOUR, click, paid
from tests.chaos import verdict
from tests.chaos.stack import ChaosError, Stack, running
from tests.chaos.world import Sent, Traffic, logged, world
from tests.oracle import SHOP

pytestmark = [pytest.mark.integration, pytest.mark.stack]

SEED = 11
PARTITIONS = 4
GONE = "u-gone"
LONG = 200  # days ago: what is older can not be given back any more
QUICK = {
    "KOL_WORKER__SESSION_SECONDS": "6",
    "KOL_WORKER__SNAPSHOT_SECONDS": "1",
    "KOL_WORKER__QUIET_SECONDS": "3600",  # the one clock that may move what is final
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("replay") / "home", 1, QUICK) as stack:
        yield stack


def sent(stack: Stack, messages: list[Sent], seconds: float) -> Traffic:
    """Traffic that has begun."""
    traffic = Traffic(stack.settings.kafka.bootstrap, messages, seconds)
    traffic.start()
    return traffic


def replay(stack: Stack, *words: str) -> dict[str, Any]:
    return dict(json.loads(stack.kol("replay", *words, "--json")))


def refused(stack: Stack, *words: str) -> str:
    return refused_by(stack, "replay", *words)


def start_worker(stack: Stack, name: str, variables: Mapping[str, str]) -> None:
    """A worker of a replay that stays, until it is stopped."""
    stack.join(name, variables)
    stack.serves(name)


def start_trainer(stack: Stack, name: str, variables: Mapping[str, str]) -> None:
    """A trainer of a replay that stays, until it is stopped."""
    stack.join_trainer(name, variables)
    stack.serves(name)


def stop_worker(stack: Stack, name: str) -> None:
    """Stop it, and wait until its group knows."""
    app = stack.extras[name].env["KOL_APP_ID"]
    stack.leave(name)
    stack.until(lambda: not members(stack, app) or None, f"{name} does not leave")


def refused_by(stack: Stack, *words: str) -> str:
    with pytest.raises(ChaosError) as error:
        stack.kol(*words)
    return " ".join(str(error.value).split())  # as wide as a terminal may be


def of_user(now: int) -> list[Sent]:
    """What somebody does who is forgotten before the replay."""
    at = partition_of(GONE.encode(), PARTITIONS)
    events: list[tuple[str, Mapping[str, object]]] = [
        ("clickstream", click(ts=now - 8 * HOUR, user_id=GONE)),
        ("purchases", paid("o-gone", 999, ts=now - 7 * HOUR, user_id=GONE)),
    ]
    return [Sent(topic, at, None, json.dumps(event).encode()) for topic, event in events]


def letters(settings: Settings) -> list[bytes | None]:
    """The keys of all letters on an app's own topic."""

    async def read() -> list[bytes | None]:
        async with record_reader(settings.kafka) as records:
            found = records.since([(DEAD_LETTERS, at) for at in range(PARTITIONS)], 0)
            return [entry.key async for entry in found]

    return asyncio.run(read())


def test_a_replay_beside_a_living_app_says_what_a_quiet_run_says_and_has_a_way_back(
    stack: Stack,
) -> None:
    now = time.time_ns() // 1_000_000
    live = stack.settings
    second = replay_settings(live, "kol-2")
    messages = world(SEED, now, PARTITIONS, users=20, days=10, bulk_messages=6_000)
    half = len(messages) // 2
    sent(stack, of_user(now - 11 * DAY_MS), 0.0).join()
    sent(stack, messages[:half], 0.0).join()
    stack.kol("drain")
    assert json.loads(stack.kol("forget", GONE, "--yes", "--json"))["forgotten"]
    engine = connect(live.clickhouse)
    mark(engine)

    traffic = sent(stack, messages[half:], 12.0)
    report = replay(stack, "run", "kol-2")
    assert (report["caught_up"], report["swapped"]) == (True, False)
    assert "no worker of kol-2 runs that stays" in refused(stack, "run", "kol-2", "--swap")
    assert {row["comment"] for row in views(engine)} == set(VIEWS.values())
    start_worker(stack, "kol-2-a", report["variables"])
    start_trainer(stack, "kol-2-t", report["variables"])
    report = replay(stack, "run", "kol-2", "--swap")
    assert (report["caught_up"], report["swapped"], report["reads"]) == (True, True, "kol_2")
    traffic.join()
    assert traffic.error is None
    stack.kol("drain")
    assert replay(stack, "run", "kol-2", "--swap")["swapped"]  # goes on, for what came since

    log = logged(live.kafka.bootstrap, PARTITIONS)
    peace = verdict.quiet(log, PARTITIONS, live.hmac_key.get_secret_value().encode())
    assert against(live, peace) == []
    assert {row["comment"] for row in views(engine)} == {"read from kol_2"}
    assert column_comments(engine, "kol") == column_comments(engine, "kol_2")
    assert in_hours(engine) == in_the_shops_currency(peace)
    assert marked(engine) == 1
    assert query(engine, "SELECT user_hash FROM v_order WHERE order_id = 'o-gone'") == [
        {"user_hash": NOBODY}
    ]
    assert_apart(live, second)
    assert json.loads(stack.kol("status", "--json"))["replay_read"]["fault"] is None
    stop_worker(stack, "kol-2-a")
    fault = "the views read kol_2 and no worker of kol-2 runs: what people read stands still"
    read = {"database": "kol_2", "app": "kol-2", "workers": [], "trainers": 1}
    assert json.loads(stack.kol("status", "--json"))["replay_read"] == read | {"fault": fault}
    assert fault in refused_by(stack, "doctor", "--json")

    assert replay(stack, "back", "kol-2")["reads"] == "kol"
    assert {row["comment"] for row in views(engine)} == set(VIEWS.values())
    assert against(live, peace) == []
    assert in_hours(engine) == in_the_shops_currency(peace)
    assert "nothing to go back from" in refused(stack, "back", "kol-2")
    assert "there is no replay kol-9" in refused(stack, "swap", "kol-9")
    assert "no worker of kol-2 runs" in refused(stack, "swap", "kol-2")
    assert "is what runs already" in refused(stack, "run", "kol")

    assert "is no replay's" in refused(stack, "drop", "default", "--yes")
    assert "a trainer of kol-2 still runs" in refused(stack, "drop", "kol-2", "--yes")
    stack.leave("kol-2-t")
    assert replay(stack, "drop", "kol-2", "--yes")["dropped"] == "kol-2"
    assert query(engine, "SELECT name FROM system.databases WHERE name = 'kol_2'") == []
    with kafka_admin(live.kafka) as broker:
        assert not [name for name in broker.counts() if name.startswith("kol-2.")]
        assert broker.committed("kol-2") == broker.committed("kol-2-trainer") == {}
    assert against(live, peace) == []
    engine.close()


def test_a_replay_becomes_the_live_app_and_what_it_replaced_goes(stack: Stack) -> None:
    live = stack.settings
    engine = connect(live.clickhouse)
    age(engine)
    before = verdict.told(live)
    report = replay(stack, "run", "kol-3", "--from", ago(LONG))
    start_worker(stack, "kol-3-a", report["variables"])
    assert "no trainer of kol-3 runs" in refused(stack, "swap", "kol-3")
    start_trainer(stack, "kol-3-t", report["variables"])
    assert replay(stack, "swap", "kol-3")["swapped"]
    assert "began with another --from" in refused(stack, "run", "kol-3", "--from", ago(LONG + 1))
    [day] = query(engine, "SELECT orders FROM v_credit_1d WHERE kol_id = 'k-old'")
    assert int(day["orders"]) == 1
    engine.close()
    assert "workers of kol still run" in refused(stack, "drop", "kol-3", "--yes")
    stack.leave("kol-3-t")
    stop_worker(stack, "kol-3-a")
    stack.kol("down")
    stack.up(env=report["variables"])
    stack.until(lambda: not members(stack, "kol"), "the old workers' session does not end")
    assert replay(stack, "drop", "kol-3", "--yes")["dropped"] == "kol"
    assert "there is no way back" in refused(stack, "back", "kol-3")
    stack.kol("drain", env=report["variables"])
    assert verdict.against_quiet(verdict.told(stack.settings), before) == []
    with kafka_admin(stack.settings.kafka) as broker:
        assert not OWN & broker.counts().keys()
    astray = {**report["variables"], "KOL_KAFKA__PREFIX": ""}
    stack.kol("topics", env=astray)
    with pytest.raises(ChaosError, match="is the database of a replay"):
        stack.kol("worker", env=astray)


def test_a_log_that_lost_its_beginning_is_refused_with_what_to_do(stack: Stack) -> None:
    bootstrap = stack.settings.kafka.bootstrap
    topic = next(
        topic for (topic, at), end in asked_ends(stack.settings).items() if at == 0 and end > 1
    )

    async def cut() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await admin.start()
        await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=1)})
        await admin.close()

    asyncio.run(cut())
    why = refused(stack, "run", "kol-4")
    assert "the log does not reach back to its beginning" in why
    assert f"{topic}/0 begins on" in why
    assert "retention.ms" in why
    why = refused(stack, "run", "kol-4", "--from", ago(LONG))
    assert f"the log does not reach back to {ago(LONG + 31)}" in why
    assert "can still be given back" in refused(stack, "run", "kol-4", "--from", ago(100))


def members(stack: Stack, group: str) -> list[str]:
    with kafka_admin(stack.settings.kafka) as broker:
        return list(broker.members(group))


def asked_ends(settings: Settings) -> Offsets:
    with kafka_admin(settings.kafka) as broker:
        return broker.end_offsets(INPUTS)


def against(settings: Settings, peace: verdict.Told) -> list[str]:
    """Where the views differ from a quiet run, which knows no erasures."""
    (gone,) = map(as_hex, settings.keyed_names.users([GONE]).tolist())
    stands = without_owner(verdict.told(settings))
    assert not [event for event in stands.events if gone in event]
    return verdict.against_quiet(stands, without_events_of(gone, without_owner(peace)))


def without_events_of(user_hash: str, told: verdict.Told) -> verdict.Told:
    """Of an erased person events are no more, while orders stay without their owner."""
    events = {event: n for event, n in told.events.items() if user_hash not in event}
    assert len(events) < len(told.events)
    return replace(told, events=Counter(events))


def views(engine: Client) -> list[dict[str, Any]]:
    return query(
        engine,
        "SELECT comment FROM system.tables WHERE database = 'kol' AND engine = 'View'"
        " AND name LIKE 'v\\_%' AND NOT endsWith(name, '__kept')",
    )


def column_comments(engine: Client, database: str) -> list[dict[str, Any]]:
    return query(
        engine,
        "SELECT table, name, comment FROM system.columns WHERE database = {of:String}"
        " AND table LIKE 'v\\_%' AND NOT endsWith(table, '__kept') ORDER BY table, position",
        {"of": database},
    )


def in_the_shops_currency(told: verdict.Told) -> int:
    """Orders that hours may know: amounts of different currencies do not add."""
    return sum(currency == SHOP for *_, currency, _ in told.orders.elements())


def in_hours(engine: Client) -> int:
    """Orders that the hours of the view know, by a model that gives an order to one KOL."""
    sql = "SELECT sum(orders) AS n FROM v_credit_1h WHERE model = 'last'"
    return int(query(engine, sql)[0]["n"])


def mark(engine: Client) -> None:
    """Say of one letter that it was put back, as `kol dlq retry` does."""
    engine.command(
        "INSERT INTO dead_letter SELECT * REPLACE ('retried' AS state,"  # noqa: S608  # a number
        f" toUInt64({MARKS + 1}) AS version) FROM dead_letter FINAL LIMIT 1"
    )


def ago(days: int) -> str:
    """A day, as `--from` has it."""
    return time.strftime("%Y-%m-%d", time.gmtime(time.time() - days * 86_400))


def age(engine: Client) -> None:
    """An order that is older than the log, and a day that is older than any order."""
    engine.command(
        "INSERT INTO order_credit SELECT * REPLACE ('old' AS order_id,"
        " ordered_at - INTERVAL 400 DAY AS ordered_at) FROM order_credit FINAL"
        " WHERE notEmpty(kols) LIMIT 1"
    )
    engine.command(
        "INSERT INTO credit_1d (kol_id, day, orders_last, version)"
        " VALUES ('k-old', today() - 900, 1, 0)"
    )
    engine.command(
        "INSERT INTO rollup_floor (target, bucket, settled, stated_from, version)"
        " VALUES ('credit_1d', toDateTime(today() - 900, 'UTC'), 1, now() - INTERVAL 890 DAY, 0)"
    )


def marked(engine: Client) -> int:
    return len(query(engine, "SELECT offset FROM v_dead_letter WHERE state = 'retried'"))


def assert_apart(live: Settings, second: Settings) -> None:
    """Each app reads and writes its own topics; letters are on each once."""
    with kafka_admin(live.kafka) as broker:
        names = {group: {at[0] for at in broker.committed(group)} for group in ("kol", "kol-2")}
    both = {*INPUTS, ERASURES}  # nobody has sent consents
    assert names == {"kol": both | {CELLS}, "kol-2": both | {f"kol-2.{CELLS}"}}
    ours, theirs = letters(live), letters(second)
    assert len(set(ours)) == len(ours)
    assert set(ours) == set(theirs)


def without_owner(told: verdict.Told) -> verdict.Told:
    orders = Counter(order[:-1] for order in told.orders.elements())
    return replace(told, orders=orders)
