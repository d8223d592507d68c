"""What the shop's reference topics still say of a person: theirs to take back, ours to count."""

from typing import Any, Final

from schemas.reference import Refused, Tombstone, read_reference
from schemas.reference_types import CONSENTS, IDENTITIES, PERCEPTIONS, PROFILES
from streams.clients.kafka_admin import kafka_admin
from streams.clients.kafka_reader import TopicRecord, record_reader
from streams.operations.forget.search import Person, all_records
from streams.settings import Settings

PERSONAL: Final = {  # topic -> fields that may name a person
    PROFILES: ("user_id",),
    PERCEPTIONS: ("respondent", "user_id"),
    IDENTITIES: ("anon_id", "user_id"),
    CONSENTS: ("user_id",),
}


async def count_references(settings: Settings, person: Person) -> dict[str, int]:
    """How many records of each topic are about the person, of those that compaction leaves.

    Raises:
        BrokerError: the brokers do not answer.

    """
    with kafka_admin(settings.kafka) as broker:
        counts = broker.counts()
    found: dict[str, int] = {}
    async with record_reader(settings.kafka) as records:
        for topic in PERSONAL.keys() & counts.keys():
            theirs: set[bytes] = set()  # keys whose newest record is about the person
            async for record in all_records(records, topic, counts[topic]):
                if record.key is None:
                    continue
                if _is_about(record, person):
                    theirs.add(record.key)
                else:
                    theirs.discard(record.key)
            if theirs:
                found[topic] = len(theirs)
    return dict(sorted(found.items()))


def _is_about(record: TopicRecord, person: Person) -> bool:
    if record.value is None or record.at > person.at:
        return False
    if person.user_id.encode() not in record.value and b"\\" not in record.value:
        return False
    read: Any = read_reference(record.topic, record.key, record.value, record.at)
    if isinstance(read, Refused | Tombstone):
        return False
    return person.user_id in {getattr(read, name) for name in PERSONAL[record.topic]}
