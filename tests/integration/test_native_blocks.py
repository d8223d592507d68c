"""Our blocks on the real engine: the same rows as the client's own inserts, byte for byte."""

import math
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from clickhouse_connect.driver.client import Client

from schemas.rows import TABLES, Rows
from schemas.values import Coded
from sinks.connection import ConnectionSettings, HttpInserter, connect
from tests.embedded.gateway.running import Server, gateway
from tests.integration.engine import connection_settings, empty, fresh
from tests.sinks.forms import as_arrays, random_rows
from tests.sinks.samples import doors

pytestmark = pytest.mark.integration

writable = [table.name for table in TABLES.values() if not table.derived]
MANY = 500


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with gateway(tmp_path_factory.mktemp("engine")) as server:
        fresh(server, "blocks").close()
        yield server


@pytest.fixture
def there(server: Server) -> ConnectionSettings:
    return connection_settings(server, "blocks")


@pytest.fixture
def client(there: ConnectionSettings) -> Iterator[Client]:
    client = connect(there)
    empty(client)
    yield client
    client.close()


def stored(client: Client, table: str) -> bytes:
    """Every row of a table as the server's bytes, in order; without what it fills in itself."""
    columns = ", ".join(f"`{name}`" for name in TABLES[table].columns)
    query = f"SELECT {columns} FROM {table} ORDER BY ALL"  # noqa: S608  # our own names
    return bytes(client.raw_query(query, fmt="RowBinary"))


def numbered(rows: Rows) -> Rows:
    """The same rows, each with a version of its own, so that none replaces another."""
    return Rows(rows.table, {**rows.columns, "version": list(range(len(rows)))})


def insert_by_client(client: Client, rows: Rows) -> None:
    """Insert plain lists by the client's own means."""
    kinds = TABLES[rows.table].columns
    client.insert(
        rows.table,
        [[_null(value) for value in rows.columns[name]] for name in kinds],
        column_names=list(kinds),
        column_type_names=list(kinds.values()),
        column_oriented=True,
    )


def _null(value: Any) -> Any:  # noqa: ANN401  # any value of a column
    return None if isinstance(value, float) and math.isnan(value) else value


@pytest.mark.parametrize("compression", [None, "lz4"])
@pytest.mark.parametrize("table", writable)
def test_the_engine_stores_what_it_stores_of_the_clients_own_insert(
    server: Server, client: Client, table: str, compression: str | None
) -> None:
    given = numbered(random_rows(table, MANY, seed=7))
    client.command(f"SYSTEM STOP MERGES {table}")
    insert_by_client(client, given)
    expected = stored(client, table)
    insert = HttpInserter(lambda: server.client(database="blocks", compress=compression), {})
    for rows in (given, as_arrays(given)):
        client.command(f"TRUNCATE TABLE {table}")
        insert(rows, f"{table} {id(rows)}")

        assert stored(client, table) == expected
    insert.close()
    client.command(f"SYSTEM START MERGES {table}")


def test_a_name_that_is_twice_in_a_block_is_one_name_in_the_engine(
    client: Client, there: ConnectionSettings
) -> None:
    given = doors(*range(5))
    names = ["a", "b", "a", ""]
    codes = Coded(np.array([2, 0, 1, 3, -1]), names)
    insert = HttpInserter(lambda: connect(there), {})
    insert(Rows("door_count", {**given.columns, "door": codes}), "twice")
    insert.close()

    found = client.query("SELECT door, n FROM door_count ORDER BY door")

    assert found.result_rows == [("", 4), ("a", 1), ("b", 2)]  # of one key the later row stands


@pytest.mark.parametrize("compression", [None, "lz4"])
def test_a_token_drops_a_block_that_is_sent_again(
    server: Server, client: Client, compression: str | None
) -> None:
    insert = HttpInserter(lambda: server.client(database="blocks", compress=compression), {})
    for token in ("one", "one", "two"):
        insert(doors(1), f"{token} {compression}")
    insert.close()

    assert client.query("SELECT count() FROM door_count").first_row == (2,)


def test_a_worker_that_inserts_never_imports_pandas(there: ConnectionSettings) -> None:
    code = (
        "import sys;"
        "from sinks.connection import ConnectionSettings, HttpInserter, connect;"
        "from tests.sinks.samples import doors;"
        f"insert = HttpInserter(lambda: connect({there!r}), {{}});"
        "insert(doors(1), 't'); insert.close();"
        "assert 'pandas' not in sys.modules, 'pandas'"
    ).replace("secure=", f"password={there.password!r}, secure=")
    subprocess.run([sys.executable, "-c", code], check=True)  # our own code
