"""Dead letters on the real engine: whatever their names hold, exactly those chosen are meant."""

from collections.abc import Iterator

import pytest
from clickhouse_connect.driver.client import Client

from schemas.columns import Rejected
from schemas.letters import IS_AMONG, NEW, TABLE, Letter, keys, letter_rows
from sinks.clickhouse import ClickHouse
from streams.clients.clickhouse import delete
from streams.operations.dlq.letters import Selection, find_letters, letter_with_bytes
from streams.operations.dlq.retry import mark
from tests.embedded.gateway.running import Server, gateway
from tests.integration.engine import connection_settings, empty, fresh

pytestmark = pytest.mark.integration

NOON = 1_716_206_400_000  # 2024-05-20 12:00 UTC
LAST_OFFSET = 2**64 - 1
HOSTILE = (
    *("a'b", "a\\", "\\'", "') OR 1 --", "{keys:String}", "%s %(x)s", "\\N", "NULL", "[]"),
    *("tab\there", "line\nline", "null\0byte", "好 é", "?a=b&c#d", "`", '"', ""),
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with gateway(tmp_path_factory.mktemp("engine")) as server:
        yield server


@pytest.fixture(scope="module")
def made(server: Server) -> Iterator[Client]:
    client = fresh(server, "letters")
    yield client
    client.close()


@pytest.fixture
async def client(server: Server, made: Client) -> Client:
    """A database with one letter a name, as topic and as target."""
    empty(made)
    sink = ClickHouse.at(connection_settings(server, "letters"))
    for number, name in enumerate(HOSTILE):
        one = Rejected(name, number, LAST_OFFSET, NOON + number, "invalid", name, name.encode())
        await sink.write(letter_rows([one], 1, name))
    return made


def standing(client: Client) -> dict[str, str]:
    """Topic -> state, of all letters."""
    return {one.topic: one.state for one in find_letters(client, Selection(), len(HOSTILE))}


async def test_a_letter_is_read_as_it_was_written(client: Client) -> None:
    assert sorted(find_letters(client, Selection(), len(HOSTILE)), key=lambda one: one.at) == [
        Letter(name, number, LAST_OFFSET, name, NOON + number, "invalid", name, NEW)
        for number, name in enumerate(HOSTILE)
    ]


async def test_the_time_of_a_letter_is_the_engines(client: Client) -> None:
    (newest,) = find_letters(client, Selection(), 1)
    ((time,),) = client.query("SELECT toString(max(at)) FROM dead_letter").result_rows

    assert newest.time == time


@pytest.mark.parametrize("name", HOSTILE)
async def test_only_the_letter_that_is_meant_is_marked(client: Client, name: str) -> None:
    (meant,) = [one for one in find_letters(client, Selection(), len(HOSTILE)) if one.topic == name]

    mark(client, [meant])

    assert standing(client) == dict.fromkeys(HOSTILE, NEW) | {name: "retried"}


async def test_only_the_letters_that_are_meant_are_deleted(client: Client) -> None:
    some = find_letters(client, Selection(), len(HOSTILE))[::2]

    delete(client, TABLE, IS_AMONG, keys(some))

    assert standing(client).keys() == set(HOSTILE) - {one.topic for one in some}


async def test_the_bytes_of_a_letter_come_back(client: Client) -> None:
    found, raw = letter_with_bytes(client, f"a'b/0/{LAST_OFFSET}")

    assert (found.topic, raw) == ("a'b", b"a'b")
