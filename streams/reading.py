"""Read-only questions to ClickHouse, for commands and screens: views in, plain values out."""

from collections.abc import Mapping
from typing import Any

import clickhouse_connect
import msgspec
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError

from streams.errors import ExpectedError
from streams.settings import ClickHouse


class ReadingError(ExpectedError):
    """The database cannot be reached or refuses the question; says what to do."""


def reader(conf: ClickHouse) -> Client:
    """A client of the read-only account.

    Raises:
        ReadingError: nobody answers there, or the account is refused.

    """
    user = conf.reader_username or conf.username
    password = conf.reader_password if conf.reader_username else conf.password
    return connected(conf, user, password.get_secret_value(), conf.database)


def writer(conf: ClickHouse) -> Client:
    """A client of the account that owns the tables."""
    return connected(conf, conf.username, conf.password.get_secret_value(), "default")


def connected(conf: ClickHouse, user: str, password: str, database: str) -> Client:
    """A client of one account; names without a database are of `database`."""
    try:
        return clickhouse_connect.get_client(
            host=conf.host,
            port=conf.port,
            username=user,
            password=password,
            secure=conf.secure,
            ca_cert=str(conf.ca_file) if conf.ca_file else None,
            connect_timeout=int(conf.connect_seconds) or 1,
            send_receive_timeout=int(conf.insert_seconds) or 1,
            database=database,
            autogenerate_session_id=False,
            compress=False,
        )
    except OperationalError as error:
        raise ReadingError(
            f"no ClickHouse at {conf.host}:{conf.port}: is `kol up` running, "
            "is KOL_CLICKHOUSE__HOST right?"
        ) from error
    except ClickHouseError as error:
        raise ReadingError(f"ClickHouse at {conf.host}:{conf.port} refuses: {error}") from error


def rows(
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
