"""What commands and screens ask of ClickHouse: views in, plain values out."""

from collections.abc import Mapping
from typing import Any

import msgspec
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError

from sinks.clickhouse import Place
from sinks.clickhouse import connect as client_at
from streams.errors import ExpectedError
from streams.settings import ClickHouse


class ReadingError(ExpectedError):
    """The database cannot be reached or refuses the question; says what to do."""


def place(conf: ClickHouse) -> Place:
    """Where the database is, as the account that writes."""
    return Place(
        host=conf.host,
        port=conf.port,
        database=conf.database,
        username=conf.username,
        password=conf.password.get_secret_value(),
        secure=conf.secure,
        ca_file=conf.ca_file,
        connect_seconds=conf.connect_seconds,
        insert_seconds=conf.insert_seconds,
    )


def reader(conf: ClickHouse) -> Client:
    """A client of the account that only reads.

    Raises:
        ReadingError: nobody answers there, or the account is refused.

    """
    if conf.reader_username:
        given = {"username": conf.reader_username, "password": conf.reader_password}
        conf = conf.model_copy(update=given)
    return connect(conf)


def connect(conf: ClickHouse, *, database: str | None = None) -> Client:
    """A client of the account that writes; names without a database are of `database`.

    Raises:
        ReadingError: as `reader`.

    """
    try:
        return client_at(place(conf), database=database)
    except OperationalError as error:
        raise ReadingError(
            f"no ClickHouse at {conf.host}:{conf.port}: is `kol up` running, "
            "is KOL_CLICKHOUSE__HOST right?"
        ) from error
    except ClickHouseError as error:
        raise ReadingError(f"ClickHouse at {conf.host}:{conf.port} refuses: {error}") from error


def query(
    client: Client, sql: str, parameters: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """The answer as one dict a row; times as ClickHouse writes them, 64-bit integers as numbers.

    Raises:
        ReadingError: the database refuses the question; its own words.

    """
    try:
        told = client.raw_query(
            sql.strip().rstrip(";"), parameters=dict(parameters or {}), fmt="JSONEachRow"
        )
    except ClickHouseError as error:
        raise ReadingError(str(error)) from error
    return [msgspec.json.decode(line) for line in told.splitlines() if line]


def command(client: Client, sql: str, parameters: Mapping[str, Any] | None = None) -> None:
    """Have something done.

    Raises:
        ReadingError: the database refuses; its own words.

    """
    try:
        client.command(sql, parameters=dict(parameters or {}))
    except ClickHouseError as error:
        raise ReadingError(str(error)) from error


def delete(
    client: Client, table: str, condition: str, parameters: Mapping[str, Any] | None = None
) -> None:
    """Delete rows, on every replica, before this returns.

    Raises:
        ReadingError: as `command`.

    """
    sql = f"ALTER TABLE {table} DELETE WHERE {condition} SETTINGS mutations_sync = 2"
    command(client, sql, parameters)
