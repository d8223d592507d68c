"""The sink on the real engine: the contract of every sink, its errors, and `kill -9`."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from schemas.rows import Rows
from schemas.version import version_of
from sinks.base import Health, Observer, SinkStopped, State
from sinks.clickhouse import ClickHouse
from sinks.codes import OF_CODE, Verdict
from sinks.connection import ConnectionSettings, HttpInserter, connect
from sinks.probe import insert_fault
from sinks.retry import judge
from streams.worker.preflight import greatest_epoch
from tests.embedded.gateway.running import READER, Server, gateway
from tests.integration.engine import connection_settings, empty, fresh, killed, standing
from tests.sinks.contract import SinkContract
from tests.sinks.samples import MAY, MONTH, cells, doors, order, orders, rows

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with gateway(tmp_path_factory.mktemp("engine")) as server:
        yield server


@pytest.fixture(scope="module")
def there(server: Server) -> ConnectionSettings:
    fresh(server, "sink").close()
    return connection_settings(server, "sink")


@pytest.fixture
def client(there: ConnectionSettings) -> Iterator[Client]:
    client = connect(there)
    empty(client)
    yield client
    client.close()


class TestClickHouse(SinkContract):
    @pytest.fixture
    def sink(self, client: Client, there: ConnectionSettings) -> ClickHouse:
        self._client = client
        return ClickHouse.at(there)

    async def read(self, table: str) -> Sequence[dict[str, Any]]:
        return standing(self._client, table)


class Lossy(HttpInserter):
    """Loses the answer of every third insert after it was executed."""

    calls = 0

    def __call__(self, rows: Rows, token: str) -> None:
        self.calls += 1
        super().__call__(rows, token)
        if self.calls % 3 == 0:
            raise ConnectionResetError


async def at_once(_seconds: float) -> None:
    """Wait for nothing."""


async def test_lost_answers_leave_no_row_standing_twice(
    client: Client, there: ConnectionSettings
) -> None:
    insert = Lossy(lambda: connect(there), {})
    sink = ClickHouse(insert, sleep=at_once)
    client.command("SYSTEM STOP MERGES door_count")
    for i in range(20):
        await sink.write(doors(*range(50), version=i))
    await sink.close()

    raw = client.query("SELECT count() FROM door_count").result_rows[0][0]
    stands = client.query("SELECT count() FROM door_count FINAL").result_rows[0][0]
    client.command("SYSTEM START MERGES door_count")

    assert raw == insert.calls * 50
    assert stands == 50
    assert {row["version"] for row in standing(client, "door_count")} == {19}
    assert insert.calls > 20


async def test_the_epoch_of_what_stands_is_told_to_who_begins_from_empty(
    client: Client, there: ConnectionSettings
) -> None:
    """In an epoch that was there before it would begin below the rows it has to replace."""
    nothing = greatest_epoch(client)
    sink = ClickHouse.at(there)
    for epoch in (0, 3, 2):
        await sink.write(doors(epoch, version=version_of(epoch, 1, 9)))
    await sink.close()

    assert nothing == 0
    assert greatest_epoch(client) == 3


async def test_poison_among_many_rows_is_found_and_the_rest_stands(
    client: Client, there: ConnectionSettings
) -> None:
    given = doors(*range(5000))
    names = list(given.columns["door"])
    names[777], names[3210] = "\ud800", "\udfff"  # lone surrogates cannot be encoded
    sink = ClickHouse.at(there)
    written = await sink.write(Rows("door_count", {**given.columns, "door": names}))
    await sink.close()

    letters = standing(client, "dead_letter")

    assert (written.rows, written.refused) == (4998, 2)
    assert len(standing(client, "door_count")) == 4998
    assert {letter["target"] for letter in letters} == {"door_count"}
    assert len(letters) == 2


async def test_rows_of_three_hundred_months_are_split(
    client: Client, there: ConnectionSettings
) -> None:
    many = [order(f"o{i}", ordered_at=(MAY - i * MONTH) * 1000) for i in range(300)]
    sink = ClickHouse.at(there)
    written = await sink.write(orders(*many))
    await sink.close()

    assert written.rows == 300
    assert len(standing(client, "order_credit")) == 300


async def test_a_missing_table_stops_and_says_what_to_do(server: Server) -> None:
    fresh(server, "gone").command("DROP TABLE door_count")
    sink = ClickHouse.at(connection_settings(server, "gone"))
    with pytest.raises(SinkStopped, match="kol migrate"):
        await sink.write(doors(1))
    await sink.close()


async def test_a_missing_database_stops_and_says_what_to_do(server: Server) -> None:
    sink = ClickHouse.at(connection_settings(server, "nowhere"))
    with pytest.raises(SinkStopped, match="kol migrate"):
        await sink.write(doors(1))
    await sink.close()


async def test_a_wrong_password_stops_and_says_what_to_do(there: ConnectionSettings) -> None:
    wrong = ConnectionSettings(there.host, there.port, there.database, there.username, "wrong")
    sink = ClickHouse.at(wrong)
    with pytest.raises(SinkStopped, match="KOL_CLICKHOUSE__PASSWORD"):
        await sink.write(doors(1))
    await sink.close()


def test_the_engines_own_words_for_too_many_partitions_are_known(client: Client) -> None:
    months = ", ".join(f"(toDateTime({MAY} - {i * MONTH}, 'UTC'))" for i in range(101))
    with pytest.raises(DatabaseError) as raised:
        client.command(f"INSERT INTO minute_cell (minute) VALUES {months}")  # noqa: S608  # numbers

    assert judge(raised.value) is Verdict.SPLIT_MONTHS


class Told(Observer):
    """Remembers the states."""

    def __init__(self) -> None:
        self.states: list[State] = []

    def changed(self, health: Health) -> None:
        self.states.append(health.state)


async def test_a_killed_engine_is_waited_for_and_nothing_is_lost(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with gateway(tmp_path_factory.mktemp("killed")) as server:
        client = fresh(server, "killed")
        told = Told()
        sink = ClickHouse.at(connection_settings(server, "killed"), observer=told)
        writing = [
            asyncio.create_task(sink.write(cells(*range(500), kol=f"k{i}", views=i)))
            for i in range(100)
        ]
        await asyncio.wait(writing, return_when=asyncio.FIRST_COMPLETED)
        with killed(server):
            written = await asyncio.gather(*writing)
            await sink.close()
            found = client.query("SELECT count(), uniqExact(kol_id, minute) FROM minute_cell FINAL")
            views = client.query("SELECT sum(views) FROM v_minute").result_rows

    assert sum(one.rows for one in written) == 50_000
    assert found.result_rows == [(50_000, 50_000)]
    assert views == [(500 * sum(range(100)),)]
    assert told.states in ([State.RETRYING, State.OK], [])


async def test_statements_of_several_writers_are_joined(
    client: Client, there: ConnectionSettings
) -> None:
    sink = ClickHouse.at(there)
    await sink.write(doors(1))
    await asyncio.gather(
        *(
            sink.write(rows("door_count", [{"topic": f"t{i}", "door": "d", "version": 1}]))
            for i in range(50)
        )
    )
    inserts = sink.health["door_count"].inserts
    await sink.close()

    assert len(standing(client, "door_count")) == 51
    assert inserts <= 3


def test_every_error_of_the_engine_has_a_rule(client: Client) -> None:
    sql = (
        "SELECT toUInt32(number), errorCodeToName(toUInt32(number)) AS name"
        " FROM numbers(2000) WHERE name != ''"
    )
    known = {(int(code), str(name)) for code, name in client.query(sql).result_rows}

    assert len(known) > 600
    assert {(code, name) for code, name in known if code not in OF_CODE} == set()


def test_an_account_that_can_insert_is_no_fault_and_nothing_is_written(client: Client) -> None:
    assert insert_fault(client) == ""
    assert client.query("SELECT count() FROM door_count").first_row == (0,)


def test_an_account_that_only_reads_is_named_with_advice(
    server: Server, there: ConnectionSettings
) -> None:
    limited = replace(there, username=READER, password=server.passwords[READER])
    with closing(connect(limited)) as reading:
        fault = insert_fault(reading)

    assert "readonly" in fault
    assert "KOL_CLICKHOUSE__USERNAME" in fault
    assert "(profile: default)" in fault


def test_a_missing_table_is_no_matter_of_patience(client: Client) -> None:
    client.command("RENAME TABLE door_count TO door_count_away")
    try:
        fault = insert_fault(client)
    finally:
        client.command("RENAME TABLE door_count_away TO door_count")

    assert fault.startswith("door_count takes no insert")
    assert "kol migrate" in fault
