"""Which tables the views of the live database read: its own, or those of a replay.

    swap(live, settings)  # the views read the replay's tables
    back(live, settings)  # the views read their own again
    drop(live, settings)  # delete the app that the views do not read

No table is moved. The views are exchanged one by one, each atomically. Both apps keep writing,
so neither direction has a gap or misses a late row (decision 0015).
"""

import asyncio
import time
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from clickhouse_connect.driver.client import Client

from schemas.replay_views import kept_name, replay_read_by
from schemas.rows import VIEWS
from schemas.topics import OWN
from schemas.version import MARKS
from sinks.migrate import variables
from sinks.views import replay_view
from streams.clients.app_names import (
    ReplayStart,
    database_comment,
    replays_read,
    view_comments,
)
from streams.clients.clickhouse import command, connect, delete, query
from streams.clients.kafka_admin import kafka_admin
from streams.operations.replay.prepare import ReplayError, cluster_clause
from streams.settings import Settings
from streams.trainer.by_hand import roll_up
from streams.trainer.carrying import copy_days
from streams.trainer.dimensions.by_hand import read_dimensions
from streams.trainer.generations import Version
from streams.trainer.standing import group_of, standing
from streams.trainer.turns import begin_by_hand, patient_client

STATEMENT_SECONDS: Final = 3600.0  # of one statement

TIME_COLUMNS: Final[Mapping[str, str]] = {  # what is kept from before `--from`: table -> its time
    "order_credit": "ordered_at",
    "minute_cell": "minute",
    "detector_cell": "minute",
    "kol_score": "minute",
}


def swap(live: Settings, second: Settings, since: int | None = None) -> None:
    """Let the views of the live database read a replay's tables, one view after the other.

    Before that, the replay's tables get what its workers do not write: the marks of retried dead
    letters and rows from before `since`; then its roll-ups are brought up to date. Safe to run
    again.

    Raises:
        ReplayError: another replay is being read, and its way back would be lost.
        ReadingError: the engine refuses.

    """
    ours, theirs = live.clickhouse.database, second.clickhouse.database
    engine = _patient_client(live)
    try:
        views = view_comments(engine, ours)
        others = replays_read(views) - {theirs}
        if others and any(kept_name(name) in views for name in VIEWS):
            raise ReplayError(
                f"{', '.join(sorted(others))} is being read: `kol replay back` or "
                "`kol replay drop` it first"
            )
        reading = [name for name in VIEWS if replay_read_by(views.get(name, "")) == theirs]
        if len(reading) < len(VIEWS):
            _copy_missing_rows(engine, ours, theirs, since)
        _roll_up(live, second, None if len(reading) == len(VIEWS) else since)
        for name in VIEWS:
            stays = name in views and name not in reading
            _point_view(engine, live, theirs, kept_name(name) if stays else name, name)
            if stays:
                _exchange_view(engine, live, name)
    finally:
        engine.close()


def _point_view(engine: Client, live: Settings, theirs: str, view: str, name: str) -> None:
    """Let a view read the view of a replay."""
    conf = live.clickhouse
    given = variables(conf.database, cluster=conf.cluster, definer=conf.definer)
    for statement in replay_view(f"{conf.database}.{view}", theirs, name, given):
        command(engine, statement)


def _exchange_view(engine: Client, live: Settings, name: str) -> None:
    """Exchange a view and the one kept beside it, atomically."""
    pair = f"{live.clickhouse.database}.{name} AND {live.clickhouse.database}.{kept_name(name)}"
    command(engine, f"EXCHANGE TABLES {pair} {cluster_clause(live)}")


def back(live: Settings, second: Settings) -> None:
    """Let the views of the live database read its own tables again. Safe to run again.

    Raises:
        ReplayError: they read their own, or these tables were dropped.
        ReadingError: the engine refuses.

    """
    ours, theirs = live.clickhouse.database, second.clickhouse.database
    engine = _patient_client(live)
    try:
        views = view_comments(engine, ours)
        for name in VIEWS:  # left by a swap that was cut off
            if replay_read_by(views.get(kept_name(name), "")) == theirs:
                _drop_view(engine, live, kept_name(name))
                del views[kept_name(name)]
        reading = [name for name in VIEWS if replay_read_by(views.get(name, "")) == theirs]
        if not reading:
            raise ReplayError(f"{ours} does not read {theirs}: there is nothing to go back from")
        if not any(kept_name(name) in views for name in reading):
            raise ReplayError(f"the former tables of {ours} were dropped: there is no way back")
        for name in reading:
            if kept_name(name) in views:
                _exchange_view(engine, live, name)
            _drop_view(engine, live, kept_name(name) if kept_name(name) in views else name)
    finally:
        engine.close()


def _drop_view(engine: Client, live: Settings, view: str) -> None:
    command(
        engine, f"DROP VIEW IF EXISTS {live.clickhouse.database}.{view} {cluster_clause(live)} SYNC"
    )


def drop(live: Settings, second: Settings) -> str:
    """Delete the app that the views do not read: the replay, or the app that it replaced.

    Deletes its tables, its own topics and its group, and gives its name. The views of the live
    database stay.

    Raises:
        ReplayError: its workers still run, or the database is no replay's.
        ReadingError, BrokerError: the engine or the brokers refuse; to be run again.

    """
    ours, theirs = live.clickhouse.database, second.clickhouse.database
    engine = _patient_client(live)
    try:
        is_read = theirs in replays_read(view_comments(engine, ours))
        gone = live if is_read else second
        with kafka_admin(gone.kafka) as broker:
            if broker.members(gone.app_id):
                raise ReplayError(
                    f"workers of {gone.app_id} still run: stop them first (who has a name counts "
                    "until KOL_WORKER__SESSION_SECONDS have passed)"
                )
            if standing(broker, gone.app_id).members:
                raise ReplayError(f"a trainer of {gone.app_id} still runs: stop it first")
            if is_read:
                _drop_tables(engine, live)
            elif (comment := database_comment(engine, theirs)) is not None and (
                ReplayStart.parse(comment) is None
            ):
                raise ReplayError(f"the database {theirs} is no replay's: it stays")
            else:
                command(engine, f"DROP DATABASE IF EXISTS {theirs} {cluster_clause(live)} SYNC")
            broker.delete_app(group_of(gone.app_id), ())
            broker.delete_app(gone.app_id, OWN)
    finally:
        engine.close()
    return gone.app_id


def _drop_tables(engine: Client, live: Settings) -> None:
    """Drop all of a database but the views that read a replay; refreshable views go first."""
    ours = live.clickhouse.database
    found = query(
        engine,
        "SELECT name, engine, comment FROM system.tables WHERE database = {ours:String}"
        " ORDER BY engine != 'MaterializedView', engine != 'View', name",
        {"ours": ours},
    )
    for one in found:
        if replay_read_by(one["comment"]) is None:
            command(
                engine, f"DROP TABLE IF EXISTS {ours}.`{one['name']}` {cluster_clause(live)} SYNC"
            )


# ---------------------------------------------------------------- rows that workers do not write


def _copy_missing_rows(engine: Client, ours: str, theirs: str, since: int | None) -> None:
    """Copy to a replay's tables what its workers do not write."""
    marks = f"version >= {MARKS}"  # of `kol dlq`: above every worker's
    _copy_rows(engine, ours, theirs, "dead_letter", marks)
    if since is not None:
        for table, at in TIME_COLUMNS.items():
            older = _earlier_than(at, since)
            delete(engine, f"{theirs}.{table}", older)
            _copy_rows(engine, ours, theirs, table, older)


def _earlier_than(column: str, since: int) -> str:
    return f"{column} < fromUnixTimestamp64Milli({since})"


def _roll_up(live: Settings, second: Settings, since: int | None) -> None:
    """Bring a replay's roll-ups and dimensions up to date, behind days from before `since`."""
    trainer = second.trainer.model_copy(update={"statement_seconds": STATEMENT_SECONDS})
    patient = second.model_copy(update={"trainer": trainer})
    if since is not None:
        _carry_days(live, patient, since)
    asyncio.run(roll_up(patient))
    asyncio.run(read_dimensions(patient))


def _carry_days(live: Settings, second: Settings, since: int) -> None:
    """Copy days from before a moment, in a generation above every turn that may have begun."""
    ours, theirs = live.clickhouse.database, second.clickhouse.database
    day = datetime.fromtimestamp(since / 1000, ZoneInfo(second.business_zone)).date()
    with closing(patient_client(second)) as engine:
        generation = asyncio.run(begin_by_hand(second, engine, time.time_ns() // 1_000_000))
        copy_days(engine, ours, theirs, day, Version(generation, 0))


def _copy_rows(engine: Client, ours: str, theirs: str, table: str, condition: str) -> None:
    """Copy rows of a table, in the columns that both versions have."""
    there = _columns(engine, ours, table)
    names = ", ".join(f"`{name}`" for name in _columns(engine, theirs, table) if name in there)
    command(
        engine,
        f"INSERT INTO {theirs}.{table} ({names}) SELECT {names} FROM {ours}.{table} FINAL"  # noqa: S608  # names of ours
        f" WHERE {condition} SETTINGS insert_deduplicate = 0",
    )


def _columns(engine: Client, database: str, table: str) -> list[str]:
    """The columns of a table or view, in order."""
    rows = query(
        engine,
        "SELECT name FROM system.columns WHERE database = {of:String} AND table = {table:String}"
        " ORDER BY position",
        {"of": database, "table": table},
    )
    return [str(one["name"]) for one in rows]


def _patient_client(live: Settings) -> Client:
    """A client of the account that writes, for statements that take up to an hour."""
    return connect(live.clickhouse.model_copy(update={"insert_seconds": STATEMENT_SECONDS}))
