"""What a worker tells who asks over HTTP: metrics, liveness, readiness, how it stands."""

import faust
from aiohttp import web

from streams.worker.health import Health


async def serve(app: faust.App, health: Health, host: str, port: int) -> None:
    """Answer until the app stops; port 0 takes a free one."""
    site = web.Application()
    site.add_routes(
        [
            web.get("/metrics", lambda _: _metrics(health)),
            web.get("/healthz/live", lambda _: _verdict(health.live())),
            web.get("/healthz/ready", lambda _: _verdict(health.ready())),
            web.get("/status.json", lambda _: _status(health)),
        ]
    )
    runner = web.AppRunner(site, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        await app.wait_for_stopped()
    finally:
        await runner.cleanup()


async def _metrics(health: Health) -> web.Response:
    return web.Response(
        body=health.exposition(),
        headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
    )


async def _verdict(faults: list[str]) -> web.Response:
    return web.json_response({"ok": not faults, "faults": faults}, status=503 if faults else 200)


async def _status(health: Health) -> web.Response:
    return web.json_response(health.status())
