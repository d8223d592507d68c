"""What the turn of the dimensions reads and writes in ClickHouse: rows and cursors."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from schemas.columns import Rejected
from schemas.dimensions import DIMENSIONS, Dimension
from schemas.letters import TABLE, letter_rows
from schemas.rows import TABLES, Rows
from schemas.version import version_of
from sinks.connection import INSERT_SETTINGS
from sinks.native import block
from streams.clients.clickhouse import ReadingError, command, query
from streams.trainer.dimensions.cursor import Cursor
from streams.trainer.dimensions.rows import Row

LETTER_VERSION: Final = version_of(0, 0, 1)  # a letter says the same whenever it is written
AT_ONCE: Final = 1_000  # keys of one deletion
UNCONDITIONAL: Final = {**INSERT_SETTINGS, "insert_deduplicate": 0}

CURSORS: Final = """
    SELECT topic, topic_id, table_id, reading, shown, partitions, offsets,
           toUnixTimestamp64Milli(looked_at) AS looked_at,
           toUnixTimestamp64Milli(absent_since) AS absent_since
    FROM dimension_cursor FINAL
    ORDER BY version DESC
    LIMIT 1 BY topic
"""
TABLE_IDS: Final = """
    SELECT name, toString(uuid) AS id
    FROM system.tables
    WHERE database = currentDatabase() AND name IN {tables:Array(String)}
"""
WRITE_CURSOR: Final = """
    INSERT INTO dimension_cursor
        (topic, topic_id, table_id, reading, shown, partitions, offsets, looked_at, absent_since,
         version)
    SETTINGS insert_deduplicate = 0
    SELECT {topic:String}, {topic_id:String}, {table_id:String}, {reading:UInt64}, {shown:UInt64},
           {partitions:Array(UInt16)}, {offsets:Array(UInt64)},
           fromUnixTimestamp64Milli({looked_at:Int64}, 'UTC'),
           if({absent_since:Int64} < 0, NULL,
              fromUnixTimestamp64Milli({absent_since:Int64}, 'UTC')),
           {version:UInt64}
"""


class DimensionStore:
    """The dimensions of one database.

    Args:
        client: of the account that writes.
        before: called before each statement.

    """

    def __init__(self, client: Client, before: Callable[[], None]) -> None:
        self._client = client
        self._before = before

    def rows(self, sql: str, given: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The rows of a query."""
        self._before()
        return query(self._client, sql, given)

    def run(self, sql: str, given: Mapping[str, Any]) -> None:
        """Run a statement that gives no rows."""
        self._before()
        command(self._client, sql, given)

    def table_ids(self) -> dict[str, str]:
        """The UUID of each dimension."""
        tables = [dimension.table for dimension in DIMENSIONS]
        return {row["name"]: row["id"] for row in self.rows(TABLE_IDS, {"tables": tables})}

    def cursors(self) -> dict[str, Cursor]:
        """The cursor of each topic that has one."""
        return {row["topic"]: _cursor(row) for row in self.rows(CURSORS, {})}

    def write_cursor(self, cursor: Cursor, version: int) -> None:
        """Write how far a topic is read."""
        absent = cursor.absent_since
        given = {
            "topic": cursor.topic,
            "topic_id": cursor.topic_id,
            "table_id": cursor.table_id,
            "reading": cursor.reading,
            "shown": cursor.shown,
            "partitions": list(cursor.offsets),
            "offsets": list(cursor.offsets.values()),
            "looked_at": cursor.looked_at,
            "absent_since": -1 if absent is None else absent,
            "version": version,
        }
        self.run(WRITE_CURSOR, given)

    def insert(self, dimension: Dimension, rows: Iterable[Row]) -> None:
        """Write rows; those that stand already do no harm."""
        lines = msgspec.json.Encoder().encode_lines(rows)
        columns = list(dimension.target.columns)
        self._insert(dimension.table, columns, lines, "JSONEachRow")

    def insert_letters(self, letters: Sequence[Rejected]) -> None:
        """Write rows of dead letters."""
        rows: Rows = letter_rows(letters, LETTER_VERSION)
        self._insert(TABLE, list(TABLES[TABLE].columns), block(rows), "Native")

    def _insert(self, table: str, columns: Sequence[str], body: bytes, form: str) -> None:
        self._before()
        try:
            self._client.raw_insert(
                table,
                column_names=columns,
                insert_block=body,
                fmt=form,
                settings=UNCONDITIONAL,
            )
        except ClickHouseError as error:
            raise ReadingError(str(error)) from error

    def drop_former(self, shown: Mapping[Dimension, int]) -> None:
        """Remove the rows of readings before the one that counts; one query finds which have any.

        Args:
            shown: dimension -> the reading that counts.

        """
        if not shown:
            return
        asked = [
            f"(SELECT '{one.table}' AS name FROM {one.table} WHERE reading < {int(at)} LIMIT 1)"  # noqa: S608  # names of ours
            for one, at in shown.items()
        ]
        former = {row["name"] for row in self.rows("\nUNION ALL\n".join(asked), {})}
        for one, at in shown.items():
            if one.table in former:
                self.run(f"DELETE FROM {one.table} WHERE reading < {{shown:UInt64}}", {"shown": at})  # noqa: S608  # names of ours

    def drop_taken_back(self, dimension: Dimension, since: int) -> int:
        """Remove what stands below a row that took its key back; how many rows.

        Args:
            dimension: whose.
            since: only keys that were taken back with at least this version.

        """
        table, named = dimension.table, _key_hash(dimension)
        taken = f"SELECT {named} FROM {table} WHERE deleted AND version >= {{since:UInt64}}"  # noqa: S608  # names of ours
        sql = f"""
            SELECT {named} AS key, maxIf(version, deleted) AS until, countIf(NOT deleted) AS n
            FROM {table} WHERE key IN ({taken})
            GROUP BY key HAVING argMax(deleted, version) AND n > 0
        """  # noqa: S608
        found = self.rows(sql, {"since": since})
        for start in range(0, len(found), AT_ONCE):
            some = found[start : start + AT_ONCE]
            given = {"keys": [row["key"] for row in some], "until": [row["until"] for row in some]}
            below = f"transform({named}, {{keys:Array(String)}}, {{until:Array(UInt64)}}, 0)"
            self.run(f"DELETE FROM {table} WHERE NOT deleted AND version < {below}", given)  # noqa: S608
        return sum(int(row["n"]) for row in found)

    def drop_old_marks(self, dimension: Dimension, until: int) -> None:
        """Remove rows that took a key back before a second: no late row is under way any more."""
        old = "deleted AND toUnixTimestamp(stated_at) < {until:UInt32}"
        given = {"until": until}
        if self.rows(f"SELECT 1 AS one FROM {dimension.table} WHERE {old} LIMIT 1", given):  # noqa: S608
            self.run(f"DELETE FROM {dimension.table} WHERE {old}", given)  # noqa: S608


def _key_hash(dimension: Dimension) -> str:
    return f"hex(sipHash128({', '.join(dimension.target.key)}))"


def _cursor(row: Mapping[str, Any]) -> Cursor:
    offsets = dict(zip(row["partitions"], map(int, row["offsets"]), strict=True))
    return Cursor(
        row["topic"],
        row["topic_id"],
        row["table_id"],
        int(row["reading"]),
        int(row["shown"]),
        offsets,
        int(row["looked_at"]),
        None if row["absent_since"] is None else int(row["absent_since"]),
    )
