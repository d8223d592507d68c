"""Whether an account can insert as a worker does, asked by inserts that write nothing."""

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from schemas.rows import TABLES, Table
from sinks.codes import Verdict
from sinks.connection import INSERT_SETTINGS
from sinks.retry import advice, judge


def insert_fault(client: Client) -> str:
    """Why a worker with this client would stop at its first insert; empty if it would not.

    A server that is busy, full or away is no fault: the worker waits for it.
    """
    for table in TABLES.values():
        if not table.derived and (error := _refusal(client, table)):
            message = " ".join(str(error).split())[:300]
            return f"{table.name} takes no insert: {message}; {advice(error)}{_profiles(client)}"
    return ""


def _refusal(client: Client, table: Table) -> ClickHouseError | None:
    """What an insert of no rows into a table is answered, where waiting does not help."""
    try:
        client.raw_insert(
            table.name,
            column_names=list(table.columns),
            insert_block=b"",
            settings=dict(INSERT_SETTINGS),
            fmt="Native",
        )
    except ClickHouseError as error:
        return None if judge(error) is Verdict.RETRY else error
    return None


def _profiles(client: Client) -> str:
    """The profiles of the account; empty if the server does not say."""
    try:
        names = str(client.command("SELECT arrayStringConcat(currentProfiles(), ', ')"))
    except ClickHouseError:
        return ""
    return f" (profile: {names})"
