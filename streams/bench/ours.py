"""Our worker as one of the three consumers: `kol worker` with its sink, measured from outside."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from schemas.topics import CELLS, DEAD_LETTERS, KOL_STATE, USER_STATE
from streams.bench.peer import window
from streams.clients.kafka_admin import kafka_admin
from streams.clients.worker_pages import fetch_page
from streams.operations.drain import drain
from streams.settings import Settings

OWN_TOPICS = (USER_STATE, KOL_STATE, CELLS, DEAD_LETTERS)
PATIENCE_SECONDS = 120.0
LOOK_SECONDS = 0.1


def reset_group(settings: Settings) -> None:
    """Delete the state and offsets of an earlier worker, so that the next one reads everything."""
    with kafka_admin(settings.kafka) as broker:
        broker.delete_app(settings.app_id, OWN_TOPICS)
        broker.create()


def measure(
    settings: Settings, env: Mapping[str, str], port: int, warm: int, total: int, log: Path
) -> dict[str, float]:
    """CPU of a worker from its `warm`th message until all `total` are read, written and safe."""
    with log.open("ab") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "streams.cli", "worker"],
            env={**os.environ, **env, "KOL_WORKER__PORT": str(port)},
            stdout=file,
            stderr=file,
        )
    try:
        url = f"http://127.0.0.1:{port}/status.json"
        first = _wait_until_read(process, url, warm)
        wall, cpu = time.perf_counter(), _cpu_seconds(process.pid)
        _wait_until_read(process, url, total)
        read = time.perf_counter()
        with kafka_admin(settings.kafka) as broker:
            drain(broker, settings.app_id, PATIENCE_SECONDS)
        spent = _cpu_seconds(process.pid) - cpu
        figures = window(total - first, read - wall, spent)
        return figures | {"peak_mb": _peak_mb(process.pid)}
    finally:
        process.terminate()
        process.wait(30)


def _wait_until_read(process: "subprocess.Popen[bytes]", url: str, events: int) -> int:
    """Wait until so many messages are read; gives how many are."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError("the worker ended: see its log")
        answer = fetch_page(url)
        read = int(_status(answer).get("read", 0))
        if read >= events:
            return read
        time.sleep(LOOK_SECONDS)
    raise RuntimeError(f"the worker did not read {events} messages in {PATIENCE_SECONDS:.0f} s")


def _status(answer: bytes | None) -> dict[str, Any]:
    return dict(json.loads(answer)) if answer else {}


def _cpu_seconds(pid: int) -> float:
    """User and system time of a process and its threads so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    peak = next(line for line in lines if line.startswith("VmHWM"))
    return round(int(peak.split()[1]) / 1024, 1)
