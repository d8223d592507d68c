"""CPU time and memory of running processes, read from outside."""

import os
from collections.abc import Mapping
from pathlib import Path

Pids = Mapping[str, int]  # what a process is -> its pid
Seconds = dict[str, float]  # what a process is -> CPU seconds so far, or of a window


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and its threads so far; in ticks of 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mb(pid: int) -> float:
    """The most memory a process has held so far."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    peak = next(line for line in lines if line.startswith("VmHWM"))
    return round(int(peak.split()[1]) / 1024, 1)


def all_seconds(pids: Pids) -> Seconds:
    """CPU seconds of each process so far."""
    return {name: cpu_seconds(pid) for name, pid in pids.items()}


def spent(before: Seconds, after: Seconds) -> Seconds:
    """CPU seconds of each process between two moments.

    >>> spent({"broker": 1.0, "engine": 2.5}, {"broker": 1.5, "engine": 2.5})
    {'broker': 0.5, 'engine': 0.0}
    """
    return {name: after[name] - before[name] for name in before}
