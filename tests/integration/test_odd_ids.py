"""Ids and labels of odd characters on a running stack: kept byte for byte, shown as text."""

import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from schemas.escapes import escaped
from streams.clients.clickhouse import command as execute
from streams.clients.clickhouse import connect
from tests.builders import NOON, click, paid
from tests.cli.hostile import CONTROL, HOSTILE
from tests.commands import command
from tests.integration.conftest import Product, running

pytestmark = [pytest.mark.integration, pytest.mark.stack]

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


def shown(product: Product, *words: str) -> str:
    """What a command prints: on one output, and nothing that a terminal obeys."""
    done = command(*words, home=product.home, env={"COLUMNS": "400"})
    assert (done.returncode, done.stderr) == (0, ""), words
    assert not CONTROL.search(done.stdout), words
    return done.stdout


def all_shown(product: Product, commands: Iterable[Sequence[str]]) -> list[str]:
    """The same of many commands, which run two at a time."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda words: shown(product, *words), commands))


def check_values(product: Product) -> None:
    answers = all_shown(product, [("explain", "order", text, "--json") for text in IDS])
    for text, answer in zip(IDS, answers, strict=True):
        (order,) = json.loads(answer)
        (touch,) = order["touches"]
        assert (order["order_id"], order["brand_id"], touch["kol_id"]) == (text, text, text)
    kols = product.json("sql", "SELECT DISTINCT kol_id FROM v_order_credit WHERE kol_id != ''")
    assert {row["kol_id"] for row in kols} == {*IDS}


def check_screens(product: Product) -> None:
    (letter,) = json.loads(shown(product, "dlq", "list", "--json"))["letters"]
    screens = [
        ("sql", "SELECT order_id, kol_id FROM v_order_credit"),
        ("sql", "SELECT unhex('ff1b5b') AS bytes"),
        ("top", "--limit", "100"),
        ("dlq", "show", letter["id"]),
        ("status",),
    ]
    all_shown(product, [*screens, *((*words, "--json") for words in screens)])
    all_shown(product, [("dlq", "list"), *(("explain", "order", text) for text in IDS)])
    board = shown(product, "top", "--limit", "100")
    missing = [text for text in IDS if escaped(text) not in board]
    assert not missing, board
