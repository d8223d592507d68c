"""Writes rows to ClickHouse over HTTP, exactly as handed in or not at all.

A row replaces what its key held before, so an insert whose answer was lost is simply made
again. Every attempt has a deduplication token of its own (process, table, number): with the
same token, or with equal rows and none, the engine would skip what it believes to have, and
an engine that was killed at the wrong moment believes it wrongly (decision 0013).

Errors are of three classes (`retry`): retried without limit, halved down to the row at
fault, or stopped for a person. Callers wait, and that bounds memory.
"""

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from hashlib import blake2b
from math import ceil
from typing import Any

import numpy as np
from clickhouse_connect.driver.exceptions import ClickHouseError

from schemas.columns import Rejected
from schemas.letters import REFUSED, letter_rows
from schemas.letters import TABLE as LETTERS
from schemas.rows import TABLES, Rows, Table
from sinks.base import Observer, Refuse, Refused, Written
from sinks.buffer import Buffer
from sinks.connection import ConnectionSettings, HttpInserter, connect
from sinks.retrying import Insert, RetryingInsert, in_thread

log = logging.getLogger(__name__)

MOST_PAYLOAD = 1_000_000  # characters of a refused row in its letter
LAST_MS = 4_102_444_800_000  # 2100: a later time of a row makes no sense


class ClickHouse:
    """Writes rows to ClickHouse; see `sinks.base.Sink`.

    Args:
        insert: blocking; raises what `sinks.retry` can judge.
        refuse: takes a row that can never be written; without it the row becomes a row of
            `dead_letter`.
        observer: notified of what happens.
        most_rows: of one insert; None: as `schemas.rows` says of each table.
        monotonic: seconds that never go back.
        given: more of `RetryingInsert`, such as its clocks.

    """

    def __init__(
        self,
        insert: Insert,
        *,
        refuse: Refuse | None = None,
        observer: Observer | None = None,
        most_rows: int | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        **given: Any,  # noqa: ANN401  # of RetryingInsert
    ) -> None:
        self._insert = insert
        self._observer = observer or Observer()
        self._monotonic = monotonic
        self._retrying = RetryingInsert(
            insert, refuse or self._to_letters, self._observer, monotonic=monotonic, **given
        )
        self.health = self._retrying.health  # of every table
        self._most = {name: most_rows or TABLES[name].at_once for name in self.health}
        self._buffers = {name: Buffer(self._retrying, most) for name, most in self._most.items()}

    @classmethod
    def at(
        cls,
        connection: ConnectionSettings,
        *,
        settings: Mapping[str, Any] | None = None,
        refuse: Refuse | None = None,
        observer: Observer | None = None,
    ) -> "ClickHouse":
        """A sink of this database; connects with the first rows.

        Args:
            connection: address, database, credentials.
            settings: more settings for each insert, such as `insert_quorum` on replicas.
            refuse: see the class.
            observer: see the class.

        """
        insert = HttpInserter(lambda: connect(connection), settings or {})
        return cls(insert, refuse=refuse, observer=observer)

    async def write(self, rows: Rows) -> Written:
        """Write rows; returns once they are acknowledged. Calls may overlap.

        Rows of one table go in one insert at a time; what is handed in meanwhile is joined
        into the next one. The arrays of `rows` must not change until this returns.

        Raises:
            SinkStopped: they are not written, and trying again does not help.
            ValueError: they are not rows of a table.

        """
        rows.validate()
        started_at = self._monotonic()
        health = self.health[rows.table]
        health.waiting += len(rows)
        refused = 0
        try:
            for part in _cut(rows, self._most[rows.table]):
                refused += await self._buffers[rows.table].put(part)
        finally:
            health.waiting -= len(rows)
        seconds = self._monotonic() - started_at
        if len(rows):
            self._observer.written(health, len(rows) - refused, seconds)
        return Written(rows.table, len(rows) - refused, refused, seconds)

    async def open(self) -> None:
        """Connect before the first rows come; a server that is away is waited for with them."""
        if isinstance(self._insert, HttpInserter):
            with contextlib.suppress(ClickHouseError, OSError):
                await in_thread(self._insert.open)

    async def close(self, seconds: float | None = None) -> None:
        """Finish what is under way, for at most so many seconds, then close.

        A `write` that is not acknowledged by then raises `SinkStopped`.
        """
        await asyncio.gather(*(buffer.close(seconds) for buffer in self._buffers.values()))
        if isinstance(self._insert, HttpInserter):
            self._insert.close()

    async def _to_letters(self, refused: Refused) -> None:
        if refused.table == LETTERS:
            why = f"a dead letter is refused: {refused.error}"
            raise self._retrying.stopped(self.health[LETTERS], why)
        await self.write(letter(refused))


def _cut(rows: Rows, most: int) -> Iterator[Rows]:
    """Rows in as few parts as may be, of about the same size: each costs an insert."""
    parts = max(1, ceil(len(rows) / most))
    size = max(1, ceil(len(rows) / parts))
    for start in range(0, len(rows), size):
        yield rows.cut(start, min(start + size, len(rows)))


def letter(refused: Refused) -> Rows:
    """The row of `dead_letter` for a refused row.

    Such a row has no place in a log: its offset is a hash of its key, so that refusing it
    again replaces the letter.
    """
    table = TABLES[refused.table]
    key = json.dumps([refused.row.get(name) for name in table.key], default=str)
    digest = blake2b(f"{table.name}{key}".encode(), digest_size=8).digest()
    payload = json.dumps(dict(refused.row), default=_plain)[:MOST_PAYLOAD].encode()
    place = ("", 0, int.from_bytes(digest), _moment(table, refused.row))
    return letter_rows([Rejected(*place, REFUSED, refused.error, payload)], 0, table.name)


def _moment(table: Table, row: Mapping[str, Any]) -> int:
    """Milliseconds of a row's time; 0 where it has none that makes sense."""
    at = row.get(table.moment)
    if not isinstance(at, int | np.integer):
        return 0
    ms = int(at) if table.columns[table.moment].startswith("DateTime64") else int(at) * 1000
    return ms if 0 <= ms < LAST_MS else 0


def _plain(value: object) -> object:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else str(value)
