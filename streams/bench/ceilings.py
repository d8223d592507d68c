"""Ceilings: what reading the same messages costs who does nothing with them.

python -m streams.bench.ceilings wire|decode|client BOOTSTRAP WARM EVENTS PARTITIONS

| ceiling | does |
|---|---|
| wire | fetches record sets, checks their CRC, decompresses them, walks over the records |
| decode | the same, and decodes to columns: the product's own decoder |
| client | confluent-kafka's `consume(500)`, and msgspec into objects of twelve fields |

The last cannot be lowered by what we do, so ratios to it can be compared over years.
"""

import asyncio
import sys
import uuid
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition

from schemas.codec import decode
from schemas.columns import RecordBatch
from schemas.events import INPUTS
from schemas.keyed_names import KeyedNames
from streams.bench.windows import Marks
from streams.settings import Settings
from streams.transport.records import Piece, RecordSet

WAIT_MS: Final = 100
FETCH_BYTES: Final = 4 << 20  # of an answer
PARTITION_BYTES: Final = 1 << 20
PIECE: Final = 4_000  # messages decoded at once
CONSUMED: Final = 500  # messages; larger batches are slower: the cache
KEY: Final = b"the key of the benchmark"

Take = Callable[[TopicPartition, Piece], object]


class Event(msgspec.Struct, gc=False):
    """Twelve fields, as a consumer written by hand would have them."""

    event_id: str
    ts: int
    user_id: str
    event: str | None = None
    kind: str | None = None
    kol_id: str | None = None
    content_id: str | None = None
    share_id: str | None = None
    dwell_ms: int | None = None
    order_id: str | None = None
    pay_cents: int | None = None
    currency: str | None = None


async def read_sets(bootstrap: str, marks: Marks, partitions: int, take: Take) -> None:
    """Fetch all partitions of the inputs by turns until the window is over."""
    kafka = Settings().kafka
    topics = [kafka.broker_topic(topic) for topic in INPUTS]
    at = {TopicPartition(t, p): 0 for t in topics for p in range(partitions)}
    client = AIOKafkaClient(bootstrap_servers=bootstrap)
    await client.bootstrap()
    try:
        await client.set_topics(topics)
        await client.ready(client.cluster.leader_for_partition(next(iter(at))))
        while True:
            for tp, records in await _fetched(client, at):
                for piece in _pieces(tp, records, at):
                    take(tp, piece)
                    if marks.count_done(len(piece)):
                        return
    finally:
        marks.print_mark()
        await client.close()


async def _fetched(
    client: AIOKafkaClient, at: dict[TopicPartition, int]
) -> list[tuple[TopicPartition, bytes]]:
    """What one request brings; partitions that brought something go last in the next one."""
    node = client.cluster.leader_for_partition(next(iter(at)))
    asked: dict[str, list[tuple[int, int, int]]] = {}
    for tp, offset in at.items():
        asked.setdefault(tp.topic, []).append((tp.partition, offset, PARTITION_BYTES))
    answer = await client.send(
        node, FetchRequest(WAIT_MS, 1, FETCH_BYTES, READ_COMMITTED, list(asked.items()))
    )
    found = []
    for topic, parts in answer.topics:
        for partition, *_, records in parts:
            if records:
                tp = TopicPartition(topic, partition)
                found.append((tp, records))
                at[tp] = at.pop(tp)
    return found


def _pieces(tp: TopicPartition, data: bytes, at: dict[TopicPartition, int]) -> Iterator[Piece]:
    checks_crc = True
    found = PartitionRecords(
        tp, MemoryRecords(data), [], at[tp], None, None, checks_crc, READ_COMMITTED
    )
    records = RecordSet(found)
    while piece := records.read(PIECE):
        at[tp] = piece.next_offset
        yield piece
    at[tp] = records.position


def decoder(partitions: int) -> Take:
    """Decodes pieces to columns, as a worker does."""
    names = KeyedNames(KEY)
    plain_topic = Settings().kafka.plain_topic

    def take(tp: TopicPartition, piece: Piece) -> Any:  # noqa: ANN401  # thrown away
        batch = RecordBatch(
            topic=plain_topic(tp.topic) or tp.topic,
            partition=tp.partition,
            partitions=partitions,
            first_offset=piece.first_offset,
            next_offset=piece.next_offset,
            values=piece.values,
            offsets=piece.offsets,
            received_at=piece.received_at,
        )
        return decode(batch, names, in_full=True)

    return take


def consume(bootstrap: str, marks: Marks) -> None:
    """Read with the C client and decode with msgspec."""
    from confluent_kafka import Consumer  # noqa: PLC0415  # the others need none

    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": f"ceiling-{uuid.uuid4().hex[:8]}",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([Settings().kafka.broker_topic(topic) for topic in INPUTS])
    read = msgspec.json.Decoder(Event).decode
    is_over = False
    while not is_over:
        messages = consumer.consume(CONSUMED, timeout=1.0)
        for message in messages:
            try:
                read(message.value() or b"")
            except msgspec.DecodeError:
                continue
        is_over = marks.count_done(len(messages))
    marks.print_mark()
    consumer.close()


def main(ceiling: str, bootstrap: str, warm: int, events: int, partitions: int) -> None:
    """Measure one of the ceilings."""
    marks = Marks(warm, events)
    if ceiling == "client":
        consume(bootstrap, marks)
    else:
        take = decoder(partitions) if ceiling == "decode" else lambda _, piece: piece
        asyncio.run(read_sets(bootstrap, marks, partitions, take))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6]))
