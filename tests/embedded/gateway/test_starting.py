"""The process itself: what it needs, what it refuses, how it stops, what it bounds."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.embedded.gateway.running import MODULE, READER, Server, answers, gateway, secrets
from tests.embedded.waiting import until

TABLE = "CREATE TABLE IF NOT EXISTS kept (a UInt64, b String) ENGINE = MergeTree ORDER BY a"


def refused(*words: str) -> str:
    """Why a gateway does not start."""
    done = subprocess.run(
        [*MODULE, *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    return done.stderr.splitlines()[-1]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A gateway with room for four requests."""
    with gateway(tmp_path_factory.mktemp("small"), max_in_flight=4) as server:
        server.ask(TABLE)
        yield server


def test_a_directory_has_one_gateway(small: Server, tmp_path: Path) -> None:
    path = str(small.log.parent / "engine")

    why = refused("--path", path, "--port", "0", "--secrets", str(secrets(tmp_path / "s")))

    assert small.process is not None
    assert why == f"gateway: {path} is held by another process (PID: {small.process.pid})"


def test_a_port_that_is_taken_is_named(small: Server, tmp_path: Path) -> None:
    words = ("--path", str(tmp_path / "engine"), "--port", str(small.port))

    assert "address already in use" in refused(*words, "--secrets", str(secrets(tmp_path / "s")))


def test_an_address_that_others_can_reach_is_refused(tmp_path: Path) -> None:
    words = ("--path", str(tmp_path), "--secrets", str(secrets(tmp_path / "s")))

    assert "--allow-remote" in refused(*words, "--host", "0.0.0.0")  # noqa: S104  # refused


def test_requests_beyond_the_bound_are_asked_to_come_again(small: Server) -> None:
    with ExitStack() as stack:
        for _ in range(4):
            waiting = small.begin("INSERT INTO kept FORMAT TSV", length=9)
            stack.enter_context(closing(waiting))
        until(lambda: small.in_flight() == 4)

        found = small.ask("SELECT 1")

    assert (found.status, found.code) == (503, 202)
    until(lambda: small.in_flight() == 0)


def test_readers_leave_room_for_those_who_write(small: Server) -> None:
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(closing(small.begin("SELECT 1", length=9, by=READER)))
        until(lambda: small.in_flight() == 2)

        third = small.ask("SELECT 1", by=READER)
        writes = small.ask("INSERT INTO kept VALUES (0, 'room')")

    assert (third.status, third.code) == (503, 202)
    assert writes.status == 200
    until(lambda: small.in_flight() == 0)


def test_what_it_does_is_counted(small: Server) -> None:
    small.ask("INSERT INTO kept FORMAT TSV", b"1\tx\n2\ty\n")
    small.ask("SELECT nonsense")

    page = small.ask(path="/metrics", method="GET", by=None).text

    assert 'kol_gateway_requests_total{kind="INSERT",status="200"}' in page
    assert 'kol_gateway_requests_total{kind="SELECT",status="400"}' in page
    assert "kol_gateway_written_rows_total" in page
    assert "process_resident_memory_bytes" in page


def test_a_stop_lets_nobody_in_and_waits_for_the_insert_under_way(tmp_path: Path) -> None:
    with gateway(tmp_path) as server:
        server.database = "default"
        server.ask(TABLE)
        running = server.begin("INSERT INTO kept FORMAT TSV", length=8)
        running.sendall(b"1\tx\n")
        until(lambda: server.in_flight() == 1)
        assert server.process is not None

        server.process.send_signal(signal.SIGTERM)
        until(lambda: not answers(server))
        running.sendall(b"2\ty\n")
        with closing(running):
            answer = running.recv(4096)

        assert b" 200 OK" in answer
        assert server.process.wait(30) == 0

    with gateway(tmp_path) as server:
        engine = "SELECT engine FROM system.databases WHERE name = 'default'"

        assert server.ask("SELECT count() FROM default.kept").text == "2\n"
        assert server.ask(engine).text == "Atomic\n"


def test_a_stop_does_not_wait_for_a_long_read(tmp_path: Path) -> None:
    sql = "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 0"
    with gateway(tmp_path) as server, closing(server.begin(sql, length=0)):
        until(lambda: server.in_flight() == 1)

        assert server.stop() == 0
        assert "cannot be cancelled" in server.log.read_text()
