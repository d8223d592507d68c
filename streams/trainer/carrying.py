"""Days of roll-ups that are older than what they were made from go to another database."""

from datetime import date
from typing import Final

from clickhouse_connect.driver.client import Client

from schemas.rollups import ROLL_UPS
from streams.clients.clickhouse import command
from streams.trainer.generations import Version

FLOORS: Final = """
    INSERT INTO (THEIRS).rollup_floor (target, bucket, settled, stated_from, version)
    SELECT target, bucket, 1, argMax(stated_from, f.version), {version:UInt64}
    FROM (OURS).rollup_floor AS f
    WHERE target = {target:String} AND settled = 1 AND bucket < toDateTime({day:Date}, 'UTC')
    GROUP BY target, bucket
"""


def copy_days(client: Client, ours: str, theirs: str, day: date, version: Version) -> None:
    """Copy the days before one; those that the other database can compute, its next turn does.

    Args:
        client: may read the one and write to the other.
        ours: the database that has them.
        theirs: the database that gets them.
        day: the first one that is not copied.
        version: of the rows: greater than that of any turn before, less than that of the next.

    Raises:
        ReadingError: ClickHouse refuses a statement.

    """
    given = {"day": day, "version": version.number}
    for rollup in ROLL_UPS.values():
        if rollup.is_hourly:
            continue
        columns = ", ".join(rollup.shown)
        rows = rollup.kept(ours, "stated_at")
        command(
            client,
            f"INSERT INTO {theirs}.{rollup.table} ({columns}, stated_at, version)"  # noqa: S608  # names of ours
            " SETTINGS insert_deduplicate = 0, max_partitions_per_insert_block = 0"
            f" SELECT {columns}, stated_at, {{version:UInt64}}"
            f" FROM ({rows} AND r.day < {{day:Date}})",
            given,
        )
        floors = FLOORS.replace("(THEIRS)", theirs).replace("(OURS)", ours)
        command(client, floors, {**given, "target": rollup.table})
