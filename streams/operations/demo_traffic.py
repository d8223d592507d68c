"""The demo from the outside: the world's traffic on the topics, and the account at the end."""

import asyncio
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from deploy.demo.world import World
from schemas.latency import quantile_ms
from schemas.partitioner import partition_of
from sinks.feed import Feed
from streams.clients.clickhouse import query, reader
from streams.clients.kafka_admin import options
from streams.settings import Settings

HISTORY_MS = 90 * 60_000
HISTORY_RATE = 12.0  # events a second of the time before the demo
STEP_MS = 200  # of the live traffic

encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Traffic(threading.Thread):
    """Sends the world's life: its history at once, then as it happens, until told to stop."""

    settings: Settings
    rate: float
    seed: int
    history_sent: threading.Event = field(default_factory=threading.Event)
    stopped: threading.Event = field(default_factory=threading.Event)
    sent: int = 0
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
            asyncio.run(self._sent())
        except BaseException as error:  # noqa: BLE001  # told to whoever waits
            self.error = error
        finally:
            self.history_sent.set()

    async def _sent(self) -> None:
        kafka = self.settings.kafka
        async with Feed(kafka.bootstrap, options=options(kafka)) as feed:
            live = _now_ms()
            await self._send(feed, live - HISTORY_MS, live, HISTORY_RATE, live)
            await feed.flush()
            self.history_sent.set()
            at = live
            while not self.stopped.is_set():
                await asyncio.sleep(max(0.0, (at + STEP_MS - _now_ms()) / 1000))
                until = _now_ms()
                await self._send(feed, at, until, self.rate, live)
                await feed.flush()
                at = until

    async def _send(self, feed: Feed, start: int, end: int, rate: float, live: int) -> None:
        partitions = self.settings.kafka.partitions
        for topic, event in self.world.events(start, end, rate, live):
            user = event.get("user_id")
            key = user.encode() if isinstance(user, str) else b""
            await feed.send(topic, partition_of(key, partitions), key, encode(event))
            self.sent += 1


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def account(
    settings: Settings,
    messages: int,
    latency_counts: Sequence[int] | Any,  # noqa: ANN401  # an array
) -> dict[str, Any]:
    """What became of all messages and of all money, from the rows of record."""
    client = reader(settings.clickhouse)
    doors = query(
        client, "SELECT door, kind, sum(n) AS n FROM v_door GROUP BY door, kind HAVING n > 0"
    )
    orders = query(client, "SELECT count() AS n, sum(paid_cents) AS paid FROM v_order")[0]
    models = query(
        client,
        "SELECT model, sum(credit_cents) AS credited, sum(refunded_cents) AS refunded"
        " FROM v_order_credit GROUP BY model ORDER BY model",
    )
    scores = query(client, "SELECT count() AS n FROM v_score")[0]
    counts = np.asarray(latency_counts)
    return {
        "messages": messages,
        "doors": {row["door"]: int(row["n"]) for row in doors if row["kind"] == "door"},
        "rejected": {row["door"]: int(row["n"]) for row in doors if row["kind"] == "rejected"},
        "orders": int(orders["n"]),
        "paid_cents": int(orders["paid"]),
        "credited_cents": {row["model"]: int(row["credited"]) for row in models},
        "refunded_cents": {row["model"]: int(row["refunded"]) for row in models},
        "scores": int(scores["n"]),
        "end_to_end_ms": {
            "p50": _rounded(quantile_ms(counts, 0.5)),
            "p99": _rounded(quantile_ms(counts, 0.99)),
        },
    }


def broken(told: dict[str, Any]) -> list[str]:
    """The laws that do not hold in an account; [] when all do.

    >>> broken({"messages": 3, "doors": {"written": 2}, "rejected": {"invalid": 1}, "orders": 1,
    ...         "paid_cents": 5, "credited_cents": {"last": 5}})
    []
    """
    faults = []
    left = sum(told["doors"].values()) + sum(told["rejected"].values())
    if left != told["messages"]:
        faults.append(f"{told['messages']} messages, but {left} left by a door")
    faults += [
        f"{model} credits {cents} of {told['paid_cents']} paid cents"
        for model, cents in told["credited_cents"].items()
        if cents != told["paid_cents"]
    ]
    if told["orders"] and not told["credited_cents"]:
        faults.append("orders without credits")
    return faults


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
