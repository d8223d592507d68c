"""Compaction of every compacted topic, at once and not some day; and all rows before and after.

    closed segments ──▶ cleaned: the newest record of each key
    the last one    ──▶ never cleaned: an aborted transaction begins a new one, so nothing is in it

Records of the aborted transaction are of a key of nobody, and no reader of committed ones sees any.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from schemas.reference_types import CONSENTS
from schemas.rows import VIEWS
from schemas.topics import CELLS, ERASURES, TOPICS
from schemas.views import COLUMNS
from streams.clients.clickhouse import connect, query
from streams.clients.kafka_admin import Offsets, client_options, kafka_admin
from streams.clients.kafka_reader import record_reader
from streams.errors import ExpectedError
from streams.settings import Kafka, Settings
from tests.chaos.foreign import NOBODY
from tests.chaos.stack import ChaosError

COMPACTED: Final = tuple(
    topic.name
    for topic in TOPICS.values()
    if "compact" in {**topic.required, **topic.initial}["cleanup.policy"]
)
AT_ONCE: Final[Mapping[str, str]] = {"segment.ms": "1000", "min.cleanable.dirty.ratio": "0"}
OLD_SECONDS: Final = 1.5  # a segment is older than it may be
CLEANER_SECONDS: Final = 120.0  # the cleaner looks every 15 s
LOOK: Final = 1.0
MOST: Final = 8  # differing rows told of each view
WITH_ROWS: Final = (  # views that have some after any log of a world with references
    *("v_order", "v_order_credit", "v_order_touches", "v_refund", "v_minute", "v_event", "v_door"),
    *("v_dead_letter", "v_kol", "v_content", "v_spend", "v_perception", "v_identity", "v_policy"),
    "v_notice",
)

# Counters of v_door that count work and not facts, as operations.md says of a replay: how often
# cells were sent, what was sent again after a kill, and what this run heard late
OF_WORK: Final = {
    *((CELLS, name) for name in ("blocks", "cells", "cell_not_newer", "cell_after_final")),
    (ERASURES, "erasure_late"),
    (CONSENTS, "consent_late"),
}

# Letters of reference records that a later one of their key replaced: with the record goes what
# could be refused again. Life keeps the letter; a replay of what compaction has left has none. And
# so it is with the counter of refused consents
OF_RECORDS: Final = {(CONSENTS, "consent_unreadable")}
Place = tuple[str, int, int]  # topic, partition, offset

Views = Mapping[str, Counter[str]]


def compact(kafka: Kafka) -> int:
    """Return once all that was on compacted topics is compacted: how many records that took away.

    Raises:
        ChaosError: the cleaner does not do it in time.

    """
    with kafka_admin(kafka) as broker:
        for topic in COMPACTED:
            broker.set_configs(topic, AT_ONCE)
        time.sleep(OLD_SECONDS)
        ends = broker.end_offsets(COMPACTED)
    before = asyncio.run(_keys(kafka, ends))
    asyncio.run(_begin_segments(kafka, ends))
    deadline = time.monotonic() + CLEANER_SECONDS
    while left := _repeated(keys := asyncio.run(_keys(kafka, ends))):
        if time.monotonic() > deadline:
            raise ChaosError(f"not compacted: {left}")
        time.sleep(LOOK)
    return sum(map(len, before.values())) - sum(map(len, keys.values()))


async def _begin_segments(kafka: Kafka, ends: Offsets) -> None:
    producer = AIOKafkaProducer(transactional_id=f"{NOBODY}-segments", **client_options(kafka))
    async with producer:
        await producer.begin_transaction()
        for topic, partition in ends:
            await producer.send_and_wait(
                kafka.broker_topic(topic), None, key=NOBODY.encode(), partition=partition
            )
        await producer.abort_transaction()


async def _keys(kafka: Kafka, ends: Offsets) -> dict[tuple[str, int], list[bytes | None]]:
    """The keys of all committed records before these ends."""
    async with asyncio.timeout(CLEANER_SECONDS), record_reader(kafka) as records:
        while True:
            try:
                found = await records.read_all(ends)
            except ExpectedError:  # a transaction is open, or a state is being written
                await asyncio.sleep(LOOK)
            else:
                break
    return {
        place: [one.key for one in part.records if one.offset < ends[place]]
        for place, part in found.items()
    }


def _repeated(keys: Mapping[tuple[str, int], list[bytes | None]]) -> list[str]:
    """Partitions that have a key twice."""
    return [f"{topic}/{at}" for (topic, at), some in keys.items() if len(some) != len(set(some))]


# ---------------------------------------------------------------- all rows


def rows_of_views(settings: Settings, lost: Collection[Place] = ()) -> Views:
    """Every row of every view in every column, but for what counts work, and letters of `lost`."""
    client = connect(settings.clickhouse)
    found = {
        view: Counter(
            json.dumps(row, ensure_ascii=False)
            for row in query(client, f"SELECT {', '.join(COLUMNS[view])} FROM {view}")  # noqa: S608  # names of ours
            if not is_left_out(view, row, lost)
        )
        for view in VIEWS
    }
    client.close()
    return found


def is_left_out(view: str, row: Mapping[str, Any], lost: Collection[Place]) -> bool:
    """Whether a replay after compaction need not say the same; above it stands why."""
    if view == "v_dead_letter":
        return (row["topic"], row["partition"], row["offset"]) in lost
    return view == "v_door" and (row["topic"], row["door"]) in OF_WORK | OF_RECORDS


def without_rows(views: Views) -> list[str]:
    """Views that must have rows and have none, in words; [] where there are none."""
    return [f"{view} has no row" for view in WITH_ROWS if not views[view]]


def compare_views(ours: Views, former: Views) -> list[str]:
    """Where rows are other ones than before, in words; [] where nowhere."""
    wrong = []
    for view in former:
        more, fewer = ours[view] - former[view], former[view] - ours[view]
        if more or fewer:
            wrong.append(
                f"{view}: {more.total()} too many, {fewer.total()} missing:"
                f" {sorted(more)[:MOST]}, {sorted(fewer)[:MOST]}"
            )
    return wrong
