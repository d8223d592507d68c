"""Waiting for what another process does: until it is so, never for a time."""

import os
import time
from collections.abc import Callable
from pathlib import Path

LIMIT = 120.0  # seconds after which it will not happen any more


def until(so: Callable[[], object]) -> None:
    """Return once `so()` is true; fail where it never becomes true."""
    end = time.monotonic() + LIMIT
    while not so():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def lives(pid: int) -> bool:
    """Whether the process runs; one that only waits to be reaped does not."""
    stat = Path(f"/proc/{pid}/stat")
    if not Path("/proc/self").exists():
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        return True
    try:
        return stat.read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
