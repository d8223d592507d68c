"""The one process that starts the others, in order, restarts what dies, stops all at the end.

    waiting ──▶ starting ──▶ up ──▶ resting ──▶ starting …      a service
    waiting ──▶ starting ──▶ done                               a oneshot

Who dies before it was ever ready fails the start, with the end of its log (a service is
tried three times); later it is started again for ever, after a rest that doubles. Nobody
else is disturbed by that: clients of a broker know how to wait for it.
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

from deploy.embedded.process import Process, ending, rotate, tail
from deploy.embedded.state_folder import BusyError, EmbeddedError, StateFolder

TICK = 0.02  # seconds between two looks while something is on its way
CALM = 0.1  # and while all is well
TRIES = 3  # starts of a service that was never ready
LIVED = 0.5  # seconds after which a service without a question counts as ready
FIRST_REST, LONGEST_REST = 0.2, 5.0  # seconds before a restart
HEALTHY = 60.0  # seconds up after which the next rest is the first one again
PATIENCE = 60.0  # seconds a stop may take, for whoever asked for it from outside


@dataclass(frozen=True, slots=True)
class Child:
    """One process to keep.

    `ready` is asked often and must answer at once (well under a second); an `OSError`
    counts as no. Without it, a child that has lived half a second is ready.
    """

    name: str  # also that of its log
    command: Sequence[str] | Callable[[], Sequence[str]]  # asked for again at each start
    env: Mapping[str, str] = field(default_factory=dict)  # added to the supervisor's
    cwd: Path | None = None
    ready: Callable[[], bool] | None = None
    after: Sequence[str] = ()  # names that are ready, or done, before it starts
    ready_seconds: float = 60.0  # each start may take so long
    stop_seconds: float = 10.0  # from SIGTERM to SIGKILL
    oneshot: bool = False  # ends by itself, with 0, and is done


class State(StrEnum):
    """Where a child stands."""

    WAITING = "waiting"
    STARTING = "starting"
    UP = "up"
    RESTING = "resting"
    DONE = "done"


@dataclass(slots=True)
class _Kept:
    """A child, and what became of it so far; moments are of the monotonic clock."""

    child: Child
    behind: frozenset[str]  # everybody it needs, directly or not
    state: State = State.WAITING
    process: Process | None = None
    started: float = 0.0
    starts: int = 0
    was_ready: bool = False
    rest: float = 0.0
    resumes: float = 0.0
    asked: bool = False  # to end

    @property
    def settled(self) -> bool:
        return self.state in (State.UP, State.DONE)


class Supervisor:
    """Keeps `children` alive in `home`; `run` is all that most callers need.

    Args:
        home: is owned from `start` to the end of `stop`.
        children: in any order; `after` says which.
        extra: put into `run/status.json` as it is.
        on_change: told each change in one line, from the thread that runs.

    """

    def __init__(
        self,
        home: StateFolder,
        children: Sequence[Child],
        extra: Mapping[str, Any] | None = None,
        on_change: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._home = home
        self._kept = {kept.child.name: kept for kept in _ordered(children)}
        self._extra = dict(extra or {})
        self._say = on_change
        self._began = 0.0
        self._requests = 0  # to stop; the second one is impatient
        self.ready = threading.Event()

    def run(self) -> None:
        """Start, watch until SIGTERM, SIGINT, SIGHUP or `ask`, stop; a second one hurries.

        Raises:
            BusyError: another supervisor of the home is alive.
            EmbeddedError: a child could not be started; all others are stopped again.

        """
        with self._signals():
            self.start()
            try:
                while not self._requests:
                    self.step()
                    time.sleep(CALM)
            finally:
                self.stop()

    def ask(self) -> None:
        """Ask a running supervisor to stop, from any thread; asking twice hurries it."""
        self._requests += 1

    def start(self) -> None:
        """Own the home and bring all children up, or return early when asked to stop.

        Raises:
            BusyError, EmbeddedError: as `run`; nothing is left running.

        """
        self._home.take()
        try:
            self._began = time.monotonic()
            self._tell()
            while not self.ready.is_set() and not self._requests:
                self.step()
                time.sleep(TICK)
        except BaseException:
            self.stop()
            raise

    def step(self) -> None:
        """Look at each child once; never blocks for long.

        Raises:
            EmbeddedError: one that never was ready has failed for good.

        """
        for kept in self._kept.values():
            self._look(kept)
        settled = all(kept.settled for kept in self._kept.values())
        if settled and not self.ready.is_set():
            self.ready.set()
            self._change(f"ready after {time.monotonic() - self._began:.1f} s")

    def stop(self) -> None:
        """Stop those first whom nobody needs any more, then give the home back."""
        living = {name: kept for name, kept in self._kept.items() if kept.process}
        while living:
            needed = frozenset[str]().union(*(kept.behind for kept in living.values()))
            for name, kept in list(living.items()):
                if name not in needed and self._ended(kept):
                    del living[name]
            time.sleep(TICK)
        self._home.status_file.unlink(missing_ok=True)
        self._home.release()

    def _look(self, kept: _Kept) -> None:
        now = time.monotonic()
        match kept.state:
            case State.WAITING if all(self._kept[name].settled for name in kept.child.after):
                self._launch(kept, now)
            case State.RESTING if now >= kept.resumes:
                self._launch(kept, now)
            case State.STARTING | State.UP:
                assert kept.process is not None  # noqa: S101  # for the type checker
                code = kept.process.poll()
                if code is not None:
                    self._died(kept, code, now)
                elif kept.state is State.STARTING:
                    self._await(kept, now)

    def _launch(self, kept: _Kept, now: float) -> None:
        child = kept.child
        command = child.command() if callable(child.command) else child.command
        log = self._home.log(child.name)
        kept.process = Process(command, log, env=child.env, cwd=child.cwd)
        kept.state, kept.started = State.STARTING, now
        kept.starts += 1
        self._change(f"{child.name}: starting")

    def _await(self, kept: _Kept, now: float) -> None:
        lived = now - kept.started
        if not kept.child.oneshot and _is_ready(kept.child, lived):
            kept.state, kept.was_ready = State.UP, True
            self._change(f"{kept.child.name}: ready after {lived:.1f} s")
        elif lived > kept.child.ready_seconds:
            self._fail(kept, f"not ready after {lived:.0f} s", now)

    def _died(self, kept: _Kept, code: int, now: float) -> None:
        if kept.child.oneshot and code == 0:
            kept.state, kept.process = State.DONE, None
            self._change(f"{kept.child.name}: done after {now - kept.started:.1f} s")
            return
        self._fail(kept, ending(code), now)

    def _fail(self, kept: _Kept, why: str, now: float) -> None:
        assert kept.process is not None  # noqa: S101  # for the type checker
        kept.process.stop(0)
        kept.process = None
        name = kept.child.name
        if not kept.was_ready and (kept.child.oneshot or kept.starts >= TRIES):
            raise EmbeddedError(f"{name} {why}\n{tail(self._home.log(name))}")
        kept.rest = next_rest(kept.rest, now - kept.started)
        kept.state, kept.resumes = State.RESTING, now + kept.rest
        self._change(f"{name}: {why}, again in {kept.rest:.1f} s")

    def _ended(self, kept: _Kept) -> bool:
        """Whether it is gone; asks it to go, and insists once its time is up."""
        assert kept.process is not None  # noqa: S101  # for the type checker
        now = time.monotonic()
        if not kept.asked:
            kept.asked, kept.resumes = True, now + kept.child.stop_seconds
            kept.process.terminate()
            self._change(f"{kept.child.name}: stopping")
        elif now > kept.resumes or self._requests > 1:
            kept.process.kill()
        if kept.process.poll() is None:
            return False
        kept.process = None
        self._change(f"{kept.child.name}: stopped")
        return True

    def _change(self, line: str) -> None:
        self._tell()
        with suppress(OSError):  # a terminal that is gone must not stop what runs
            self._say(line)

    def _tell(self) -> None:
        """Write down how things stand; those without a process are not in the list."""
        state = "ready" if self.ready.is_set() else "starting"
        if any(kept.asked for kept in self._kept.values()):
            state = "stopping"
        processes = [
            {
                "name": name,
                "pid": kept.process.pid,
                "since": round(kept.process.since, 3),
                "restarts": kept.starts - 1,
                "state": str(kept.state),
            }
            for name, kept in self._kept.items()
            if kept.process
        ]
        self._home.tell(
            {"supervisor": os.getpid(), "state": state, "processes": processes, **self._extra}
        )

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Signals ask to stop; where they cannot be caught, outside the main thread, `ask` does."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def asked(_number: int, _frame: FrameType | None) -> None:
            self.ask()

        numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        before = {number: signal.signal(number, asked) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def next_rest(rest: float, lived: float) -> float:
    """Seconds until the next start: double the last rest, unless a healthy minute came after it.

    >>> next_rest(0.0, 1.0), next_rest(0.2, 1.0), next_rest(4.0, 1.0), next_rest(4.0, 61.0)
    (0.2, 0.4, 5.0, 0.2)
    """
    return FIRST_REST if lived >= HEALTHY else min(max(2 * rest, FIRST_REST), LONGEST_REST)


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
    home.make()
    log = home.log("supervisor")
    rotate(log)
    with log.open("ab") as out:
        said = out.tell()
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    until = time.monotonic() + seconds
    while True:
        code = process.poll()
        said = _relay(log, said, on_change)
        status = home.status() or {}
        if code is None and status.get("state") == "ready":
            process.returncode = 0  # it is its own master now, and nobody waits for it
            return status
        if code is not None or time.monotonic() > until:
            why = f"is not ready after {seconds:.0f} s" if code is None else ending(code)
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
            process.kill()
            process.wait()
            raise EmbeddedError(f"the supervisor {why}\n{tail(log)}")
        time.sleep(TICK)


def stop(home: StateFolder, seconds: float = PATIENCE) -> bool:
    """Stop the supervisor of a home, from another process; whether there was one.

    Its children are gone too: it stops them, and where it is killed they die with it.

    Raises:
        EmbeddedError: it does not even die when killed.

    """
    while (pid := home.owner()) == 0:
        time.sleep(TICK)  # it is about to write its number down
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
            time.sleep(TICK)
    raise EmbeddedError(f"process {pid} cannot be stopped")


def _is_ready(child: Child, lived: float) -> bool:
    if child.ready is None:
        return lived >= LIVED
    try:
        return child.ready()
    except OSError:
        return False


def _ordered(children: Sequence[Child]) -> list[_Kept]:
    """Each child behind all that it needs.

    Raises:
        ValueError: a name is there twice, unknown, or needs itself.

    """
    by_name = {child.name: child for child in children}
    if len(by_name) < len(children):
        raise ValueError("two children have the same name")
    placed: dict[str, _Kept] = {}
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
            needs = [placed[name].behind | {name} for name in child.after]
            placed[child.name] = _Kept(child, frozenset[str]().union(*needs))
    return list(placed.values())


def _relay(log: Path, offset: int, on_change: Callable[[str], None]) -> int:
    """Pass on the whole lines that came since `offset`; where the next ones begin."""
    with log.open("rb") as file:
        file.seek(offset)
        new = file.read()
    whole = new[: new.rfind(b"\n") + 1]
    for line in whole.decode(errors="replace").splitlines():
        on_change(line)
    return offset + len(whole)
