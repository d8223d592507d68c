"""What the shop's reference topics still say of a person: theirs to take back, ours to count."""

from dataclasses import dataclass, field
from typing import Any

from schemas.reference import Refused, Tombstone, read_reference
from schemas.reference_types import PERSONAL, Reference
from streams.clients.kafka_admin import kafka_admin
from streams.clients.kafka_reader import TopicRecord, record_reader
from streams.operations.forget.search import Person, all_records
from streams.settings import Settings


@dataclass(slots=True)
class Told:
    """What reference topics tell of a person."""

    counts: dict[str, int] = field(default_factory=dict)  # topic -> records that stand
    anonymous: list[str] = field(default_factory=list)  # ids that `identity` binds, or has bound


class About:
    """The records of one topic that are about a person.

    Args:
        person: whom.

    """

    def __init__(self, person: Person) -> None:
        self._person = person
        self._bound: dict[bytes, str] = {}  # key -> the anonymous id
        self.keys: set[bytes] = set()  # whose newest record is about the person

    def add(self, record: TopicRecord) -> None:
        """Take the next record of a partition."""
        if record.key is None:
            return
        said = _said(record, self._person)
        if said is not None:
            self.keys.add(record.key)
            anonymous = getattr(said, "anon_id", None)
            if anonymous and anonymous != self._person.user_id:
                self._bound[record.key] = anonymous
            return
        self.keys.discard(record.key)
        if record.value is not None:  # somebody else's; where it was only taken back it was theirs
            self._bound.pop(record.key, None)

    @property
    def anonymous(self) -> list[str]:
        """Ids that the person had before sign-in."""
        return sorted(set(self._bound.values()))


async def read_references(settings: Settings, person: Person) -> Told:
    """What each topic tells of the person, as far as compaction has left it.

    Raises:
        BrokerError: the brokers do not answer.

    """
    with kafka_admin(settings.kafka) as broker:
        counts = broker.counts()
    told = Told()
    async with record_reader(settings.kafka) as records:
        for topic in sorted(PERSONAL.keys() & counts.keys()):
            about = About(person)
            async for record in all_records(records, topic, counts[topic]):
                about.add(record)
            if about.keys:
                told.counts[topic] = len(about.keys)
            told.anonymous += about.anonymous  # of `identity` alone
    return told


def _said(record: TopicRecord, person: Person) -> Reference | None:
    """What a record says; None where it is not about the person."""
    if record.value is None or record.at > person.at:
        return None
    if person.user_id.encode() not in record.value and b"\\" not in record.value:
        return None
    read: Any = read_reference(record.topic, record.key, record.value, record.at)
    if isinstance(read, Refused | Tombstone):
        return None
    names = {getattr(read, name) for name in PERSONAL[record.topic]}
    return read if person.user_id in names else None
