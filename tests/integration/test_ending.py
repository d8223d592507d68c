"""A worker asked to stop is gone in ten seconds, whatever is away; the next one goes on."""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.embedded import ports
from deploy.embedded.process import Process
from deploy.embedded.state_folder import StateFolder
from schemas.topics import KOL_STATE, USER_STATE
from streams.clients.kafka_admin import kafka_admin
from streams.clients.worker_pages import fetch_page
from streams.errors import NAME_IN_USE
from streams.settings import environment
from tests.chaos.flood import Flood
from tests.chaos.outage import flooded, sums
from tests.chaos.stack import Stack
from tests.chaos.stack import running as stacked

pytestmark = [pytest.mark.integration, pytest.mark.stack, pytest.mark.timeout(400)]

PROMISED = 10.0  # seconds from SIGTERM to the end
RATE = 20_000.0  # messages a second
ENOUGH = 60_000  # messages read before it is asked to stop
PATIENCE = 60.0
SOON = "0.5"  # seconds between snapshots where `kol drain` waits for them
COMPLAINTS = (
    *("Unclosed AIOKafkaProducer", "Unclosed AIOKafkaConsumer", "Event loop is closed"),
    *("was destroyed", "never retrieved"),
)


class Worker:
    """A worker of our own on a stack without any, by default in its home."""

    def __init__(
        self, stack: Stack, home: Path | None = None, *arguments: str, **settings: str
    ) -> None:
        (port,) = ports.free(0)
        self.url = f"http://{ports.HOST}:{port}/status.json"
        self.log = StateFolder(home or stack.path).log(f"own-{port}")
        self.log.unlink(missing_ok=True)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        env = {**stack.env, "KOL_WORKER__NAME": "own", "KOL_WORKER__PORT": str(port), **settings}
        command = [sys.executable, "-m", "streams.cli", "worker", "--home", str(home or stack.path)]
        self.process = Process([*command, *arguments], self.log, env=env)

    def reads(self, messages: int) -> None:
        """Return once it has read so many."""
        deadline = time.monotonic() + PATIENCE
        while (answer := fetch_page(self.url)) is None or json.loads(answer)["read"] < messages:
            assert time.monotonic() < deadline, self.log.read_text()[-3_000:]
            assert self.process.poll() is None, self.log.read_text()[-3_000:]
            time.sleep(0.1)

    def stop(self) -> float:
        """Ask it to end; how long that took."""
        begun = time.monotonic()
        code = self.process.stop(PATIENCE)
        seconds = time.monotonic() - begun
        assert code == 0, self.log.read_text()[-3_000:]
        return seconds

    def ended(self) -> tuple[int, str]:
        """How it ended by itself, and the last line of its log."""
        deadline = time.monotonic() + PATIENCE
        while (code := self.process.poll()) is None:
            assert time.monotonic() < deadline, self.log.read_text()[-3_000:]
            time.sleep(0.1)
        return code, self.lines()[-1]

    def lines(self) -> list[str]:
        """Its log."""
        return self.log.read_text().splitlines()


class Scene:
    """A stack without workers, and all that was ever sent to it."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.workers: list[Worker] = []
        self._last: Flood | None = None

    def worker(self, home: Path | None = None, *arguments: str, **settings: str) -> Worker:
        """Start one."""
        self.workers.append(Worker(self.stack, home, *arguments, **settings))
        return self.workers[-1]

    @contextmanager
    def flooded(self, rate: float) -> Iterator[None]:
        """Send at that rate, from here to the end of the block."""
        with flooded(self.stack, rate, self._last) as self._last:
            yield
        assert self._last.error is None

    def go_on(self, worker: Worker | None = None) -> list[str]:
        """Let a worker, by default a new one, read what is left; what is wrong then."""
        assert self._last is not None
        worker = worker or self.worker(KOL_WORKER__SNAPSHOT_SECONDS=SOON)
        self.stack.kol("drain")
        wrong = sums(self.stack.settings, self._last.answer)
        worker.stop()
        return wrong


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with stacked(tmp_path_factory.mktemp("ending") / "home", 0, {}) as made:
        yield Scene(made)


@pytest.fixture
def scene(stage: Scene) -> Iterator[Scene]:
    """For one test; no worker stays that did not end in it."""
    yield stage
    for worker in stage.workers:
        worker.process.kill()
    stage.workers.clear()


@contextmanager
def frozen(stack: Stack, name: str) -> Iterator[None]:
    """A process of the stack that is there and does nothing."""
    pid = stack.signal(name, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _message(line: str) -> str:
    message: str = json.loads(line)["message"]
    return message


def assert_gone_in_order(worker: Worker, seconds: float) -> None:
    """In time, with the last word it should have, and nothing left behind."""
    lines = worker.lines()
    assert seconds <= PROMISED
    assert _message(lines[-1]) == "stopped"
    assert not [line for line in lines if any(complaint in line for complaint in COMPLAINTS)]


def test_under_load_it_is_gone_in_ten_seconds_and_nothing_is_read_twice(scene: Scene) -> None:
    with scene.flooded(RATE):
        worker = scene.worker()
        worker.reads(ENOUGH)
        seconds = worker.stop()

    assert_gone_in_order(worker, seconds)
    assert not scene.go_on()


@pytest.mark.parametrize("away", ["clickhouse", "kafka"])
def test_it_is_gone_as_quickly_with_a_neighbour_away_and_the_next_one_reads_again(
    scene: Scene, away: str
) -> None:
    with scene.flooded(RATE):
        worker = scene.worker()
        worker.reads(ENOUGH)
        with frozen(scene.stack, away):
            seconds = worker.stop()

    assert_gone_in_order(worker, seconds)
    assert not scene.go_on()


def test_who_cannot_go_on_says_why_in_its_last_line(scene: Scene) -> None:
    other_count = scene.worker(KOL_KAFKA__PARTITIONS="8").ended()
    with scene.flooded(2_000.0):
        worker = scene.worker(KOL_WORKER__SNAPSHOT_SECONDS=SOON)
        worker.reads(2_000)
        scene.stack.kol("drain")
        worker.stop()
    with kafka_admin(scene.stack.settings.kafka) as broker:
        broker.delete_app("nobody", (USER_STATE, KOL_STATE))
        broker.create()
    without_state = scene.worker().ended()

    assert other_count[0] == without_state[0] == 1
    assert "has 4 partitions, not 8" in _message(other_count[1])
    assert "there is no snapshot of its state" in _message(without_state[1])


def test_of_two_workers_of_one_name_one_goes_and_stays_away_while_the_other_works(
    scene: Scene, tmp_path: Path
) -> None:
    address = environment((scene.stack.home.status() or {})["settings"])
    with scene.flooded(2_000.0):
        older = scene.worker(None, "--from-empty")  # whatever became of the state before
        older.reads(2_000)
        same_home = scene.worker().ended()
        newer = scene.worker(tmp_path, **address)
        fenced = older.ended()
        returned = scene.worker().ended()
        newer.reads(2_000)
        newer.process.kill()
        killed_and_back = scene.worker(tmp_path, **address)
        killed_and_back.reads(2_000)

    assert [code for code, _ in (same_home, fenced, returned)] == [NAME_IN_USE] * 3
    assert "named own runs in this home already" in _message(same_home[1])
    assert "another worker named own has joined from 127.0.0.1" in _message(fenced[1])
    assert "another worker named own is in the group, from 127.0.0.1" in _message(returned[1])
    assert not scene.go_on(killed_and_back)
