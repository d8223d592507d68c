"""Turns of the roll-ups: what changed in the sources is added up anew, whole hours and days.

    rollups = RollUps(client, "kol", "Asia/Shanghai")
    report = rollups.turn(Version(generation, turn), now_ms=…)

A turn may end between any two statements, and two holders may work at once. Order of a turn, whose
proof is in decision 0021:

    1  read the cursors, then how much of the sources there is, then what is known of buckets
    2  of some buckets at a time: note that they are unsettled, write their rows, settle them
    3  write the new cursors

Where a statement of 2 fails, its buckets stay unsettled and the cursors of their source as they
were; all else goes on, and the first failure is raised at the end.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import chain
from typing import Final
from zoneinfo import ZoneInfo

from clickhouse_connect.driver.client import Client

from schemas.rollups import HOURS_KEPT, SOURCES, RollUp, of_source
from streams.errors import ExpectedError
from streams.trainer.coverage import Cursor
from streams.trainer.dirt import (
    DAY,
    FOREVER,
    Dirt,
    Span,
    as_parameter,
    spans,
    within,
)
from streams.trainer.failures import Failures
from streams.trainer.generations import Version
from streams.trainer.report import Report
from streams.trainer.store import DAYS, RECENT, Note, Store

COLLECTED_MS: Final = 10 * 60_000  # changes of days are collected so long
HOUR: Final = 3_600
SPANS_AT_ONCE: Final = 8  # that are noted together; a turn that dies repeats as many
NOTHING: Final = Cursor("", {}, "", FOREVER, 0)  # where no turn has ended yet

ZONES: Final = "SELECT count() AS n FROM system.time_zones WHERE time_zone = {zone:String}"
OLD_HOURS: Final = """
    SELECT DISTINCT table, partition_id
    FROM system.parts
    WHERE active AND database = {database:String} AND table IN {tables:Array(String)}
      AND toUInt32(partition_id) < {day:UInt32}
"""
OLD_FLOORS: Final = """
    ALTER TABLE (DATABASE).rollup_floor
    DELETE WHERE target IN {tables:Array(String)} AND bucket < toDateTime({first:UInt32}, 'UTC')
    SETTINGS mutations_sync = 1
"""


class ZoneError(ExpectedError):
    """ClickHouse does not know the time zone of business days."""


class SupersededError(ExpectedError):
    """Another holder has begun with a greater version: what this one writes is not read."""


class RollUps:
    """The roll-ups of one database."""

    def __init__(
        self,
        client: Client,
        database: str,
        zone: str,
        *,
        replicated: bool = False,
        sources: Sequence[str] = SOURCES,
        before: Callable[[], None] = lambda: None,
    ) -> None:
        """Take where they are.

        Args:
            client: of the account that writes; waits as long as a statement may take.
            database: its name.
            zone: of business days, such as Asia/Shanghai.
            replicated: whether the tables are; then the client should reach one replica only.
            sources: whose roll-ups they are.
            before: called before each statement; what it raises ends a turn.

        """
        self._sources = sources
        self._store = Store(client, database, replicated=replicated, before=before)
        self._zone = zone

    def turn(
        self,
        version: Version,
        *,
        now_ms: int,
        from_day: date | None = None,
        at_once: bool = False,
    ) -> Report:
        """Add up what has changed; gives what was recomputed.

        Args:
            version: greater than that of any turn before, and used once.
            now_ms: the time, milliseconds.
            from_day: hours and days from this one on are recomputed even if nothing changed.
            at_once: changed days are not collected.

        Raises:
            ReadingError: ClickHouse refuses a statement; what could be done without it is done,
                the next turn does what is left.
            ZoneError: it does not know the zone.
            SupersededError: a turn with a greater version has begun; nothing was written.

        """
        started = time.perf_counter()
        cursors = self._store.cursors()
        table_ids = self._store.table_ids()
        coverages = self._store.coverages()  # after the cursors
        floors = self._store.floors(_hours_from(now_ms))  # after the coverages
        _check_is_newest(version, self._store.newest())  # after the floors
        dirt = Dirt(self._store, floors, self._zone, now_ms // 1000)
        report, failures = Report(), Failures()
        for source in self._sources:
            recent, days = (cursors.get((source, scope), NOTHING) for scope in (RECENT, DAYS))
            if self._zone not in {recent.zone, days.zone}:
                self._check_zone()
            of = _of(source, table_ids[source])
            if of != recent.of or of != days.of:
                recent = days = NOTHING
            found = Cursor(of, coverages[source], self._zone, _hours_from(now_ms), now_ms)
            turn = _SourceTurn(self._store, dirt, source, version.number, report)
            with failures.kept():
                turn.run(recent, days, found, from_day=from_day, at_once=at_once)
        failures.end()
        report.seconds = time.perf_counter() - started
        return report

    def _check_zone(self) -> None:
        if not self._store.rows(ZONES, {"zone": self._zone})[0]["n"]:
            raise ZoneError(
                f"ClickHouse does not know the time zone {self._zone!r} of KOL_BUSINESS_ZONE: "
                "take one such as Asia/Shanghai"
            )


class _SourceTurn:
    """A turn of the roll-ups of one source."""

    def __init__(self, store: Store, dirt: Dirt, source: str, version: int, report: Report) -> None:
        self._store = store
        self._dirt = dirt
        self._source = source
        self._rollups = of_source(source)
        self._version = version
        self._report = report

    def run(
        self, recent: Cursor, days: Cursor, found: Cursor, *, from_day: date | None, at_once: bool
    ) -> None:
        """Recompute what changed after two cursors, up to what was found.

        Raises:
            ReadingError: ClickHouse refuses a statement; no cursor is written.

        """
        is_due = at_once or from_day is not None or days.zone != found.zone
        is_due = is_due or found.turned_at - days.turned_at >= COLLECTED_MS
        work: list[tuple[RollUp, list[int]]] = []
        failures = Failures()
        for rollup in self._rollups:
            with failures.kept():
                dirty = self._dirty(rollup, recent, days, found, from_day, is_due=is_due)
                if buckets := self._dirt.unfrozen(rollup, dirty):
                    work.append((rollup, buckets))
        self._recompute(work, found.zone, failures)
        failures.end()
        for rollup, buckets in work:
            self._report.buckets[rollup.table] = len(buckets)
            self._report.rows[rollup.table] = self._written(rollup, buckets)
        for scope, before in ((RECENT, recent), (DAYS, days)):
            is_news = bool(work) or replace(before, turned_at=0) != replace(found, turned_at=0)
            if is_news and (scope == RECENT or is_due):
                self._store.write_cursor(self._source, scope, found, self._version)
        if recent.hours_from // DAY != found.hours_from // DAY:
            self._drop_old_hours(found.hours_from)

    def _dirty(
        self,
        rollup: RollUp,
        recent: Cursor,
        days: Cursor,
        found: Cursor,
        from_day: date | None,
        *,
        is_due: bool,
    ) -> set[int]:
        """The buckets of a roll-up that this turn computes anew."""
        since = found.hours_from if rollup.is_hourly else _day_of(found.hours_from, found.zone)
        dirty: set[int] = set()
        if not rollup.is_collected:
            dirty = self._dirt.of(rollup, found.coverage, recent, since)
        if from_day is not None:
            first = _bucket_of(from_day)
            since = max(first - DAY, since) if rollup.is_hourly else first
            dirty |= self._dirt.all(rollup, since)
        if rollup.is_hourly:
            return dirty
        if is_due:
            return dirty | self._dirt.of(rollup, found.coverage, days, 0)
        if days.coverage != found.coverage:
            self._report.waiting.append(rollup.table)
        return dirty

    def _recompute(
        self, work: Sequence[tuple[RollUp, list[int]]], zone: str, failures: Failures
    ) -> None:
        """Compute buckets anew; those of a statement that fails stay unsettled."""
        parts = [(rollup, span) for rollup, buckets in work for span in spans(rollup, buckets)]
        for first in range(0, len(parts), SPANS_AT_ONCE):
            some: list[tuple[RollUp, Span, list[Note]]] = []
            for rollup, span in parts[first : first + SPANS_AT_ONCE]:
                with failures.kept():
                    some.append((rollup, span, self._dirt.notes(rollup, span)))
            self._note([notes for _, _, notes in some], settled=False)
            settled: list[list[Note]] = []
            for rollup, span, notes in some:
                with failures.kept():
                    self._add_up(rollup, span, zone)
                    settled.append(notes)
            self._note(settled, settled=True)

    def _note(self, notes: Sequence[list[Note]], *, settled: bool) -> None:
        if notes:
            self._store.write_floors(list(chain(*notes)), self._version, settled=settled)

    def _add_up(self, rollup: RollUp, span: Span, zone: str) -> None:
        """Write the rows of some buckets."""
        columns = ", ".join(rollup.shown)
        bucket = rollup.bucket("{zone:String}")
        where = f"{within(rollup)} AND {bucket} IN {_parameter(rollup)}"
        sql = (
            f"INSERT INTO (DATABASE).{rollup.table} ({columns}, version)\n"
            "SETTINGS insert_deduplicate = 0, max_threads = 1\n"
            f"SELECT {columns}, {{version:UInt64}}\n"
            f"FROM ({rollup.select(bucket, where, '(DATABASE)')})"
        )
        given = {"zone": zone, "first": span.first, "end": span.end, "version": self._version}
        self._store.run(sql, {**given, "buckets": as_parameter(rollup, span.buckets)})

    def _written(self, rollup: RollUp, buckets: list[int]) -> int:
        moment = rollup.target.moment
        kind = "DateTime('UTC')" if rollup.is_hourly else "Date"
        sql = f"""
            SELECT count() AS n FROM (DATABASE).{rollup.table}
            WHERE {moment} >= {{first:{kind}}} AND {moment} <= {{last:{kind}}}
              AND version = {{version:UInt64}}
        """  # noqa: S608  # names of ours
        first, last = as_parameter(rollup, (buckets[0], buckets[-1]))
        given = {"version": self._version, "first": first, "last": last}
        return int(self._store.rows(sql, given)[0]["n"])

    def _drop_old_hours(self, hours_from: int) -> None:
        """Drop whole days of hours that no reader wants any more: one day more is kept.

        Then their floors: a floor that is gone would hide rows that are still there.
        """
        hourly = [rollup.table for rollup in self._rollups if rollup.is_hourly]
        last = time.strftime("%Y%m%d", time.gmtime(hours_from - DAY))
        given = {"database": self._store.database, "tables": hourly, "day": int(last)}
        for row in self._store.rows(OLD_HOURS, given):
            sql = f"ALTER TABLE (DATABASE).{row['table']} DROP PARTITION ID '{row['partition_id']}'"
            self._store.run(sql, {})
        day = (hours_from - DAY) // DAY * DAY
        self._store.run(OLD_FLOORS, {"tables": hourly, "first": day})


def _of(source: str, table_id: str) -> str:
    """What a cursor is of: a table that was made anew is another one, and so are other roll-ups.

    A trainer of a former version that still writes its cursors says nothing of a new roll-up.
    """
    return " ".join([table_id, *(rollup.table for rollup in of_source(source))])


def _check_is_newest(version: Version, noted: int) -> None:
    """Make sure that what a turn writes will count, so that its cursor may.

    Raises:
        SupersededError: it would not.

    """
    if noted > version.number:
        raise SupersededError(
            "another process has begun a later turn of the roll-ups; this one stands down"
        )


def _parameter(rollup: RollUp) -> str:
    return "{buckets:Array(DateTime('UTC'))}" if rollup.is_hourly else "{buckets:Array(Date)}"


def _hours_from(now_ms: int) -> int:
    return (now_ms // 1000 // HOUR - HOURS_KEPT) * HOUR


def _bucket_of(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def _day_of(seconds: int, zone: str) -> int:
    """The bucket of the day of a moment."""
    return _bucket_of(datetime.fromtimestamp(seconds, ZoneInfo(zone)).date())
