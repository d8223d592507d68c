"""The traffic of the demo: events of a simulated world, sent to the topics as they happen.

So is what the world knows beside them, to the reference topics: always before the events of its
moment. The history is sent once what families allow holds.
"""

import asyncio
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import msgspec

from deploy.demo.world import World
from schemas.consents import HOLDS_AFTER_MS
from schemas.partitioner import partition_of
from schemas.reference_keys import KEYS, key_from
from schemas.topics import TOPICS
from sinks.feed import Feed
from streams.clients.kafka_admin import security_options
from streams.settings import Settings

HISTORY_MS = 90 * 60_000
HISTORY_RATE = 12.0  # events a second of the time before the demo
STEP_MS = 200  # of the live traffic

Record = tuple[str, int, bytes, bytes]  # topic, partition, key, value

encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class TrafficSender(threading.Thread):
    """A thread that sends the world's history at once, then live events, until `stopped` is set."""

    settings: Settings
    rate: float
    seed: int
    history_sent: threading.Event = field(default_factory=threading.Event)
    stopped: threading.Event = field(default_factory=threading.Event)
    sent: int = 0  # events
    keys: dict[str, set[bytes]] = field(default_factory=lambda: defaultdict(set))  # of references
    error: BaseException | None = None
    world: World = field(init=False)

    def __post_init__(self) -> None:
        threading.Thread.__init__(self, name="traffic", daemon=True)
        self.world = World(self.seed)

    def __hash__(self) -> int:
        return id(self)

    def run(self) -> None:
        """Send until stopped."""
        try:
            asyncio.run(self._send_all())
        except BaseException as error:  # noqa: BLE001  # re-raised by whoever waits
            self.error = error
        finally:
            self.history_sent.set()

    async def _send_all(self) -> None:
        kafka = self.settings.kafka
        async with Feed(kafka.bootstrap, options=security_options(kafka)) as feed:
            live = _now_ms()
            await self._tell(feed, 0, live, live)
            allowed_from = time.monotonic() + HOLDS_AFTER_MS / 1000
            history = [*self._records(live - HISTORY_MS, live, HISTORY_RATE, live)]
            await asyncio.sleep(max(0.0, allowed_from - time.monotonic()))
            await self._send(feed, history)
            self.history_sent.set()
            at = live
            while not self.stopped.is_set():
                await asyncio.sleep(max(0.0, (at + STEP_MS - _now_ms()) / 1000))
                until = _now_ms()
                await self._tell(feed, at, until, live)
                await self._send(feed, self._records(at, until, self.rate, live))
                at = until

    async def _tell(self, feed: Feed, start: int, end: int, live: int) -> None:
        """Send the records of the reference topics."""
        for topic, record in self.world.reference(start, end, live):
            key = key_from(topic, [record[name] for name in KEYS[topic]])
            self.keys[topic].add(key)
            kafka = self.settings.kafka
            partition = partition_of(key, TOPICS[topic].count(kafka.partitions))
            await feed.send(kafka.broker_topic(topic), partition, key, encode(record))
        await feed.flush()

    async def _send(self, feed: Feed, records: Iterable[Record]) -> None:
        """Send events."""
        for topic, partition, key, value in records:
            await feed.send(topic, partition, key, value)
            self.sent += 1
        await feed.flush()

    def _records(self, start: int, end: int, rate: float, live: int) -> Iterator[Record]:
        """What the world's events are on the topics."""
        kafka = self.settings.kafka
        for topic, event in self.world.events(start, end, rate, live):
            user = event.get("user_id")
            key = user.encode() if isinstance(user, str) else b""
            partition = partition_of(key, kafka.partitions)
            yield kafka.broker_topic(topic), partition, key, encode(event)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
