"""Events of the demo's world by the million, as bytes: for benchmarks.

Twenty thousand events of the world are simulated once and kept as JSON without their id, time and
user. Each message is one of these behind a new id, time and user. So the shares of topics, kinds
and KOLs are the world's; but users are drawn anew, so their events no longer follow from each
other. Orders get new ids, and a refund names an order that was paid before.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from deploy.demo.outbox import Event
from deploy.demo.world import World
from schemas.cells import ORGANIC
from schemas.events import KINDS, PURCHASES

Sent = tuple[str, bytes, bytes]  # topic, key, value

TAILS: Final = 20_000  # messages of the world that are used again and again
CHUNK: Final = 50_000  # messages made at once
DUPLICATED: Final = 0.02  # messages that come a second time
RECENT: Final = 5_000  # orders that may be given back
_HEAD: Final = b'{"event_id":"%08x-0000-4000-8000-%012x","ts":%d,"user_id":"%b",%b'
_PAID, _RETURNED, _OTHER = range(3)


@dataclass(frozen=True, slots=True)
class Tail:
    """A message without its id, time and user (and for a purchase without its order)."""

    topic: str
    kind: int  # _PAID, _RETURNED or _OTHER
    text: bytes


def bulk(
    seed: int,
    n: int,
    start_ms: int,
    *,
    users: int = 200_000,
    kols: int = 2_000,
    rate_per_second: float = 20_000,
    disorder_ms: int = 2_000,
) -> Iterator[Sent]:
    """Topic, key and value of n messages, about 300 bytes each, in order of arrival.

    Args:
        seed: the same seed and arguments give the same bytes.
        n: how many messages.
        start_ms: event time of the first ones, milliseconds; they go on at the rate.
        users: how many users; a few come often.
        kols: how many KOLs, the cast of the story among them.
        rate_per_second: messages in a second of event time.
        disorder_ms: event times lie up to so much before the newest.

    """
    tails = _tails(seed, kols, start_ms)
    names = [b"u-%06d" % number for number in range(users)]
    rng = np.random.default_rng(seed)
    orders: list[tuple[bytes, bytes]] = [(names[0], b"o-none")]
    for first in range(0, n, CHUNK):
        size = min(CHUNK, n - first)
        number = np.arange(first, first + size)
        late = rng.integers(0, disorder_ms + 1, size)
        at = start_ms + disorder_ms + (number * (1_000 / rate_per_second)).astype(np.int64) - late
        who = (users * rng.random(size) ** 2).astype(np.int64)
        what = rng.integers(0, len(tails), size)
        chunk = _chunk(seed, first, at, [names[u] for u in who], [tails[w] for w in what], orders)
        for place in np.flatnonzero(rng.random(size) < DUPLICATED).tolist():
            chunk[place] = chunk[place - min(place, 1 + place % 500)]
        yield from chunk


def _chunk(  # columns of one chunk
    seed: int,
    first: int,
    at: NDArray[np.int64],
    users: list[bytes],
    tails: list[Tail],
    orders: list[tuple[bytes, bytes]],
) -> list[Sent]:
    """Messages of one chunk; orders paid in it are appended to `orders`."""
    chunk = [
        (tail.topic, user, _HEAD % (seed, number, ts, user, tail.text))
        for number, (ts, user, tail) in enumerate(
            zip(at.tolist(), users, tails, strict=True), first
        )
    ]
    for place, tail in enumerate(tails):
        if tail.kind != _OTHER:
            number = first + place
            user, order = users[place], b"o%x-%x" % (seed, number)
            if tail.kind == _PAID:
                orders.append((user, order))
                text = b'"order_id":"%b",%b' % (order, tail.text)
            else:
                user, paid = orders[-1 - number % min(len(orders), RECENT)]
                text = b'"order_id":"r%x","ref_order_id":"%b",%b' % (number, paid, tail.text)
            value = _HEAD % (seed, number, at[place], user, text)
            chunk[place] = (PURCHASES, user, value)
    return chunk


def _tails(seed: int, kols: int, start_ms: int) -> list[Tail]:
    """Tails of the world's sound messages over the five minutes after it went live."""
    world = World(seed, users=2_000, kols=kols, has_profiles=False)
    tails = []
    for topic, event in world.events(start_ms, start_ms + 300_000, TAILS / 300):
        kind = event.get("kind" if topic == PURCHASES else "event")
        if kind in KINDS[topic] and event.get("kol_id") != ORGANIC:
            tails.append(_tail(topic, event))
    return tails


def _tail(topic: str, event: Event) -> Tail:
    kind = _OTHER if topic != PURCHASES else _PAID if event["kind"] == "paid" else _RETURNED
    own = {"event_id", "ts", "user_id", "order_id", "ref_order_id"}
    rest = {name: value for name, value in event.items() if name not in own}
    text = json.dumps(rest, ensure_ascii=False, separators=(",", ":")).encode()
    return Tail(topic, kind, text.removeprefix(b"{"))
