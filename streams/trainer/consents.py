"""What families do not allow any more leaves the rows of `event` that were written before.

A record of `kol-consents` begins anew: of events that were appended before it holds, which is
`HOLDS_AFTER_MS` after itself, stage, geo and age band are emptied, whatever it allows. So life ends
as a replay does, after compaction has left the newest record alone. Rows that are written
afterwards, by an insert that was under way or by a worker that reads such events again, are found
by the next turn that looks so far back.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from schemas.consents import HOLDS_AFTER_MS
from schemas.dimensions import OF_TOPIC
from schemas.reference_types import CONSENTS
from streams.clients.clickhouse import command, query

TABLE: Final = "event"
COLUMNS: Final = ("stage", "geo", "age_band")
AT_ONCE: Final = 2_000  # users in one statement

_SAYS: Final = f"({' OR '.join(f'{name} != {chr(39) * 2}' for name in COLUMNS)})"
_BEGINNINGS: Final = f"""
    SELECT user_hash, max(toUnixTimestamp64Milli(received_at)) + {HOLDS_AFTER_MS} AS begins
    FROM {OF_TOPIC[CONSENTS].table} FINAL
    WHERE reading = (
        SELECT argMax(shown, version) FROM dimension_cursor FINAL WHERE topic = '{CONSENTS}'
    ) AND toUnixTimestamp(stated_at) >= {{since:UInt32}}
    GROUP BY user_hash
"""  # noqa: S608  # names of ours; rows that take a consent back count, too
TO_EMPTY: Final = f"""
    SELECT e.user_hash AS user, any(c.begins) AS begins, count() AS n
    FROM {TABLE} AS e INNER JOIN ({_BEGINNINGS}) AS c ON e.user_hash = c.user_hash
    WHERE e.user_hash IN (SELECT user_hash FROM ({_BEGINNINGS})) AND {_SAYS}
      AND toUnixTimestamp64Milli(e.received_at) < c.begins
    GROUP BY user
"""  # noqa: S608
EMPTY: Final = f"""
    ALTER TABLE {TABLE} UPDATE {", ".join(f"{name} = ''" for name in COLUMNS)}
    WHERE user_hash IN {{users:Array(String)}} AND {_SAYS}
      AND toUnixTimestamp64Milli(received_at)
        < transform(user_hash, {{users:Array(String)}}, {{begins:Array(Int64)}}, toInt64(0))
    SETTINGS mutations_sync = 2
"""


class Consents:
    """The consents of one database and the events that they concern.

    Args:
        client: of the account that writes.
        before: called before each statement.

    """

    def __init__(self, client: Client, before: Callable[[], None] = lambda: None) -> None:
        self._client = client
        self._before = before

    def empty(self, since: int) -> int:
        """Empty what was allowed no longer than up to a consent; gives how many rows.

        Args:
            since: only consents that came into ClickHouse from this second on.

        Raises:
            ReadingError: ClickHouse refuses; the next turn does what is left.

        """
        found = self._to_empty(since)
        for start in range(0, len(found), AT_ONCE):
            some = found[start : start + AT_ONCE]
            given: Mapping[str, Any] = {
                "users": [row["user"] for row in some],
                "begins": [int(row["begins"]) for row in some],
            }
            self._before()
            command(self._client, EMPTY, given)
        return sum(int(row["n"]) for row in found)

    def left(self, since: int = 0) -> int:
        """How many rows say what is not allowed, as `empty` looks for them."""
        return sum(int(row["n"]) for row in self._to_empty(since))

    def _to_empty(self, since: int) -> list[dict[str, Any]]:
        self._before()
        return query(self._client, TO_EMPTY, {"since": since})
