"""Workers of a replay on this machine, which `kol replay run` starts and stops."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from deploy.embedded.process import Process, tail
from deploy.embedded.state_folder import StateFolder
from streams.errors import ExpectedError
from streams.operations.replay.prepare import replay_worker
from streams.operations.stack import WORKER_STOP_SECONDS, kol_command


class WorkerExitedError(ExpectedError):
    """A worker ended by itself; says what the last line of its log says."""


@contextmanager
def local_workers(
    folder: StateFolder, app: str, variables: Mapping[str, str], count: int
) -> Iterator[Callable[[], None]]:
    """Run workers of a second app on this machine.

    Gives a check that raises `WorkerExitedError` once one of them has exited.

    Args:
        folder: whose settings the workers read, and where their logs go.
        app: names the workers and their logs.
        variables: what their environment says beyond this process's own.
        count: how many.

    """
    workers: list[Process] = []
    try:
        workers.extend(
            _worker(folder, replay_worker(app, number), variables) for number in range(count)
        )
        yield lambda: _check_running(workers)
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.stop(WORKER_STOP_SECONDS + 2)


def _worker(folder: StateFolder, name: str, variables: Mapping[str, str]) -> Process:
    log = folder.log(name)
    log.parent.mkdir(parents=True, exist_ok=True)
    own = {"KOL_WORKER__NAME": name, "KOL_WORKER__PORT": "0"}
    words = [*kol_command("worker"), "--leave", "--home", str(folder.path)]
    return Process(words, log, env={**os.environ, **variables, **own})


def _check_running(workers: list[Process]) -> None:
    for worker in workers:
        if worker.poll() is not None:
            raise WorkerExitedError(
                f"a worker of the replay ended: {tail(worker.log, 1)} Run this again: it goes on "
                "from its last snapshot"
            )
