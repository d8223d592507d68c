"""Eyes on the stack while it breaks: offsets beside snapshots, first rows after a fault, work."""

import asyncio
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError as ClientError
from kafka.errors import KafkaError

from schemas.events import INPUTS
from schemas.topics import KOL_STATE, USER_STATE
from streams.clients.clickhouse import ReadingError, connect, query
from streams.clients.kafka_admin import BrokerError, kafka_admin
from streams.clients.kafka_reader import record_reader
from streams.clients.worker_pages import fetch_page
from streams.settings import Settings
from streams.snapshots.chunks import decode_manifest
from streams.snapshots.history import MANIFEST
from streams.snapshots.stable_end import OpenTransactionError, stable_ends
from tests.chaos.faults import Kind
from tests.chaos.stack import Stack

LOOK = 0.25  # seconds between two looks
READ = re.compile(rb'^kol_read_messages_total\{topic="([^"]+)"\} ([0-9.e+]+)$', re.MULTILINE)
LIFE = 32  # bits of a version below its life


@dataclass(slots=True)
class Offsets(threading.Thread):
    """Compares, again and again, the group's offsets with the snapshots that allow them.

    The offsets are asked for first, then the states are read to their end: an offset that
    stands beyond every snapshot found then was committed before its snapshot was, unless no
    event lies between.
    """

    settings: Settings
    beyond: list[str] = field(default_factory=list)
    looks: int = 0
    snapshots: int = 0
    error: BaseException | None = None
    _over: threading.Event = field(default_factory=threading.Event)
    _kept: dict[tuple[str, int], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        threading.Thread.__init__(self, name="offsets", daemon=True)

    def __hash__(self) -> int:
        return id(self)

    def run(self) -> None:
        """Look until stopped."""
        try:
            asyncio.run(self._watch())
        except BaseException as error:  # noqa: BLE001  # told to whoever waits
            self.error = error

    def stop(self) -> None:
        """Look no more."""
        self._over.set()
        self.join(30)

    async def _watch(self) -> None:
        kafka = self.settings.kafka
        places = [
            TopicPartition(topic, partition)
            for topic in (USER_STATE, KOL_STATE)
            for partition in range(kafka.partitions)
        ]
        consumer = AIOKafkaConsumer(
            bootstrap_servers=kafka.bootstrap,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            request_timeout_ms=5_000,
            retry_backoff_ms=200,
        )
        await consumer.start()
        consumer.assign(places)
        try:
            while not self._over.is_set():
                with suppress(
                    *(KafkaError, ClientError, BrokerError, TimeoutError, OSError),
                    OpenTransactionError,
                ):
                    await self._look(consumer, places)
                await asyncio.sleep(LOOK)
        finally:
            await consumer.stop()

    async def _look(self, consumer: Any, places: list[TopicPartition]) -> None:  # noqa: ANN401  # aiokafka's
        committed = await asyncio.to_thread(self._committed)
        # EndTxn is answered before its markers are written: wait until they can be read
        client = {"bootstrap_servers": self.settings.kafka.bootstrap}
        ends = await asyncio.wait_for(stable_ends(client, places), 40)
        async with asyncio.timeout(20):
            for tp, end in ends.items():
                while await consumer.position(tp) < end:
                    self._take(await consumer.getmany(timeout_ms=200))
        self.looks += 1
        for at, offset in committed.items():
            kept = self._kept.get(at, 0)
            if offset > kept and await self._has_records(at, kept, offset):
                topic, partition = at
                self.beyond.append(f"{topic}/{partition} committed at {offset}, kept up to {kept}")

    async def _has_records(self, at: tuple[str, int], start: int, stop: int) -> bool:
        """Whether there is an event to lose: what was aborted, and markers, need no snapshot."""
        async with record_reader(self.settings.kafka) as records:
            found = await records.first_at({at: start})
        if found and found[0].offset < stop:
            return True
        self._kept[at] = stop
        return False

    def _committed(self) -> dict[tuple[str, int], int]:
        with kafka_admin(self.settings.kafka) as broker:
            return broker.committed(self.settings.app_id)

    def _take(self, found: dict[TopicPartition, list[Any]]) -> None:
        for tp, records in found.items():
            for record in records:
                if record.key != MANIFEST or record.value is None:
                    continue
                self.snapshots += 1
                for topic, offset in decode_manifest(record.value).offsets.items():
                    at = (topic, tp.partition)
                    self._kept[at] = max(offset, self._kept.get(at, 0))


@dataclass(slots=True)
class Waiting:
    """A fault whose first new row has not been seen."""

    kind: Kind
    at: float
    back: Callable[["Rows"], bool]


@dataclass(frozen=True, slots=True)
class Rows:
    """What stands in the engine now: per partition the newest version and the messages read."""

    versions: dict[int, int]
    read: dict[int, int]

    @property
    def messages(self) -> int:
        """Of all partitions."""
        return sum(self.read.values())


@dataclass(slots=True)
class Recovery(threading.Thread):
    """Times from a fault to the first new row that shows it is over; and the longest gaps.

    A gap of a partition is the time between two looks at its rows that both show more
    messages than ever before.
    """

    settings: Settings
    took: dict[Kind, list[float]] = field(default_factory=dict)
    gaps: dict[int, float] = field(default_factory=dict)  # longest, seconds, by partition
    now: Rows = field(default_factory=lambda: Rows({}, {}))
    _grew: dict[int, tuple[int, float]] = field(default_factory=dict)  # most so far, since when
    _waiting: list[Waiting] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        threading.Thread.__init__(self, name="recovery", daemon=True)

    def __hash__(self) -> int:
        return id(self)

    def worker(self, kind: Kind, partitions: list[int]) -> None:
        """One worker is gone: over once a later life says a row of each partition it had."""
        lives = {p: self.now.versions.get(p, 0) >> LIFE for p in partitions}
        if lives:
            self._wait(
                kind,
                lambda rows: all(
                    rows.versions.get(p, 0) >> LIFE > life for p, life in lives.items()
                ),
            )

    def store(self, kind: Kind, sent: int) -> None:
        """Broker or engine is gone: over once rows count more messages than were sent before."""
        self._wait(kind, lambda rows: rows.messages > sent)

    def _wait(self, kind: Kind, back: Callable[[Rows], bool]) -> None:
        with self._lock:
            self._waiting.append(Waiting(kind, time.monotonic(), back))

    @property
    def unseen(self) -> int:
        """Faults whose end was not seen: no message came afterwards."""
        return len(self._waiting)

    def run(self) -> None:
        """Look until stopped."""
        while not self._over.is_set():
            with suppress(ReadingError, OSError):
                self._look()
            self._over.wait(LOOK)

    def stop(self) -> None:
        """Look no more."""
        self._over.set()
        self.join(30)

    def _look(self) -> None:
        asked_at = time.monotonic()
        conf = self.settings.clickhouse.model_copy(update={"connect_seconds": 1.0})
        client = connect(conf)
        try:
            told = query(
                client,
                "SELECT partition, max(version) AS version, sumIf(n, kind != 'counter') AS n"
                " FROM door_count FINAL WHERE topic IN {inputs:Array(String)} GROUP BY partition",
                {"inputs": list(INPUTS)},
            )
        finally:
            client.close()
        self.now = Rows(
            {int(row["partition"]): int(row["version"]) for row in told},
            {int(row["partition"]): int(row["n"]) for row in told},
        )
        for partition, n in self.now.read.items():
            most, since = self._grew.get(partition, (0, asked_at))
            if n > most:
                self._grew[partition] = (n, asked_at)
                self.gaps[partition] = max(self.gaps.get(partition, 0.0), asked_at - since)
        with self._lock:
            for one in [one for one in self._waiting if one.at < asked_at and one.back(self.now)]:
                self._waiting.remove(one)
                self.took.setdefault(one.kind, []).append(time.monotonic() - one.at)


class Reads:
    """How many messages of the inputs all worker processes have read, dead ones included."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._dead = 0
        self._last: Counter[str] = Counter()
        self._lock = threading.Lock()

    @property
    def total(self) -> int:
        """So far; a process that died unseen counts as it was last seen."""
        return self._dead + self._last.total()

    def look(self, *names: str) -> None:
        """Ask these workers, all without names."""
        for name in names or self._stack.names():
            answer = fetch_page(f"{self._stack.page(name)}/metrics")
            if answer is None:
                continue
            read = sum(
                round(float(n)) for topic, n in READ.findall(answer) if topic.decode() in INPUTS
            )
            with self._lock:
                if read < self._last[name]:  # another process than before
                    self._dead += self._last[name]
                self._last[name] = read

    def died(self, name: str) -> None:
        """The next answer of that name is a new process's."""
        with self._lock:
            self._dead += self._last.pop(name, 0)
