"""The whole product as a person starts it, from `kol up` to `kol down`; and a broker for many."""

import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from deploy.embedded import kafka
from streams.clients.clickhouse import query, reader
from streams.settings import Settings, running_stack_settings
from tests.commands import command


@dataclass(frozen=True, slots=True)
class Product:
    """A running stack in a home of its own, spoken to through its commands."""

    home: Path

    def kol(self, *words: str, seconds: float = 240.0, env: Mapping[str, str] | None = None) -> str:
        """Run a command, give what it printed; fails when the command does."""
        done = command(*words, home=self.home, env=env, seconds=seconds)
        assert done.returncode == 0, f"kol {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    def json(self, *words: str) -> Any:  # noqa: ANN401  # any JSON value
        """Run a command with --json."""
        return json.loads(self.kol(*words, "--json"))

    def sql(self, question: str) -> list[dict[str, Any]]:
        """Rows of a question, read as `kol sql` reads them."""
        client = reader(self.settings.clickhouse)
        try:
            return query(client, question)
        finally:
            client.close()

    @property
    def settings(self) -> Settings:
        """What `kol up` left for the commands."""
        return Settings(**running_stack_settings(self.home))

    def send(self, lines: list[str]) -> None:
        """Ingest lines and wait until they are safe."""
        path = self.home / "events.jsonl"
        path.write_text("".join(f"{line}\n" for line in lines))
        self.kol("ingest", "--allow-late", str(path))
        self.kol("drain")

    def kill(self, name: str) -> None:
        """Kill a process of the stack as `kill -9` does."""
        (pid,) = [p["pid"] for p in self.json("status")["processes"] if p["name"] == name]
        os.kill(pid, signal.SIGKILL)


UNLEARNED: Final = {"KOL_TRAINER__DAILY_TRUST": "false"}
QUICK: Final = {"KOL_WORKER__SNAPSHOT_SECONDS": "0.5"}  # `kol drain` waits for two of them


@contextmanager
def running(
    home: Path, workers: int = 1, env: Mapping[str, str] | None = QUICK
) -> Iterator[Product]:
    """A stack from `kol up` to `kol down`; variables are for its processes.

    Nothing is learned of trust meanwhile, so that rows are those of the oracles.
    """
    product, env = Product(home), {**UNLEARNED, **(env or {})}
    product.kol("up", "--detach", "--workers", str(workers), env=env)
    try:
        yield product
    finally:
        product.kol("down")


@pytest.fixture(scope="session")
def broker_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the broker lies: in a folder with an awkward name."""
    return tmp_path_factory.mktemp("妈妈 and baby, #1")


@pytest.fixture(scope="session")
def broker(broker_home: Path) -> Iterator[str]:
    """A broker for all tests that leave it as it is, with topics and groups of their own."""
    with kafka.broker(broker_home, {"log.cleaner.backoff.ms": "100"}) as bootstrap:
        yield bootstrap


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Product]]:
    """Start a stack for one test."""
    stacks = []

    def started(workers: int = 1, env: Mapping[str, str] | None = QUICK) -> Product:
        stack = running(tmp_path / "home", workers, env)
        stacks.append(stack)
        return stack.__enter__()

    yield started
    for stack in stacks:
        stack.__exit__(None, None, None)
