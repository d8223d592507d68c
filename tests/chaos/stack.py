"""The product on this machine, and the hands that break it: its processes, its connections."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from kafka.admin import KafkaAdminClient, MemberToRemove
from kafka.errors import NonEmptyGroupError, RetriableError

from deploy.embedded import kafka, ports
from deploy.embedded.process import Process, tail
from deploy.embedded.state_folder import StateFolder
from schemas.topics import KOL_STATE, USER_STATE
from streams.clients.kafka_admin import Broker, kafka_admin
from streams.clients.worker_pages import answers, fetch_page
from streams.settings import Settings, running_stack_settings
from tests.chaos.late_ends import LateEnds
from tests.chaos.proxy import Proxy, proxied
from tests.commands import command

T = TypeVar("T")

SESSION_SECONDS = 6.0  # the least a worker may have
PATIENCE = 60.0  # seconds until something that must come back has come back
START_SECONDS = 240.0  # until an extra worker serves for the first time, on a busy machine
LOOK = 0.05
EXTRA_STOP_SECONDS = 12.0

NO_VARIABLES: Mapping[str, str] = MappingProxyType({})
LOGS = ("worker-*.log", "extra-*.log", "guest-*.log", "trainer*.log")
REBALANCED = re.compile(r"Stabilized group (\S+) generation (\d+)")


class ChaosError(Exception):
    """The stack does not do what even a broken one must; says what."""


@dataclass(slots=True)
class Extra:
    """A worker or trainer of our own, beside those of the supervisor."""

    name: str
    env: Mapping[str, str]
    log: Path
    port: int
    words: tuple[str, ...] = ("worker", "--leave")
    process: Process | None = None
    stays: bool = True  # started again when it dies
    starts: int = 0


@dataclass(slots=True)
class Stack:
    """A running `kol up`, extra workers, and proxies in front of broker and engine."""

    path: Path
    workers: int
    env: Mapping[str, str]
    extras: dict[str, Extra] = field(default_factory=dict)
    broker_proxy: Proxy | None = None
    engine_proxy: Proxy | None = None
    faults: list[str] = field(default_factory=list)  # what the stack did wrong meanwhile

    @property
    def home(self) -> StateFolder:
        """Its folder."""
        return StateFolder(self.path)

    @property
    def settings(self) -> Settings:
        """As the commands see them."""
        return Settings(**running_stack_settings(self.path))

    def kol(self, *words: str, seconds: float = 300.0, env: Mapping[str, str] | None = None) -> str:
        """Run a command; its output.

        Raises:
            ChaosError: it failed.

        """
        done = command(*words, home=self.path, env={**self.env, **(env or {})}, seconds=seconds)
        if done.returncode:
            said = (done.stdout + done.stderr).strip()[-4_000:]
            raise ChaosError(f"kol {' '.join(words)} gave {done.returncode}: {said}\n{self.logs()}")
        return done.stdout

    def up(self, *words: str, env: Mapping[str, str] | None = None) -> None:
        """Start it."""
        self.kol("up", "--detach", "--workers", str(self.workers), *words, env=env)

    def logs(self) -> str:
        """The end of every worker's log."""
        logs = sorted(log for name in LOGS for log in self.home.logs.glob(name))
        return "\n".join(tail(log, 4) for log in logs)

    def count_in_logs(self, words: str) -> int:
        """How often workers have said something in their logs."""
        logs = (log for name in LOGS for log in self.home.logs.glob(f"{name}*"))
        return sum(log.read_text(errors="replace").count(words) for log in logs)

    # ------------------------------------------------------------ processes

    def names(self) -> list[str]:
        """Every worker that should live, supervised ones first."""
        extras = [name for name, extra in self.extras.items() if "worker" in extra.words]
        return [f"worker-{n}" for n in range(self.workers)] + extras

    def trainers(self) -> list[str]:
        """Every trainer that should live, the supervised one first."""
        return ["trainer", *(n for n, extra in self.extras.items() if "trainer" in extra.words)]

    def holder(self) -> str | None:
        """The trainer that says it holds the lock, if one answers so."""
        for name in self.trainers():
            page = fetch_page(f"{self.page(name)}/status.json") if self.page(name) else None
            if page and json.loads(page)["holds"]:
                return name
        return None

    def pid(self, name: str) -> int | None:
        """The living process of that name, if there is one."""
        extra = self.extras.get(name)
        if extra is not None:
            alive = extra.process is not None and extra.process.poll() is None
            return extra.process.pid if alive and extra.process else None
        status = self.home.status() or {}
        for process in status.get("processes", []):
            if process["name"] == name and _parent(process["pid"]) == status["supervisor"]:
                return int(process["pid"])
        return None

    def living(self, name: str) -> int:
        """The process of that name, as soon as there is one.

        Raises:
            ChaosError: nobody started it again.

        """
        return self.until(lambda: self.pid(name), f"{name} is not started again")

    def until(self, found: Callable[[], T | None], what: str, seconds: float = PATIENCE) -> T:
        """The first answer that is one; extra workers are kept meanwhile.

        Raises:
            ChaosError: none in time.

        """
        deadline = time.monotonic() + seconds
        while not (answer := found()):
            if time.monotonic() > deadline:
                raise ChaosError(f"{what}{self.logs()}")
            self.keep()
            time.sleep(LOOK)
        return answer

    def signal(self, name: str, number: signal.Signals) -> int:
        """Send a signal to the process of that name, once there is one; its pid."""

        def struck() -> int | None:
            pid = self.pid(name)
            try:
                if pid is not None:
                    os.kill(pid, number)
            except ProcessLookupError:
                return None  # it went by itself a moment ago: its successor, then
            return pid

        return self.until(struck, f"{name} is not started again")

    def restart(self, name: str) -> float:
        """Send SIGTERM, wait until its successor serves; seconds until the former was gone.

        Raises:
            ChaosError: it does not end, or nobody serves in its place.

        """
        self.living(name)
        begun = time.monotonic()
        pid = self.signal(name, signal.SIGTERM)
        self.until(lambda: self.pid(name) != pid or None, f"{name} does not stop")
        seconds = time.monotonic() - begun
        self.serves(name)
        return seconds

    def serves(self, name: str, seconds: float = PATIENCE) -> None:
        """Return once that worker holds its partitions, restored.

        Raises:
            ChaosError: it does not come to that.

        """
        self.living(name)
        ready = f"{self.page(name)}/healthz/ready"
        self.until(lambda: answers(ready), f"{name} is not ready", seconds)

    def page(self, name: str) -> str:
        """Where that worker answers over HTTP."""
        extra = self.extras.get(name)
        if extra is not None:
            return f"http://{ports.HOST}:{extra.port}"
        status = self.home.status() or {}
        if name == "trainer":
            return str(status.get("trainer", ""))
        urls = status.get("workers", [])
        number = int(name.removeprefix("worker-"))
        return str(urls[number]) if number < len(urls) else ""

    # ------------------------------------------------------------ extra workers

    def join(self, name: str, variables: Mapping[str, str] = NO_VARIABLES) -> None:
        """Start one more worker, of another app where they say so; through proxies, if any."""
        (port,) = ports.free(0)
        own = {"KOL_WORKER__NAME": name, "KOL_WORKER__PORT": str(port)}
        env = {**self.env, **variables, **own, **self._proxied()}
        self.extras[name] = Extra(name, env, self.home.log(name), port)
        self.keep()

    def join_trainer(self, name: str, variables: Mapping[str, str] = NO_VARIABLES) -> None:
        """Start one more trainer, as above; beside another one of its app it stands by."""
        (port,) = ports.free(0)
        env = {**self.env, **variables, "KOL_TRAINER__PORT": str(port), **self._proxied()}
        self.extras[name] = Extra(name, env, self.home.log(name), port, ("trainer",))
        self.keep()

    def _proxied(self) -> dict[str, str]:
        """Where broker and engine are for who is to be disturbed."""
        env = {}
        if self.broker_proxy is not None:
            env["KOL_KAFKA__BOOTSTRAP"] = f"{ports.HOST}:{self.broker_proxy.port}"
        if self.engine_proxy is not None:
            env["KOL_CLICKHOUSE__PORT"] = str(self.engine_proxy.port)
        return env

    def roll_up(self, name: str) -> None:
        """Let one more process take a turn of its own, and do not wait for it."""
        extra = Extra(name, self.env, self.home.log(name), 0, ("rollup",), stays=False)
        words = [sys.executable, "-m", "streams.cli", *extra.words, "--home", str(self.path)]
        extra.process = Process(words, extra.log, env=extra.env)
        self.extras[name] = extra

    def leave(self, name: str) -> None:
        """Take an extra process out again."""
        extra = self.extras.get(name)
        if extra is None or extra.process is None:
            return
        extra.stays = False
        with suppress(ProcessLookupError):
            os.kill(extra.process.pid, signal.SIGCONT)
        begun = time.monotonic()
        code = extra.process.stop(EXTRA_STOP_SECONDS)
        if code < 0 and time.monotonic() - begun >= EXTRA_STOP_SECONDS:
            self.faults.append(f"{name} did not stop in {EXTRA_STOP_SECONDS:.0f} s")
        del self.extras[name]

    def keep(self) -> None:
        """Start extra workers that died again, as a supervisor would."""
        for extra in self.extras.values():
            if extra.stays and (extra.process is None or extra.process.poll() is not None):
                words = [sys.executable, "-m", "streams.cli", *extra.words]
                command = [*words, "--home", str(self.path)]
                extra.process = Process(command, extra.log, env=extra.env)
                extra.starts += 1

    # ------------------------------------------------------------ connections

    def listen_behind(self, proxy: Proxy, port: int) -> None:
        """Give the broker a second listener on `port`, advertised where the proxy listens.

        Clients that come through the proxy then stay behind it. The broker must be restarted.
        """
        (file,) = self.home.run.glob("kafka-*.properties")
        properties = dict(line.split("=", 1) for line in file.read_text().splitlines())
        properties |= listeners_behind(proxy, port, properties)
        file.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))

    def rebalances(self) -> int:
        """How many generations the group has had, as the broker's log says."""
        group = self.settings.app_id
        generations = set()
        for log in self.home.logs.glob("kafka.log*"):
            for name, generation in REBALANCED.findall(log.read_text(errors="replace")):
                if name == group:
                    generations.add(int(generation))
        return len(generations)


def listeners_behind(proxy: Proxy, port: int, properties: Mapping[str, str]) -> dict[str, str]:
    """The settings of a broker that change where it has a listener behind a proxy, too."""
    names = ("PLAINTEXT", "CONTROLLER", "PROXIED")
    return {
        "listeners": f"{properties['listeners']},PROXIED://{ports.HOST}:{port}",
        "advertised.listeners": (
            f"{properties['advertised.listeners']},PROXIED://{ports.HOST}:{proxy.port}"
        ),
        "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in names),
    }


def _parent(pid: int) -> int | None:
    """Who started a process; None where it is gone."""
    done = subprocess.run(
        ["ps", "-o", "ppid=", "-p", str(pid)],  # noqa: S607  # wherever a system keeps it
        capture_output=True,
        text=True,
        check=False,
    )
    return int(done.stdout) if done.stdout.strip() else None


@contextmanager
def running(
    path: Path, workers: int, env: Mapping[str, str], extras: int = 0, trainers: int = 0
) -> Iterator[Stack]:
    """A stack from `kol up` to `kol down`, with so many standing workers behind proxies.

    Trainers beside the supervised one stand by.
    """
    env = {"KOL_TRAINER__DAILY_TRUST": "false", **env}  # rows are those of the oracle
    stack = Stack(path, workers, env)
    with ExitStack() as held:
        try:
            stack.up()
            if extras:
                _through_proxies(stack, held)
            for number in range(extras):
                stack.join(f"extra-{number}")
            for name in stack.extras:  # or nothing passes the proxies yet
                stack.serves(name, START_SECONDS)
            for number in range(trainers):
                stack.join_trainer(f"trainer-{number}")
            yield stack
        finally:
            for name in list(stack.extras):
                stack.leave(name)
            stack.kol("down")


def _through_proxies(stack: Stack, held: ExitStack) -> None:
    (port,) = ports.free(0)
    stack.engine_proxy = held.enter_context(proxied(stack.settings.clickhouse.port))
    stack.broker_proxy = held.enter_context(proxied(port, LateEnds()))
    stack.listen_behind(stack.broker_proxy, port)
    before = stack.signal("kafka", signal.SIGKILL)
    listener = f"{ports.HOST}:{port}"
    stack.until(lambda: stack.pid("kafka") not in {None, before}, "the broker is not started again")
    stack.until(lambda: kafka.is_ready(listener), "the broker does not listen behind the proxy")


def forget_state(stack: Stack, settings: Settings) -> None:
    """With the stack down: delete the group and its states, so that all is read again."""
    with kafka.running(kafka.node(stack.home, kafka.fetch(), (0, 0))) as bootstrap:
        at = settings.kafka.model_copy(update={"bootstrap": bootstrap})
        with (
            kafka_admin(at) as questions,
            closing(KafkaAdminClient(bootstrap_servers=bootstrap)) as client,
        ):
            stack.until(lambda: _forgotten(questions, client, settings.app_id), "the group stays")


def _forgotten(questions: Broker, client: KafkaAdminClient, group: str) -> bool:
    """Whether the group is deleted: not while its coordinator loads; its members have ended."""
    try:
        questions.committed(group)  # who has no coordinator yet says so
        ended = [MemberToRemove(group_instance_id=name) for name in questions.members(group)]
        client.remove_group_members(group, ended)  # else their session has to end
        questions.delete_app(group, (USER_STATE, KOL_STATE))
    except (RetriableError, NonEmptyGroupError):
        return False
    return not questions.committed(group)
