"""Collects rows while an insert is under way; all of them together are the next insert.

So each table has at most one insert in flight, rows of an idle table are written at once,
and those of a slow one in larger batches, without a timer.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from schemas.rows import Rows, joined
from sinks.base import SinkStopped

Insert = Callable[[Rows], Awaitable[frozenset[int]]]  # gives the positions that were refused


@dataclass(frozen=True, slots=True)
class _Waiting:
    rows: Rows
    refused: asyncio.Future[int]  # how many of them, once all are written or refused

    def fail(self, error: Exception) -> None:
        if not self.refused.done():
            self.refused.set_exception(error)


class Buffer:
    """The rows of one table on their way to one `insert` at a time."""

    def __init__(self, insert: Insert, most: int) -> None:
        self._insert = insert
        self._most = most
        self._waiting: deque[_Waiting] = deque()
        self._inserting: list[_Waiting] = []
        self._task: asyncio.Task[None] | None = None

    async def put(self, rows: Rows) -> int:
        """Wait until the rows are written or refused; gives how many were refused.

        Raises whatever `insert` raised for them.
        """
        waiting = _Waiting(rows, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._task is None:
            self._task = asyncio.create_task(self._drain())
        return await waiting.refused

    async def close(self, seconds: float | None = None) -> None:
        """Wait for at most so many seconds; a `put` still unanswered then raises `SinkStopped`."""
        if self._task is not None:
            task = self._task
            await asyncio.wait([task], timeout=seconds)
            task.cancel()
            await asyncio.wait([task])

    async def _drain(self) -> None:
        try:
            while self._waiting:
                self._inserting = self._next_batch()
                await self._insert_batch(self._inserting)
        except asyncio.CancelledError:
            for waiting in (*self._inserting, *self._waiting):
                waiting.fail(SinkStopped("closed before the rows were safe"))
            self._waiting.clear()
        finally:
            self._inserting = []
            self._task = None

    def _next_batch(self) -> list[_Waiting]:
        batch = [self._waiting.popleft()]
        size = len(batch[0].rows)
        while self._waiting and size + len(self._waiting[0].rows) <= self._most:
            batch.append(self._waiting.popleft())
            size += len(batch[-1].rows)
        return batch

    async def _insert_batch(self, batch: list[_Waiting]) -> None:
        try:
            refused = await self._insert(joined([waiting.rows for waiting in batch]))
        except Exception as error:  # noqa: BLE001  # it goes to those who wait
            for waiting in batch:
                waiting.fail(error)
            return
        start = 0
        for waiting in batch:
            stop = start + len(waiting.rows)
            if not waiting.refused.done():
                waiting.refused.set_result(sum(start <= row < stop for row in refused))
            start = stop
