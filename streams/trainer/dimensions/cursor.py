"""Up to where a reference topic is in its dimension, and whether it has to be read anew.

    reading     the records of a topic from its beginning on; its number is the version of the turn
                that began it, so a later one is greater
    shown       the reading whose rows count: a new one does once it has met the topic's end

A topic is read anew where it is another one of its name, has other partitions, ends before what
was read of it, or where its dimension is another table. So it is where nobody has met its
end for so long that the brokers may have removed a record that took a key back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

HOUR_MS: Final = 3_600_000
ABSENT_MS: Final = 30_000  # without a topic until its dimension is empty: brokers that just
# started do not know all topics yet
NOTED_MS: Final = 10 * 60_000  # between two notes that a topic without news was looked at


@dataclass(frozen=True, slots=True)
class Found:
    """A topic as the brokers have it now, and its table."""

    topic_id: str  # empty: there is no such topic
    table_id: str
    ends: Mapping[int, int] = field(default_factory=dict)  # partition -> offset behind the last


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far one topic is read; moments are milliseconds since the epoch."""

    topic: str
    topic_id: str = ""
    table_id: str = ""
    reading: int = 0
    shown: int = 0
    offsets: Mapping[int, int] = field(default_factory=dict)
    looked_at: int = 0  # when its end was met last, or this reading begun
    absent_since: int | None = None

    def left(self, found: Found) -> int:
        """How many offsets are to be read yet."""
        return sum(end - self.offsets.get(at, 0) for at, end in found.ends.items())

    def is_worth_noting(self, before: "Cursor | None") -> bool:
        """Whether it says more than the one that was written last."""
        if before is None or self.looked_at - before.looked_at >= NOTED_MS:
            return True
        return replace(self, looked_at=0) != replace(before, looked_at=0)


def looked(before: Cursor, found: Found, now: int, version: int, kept_ms: int) -> Cursor:
    """Where to go on after a look at the topic.

    Args:
        before: the cursor so far.
        found: the topic as it is now.
        now: milliseconds.
        version: of this turn; greater than that of every turn before.
        kept_ms: how long the brokers keep records that take a key back.

    """
    if not found.topic_id:
        return _absent(before, now, version)
    there = replace(before, absent_since=None)
    if _goes_on(before, found) and not _is_stale(before, now, kept_ms):
        return there if there.left(found) > 0 else replace(there, looked_at=now)
    return replace(
        there,
        looked_at=now,
        topic_id=found.topic_id,
        table_id=found.table_id,
        reading=version,
        offsets=dict.fromkeys(found.ends, 0),
    )


def reached(cursor: Cursor, offsets: Mapping[int, int], found: Found, now: int) -> Cursor:
    """The cursor once what is before these offsets is in the dimension.

    Args:
        cursor: so far.
        offsets: of some partitions.
        found: the topic.
        now: when it stood so, milliseconds.

    """
    after = replace(cursor, offsets={**cursor.offsets, **offsets})
    is_complete = bool(found.topic_id) and after.left(found) <= 0
    return replace(after, shown=after.reading, looked_at=now) if is_complete else after


def _goes_on(before: Cursor, found: Found) -> bool:
    """Whether what was read is the beginning of what is there."""
    return (
        before.topic_id == found.topic_id
        and before.table_id == found.table_id
        and before.offsets.keys() == found.ends.keys()
        and all(before.offsets[at] <= end for at, end in found.ends.items())
    )


def _is_stale(before: Cursor, now: int, kept_ms: int) -> bool:
    """Whether records that took keys back may have been removed unread."""
    return now - before.looked_at >= max(kept_ms - 2 * NOTED_MS, HOUR_MS)


def _absent(before: Cursor, now: int, version: int) -> Cursor:
    since = now if before.absent_since is None else before.absent_since
    after = replace(before, absent_since=since)
    if before.topic_id and now - since >= ABSENT_MS:
        return replace(after, topic_id="", reading=version, shown=version, offsets={})
    return after
