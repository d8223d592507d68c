"""A child process that logs to a file and never outlives its parent.

Two things see to that when the parent is killed. A `Guard`, one small process beside each
parent, kills the groups of its children: them, and all that they started. And on Linux
the kernel kills each child (`PR_SET_PDEATHSIG`), asked for between fork and exec by a
launcher that also looks whether the parent is still the same: no moment is left open, and
the guard may be killed too. The kernel means the *thread* that started the child: start
one from a thread that lives as long as it should.
"""

import atexit
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

from deploy.embedded.state_folder import EmbeddedError

MAX_LOG = 10 << 20  # bytes; a longer one is put aside when its process starts
KEPT_LOGS = 3  # put aside: NAME.log.1 is the newest
TAIL_LINES = 15
TAIL_BYTES = 8192
TICK = 0.02  # seconds between two looks

LAUNCHER = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)  # PR_SET_PDEATHSIG, SIGKILL
if os.getppid() == int(sys.argv[1]):
    os.execvp(sys.argv[2], sys.argv[2:])
"""

GUARD = """
import os, signal, sys
held = set()
for line in sys.stdin:
    (held.add if line[0] == "+" else held.discard)(int(line[1:]))
for group in held:
    try: os.killpg(group, signal.SIGKILL)
    except OSError: pass
"""


class Guard:
    """A process that kills what it was told to hold, once its parent is gone.

    It reads process groups from a pipe that ends when the last holder of its other end
    dies. A child that was started but not yet told of is missed: microseconds.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", GUARD],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # Ctrl-C in a terminal is not for it
        )

    def hold(self, group: int) -> None:
        """Kill this process group, should we die."""
        self._tell(f"+{group}\n")

    def release(self, group: int) -> None:
        """It is gone, or no longer ours."""
        self._tell(f"-{group}\n")

    def close(self) -> None:
        """Kill what is held, and end."""
        self._process.communicate()

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None  # noqa: S101  # for the type checker
        with suppress(OSError, ValueError):  # it was killed, or closed
            self._process.stdin.write(line)
            self._process.stdin.flush()


@cache
def _guard() -> Guard:
    """The guard of this process; whoever is left at our exit is ended too."""
    guard = Guard()
    atexit.register(guard.close)
    return guard


class Process:
    """A running command, leader of its own session: signals reach all that it starts.

    Args:
        command: the program and its words.
        log: takes stdout and stderr, at its end.
        env: added to our own environment.
        cwd: where it runs, by default where we do.

    """

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.log = log
        self.since = time.time()  # seconds since the epoch, for people
        self._guard = _guard()
        self._code: int | None = None
        launcher = [sys.executable, "-I", "-S", "-c", LAUNCHER, str(os.getpid())]
        rotate(log)
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                [*(launcher if sys.platform == "linux" else ()), *command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                cwd=cwd,
                start_new_session=True,
            )
        self.pid = self._process.pid
        self._guard.hold(self.pid)

    def poll(self) -> int | None:
        """How it ended: exit code, or minus the signal's number; None while it runs."""
        if self._code is None and self._process.poll() is not None:
            self._code = self._process.returncode
            self._sweep()
        return self._code

    def terminate(self) -> None:
        """Ask it to end."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it, and all that it started."""
        self._signal(signal.SIGKILL)

    def stop(self, seconds: float) -> int:
        """Ask it to end, insist after some seconds; how it ended."""
        self.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        self.kill()
        self._process.wait()
        code = self.poll()
        assert code is not None  # noqa: S101  # for the type checker: it has ended
        return code

    def await_ready(self, ready: Callable[[], bool], seconds: float) -> None:
        """Return once it is ready.

        Raises:
            EmbeddedError: it ended, or is not ready in time; quotes the end of its log.

        """
        until = time.monotonic() + seconds
        while not ready():
            code = self.poll()
            if code is not None:
                raise EmbeddedError(f"{ending(code)} before it was ready\n{tail(self.log)}")
            if time.monotonic() > until:
                raise EmbeddedError(f"not ready after {seconds:.0f} s\n{tail(self.log)}")
            time.sleep(TICK)

    def _signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def _sweep(self) -> None:
        """Let nothing of an ended process live on."""
        with suppress(ProcessLookupError, PermissionError):  # macOS: not ours means none there
            os.killpg(self.pid, signal.SIGKILL)
        self._guard.release(self.pid)


def ending(code: int) -> str:
    """How a process ended, in words.

    >>> ending(-9), ending(1)
    ('killed by SIGKILL', 'ended with code 1')
    """
    if code >= 0:
        return f"ended with code {code}"
    return f"killed by {signal.Signals(-code).name}"


def rotate(log: Path, limit: int = MAX_LOG) -> None:
    """Put a log aside that has grown beyond `limit` bytes; the oldest one goes."""
    if not log.exists() or log.stat().st_size <= limit:
        return
    aside = [log, *(log.with_name(f"{log.name}.{n}") for n in range(1, KEPT_LOGS + 1))]
    for older, newer in zip(aside[:0:-1], aside[-2::-1], strict=True):
        if newer.exists():
            newer.replace(older)


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    """The last lines of a log, indented, below its name."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL_BYTES))
            last = file.read().decode(errors="replace").splitlines()[-lines:]
    except FileNotFoundError:
        last = []
    return "\n".join([f"the end of {log}:", *(f"  {line}" for line in last or ["(empty)"])])
