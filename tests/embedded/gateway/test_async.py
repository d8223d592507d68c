"""The asynchronous client: many requests over few connections."""

import asyncio
from collections.abc import AsyncIterator

import clickhouse_connect
import pytest
from clickhouse_connect.driver.asyncclient import AsyncClient

from tests.embedded.gateway.running import Server


@pytest.fixture
async def client(server: Server) -> AsyncIterator[AsyncClient]:
    options = server.options(autogenerate_session_id=False)
    one = await clickhouse_connect.get_async_client(**options)
    yield one
    await one.close()


async def test_thirty_queries_at_once_get_their_own_answers(client: AsyncClient) -> None:
    sql = "SELECT {n:UInt32}, count() FROM numbers({n:UInt32} * 1000)"

    found = await asyncio.gather(*(client.query(sql, parameters={"n": n}) for n in range(1, 31)))

    assert [one.first_row for one in found] == [(n, n * 1000) for n in range(1, 31)]


@pytest.mark.usefixtures("written")
async def test_inserts_at_once_are_all_written(client: AsyncClient) -> None:
    await asyncio.gather(
        *(
            client.insert(
                "at_once",
                [[n] * 1000],
                column_names=["a"],
                column_type_names=["UInt64"],
                column_oriented=True,
                settings={"insert_deduplication_token": str(n)},
            )
            for n in range(8)
        )
    )

    found = await client.query("SELECT a, count() FROM at_once GROUP BY a ORDER BY a")
    assert found.result_rows == [(n, 1000) for n in range(8)]


@pytest.fixture
async def written(client: AsyncClient) -> AsyncIterator[None]:
    await client.command("CREATE TABLE at_once (a UInt64) ENGINE = MergeTree ORDER BY a")
    yield
    await client.command("DROP TABLE at_once SYNC")


async def test_a_stream_gives_every_row(client: AsyncClient) -> None:
    total = 0
    stream = await client.query_row_block_stream("SELECT number FROM numbers(300000)")

    async with stream:
        async for block in stream:
            total += len(block)

    assert total == 300_000
