"""Start the gateway: `python -m deploy.embedded.gateway --help`."""

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path

from aiohttp import web

from deploy.embedded.gateway import log
from deploy.embedded.gateway.access import Secrets, memory, near, secrets
from deploy.embedded.gateway.engine import Engine, PathHeldError
from deploy.embedded.gateway.errors import Refusal
from deploy.embedded.gateway.server import Gateway

MAX_BODY = 256 << 20  # bytes of a body, decoded
KEEP_ALIVE = 600.0  # seconds an idle connection stays: a client's next insert must not find it cut
LONGEST_LINE = 1 << 20  # bytes of a URL; a server's http_max_uri_size
STOP_READS, STOP_WRITES = 2.0, 10.0  # seconds a clean stop waits for what is under way


def main() -> None:
    """Serve until SIGTERM or SIGINT; say in one line why it cannot."""
    given = _arguments()
    log.begin()
    try:
        near(given.host, remote=given.allow_remote)
        found = secrets(given.secrets)
        given.path.mkdir(parents=True, exist_ok=True)
        engine = Engine(given.path.resolve(), memory(found))
    except (ValueError, OSError, PathHeldError, Refusal) as error:
        sys.exit(f"gateway: {error}")
    try:
        done = asyncio.run(_serve(engine, found, given))
    except OSError as error:  # such as a port that is taken
        sys.exit(f"gateway: {error}")
    if done:
        engine.close()
        return
    log.note("stopped while queries still run: they cannot be cancelled")
    os._exit(0)  # threads inside the engine would hold the process until they are done


async def _serve(engine: Engine, found: Secrets, given: argparse.Namespace) -> bool:
    """Serve until told to stop; whether nothing is left running."""
    gateway = Gateway(engine, found, given.max_body)
    runner = web.AppRunner(
        gateway.app(),
        access_log=None,
        auto_decompress=False,
        keepalive_timeout=KEEP_ALIVE,
        max_line_size=LONGEST_LINE,
        shutdown_timeout=0.1,
    )
    await runner.setup()
    site = web.TCPSite(runner, given.host, given.port)
    await site.start()
    log.note(f"serving {given.path} on {given.host}:{given.port}, engine {engine.version}")
    await _told_to_stop()
    log.note("stopping")
    await site.stop()
    done = await gateway.flight.land(STOP_READS, STOP_WRITES)
    await runner.cleanup()
    return done


async def _told_to_stop() -> None:
    told = asyncio.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(one, told.set)
    await told.wait()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("gateway", description=__doc__)
    parser.add_argument("--path", type=Path, required=True, help="the engine's directory")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8123)
    parser.add_argument("--secrets", type=Path, required=True, help="JSON, mode 0600")
    parser.add_argument("--max-body", type=int, default=MAX_BODY, help="bytes, decoded")
    parser.add_argument("--allow-remote", action="store_true", help="accept a host beyond loopback")
    return parser.parse_args()


if __name__ == "__main__":
    main()
