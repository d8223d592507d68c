"""What the turns read and write beside the roll-ups: parts, cursors, floors.

Every statement of a turn goes through `Store`, one after the other.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from clickhouse_connect.driver.client import Client

from schemas.rollups import ROLL_UPS, SOURCES
from streams.clients.clickhouse import command, query
from streams.trainer.coverage import Coverage, Cursor, Part, Reach, coverage_of

RECENT: Final = "recent"  # a cursor of hours, and of days that hold some of the last 48 h
DAYS: Final = "days"  # a cursor of all days

PARTS: Final = """
    SELECT table, partition_id, min_block_number, max_block_number, data_version
    FROM system.parts
    WHERE active AND database = {database:String} AND table IN {tables:Array(String)}
"""
TABLE_IDS: Final = """
    SELECT name, toString(uuid) AS id
    FROM system.tables
    WHERE database = {database:String} AND name IN {tables:Array(String)}
"""
CURSORS: Final = """
    SELECT source, scope, table_id, partitions, blocks, mutations, zone,
           toUnixTimestamp(hours_from) AS hours_from,
           toUnixTimestamp64Milli(turned_at) AS turned_at
    FROM (DATABASE).rollup_cursor
    ORDER BY version DESC
    LIMIT 1 BY source, scope
"""
FLOORS: Final = """
    SELECT target, toUnixTimestamp(bucket) AS bucket,
           if(countIf(settled = 1) = 0, 4294967295,
              toUnixTimestamp(argMaxIf(stated_from, version, settled = 1))) AS stated_from,
           maxIf(version, settled = 0) > maxIf(version, settled = 1) AS unsettled
    FROM (DATABASE).rollup_floor AS f
    WHERE f.bucket >= toDateTime({since:UInt32}, 'UTC') OR target NOT IN {hourly:Array(String)}
    GROUP BY target, bucket
"""
NEWEST: Final = "SELECT max(version) AS version FROM (DATABASE).rollup_floor"
WRITE_CURSOR: Final = """
    INSERT INTO (DATABASE).rollup_cursor
        (source, scope, table_id, partitions, blocks, mutations, zone, hours_from, turned_at,
         version)
    SETTINGS insert_deduplicate = 0
    SELECT {source:String} AS source, {scope:String} AS scope,
           {table_id:String} AS table_id,
           {partitions:Array(String)} AS partitions, {blocks:Array(UInt64)} AS blocks,
           {mutations:Array(UInt64)} AS mutations, {zone:String} AS zone,
           toDateTime({hours_from:UInt32}, 'UTC') AS hours_from,
           fromUnixTimestamp64Milli({turned_at:Int64}, 'UTC') AS turned_at,
           {version:UInt64} AS version
"""
WRITE_FLOORS: Final = """
    INSERT INTO (DATABASE).rollup_floor (target, bucket, settled, stated_from, version)
    SETTINGS insert_deduplicate = 0
    SELECT one.1, toDateTime(one.2, 'UTC'), {settled:UInt8}, toDateTime(one.3, 'UTC'),
           {version:UInt64}
    FROM
    (
        SELECT arrayJoin(arrayZip({targets:Array(String)}, {buckets:Array(UInt32)},
                                  {stated_from:Array(UInt32)})) AS one
    )
"""


class Note(NamedTuple):
    """A bucket that is about to be computed, or was."""

    target: str  # the table of the roll-up
    bucket: int
    stated_from: int  # oldest `stated_at` of the rows it is made of, seconds


class Floor(NamedTuple):
    """What is known of a bucket that was computed."""

    stated_from: int  # oldest `stated_at` of the rows it was made of, seconds
    unsettled: bool  # a turn began to write rows of it and is not known to have ended


Floors = Mapping[str, Mapping[int, Floor]]  # roll-up -> bucket -> what is known of it


class Store:
    """One database of a server, as the turns of one holder see it."""

    def __init__(
        self, client: Client, database: str, *, replicated: bool, before: Callable[[], None]
    ) -> None:
        """Take a client of the account that writes, and what is called before each statement."""
        self._client = client
        self._before = before
        self.database = database
        self.replicated = replicated

    def rows(self, sql: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The rows of a query; `(DATABASE)` in it is the database."""
        self._before()
        return query(self._client, sql.replace("(DATABASE)", self.database), parameters)

    def run(self, sql: str, parameters: Mapping[str, Any]) -> None:
        """Run a statement that gives no rows; `(DATABASE)` in it is the database."""
        self._before()
        command(self._client, sql.replace("(DATABASE)", self.database), parameters)

    def coverages(self) -> dict[str, Coverage]:
        """How much of each source there is."""
        if self.replicated:
            for source in SOURCES:
                self.run(f"SYSTEM SYNC REPLICA (DATABASE).{source}", {})
        parts: dict[str, list[Part]] = {source: [] for source in SOURCES}
        for row in self.rows(PARTS, {"database": self.database, "tables": list(SOURCES)}):
            table, *part = row.values()
            parts[table].append(Part(*part))
        return {
            source: coverage_of(found, replicated=self.replicated)
            for source, found in parts.items()
        }

    def table_ids(self) -> dict[str, str]:
        """The UUID of each source."""
        given = {"database": self.database, "tables": list(SOURCES)}
        return {row["name"]: row["id"] for row in self.rows(TABLE_IDS, given)}

    def cursors(self) -> dict[tuple[str, str], Cursor]:
        """The cursor of each source and scope that has one."""
        return {(row["source"], row["scope"]): _cursor(row) for row in self.rows(CURSORS, {})}

    def write_cursor(self, source: str, scope: str, cursor: Cursor, version: int) -> None:
        """Write how far roll-ups are true."""
        reached = cursor.coverage
        given = {
            "source": source,
            "scope": scope,
            "table_id": cursor.of,
            "partitions": list(reached),
            "blocks": [reach.block for reach in reached.values()],
            "mutations": [reach.mutation for reach in reached.values()],
            "zone": cursor.zone,
            "hours_from": cursor.hours_from,
            "turned_at": cursor.turned_at,
            "version": version,
        }
        self.run(WRITE_CURSOR, given)

    def floors(self, since: int) -> Floors:
        """What is known of each bucket that was ever computed; buckets are seconds.

        Args:
            since: earlier hours are left out.

        """
        found: dict[str, dict[int, Floor]] = {}
        hourly = [rollup.table for rollup in ROLL_UPS.values() if rollup.is_hourly]
        for row in self.rows(FLOORS, {"since": since, "hourly": hourly}):
            floor = Floor(row["stated_from"], bool(row["unsettled"]))
            found.setdefault(row["target"], {})[row["bucket"]] = floor
        return found

    def newest(self) -> int:
        """The greatest version that any turn noted of a bucket; 0 where none did."""
        return int(self.rows(NEWEST, {})[0]["version"])

    def write_floors(self, notes: Sequence[Note], version: int, *, settled: bool) -> None:
        """Note that rows of these buckets are about to be written, or that they all are in.

        Once they are in, older rows count no more.
        """
        targets, buckets, stated_from = map(list, zip(*notes, strict=True))
        given = {
            "targets": targets,
            "buckets": buckets,
            "stated_from": stated_from,
            "settled": int(settled),
            "version": version,
        }
        self.run(WRITE_FLOORS, given)


def _cursor(row: Mapping[str, Any]) -> Cursor:
    reaches = map(Reach, row["blocks"], row["mutations"])
    return Cursor(
        row["table_id"],
        dict(zip(row["partitions"], reaches, strict=True)),
        row["zone"],
        row["hours_from"],
        row["turned_at"],
    )
