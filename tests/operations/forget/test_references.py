"""What reference records tell of a person who is forgotten."""

import msgspec
import pytest

from schemas.reference_keys import key_of
from schemas.reference_types import IDENTITIES, Identity
from streams.clients.kafka_reader import TopicRecord
from streams.operations.forget.references import About
from streams.operations.forget.search import Person

TS = 1_767_225_600_000
PERSON = Person("u1", 0, TS + 9, ())


def record(
    anon: str, user: str, ts: int = TS, at: int = TS, *, is_tombstone: bool = False
) -> TopicRecord:
    said = Identity(anon_id=anon, ts=ts, user_id=user)
    value = None if is_tombstone else msgspec.json.encode(said)
    return TopicRecord(IDENTITIES, 0, 0, at, key_of(IDENTITIES, said), value, {}, by_broker=True)


@pytest.mark.parametrize(
    ("records", "standing", "anonymous"),
    [
        ([record("a1", "u1"), record("a2", "u1"), record("a1", "u1", TS + 1)], 3, ["a1", "a2"]),
        ([record("a1", "u2")], 0, []),
        ([record("a1", "u1"), record("a1", "u2")], 0, []),  # it was a mistake
        ([record("a1", "u1"), record("a1", "u2", TS + 1)], 1, ["a1"]),  # a device of two
        ([record("a1", "u1"), record("a1", "u1", is_tombstone=True)], 0, ["a1"]),
        ([record("u1", "u1")], 1, []),
        ([record("u1", "u2")], 1, []),
        ([record("a1", "u1", at=TS + 10)], 0, []),  # of who has the id after the erasure
    ],
)
def test_anonymous_ids_that_were_bound_to_the_person_are_known(
    records: list[TopicRecord], standing: int, anonymous: list[str]
) -> None:
    about = About(PERSON)
    for one in records:
        about.add(one)

    assert (len(about.keys), about.anonymous) == (standing, anonymous)
