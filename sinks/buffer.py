"""Joins what waits: while one insert is under way, what comes meanwhile becomes the next one.

So there is never more than one insert in flight per table, a quiet table is written at
once, and a slow one in larger pieces, without a timer.
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
    refused: asyncio.Future[int]  # how many of them, once all are settled

    def fail(self, error: Exception) -> None:
        if not self.refused.done():
            self.refused.set_exception(error)


class Buffer:
    """The rows of one table on their way to one `insert` at a time."""

    def __init__(self, insert: Insert, most: int) -> None:
        self._insert = insert
        self._most = most
        self._waiting: deque[_Waiting] = deque()
        self._taken: list[_Waiting] = []
        self._task: asyncio.Task[None] | None = None

    async def put(self, rows: Rows) -> int:
        """Wait until the rows are settled; gives how many were refused.

        Raises whatever `insert` raised for them.
        """
        waiting = _Waiting(rows, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._task is None:
            self._task = asyncio.create_task(self._drain())
        return await waiting.refused

    async def close(self, seconds: float | None = None) -> None:
        """Wait until nothing waits, for at most so long; who still waits gets `SinkStopped`."""
        if self._task is not None:
            task = self._task
            await asyncio.wait([task], timeout=seconds)
            task.cancel()
            await asyncio.wait([task])

    async def _drain(self) -> None:
        try:
            while self._waiting:
                self._taken = self._take()
                await self._write_until_done(self._taken)
        except asyncio.CancelledError:
            for waiting in (*self._taken, *self._waiting):
                waiting.fail(SinkStopped("closed before the rows were safe"))
            self._waiting.clear()
        finally:
            self._taken = []
            self._task = None

    def _take(self) -> list[_Waiting]:
        taken = [self._waiting.popleft()]
        size = len(taken[0].rows)
        while self._waiting and size + len(self._waiting[0].rows) <= self._most:
            taken.append(self._waiting.popleft())
            size += len(taken[-1].rows)
        return taken

    async def _write_until_done(self, taken: list[_Waiting]) -> None:
        try:
            refused = await self._insert(joined([waiting.rows for waiting in taken]))
        except Exception as error:  # noqa: BLE001  # it goes to those who wait
            for waiting in taken:
                waiting.fail(error)
            return
        start = 0
        for waiting in taken:
            stop = start + len(waiting.rows)
            if not waiting.refused.done():
                waiting.refused.set_result(sum(start <= row < stop for row in refused))
            start = stop
