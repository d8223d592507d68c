"""The embedded engine for tests of what goes into it: a place, a database, a restart."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from clickhouse_connect.driver.client import Client

from schemas.rows import TABLES, Table
from sinks.connection import ConnectionSettings, connect
from sinks.migrate import migrate
from tests.embedded.gateway.running import Server, answers
from tests.embedded.waiting import until


def connection_settings(server: Server, database: str) -> ConnectionSettings:
    """Where a database of a server is, as its admin."""
    return ConnectionSettings(
        host=server.host,
        port=server.port,
        database=database,
        username=server.admin,
        password=server.passwords[server.admin],
    )


def fresh(server: Server, database: str) -> Client:
    """A client in a database with all tables and no rows."""
    client = connect(connection_settings(server, database), database="")
    client.command(f"DROP DATABASE IF EXISTS {database}")
    migrate(client, database)
    client.close()
    return connect(connection_settings(server, database))


def empty(client: Client) -> None:
    """Take all rows out of all tables."""
    for table in TABLES:
        client.command(f"TRUNCATE TABLE {table}")


def standing(client: Client, table: str) -> list[dict[str, Any]]:
    """What stands in a table as the sinks take it: times as integers, in the order of the key."""
    about = TABLES[table]
    columns = ", ".join(f"{_plain(name, kind)} AS `{name}`" for name, kind in about.columns.items())
    query = f"SELECT {columns} FROM {table} FINAL ORDER BY {_key(about)}"  # noqa: S608  # our own names
    return list(client.query(query).named_results())


def _key(table: Table) -> str:
    return ", ".join(f"{table.name}.`{name}`" for name in table.key)


def _plain(name: str, kind: str) -> str:
    if kind.startswith(("DateTime64", "Nullable(DateTime64")):
        return f"toUnixTimestamp64Milli(`{name}`)"
    if kind.startswith("DateTime"):
        return f"toUnixTimestamp(`{name}`)"
    if kind.startswith("Array(DateTime64"):
        return f"arrayMap(x -> toUnixTimestamp64Milli(x), `{name}`)"
    return f"toString(`{name}`)" if kind == "UUID" else f"`{name}`"


@contextmanager
def killed(server: Server) -> Iterator["subprocess.Popen[bytes]"]:
    """Kill the engine at once and start it again on the same port; gone afterwards."""
    assert server.process is not None
    server.process.send_signal(signal.SIGKILL)
    server.process.wait(30)
    with server.log.open("ab") as log:
        again = subprocess.Popen(server.process.args, stderr=log)
    try:
        until(lambda: again.poll() is not None or answers(server))
        yield again
    finally:
        again.kill()
        again.wait(30)
