"""Judging who reads which partitions, how far, and whether that is kept in snapshots."""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from schemas.events import INPUTS
from schemas.reference_types import CONSENTS
from schemas.topics import CELLS, ERASURES, KOL_STATE, USER_STATE
from streams.clients.kafka_admin import Offsets
from streams.clients.kafka_reader import Place, TopicRecord
from streams.operations.doctor.findings import (
    FAULT_MS,
    WARNING_MS,
    Finding,
    fault,
    fine,
    places_text,
    warning,
)
from streams.operations.durations import duration_text

READ_TOPICS: Final = (
    *INPUTS,
    ERASURES,
    CONSENTS,
    CELLS,
)  # read partition by partition
STATES: Final = {"user": (USER_STATE, INPUTS), "kol": (KOL_STATE, (CELLS,))}


def owners(members: Mapping[str, Mapping[str, Collection[int]]], n: int) -> list[Finding]:
    """Whether every partition is read, and each worker owns the same partitions of all topics.

    Args:
        members: worker -> topic -> its partitions, of the consumer group.
        n: partitions of this deployment.

    """
    if not members:
        return [fault("group", "nobody reads: no worker is in the group", "start `kol worker`")]
    found = []
    read = {(topic, at) for share in members.values() for topic in share for at in share[topic]}
    left = [(topic, at) for topic in READ_TOPICS for at in range(n) if (topic, at) not in read]
    if left:
        found.append(
            fault(
                "group",
                f"nobody reads {places_text(left)}",
                "a rebalance may be under way; otherwise restart the workers one by one",
            )
        )
    split = [
        name
        for name, share in members.items()
        if len({frozenset(share.get(topic, ())) for topic in READ_TOPICS}) > 1
    ]
    if split:
        found.append(
            fault(
                "group",
                f"{', '.join(sorted(split))}: different partitions of different topics",
                "restart it; all workers must have the same version",
            )
        )
    return found or [fine("group", f"all {n} partitions are read, by {', '.join(sorted(members))}")]


def lag(ends: Offsets, committed: Offsets, oldest: Mapping[Place, int], now: int) -> list[Finding]:
    """How many messages are not yet committed, and how long the oldest has been waiting.

    Args:
        ends: of the topics that are read.
        committed: by the group.
        oldest: record time of the first message not yet safe, where there is one.
        now: milliseconds.

    """
    left = {place: end - committed.get(place, 0) for place, end in ends.items()}
    behind = sum(n for place, n in left.items() if n > 0 and place in oldest)
    waits = max((now - at for at in oldest.values()), default=0)
    if waits <= WARNING_MS:
        return [fine("lag", f"{behind:,} messages on their way")]
    (topic, partition), _ = min(oldest.items(), key=lambda item: item[1])
    what = (
        f"{behind:,} messages are not safe; the oldest, on {topic}/{partition}, has been waiting "
        f"for {duration_text(waits)}"
    )
    mend = "`kol status`: does a worker own it, is its sink fine? More workers, up to one a core"
    return [(fault if waits > FAULT_MS else warning)("lag", what, mend)]


def retention(oldest: Offsets, committed: Offsets) -> Finding:
    """Whether retention removed messages before they were read.

    Args:
        oldest: the first offset still there, of the topics that are read.
        committed: by the group.

    """
    lost = {place: at - committed.get(place, at) for place, at in oldest.items()}
    gone = {place: n for place, n in lost.items() if n > 0}
    if not gone:
        return fine("retention", "nothing was removed before it was read")
    what = (
        f"{sum(gone.values()):,} messages were removed before they were read: {places_text(gone)}"
    )
    mend = "restore them, or start once with `kol worker --accept-gap`; raise retention.ms"
    return fault("retention", what, mend)


def snapshots(
    side: str,
    newest: Iterable[TopicRecord],
    waiting: Mapping[int, int],
    known: Collection[int],
    now: int,
) -> list[Finding]:
    """When each partition of a side took its last snapshot.

    A partition without new messages takes none: its last snapshot may be old and yet complete.

    Args:
        side: `user` or `kol`.
        newest: last records of the state topic.
        waiting: partition -> how long its oldest message has been waiting, milliseconds.
        known: partitions that the group has read.
        now: milliseconds.

    """
    last: dict[int, int] = {}
    for record in newest:
        if record.key == b"manifest":
            last[record.partition] = max(record.at, last.get(record.partition, 0))
    about = f"snapshots, {side}"
    stale = {at: now - last[at] for at in last if waiting.get(at, 0) > FAULT_MS}
    found = [*_missing_snapshots(about, set(known) - last.keys()), *_stale_snapshots(about, stale)]
    if found:
        return found
    if not last:
        return [fine(about, "none yet, nor anything to write")]
    ages = [duration_text(now - at) for at in (max(last.values()), min(last.values()))]
    return [fine(about, f"{len(last)} partitions, the newest {ages[0]} ago, the oldest {ages[1]}")]


def _missing_snapshots(about: str, partitions: Collection[int]) -> list[Finding]:
    if not partitions:
        return []
    what = f"partitions {sorted(partitions)} were read, but no snapshot of them is found"
    mend = (
        "is the state topic compacted and kept? Restore it, or start once with "
        "`kol worker --from-empty`"
    )
    return [fault(about, what, mend)]


def _stale_snapshots(about: str, ages: Mapping[int, int]) -> list[Finding]:
    """The oldest of them: partition -> its age, milliseconds."""
    if not ages:
        return []
    partition, age = max(ages.items(), key=lambda item: item[1])
    what = (
        f"the last snapshot of partition {partition} is {duration_text(age)} old, "
        "although messages arrive"
    )
    return [fault(about, what, "look into the log of its worker: is the sink away?")]


def waiting_times(oldest: Mapping[Place, int], among: Collection[str], now: int) -> dict[int, int]:
    """How long the oldest message of these topics has been waiting in each partition, ms."""
    found: dict[int, int] = {}
    for (topic, partition), at in oldest.items():
        if topic in among:
            found[partition] = max(now - at, found.get(partition, 0))
    return found
