"""Records of reference topics from the brokers: some of each topic at a time."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from schemas.columns import Rejected
from schemas.erasures import read_erasures
from schemas.placeholders import Placeholders
from schemas.reference import Refused, Tombstone, read_reference
from schemas.reference_types import Reference
from schemas.topics import ERASURES
from streams.clients.kafka_admin import Broker
from streams.clients.kafka_reader import RecordReader, TopicRecord, record_reader
from streams.errors import ExpectedError
from streams.settings import Settings
from streams.trainer.dimensions.cursor import Cursor, Found
from streams.trainer.dimensions.erased import Persons
from streams.trainer.dimensions.rows import Stated

RECORDS_AT_ONCE: Final = 20_000  # of a topic, between two writes
BYTES_AT_ONCE: Final = 16 << 20

TOMBSTONES_KEPT: Final = "delete.retention.ms"


class OtherKeyError(ExpectedError):
    """The key of this process makes other names than those that stand."""


@dataclass(slots=True)
class Batch:
    """Some records of one topic, by partition."""

    stated: dict[int, list[Stated]]
    rejected: list[Rejected]
    offsets: dict[int, int]  # partition -> up to where it is read

    @property
    def takes_back(self) -> bool:
        """Whether a record takes a key back."""
        return any(isinstance(s.what, Tombstone) for one in self.stated.values() for s in one)


def found_topics(broker: Broker, topics: Mapping[str, str]) -> dict[str, Found]:
    """How each topic stands on the brokers; its value in `topics` is the UUID of its table."""
    ids = broker.topic_ids()
    ends: dict[str, dict[int, int]] = defaultdict(dict)
    for (topic, partition), end in broker.end_offsets(topics, stable=True).items():
        ends[topic][partition] = end
    return {
        topic: Found(ids.get(topic, "") if ends[topic] else "", table_id, dict(ends[topic]))
        for topic, table_id in topics.items()
    }


def tombstones_kept_ms(broker: Broker, topic: str) -> int:
    """How long the brokers keep a record that takes a key back."""
    return int(broker.configs(topic)[TOMBSTONES_KEPT])


async def read_batch(settings: Settings, cursor: Cursor, found: Found) -> tuple[Batch, Persons]:
    """The next records of a topic, and whom they are about.

    Erasures are read after the records: whoever was erased by then does not get a row.
    """
    topic = cursor.topic
    starts = {
        (topic, at): offset for at, offset in cursor.offsets.items() if offset < found.ends[at]
    }
    ends = {place: found.ends[place[1]] for place in starts}
    placeholders = settings.placeholders
    batch = Batch({}, [], {})
    count = size = 0
    async with record_reader(settings.kafka) as reader:
        async for record in reader.ranges(starts, ends):
            if record.offset < starts[topic, record.partition]:
                continue  # of another topic of this name; it is found with the next turn
            _take(batch, record, len(found.ends), placeholders)
            count += 1
            size += len(record.value or b"")
            if count >= RECORDS_AT_ONCE or size >= BYTES_AT_ONCE:
                break
        else:
            batch.offsets = {at: end for (_, at), end in ends.items()}
        persons = await read_persons(reader, settings)
    return batch, persons


async def read_persons(reader: RecordReader, settings: Settings) -> Persons:
    """All who were erased: each erasure lies on every partition, so one is enough."""
    log = await reader.read_all([(ERASURES, 0)])
    records = log[ERASURES, 0].records
    values = [one.value for one in records]
    names = settings.keyed_names
    erasures = read_erasures(values, [one.offset for one in records], names)
    if erasures.foreign:
        raise OtherKeyError(
            "KOL_HMAC_KEY is not that of the workers: erasures have names made with another key"
        )
    return Persons(names, erasures)


def _take(batch: Batch, record: TopicRecord, partitions: int, placeholders: Placeholders) -> None:
    read = read_reference(
        record.topic,
        record.key,
        record.value,
        record.at,
        partition=record.partition,
        partitions=partitions,
        placeholders=placeholders,
    )
    batch.offsets[record.partition] = record.offset + 1
    what: Reference | Tombstone
    if isinstance(read, Refused):
        batch.rejected.append(_letter(record, read))
        if read.key is None:
            return
        what = Tombstone(record.topic, read.key)  # compaction takes the key back all the same
    else:
        what = read
    stated = batch.stated.setdefault(record.partition, [])
    stated.append(Stated(record.offset, record.at, what))


def _letter(record: TopicRecord, why: Refused) -> Rejected:
    return Rejected(
        record.topic,
        record.partition,
        record.offset,
        record.at,
        why.reason.label,
        why.error,
        record.value,
    )
