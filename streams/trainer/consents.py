"""What families do not allow any more leaves the rows of `event` that were written before.

A record of `kol-consents` begins anew: of events that were appended before it holds, which is
`HOLDS_AFTER_MS` after itself, stage, geo and age band are emptied, whatever it allows. So life ends
as a replay does, after compaction has left the newest record alone. Rows that are written
afterwards, by an insert that was under way or by a worker that reads such events again, are found
by the next turn that looks so far back.

A mutation rewrites three columns of all of `event`. So one statement has many users, none begins
while another one is under way, and a turn ends after some time: the next one does what is left.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from clickhouse_connect.driver.client import Client

from schemas.consents import ALLOWED, HOLDS_AFTER_MS
from schemas.dimensions import OF_TOPIC
from schemas.reference_types import CONSENTS
from streams.clients.clickhouse import empty, query

TABLE: Final = "event"
AT_ONCE: Final = 5_000  # users in one statement: 0.5 MB of a mutation, which a keeper must take
LONGEST_SECONDS: Final = 60.0  # of a turn, until it begins no other statement

_SAYS: Final = f"({' OR '.join(f'{name} != {chr(39) * 2}' for name in ALLOWED)})"
_BEGINNINGS: Final = f"""
    SELECT user_hash, max(toUnixTimestamp64Milli(received_at)) + {HOLDS_AFTER_MS} AS begins
    FROM {OF_TOPIC[CONSENTS].table} FINAL
    WHERE reading = ({OF_TOPIC[CONSENTS].reading_shown()})
      AND toUnixTimestamp(stated_at) >= {{since:UInt32}}
    GROUP BY user_hash
"""  # noqa: S608  # names of ours; rows that take a consent back count, too
TO_EMPTY: Final = f"""
    SELECT e.user_hash AS user, any(c.begins) AS begins, count() AS n
    FROM {TABLE} AS e INNER JOIN ({_BEGINNINGS}) AS c ON e.user_hash = c.user_hash
    WHERE e.user_hash IN (SELECT user_hash FROM ({_BEGINNINGS})) AND {_SAYS}
      AND toUnixTimestamp64Milli(e.received_at) < c.begins
    GROUP BY user
"""  # noqa: S608
BEFORE: Final = f"""
    user_hash IN {{users:Array(String)}} AND {_SAYS}
      AND toUnixTimestamp64Milli(received_at)
        < transform(user_hash, {{users:Array(String)}}, {{begins:Array(Int64)}}, toInt64(0))
"""
UNFINISHED: Final = f"""
    SELECT count() AS n FROM system.mutations
    WHERE database = currentDatabase() AND table = '{TABLE}' AND NOT is_done
"""  # noqa: S608


class Emptied(NamedTuple):
    """What a turn has emptied, and why it has left something."""

    rows: int
    why_left: str = ""  # empty: it has left nothing


class Consents:
    """The consents of one database and the events that they concern.

    Args:
        client: of the account that writes.
        before: called before each statement.
        clock: seconds that never go back.

    """

    def __init__(
        self,
        client: Client,
        before: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._before = before
        self._clock = clock

    def empty(self, since: int) -> Emptied:
        """Empty what was allowed no longer than up to a consent.

        Args:
            since: only consents that came into ClickHouse from this second on.

        Raises:
            ReadingError: ClickHouse refuses; the next turn does what is left.

        """
        started = self._clock()
        found = self._to_empty(since)
        rows = 0
        for start in range(0, len(found), AT_ONCE):
            left = f"what consents of {len(found) - start:,} users have ended is left in {TABLE}"
            if self._is_rewritten():
                return Emptied(rows, f"{left}: another mutation of it is not done")
            if start and self._clock() - started > LONGEST_SECONDS:
                return Emptied(rows, left)
            some = found[start : start + AT_ONCE]
            given: Mapping[str, Any] = {
                "users": [row["user"] for row in some],
                "begins": [int(row["begins"]) for row in some],
            }
            self._before()
            empty(self._client, TABLE, ALLOWED, BEFORE, given)
            rows += sum(int(row["n"]) for row in some)
        return Emptied(rows)

    def _is_rewritten(self) -> bool:
        """Whether a mutation of the table is under way, perhaps one whose answer was lost."""
        self._before()
        return bool(int(query(self._client, UNFINISHED)[0]["n"]))

    def _to_empty(self, since: int) -> list[dict[str, Any]]:
        self._before()
        return query(self._client, TO_EMPTY, {"since": since})
