"""Judging brokers, topics and the producers of their records."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from schemas.mentions import user_of
from schemas.partitioner import partition_of
from schemas.reference_types import REFERENCES
from schemas.topics import OPTIONAL, TOPICS, alter_command, suffices
from streams.clients.kafka_admin import OpenTransaction, Replicas
from streams.clients.kafka_reader import Place, TopicRecord
from streams.operations.doctor.findings import (
    FAULT_MS,
    WARNING_MS,
    WRONG_PARTITION,
    Finding,
    fault,
    fine,
    places_text,
    version_text,
    warning,
)
from streams.operations.open_transactions import held_text

RECENT_MS: Final = 3_600_000  # records that show how producers behave now
OLDEST_KAFKA: Final = (3, 7)


def brokers(
    where: str, version: Sequence[int], count: int, replicas: Mapping[Place, Replicas]
) -> list[Finding]:
    """Whether the brokers are new enough, and serve and replicate every partition.

    Args:
        where: their addresses.
        version: of the brokers, at the least.
        count: how many there are.
        replicas: of each partition of ours.

    """
    found = []
    known = ".".join(map(str, version[:2]))
    if tuple(version[:2]) < OLDEST_KAFKA:
        what = f"Kafka {known} at {where} is older than {version_text(OLDEST_KAFKA)}"
        found.append(fault("brokers", what, "upgrade the brokers, one by one"))
    dead = [place for place, one in replicas.items() if one.leader < 0]
    if dead:
        what = f"nobody serves {places_text(dead)}"
        found.append(fault("brokers", what, "start the brokers that keep them; nothing is lost"))
    behind = [place for place, one in replicas.items() if one.in_sync < one.copies]
    if behind:
        what = f"copies are missing or behind of {places_text(behind)}"
        found.append(warning("brokers", what, "is a broker away? They catch up by themselves"))
    single = [place for place, one in replicas.items() if one.copies == 1]
    if single and count > 1:
        what = f"{count} brokers, but one copy only of {places_text(single)}"
        mend = "kafka-reassign-partitions.sh adds copies; KOL_KAFKA__REPLICATION=3 for new topics"
        found.append(warning("brokers", what, mend))
    return found or [fine("brokers", f"{where}: {count} of Kafka {known} or newer, all serving")]


def topics(
    counts: Mapping[str, int],
    configs: Mapping[str, Mapping[str, str]],
    n: int,
    broker_topic: Callable[[str], str] = str,
) -> list[Finding]:
    """Whether every topic exists, with the partitions and the settings that it needs.

    Args:
        counts: topic -> number of partitions.
        configs: topic -> its settings in force.
        n: partitions of this deployment.
        broker_topic: gives the name of a topic on the brokers.

    """
    return [
        *_topic_settings(counts, configs, broker_topic),
        *_references(counts),
        _co_partitioning(counts, n),
    ]


def _topic_settings(
    counts: Mapping[str, int],
    configs: Mapping[str, Mapping[str, str]],
    broker_topic: Callable[[str], str],
) -> list[Finding]:
    found = []
    missing = [broker_topic(name) for name in TOPICS if name not in {*counts, *OPTIONAL}]
    if missing:
        what = f"{', '.join(missing)}: not there"
        found.append(fault("topics", what, "`kol topics` creates them"))
    found += [
        fault("topics", f"{name} has {key}={now}, not {value}", alter_command(name, key, value))
        for topic in TOPICS.values()
        for key, value in topic.required.items()
        if topic.name in configs and not suffices(key, now := configs[topic.name].get(key), value)
        for name in [broker_topic(topic.name)]
    ]
    return found or [fine("topics", f"{len(configs)} with their settings")]


def _references(counts: Mapping[str, int]) -> list[Finding]:
    """Whether a topic is missing that everything runs without."""
    missing = [name for name in TOPICS if name in OPTIONAL and name not in counts]
    if not missing:
        return []
    what = f"{', '.join(missing)}: not there, so what needs it has no value"
    return [warning("reference topics", what, "`kol topics` creates them")]


def _co_partitioning(counts: Mapping[str, int], n: int) -> Finding:
    about = "co-partitioning"
    uneven = [
        f"{name} has {counts[name]}"
        for name, topic in TOPICS.items()
        if name in counts and not topic.fits(counts[name], n)
    ]
    if not uneven:
        return fine(about, f"inputs, cells and states have {n} partitions each")
    return fault(
        about,
        f"{', '.join(uneven)} partitions, this deployment has {n}",
        "a count never changes: set KOL_KAFKA__PARTITIONS to the inputs' common count, "
        "or use new topics and a new KOL_APP_ID",
    )


def partitioners(
    newest: Iterable[TopicRecord], counts: Mapping[str, int], now: int
) -> list[Finding]:
    """Whether the newest records are in the partition that murmur2 of what they belong to gives.

    Args:
        newest: records of input topics, by their user_id, and of reference topics, by their key.
        counts: topic -> number of partitions.
        now: milliseconds; records older than an hour say nothing about today's producers.

    """
    seen: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for record in newest:
        key = _partitioned_by(record) if record.at > now - RECENT_MS else None
        if key:
            seen[record.topic] += 1
            wrong[record.topic] += partition_of(key, counts[record.topic]) != record.partition
    found = [
        fault(
            "partitioners",
            f"{count} of the newest {seen[topic]} records of {topic} are in another partition than"
            f" murmur2 of their {'key' if topic in REFERENCES else 'user_id'}",
            "its producers must key by "
            f"{TOPICS[topic].key} with the murmur2 partitioner (librdkafka: "
            f"partitioner=murmur2_random); then `kol dlq retry --reason {WRONG_PARTITION}`",
        )
        for topic, count in sorted(wrong.items())
        if count
    ]
    return found or [
        fine("partitioners", f"{seen.total()} of the newest records are in the right partition")
    ]


def _partitioned_by(record: TopicRecord) -> bytes | None:
    """What the partition of a record goes by."""
    if record.topic in REFERENCES:
        return record.key
    user = user_of(record.value or b"")
    return None if user is None else user.encode()


def open_transactions(found: Iterable[OpenTransaction], now: int) -> list[Finding]:
    """Whether a transaction that is not ended hides records, and whose it is.

    Args:
        found: on topics that are read.
        now: milliseconds.

    """
    old = [one for one in found if now - one.since > WARNING_MS]
    if not old:
        return [fine("transactions", "none that is open hides records")]
    mend = (
        "stop that producer, or end its transaction: kafka-transactions.sh find-hanging, then "
        "abort; what it hides is read then"
    )
    return [
        (fault if now - one.since > FAULT_MS else warning)(
            "transactions", held_text(one, now), mend
        )
        for one in old
    ]
