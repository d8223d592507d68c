"""Our workers as a system under measurement: `kol worker` with its sink, seen from outside.

They do all of their work: dedup, touches, orders, credits by six models, cells, scores, rows of
every event, snapshots. A window ends when all of it stands in ClickHouse and in a snapshot.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from deploy.embedded import ports
from schemas.topics import CELLS, DEAD_LETTERS, KOL_STATE, USER_STATE
from streams.bench.checkout import ROOT
from streams.bench.cpu import Pids, all_seconds, cpu_seconds, peak_mb, spent
from streams.bench.windows import MeasureError, Run, window
from streams.clients.kafka_admin import kafka_admin
from streams.clients.worker_pages import fetch_page
from streams.operations.drain import drain
from streams.settings import Settings

OWN_TOPICS: Final = (USER_STATE, KOL_STATE, CELLS, DEAD_LETTERS)
PATIENCE_SECONDS: Final = 300.0
LOOK_SECONDS: Final = 0.05
STOP_SECONDS: Final = 30.0
WORKER: Final = "worker"  # all of them, in figures


@dataclass(frozen=True, slots=True)
class Tree:
    """A version of the product: its interpreter, and the folder it is run in."""

    python: str = sys.executable
    folder: Path = ROOT  # else Python would take what is in the folder of who called

    def command(self, *words: str) -> list[str]:
        """The words that run a `kol` command of this version."""
        return [self.python, "-m", "streams.cli", *words]

    def run(self, *words: str, env: Mapping[str, str]) -> None:
        """Run a command to its end.

        Raises:
            MeasureError: it failed.

        """
        done = subprocess.run(
            self.command(*words),
            cwd=self.folder,
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            what = f"`kol {' '.join(words)}` of {self.folder}"
            raise MeasureError(f"{what} failed: {done.stderr[-500:]}")


OURS: Final = Tree()


@dataclass(frozen=True, slots=True)
class Place:
    """Where workers run: the settings of the stack, as values and as variables, and their log."""

    settings: Settings
    env: Mapping[str, str]
    log: Path

    def delete_app(self) -> None:
        """Delete the state and offsets of earlier workers, and the topics of both."""
        with kafka_admin(self.settings.kafka) as broker:
            broker.delete_app(self.settings.app_id, OWN_TOPICS)

    def reset_group(self) -> None:
        """The same, and create the topics: so the next workers read everything."""
        self.delete_app()
        with kafka_admin(self.settings.kafka) as broker:
            broker.create()

    def workers(self, count: int = 1, tree: Tree = OURS) -> "Workers":
        """So many workers of a version: a context, which stops them at its end."""
        return Workers(self, count, tree)

    def read_all(self, total: int) -> None:
        """Let a worker read all `total` messages; returns once they are written and safe."""
        with self.workers() as group:
            group.wait_until_read(total)
            self._drain()

    def _drain(self) -> None:
        with kafka_admin(self.settings.kafka) as broker:
            drain(broker, self.settings.app_id, PATIENCE_SECONDS)

    def measure(
        self, warm: int, total: int, pids: Pids, workers: int = 1, tree: Tree = OURS
    ) -> Run:
        """CPU from the `warm`th message until all `total` are read, written and safe.

        Args:
            warm: messages before the window.
            total: messages on the topics.
            pids: processes that are measured beside the workers.
            workers: how many read together.
            tree: whose workers.

        Raises:
            MeasureError: a worker ended, or they were too slow.

        """
        with self.workers(workers, tree) as group:
            first = group.wait_until_read(warm)
            if first >= total:
                raise MeasureError(
                    f"all {total:,} messages were read before the window: give more --events"
                )
            wall, before = time.perf_counter(), group.seconds() | all_seconds(pids)
            group.wait_until_read(total)
            read = time.perf_counter()
            self._drain()
            cpu = spent(before, group.seconds() | all_seconds(pids))
            return window(total - first, read - wall, cpu, WORKER) | {"peak_mb": group.peak_mb()}


class Workers:
    """Some workers of one group, each on a port of its own."""

    def __init__(self, place: Place, count: int, tree: Tree) -> None:
        self._place, self._tree = place, tree
        self._ports = ports.free(*[0] * count)
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        with self._place.log.open("ab") as log:
            for port in self._ports:
                # without a name: there may be several, and each leaves the group when it stops
                own = {"KOL_WORKER__PORT": str(port), "KOL_WORKER__NAME": ""}
                self._processes.append(
                    subprocess.Popen(
                        self._tree.command("worker"),
                        cwd=self._tree.folder,
                        env={**os.environ, **self._place.env, **own},
                        stdout=log,
                        stderr=log,
                    )
                )
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def seconds(self) -> dict[str, float]:
        """CPU of all of them so far."""
        return {WORKER: sum(cpu_seconds(process.pid) for process in self._processes)}

    def peak_mb(self) -> float:
        """The most memory that one of them has held."""
        return max(peak_mb(process.pid) for process in self._processes)

    def wait_until_read(self, events: int) -> int:
        """Wait until so many messages are read; gives how many are.

        Raises:
            MeasureError: as `Place.measure`.

        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if any(process.poll() is not None for process in self._processes):
                raise MeasureError(f"a worker has ended: {_end_of(self._place.log)}")
            read = [_status(port).get("read", 0) for port in self._ports]
            if all(read) and sum(read) >= events:  # each of them has begun
                return sum(read)
            time.sleep(LOOK_SECONDS)
        raise MeasureError(f"{events} messages were not read in {PATIENCE_SECONDS:.0f} s")


def _status(port: int) -> dict[str, Any]:
    page = fetch_page(f"http://{ports.HOST}:{port}/status.json")
    return dict(json.loads(page)) if page else {}


def _end_of(log: Path) -> str:
    return log.read_text(errors="replace")[-500:].strip()


def sizes(values: Sequence[int]) -> list[str]:
    """What runs with so many workers are called.

    >>> sizes([1, 2])
    ['ours', 'ours, 2 workers']
    """
    return ["ours" if n == 1 else f"ours, {n} workers" for n in values]
