"""Consents as records of `kol-consents`."""

from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.columns import RecordBatch
from schemas.consents import ALLOWED, read_consents
from schemas.keyed_names import KeyedNames
from schemas.partitioner import partition_of
from schemas.reference_types import CONSENTS
from tests.builders import NOON

NAMES = KeyedNames(b"a key of at least 16 bytes")
ids = st.text(st.characters(categories=("L", "N", "P")), max_size=18).map(lambda text: f"u-{text}")
flags = st.tuples(st.booleans(), st.booleans(), st.booleans())


def batch_of(
    records: Sequence[tuple[bytes | None, bytes | None]], partition: int = 0, partitions: int = 1
) -> RecordBatch:
    count = len(records)
    return RecordBatch(
        topic=CONSENTS,
        partition=partition,
        partitions=partitions,
        first_offset=0,
        next_offset=count,
        values=[value for _, value in records],
        offsets=np.arange(count),
        received_at=NOON + np.arange(count),
        keys=[key for key, _ in records],
    )


def value(user_id: str, **said: object) -> bytes:
    return msgspec.json.encode({"user_id": user_id, "ts": NOON} | said)


@given(st.lists(st.tuples(ids, flags), max_size=8))
def test_what_is_said_is_read(said: list[tuple[str, tuple[bool, bool, bool]]]) -> None:
    records = [
        (user.encode(), value(user, **dict(zip(ALLOWED, bits, strict=True)))) for user, bits in said
    ]
    found = read_consents(batch_of(records), NAMES)

    assert found.user.tolist() == NAMES.users([user for user, _ in said]).tolist()
    assert found.at.tolist() == [NOON + row for row in range(len(said))]
    assert [tuple(bits) for bits in found.allowed.tolist()] == [bits for _, bits in said]
    assert (found.unreadable, found.misplaced) == (0, 0)


def test_what_is_not_mentioned_is_not_allowed() -> None:
    found = read_consents(batch_of([(b"u1", value("u1", geo=True))]), NAMES)

    assert found.allowed.tolist() == [[False, True, False]]


def test_a_tombstone_allows_nothing_and_is_readable() -> None:
    found = read_consents(batch_of([(b"u1", None)]), NAMES)

    assert (found.allowed.tolist(), found.unreadable) == ([[False] * 3], 0)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"\xff",
        b"[" * 5_000,
        value("u1", geo="yes"),
        value("u1", geo=True, ts=0),
        value("u2", geo=True),  # another user than the key's
        b'{"geo":true}',
    ],
)
def test_a_record_that_cannot_be_read_allows_nothing_since_compaction_keeps_only_it(
    raw: bytes,
) -> None:
    found = read_consents(batch_of([(b"u1", raw)]), NAMES)

    assert found.user.tolist() == NAMES.users(["u1"]).tolist()
    assert (found.allowed.tolist(), found.unreadable) == ([[False] * 3], 1)


@pytest.mark.parametrize("key", [None, b""])
def test_a_record_without_a_key_says_nothing_of_anybody(key: bytes | None) -> None:
    found = read_consents(batch_of([(key, value("u1", geo=True))]), NAMES)

    assert (len(found.user), found.unreadable) == (0, 1)


def test_a_record_on_the_partition_of_others_says_nothing_of_anybody() -> None:
    partition = partition_of(b"u1", 4)
    records = [(b"u1", value("u1", geo=True))]
    found = [read_consents(batch_of(records, at, 4), NAMES) for at in range(4)]

    assert [len(one.user) for one in found] == [int(at == partition) for at in range(4)]
    assert [one.misplaced for one in found] == [int(at != partition) for at in range(4)]
