"""Which hours and days of a roll-up no longer say what their source says.

A bucket is the beginning of an hour in seconds; of a day its date at midnight UTC.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from schemas.rollups import RollUp
from schemas.rows import TABLES
from streams.trainer.coverage import Coverage, Cursor, is_more, may_be_less
from streams.trainer.store import Floor, Floors, Note, Store

DAY: Final = 86_400
FOREVER: Final = 2**32 - 1  # the end of DateTime
AT_ONCE: Final = 31  # buckets of one statement, within as many days
NEVER_COMPUTED: Final = Floor(FOREVER, unsettled=False)

BEYOND: Final = """
    toInt64(splitByChar('_', s._part)[3])
        > transform(s._partition_id, {partitions:Array(String)}, {blocks:Array(Int64)}, -1)
    AND toInt64(s._block_number)
        > transform(s._partition_id, {partitions:Array(String)}, {blocks:Array(Int64)}, -1)
"""  # the first condition keeps parts without anything new from being read; replicas count from 0


class Span(NamedTuple):
    """Some buckets of a roll-up, and the moments of the source between which their rows are."""

    buckets: list[int]
    first: int  # seconds
    end: int  # seconds, not within


class Dirt:
    """What has changed under the roll-ups, as one turn sees it."""

    def __init__(self, store: Store, floors: Floors, zone: str, now: int) -> None:
        """Take where to look, what is known of buckets, the zone of days, the time in seconds."""
        self._store = store
        self._floors = floors
        self._zone = zone
        self._now = now

    def of(self, rollup: RollUp, found: Coverage, kept: Cursor, since: int) -> set[int]:
        """The buckets from `since` on that changed after what a cursor covers."""
        if self._is_all_new(rollup, kept, since):
            return self.all(rollup, since)
        known = self._known(rollup)
        dirty = {bucket for bucket, floor in known.items() if floor.unsettled and bucket >= since}
        if is_more(found, kept.coverage):
            dirty |= self._beyond(rollup, kept.coverage, since)
        if partitions := may_be_less(found, kept.coverage):
            reached = [_reach_of(rollup, at) for at in partitions]
            first, end = min(reached)[0], max(reached)[1]
            dirty |= {
                bucket
                for bucket in self.all(rollup, max(first, since), end)
                if any(first <= bucket < end for first, end in reached)
            }
        return dirty

    def all(self, rollup: RollUp, since: int, end: int = FOREVER) -> set[int]:
        """All buckets from `since` to an end: those that have rows, and those that had some."""
        margin = (1 + rollup.days_after) * DAY
        before = f"s.{rollup.order} <= toDateTime({{end:UInt32}}, 'UTC')"
        there = self._buckets(rollup, since, before, {"end": min(FOREVER, end + margin)})
        return {bucket for bucket in there | self._known(rollup).keys() if since <= bucket < end}

    def unfrozen(self, rollup: RollUp, buckets: Iterable[int]) -> list[int]:
        """Those of the buckets, in order, whose source cannot have lost rows of theirs to age."""
        kept = _least_seconds(TABLES[rollup.source].keep) - DAY
        known = self._known(rollup)
        return sorted(
            bucket
            for bucket in buckets
            if known.get(bucket, NEVER_COMPUTED).stated_from + kept > self._now
        )

    def notes(self, rollup: RollUp, span: Span) -> list[Note]:
        """What is to be noted of the buckets of a span before and after they are computed."""
        found = {} if rollup.is_hourly else self._stated_from(rollup, span)
        return [Note(rollup.table, at, found.get(at, FOREVER)) for at in span.buckets]

    def _stated_from(self, rollup: RollUp, span: Span) -> dict[int, int]:
        sql = f"""
            SELECT {_seconds(rollup)} AS bucket, toUnixTimestamp(min(s.stated_at)) AS stated_from
            FROM (DATABASE).{rollup.source_rows}
            WHERE {within(rollup)}
            GROUP BY bucket
        """  # noqa: S608  # names of ours
        given = {"zone": self._zone, "first": span.first, "end": span.end}
        return {row["bucket"]: row["stated_from"] for row in self._store.rows(sql, given)}

    def _is_all_new(self, rollup: RollUp, kept: Cursor, since: int) -> bool:
        """Whether hours were not kept so far, or days had another zone."""
        return since < kept.hours_from if rollup.is_hourly else self._zone != kept.zone

    def _known(self, rollup: RollUp) -> Mapping[int, Floor]:
        return self._floors.get(rollup.table, {})

    def _beyond(self, rollup: RollUp, kept: Coverage, since: int) -> set[int]:
        """The buckets that got rows."""
        given = {
            "partitions": list(kept),
            "blocks": [reach.block for reach in kept.values()],
        }
        beyond = BEYOND if kept else "1"
        found = self._buckets(rollup, since, beyond, given)
        if not (kept and rollup.left):
            return found
        left = f"FROM (DATABASE).{rollup.source} AS s WHERE {rollup.left} AND {beyond}"
        if self._store.rows(f"SELECT 1 AS one {left} LIMIT 1", given):
            same = f"s.{rollup.same} IN (SELECT s.{rollup.same} {left})"
            found |= self._buckets(rollup, since, same, given)
        return found

    def _buckets(
        self, rollup: RollUp, since: int, where: str, given: Mapping[str, Any]
    ) -> set[int]:
        sql = f"""
            SELECT DISTINCT {_seconds(rollup)} AS bucket
            FROM (DATABASE).{rollup.source_rows}
            WHERE s.{rollup.order} >= toDateTime({{first:UInt32}}, 'UTC') AND {where}
        """  # noqa: S608  # names of ours
        given = {
            **given,
            "zone": self._zone,
            "first": max(0, since - (1 + rollup.days_before) * DAY),
        }
        rows = self._store.rows(sql, given)
        return {row["bucket"] for row in rows if row["bucket"] >= since}


def within(rollup: RollUp) -> str:
    """The condition for rows of the source between two moments."""
    first, end = "toDateTime({first:UInt32}, 'UTC')", "toDateTime({end:UInt32}, 'UTC')"
    return f"s.{rollup.order} >= {first} AND s.{rollup.order} < {end}"


def spans(rollup: RollUp, buckets: list[int]) -> Iterator[Span]:
    """Buckets, which are in order, a few at a time.

    >>> from schemas.rollups import ROLL_UPS
    >>> [len(span.buckets) for span in spans(ROLL_UPS["credit_1d"], [0, 86_400, 40 * 86_400])]
    [2, 1]
    """
    before, after = (0, 3600) if rollup.is_hourly else (DAY, 2 * DAY)  # days in every zone
    before, after = before + rollup.days_before * DAY, after + rollup.days_after * DAY
    begin = 0
    for at in range(1, len(buckets) + 1):
        is_last = at == len(buckets) or at - begin == AT_ONCE
        if is_last or buckets[at] - buckets[begin] >= AT_ONCE * DAY:
            some = buckets[begin:at]
            yield Span(some, max(0, some[0] - before), some[-1] + after)
            begin = at


def as_parameter(rollup: RollUp, buckets: Iterable[int]) -> list[str]:
    """Buckets as ClickHouse reads hours or days."""
    form = "%Y-%m-%d %H:%M:%S" if rollup.is_hourly else "%Y-%m-%d"
    return [time.strftime(form, time.gmtime(bucket)) for bucket in buckets]


def _seconds(rollup: RollUp) -> str:
    return f"toUnixTimestamp(toDateTime({rollup.source_bucket('{zone:String}')}, 'UTC'))"


def _reach_of(rollup: RollUp, partition: str) -> tuple[int, int]:
    """The first bucket, and the end of those, that may have rows in a partition, a month of UTC.

    >>> from schemas.rollups import ROLL_UPS
    >>> [time.strftime("%m-%d", time.gmtime(at)) for at in _reach_of(ROLL_UPS["cell_1d"], "202602")]
    ['01-31', '03-02']
    """
    year, month = divmod(int(partition), 100)
    first = datetime(year, month, 1, tzinfo=UTC)
    end = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
    margin = 0 if rollup.is_hourly else DAY
    before, after = margin + rollup.days_after * DAY, margin + rollup.days_before * DAY
    return int(first.timestamp()) - before, int(end.timestamp()) + after


def _least_seconds(keep: str) -> int:
    """The least time that an age of a table means.

    >>> _least_seconds("90 DAY") // DAY, _least_seconds("25 MONTH") // DAY
    (90, 750)
    """
    number, unit = keep.split()
    return int(number) * {"DAY": DAY, "MONTH": 30 * DAY}[unit]
