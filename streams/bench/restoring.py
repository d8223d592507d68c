"""The cost of snapshots of a large memory, and the time that a restore takes.

A user side of some users after thirty days of traffic, and a KOL side of some KOLs, each one
partition, are snapshotted to a real broker while more traffic comes at 20 000 events a second
of event time, a snapshot every five seconds of it; then they are restored, with all that the
topic holds just then, and again once it is compacted.
"""

import asyncio
import gc
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from deploy.embedded import kafka
from schemas.blocks import Block
from schemas.cells import NAMES
from schemas.events import INPUTS
from schemas.topics import KOL_STATE, USER_STATE
from streams.bench.crowd import DAY_MS, START_MS, Crowd
from streams.bench.machine import machine
from streams.clients.kafka_admin import kafka_admin
from streams.core.kol.memory import KolMemory
from streams.core.user.memory import UserMemory
from streams.core.user.updates import collect_updates
from streams.settings import Kafka
from streams.snapshots import StateLog
from streams.worker.restore import in_threads

SEED: Final = 7
DAYS: Final = 30
EVENTS_A_USER: Final = 8  # in those days
INTERVAL_S: Final = 5  # between two snapshots
BLOCK: Final = 1_500  # cells of a message
KEY: Final = b"k" * 32
MB: Final = 1e6

Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Size:
    """How large the memories are, and how often they are measured."""

    users: int
    kols: int
    events: int = 20_000 * INTERVAL_S  # between two snapshots
    cells: int = 5_000  # of KOLs that something happens to between two; twice as many a minute
    minutes: int = 130  # of cells: those of two hours can still change
    snapshots: int = 36
    restores: int = 5
    patience_s: float = 60.0  # for compaction


class Memory(Protocol):
    """The memory of one side."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays of a snapshot."""


Restore = Callable[[Mapping[str, NDArray[Any]]], Memory]


def measure_on_own_broker(
    folder: Path, users: int, on_step: Callable[[str], None]
) -> dict[str, Any]:
    """The report of that many users and a tenth as many KOLs, on a broker in `folder`."""
    with kafka.broker(folder) as bootstrap:
        with kafka_admin(Kafka(bootstrap=bootstrap)) as broker:
            broker.create()
        size = Size(users, kols=max(users // 10, 1))
        figures = asyncio.run(measure(bootstrap, folder, size, on_step))
    return figures | {"machine": machine(), "topics": [USER_STATE, KOL_STATE]}


async def measure(
    bootstrap: str, folder: Path, size: Size, on_step: Callable[[str], None]
) -> Figures:
    """Figures of both sides; the state topics exist, and the broker's files are below `folder`."""
    sides = {
        "user": await _measure_side(
            _StateLogBench(bootstrap, folder, "user", USER_STATE, size),
            _users(size),
            _user_side,
            on_step,
        ),
        "kol": await _measure_side(
            _StateLogBench(bootstrap, folder, "kol", KOL_STATE, size),
            _kols(size),
            _kol_side,
            on_step,
        ),
    }
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"users": size.users, "kols": size.kols, "peak_mb": round(peak), **sides}


async def _measure_side(
    bench: "_StateLogBench",
    grown: Iterator[Memory],
    restore: Restore,
    on_step: Callable[[str], None],
) -> Figures:
    """Figures of one side."""
    on_step(f"{bench.side} side: building memory")
    memory = next(grown)
    first = await bench.measure_snapshots(memory, grown, 1)
    restored = await bench.measure_restores(restore)
    on_step(f"{bench.side} side: {bench.size.snapshots} snapshots")
    later = await bench.measure_snapshots(memory, grown, bench.size.snapshots)
    del memory, grown
    on_step(f"{bench.side} side: restoring")
    grown_large = await bench.measure_restores(restore)
    on_step(f"{bench.side} side: waiting for compaction")
    left = await bench.size_once_compacted()
    return {
        "first": first | {"restore": restored},
        "later": later | {"restore": grown_large},
        "compacted": {"topic_mb": left, "restore": await bench.measure_restores(restore)},
    }


class _StateLogBench:
    """One partition's state log under measurement."""

    def __init__(self, bootstrap: str, folder: Path, side: str, topic: str, size: Size) -> None:
        self.side, self.size = side, size
        self._bootstrap, self._folder, self._topic = bootstrap, folder, topic

    def _log(self) -> StateLog:
        client = {"bootstrap_servers": self._bootstrap}
        return StateLog(client, "bench", self.side, self._topic, 0)

    def _topic_bytes(self) -> int:
        """Bytes of the topic's records on the broker's disk."""
        files = self._folder.rglob(f"{self._topic}-0/*.log")
        return sum(file.stat().st_size for file in files)

    async def measure_snapshots(
        self, memory: Memory, grown: Iterator[Memory], snapshots: int
    ) -> Figures:
        """The cost of each snapshot, with traffic after every one."""
        rows: list[dict[str, float]] = []
        async with self._log() as log:
            await log.open()
            for _ in range(snapshots):
                started = time.perf_counter()
                capture = log.capture(memory.arrays())
                copied, cpu = time.perf_counter(), time.process_time()
                written = await log.write(capture, {"offset": 1})
                rows.append(
                    {
                        "copy_ms": (copied - started) * 1e3,
                        "copy_cpu_ms": capture.seconds * 1e3,
                        "written_mb": written.written_bytes / MB,
                        "records": written.chunks,
                        "cpu_s": capture.seconds + time.process_time() - cpu,
                        "told_s": written.work_s,  # to the pace
                        "seconds": written.seconds,
                        "bases_mb": sum(len(b.chunk) for b in capture.bases.values()) / MB,
                    }
                )
                memory = next(grown)
        return {
            "held_mb": round(written.state_bytes / MB, 1),
            **{name: _spread([row[name] for row in rows]) for name in rows[0]},
            "share_of_core": round(statistics.mean(r["cpu_s"] for r in rows) / INTERVAL_S, 4),
            "topic_mb": round(self._topic_bytes() / MB, 1),
        }

    async def measure_restores(self, restore: Restore) -> Figures:
        """The time of each restore: fence, read, verify, assemble, build indexes."""
        rows: list[dict[str, float]] = []
        for _ in range(self.size.restores):
            gc.collect()
            async with self._log() as log:
                started, cpu = time.perf_counter(), time.process_time()
                opened = await log.open()
                opened_at = time.perf_counter()
                memory = await asyncio.to_thread(restore, opened.arrays or {})
                ended = time.perf_counter()
            del memory
            rows.append(
                {
                    "seconds": ended - started,
                    "read_s": opened.read_seconds,
                    "assemble_s": opened_at - started - opened.read_seconds,
                    "indexes_s": ended - opened_at,
                    "cpu_s": time.process_time() - cpu,
                    "read_mb": opened.read_bytes / MB,
                }
            )
        return {name: _spread([row[name] for row in rows]) for name in rows[0]}

    async def size_once_compacted(self) -> float:
        """Megabytes on the topic once it no longer shrinks."""
        begun = since = time.monotonic()
        patience, size = self.size.patience_s, self._topic_bytes()
        while time.monotonic() - begun < patience and time.monotonic() - since < patience / 3:
            await asyncio.sleep(1)
            now = self._topic_bytes()
            if now != size:
                size, since = now, time.monotonic()
        return round(size / MB, 1)


def _spread(values: list[float]) -> dict[str, float]:
    return {
        "p50": round(statistics.median(values), 3),
        "max": round(max(values), 3),
    }


def _users(size: Size) -> Iterator[UserMemory]:
    """A memory after a month, and again after each interval."""
    memory, crowd = UserMemory(0, hmac_key=KEY), Crowd(SEED, size.users, kols=2_000)
    for _ in range(DAYS):
        _fold_traffic(memory, crowd, EVENTS_A_USER * size.users // DAYS, DAY_MS)
    while True:
        yield memory
        _fold_traffic(memory, crowd, size.events, INTERVAL_S * 1_000)


def _fold_traffic(memory: UserMemory, crowd: Crowd, events: int, passing_ms: int) -> None:
    for number, decoded in enumerate(crowd.batches(events, passing_ms)):
        memory.fold(decoded)
        if number % len(INPUTS) == len(INPUTS) - 1:
            collect_updates(memory)
            memory.prune(memory.watermark(INPUTS))


def _kols(size: Size) -> Iterator[KolMemory]:
    """A memory of all KOLs and the cells of two hours, and again after each interval."""
    memory, rng = KolMemory(0, 1), np.random.default_rng(SEED)
    names = [f"kol-{number:06d}" for number in range(size.kols)]
    version = 0
    for minute in range(size.minutes):
        chosen = rng.choice(size.kols, min(size.kols, 2 * size.cells), replace=False)
        version = _fold_cells(memory, names, chosen, minute, version, rng)
        memory.collect_updates()
    while True:
        yield memory
        version = _fold_cells(
            memory, names, rng.choice(size.kols, size.cells), size.minutes, version, rng
        )
        memory.collect_updates()


def _fold_cells(
    memory: KolMemory,
    names: list[str],
    kols: NDArray[np.int64],
    minute: int,
    version: int,
    rng: np.random.Generator,
) -> int:
    """Cells of these KOLs in one minute, in blocks; gives the last version."""
    at = START_MS // 60_000 + minute
    for start in range(0, len(kols), BLOCK):
        part = np.unique(kols[start : start + BLOCK])
        version += 1
        memory.fold(
            Block(
                watermarks={0: at * 60_000},
                lives={0: 1},
                source=np.zeros(len(part), np.uint16),
                kols=[names[kol] for kol in part.tolist()],
                kol=np.arange(len(part), dtype=np.int32),
                minute=np.full(len(part), at),
                fields=rng.integers(0, 50, (len(part), len(NAMES))),
                version=np.full(len(part), version, np.uint64),
            )
        )
    return version


def _user_side(arrays: Mapping[str, NDArray[Any]]) -> UserMemory:
    return UserMemory.restored(arrays, 0, hmac_key=KEY, run=in_threads)


def _kol_side(arrays: Mapping[str, NDArray[Any]]) -> KolMemory:
    return KolMemory.restored(arrays, 0)
