"""`kill -9` of the engine in the middle of inserts: what was acknowledged is there, once.

A retry under the token of an insert that was cut off may be dropped although its rows are not
there: the engine notes the token before the part. So a retry has a token of its own, and what
is there twice by it stands once (`FINAL`), as in our tables.
"""

import itertools
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.embedded.gateway.running import Server, gateway
from tests.embedded.waiting import until

pytestmark = pytest.mark.integration

ROUNDS = 6  # kills
WRITERS = 3
ENOUGH = 12  # acknowledged batches until the next kill
ROWS = 2_000  # in a batch
ENGINE = (
    "ENGINE = ReplacingMergeTree ORDER BY (batch, n)"
    " SETTINGS non_replicated_deduplication_window = 10000"
)
TABLES = (
    f"CREATE TABLE base (batch UInt64, n UInt32, text String) {ENGINE}",
    f"CREATE TABLE seen (batch UInt64, n UInt32) {ENGINE}",
    "CREATE MATERIALIZED VIEW seeing TO seen AS SELECT batch, n FROM base",
)


@dataclass
class Ledger:
    """What the writers sent, and what the engine acknowledged."""

    numbers: Iterator[int] = field(default_factory=itertools.count)
    sent: set[int] = field(default_factory=set)
    acknowledged: set[int] = field(default_factory=set)


def insert(server: Server, batch: int, again: str = "") -> bool:
    """Send one batch under a token; whether it was acknowledged."""
    rows = b"".join(b"%d\t%d\tsome text\n" % (batch, n) for n in range(ROWS))
    token = {
        "insert_deduplication_token": f"{batch}{again}",
        "deduplicate_blocks_in_dependent_materialized_views": "1",
    }
    try:
        return server.ask("INSERT INTO base FORMAT TSV", rows, url=token).status == 200
    except OSError:  # the outcome is unknown
        return False


def write(server: Server, ledger: Ledger) -> None:
    """Insert batch after batch until one is not acknowledged."""
    for batch in ledger.numbers:
        ledger.sent.add(batch)
        if not insert(server, batch):
            return
        ledger.acknowledged.add(batch)


def live_and_die(server: Server, ledger: Ledger) -> None:
    """Let the writers write, then kill the engine under them."""
    target = len(ledger.acknowledged) + ENOUGH
    writers = [threading.Thread(target=write, args=(server, ledger)) for _ in range(WRITERS)]
    for writer in writers:
        writer.start()
    until(lambda: len(ledger.acknowledged) >= target)
    assert server.stop(signal.SIGKILL) == -signal.SIGKILL
    for writer in writers:
        writer.join(30)


def counts(server: Server, sql: str) -> dict[int, int]:
    """Rows by batch."""
    lines = (line.split() for line in server.ask(sql).text.splitlines())
    return {int(batch): int(rows) for batch, rows in lines}


def test_a_killed_engine_loses_no_acknowledged_batch_and_keeps_none_in_part(
    tmp_path: Path,
) -> None:
    ledger = Ledger()
    for number in range(ROUNDS):
        with gateway(tmp_path) as server:
            if number == 0:
                assert [server.ask(sql).status for sql in TABLES] == [200, 200, 200]
            live_and_die(server, ledger)

    with gateway(tmp_path) as server:
        found = counts(server, "SELECT batch, count() FROM base FINAL GROUP BY batch")
        unsure = ledger.sent - ledger.acknowledged
        retried = [insert(server, batch, "again") for batch in sorted(unsure)]
        base = counts(server, "SELECT batch, count() FROM base FINAL GROUP BY batch")
        seen = counts(server, "SELECT batch, count() FROM seen FINAL GROUP BY batch")
        rows = server.ask("SELECT count() FROM seen FINAL").text

    assert set(found) >= ledger.acknowledged  # nothing lost
    assert set(found.values()) == {ROWS}  # nothing in part
    assert len(unsure) == WRITERS * ROUNDS  # the last batch of each, cut off somewhere
    assert all(retried)
    assert base == dict.fromkeys(ledger.sent, ROWS)  # a retry completes and does not double
    assert seen == base
    assert int(rows) == ROWS * len(ledger.sent)
