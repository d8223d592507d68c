"""The traffic of the demo: events of a simulated world, sent to the topics as they happen.

So is what the world knows beside them, to the reference topics: always before the events of its
moment.
"""

import asyncio
import threading
import time
from dataclasses import dataclass, field

import msgspec

from deploy.demo.world import World
from schemas.partitioner import partition_of
from schemas.reference_keys import KEYS, key_from
from schemas.topics import TOPICS
from sinks.feed import Feed
from streams.clients.kafka_admin import security_options
from streams.settings import Settings

HISTORY_MS = 90 * 60_000
HISTORY_RATE = 12.0  # events a second of the time before the demo
STEP_MS = 200  # of the live traffic

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
    told: int = 0  # records of reference topics
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
            await self._send(feed, live - HISTORY_MS, live, HISTORY_RATE, live)
            await feed.flush()
            self.history_sent.set()
            at = live
            while not self.stopped.is_set():
                await asyncio.sleep(max(0.0, (at + STEP_MS - _now_ms()) / 1000))
                until = _now_ms()
                await self._tell(feed, at, until, live)
                await self._send(feed, at, until, self.rate, live)
                await feed.flush()
                at = until

    async def _tell(self, feed: Feed, start: int, end: int, live: int) -> None:
        """Send the records of the reference topics."""
        for topic, record in self.world.reference(start, end, live):
            key = key_from(topic, [record[name] for name in KEYS[topic]])
            partitions = TOPICS[topic].count(self.settings.kafka.partitions)
            name = self.settings.kafka.broker_topic(topic)
            await feed.send(name, partition_of(key, partitions), key, encode(record))
            self.told += 1
        await feed.flush()

    async def _send(self, feed: Feed, start: int, end: int, rate: float, live: int) -> None:
        kafka = self.settings.kafka
        for topic, event in self.world.events(start, end, rate, live):
            user = event.get("user_id")
            key = user.encode() if isinstance(user, str) else b""
            partition = partition_of(key, kafka.partitions)
            await feed.send(kafka.broker_topic(topic), partition, key, encode(event))
            self.sent += 1


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
