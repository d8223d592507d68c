"""What panels are timed on is what the product could have written."""

import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from clickhouse_connect.driver.client import Client

from schemas.rows import MODELS
from tests.embedded.gateway.running import gateway
from tests.grafana import speed
from tests.integration.engine import fresh

pytestmark = pytest.mark.integration

ORDERS = 300


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with (
        gateway(tmp_path_factory.mktemp("speed")) as server,
        closing(fresh(server, "much")) as owner,
    ):
        speed.fill(owner, time.time_ns() // 1_000_000, cells=1_000, orders=ORDERS)
        yield owner


def test_only_a_kol_who_is_concerned_earns(filled: Client) -> None:
    wrong = " OR ".join(f"orders_{model} = 0 AND credit_{model} != 0" for model in MODELS)

    found = filled.query(f"SELECT count() FROM v_order_kol WHERE {wrong}").result_rows  # noqa: S608  # our own names

    assert found == [(0,)]


@pytest.mark.parametrize("model", MODELS)
def test_every_order_is_earned_to_the_cent(filled: Client, model: str) -> None:
    """An order costs 100.00 and a cent more than the one before; every eighth is given back."""
    paid = [10_000 + number for number in range(ORDERS)]
    sums = f"sum(credit_{model}), sum(refunded_{model})"

    found = filled.query(f"SELECT {sums} FROM v_order_kol").result_rows  # noqa: S608  # our own names

    assert found == [(sum(paid), sum(paid[::8]))]
