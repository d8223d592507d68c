"""A flood: events of now at a steady rate, with a known answer that costs nothing to keep.

Every 20th message is an order of its own user's; every fifth order before it is given back
by half. So the answer is a few sums, and any number of messages can be sent and judged.
"""

import asyncio
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from schemas.events import CLICKSTREAM, INTERACTIONS, PURCHASES
from schemas.partitioner import partition_of
from sinks.feed import Feed

TICK: Final = 0.05  # seconds between two handfuls
USERS: Final = 20_000
KOLS: Final = 200
ORDER_EVERY: Final = 20  # messages
BACK_EVERY: Final = 5  # orders
LEAST_CENTS: Final = 1_000

_CLICK = (
    b'{"event_id":"f%x","ts":%d,"user_id":"%b","event":"click","kol_id":"kol-%d","page":"feed"}'
)
_VIEW = (
    b'{"event_id":"f%x","ts":%d,"user_id":"%b","event":"view","kol_id":"kol-%d","dwell_ms":4000}'
)
_PAID = (
    b'{"event_id":"f%x","ts":%d,"user_id":"%b","order_id":"o%x","kind":"paid","pay_cents":%d,'
    b'"brand_id":"feihe","platform":"douyin","channel_type":"live"}'
)
_BACK = (
    b'{"event_id":"b%x","ts":%d,"user_id":"%b","order_id":"r%x","ref_order_id":"o%x",'
    b'"kind":"refund","pay_cents":%d}'
)


@dataclass(slots=True)
class Answer:
    """What must stand in the end."""

    messages: Counter[str] = field(default_factory=Counter)  # by topic; all are written
    orders: int = 0
    paid_cents: int = 0
    refunded_cents: int = 0


@dataclass(slots=True)
class Flood(threading.Thread):
    """Sends until told to stop; `error` says what went wrong.

    One that goes on where another one ended has its `number` and its `answer`.
    """

    bootstrap: str
    partitions: int
    rate: float  # messages a second
    number: int = 0  # of the next message
    answer: Answer = field(default_factory=Answer)
    error: BaseException | None = None
    _over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        threading.Thread.__init__(self, name="flood", daemon=True)

    def __hash__(self) -> int:
        return id(self)

    @property
    def sent(self) -> int:
        """Messages so far."""
        return self.answer.messages.total()

    def stop(self) -> None:
        """Send no more; all that was sent is on the broker then."""
        self._over.set()
        self.join(120)

    def run(self) -> None:
        """Send."""
        try:
            asyncio.run(self._send())
        except BaseException as error:  # noqa: BLE001  # told to whoever waits
            self.error = error

    async def _send(self) -> None:
        names = [b"flood-%d" % number for number in range(USERS)]
        users = [(name, partition_of(name, self.partitions)) for name in names]
        begun, first = time.monotonic(), self.number
        async with Feed(self.bootstrap, in_flight=64) as feed:
            while not self._over.is_set():
                due = first + int((time.monotonic() - begun) * self.rate)
                now = time.time_ns() // 1_000_000
                for at in range(self.number, due):
                    await self._one(feed, users, at, now)
                self.number = max(self.number, due)
                await asyncio.sleep(TICK)

    async def _one(self, feed: Feed, users: list[tuple[bytes, int]], at: int, now: int) -> None:
        user, partition = users[at * 7_919 % USERS]
        answer = self.answer
        if at % ORDER_EVERY:
            topic = INTERACTIONS if at % 3 == 0 else CLICKSTREAM
            how = _VIEW if topic == INTERACTIONS else _CLICK
            value = how % (at, now, user, at * 31 % KOLS)
        else:
            topic, order = PURCHASES, at // ORDER_EVERY
            cents = LEAST_CENTS + 2 * (order % 50_000)
            value = _PAID % (at, now, user, order, cents)
            answer.orders += 1
            answer.paid_cents += cents
            if order % BACK_EVERY == 0:
                await feed.send(topic, partition, user, value)
                answer.messages[topic] += 1
                value = _BACK % (at, now, user, order, order, cents // 2)
                answer.refunded_cents += cents // 2
        await feed.send(topic, partition, user, value)
        answer.messages[topic] += 1
