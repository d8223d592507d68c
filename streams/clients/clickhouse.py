"""Connecting to ClickHouse, and running queries and statements; answers are plain values."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError

from sinks.connection import ConnectionSettings
from sinks.connection import connect as connect_to
from sinks.retry import code_of
from streams.errors import ExpectedError
from streams.settings import ClickHouse

ENDS_WITH_FORMAT: Final = re.compile(
    r"\bFORMAT\s+\w+\s*(SETTINGS\b.*)?\Z", re.IGNORECASE | re.DOTALL
)
NO_FORMAT: Final = "no FORMAT: leave it out, or use --json"


class ReadingError(ExpectedError):
    """ClickHouse cannot be reached or refuses a query; says what to do.

    Args:
        message: for a person.
        code: ClickHouse's own, where it answered with one.

    """

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


def connection_settings(conf: ClickHouse) -> ConnectionSettings:
    """Address and credentials of the account that writes."""
    return ConnectionSettings(
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
        ReadingError: no server answers, or the account is refused.

    """
    if conf.reader_username:
        given = {"username": conf.reader_username, "password": conf.reader_password}
        conf = conf.model_copy(update=given)
    return connect(conf)


def connect(conf: ClickHouse, *, database: str | None = None) -> Client:
    """A client of the account that writes; `database` is the default of unqualified names.

    Raises:
        ReadingError: as `reader`.

    """
    try:
        return connect_to(connection_settings(conf), database=database)
    except OperationalError as error:
        raise ReadingError(
            f"no ClickHouse at {conf.host}:{conf.port}: {_connection_fault(conf, str(error))}"
        ) from error
    except ClickHouseError as error:
        raise ReadingError(f"ClickHouse at {conf.host}:{conf.port} refuses: {error}") from error


def _connection_fault(conf: ClickHouse, message: str) -> str:
    """Why no connection came about, by what the client says of its last attempt."""
    if "CERTIFICATE_VERIFY_FAILED" in message:
        detail = message.partition("certificate verify failed: ")[2].partition(" (_ssl")[0]
        return f"its certificate is not accepted ({detail}): see KOL_CLICKHOUSE__CA_FILE"
    if conf.secure and ("WRONG_VERSION_NUMBER" in message or "record layer" in message):
        return "it does not speak TLS: KOL_CLICKHOUSE__SECURE is true, or the port is another one"
    if not conf.secure and ("RemoteDisconnected" in message or "reset by peer" in message):
        return "it hangs up; if it speaks TLS, set KOL_CLICKHOUSE__SECURE"
    return "is `kol up` running, is KOL_CLICKHOUSE__HOST right?"


def query(
    client: Client, sql: str, parameters: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """The rows of a query, one dict each; times as ClickHouse prints them, 64-bit integers as int.

    Raises:
        ReadingError: ClickHouse refuses the query; its own message. Or the query has a FORMAT.

    """
    asked = sql.strip().rstrip(";").rstrip()
    try:
        answer = client.raw_query(asked, parameters=dict(parameters or {}), fmt="JSONEachRow")
    except ClickHouseError as error:
        if "Syntax error" in str(error) and ENDS_WITH_FORMAT.search(asked):
            raise ReadingError(NO_FORMAT) from error
        raise ReadingError(str(error), code_of(error)) from error
    return [_row(line) for line in answer.splitlines() if line]


def _row(line: bytes) -> dict[str, Any]:
    r"""A line of JSON as a row; a byte that is not UTF-8 becomes a lone surrogate.

    >>> _row(b'{"s": "\xff"}')
    {'s': '\udcff'}

    Raises:
        ReadingError: it is no JSON.

    """
    try:
        return dict(msgspec.json.decode(line))
    except (ValueError, TypeError):
        pass
    try:
        return dict(json.loads(line.decode(errors="surrogateescape")))
    except (ValueError, TypeError) as error:
        raise ReadingError(f"the answer has no rows of JSON: {NO_FORMAT}") from error


def command(client: Client, sql: str, parameters: Mapping[str, Any] | None = None) -> None:
    """Run a statement that returns no rows.

    Raises:
        ReadingError: ClickHouse refuses the statement; its own message.

    """
    try:
        client.command(sql, parameters=dict(parameters or {}))
    except ClickHouseError as error:
        raise ReadingError(str(error), code_of(error)) from error


def delete(
    client: Client, table: str, condition: str, parameters: Mapping[str, Any] | None = None
) -> None:
    """Delete rows; returns once every replica has done so.

    Raises:
        ReadingError: as `command`.

    """
    sql = f"ALTER TABLE {table} DELETE WHERE {condition} SETTINGS mutations_sync = 2"
    command(client, sql, parameters)


def empty(
    client: Client,
    table: str,
    columns: Iterable[str],
    condition: str,
    parameters: Mapping[str, Any] | None = None,
) -> None:
    """Empty columns of some rows; returns once every replica has done so.

    Raises:
        ReadingError: as `command`.

    """
    emptied = ", ".join(f"{column} = ''" for column in columns)
    sql = f"ALTER TABLE {table} UPDATE {emptied} WHERE {condition} SETTINGS mutations_sync = 2"
    command(client, sql, parameters)
