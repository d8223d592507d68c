"""A child process that logs to a file and never outlives its parent.

Two mechanisms end it when the parent is killed. A `Guard`, one small process beside each parent,
kills the process groups of its children. And on Linux the kernel kills each child
(`PR_SET_PDEATHSIG`): a launcher sets that between fork and exec, then checks that the parent is
still the same, so there is no gap, and the guard may be killed too. For the kernel the parent is
the *thread* that started the child: start it from a thread that lives as long as it should.
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

MAX_LOG = 10 << 20  # bytes; a longer one is rotated when its process starts
KEPT_LOGS = 3  # rotated: NAME.log.1 is the newest
TAIL_LINES = 15
TAIL_BYTES = 8192
POLL_SECONDS = 0.02

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
    """A process that kills the process groups it holds once its parent is gone.

    It reads process groups from a pipe that ends when the last holder of its other end
    dies. A child that was started but is not held yet is missed: microseconds.
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
        """Kill this process group when this process dies."""
        self._send(f"+{group}\n")

    def release(self, group: int) -> None:
        """Hold this process group no longer."""
        self._send(f"-{group}\n")

    def close(self) -> None:
        """Kill the groups held, and end."""
        self._process.communicate()

    def _send(self, line: str) -> None:
        assert self._process.stdin is not None  # noqa: S101  # for the type checker
        with suppress(OSError, ValueError):  # it was killed, or closed
            self._process.stdin.write(line)
            self._process.stdin.flush()


@cache
def _guard() -> Guard:
    """The guard of this process; at exit it kills what is left."""
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
        """Its exit code, or minus the number of the signal that killed it; None while it runs."""
        if self._code is None and self._process.poll() is not None:
            self._code = self._process.returncode
            self._kill_group()
        return self._code

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL to it and all that it started."""
        self._signal(signal.SIGKILL)

    def stop(self, seconds: float) -> int:
        """Send SIGTERM, SIGKILL after some seconds; its exit code as `poll` gives it."""
        self.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        self.kill()
        self._process.wait()
        code = self.poll()
        assert code is not None  # noqa: S101  # for the type checker: it has ended
        return code

    def wait_until_ready(self, ready: Callable[[], bool], seconds: float) -> None:
        """Wait until `ready` is true.

        Raises:
            EmbeddedError: it ended, or is not ready in time; quotes the end of its log.

        """
        until = time.monotonic() + seconds
        while not ready():
            code = self.poll()
            if code is not None:
                raise EmbeddedError(f"{exit_text(code)} before it was ready\n{tail(self.log)}")
            if time.monotonic() > until:
                raise EmbeddedError(f"not ready after {seconds:.0f} s\n{tail(self.log)}")
            time.sleep(POLL_SECONDS)

    def _signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def _kill_group(self) -> None:
        """Kill whatever an ended process left running."""
        with suppress(ProcessLookupError, PermissionError):  # macOS: not ours means none there
            os.killpg(self.pid, signal.SIGKILL)
        self._guard.release(self.pid)


def exit_text(code: int) -> str:
    """How a process ended, in words.

    >>> exit_text(-9), exit_text(1)
    ('killed by SIGKILL', 'ended with code 1')
    """
    if code >= 0:
        return f"ended with code {code}"
    return f"killed by {signal.Signals(-code).name}"


def rotate(log: Path, limit: int = MAX_LOG) -> None:
    """Rename a log longer than `limit` bytes to NAME.1; the oldest of them is deleted."""
    if not log.exists() or log.stat().st_size <= limit:
        return
    rotated = [log, *(log.with_name(f"{log.name}.{n}") for n in range(1, KEPT_LOGS + 1))]
    for older, newer in zip(rotated[:0:-1], rotated[-2::-1], strict=True):
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
