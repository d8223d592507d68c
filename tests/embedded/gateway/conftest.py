"""One gateway for all tests here, and a table for each."""

from collections.abc import Iterator
from contextlib import closing
from uuid import uuid4

import pytest
from clickhouse_connect.driver.client import Client

from tests.embedded.gateway.running import CAP, Server, gateway, given


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real server if one is given, else a gateway; with a database of its own."""
    real = given()
    if real is not None:
        yield from _with_database(real)
        return
    with gateway(tmp_path_factory.mktemp("gateway"), "--max-body", str(CAP)) as ours:
        yield from _with_database(ours)


def _with_database(server: Server) -> Iterator[Server]:
    name = f"contract_{uuid4().hex[:8]}"
    server.database = "default"
    assert server.ask(f"CREATE DATABASE {name}").status == 200
    server.database = name
    yield server
    server.database = "default"
    server.ask(f"DROP DATABASE {name}")


@pytest.fixture
def ours(server: Server) -> Server:
    """The gateway; tests of what a real server does otherwise are skipped on one."""
    if server.process is None:
        pytest.skip("a promise of the gateway, not of every server")
    return server


@pytest.fixture(scope="session")
def client(server: Server) -> Iterator[Client]:
    """The official client, without a session."""
    with closing(server.client(autogenerate_session_id=False)) as one:
        yield one


@pytest.fixture
def table(client: Client) -> Iterator[None]:
    """A new table `written` of (a UInt64, b String)."""
    client.command(
        "CREATE TABLE written (a UInt64, b String) ENGINE = MergeTree ORDER BY a "
        "SETTINGS non_replicated_deduplication_window = 100"
    )
    yield
    client.command("DROP TABLE written SYNC")
