"""A request comes in; an answer, or ClickHouse's own error, goes out and is written down."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import replace
from functools import partial
from typing import TypeVar

from aiohttp import ClientError, web
from aiohttp.http_exceptions import HttpProcessingError

from deploy.embedded.gateway import log, native, reply
from deploy.embedded.gateway.access import Account, Secrets, account
from deploy.embedded.gateway.answer import answer, is_hello
from deploy.embedded.gateway.ask import Ask, ask
from deploy.embedded.gateway.bodies import Body, form
from deploy.embedded.gateway.encodings import Encoder
from deploy.embedded.gateway.engine import Engine
from deploy.embedded.gateway.errors import Refusal, from_fault
from deploy.embedded.gateway.flight import Flight
from deploy.embedded.gateway.metrics import READS, Metrics, kind
from deploy.embedded.gateway.sessions import Sessions
from deploy.embedded.gateway.statement import LONGEST, Insert, opening
from deploy.embedded.gateway.turn import Turn

NAME = "kol-gateway"
READING, WRITING = 8, 4  # threads; apart, so that a write never waits behind a long SELECT
SLICE = 4 << 20  # bytes of rows handed to the engine at once
SWEEP = 1.0  # seconds between two looks at the sessions
CHANGING = frozenset({"POST", "PUT"})  # methods that may change something
T = TypeVar("T")


class Gateway:
    """ClickHouse's HTTP interface over one engine."""

    def __init__(self, engine: Engine, limits: Secrets, cap: int) -> None:
        """Take an open engine, users and limits, and the most bytes of a decoded body."""
        self._engine = engine
        self._limits = limits
        self._cap = cap
        self._reads = ThreadPoolExecutor(READING, "read")
        self._writes = ThreadPoolExecutor(WRITING, "write")
        self._sessions = Sessions(limits.max_sessions)
        self._metrics = Metrics()
        self.flight = Flight(limits.max_in_flight)

    def app(self) -> web.Application:
        """The pages."""
        app = web.Application()
        app.router.add_route("*", "/", self._root)
        app.router.add_get("/ping", _ok)
        app.router.add_get("/replicas_status", _ok)
        app.router.add_get("/metrics", self._page)
        app.cleanup_ctx.append(self._sweeping)
        return app

    async def _root(self, request: web.Request) -> web.StreamResponse:
        line, started = log.Line(request.method), time.perf_counter()
        try:
            response = await self._enter(request, line)
        except Refusal as refused:
            line.code = refused.code
            response = self._error(refused, line)
        except (ConnectionError, ClientError, HttpProcessingError):  # the client has gone
            response = web.Response(status=499)
        except Exception as error:  # noqa: BLE001  # the next request must find us alive
            log.fault(error)
            fault = from_fault(error)
            line.code = fault.code
            response = self._error(fault, line)
        self._count(line, response.status, time.perf_counter() - started)
        return response

    def _count(self, line: log.Line, status: int, seconds: float) -> None:
        line.write(status, seconds)
        self._metrics.requests.labels(line.kind, str(status)).inc()
        self._metrics.seconds.labels(line.kind).observe(seconds)
        self._metrics.received.inc(line.received)
        self._metrics.rows.inc(line.rows)

    async def _enter(self, request: web.Request, line: log.Line) -> web.StreamResponse:
        who = account(self._limits.users, request.query, request.headers)
        line.user = who.name
        with self.flight.seat(restricted=who.restricted):
            asked = ask(request.query, request.headers, self._engine.settings)
            line.query_id = asked.query_id
            encoding = request.headers.get("Content-Encoding", "")
            body = Body(request.content, encoding, self._cap, in_blocks=asked.in_blocks)
            try:
                response = await self._read(request, who, asked, body, line)
                await response.prepare(request)
                await response.write_eof()  # a stop waits until it is sent
            finally:
                line.received = body.received
            return response

    async def _read(
        self, request: web.Request, who: Account, asked: Ask, body: Body, line: log.Line
    ) -> web.StreamResponse:
        """Read as much as it takes to know what is said, then let it be done."""
        text = asked.query.encode()
        if request.content_type == "multipart/form-data":
            more, params = await form(request, self._cap)
            asked = replace(asked, params={**asked.params, **params})
            text = _joined(text, more)
        elif opening(text).insert is not None:
            text += b"\n"  # and then come rows
        else:
            text = _joined(text, await body.read(LONGEST))
        if not text.strip():
            return web.Response(text="Ok.\n", headers=self._headers(line))
        if asked.greets and is_hello(text):
            return self._hello(asked, line)
        said = opening(text)
        line.kind = kind(said.word)
        async with self._turn(who, asked, said.word) as turn:
            if said.insert is not None:
                rows = text[said.insert.start :]
                return await self._insert(request, turn, said.insert, rows, body, line)
            text += await body.rest()
            lane = self._lane(said.word)
            return await self._query(request, turn, text, asked, lane, line)

    async def _insert(
        self,
        request: web.Request,
        turn: Turn,
        insert: Insert,
        rows: bytes,
        body: Body,
        line: log.Line,
    ) -> web.Response:
        """Hand rows to the engine as they come; a body that breaks writes nothing."""
        started = time.perf_counter()
        turn.may_write(by_get=request.method not in CHANGING)
        intake = await self._on(self._writes, partial(turn.insert, insert))
        try:
            piece = rows + await body.read(max(0, SLICE - len(rows)))
            while piece:
                await self._on(self._writes, partial(intake.append, piece))
                piece = await body.read(SLICE)
            written = await self._on(self._writes, intake.finish)
        finally:
            intake.close()
        line.rows = written.rows_written
        counts = {"written_rows": written.rows_written, "written_bytes": written.bytes_written}
        headers = self._headers(line)
        headers["X-ClickHouse-Summary"] = reply.summary(time.perf_counter() - started, counts)
        return web.Response(headers=headers)

    async def _query(
        self,
        request: web.Request,
        turn: Turn,
        text: bytes,
        asked: Ask,
        lane: Executor,
        line: log.Line,
    ) -> web.StreamResponse:
        started = time.perf_counter()
        by_get = request.method not in CHANGING
        found = await self._on(lane, partial(answer, turn, text, asked, by_get=by_get))
        headers = self._headers(line)
        headers["X-ClickHouse-Summary"] = reply.summary(
            time.perf_counter() - started, found.summary
        )
        try:
            run = partial(self._on, lane)
            encoder = Encoder(asked.accepted if any(found.pieces) else "", asked.blocks)
            return await reply.send(request, found, encoder, headers, run)
        finally:
            line.code = found.failed
            if found.more is not None:
                await asyncio.shield(self._on(lane, found.more.close))

    @asynccontextmanager
    async def _turn(self, who: Account, asked: Ask, word: str) -> AsyncIterator[Turn]:
        """A turn, in its session, ended whatever happens; a stop waits for one that writes."""
        loop = asyncio.get_running_loop()
        wanted = asked.session
        session = self._sessions.take(who.name, wanted, loop.time()) if wanted else None
        turn = Turn(self._engine, self._limits, who, asked, session, word=word)
        with nullcontext() if word in READS else self.flight.write():
            try:
                yield turn
            finally:
                await asyncio.shield(self._on(self._lane(word), turn.end))
                if wanted is not None and session is not None:
                    self._sessions.leave(session, wanted, loop.time())

    def _lane(self, word: str) -> Executor:
        """The threads for a statement, by its first word."""
        return self._reads if word in READS else self._writes

    async def _on(self, lane: Executor, job: Callable[[], T]) -> T:
        """Let a thread do what blocks."""
        return await asyncio.get_running_loop().run_in_executor(lane, job)

    async def _sweeping(self, _app: web.Application) -> AsyncIterator[None]:
        """While the pages are up, close sessions whose time is over."""
        task = asyncio.create_task(self._sweep())
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP)
            for handle in self._sessions.sweep(asyncio.get_running_loop().time()):
                with suppress(Refusal):
                    await self._on(self._reads, handle.close)

    def _headers(self, line: log.Line) -> dict[str, str]:
        return {
            "X-ClickHouse-Server-Display-Name": NAME,
            "X-ClickHouse-Query-Id": line.query_id,
            "X-ClickHouse-Timezone": self._engine.timezone,
        }

    def _hello(self, asked: Ask, line: log.Line) -> web.Response:
        headers = {**self._headers(line), "X-ClickHouse-Format": "Native"}
        answer_ = native.hello(NAME, self._engine.version, self._engine.timezone)
        return web.Response(body=Encoder("", asked.blocks).push(answer_), headers=headers)

    def _error(self, refused: Refusal, line: log.Line) -> web.Response:
        version = "" if "(version" in refused.text else f" (version {self._engine.version})"
        headers = {**self._headers(line), "X-ClickHouse-Exception-Code": str(refused.code)}
        text = f"{refused.text}{version}\n"
        return web.Response(status=refused.status, text=text, headers=headers)

    async def _page(self, _request: web.Request) -> web.Response:
        self._metrics.in_flight.set(self.flight.now)
        self._metrics.sessions.set(len(self._sessions))
        return web.Response(body=self._metrics.page(), content_type="text/plain")


def _joined(query: bytes, body: bytes) -> bytes:
    """The text of a request: what the URL says, then what the body says."""
    return b"\n".join(part for part in (query, body) if part)


async def _ok(_request: web.Request) -> web.Response:
    return web.Response(text="Ok.\n")
