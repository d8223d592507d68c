"""The commands a person types, on a running stack."""

import json
from collections.abc import Iterator

import pytest

from schemas.events import INTERACTIONS
from streams.broker import asked
from tests.builders import NOON, click, paid, refund
from tests.integration.conftest import Product, running

pytestmark = pytest.mark.integration


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
        "worker-0",
    }
    assert letters == [{"topic": "purchases", "reason": "not_json"}]
    assert "every message left by one door" in product.kol("top")
    assert product.json("config")["app_id"] == "kol"


def test_the_reader_cannot_write(product: Product) -> None:
    with pytest.raises(AssertionError, match=r"exception|refuse|readonly|DENIED"):
        product.kol("sql", "DROP TABLE order_credit")


def test_a_missing_topic_is_told_by_drain_at_once(product: Product) -> None:
    with asked(product.settings.kafka) as broker:
        broker.forget("another", [INTERACTIONS])
        with pytest.raises(AssertionError, match=rf"no such topic: {INTERACTIONS}\. `kol topics`"):
            product.kol("drain")
        broker.create()
