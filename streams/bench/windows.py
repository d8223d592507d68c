"""A measured window of a running process: so many events after so many to warm up.

A process that is measured says on its standard output when its window begins and when it is over,
one line of JSON each (`Marks`); `measure_child` starts one, reads the lines, and looks at the CPU
of the broker and the engine at the same moments. Starting, importing and compiling is outside.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from streams.bench.cpu import Pids, all_seconds, spent
from streams.errors import ExpectedError

MARK: Final = '{"kol_bench":'  # begins a mark, which goes to the end of its line
SHOWN: Final = 500  # characters of what a failed process has said last

Run = dict[str, Any]  # the figures of one measurement


class MeasureError(ExpectedError):
    """A process that is measured has failed, or was too slow; says what it said last."""


@dataclass(slots=True)
class Marks:
    """Prints the marks of a window: after `warm` events, and after `events` more.

    Args:
        warm: events before the window.
        events: in the window, at least.

    """

    warm: int
    events: int
    count: int = 0
    has_begun: bool = False

    def count_done(self, events: int) -> bool:
        """Count processed events; True once the window is over."""
        self.count += events
        if not self.has_begun:
            if self.count >= self.warm:
                self.has_begun, self.warm = True, self.count
                self.print_mark()
            return False
        return self.count - self.warm >= self.events

    def print_mark(self) -> None:
        """Print how far this process is, and what it has cost so far."""
        mark = {
            "events": self.count,
            "wall": time.perf_counter(),
            "cpu": time.process_time(),
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        sys.stdout.write(f"{MARK} {json.dumps(mark)}}}\n")
        sys.stdout.flush()


def window(events: int, wall: float, cpu: Mapping[str, float], name: str) -> Run:
    """The figures of one measurement.

    Args:
        events: in the window.
        wall: seconds of it.
        cpu: seconds of each process.
        name: of the process that is rated.

    """
    per_event = {one: round(seconds / events * 1e6, 3) for one, seconds in cpu.items()}
    return {
        "events": events,
        "seconds": round(wall, 3),
        "events_per_second": round(events / wall) if wall else 0,
        "cpu_us_per_event": per_event[name],
        "cpu_us": per_event,
    }


def measure_child(
    name: str,
    command: Sequence[str],
    pids: Pids,
    seconds: float,
    *,
    folder: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Run:
    """The figures of a process that prints two marks, and of the processes beside it.

    Args:
        name: of the process, in the figures.
        command: starts it.
        pids: processes that are measured with it.
        seconds: until it is given up.
        folder: in which it runs.
        env: added to this process's.

    Raises:
        MeasureError: it failed, or was too slow.

    """
    marks: list[tuple[dict[str, float], dict[str, float]]] = []
    with tempfile.TemporaryFile("w+") as errors:
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=folder,
            env={**os.environ, **(env or {})},
        ) as process:
            timer = threading.Timer(seconds, process.kill)
            timer.start()
            try:
                assert process.stdout is not None  # noqa: S101  # for the type checker
                for line in process.stdout:
                    if (at := line.find(MARK)) >= 0:  # some write to a terminal before it
                        beside = all_seconds(pids)  # at once
                        marks.append((json.loads(line[at:])["kol_bench"], beside))
                code = process.wait()
            finally:
                timer.cancel()
                process.kill()
        if len(marks) < 2:  # noqa: PLR2004  # begin and end
            raise MeasureError(f"{name} gave no figure (exit code {code}): {_end_of(errors)}")
    (begin, before), (end, after) = marks[0], marks[-1]
    cpu = {name: end["cpu"] - begin["cpu"], **spent(before, after)}
    run = window(round(end["events"] - begin["events"]), end["wall"] - begin["wall"], cpu, name)
    return run | ({"peak_mb": round(end["peak_mb"], 1)} if "peak_mb" in end else {})


def _end_of(file: IO[str]) -> str:
    file.seek(0)
    return file.read()[-SHOWN:].strip()
