"""Dead letters on a real stack: found, shown, put back; the order gets the touch it missed."""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schemas.partitioner import partition_of
from schemas.version import version_of
from sinks.connection import ConnectionSettings, connect
from tests.builders import HOUR, MINUTE, click, paid
from tests.commands import command
from tests.integration.conftest import Product

pytestmark = [pytest.mark.integration, pytest.mark.stack]

PARTITIONS = 4
NOW = time.time_ns() // 1_000_000
HOME = partition_of(b"u1", PARTITIONS)
STRANGER = next(
    name for name in map(str, range(9)) if partition_of(name.encode(), PARTITIONS) != HOME
)
LETTER = f"clickstream/{partition_of(STRANGER.encode(), PARTITIONS)}/0"


def line(topic: str, value: dict[str, Any], key: str = "u1") -> str:
    return json.dumps({"topic": topic, "value": value, "key": key})


def fails(product: Product, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command that has to end with 1."""
    done = command(*words, home=product.home)
    assert done.returncode == 1, done.stdout + done.stderr
    return done


def earner(product: Product) -> list[str]:
    rows = product.sql("SELECT kol_id FROM v_order_credit WHERE model = 'last' AND order_id = 'o1'")
    return [row["kol_id"] for row in rows]


def states(product: Product) -> dict[str, str]:
    letters = product.json("dlq", "list")["letters"]
    return {letter["id"]: letter["state"] for letter in letters}


def test_a_letter_in_a_wrong_partition_is_put_back_and_earns_its_credit(
    start: Callable[..., Product],
) -> None:
    product = start()
    missed = click(kol_id="kol-missed", ts=NOW - 10 * MINUTE)
    product.send(
        [
            line("clickstream", missed, key=STRANGER),  # LETTER
            line("clickstream", click(ts=NOW - 5 * HOUR), key=STRANGER),  # in time nevermore
            line("clickstream", click(kol_id="kol-b", ts=NOW, user_id="u1", event="impression")),
            line("purchases", paid("o1", 1_000, ts=NOW)),
            line("purchases", paid("o2", 1_000, ts=NOW - 5 * HOUR)),
            '{"topic": "purchases", "raw": "{\\udcff", "key": "u1"}',
            '{"topic": "purchases", "raw": null, "key": "u1"}',
        ]
    )

    listed = product.json("dlq", "list", "--reason", "wrong_partition", "--limit", "1")
    assert (listed["total"], len(listed["letters"])) == (2, 1)
    assert product.json("dlq", "list", "--topic", "purchases")["total"] == 3
    assert product.json("dlq", "show", LETTER)["value"] == missed
    assert earner(product) == ["organic"]

    dry_run = product.json("dlq", "retry")
    reasons = {one["reason"]: one["why_not"] for one in dry_run["refused"]}
    assert dry_run["dry_run"]
    assert dry_run["would_retry"] == [
        {"id": LETTER, "reason": "wrong_partition", "to": f"clickstream/{HOME}"}
    ]
    assert "too late again" in reasons["too_late"]
    assert "would be too late" in reasons["wrong_partition"]
    assert "refused again" in reasons["not_json"]
    assert "nothing to put back" in reasons["null_value"]
    assert set(states(product).values()) == {"new"}

    done = product.json("dlq", "retry", "--reason", "wrong_partition", "--yes")
    product.kol("drain")
    assert [one["id"] for one in done["retried"]] == [LETTER]
    assert earner(product) == ["kol-missed"]
    assert states(product).pop(LETTER) == "retried"

    replayed(product)
    assert states(product).pop(LETTER) == "retried"
    assert "retried already" in fails(product, "dlq", "retry", LETTER, "--yes").stderr
    assert "no such letter" in fails(product, "dlq", "retry", "purchases/3/99999").stderr
    assert "TOPIC/PARTITION/OFFSET" in fails(product, "dlq", "show", "purchases").stderr


def replayed(product: Product) -> None:
    """Say the letters anew, as the last life of the last epoch would."""
    engine = product.json("status")["clickhouse"]
    client = connect(
        ConnectionSettings(
            host=engine["host"],
            port=engine["port"],
            username=engine["admin_user"],
            password=Path(engine["admin_password_file"]).read_text(),
        )
    )
    client.command(
        "INSERT INTO dead_letter SELECT * REPLACE ('new' AS state,"  # noqa: S608  # a number
        f" toUInt64({version_of(254, 0, 2**32 - 1)}) AS version) FROM dead_letter FINAL"
    )
    client.close()
