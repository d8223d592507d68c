"""Messages at a steady rate, each at its scheduled time, whatever the brokers and workers do.

python -m streams.bench.pouring BOOTSTRAP RATE SECONDS PARTITIONS

Every hundredth is a sample: a click of KOL `SAMPLE` or, by turns, a paid order of brand `SAMPLE`,
whose `ts` is the time it is scheduled for. So who sees its row knows how long it took, also where
sending was late. The others are the demo's world, another one at another time.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from typing import Final

from deploy.demo.bulk import Sent, bulk
from schemas.events import CLICKSTREAM, PURCHASES
from schemas.partitioner import partition_of
from sinks.feed import Feed
from streams.settings import Settings

SAMPLE: Final = "kol-of-the-latency"
SAMPLED: Final = 100  # one message in so many
TICK_SECONDS: Final = 0.002
LINGER_SECONDS: Final = 0.002


def sample(number: int, at_ms: int) -> Sent:
    """The message of one sample that is scheduled for this time."""
    user = f"sample-{at_ms}"  # or it would be a copy of one of an earlier run
    fields: dict[str, object] = {"event_id": user, "ts": at_ms, "user_id": user}
    topic = PURCHASES if number // SAMPLED % 2 else CLICKSTREAM
    if topic == PURCHASES:
        order = {"order_id": user, "kind": "paid", "pay_cents": 100, "brand_id": SAMPLE}
        fields |= order
    else:
        fields |= {"event": "click", "kol_id": SAMPLE}
    return topic, user.encode(), json.dumps(fields).encode()


def poured(rate: int, seconds: int, start_ms: int) -> Iterator[Sent]:
    """All messages in the order of their times: the n-th is of `start_ms` + n / rate."""
    world = bulk(start_ms, rate * seconds, start_ms, rate_per_second=rate, disorder_ms=0)
    for number, usual in enumerate(world):
        at_ms = start_ms + number * 1_000 // rate
        yield sample(number, at_ms) if number % SAMPLED == 0 else usual


async def pour(bootstrap: str, rate: int, seconds: int, partitions: int) -> None:
    """Send all of them, each when it is due; a tick later at most."""
    broker_topic = Settings().kafka.broker_topic
    start_ms = (time.time_ns() // 1_000_000) + 1_000 * max(3, rate * seconds // 50_000)
    messages = [
        (broker_topic(topic), partition_of(key, partitions), key, value)
        for topic, key, value in poured(rate, seconds, start_ms)
    ]
    async with Feed(bootstrap, compression="lz4", linger_seconds=LINGER_SECONDS) as feed:
        sent = 0
        while sent < len(messages):
            due = int((time.time() - start_ms / 1_000) * rate)
            while sent < min(due, len(messages)):
                await feed.send(*messages[sent])
                sent += 1
            await asyncio.sleep(TICK_SECONDS)


if __name__ == "__main__":
    asyncio.run(pour(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
