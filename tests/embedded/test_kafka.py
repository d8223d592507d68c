import hashlib
import os
import re
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from deploy.embedded import kafka
from deploy.embedded.kafka import LOCK, Broker, Kafka, fetch, is_ready, read_lock, server_properties
from deploy.embedded.state_folder import EmbeddedError
from tests.embedded.waiting import until

CONTENT = b"not really a jar"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
NAMES = ("one", "two", "three")


class Repository(ThreadingHTTPServer):
    """A Maven repository on loopback that remembers its requests."""

    requests: list[str]


@pytest.fixture
def remote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    """A lock of three jars, a repository that has them, and empty caches."""
    root = tmp_path / "remote"
    for name in NAMES:
        place(root, name)

    class Files(SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:  # noqa: ANN401  # as the base class
            super().__init__(*args, directory=str(root))

        def log_message(self, *_: object) -> None:
            assert isinstance(self.server, Repository)
            self.server.requests.append(self.path)

    lock, config = tmp_path / "kafka.lock", tmp_path / "jgo.conf"
    lock.write_text("# test\n" + "".join(f"{SHA256} org.example:{name}:1.0\n" for name in NAMES))
    with Repository(("127.0.0.1", 0), Files) as server:
        server.requests = []
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        config.write_text(f"[repositories]\ncentral = http://127.0.0.1:{server.server_port}\n")
        monkeypatch.setenv("JGO_CONFIG_FILE", str(config))
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.setenv("M2_REPO", str(tmp_path / "m2"))
        monkeypatch.setattr(kafka, "LOCK", lock)
        monkeypatch.setattr(kafka, "_archives", lambda *_: ())
        yield server
        server.shutdown()


def place(repository: Path, name: str, content: bytes = CONTENT) -> Path:
    """Put a jar where Maven looks for it."""
    file = repository / "org" / "example" / name / "1.0" / f"{name}-1.0.jar"
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    return file


def jars(requests: list[str]) -> list[str]:
    return sorted(path for path in requests if path.endswith(".jar"))


@pytest.fixture
def peer() -> Iterator[socket.socket]:
    """Somebody who accepts connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        yield server


def at(server: socket.socket) -> str:
    return f"127.0.0.1:{server.getsockname()[1]}"


def answered(server: socket.socket, answer: bytes) -> tuple[bool, bytes]:
    """What `is_ready` makes of an answer, and its request."""
    with ThreadPoolExecutor() as pool:
        found = pool.submit(is_ready, at(server))
        with server.accept()[0] as caller:
            question = caller.recv(1000)
            caller.sendall(answer)
        return found.result(), question


def test_the_lock_names_what_kafka_needs_and_no_address() -> None:
    text = LOCK.read_text()
    named = read_lock(text)
    files = {jar.file for jar in named}

    assert "://" not in text
    assert all(re.fullmatch("[0-9a-f]{64}", jar.sha256) for jar in named)
    assert len(files) == len(named)
    assert {f"kafka_2.13-{kafka.VERSION}.jar", f"kafka-clients-{kafka.VERSION}.jar"} <= files
    assert any(file.startswith("log4j-slf4j-impl-") for file in files)
    assert {jar.version for jar in named if jar.group == "org.apache.kafka"} == {kafka.VERSION}


def test_what_the_lock_names_is_fetched_once(remote: Repository) -> None:
    lines: list[str] = []

    first = fetch(lines.append)
    second = fetch(lines.append)

    assert first == second
    assert [jar.name for jar in first.jars] == ["one-1.0.jar", "two-1.0.jar", "three-1.0.jar"]
    assert {jar.read_bytes() for jar in first.jars} == {CONTENT}
    assert lines[-1] == f"Apache Kafka {kafka.VERSION}: 3 of 3 files"
    assert len(lines) == len(jars(remote.requests)) == 3


def test_several_who_fetch_at_the_same_time_fetch_once(remote: Repository) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: fetch(), range(4)))

    assert found == found[:1] * 4
    assert len(jars(remote.requests)) == 3


def test_what_the_local_repository_has_is_not_downloaded(
    remote: Repository, tmp_path: Path
) -> None:
    place(tmp_path / "m2", "two")

    fetch()

    assert [path.split("/")[-1] for path in jars(remote.requests)] == [
        "one-1.0.jar",
        "three-1.0.jar",
    ]


def test_half_a_jar_in_the_local_repository_is_left_alone_and_downloaded(
    remote: Repository, tmp_path: Path
) -> None:
    broken = place(tmp_path / "m2", "two", CONTENT[:5])

    found = fetch()

    assert found.jars[1].read_bytes() == CONTENT
    assert broken.read_bytes() == CONTENT[:5]
    assert len(jars(remote.requests)) == 3


def test_another_jar_than_the_lock_names_is_refused(remote: Repository, tmp_path: Path) -> None:
    del remote
    file = tmp_path / "remote" / "org" / "example" / "two" / "1.0" / "two-1.0.jar"
    file.write_bytes(b"something else")

    with pytest.raises(EmbeddedError, match=f"two-1.0.jar came with SHA-256 .* {SHA256}: not used"):
        fetch()
    assert list((tmp_path / "cache" / "kol-streams").iterdir()) == [
        tmp_path / "cache" / "kol-streams" / "lock"
    ]


def test_a_jar_that_changed_afterwards_is_refused(remote: Repository) -> None:
    del remote
    changed = fetch().jars[2]
    changed.write_bytes(b"something else")

    with pytest.raises(EmbeddedError, match=r"three-1.0.jar is not the file .* remove "):
        fetch()


def test_a_jar_that_vanished_is_refused(remote: Repository) -> None:
    del remote
    fetch().jars[0].unlink()

    with pytest.raises(EmbeddedError, match=r"one-1.0.jar is not the file"):
        fetch()


def test_a_download_that_fails_twice_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, "RETRY_PAUSES", (0.0, 0.0))
    answers: list[OSError | Path] = [OSError("no name"), OSError("no name"), Path("jar")]

    def download() -> Path:
        if isinstance(answer := answers.pop(0), OSError):
            raise answer
        return answer

    assert kafka._retried(download) == Path("jar")


def test_no_network_is_an_error_in_words(
    remote: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka, "RETRY_PAUSES", ())
    with socket.create_server(("127.0.0.1", 0)) as server:
        nobody = server.getsockname()[1]
    (tmp_path / "jgo.conf").write_text(f"[repositories]\ncentral = http://127.0.0.1:{nobody}\n")

    with pytest.raises(EmbeddedError, match=r"cannot fetch one-1.0.jar of Apache Kafka"):
        fetch()
    assert remote.requests == []


def test_the_node_listens_on_loopback_only() -> None:
    settings = server_properties(1111, 2222)

    assert re.findall(r"//([^:]*):(\d+)", settings["listeners"]) == [
        ("127.0.0.1", "1111"),
        ("127.0.0.1", "2222"),
    ]
    assert settings["advertised.listeners"] == "PLAINTEXT://127.0.0.1:1111"
    assert settings["controller.quorum.voters"] == "1@127.0.0.1:2222"


def test_one_node_is_enough_for_every_topic() -> None:
    settings = server_properties(1, 2)
    names = [name for name in settings if name.endswith(("replication.factor", "min.isr"))]

    assert len(names) == 6
    assert {settings[name] for name in names} == {"1"}


def test_a_folder_that_is_formatted_is_not_formatted_again(tmp_path: Path) -> None:
    for folder in ("run", "data/kafka", "logs"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "data" / "kafka" / "meta.properties").touch()
    no_java = Kafka((tmp_path / "missing.jar",))

    node = Broker(no_java, tmp_path, "id", 1111, 2222, {"num.partitions": "7"})
    node.prepare()

    written = (tmp_path / "run" / "kafka-1111.properties").read_text().splitlines()
    assert "num.partitions=7" in written
    assert "log.dirs=data/kafka" in written
    assert node.bootstrap == "127.0.0.1:1111"


def test_a_folder_that_cannot_be_formatted_is_an_error_that_quotes_why(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    node = Broker(Kafka((tmp_path / "missing.jar",)), tmp_path, "id")

    with pytest.raises(EmbeddedError, match=r"(?s)cannot use .*StorageTool"):
        node.prepare()


def test_the_command_runs_exactly_the_jars_of_the_lock(tmp_path: Path) -> None:
    program = Kafka((tmp_path / "a.jar", tmp_path / "b.jar"), (tmp_path / "x", tmp_path / "y"))

    command = Broker(program, tmp_path, "id", flags=("-Dx=1",)).command()

    assert command[command.index("-cp") + 1] == f"{tmp_path}/a.jar:{tmp_path}/b.jar"
    assert f"-XX:SharedArchiveFile={tmp_path}/x:{tmp_path}/y" in command
    assert "-Dx=1" in command
    assert command[-2:] == ["kafka.Kafka", "run/kafka-9092.properties"]


def test_a_broker_that_lists_itself_is_ready(peer: socket.socket) -> None:
    found, question = answered(peer, struct.pack(">iii", 8, 0, 1) + b"rest")

    assert found
    assert question == bytes.fromhex("00000011 0003 0001 00000000 0003") + b"kol" + bytes(4)


def test_a_broker_that_lists_nobody_is_not_ready(peer: socket.socket) -> None:
    found, _ = answered(peer, struct.pack(">iii", 8, 0, 0))

    assert not found


@pytest.mark.parametrize("answer", [b"", b"\0\0\0"])
def test_a_peer_that_hangs_up_is_not_ready(peer: socket.socket, answer: bytes) -> None:
    found, _ = answered(peer, answer)

    assert not found


def test_a_silent_peer_is_not_ready(peer: socket.socket) -> None:
    assert not is_ready(at(peer))


def test_nobody_is_not_ready(peer: socket.socket) -> None:
    nobody = at(peer)
    peer.close()

    assert not is_ready(nobody)


def test_the_command_line_says_what_went_wrong(
    remote: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    assert kafka.main([]) == 0
    fetch().jars[0].unlink()

    assert kafka.main([]) == 1
    assert "is not the file" in capsys.readouterr().err
    until(lambda: len(jars(remote.requests)) == 3)


def test_where_quick_starts_cannot_be_prepared_it_is_tried_only_once(tmp_path: Path) -> None:
    lines: list[str] = []
    folder = tmp_path / "kafka"
    folder.mkdir()
    broken = Kafka((folder / "missing.jar",))

    found = kafka._archives(broken, folder, lines.append)

    assert kafka._archives(broken, folder, lines.append) == found
    assert lines == [f"Apache Kafka {kafka.VERSION}: preparing quick starts, once"]
    assert found[1].read_bytes() == b""


def test_an_hour_after_they_failed_quick_starts_are_prepared_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka, "node", Mock(side_effect=EmbeddedError))
    monkeypatch.setattr(subprocess, "run", Mock())
    lines: list[str] = []
    _, ours = kafka._archives(Kafka(()), tmp_path, lines.append)
    failed_at = ours.stat().st_mtime - kafka.RETRY_SECONDS
    os.utime(ours, (failed_at, failed_at))

    kafka._archives(Kafka(()), tmp_path, lines.append)

    assert lines == 2 * [f"Apache Kafka {kafka.VERSION}: preparing quick starts, once"]


def test_java_starts_although_its_archives_are_of_no_use(tmp_path: Path) -> None:
    archives = (tmp_path / "a.jsa", tmp_path / "b.jsa")
    for archive in archives:
        archive.touch()
    command = Kafka((tmp_path / "missing.jar",), archives).java("no.such.Main")

    lines = subprocess.run(command, capture_output=True, text=True, check=False)

    assert "Error: Could not find or load main class no.such.Main" in lines.stderr


def test_archives_of_many_java_runtimes_do_not_pile_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka, "node", Mock(side_effect=EmbeddedError))
    monkeypatch.setattr(
        subprocess, "run", lambda command, **_: Path(command[-1].partition("=")[2]).touch()
    )
    for n in range(kafka.ARCHIVES_KEPT + 3):
        java, ours = tmp_path / f"{n}-java.jsa", tmp_path / f"{n}.jsa"
        kafka._create_archives(Kafka(()), java, ours)
        for file in (java, ours):
            os.utime(file, (n, n))

    kept = {file.stem.removesuffix("-java") for file in tmp_path.glob("*.jsa")}
    assert kept == {str(n + 3) for n in range(kafka.ARCHIVES_KEPT)}
