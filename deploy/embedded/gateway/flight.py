"""How many requests are under way, and what a clean stop waits for."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from deploy.embedded.gateway.errors import Code, refusal


class Flight:
    """Counts requests; lives in the event loop's thread."""

    def __init__(self, most: int) -> None:
        """Allow this many at once; restricted users may take half of them.

        So a page that asks too much never keeps the worker from writing.
        """
        self._most = most
        self._closed = False
        self._still = asyncio.Event()
        self.now = 0
        self.writing = 0
        self.restricted = 0

    @contextmanager
    def seat(self, *, restricted: bool) -> Iterator[None]:
        """Take a place for one request.

        Raises:
            Refusal: no place is free, or the gateway is stopping.

        """
        if self._closed:
            raise refusal(Code.ABORTED, "the gateway is stopping")
        if self.now >= self._most or (restricted and self.restricted >= max(1, self._most // 2)):
            raise refusal(Code.TOO_MANY_SIMULTANEOUS_QUERIES, "Too many simultaneous queries")
        self.now += 1
        self.restricted += restricted
        try:
            yield
        finally:
            self.now -= 1
            self.restricted -= restricted
            self._still.set()

    @contextmanager
    def write(self) -> Iterator[None]:
        """Mark that a request may change something, so that a stop waits for it."""
        self.writing += 1
        try:
            yield
        finally:
            self.writing -= 1
            self._still.set()

    async def land(self, reads: float, writes: float) -> bool:
        """Let nobody in and wait: at most these seconds for everything, then for what writes.

        Returns whether all are gone.
        """
        self._closed = True
        if await self._until(lambda: not self.now, reads):
            return True
        await self._until(lambda: not self.writing, writes)
        return not self.now

    async def _until(self, done: Callable[[], bool], seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                while not done():
                    self._still.clear()
                    await self._still.wait()
        except TimeoutError:
            return False
        return True
