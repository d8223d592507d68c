"""Inserts rows until they are in: retried, taken apart, refused one by one, or stopped.

Which of these an error asks for, `retry` says.
"""

import asyncio
import contextlib
import logging
import random
import secrets
import threading
import time
from collections.abc import Awaitable, Callable

import numpy as np

from schemas.rows import TABLES, Rows
from sinks.base import Health, Observer, Refuse, Refused, SinkStopped, State
from sinks.codes import Verdict
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

TRIES_AT_FULL_SIZE = 5  # out of memory: then with half the rows

Insert = Callable[[Rows, str], None]  # blocking; rows and token


class RetryingInsert:
    """Inserts rows of one table at a time, however often it takes.

    Args:
        insert: blocking; raises what `sinks.retry` can judge.
        refuse: takes a row that can never be written.
        observer: notified of what happens.
        process: begins every deduplication token; unique to a process.
        now: seconds since the epoch.
        monotonic: seconds that never go back.
        sleep, uniform: waiting, and the jitter of it.

    """

    def __init__(
        self,
        insert: Insert,
        refuse: Refuse,
        observer: Observer,
        *,
        process: str | None = None,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.health = {
            name: Health(name) for name, table in TABLES.items() if not table.derived
        }  # of every table
        self._insert = insert
        self._refuse = refuse
        self._observer = observer
        self._process = process or secrets.token_hex(8)
        self._now = now
        self._monotonic = monotonic
        self._sleep = sleep
        self._uniform = uniform
        self._breakers = {name: Breaker() for name in self.health}
        self._number = 0

    async def __call__(self, rows: Rows) -> frozenset[int]:
        """Write rows, retrying without limit; gives the positions of those that were refused."""
        self._stop_if_breaker_is_open(rows.table)
        return frozenset(await self._insert_until_done(rows, np.arange(len(rows))))

    async def _insert_until_done(self, rows: Rows, positions: Positions) -> list[int]:
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
                    for row in await self._insert_until_done(rows.pick(part), positions[part])
                ]
            if verdict is not Verdict.HALVE:
                raise self.stopped(health, f"{health.error}; {advice(error)}") from error
            await self._refuse_row(rows, error)
            return [int(position) for position in positions]
        return []

    async def _try(self, rows: Rows) -> Exception | None:
        try:
            await in_thread(self._insert, rows, self._token(rows.table))
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
        await self._refuse(Refused(row.table, row.row(0), _one_line(error)))
        health.refused += 1
        self._breakers[row.table].add(self._monotonic(), 1, 1)
        self._observer.refused(health, fault(error))
        log.error("%s: a row was refused: %s", health.table, health.error)
        self._stop_if_breaker_is_open(row.table)

    def _stop_if_breaker_is_open(self, table: str) -> None:
        if self._breakers[table].is_open(self._monotonic()):
            raise self.stopped(
                self.health[table],
                f"more than 5 % of the rows of 5 minutes are refused, last: "
                f"{self.health[table].error}; see `kol dlq list`",
            )

    def stopped(self, health: Health, reason: str) -> SinkStopped:
        """The error for callers, after a table's inserts have stopped for a reason."""
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


async def in_thread(function: Callable[..., None], *args: object) -> None:
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
