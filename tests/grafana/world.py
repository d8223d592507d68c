"""Three months of the demo's shop in the real engine, without brokers: what the checks ask.

The events of `deploy.demo` go through the product's core, its rows into the product's tables, its
reference topics into dimensions, and a turn of the trainer adds hours and days up. Little happens
in the first weeks, more on the last day, and the story of the demo is played in the last minutes.

Beside them stand KOLs and brands whose names are hard: quotes, backslashes, commas.
"""

import itertools
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from clickhouse_connect.driver.client import Client

from deploy.demo.world import World as Shop
from schemas.columns import RecordBatch
from schemas.partitioner import partition_of
from schemas.rows import MODELS, Rows
from sinks.connection import HttpInserter
from streams.trainer.generations import Version
from streams.trainer.rollups import RollUps
from tests.both_sides import BothSides
from tests.embedded.gateway.running import READER, Server
from tests.golden_paths import KEY, PARTITIONS, places
from tests.grafana.variables import HARD
from tests.integration.engine import fresh
from tests.oracle import Record
from tests.sinks.samples import order, rows
from tests.told import Dimensions

ZONE: Final = "Asia/Shanghai"
SEED: Final = 20_26
HOUR: Final = 3_600_000
DAY: Final = 24 * HOUR
LIVE_MS: Final = 4 * 60_000  # of the demo's story, before the end
AT_ONCE: Final = 5_000  # messages between two flushes
TWIN: Final = "TOM & JERRY"  # looks like one of the hard names

encode = msgspec.json.Encoder().encode


class Pace(NamedTuple):
    """How much happens up to a moment."""

    until_ms: int  # before the end
    rate: float  # events a second


PACES: Final = (Pace(DAY, 0.004), Pace(90 * 60_000, 0.12), Pace(LIVE_MS, 2.0), Pace(0, 12.0))
SHORT: Final = (Pace(DAY, 0.0005), Pace(90 * 60_000, 0.02), Pace(LIVE_MS, 0.5), Pace(0, 8.0))


def evening_before(now_ms: int) -> int:
    """The last half past nine in the evening in Shanghai, when most goes on."""
    evening = now_ms - (now_ms + 8 * HOUR) % DAY + 21 * HOUR + HOUR // 2
    return evening if evening <= now_ms else evening - DAY


@contextmanager
def shop(server: Server, end_ms: int, paces: Sequence[Pace] = PACES) -> Iterator[Client]:
    """A reader of the demo's shop up to a moment, in a fresh database."""
    with closing(fresh(server, "shop")) as owner:
        fill(owner, end_ms, paces=paces)
    with reading(server, "shop") as client:
        yield client


@contextmanager
def nothing(server: Server) -> Iterator[Client]:
    """A reader of a shop where nothing has happened."""
    fresh(server, "nothing").close()
    with reading(server, "nothing") as client:
        yield client


@contextmanager
def reading(server: Server, database: str) -> Iterator[Client]:
    """A connection with the rights of a reader."""
    with closing(server.client(READER, database=database)) as client:
        yield client


def fill(client: Client, end_ms: int, days: int = 90, paces: Sequence[Pace] = PACES) -> int:
    """Put the shop's rows into empty tables, up to a moment; how many messages it took."""
    shop = Shop(SEED, users=1_500, kols=40)
    log = list(_records(_messages(shop, end_ms, days, paces)))
    core = BothSides(PARTITIONS, places(log), KEY, in_full=True)
    insert = HttpInserter(lambda: client, {})
    number = itertools.count()
    for some in _pieces(log, AT_ONCE):
        for batch in _by_place(some):
            core.fold(batch)
        for part in _joined(core.collect()):
            insert(part, f"world-{next(number)}")
    _hard(insert, end_ms)
    live = end_ms - LIVE_MS
    told = shop.reference(0, end_ms, live)
    Dimensions(client, core.users[0].keyed_names).tell(told, end_ms)
    RollUps(client, str(client.database), ZONE).turn(
        Version(1, 1), now_ms=time.time_ns() // 1_000_000, at_once=True
    )
    return len(log)


def _messages(
    shop: Shop, end_ms: int, days: int, paces: Sequence[Pace]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    begin, live = end_ms - days * DAY, end_ms - LIVE_MS
    for pace in paces:
        until = end_ms - pace.until_ms
        if begin < until:
            yield from shop.events(begin, until, pace.rate, live)
            begin = until
    yield from _of_nobody(end_ms)


def _of_nobody(at: int) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What front ends send that know nobody: of a user, about a KOL, and a purchase."""
    click = {"ts": at, "event": "click"}
    paid = {"ts": at, "kind": "paid", "order_id": "of-nobody", "pay_cents": 9_900}
    yield "clickstream", {**click, "event_id": "nobody-1", "user_id": "undefined"}
    yield "clickstream", {**click, "event_id": "nobody-2", "user_id": "u-7", "kol_id": "null"}
    yield "purchases", {**paid, "event_id": "nobody-3", "user_id": "null"}


def _records(messages: Iterable[tuple[str, Mapping[str, Any]]]) -> Iterator[Record]:
    """The messages as they lie on the broker, appended when they happened."""
    ends: dict[tuple[str, int], int] = {}
    appended = 0
    for topic, event in messages:
        user = event.get("user_id")
        key = user.encode() if isinstance(user, str) else b""
        at = event.get("ts")
        if isinstance(at, int) and at > appended and at < time.time_ns() // 1_000_000:
            appended = at
        place = topic, partition_of(key, PARTITIONS)
        ends[place] = ends.get(place, -1) + 1
        yield Record(*place, ends[place], appended, encode(event))


def _pieces(log: Sequence[Record], size: int) -> Iterator[Sequence[Record]]:
    for first in range(0, len(log), size):
        yield log[first : first + size]


def _by_place(log: Sequence[Record]) -> Iterator[RecordBatch]:
    parts: dict[tuple[str, int], list[Record]] = {}
    for record in log:
        parts.setdefault((record.topic, record.partition), []).append(record)
    for (topic, partition), part in sorted(parts.items()):
        yield RecordBatch(
            topic=topic,
            partition=partition,
            partitions=PARTITIONS,
            first_offset=part[0].offset,
            next_offset=part[-1].offset + 1,
            values=[record.value for record in part],
            offsets=np.array([record.offset for record in part], np.int64),
            received_at=np.array([record.received_at for record in part], np.int64),
        )


def _joined(parts: Iterable[Rows]) -> Iterator[Rows]:
    yield from (part for part in parts if len(part))


def _hard(insert: HttpInserter, end_ms: int) -> None:
    """An order of each hard name, as KOL and as brand, spread over the last day."""
    given = []
    for number, name in enumerate((*HARD, TWIN)):
        paid = 10_000 + number
        given.append(
            order(
                f"hard-{number}",
                [name],
                {model: {name: paid} for model in MODELS},
                ordered_at=end_ms - (number + 1) * HOUR,
                user_hash=f"{number:032x}",
                brand_id=name,
                channel="live",
                platform="douyin",
                currency="CNY",
                paid_cents=paid,
                version=1,
            )
        )
    insert(rows("order_credit", given), "hard")
