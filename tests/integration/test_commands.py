"""The commands a person types, on a running stack; in the end topics are not as they were."""

import json
import math
import time
from collections.abc import Iterator

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families as families

from schemas.events import INPUTS, INTERACTIONS
from schemas.topics import CELLS
from streams.clients.kafka_admin import kafka_admin
from streams.clients.worker_pages import fetch_page
from streams.trainer import telemetry as trainer
from streams.worker.telemetry import METRICS
from tests.builders import NOON, click, interaction, paid, refund
from tests.commands import command
from tests.embedded.waiting import until
from tests.integration.conftest import Product, running

pytestmark = [pytest.mark.integration, pytest.mark.stack]


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with running(tmp_path_factory.mktemp("commands") / "home") as started:
        yield started


def line(topic: str, event: dict[str, object]) -> str:
    return json.dumps({"topic": topic, "value": event})


def test_a_person_asks_why_and_who_and_how_it_stands(product: Product) -> None:
    product.send(
        [
            line("clickstream", click(user_id="u1", kol_id="kol-a", ts=NOON - 7_200_000)),
            line("clickstream", click(user_id="u1", kol_id="kol-b", ts=NOON - 60_000)),
            line("purchases", paid("o1", 1_001, user_id="u1", ts=NOON)),
            line("purchases", refund("o1", 100, user_id="u1", ts=NOON + 1_000)),
            '{"topic": "purchases", "raw": "{oops"}',
        ]
    )

    (order,) = product.json("explain", "order", "o1")
    linear = next(model for model in order["models"] if model["model"] == "linear")
    status = product.json("status")
    letters = product.json("sql", "SELECT topic, reason FROM v_dead_letter")

    assert [touch["kol_id"] for touch in order["touches"]] == ["kol-a", "kol-b"]
    assert {share["kol_id"]: share["credit_cents"] for share in linear["shares"]} == {
        "kol-a": 501,
        "kol-b": 500,
    }
    assert order["agrees"]
    assert status["doors"] == {"written": 4}
    assert status["rejected"] == {"not_json": 1}
    assert {process["name"] for process in status["processes"]} == {
        "kafka",
        "clickhouse",
        "trainer",
        "worker-0",
    }
    assert status["trainer"]["fault"] == ""
    assert status["trainer"]["page"]["holds"]
    assert letters == [{"topic": "purchases", "reason": "not_json"}]
    assert "every message left by one door" in product.kol("top")
    assert product.json("config")["app_id"] == "kol"


def exported(product: Product) -> dict[tuple[str, ...], float]:
    """What the worker's `/metrics` says: name and label values in order of the table -> value."""
    (worker,) = product.json("status")["workers"]
    answer = fetch_page(f"{worker['url']}/metrics")
    assert answer is not None
    return {
        (
            sample.name,
            *(sample.labels[label] for label in METRICS[family.name].labels),
        ): sample.value
        for family in map(named, families(answer.decode()))
        if family.name in METRICS
        for sample in family.samples
        if "le" not in sample.labels
    }


def named(family: Metric) -> Metric:
    """A family under its name in the table."""
    family.name += "_total" if family.type == "counter" else ""
    return family


def test_a_worker_exports_what_it_did(product: Product) -> None:
    begun, before = time.time(), exported(product)
    product.send(
        [
            line("clickstream", click(user_id="m1", event_id="m1")),
            line("clickstream", click(user_id="m1", event_id="m1")),
            line("content-interactions", interaction("save", user_id="m1", event_id="m2")),
            line("purchases", paid("m", 1_000, user_id="m1", event_id="m3", ts=NOON + 1_000)),
            line("purchases", refund("nothing", 100, user_id="m1", event_id="m4", ts=NOON)),
            '{"topic": "purchases", "raw": "{oops"}',
        ]
    )

    after, now = exported(product), time.time()
    grew = {key: after[key] - before[key] for key in before if after[key] != before[key]}
    moments = {key: at for key, at in after.items() if key[0].endswith("_timestamp_seconds")}
    safe = {key: at for key, at in moments.items() if key[0] == "kol_commit_timestamp_seconds"}
    acknowledged = {
        table: grew["kol_sink_rows_total", table]
        for table in ("order_credit", "minute_cell", "dead_letter")
    }

    def more(name: str) -> dict[tuple[str, ...], float]:
        return {key[1:]: n for key, n in grew.items() if key[0] == name}

    assert more("kol_events_total") == {
        ("clickstream", "written"): 1,
        ("clickstream", "duplicate"): 1,
        ("content-interactions", "written"): 1,
        ("purchases", "written"): 2,
    }
    assert more("kol_rejected_total") == {("purchases", "not_json"): 1}
    read = {(topic,): n for (topic,), n in more("kol_read_messages_total").items() if n}
    assert {topic: n for topic, n in read.items() if topic != (CELLS,)} == {
        ("clickstream",): 2,
        ("content-interactions",): 1,
        ("purchases",): 3,
    }
    assert more("kol_not_booked") == {("purchases", "refund_unmatched"): 1}
    assert more("kol_end_to_end_latency_seconds_count") == {(): 6}
    assert grew["kol_counted_total", CELLS, "blocks"] == read[CELLS,]
    assert acknowledged["dead_letter"] == 1
    assert all(acknowledged.values())
    assert {n for key, n in after.items() if key[0] == "kol_lag_events"} == {0}
    assert {n for key, n in after.items() if key[0].startswith("kol_waiting")} == {0}
    assert {n for key, n in after.items() if key[0] == "kol_rows_refused_total"} == {0}
    assert all(0 < at <= now for at in moments.values()), moments  # seconds, and not to come
    assert sum(at >= begun for at in safe.values()) >= len(INPUTS)
    assert not any(math.isnan(n) for n in after.values())


def test_the_reader_cannot_write(product: Product) -> None:
    with pytest.raises(AssertionError, match=r"exception|refuse|readonly|DENIED"):
        product.kol("sql", "DROP TABLE order_credit")


async def grown(bootstrap: str, topic: str, count: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_partitions({topic: NewPartitions(count)})
    finally:
        await admin.close()


def faults(product: Product) -> list[str]:
    """Why the worker is not ready."""
    (page,) = product.json("status")["workers"]
    return list(page.get("ready", []))


async def test_a_worker_whose_topic_gets_more_partitions_says_so_and_reads_on_what_it_has(
    product: Product,
) -> None:
    await grown(product.settings.kafka.bootstrap, "purchases", 8)

    until(lambda: any("purchases has 8 partitions" in fault for fault in faults(product)))
    product.send([line("purchases", paid("grown", 1_000, ts=NOON + 1_000))])

    assert product.sql("SELECT count() AS n FROM v_order WHERE order_id = 'grown'") == [{"n": 1}]
    assert all(one["restarts"] == 0 for one in product.json("status")["processes"])


def test_a_turn_by_hand_says_what_it_computed_anew_and_never_changes_the_zone(
    product: Product,
) -> None:
    drained = product.json("drain")
    before = product.json("status")["trainer"]
    by_hand = product.json("rollup", "--from", "2020-01-01")
    text = product.kol("rollup")
    elsewhere = command("rollup", home=product.home, env={"KOL_BUSINESS_ZONE": "Europe/Berlin"})

    assert drained == {"drained": True, "rolled_up": True}
    assert by_hand["generation"] > before["generation"]
    assert (by_hand["zone"], by_hand["buckets"]["credit_1d"]) == ("Asia/Shanghai", 1)
    assert "days are those of Asia/Shanghai" in text
    assert elsewhere.returncode == 1
    assert "those of Asia/Shanghai, KOL_BUSINESS_ZONE is Europe/Berlin" in elsewhere.stderr
    assert product.sql(
        "SELECT toString(day) AS day, sum(credit_cents) AS cents FROM v_credit_1d"
        " WHERE model = 'linear' GROUP BY day"
    ) == product.sql("SELECT '2024-05-20' AS day, sum(paid_cents) AS cents FROM v_order")


def test_the_trainers_pages_have_every_metric_and_say_that_it_is_well(product: Product) -> None:
    url = product.json("status")["trainer"]["url"]
    page, live, ready = (
        fetch_page(f"{url}/{name}") for name in ("metrics", "healthz/live", "healthz/ready")
    )
    exported = {named(family).name for family in families((page or b"").decode())}

    assert exported >= trainer.METRICS.keys()
    assert [json.loads(one or b"") for one in (live, ready)] == 2 * [{"ok": True, "faults": []}]
    assert "holds the lock" in product.kol("status")


def test_a_trainer_that_dies_is_started_again(product: Product) -> None:
    product.kill("trainer")

    def is_back() -> bool:
        running = {one["name"]: one for one in product.json("status")["processes"]}
        one = running.get("trainer", {})
        return bool(one.get("state") == "up" and one["restarts"] == 1)

    until(is_back)

    assert product.json("status")["trainer"]["fault"] == ""


def test_one_turn_for_cron_ends_by_itself(product: Product) -> None:
    words = ("trainer", "--once", "--turn", "minutes")
    once = command(*words, home=product.home, env={"KOL_APP_ID": "another"})
    unknown = command("trainer", "--turn", "hourly", home=product.home)
    said = [json.loads(line)["message"] for line in once.stderr.splitlines()]

    assert once.returncode == 0
    assert said[-1] == "stopped"
    assert unknown.returncode == 2
    assert "hourly: turns are minutes" in unknown.stderr


def test_a_missing_topic_is_told_by_drain_at_once(product: Product) -> None:
    with kafka_admin(product.settings.kafka) as broker:
        broker.delete_app("another", [INTERACTIONS])
        with pytest.raises(AssertionError, match=rf"no such topic: {INTERACTIONS}\. `kol topics`"):
            product.kol("drain")
        broker.create()
