"""A worker process from its settings to its exit code."""

import asyncio
import gc
import logging
import secrets
import signal
from importlib.metadata import version
from pathlib import Path
from typing import Any

import faust

from streams.core.kernels import CODE_PATH, USED, described
from streams.errors import ExpectedError
from streams.runtime.logs import log_to_stderr
from streams.runtime.shutdown import Shutdown
from streams.settings import Settings, home
from streams.transport import consumer_of, read_raw
from streams.worker.assembly import build
from streams.worker.naming import WorkerName, member_finder
from streams.worker.preflight import checked

log = logging.getLogger("kol.worker")

COLLECT = (200_000, 20, 100)  # allocations before a collection of the young, and so on

LAST_SECONDS = 0.05  # for tasks that were cancelled at the end


def run(settings: Settings, *, leaves: bool = False) -> int:
    """Work until SIGTERM; gives the exit code. The last line of the log says why it ended."""
    log_to_stderr(settings.log_level)
    shutdown = Shutdown()
    datadir = _datadir(settings)
    name = WorkerName(settings.worker.name, settings.app_id, datadir, member_finder(settings))
    try:
        settings = checked(settings)
        if settings.worker.name:
            name.acquire()
    except ExpectedError as refused:
        return shutdown.report(refused)
    log.info("version %s, %s", version("kol-streams"), described(CODE_PATH))
    if USED:
        read_raw(USED)
    app = build(settings, datadir, leaves=leaves)
    shutdown.explain = lambda reason: name.explained(reason, consumer_of(app).member_id())
    tune_collector()
    reason = _run_to_its_end(app, settings, shutdown)
    gc.collect()  # warnings of what is thrown away come before the last line
    return shutdown.report(reason)


def _datadir(settings: Settings) -> Path:
    name = settings.worker.name or f"worker-{secrets.token_hex(4)}"
    datadir = home() / "data" / "faust" / name
    datadir.mkdir(parents=True, exist_ok=True)
    return datadir


def _run_to_its_end(app: faust.App, settings: Settings, shutdown: Shutdown) -> BaseException | None:
    """What ended the worker, None for a stop in order."""
    worker = BoundedWorker(
        shutdown,
        app,
        loglevel=settings.log_level.upper(),
        logging_config=None,
        override_logging=False,
        redirect_stdouts=False,
        quiet=True,
    )
    try:
        worker.execute_from_commandline()
    except SystemExit as end:
        return (end.__context__ or end) if end.code else None
    return None


class BoundedWorker(faust.Worker):
    """Faust's worker with a bound on its shutdown, and without its idle second."""

    def __init__(self, shutdown: Shutdown, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  # Faust's
        super().__init__(*args, **kwargs)
        self.spinner = None  # it writes to the terminal, here to the log
        self._bounded_by = shutdown

    def _schedule_shutdown(self, signal: signal.Signals) -> None:
        self._bounded_by.begin()
        super()._schedule_shutdown(signal)

    async def _sentinel_task(self) -> None:
        await asyncio.sleep(LAST_SECONDS)

    def _crash(self, reason: BaseException) -> None:
        self._bounded_by.begin(reason)
        super()._crash(reason)


def tune_collector() -> None:
    """Let the garbage collector run seldom: rows are lists of lists, and none of them a cycle."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT)
