"""Ids and labels of odd characters on a running stack: kept byte for byte, shown as text."""

import json
from pathlib import Path

import pytest

from schemas.escapes import escaped
from streams.clients.clickhouse import command as execute
from streams.clients.clickhouse import connect
from tests.builders import NOON, click, paid
from tests.cli.hostile import CONTROL, HOSTILE
from tests.commands import command
from tests.integration.conftest import Product, running

pytestmark = pytest.mark.integration

IDS = [text for text in HOSTILE if "\ud800" not in text]  # those are no UTF-8
NOT_JSON = '{"id": "\x1b]0;[/no-id]\u202e'


def line(topic: str, event: dict[str, object]) -> str:
    return json.dumps({"topic": topic, "value": event})


def events(at: int, text: str) -> list[str]:
    """A click and an order that it earns, of an own user."""
    user = f"u{at}{text}"
    given = {"user_id": user, "brand_id": text}
    return [
        line("clickstream", click(**given, kol_id=text, content_id=text, ts=NOON - 60_000)),
        line("purchases", paid(text, 1_000, **given, ts=NOON)),
    ]


def test_odd_ids_are_kept_byte_for_byte_and_shown_as_text(tmp_path: Path) -> None:
    with running(tmp_path / "home") as product:
        raw = json.dumps({"topic": "purchases", "raw": NOT_JSON})
        product.send([*(one for at, text in enumerate(IDS) for one in events(at, text)), raw])

        check_values(product)
        insert_scores(product)
        check_screens(product)


def insert_scores(product: Product) -> None:
    """A score of each, as the KOL side writes them."""
    client = connect(product.settings.clickhouse)
    for text in IDS:
        execute(
            client,
            "INSERT INTO kol_score (kol_id, minute, trust, trust_lo, trust_hi, n_eff)"
            " SELECT unhex({id:String}), toDateTime('2026-01-01 00:00:00', 'UTC'),"
            " 0.5, 0.4, 0.6, 9",
            {"id": text.encode().hex()},
        )
    client.close()


def check_values(product: Product) -> None:
    for text in IDS:
        (order,) = product.json("explain", "order", text)
        (touch,) = order["touches"]
        assert (order["order_id"], order["brand_id"], touch["kol_id"]) == (text, text, text)
    kols = product.json("sql", "SELECT DISTINCT kol_id FROM v_order_credit WHERE kol_id != ''")
    assert {row["kol_id"] for row in kols} == {*IDS}


def check_screens(product: Product) -> None:
    (letter,) = product.json("dlq", "list")["letters"]
    screens = [
        *(("explain", "order", text) for text in IDS),
        ("sql", "SELECT order_id, kol_id FROM v_order_credit"),
        ("sql", "SELECT unhex('ff1b5b') AS bytes"),
        ("top", "--limit", "100"),
        ("dlq", "list"),
        ("dlq", "show", letter["id"]),
        ("status",),
    ]
    for words in screens:
        for form in ([], ["--json"]):
            shown = command(*words, *form, home=product.home, env={"COLUMNS": "400"})
            assert (shown.returncode, shown.stderr) == (0, ""), words
            assert not CONTROL.search(shown.stdout), words
    board = command("top", "--limit", "100", home=product.home, env={"COLUMNS": "400"}).stdout
    missing = [text for text in IDS if escaped(text) not in board]
    assert not missing, board
