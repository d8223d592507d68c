"""A TCP proxy that can be as bad as a network: cut, slow, silent, refusing, answering errors.

In front of a broker it can hold a single connection, too: the one with a transaction's end.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from functools import partial

from deploy.embedded import ports
from tests.chaos.late_ends import ARRIVES_SECONDS, LateEnds, Requests

CHUNK = 64 * 1024
BUSY = (  # what a server says that has too much to do; 202 is one of the codes to try again
    b"HTTP/1.1 500 Internal Server Error\r\nX-ClickHouse-Exception-Code: 202\r\n"
    b"Content-Length: 57\r\nConnection: close\r\n\r\n"
    b"Code: 202. DB::Exception: Too many simultaneous queries.\n"
)
DELAY = 0.15  # seconds a slow connection adds to each chunk


class Mood(StrEnum):
    """How connections are treated."""

    FAIR = "fair"
    SLOW = "slow"
    SILENT = "silent"  # they stay open, and nothing passes
    REFUSING = "refusing"  # they are cut, new ones too
    FAILING = "failing"  # they are cut, new ones get an error of HTTP


class Proxy:
    """Passes connections on to a port of this machine; its verbs from any thread.

    Args:
        target: the port.
        late_ends: for a broker's port: which ends of transactions are held.

    """

    def __init__(self, target: int, late_ends: LateEnds | None = None) -> None:
        (self.port,) = ports.free(0)
        self.late_ends = late_ends
        self.passed = 0  # bytes, both ways
        self.cuts = 0  # connections cut
        self._target = target
        self._mood = Mood.FAIR
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._fair: asyncio.Event
        self._listens = threading.Event()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    def start(self) -> None:
        """Listen."""
        self._thread.start()
        self._listens.wait(10)

    def stop(self) -> None:
        """Cut all, listen no more."""
        self._call(self._loop.stop)
        self._thread.join(10)

    def treat(self, mood: Mood) -> None:
        """Treat all connections so from now on."""

        def change() -> None:
            self._mood = mood
            (self._fair.clear if mood is Mood.SILENT else self._fair.set)()
            if mood in {Mood.REFUSING, Mood.FAILING}:
                self._cut()

        self._call(change)

    def cut(self) -> None:
        """End every connection; new ones are welcome."""
        self._call(self._cut)

    def hold_end(self, number: int) -> None:
        """Hold the connection with the next transaction's end until that is late or delivered."""
        if self.late_ends is not None:
            self._call(partial(self.late_ends.hold_next, number))

    def deliver_end(self, number: int) -> None:
        """Deliver the end that this hold has."""
        if self.late_ends is not None:
            self._call(partial(self.late_ends.deliver, number))

    def _call(self, call: Callable[[], None]) -> None:
        self._loop.call_soon_threadsafe(call)

    def _cut(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()
            self.cuts += 1

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._listens.set()
        self._loop.run_forever()
        self._cut()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._server.close()
        self._loop.run_until_complete(self._server.wait_closed())
        self._loop.run_until_complete(asyncio.sleep(0))  # transports end in the next turn
        self._loop.close()

    async def _serve(self) -> None:
        self._fair = asyncio.Event()
        self._fair.set()
        self._server = await asyncio.start_server(self._met, ports.HOST, self.port)

    async def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._mood is Mood.REFUSING:
            writer.transport.abort()
            return
        if self._mood is Mood.FAILING:
            await self._fail(reader, writer)
            return
        try:
            there = await asyncio.open_connection(ports.HOST, self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, there[1]}
        try:
            await asyncio.gather(self._ask(reader, there[1]), self._pass(there[0], writer))
        finally:
            for one in (writer, there[1]):
                self._writers.discard(one)
                one.transport.abort()

    async def _fail(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read(CHUNK)
            writer.write(BUSY)
            await writer.drain()
            writer.write_eof()
            while await reader.read(CHUNK):  # what is still sent, or the answer would be cut
                pass
        except (OSError, EOFError):
            pass
        finally:
            writer.transport.abort()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on what a client sends, request by request where ends may be held."""
        if self.late_ends is None:
            await self._pass(reader, writer)
            return
        requests = Requests()
        with suppress(OSError, EOFError):
            while chunk := await reader.read(CHUNK):
                await self._wait()
                for request, piece, is_last in requests.split(chunk):
                    is_late = await self.late_ends.admit(request)
                    await self._write(writer, piece)
                    if is_late:  # its client is gone: the end of the connection comes after it
                        await asyncio.sleep(ARRIVES_SECONDS)
                    if is_last:
                        self.late_ends.note_passed(request)
            if writer.can_write_eof():
                writer.write_eof()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, EOFError):
            while chunk := await reader.read(CHUNK):
                await self._wait()
                await self._write(writer, chunk)
            if writer.can_write_eof():
                writer.write_eof()

    async def _wait(self) -> None:
        """Wait as long as the mood wants it."""
        if self._mood is Mood.SLOW:
            await asyncio.sleep(DELAY)
        await self._fair.wait()

    async def _write(self, writer: asyncio.StreamWriter, chunk: bytes) -> None:
        writer.write(chunk)
        await writer.drain()
        self.passed += len(chunk)


@contextmanager
def proxied(target: int, late_ends: LateEnds | None = None) -> Iterator[Proxy]:
    """A proxy in front of a port, from here to the end of the block."""
    made = Proxy(target, late_ends)
    made.start()
    try:
        yield made
    finally:
        made.stop()
