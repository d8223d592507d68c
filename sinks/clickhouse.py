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
import random
import secrets
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from hashlib import blake2b
from typing import Any

import numpy as np
from clickhouse_connect.driver.exceptions import ClickHouseError

from schemas.columns import Rejected
from schemas.letters import REFUSED, letter_rows
from schemas.letters import TABLE as LETTERS
from schemas.rows import TABLES, Rows, Table
from sinks.base import Health, Observer, Refuse, Refused, SinkStopped, State, Written
from sinks.buffer import Buffer
from sinks.codes import Verdict
from sinks.connection import ConnectionSettings, HttpInserter, connect
from sinks.retry import (
    Backoff,
    Breaker,
    Positions,
    advice,
    by_months,
    code_of,
    fault,
    halves,
    judge,
)

log = logging.getLogger(__name__)

MOST_ROWS = 20_000  # of one insert
TRIES_AT_FULL_SIZE = 5  # out of memory: then with half the rows
MOST_PAYLOAD = 1_000_000  # characters of a refused row in its letter
LAST_MS = 4_102_444_800_000  # 2100: a later time of a row makes no sense

Insert = Callable[[Rows, str], None]  # blocking; rows and token


class ClickHouse:
    """Writes rows to ClickHouse; see `sinks.base.Sink`.

    Args:
        insert: blocking; raises what `sinks.retry` can judge.
        refuse: takes a row that can never be written; without it the row becomes a row of
            `dead_letter`.
        observer: notified of what happens.
        process: begins every deduplication token; unique to a process.
        now: seconds since the epoch.
        monotonic: seconds that never go back.
        sleep, uniform: waiting, and the jitter of it.

    """

    def __init__(
        self,
        insert: Insert,
        *,
        refuse: Refuse | None = None,
        observer: Observer | None = None,
        process: str | None = None,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        uniform: Callable[[float, float], float] = random.uniform,
        most_rows: int = MOST_ROWS,
    ) -> None:
        self.health = {
            name: Health(name) for name, table in TABLES.items() if not table.derived
        }  # of every table
        self._insert = insert
        self._refuse = refuse or self._to_letters
        self._observer = observer or Observer()
        self._process = process or secrets.token_hex(8)
        self._now = now
        self._monotonic = monotonic
        self._sleep = sleep
        self._uniform = uniform
        self._most = most_rows
        self._buffers = {name: Buffer(self._write_all, most_rows) for name in self.health}
        self._breakers = {name: Breaker() for name in self.health}
        self._number = 0

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
            for start in range(0, len(rows), self._most):
                part = rows.cut(start, min(start + self._most, len(rows)))
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
                await _in_thread(self._insert.open)

    async def close(self, seconds: float | None = None) -> None:
        """Finish what is under way, for at most so many seconds, then close.

        A `write` that is not acknowledged by then raises `SinkStopped`.
        """
        await asyncio.gather(*(buffer.close(seconds) for buffer in self._buffers.values()))
        if isinstance(self._insert, HttpInserter):
            self._insert.close()

    async def _write_all(self, rows: Rows) -> frozenset[int]:
        """Write rows, retrying without limit; gives the positions of those that were refused."""
        self._stop_if_breaker_is_open(rows.table)
        return frozenset(await self._write_until_done(rows, np.arange(len(rows))))

    async def _write_until_done(self, rows: Rows, positions: Positions) -> list[int]:
        health = self.health[rows.table]
        backoff = Backoff(self._uniform)
        while (error := await self._try(rows)) is not None:
            health.error = _one_line(error)
            verdict = judge(error)
            if verdict is Verdict.RETRY_SMALLER and backoff.tries >= TRIES_AT_FULL_SIZE:
                verdict = Verdict.HALVE if len(rows) > 1 else Verdict.RETRY
            if verdict in {Verdict.RETRY, Verdict.RETRY_SMALLER}:
                await self._back_off(health, backoff)
                continue
            parts = _split(verdict, rows)
            if len(parts) > 1:
                return [
                    row
                    for part in parts
                    for row in await self._write_until_done(rows.pick(part), positions[part])
                ]
            if verdict is not Verdict.HALVE:
                raise self._stopped(health, f"{health.error}; {advice(error)}") from error
            await self._refuse_row(rows, error)
            return [int(position) for position in positions]
        return []

    async def _try(self, rows: Rows) -> Exception | None:
        try:
            await _in_thread(self._insert, rows, self._token(rows.table))
        except Exception as error:  # noqa: BLE001  # judged by its class and code
            return error
        health = self.health[rows.table]
        health.rows += len(rows)
        health.inserts += 1
        health.succeeded_at = self._now()
        self._breakers[rows.table].add(self._monotonic(), len(rows), 0)
        self._set_state(health, State.OK)
        return None

    async def _back_off(self, health: Health, backoff: Backoff) -> None:
        health.retries += 1
        seconds = backoff.next_seconds()
        if health.state is not State.RETRYING:
            log.warning("%s: %s; trying again until it works", health.table, health.error)
        self._set_state(health, State.RETRYING)
        self._observer.retried(health)
        await self._sleep(seconds)

    async def _refuse_row(self, row: Rows, error: Exception) -> None:
        """One row is to blame: put it where a person finds it."""
        health = self.health[row.table]
        values = {name: column[0] for name, column in row.columns.items()}
        await self._refuse(Refused(row.table, values, _one_line(error)))
        health.refused += 1
        self._breakers[row.table].add(self._monotonic(), 1, 1)
        self._observer.refused(health, fault(error))
        log.error("%s: a row was refused: %s", health.table, health.error)
        self._stop_if_breaker_is_open(row.table)

    async def _to_letters(self, refused: Refused) -> None:
        if refused.table == LETTERS:
            raise self._stopped(self.health[LETTERS], f"a dead letter is refused: {refused.error}")
        await self.write(letter(refused))

    def _stop_if_breaker_is_open(self, table: str) -> None:
        if self._breakers[table].is_open(self._monotonic()):
            raise self._stopped(
                self.health[table],
                f"more than 5 % of the rows of 5 minutes are refused, last: "
                f"{self.health[table].error}; see `kol dlq list`",
            )

    def _stopped(self, health: Health, reason: str) -> SinkStopped:
        self._set_state(health, State.STOPPED)
        log.error("%s: stopped: %s", health.table, reason)
        return SinkStopped(f"{health.table}: {reason}")

    def _set_state(self, health: Health, state: State) -> None:
        if health.state is not state:
            health.state = state
            self._observer.changed(health)

    def _token(self, table: str) -> str:
        self._number += 1
        return f"{self._process}:{table}:{self._number}"


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


def _split(verdict: Verdict, rows: Rows) -> list[Positions]:
    if verdict is Verdict.SPLIT_MONTHS:
        return by_months(rows)
    if verdict is Verdict.HALVE and len(rows) > 1:
        return halves(rows)
    return []


def _one_line(error: Exception) -> str:
    """What went wrong in one line that can be stored; the server may quote a bad value."""
    code = code_of(error)
    message = " ".join(str(error).split())[:300].encode(errors="backslashreplace").decode()
    return f"{type(error).__name__}{f' {code}' if code else ''}: {message}"


async def _in_thread(function: Callable[..., None], *args: object) -> None:
    """Run in a daemon thread, so that an unanswered insert does not hold up the exit."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def resolve(error: BaseException | None) -> None:
        if not done.done():
            done.set_exception(error) if error else done.set_result(None)

    def run() -> None:
        error: BaseException | None = None
        try:
            function(*args)
        except BaseException as raised:  # noqa: BLE001  # it goes to the one who waits
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(resolve, error)

    threading.Thread(target=run, name="clickhouse", daemon=True).start()
    await done
