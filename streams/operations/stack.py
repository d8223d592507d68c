"""The stack of `kol up` and of the demo: its processes on this machine."""

import json
import shlex
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from deploy.embedded import kafka, ports
from deploy.embedded.state_folder import EmbeddedError, StateFolder
from deploy.embedded.supervisor import ProcessSpec, Supervisor
from streams.clients.worker_pages import answers
from streams.errors import NAME_IN_USE
from streams.settings import Settings, environment, load

PARTITIONS = 4
ENGINE_PORT, TRAINER_PORT, WORKER_PORT = 8123, 6065, 6066
ADMIN, READER = "kol", "reader"
DEMO_MARK = "demo-only"  # a file in the homes that the demo may empty
ENGINE_STOP_SECONDS = 15.0
WORKER_STOP_SECONDS = 10.0  # by itself; it is killed two seconds later


def clear_demo_home(home: StateFolder) -> None:
    """Empty a home for the demo.

    Raises:
        EmbeddedError: something runs in it, or it holds what the demo alone did not make.

    """
    mark = home.path / DEMO_MARK
    if (owner := home.owner()) is not None:
        raise EmbeddedError(
            f"{home.path} is already run by process {owner}: "
            f"`kol top --home {shlex.quote(str(home.path))}` shows its KOLs"
        )
    if not mark.exists() and any(path.is_file() for path in home.data.rglob("*")):
        raise EmbeddedError(f"{home.path} holds events of `kol up`: kol demo --home another-folder")
    home.clear()
    mark.touch()


def keep_from_demo(home: StateFolder) -> None:
    """Mark a home as one that the demo may no longer empty."""
    (home.path / DEMO_MARK).unlink(missing_ok=True)


def supervisor(
    home: StateFolder,
    workers: int,
    on_change: Callable[[str], None] = lambda _: None,
    settings: Mapping[str, Any] | None = None,
    *,
    has_trainer: bool = True,
) -> Supervisor:
    """A supervisor of broker, engine, topics, tables, trainer and workers; nothing runs yet.

    Args:
        home: folder of state, logs and secrets.
        workers: how many.
        on_change: called with every change of a process.
        settings: replace those that the stack gives to workers and commands.
        has_trainer: whether a trainer is among them.

    """
    broker = kafka.node(home, kafka.fetch(on_change))
    engine_port, trainer_port, *worker_ports = ports.free(
        ENGINE_PORT, TRAINER_PORT, *range(WORKER_PORT, WORKER_PORT + workers)
    )
    given = {**_settings(home, broker.bootstrap, engine_port), **(settings or {})}
    env = environment(given) | {"KOL_HOME": str(home.path)}
    specs = [
        broker.process_spec(),
        _engine_spec(home, engine_port),
        ProcessSpec("topics", kol_command("topics"), env=env, after=("kafka",), oneshot=True),
        ProcessSpec(
            "migrate", kol_command("migrate"), env=env, after=("clickhouse",), oneshot=True
        ),
        *([_trainer_spec(trainer_port, env)] if has_trainer else []),
        *(_worker_spec(f"worker-{n}", port, env) for n, port in enumerate(worker_ports)),
    ]
    addresses = {
        "kafka": {"bootstrap": broker.bootstrap},
        "clickhouse": {
            "host": ports.HOST,
            "port": engine_port,
            "admin_user": ADMIN,
            "admin_password": home.secrets().admin_password,
            "admin_password_file": str(home.admin_password_file),
            "reader_user": READER,
            "reader_password_file": str(home.reader_password_file),
        },
        "trainer": f"http://{ports.HOST}:{trainer_port}",
        "workers": [f"http://{ports.HOST}:{port}" for port in worker_ports],
    }
    return Supervisor(home, specs, {**addresses, "settings": given}, on_change)


def _settings(home: StateFolder, bootstrap: str, engine_port: int) -> dict[str, Any]:
    """The settings of workers and commands of this stack."""
    secrets, ours = home.secrets(), load(())
    return {
        "kafka": {"bootstrap": bootstrap, "partitions": PARTITIONS},
        "clickhouse": {
            "host": ports.HOST,
            "port": engine_port,
            "username": ADMIN,
            "password": secrets.admin_password,
            "reader_username": READER,
            "reader_password": secrets.reader_password,
        },
        "hmac_key": secrets.hmac_key,
        "currency": ours.currency,
        "business_zone": ours.business_zone,  # or a turn by hand would have days of another one
    }


def _engine_spec(home: StateFolder, port: int) -> ProcessSpec:
    page = f"http://{ports.HOST}:{port}/ping"
    words = [
        *_python("deploy.embedded.gateway"),
        *("--path", str(home.clickhouse), "--host", ports.HOST),
        *("--port", str(port), "--secrets", str(_accounts(home))),
    ]
    return ProcessSpec(
        "clickhouse", words, ready=lambda: answers(page), stop_seconds=ENGINE_STOP_SECONDS
    )


def _trainer_spec(port: int, env: Mapping[str, str]) -> ProcessSpec:
    page = f"http://{ports.HOST}:{port}/status.json"
    return ProcessSpec(
        "trainer",
        kol_command("trainer"),
        env={**env, "KOL_TRAINER__PORT": str(port)},
        after=("topics", "migrate"),
        ready=lambda: answers(page),
        stop_seconds=WORKER_STOP_SECONDS + 2,
    )


def _worker_spec(name: str, port: int, env: Mapping[str, str]) -> ProcessSpec:
    page = f"http://{ports.HOST}:{port}/status.json"
    return ProcessSpec(
        name,
        kol_command("worker"),
        env={**env, "KOL_WORKER__NAME": name, "KOL_WORKER__PORT": str(port)},
        after=("topics", "migrate"),
        ready=lambda: answers(page),
        stop_seconds=WORKER_STOP_SECONDS + 2,
        in_use_code=NAME_IN_USE,
    )


def _accounts(home: StateFolder) -> Path:
    """The file of the engine's accounts: one that writes, one that only reads."""
    secrets = home.secrets()
    path = home.secrets_folder / "clickhouse.json"
    users = {
        ADMIN: {"password": secrets.admin_password, "role": "admin"},
        READER: {"password": secrets.reader_password, "role": "reader"},
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps({"users": users}))
    return path


def _python(module: str) -> list[str]:
    return [sys.executable, "-m", module]


def kol_command(command: str) -> list[str]:
    """The command line of a `kol` command."""
    return [*_python("streams.cli"), command]


class RunningStack:
    """The embedded stack, supervised by a thread of this process."""

    def __init__(
        self,
        folder: StateFolder,
        workers: int,
        on_change: Callable[[str], None],
        *,
        has_trainer: bool = True,
    ) -> None:
        self.urls: list[str] = []  # of the workers' pages
        self._folder = folder
        self._on_change = on_change
        self._error: BaseException | None = None
        self._supervisor = supervisor(folder, workers, self._changed, has_trainer=has_trainer)
        self._thread = threading.Thread(target=self._run, name="supervisor")

    def start(self) -> None:
        """Start everything and return once it is ready; raises what went wrong."""
        self._thread.start()
        while not self._supervisor.ready.wait(0.1):
            if self._error is not None:
                raise self._error
        self.urls = (self._folder.status() or {}).get("workers", [])

    @property
    def settings(self) -> Settings:
        """Those of this stack: its addresses win over any that the environment names."""
        return load((), **(self._folder.status() or {})["settings"])

    def stop(self) -> None:
        """Stop everything."""
        if self._thread.is_alive():
            self._supervisor.request_stop()
            self._thread.join()

    def _run(self) -> None:
        try:
            self._supervisor.run()
        except BaseException as error:  # noqa: BLE001  # re-raised by `start`
            self._error = error

    def _changed(self, line: str) -> None:
        """Report changes until everything is ready; `supervisor` reports before it returns."""
        if not (hasattr(self, "_supervisor") and self._supervisor.ready.is_set()):
            self._on_change(line)
