"""The folder of the embedded stack: its state, logs and secrets, and which process owns it.

    .kol/  data/kafka  data/clickhouse  logs/NAME.log  run/status.json  secrets/

One supervisor at a time owns a home. It holds a lock on `run/supervisor.pid`, which the kernel
releases whenever the process ends: so a pid that a dead process left behind, or that another
process got since, is never taken for the owner.
"""

import fcntl
import json
import os
import secrets
import shutil
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LOCK_SECONDS = 0.5  # whoever only asks who owns the home holds the lock for a moment


class EmbeddedError(Exception):
    """The embedded stack cannot do this on this machine; the text says why and how to fix it."""


class BusyError(EmbeddedError):
    """Another supervisor owns the home."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """The generated secrets of a home; never shown."""

    hmac_key: str = field(repr=False)  # 64 hex digits, keys `user_hash`
    admin_password: str = field(repr=False)  # of the engine's account that writes
    reader_password: str = field(repr=False)  # of the one that only reads
    cluster_id: str = field(repr=False)  # of the broker: 16 bytes in base64, no padding


class StateFolder:
    """One folder, by default `.kol`; nothing is created before `create` or `acquire`."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path).absolute()
        self.logs = self.path / "logs"
        self.run = self.path / "run"
        self.data = self.path / "data"
        self.kafka = self.data / "kafka"
        self.clickhouse = self.data / "clickhouse"
        self.secrets_folder = self.path / "secrets"
        self.pid_file = self.run / "supervisor.pid"
        self.status_file = self.run / "status.json"
        self._lock: int | None = None

    def create(self) -> None:
        """Create what is missing; `run` and `secrets` are the owner's alone."""
        for folder in (self.logs, self.kafka, self.clickhouse):
            folder.mkdir(parents=True, exist_ok=True)
        for folder in (self.run, self.secrets_folder):
            folder.mkdir(mode=0o700, exist_ok=True)

    def log(self, name: str) -> Path:
        """Where the process `name` writes."""
        return self.logs / f"{name}.log"

    @property
    def admin_password_file(self) -> Path:
        """Where the password of the engine's account that writes is."""
        return self.secrets_folder / "clickhouse_admin_password"

    @property
    def reader_password_file(self) -> Path:
        """Where the password of the engine's account that only reads is."""
        return self.secrets_folder / "clickhouse_reader_password"

    def secrets(self) -> Secrets:
        """The secrets of this home, generated at the first call of any process."""
        return Secrets(
            hmac_key=self._secret("hmac_key", lambda: secrets.token_hex(32)),
            admin_password=self._secret(self.admin_password_file.name, secrets.token_urlsafe),
            reader_password=self._secret(self.reader_password_file.name, secrets.token_urlsafe),
            cluster_id=self._secret("kafka_cluster_id", _cluster_id),
        )

    def _secret(self, name: str, generate: Callable[[], str]) -> str:
        """The text of a file that the first process writes and none changes."""
        self.create()
        file = self.secrets_folder / name
        if not file.exists():
            draft = _write_draft(file, generate())
            try:
                os.link(draft, file)  # unlike a rename it does not replace another's
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        return file.read_text()

    def acquire(self) -> None:
        """Make this process the owner, until `release` or its end; twice is once.

        Raises:
            BusyError: another supervisor of this home is alive.

        """
        if self._lock is not None:
            return
        self.create()
        lock = os.open(self.pid_file, os.O_RDWR | os.O_CREAT, 0o600)
        until = time.monotonic() + LOCK_SECONDS
        while not _try_lock(lock, fcntl.LOCK_EX):
            if time.monotonic() > until:
                pid = _pid_in(lock)
                os.close(lock)
                raise BusyError(f"{self.path} is already run by process {pid}: `kol down` stops it")
            time.sleep(0.01)
        os.ftruncate(lock, 0)
        self.status_file.unlink(missing_ok=True)  # of one that was killed
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        self._lock = lock

    def release(self) -> None:
        """Give up the ownership."""
        if self._lock is not None:
            os.ftruncate(self._lock, 0)
            os.close(self._lock)
            self._lock = None

    def owner(self) -> int | None:
        """The pid of the process that owns this home; None if none does, 0 if not yet known."""
        try:
            lock = os.open(self.pid_file, os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            return None if _try_lock(lock, fcntl.LOCK_SH) else _pid_in(lock)
        finally:
            os.close(lock)

    def clear(self) -> None:
        """Delete all events and rows: empty `data` and `run`; logs and secrets stay.

        Raises:
            BusyError: another supervisor of this home is alive.

        """
        was_owner = self._lock is not None
        self.acquire()
        try:
            shutil.rmtree(self.data)
            for file in self.run.iterdir():
                if file.is_dir():
                    shutil.rmtree(file)
                elif file != self.pid_file:
                    file.unlink()
            self.create()
        finally:
            if not was_owner:
                self.release()

    def write_status(self, status: Mapping[str, Any]) -> None:
        """Write `run/status.json` atomically."""
        _write_draft(self.status_file, json.dumps(status, indent=2) + "\n").replace(
            self.status_file
        )

    def status(self) -> dict[str, Any] | None:
        """The last status of the running supervisor; None if none runs."""
        owner = self.owner()
        if owner is None:
            return None
        try:
            status = dict(json.loads(self.status_file.read_text()))
        except FileNotFoundError:
            return None
        return status if status.get("supervisor") == owner else None


def _write_draft(file: Path, text: str) -> Path:
    """A file beside `file` that holds `text` and only its owner may read."""
    draft = file.with_name(f"{file.name}.{uuid.uuid4().hex}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(text)
    return draft


def _try_lock(lock: int, kind: int) -> bool:
    """Take the lock without waiting; whether that succeeded."""
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _pid_in(lock: int) -> int:
    """The process id in the file; 0 where its owner has not written it yet."""
    return int(os.pread(lock, 20, 0) or b"0")


def _cluster_id() -> str:
    """A random id as Kafka likes them: one that a command line takes for no option."""
    while (made := urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return made
