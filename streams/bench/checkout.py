"""What only a checkout has: the oracle and the peers, since the product leaves `tests/` out.

Each of them runs in a process of its own, in the folder of the checkout. Where something that a
peer needs is missing, or all of `tests/`, the report says so by name, and how to get it.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Literal

import streams
from streams.bench.windows import MeasureError

ROOT: Final = Path(streams.__file__).parent.parent
NO_CHECKOUT: Final = "needs a checkout: run `kol bench` of one, set up with `make setup`"
CLIENT: Final = "confluent_kafka"  # a module
OWN: Final = ROOT / ".venv" / "peers"  # environments of peers
JAVA: Final = ROOT / "tests" / "bench" / "peers" / "java"
JAVA_FLAGS: Final = (
    "-Xmx2g",
    "-XX:+UseParallelGC",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
)
CHECK_SECONDS: Final = 1_800.0


@dataclass(frozen=True, slots=True)
class Peer:
    """Another system that reads the same topics.

    Its program prints the marks of a window, see `windows`, and is told the brokers, the events to
    warm up, those to measure, the partitions, and the name of its group and topics.
    """

    name: str
    work: str  # what it does of the work, in words
    program: str  # a module of Python, a class of Java
    language: Literal["python", "java"] = "python"
    own: str = ""  # the environment it has for itself, below `.venv/peers`
    needs: str = ""  # a module that only some have
    is_slow: bool = False  # so it reads fewer events where it is rated
    judged: Literal["", "EXACT", "ARRIVAL"] = ""  # how its output is checked; empty: it has none

    @property
    def _python(self) -> str:
        return str(OWN / self.own / "bin" / "python") if self.own else sys.executable

    def command(self, *words: str) -> list[str]:
        """The words that run it."""
        if self.language == "java":
            path = f"{JAVA / 'target' / 'classes'}:{JAVA / 'target' / 'lib' / '*'}"
            return ["java", *JAVA_FLAGS, "-cp", path, self.program, *words]
        return [self._python, "-m", self.program, *words]

    def missing(self) -> str:
        """Why it cannot run here; empty where it can."""
        if not (ROOT / "tests" / "bench" / "peers").is_dir():
            return NO_CHECKOUT
        if self.needs and find_spec(self.needs) is None:
            return f"{self.needs} is not installed: `make setup` does it"
        if self.own and not Path(self._python).exists():
            return f"{self.own} is not installed: `make peers` does it"
        if self.language == "java" and shutil.which("java") is None:
            return "there is no Java: install a JDK 17 or newer and Maven, then `make peers`"
        built = JAVA / "target" / "classes" / f"{self.program.replace('.', '/')}.class"
        if self.language == "java" and not built.exists():
            return "it is not built: `make peers` does it, with a JDK 17 or newer and Maven"
        return ""


PEERS: Final = (
    Peer(
        "hand_written",
        "W1 with recoverable state: confluent-kafka, msgspec, dicts",
        "tests.bench.peers.hand",
        needs=CLIENT,
        judged="EXACT",
    ),
    Peer(
        "stock_faust",
        "counts by KOL, as shipped; nothing is kept",
        "tests.bench.peers.stock",
        is_slow=True,
    ),
    Peer(
        "kafka_streams",
        "W1 with recoverable state: Kafka Streams 4.3.1, state on the heap, tuned",
        "peers.KafkaStreams",
        language="java",
        judged="EXACT",
    ),
    Peer(
        "flink",
        "W1 with recoverable state: Flink 2.3.0, state on the heap, tuned",
        "peers.Flink",
        language="java",
        judged="EXACT",
    ),
    Peer(
        "quixstreams",
        "W1 with recoverable state: quixstreams 3.28.1 as documented, orders judged when read",
        "tests.bench.peers.quix",
        own="quixstreams",
        is_slow=True,
        judged="ARRIVAL",
    ),
)
USUAL: Final = ("hand_written", "stock_faust")  # those that need nothing beside `make setup`


def peers(names: Iterable[str]) -> tuple[list[Peer], dict[str, str]]:
    """Those of these peers that can run here, and why the others cannot."""
    wanted = set(names)
    why = {peer.name: peer.missing() for peer in PEERS if peer.name in wanted}
    able = [peer for peer in PEERS if why.get(peer.name) == ""]
    return able, {name: reason for name, reason in why.items() if reason}


def need_client() -> None:
    """Make sure that the ceiling `client` can be measured, which every comparison goes by.

    Raises:
        MeasureError: its client is not installed.

    """
    if find_spec(CLIENT) is None:
        raise MeasureError("kol bench needs confluent-kafka: pip install 'confluent-kafka>=2.16'")


def checked(home: Path, env: Mapping[str, str]) -> dict[str, Any]:
    """What the comparison of everything that our workers wrote with the oracle says.

    Raises:
        MeasureError: something differs, so nothing may be rated.

    """
    if not (ROOT / "tests" / "bench" / "checking.py").exists():
        return {"checked": False, "reason": NO_CHECKOUT}
    found = _verdict("tests.bench.checking", str(home), env=env)
    if found["wrong"]:
        raise MeasureError(f"what was written is wrong, so nothing is rated: {found['wrong'][:3]}")
    return {"checked": True, **found}


def checked_peer(
    peer: Peer, bootstrap: str, partitions: int, name: str, env: Mapping[str, str]
) -> dict[str, Any]:
    """What the comparison of a peer's output topic with the slow reading of W1 says.

    Raises:
        MeasureError: it could not be compared.

    """
    topic = f"{name}-output"
    return _verdict("tests.bench.peers.w1", bootstrap, str(partitions), topic, peer.judged, env=env)


def _verdict(module: str, *words: str, env: Mapping[str, str]) -> dict[str, Any]:
    """What a module of the tests prints last, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", module, *words],
        cwd=ROOT,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=CHECK_SECONDS,
        check=False,
    )
    if done.returncode:
        raise MeasureError(f"the output could not be checked: {done.stderr[-500:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))
