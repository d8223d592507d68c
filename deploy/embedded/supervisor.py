"""The process that starts all others in order, restarts those that die, stops all at the end.

    waiting ──▶ starting ──▶ up ──▶ backoff ──▶ starting …      a service
    waiting ──▶ starting ──▶ done                               a oneshot

A child that dies before it was ever ready fails the start, with the end of its log (a service
is tried three times). Later it is restarted without limit, after a backoff that doubles. The
others keep running: clients of a broker know how to wait for it. Only one that ends because
another process is in its place waits for a minute.
"""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import Any

from deploy.embedded.process import Process, exit_text, rotate, tail
from deploy.embedded.state_folder import BusyError, EmbeddedError, StateFolder

POLL_SECONDS = 0.02  # while something starts or stops
IDLE_POLL_SECONDS = 0.1  # once all are up
MAX_STARTS = 3  # of a service that was never ready
READY_AFTER_SECONDS = 0.5  # of a service that has no `ready`
MIN_BACKOFF, MAX_BACKOFF = 0.2, 5.0  # seconds before a restart
IN_USE_BACKOFF = 60.0  # where another process is in its place
HEALTHY_SECONDS = 60.0  # up; then the next backoff is the least one again
STOP_SECONDS = 60.0  # that `stop` waits before it kills the supervisor


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """How one process is run.

    `ready` is called often and must return within a fraction of a second; an `OSError` counts
    as not ready. Without it, a child that has run for half a second is ready.
    """

    name: str  # also that of its log
    command: Sequence[str] | Callable[[], Sequence[str]]  # called again at each start
    env: Mapping[str, str] = field(default_factory=dict)  # added to the supervisor's
    cwd: Path | None = None
    ready: Callable[[], bool] | None = None
    after: Sequence[str] = ()  # names that are ready, or done, before it starts
    ready_seconds: float = 60.0  # the most that a start may take
    stop_seconds: float = 10.0  # from SIGTERM to SIGKILL
    oneshot: bool = False  # ends by itself, with 0, and is done
    in_use_code: int | None = None  # its exit code where another process is in its place


class State(StrEnum):
    """The state of a child."""

    WAITING = "waiting"
    STARTING = "starting"
    UP = "up"
    BACKOFF = "backoff"
    DONE = "done"


@dataclass(slots=True)
class _Supervised:
    """A child and its state so far; moments are of the monotonic clock."""

    spec: ProcessSpec
    needs: frozenset[str]  # names of all that it needs, directly or not
    state: State = State.WAITING
    process: Process | None = None
    started: float = 0.0
    starts: int = 0
    was_ready: bool = False
    backoff: float = 0.0  # seconds
    deadline: float = 0.0
    is_stopping: bool = False

    @property
    def is_up_or_done(self) -> bool:
        return self.state in (State.UP, State.DONE)


class Supervisor:
    """Keeps `children` running in `home`; most callers need `run` alone.

    Args:
        home: is owned from `start` to the end of `stop`.
        children: in any order; `after` says which.
        extra: put into `run/status.json` as it is.
        on_change: called with each change as one line, in the thread that runs.

    """

    def __init__(
        self,
        home: StateFolder,
        children: Sequence[ProcessSpec],
        extra: Mapping[str, Any] | None = None,
        on_change: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._home = home
        self._supervised = {one.spec.name: one for one in _in_start_order(children)}
        self._extra = dict(extra or {})
        self._on_change = on_change
        self._began = 0.0
        self._requests = 0  # to stop; the second one hurries it
        self.ready = threading.Event()

    def run(self) -> None:
        """Start all, watch until SIGTERM, SIGINT, SIGHUP or `request_stop`, stop all.

        Raises:
            BusyError: another supervisor of the home is alive.
            EmbeddedError: a child could not be started; all others are stopped again.

        """
        with self._signals():
            self.start()
            try:
                while not self._requests:
                    self.step()
                    time.sleep(IDLE_POLL_SECONDS)
            finally:
                self.stop()

    def request_stop(self) -> None:
        """Let `run` stop, from any thread; the second call makes it kill at once."""
        self._requests += 1

    def start(self) -> None:
        """Acquire the home and start all children; returns early after `request_stop`.

        Raises:
            BusyError, EmbeddedError: as `run`; nothing is left running.

        """
        self._home.acquire()
        try:
            self._began = time.monotonic()
            self._write_status()
            while not self.ready.is_set() and not self._requests:
                self.step()
                time.sleep(POLL_SECONDS)
        except BaseException:
            self.stop()
            raise

    def step(self) -> None:
        """Check each child once, start or restart where due; never blocks for long.

        Raises:
            EmbeddedError: one that never was ready has failed for good.

        """
        for one in self._supervised.values():
            self._advance(one)
        is_ready = all(one.is_up_or_done for one in self._supervised.values())
        if is_ready and not self.ready.is_set():
            self.ready.set()
            self._report(f"ready after {time.monotonic() - self._began:.1f} s")

    def stop(self) -> None:
        """Stop every child before those that it needs, then release the home."""
        living = {name: one for name, one in self._supervised.items() if one.process}
        while living:
            needed = frozenset[str]().union(*(one.needs for one in living.values()))
            for name, one in list(living.items()):
                if name not in needed and self._stop_one(one):
                    del living[name]
            time.sleep(POLL_SECONDS)
        self._home.status_file.unlink(missing_ok=True)
        self._home.release()

    def _advance(self, one: _Supervised) -> None:
        now = time.monotonic()
        match one.state:
            case State.WAITING if all(
                self._supervised[name].is_up_or_done for name in one.spec.after
            ):
                self._launch(one, now)
            case State.BACKOFF if now >= one.deadline:
                self._launch(one, now)
            case State.STARTING | State.UP:
                assert one.process is not None  # noqa: S101  # for the type checker
                code = one.process.poll()
                if code is not None:
                    self._on_exit(one, code, now)
                elif one.state is State.STARTING:
                    self._check_ready(one, now)

    def _launch(self, one: _Supervised, now: float) -> None:
        child = one.spec
        command = child.command() if callable(child.command) else child.command
        log = self._home.log(child.name)
        one.process = Process(command, log, env=child.env, cwd=child.cwd)
        one.state, one.started = State.STARTING, now
        one.starts += 1
        self._report(f"{child.name}: starting")

    def _check_ready(self, one: _Supervised, now: float) -> None:
        lived = now - one.started
        if not one.spec.oneshot and _is_ready(one.spec, lived):
            one.state, one.was_ready = State.UP, True
            self._report(f"{one.spec.name}: ready after {lived:.1f} s")
        elif lived > one.spec.ready_seconds:
            self._fail(one, f"not ready after {lived:.0f} s", now)

    def _on_exit(self, one: _Supervised, code: int, now: float) -> None:
        if one.spec.oneshot and code == 0:
            one.state, one.process = State.DONE, None
            self._report(f"{one.spec.name}: done after {now - one.started:.1f} s")
            return
        is_in_use = code == one.spec.in_use_code
        self._fail(one, exit_text(code), now, IN_USE_BACKOFF if is_in_use else None)

    def _fail(self, one: _Supervised, why: str, now: float, backoff: float | None = None) -> None:
        """Start it again after `backoff` seconds, or after those of `next_backoff`.

        Raises:
            EmbeddedError: it was never ready, and trying again is of no use.

        """
        assert one.process is not None  # noqa: S101  # for the type checker
        one.process.stop(0)
        one.process = None
        name = one.spec.name
        is_last = one.spec.oneshot or one.starts >= MAX_STARTS or backoff is not None
        if is_last and not one.was_ready:
            raise EmbeddedError(f"{name} {why}\n{tail(self._home.log(name))}")
        one.backoff = backoff or next_backoff(one.backoff, now - one.started)
        one.state, one.deadline = State.BACKOFF, now + one.backoff
        self._report(f"{name}: {why}, again in {one.backoff:.1f} s")

    def _stop_one(self, one: _Supervised) -> bool:
        """Send SIGTERM once, SIGKILL when the time is up; whether the process has ended."""
        assert one.process is not None  # noqa: S101  # for the type checker
        now = time.monotonic()
        if not one.is_stopping:
            one.is_stopping, one.deadline = True, now + one.spec.stop_seconds
            one.process.terminate()
            self._report(f"{one.spec.name}: stopping")
        elif now > one.deadline or self._requests > 1:
            one.process.kill()
        if one.process.poll() is None:
            return False
        one.process = None
        self._report(f"{one.spec.name}: stopped")
        return True

    def _report(self, line: str) -> None:
        self._write_status()
        with suppress(OSError):  # a terminal that is gone must not stop what runs
            self._on_change(line)

    def _write_status(self) -> None:
        """Write `run/status.json`; it lists the children that have a process."""
        state = "ready" if self.ready.is_set() else "starting"
        if any(one.is_stopping for one in self._supervised.values()):
            state = "stopping"
        processes = [
            {
                "name": name,
                "pid": one.process.pid,
                "since": round(one.process.since, 3),
                "restarts": one.starts - 1,
                "state": str(one.state),
            }
            for name, one in self._supervised.items()
            if one.process
        ]
        self._home.write_status(
            {"supervisor": os.getpid(), "state": state, "processes": processes, **self._extra}
        )

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Let signals call `request_stop`; outside the main thread they cannot be caught."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def on_signal(_number: int, _frame: FrameType | None) -> None:
            self.request_stop()

        numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        before = {number: signal.signal(number, on_signal) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def next_backoff(backoff: float, lived: float) -> float:
    """Seconds until the next start: twice the last ones, or the least after a healthy minute.

    >>> next_backoff(0.0, 1.0), next_backoff(4.0, 1.0), next_backoff(4.0, 61.0)
    (0.2, 5.0, 0.2)
    """
    return (
        MIN_BACKOFF if lived >= HEALTHY_SECONDS else min(max(2 * backoff, MIN_BACKOFF), MAX_BACKOFF)
    )


def detach(
    home: StateFolder,
    argv: Sequence[str],
    seconds: float = 180.0,
    on_change: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Run `argv`, which must supervise `home`, in the background; its status once all is ready.

    What it prints goes to `logs/supervisor.log` and, line by line, to `on_change`.

    Raises:
        BusyError: another supervisor of the home is alive.
        EmbeddedError: it ended, or is not ready in time; quotes the end of its log.

    """
    owner = home.owner()
    if owner is not None:
        raise BusyError(f"{home.path} is already run by process {owner}: `kol down` stops it")
    home.create()
    log = home.log("supervisor")
    rotate(log)
    with log.open("ab") as out:
        offset = out.tell()
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    until = time.monotonic() + seconds
    while True:
        code = process.poll()
        offset = _relay(log, offset, on_change)
        status = home.status() or {}
        is_own = status.get("supervisor") == process.pid
        if code is None and is_own and status.get("state") == "ready":
            process.returncode = 0  # it runs on by itself, and nobody waits for it
            return status
        if code is not None or time.monotonic() > until:
            why = f"is not ready after {seconds:.0f} s" if code is None else exit_text(code)
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
            process.kill()
            process.wait()
            raise EmbeddedError(f"the supervisor {why}\n{tail(log)}")
        time.sleep(POLL_SECONDS)


def stop(home: StateFolder, seconds: float = STOP_SECONDS) -> bool:
    """Stop the supervisor of a home, from another process; whether there was one.

    Its children are gone too: it stops them, and where it is killed they die with it.

    Raises:
        EmbeddedError: it runs on even after SIGKILL.

    """
    while (pid := home.owner()) == 0:
        time.sleep(POLL_SECONDS)  # it is about to write its number down
    if pid is None:
        return False
    for number, patience in ((signal.SIGTERM, seconds), (signal.SIGKILL, 5.0)):
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        until = time.monotonic() + patience
        while time.monotonic() < until:
            if home.owner() != pid:
                home.status_file.unlink(missing_ok=True)
                return True
            time.sleep(POLL_SECONDS)
    raise EmbeddedError(f"process {pid} cannot be stopped")


def _is_ready(spec: ProcessSpec, lived: float) -> bool:
    if spec.ready is None:
        return lived >= READY_AFTER_SECONDS
    try:
        return spec.ready()
    except OSError:
        return False


def _in_start_order(children: Sequence[ProcessSpec]) -> list[_Supervised]:
    """The children in an order in which each comes after all that it needs.

    Raises:
        ValueError: a name occurs twice, is unknown, or needs itself.

    """
    by_name = {child.name: child for child in children}
    if len(by_name) < len(children):
        raise ValueError("two children have the same name")
    placed: dict[str, _Supervised] = {}
    while len(placed) < len(by_name):
        fits = [
            child
            for child in children
            if child.name not in placed and all(name in placed for name in child.after)
        ]
        if not fits:
            raise ValueError(
                f"nobody to start first among {sorted(by_name.keys() - placed.keys())}"
            )
        for child in fits:
            needs = [placed[name].needs | {name} for name in child.after]
            placed[child.name] = _Supervised(child, frozenset[str]().union(*needs))
    return list(placed.values())


def _relay(log: Path, offset: int, on_change: Callable[[str], None]) -> int:
    """Call `on_change` with the whole lines after `offset`; the offset of the next one."""
    with log.open("rb") as file:
        file.seek(offset)
        new = file.read()
    whole = new[: new.rfind(b"\n") + 1]
    for line in whole.decode(errors="replace").splitlines():
        on_change(line)
    return offset + len(whole)
