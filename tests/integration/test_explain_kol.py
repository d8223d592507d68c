"""Scores are made again from what is stored, and say what moved them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from clickhouse_connect.driver.client import Client

from schemas.blocks import Block
from schemas.keyed_names import KeyedNames
from schemas.numbered import AUDIT_SUMS
from schemas.rows import Rows, joined
from sinks.connection import HttpInserter
from streams.core.kol.decay import DAY
from streams.core.kol.memory import KolMemory
from streams.core.user.rows import ChangedCells, cell_rows
from streams.operations.explain_kol import ExplainedKol, NoScoreError, explained_kol
from tests.core.kol.test_known_priors import PLAIN, Log
from tests.core.kol.test_memory import NOON, Cell, audience, block, evidence, final, first_due
from tests.embedded.gateway.running import Server, gateway
from tests.integration.engine import empty, fresh
from tests.told import Dimensions

pytestmark = pytest.mark.integration

DATABASE: Final = "explained"
NAMES: Final = KeyedNames(b"a key of this test")
TEXT: Final = "宝宝叫小明"  # of a content: it stays where it is


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with gateway(Path(tmp_path_factory.mktemp("engine"))) as server:
        yield server


@pytest.fixture(scope="module")
def database(engine: Server) -> Client:
    client = fresh(engine, DATABASE)
    for table in ("minute_cell", "kol_score", "event"):
        client.command(f"ALTER TABLE {table} REMOVE TTL")
    return client


@pytest.fixture
def client(database: Client) -> Client:
    empty(database)
    return database


CELLS: Final = [
    Cell("k1", NOON - 30 * DAY, evidence(for_E=0.5, for_B=0.5) | audience(0.4), 0),
    Cell("k1", NOON - 30 * DAY, evidence(for_E=0.25, against_B=0.25) | audience(1.4), 1),
    *(Cell("k1", NOON - n * 60, evidence(for_E=0.5, for_B=0.5) | audience(0.7)) for n in range(40)),
    Cell("k1", NOON + 1, evidence(against_E=0.25)),
    Cell("k2", NOON, evidence(for_E=0.25)),
]


def lived(client: Client, log: Log, marks: Mapping[int, int]) -> None:
    """Cells and scores of a life, as sinks store them."""
    memory = KolMemory(0, 2)
    memory.ask(log)
    late = Cell("k1", NOON, evidence(for_E=1.0), 0, version=2)
    insert = HttpInserter(lambda: client, {})
    for number, part in enumerate(
        (
            block(*CELLS, marks={0: first_due(NOON + 1), 1: first_due(NOON + 1)}),
            block(late, marks=marks),
        )
    ):
        memory.fold(part)
        insert(stored(part), f"cells-{number}")
        for rows in memory.collect_updates():
            insert(rows, f"rows-{number}-{rows.table}")


def stored(part: Block) -> Rows:
    """Its cells as rows of their table."""
    rows = [
        cell_rows(
            ChangedCells(
                part.kols,
                part.kol[here],
                part.minute[here],
                part.fields[here],
                part.version[here],
            ),
            int(source),
        )
        for source in np.unique(part.source)
        for here in [np.flatnonzero(part.source == source)]
    ]
    return joined(rows)


def numbered() -> Log:
    log = Log()
    log.population(NOON - 5, all=PLAIN | {"odds": 3.0, "common": 0.4, "drift": 0.01})
    said = dict.fromkeys(AUDIT_SUMS, 2e6) | {"minute": float(NOON - 60)}
    log.publish("audit", NOON - 3, {"k1": said})
    return log


def explained(client: Client, log: Log, to: int, kol: str = "k1") -> ExplainedKol:
    return explained_kol(client, kol, to * 60, log.log, DATABASE, to * 60)


@pytest.mark.parametrize("log", [Log(), numbered()], ids=["population 0", "numbers"])
@pytest.mark.parametrize("to", [NOON - 29 * DAY, NOON - 60, NOON, NOON + 1, NOON + 5])
def test_a_score_is_made_again_from_cells_and_numbers(client: Client, log: Log, to: int) -> None:
    """Of two source partitions, a minute that was said again, and a midnight without a cell."""
    lived(client, log, {0: first_due(NOON + 1), 1: first_due(NOON + 1)})
    found = explained(client, log, to)

    assert found.difference is not None
    assert found.difference <= 1e-9
    assert found.unsure == ""
    if to >= NOON - 60:
        assert [day for day, by in found.moved if by > 0]


def test_what_moved_a_score_is_named_by_day(client: Client) -> None:
    log = numbered()
    lived(client, log, {0: final(NOON + 1), 1: final(NOON + 1)})
    found = explained(client, log, NOON + 1)

    assert found.final
    assert found.number == 1
    assert dict(found.moved)["2024-05-20"] != 0
    assert [one.name for one in found.dimensions if one.score is None] == []


def test_cells_that_are_not_those_of_the_score_are_said(client: Client) -> None:
    log = Log()
    lived(client, log, {0: first_due(NOON + 1), 1: first_due(NOON + 1)})
    insert = HttpInserter(lambda: client, {})
    insert(stored(block(replace(CELLS[2], fields=evidence(for_E=9.0), version=9))), "later")
    found = explained(client, log, NOON + 1)

    assert not found.agrees
    assert found.differs


def test_of_a_kol_nobody_has_said_anything_of_there_is_no_score(client: Client) -> None:
    with pytest.raises(NoScoreError, match="no score of nobody"):
        explained(client, Log(), NOON, "nobody")


def test_events_and_contents_are_counted_and_nobody_is_named(client: Client) -> None:
    log = numbered()
    lived(client, log, {0: final(NOON + 1), 1: final(NOON + 1)})
    at = (NOON - 60) * 60_000
    columns = [
        "moment",
        "received_at",
        "topic",
        "kind",
        "user_hash",
        "kol_id",
        "content_id",
        "identity",
    ]
    said = ["mark_correct", "mark_correct", "expert_correction", "like"]
    client.insert(
        "event",
        [
            [at, at, "content-interactions", kind, "a" * 32, "k1", f"c{n % 2}", n]
            for n, kind in enumerate(said)
        ],
        columns,
    )
    record: dict[str, Any] = {"content_id": "c9", "ts": at, "kol_id": "k1", "text": TEXT}
    paid_for = record | {"sponsored": True, "disclosed": False}
    Dimensions(client, NAMES).tell([("content", paid_for)], at)
    found = explained(client, log, NOON + 1)
    text = json.dumps(found.as_dict(), ensure_ascii=False)

    assert {row["kind"]: row["events"] for row in found.events} == {
        "mark_correct": 2,
        "expert_correction": 1,
    }
    assert [(row["source"], row["n"], row["contents"]) for row in found.contents] == [
        ("undisclosed", 1, ["c9"])
    ]
    assert {one.name: one.audits.get("bad") for one in found.dimensions if one.audits} == {
        "authenticity": 0,
        "integrity": 1,
    }
    assert TEXT not in text
    assert "a" * 32 not in text


def test_what_may_be_gone_is_said(client: Client) -> None:
    """A number that is not on the topic, and cells of three months ago."""
    log = numbered()
    lived(client, log, {0: final(NOON + 1), 1: final(NOON + 1)})
    now_s = (NOON + 61 * DAY) * 60
    gone = explained(client, Log(), NOON + 1)
    old = explained_kol(client, "k1", (NOON + 1) * 60, log.log, DATABASE, now_s)

    assert not gone.agrees
    assert gone.unsure == "number 1 of its population is not on the topic any more"
    assert old.unsure == "cells are kept for 90 days, older ones may be gone"
    assert json.loads(json.dumps(gone.as_dict(), allow_nan=False))["agrees"] is False
