"""A messy file through broker, workers and engine says what the definitions say, to the cent."""

import time
from collections import Counter
from collections.abc import Callable

import pytest

from tests import messy
from tests.event_oracle import COLUMNS, event_rows
from tests.integration.conftest import Product
from tests.oracle import PRODUCT, Expected, oracle

pytestmark = [pytest.mark.integration, pytest.mark.stack]

PARTITIONS = 4
CELL_FIELDS = (
    *("events", "users", "views", "orders", "paid_cents", "refunds", "refund_cents"),
    *("depth", "credible_days", "credible_days_square", "credible_depth", "credible_depth_square"),
    *("aged_days", "young_days", "users_near", "users_far", "dwell_views", "short_views"),
    *("live_ms", "unfollowers"),
)
FIELDS = ", ".join(CELL_FIELDS)
EVENT = ", ".join(COLUMNS[1:])
SAYS_SOMETHING = " OR ".join(
    f"{field} != 0" for field in CELL_FIELDS
)  # all zero: written, then taken back


@pytest.fixture(autouse=True)
def no_topic_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the log alone say what is late: on a busy machine an ingest may pause for long."""
    monkeypatch.setenv("KOL_WORKER__QUIET_SECONDS", "3600")


def rows_of(product: Product) -> dict[str, Counter[tuple[object, ...]]]:
    """Everything the views of record say, as multisets of rows."""
    questions = {
        "doors": "SELECT topic, partition, door, n FROM v_door WHERE kind = 'door' AND n > 0",
        "credits": "SELECT model, kol_id, toUnixTimestamp64Milli(ordered_at), order_id, via,"
        " credit_cents, refunded_cents FROM v_order_credit"
        " WHERE credit_cents != 0 OR refunded_cents != 0",
        "orders": "SELECT toUnixTimestamp64Milli(ordered_at), order_id, brand_id, platform,"
        " channel, paid_cents, refunded_cents, touches, currency FROM v_order",
        "products": f"SELECT toUnixTimestamp64Milli(ordered_at), order_id, {', '.join(PRODUCT)}"  # noqa: S608  # names of ours
        " FROM v_order",
        "refunds": "SELECT toUnixTimestamp64Milli(ordered_at), order_id,"
        " toUnixTimestamp64Milli(refunded_at), refunded_cents, kind, reason FROM v_refund",
        "cells": f"SELECT kol_id, intDiv(toUnixTimestamp(minute), 60), {FIELDS} FROM v_minute"  # noqa: S608  # names of ours
        f" WHERE {SAYS_SOMETHING}",
        "observations": "SELECT kol_id, intDiv(toUnixTimestamp(minute), 60), stream, bucket,"
        " source_partition, n, k FROM detector_cell FINAL",
        "letters": "SELECT topic, partition, offset FROM v_dead_letter",
        "events": f"SELECT toUnixTimestamp64Milli(moment), {EVENT} FROM event FINAL",  # noqa: S608  # as above
    }
    return {
        name: Counter(tuple(row.values()) for row in product.sql(query))
        for name, query in questions.items()
    }


def meant(expected: Expected, product: Product) -> dict[str, Counter[tuple[object, ...]]]:
    """The same from the oracle."""
    key = product.settings.hmac_key.get_secret_value().encode()
    letters = expected.rejected.keys() | expected.dropped.keys()
    cells = {
        key: tuple(fields.get(name, 0) for name in CELL_FIELDS)
        for key, fields in expected.cells.items()
    }
    return {
        "doors": Counter((*at, n) for at, n in expected.doors.items()),
        "credits": Counter(expected.credit_rows()),
        "orders": Counter(expected.order_rows()),
        "products": Counter(expected.product_rows()),
        "refunds": Counter(expected.refund_rows()),
        "cells": Counter((*key, *values) for key, values in cells.items() if any(values)),
        "observations": Counter((*at, *nk) for at, nk in expected.observations().items()),
        "letters": Counter(letters),
        "events": event_rows(expected, key),
    }


def test_a_messy_file_gives_what_the_definitions_say(start: Callable[..., Product]) -> None:
    now = time.time_ns() // 1_000_000
    lines = messy.messy_lines(7, now, users=30, days=200)
    expected = oracle(messy.records(lines, PARTITIONS, now), PARTITIONS)
    product = start()

    product.send([line.text for line in lines])
    stands = rows_of(product)

    wanted = meant(expected, product)
    for name, rows in wanted.items():
        assert stands[name] == rows, (name, rows - stands[name], stands[name] - rows)


def test_a_killed_worker_leaves_the_same_rows(start: Callable[..., Product]) -> None:
    now = time.time_ns() // 1_000_000
    lines = messy.messy_lines(8, now, users=40, days=60)
    expected = oracle(messy.records(lines, PARTITIONS, now), PARTITIONS)
    product = start(workers=2, env=None)  # a kill loses what no snapshot has
    half = len(lines) // 2

    product.kol("ingest", "--allow-late", str(_written(product, lines[:half])))
    product.kill("worker-0")
    product.kol("ingest", "--allow-late", str(_written(product, lines[half:])))
    product.kill("worker-1")
    product.kol("drain")
    stands = rows_of(product)
    (judged,) = product.sql("SELECT any(kol_id) AS kol_id FROM kol_score")
    assert product.json("explain", "kol", judged["kol_id"])["agrees"]

    wanted = meant(expected, product)
    for name, rows in wanted.items():
        assert stands[name] == rows, (name, rows - stands[name], stands[name] - rows)


def _written(product: Product, lines: list[messy.Line]) -> object:
    path = product.home / "part.jsonl"
    path.write_text("".join(f"{line.text}\n" for line in lines))
    return path
