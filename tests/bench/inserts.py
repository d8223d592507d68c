"""What an insert of few rows costs the embedded engine, and how much of that is the table's.

    python -m tests.bench.inserts [--tables order_credit event] [--rows 150] [--inserts 100]
                                  [--turns 5]

The same rows go, by turns, into copies of a table. Milliseconds of CPU an insert, of the process
the engine runs in, the median of the turns, as one line of JSON for each table:

    merging     as the table is
    whole       without merges
    no_codecs   and without codecs
    plain       and without indexes, partitions, defaults, order and deduplication
    null        nothing is kept: the request and its statement alone
"""

import argparse
import json
import re
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from clickhouse_connect.driver.client import Client

from schemas.rows import TABLES, Rows
from sinks.connection import INSERT_SETTINGS
from sinks.native import block
from tests.bench.core import batches, folded
from tests.bench.event import Days
from tests.bench.rollups import engine_seconds
from tests.embedded.gateway.running import Server, gateway
from tests.integration.engine import fresh

EVENTS: Final = 20_000  # whose rows are inserted
FIRST: Final = 5  # inserts that do not count
CODEC: Final = re.compile(r" CODEC\((?:[^()]|\([^()]*\))*\)")


def rows_of(table: str, count: int) -> Rows:
    """So many rows of a table, at the most; but for `event`, as the demo's world has them."""
    if table == "event":
        return Days(1, max(1, count // 40), count).day()
    _, found = folded(batches(EVENTS, 100))
    return max((rows for rows in found if rows.table == table), key=len).cut(0, count)


def copies(client: Client, table: str) -> Mapping[str, str]:
    """The statement that makes each copy, under the name of the table."""
    ((as_it_is,),) = client.query(f"SHOW CREATE TABLE {table}").result_rows
    columns = ", ".join(TABLES[table].columns)
    none = f"AS SELECT {columns} FROM {table} LIMIT 0"  # noqa: S608  # names of ours
    return {
        "merging": as_it_is,
        "whole": as_it_is,
        "no_codecs": CODEC.sub("", as_it_is),
        "plain": f"CREATE TABLE {table} ENGINE = MergeTree ORDER BY tuple() {none}",
        "null": f"CREATE TABLE {table} ENGINE = Null {none}",
    }


def measured(
    server: Server, client: Client, rows: Rows, inserts: int, turns: int
) -> Mapping[str, float]:
    """Milliseconds of CPU an insert, for each copy of the rows' table."""
    made = copies(client, rows.table)
    for name, statement in made.items():
        client.command(re.sub(r"(?<=CREATE TABLE )\S+", f"{name}_of_it", statement, count=1))
        if name not in {"merging", "null"}:
            client.command(f"SYSTEM STOP MERGES {name}_of_it")
    took: dict[str, list[float]] = {name: [] for name in made}
    for _ in range(turns):
        for name in made:
            _insert(client, rows, f"{name}_of_it", FIRST)
            begun = engine_seconds(server)
            _insert(client, rows, f"{name}_of_it", inserts)
            took[name].append((engine_seconds(server) - begun) / inserts * 1e3)
    return {name: round(statistics.median(each), 1) for name, each in took.items()}


def _insert(client: Client, rows: Rows, into: str, times: int) -> None:
    for _ in range(times):
        client.raw_insert(
            into,
            column_names=list(TABLES[rows.table].columns),
            insert_block=block(rows),
            fmt="Native",
            settings={**INSERT_SETTINGS, "insert_deduplication_token": uuid4().hex},
        )


def figures(arguments: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """The figures of one table after the other."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", nargs="+", default=["order_credit", "event"])
    parser.add_argument("--rows", type=int, default=150, help="of one insert")
    parser.add_argument("--inserts", type=int, default=100, help="of one turn")
    parser.add_argument("--turns", type=int, default=5)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, gateway(Path(folder)) as server:
        client = fresh(server, "bench")
        for table in given.tables:
            rows = rows_of(table, given.rows)
            took = measured(server, client, rows, given.inserts, given.turns)
            yield {"table": table, "columns": len(rows.columns), "rows": len(rows), "ms": took}
            for name in took:
                client.command(f"DROP TABLE {name}_of_it SYNC")
        client.close()


def main() -> None:
    """Print one line of JSON for each table."""
    for found in figures():
        print(json.dumps(found), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
