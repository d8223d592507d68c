"""The traffic: a messy log and a stream in bulk, sent at a pace, copies included; and read back."""

import asyncio
import heapq
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.demo.bulk import bulk
from schemas.events import INPUTS
from schemas.partitioner import partition_of
from sinks.feed import Feed, FeedError
from tests import messy
from tests.oracle import DAY_MS, MINUTE_MS, Record

DISORDER_MS = 30 * MINUTE_MS  # of the stream in bulk
TICK = 0.2  # seconds between two handfuls

Timed = tuple[int, "Sent"]


@dataclass(frozen=True, slots=True)
class Sent:
    """One message and the partition it goes to."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None


def world(
    seed: int, now: int, partitions: int, *, users: int, days: int, bulk_messages: int
) -> list[Sent]:
    """A messy log of some users, merged by time with a stream in bulk over the same days."""
    start = now - days * DAY_MS
    end = now - 5 * MINUTE_MS
    lines = messy.messy_lines(seed, now, users=users, days=days)
    stream = bulk(
        seed,
        bulk_messages,
        start,
        users=max(50, bulk_messages // 20),
        kols=40,
        rate_per_second=bulk_messages * 1000 / (end - start - DISORDER_MS),
        disorder_ms=DISORDER_MS,
    )
    both = heapq.merge(
        _messy(lines, partitions, start, end), _bulk(stream, partitions), key=lambda pair: pair[0]
    )
    return [sent for _, sent in both]


def _messy(lines: Sequence[messy.Line], partitions: int, start: int, end: int) -> Iterator[Timed]:
    newest = start
    for line in lines:
        at = (line.value or {}).get("ts")
        if isinstance(at, int) and start <= at <= end:
            newest = max(newest, at)
        key = line.key.encode()
        yield newest, Sent(line.topic, partition_of(key, partitions), key, line.body)


class _Time(msgspec.Struct):
    ts: int


def _bulk(stream: Iterator[tuple[str, bytes, bytes]], partitions: int) -> Iterator[Timed]:
    read = msgspec.json.Decoder(_Time).decode
    newest = 0
    for topic, key, value in stream:
        newest = max(newest, read(value).ts)
        yield newest, Sent(topic, partition_of(key, partitions), key, value)


@dataclass(slots=True)
class Traffic(threading.Thread):
    """Sends messages evenly over some seconds, whatever happens to the broker meanwhile.

    What a broken producer had under way is sent once more: copies, as life makes them.
    """

    bootstrap: str
    messages: Sequence[Sent]
    seconds: float
    sent: int = 0  # known to be on the broker, of `messages`
    events: int = 0  # of these and of copies: those on the inputs
    copies: int = 0
    broken: int = 0  # times the producer had to be made anew
    error: BaseException | None = None
    _again: deque[int] = field(default_factory=deque)

    def __post_init__(self) -> None:
        threading.Thread.__init__(self, name="traffic", daemon=True)

    def __hash__(self) -> int:
        return id(self)

    def again(self, count: int) -> None:
        """Send the last `count` messages a second time, with the next handful."""
        self._again.append(count)

    def run(self) -> None:
        """Send all."""
        try:
            while self.sent < len(self.messages):
                try:
                    asyncio.run(self._sending())
                except FeedError:
                    self.broken += 1
        except BaseException as error:  # noqa: BLE001  # told to whoever waits
            self.error = error

    async def _sending(self) -> None:
        each = max(1, round(len(self.messages) * TICK / self.seconds)) if self.seconds else 2_000
        loop = asyncio.get_running_loop()
        async with Feed(self.bootstrap) as feed:
            due = loop.time()
            while self.sent < len(self.messages):
                part = self.messages[self.sent : self.sent + each]
                copies = self._copies()
                for one in (*part, *copies):
                    await feed.send(one.topic, one.partition, one.key, one.value)
                await feed.flush()
                self.sent += len(part)
                self.copies += len(copies)
                self.events += sum(one.topic in INPUTS for one in (*part, *copies))
                if self.seconds:
                    due = max(due + TICK, loop.time() - 5 * TICK)  # after an outage: quicker
                    await asyncio.sleep(max(0.0, due - loop.time()))

    def _copies(self) -> list[Sent]:
        count = self._again.popleft() if self._again else 0
        return list(self.messages[max(0, self.sent - count) : self.sent])


def logged(bootstrap: str, partitions: int) -> list[Record]:
    """Everything committed on the inputs, as it lies there."""
    return asyncio.run(_logged(bootstrap, partitions))


async def _logged(bootstrap: str, partitions: int) -> list[Record]:
    places = [TopicPartition(topic, p) for topic in INPUTS for p in range(partitions)]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    found: list[Record] = []
    try:
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        ends: dict[Any, int] = await consumer.end_offsets(places)
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                found += [
                    Record(r.topic, r.partition, r.offset, r.timestamp, r.value) for r in records
                ]
    finally:
        await consumer.stop()
    return found
