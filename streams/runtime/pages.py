"""What a process tells who asks over HTTP: metrics, liveness, readiness, how it stands."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from aiohttp import web


class Answers(Protocol):
    """What a process knows of itself."""

    def exposition(self) -> bytes:
        """Its metrics, as Prometheus reads them."""

    def live(self) -> list[str]:
        """Why it should be restarted; [] if it should not."""

    def ready(self) -> list[str]:
        """Why it cannot do its work now; [] if it can."""

    def status(self) -> dict[str, Any]:
        """How it stands, for `kol status`."""


async def serve(
    answers: Answers, host: str, port: int, stopped: Callable[[], Awaitable[object]]
) -> None:
    """Answer until `stopped` returns; port 0 takes a free one."""
    site = web.Application()
    site.add_routes(
        [
            web.get("/metrics", lambda _: _metrics(answers)),
            web.get("/healthz/live", lambda _: _verdict(answers.live())),
            web.get("/healthz/ready", lambda _: _verdict(answers.ready())),
            web.get("/status.json", lambda _: _status(answers)),
        ]
    )
    runner = web.AppRunner(site, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        await stopped()
    finally:
        await runner.cleanup()


async def _metrics(answers: Answers) -> web.Response:
    return web.Response(
        body=answers.exposition(),
        headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
    )


async def _verdict(faults: list[str]) -> web.Response:
    return web.json_response({"ok": not faults, "faults": faults}, status=503 if faults else 200)


async def _status(answers: Answers) -> web.Response:
    return web.json_response(answers.status())
