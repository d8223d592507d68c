"""Sending reference records again that were refused, under their own key.

Of a key the record that comes last counts. So a letter whose key has had another record since is
not sent again: it would take the place of what is newer.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from schemas.letters import Letter
from schemas.partitioner import partition_of
from schemas.placeholders import DEFAULT, Placeholders
from schemas.reference import Refused, own_key, read_reference
from streams.clients.kafka_reader import TopicRecord
from streams.operations.dlq.target import RetryTarget

Since = tuple[int, int, int]  # record time, partition, offset
Standing = Mapping[tuple[str, bytes | None], Since]  # topic, key -> of its newest record

_NEVER: Final = (-1, -1, -1)


def newest_of_keys(
    records: Iterable[TopicRecord],
    counts: Mapping[str, int],
    placeholders: Placeholders = DEFAULT,
) -> dict[tuple[str, bytes | None], Since]:
    """Where the newest record of each key stands that was not refused itself.

    Args:
        records: of reference topics, in any order.
        counts: topic -> number of partitions.
        placeholders: ids that mean nobody.

    """
    newest: dict[tuple[str, bytes | None], Since] = {}
    for one in records:
        read = read_reference(
            one.topic,
            one.key,
            one.value,
            one.at,
            partition=one.partition,
            partitions=counts[one.topic],
            placeholders=placeholders,
        )
        if not isinstance(read, Refused):
            place, since = (one.topic, one.key), (one.at, one.partition, one.offset)
            newest[place] = max(since, newest.get(place, since))
    return newest


def reference_target(
    letter: Letter,
    raw: bytes,
    partitions: int,
    standing: Standing,
    now: int,
    *,
    anyway: bool = False,
    placeholders: Placeholders = DEFAULT,
) -> RetryTarget:
    """Where a letter of a reference topic is sent again, or why it is not.

    Args:
        letter: from the rows; one that may be retried at all.
        raw: its bytes.
        partitions: of its topic; 0: there is none.
        standing: newer records.
        now: milliseconds; the record time it would get.
        anyway: retry also what would be rejected again, but never over a newer record.
        placeholders: ids that mean nobody.

    """
    if partitions == 0:
        return RetryTarget(letter, f"{letter.topic} is not there: `kol topics` creates it")
    key = own_key(letter.topic, raw)
    at = letter.partition % partitions if key is None else partition_of(key, partitions)
    since = (letter.at, letter.partition, letter.offset)
    if standing.get((letter.topic, key), _NEVER) > since:
        return RetryTarget(letter, "a newer record of its key stands, which it would replace")
    read = read_reference(
        letter.topic,
        key,
        raw,
        now,
        partition=at,
        partitions=partitions,
        placeholders=placeholders,
    )
    if isinstance(read, Refused) and not anyway:
        why = f"would be refused again: {read.reason.label} ({read.error})"
        return RetryTarget(letter, why)
    return RetryTarget(letter, None, raw, key, at, letter.at)
