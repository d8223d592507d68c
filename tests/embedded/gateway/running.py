"""A gateway to test against, in a process of its own; or a real server, when one is given."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client

from tests.embedded.waiting import until

MODULE = (sys.executable, "-m", "deploy.embedded.gateway")
ADMIN, READER = "default", "reader"
PASSWORDS = {ADMIN: "of the admin", READER: "of the reader"}
CAP = 32 << 20  # bytes of a body
SOON = 1.0  # seconds


@dataclass(frozen=True)
class Reply:
    """An answer as it came over the wire."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> int:
        return int(self.headers.get("X-ClickHouse-Exception-Code", "0"))

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass
class Server:
    """Something that speaks ClickHouse's HTTP interface."""

    host: str
    port: int
    passwords: Mapping[str, str]
    admin: str = ADMIN
    database: str = "kol"
    process: "subprocess.Popen[bytes] | None" = None
    log: Path = field(default_factory=Path)
    patience: float = 30.0  # seconds for an answer

    def client(self, user: str = "", **more: object) -> Client:
        """The official client, signed in."""
        return clickhouse_connect.get_client(**self.options(user, **more))

    def options(self, user: str = "", **more: object) -> dict[str, Any]:
        """What the official client wants to know."""
        user = user or self.admin
        return {
            "host": self.host,
            "port": self.port,
            "username": user,
            "password": self.passwords[user],
            "database": self.database,
            **more,
        }

    def ask(
        self,
        query: str = "",
        body: bytes = b"",
        *,
        by: str | None = "",
        method: str = "POST",
        path: str = "/",
        headers: Mapping[str, str] | None = None,
        url: Mapping[str, str] | None = None,
        **more: str,
    ) -> Reply:
        """One request without any client's help; by None sends no credentials."""
        by = self.admin if by == "" else by
        signed = {} if by is None else self.signed(by)
        asked = {"database": self.database, **(url or {}), **more}
        asked |= {"query": query} if query else {}
        with closing(
            http.client.HTTPConnection(self.host, self.port, timeout=self.patience)
        ) as connection:
            where = f"{path}?{urlencode(asked)}"
            connection.request(method, where, body, {**signed, **(headers or {})})
            answer = connection.getresponse()
            return Reply(answer.status, dict(answer.getheaders()), answer.read())

    def signed(self, user: str) -> dict[str, str]:
        """Headers that say who is asking."""
        return {"X-ClickHouse-User": user, "X-ClickHouse-Key": self.passwords[user]}

    def begin(self, query: str, length: int, by: str = "", **url: str) -> socket.socket:
        """The head of a POST whose body is still to come."""
        connection = socket.create_connection((self.host, self.port), timeout=30)
        asked = urlencode({"database": self.database, "query": query, **url})
        signed = self.signed(by or self.admin)
        lines = "".join(f"{name}: {value}\r\n" for name, value in signed.items())
        head = f"POST /?{asked} HTTP/1.1\r\nHost: x\r\n{lines}Content-Length: {length}\r\n\r\n"
        connection.sendall(head.encode())
        return connection

    def in_flight(self) -> int:
        """How many requests are under way."""
        page = self.ask(method="GET", path="/metrics", by=None).text
        lines = (line.split() for line in page.splitlines())
        return int(next(float(line[1]) for line in lines if line[0] == "kol_gateway_in_flight"))

    def stop(self, how: int = signal.SIGTERM) -> int:
        """End the process and say how it ended."""
        assert self.process is not None
        self.process.send_signal(how)
        return self.process.wait(30)


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def secrets(path: Path, **limits: int) -> Path:
    """A secrets file with an admin and a reader."""
    roles = {ADMIN: "admin", READER: "reader"}
    users = {
        name: {"password": password, "role": roles[name]} for name, password in PASSWORDS.items()
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps({"users": users, **limits}))
    return path


@contextmanager
def gateway(home: Path, *more: str, **limits: int) -> Iterator[Server]:
    """A gateway that keeps its data below `home`, up when this returns and gone afterwards."""
    port = free_port()
    words = ["--path", str(home / "engine"), "--port", str(port), *more]
    words += ["--secrets", str(secrets(home / "secrets.json", **limits))]
    log = home / "log"
    with log.open("ab") as file:
        process = subprocess.Popen([*MODULE, *words], stderr=file)
    server = Server("127.0.0.1", port, PASSWORDS, process=process, log=log)
    try:
        until(lambda: process.poll() is not None or answers(server))
        assert process.poll() is None, log.read_text()
        yield server
    finally:
        process.kill()
        process.wait(30)


def answers(server: Server) -> bool:
    """Whether somebody is there, and says so soon.

    Who connects in the very moment of a stop is left without an answer until the process ends.
    """
    with contextlib.suppress(OSError):
        return (
            replace(server, patience=SOON).ask(by=None, method="GET", path="/ping").text == "Ok.\n"
        )
    return False


def given() -> Server | None:
    """The real server that KOL_TEST_CLICKHOUSE_URL names, if it does."""
    url = os.environ.get("KOL_TEST_CLICKHOUSE_URL")
    if not url:
        return None
    parts = urlsplit(url)
    user = parts.username or ADMIN
    host, port = parts.hostname or "127.0.0.1", parts.port or 8123
    return Server(host, port, {user: parts.password or ""}, admin=user)
