"""Which app's rows people read: the live one's, or a replay's, and back.

    swap(live, settings)  # the views of the live database read the replay's
    back(live, settings)  # and do so no more
    drop(live, settings)  # what is not read goes

Nothing is moved. The names of record, the views, are exchanged one by one, each at once; both
apps keep writing, so neither way has a gap, nor a row that comes too late (decision 0015).
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from clickhouse_connect.driver.client import Client

from schemas.rows import VIEWS
from schemas.topics import OWN
from schemas.version import MARKS
from sinks.migrate import variables
from streams.clients.app_names import ReplayStart, database_comment
from streams.clients.clickhouse import command, connect, delete, query
from streams.clients.kafka_admin import kafka_admin
from streams.operations.replay.prepare import ReplayError, cluster_clause
from streams.settings import Settings

MOST_SECONDS: Final = 3600.0  # of one statement

TIMES: Final[Mapping[str, str]] = {  # what is kept from before `--from`: table -> its time
    "order_credit": "ordered_at",
    "minute_cell": "minute",
    "kol_score": "minute",
}
HOURS: Final = ("cell_1h", "credit_1h", "score_1h")
# of hours that are computed anew nothing may have been eaten by age yet
KEPT_HOURS: Final = "hour >= now() - INTERVAL 30 DAY"
KEPT_CREDITS: Final = "hour >= now() - INTERVAL 12 MONTH"


def swap(live: Settings, second: Settings, since: int | None = None) -> None:
    """Let the views of the live database read a replay's, one after the other, each at once.

    Before, the replay gets what its workers do not say: hours beyond the last three, what was
    done about dead letters, and rows from before `since`. Safe to run again.

    Raises:
        ReplayError: another replay is being read, and its way back would be lost.
        ReadingError: the engine refuses.

    """
    ours, theirs = live.clickhouse.database, second.clickhouse.database
    engine = _patient(live)
    try:
        views = _comments(engine, ours)
        others = {_source(comment) for comment in views.values()} - {None, theirs}
        if others and any(_kept(name) in views for name in VIEWS):
            raise ReplayError(
                f"{', '.join(map(str, others))} is being read: `kol replay back` or "
                "`kol replay drop` it first"
            )
        reading = [name for name in VIEWS if _source(views.get(name, "")) == theirs]
        if len(reading) < len(VIEWS):
            _complete(engine, ours, theirs, since)
            _hours(engine, theirs, HOURS, f"NOT ({_before('hour', since or 0)})")
        else:
            _hours(engine, theirs, HOURS, KEPT_HOURS)
        for name in VIEWS:
            stays = name in views and name not in reading
            _point(engine, live, theirs, _kept(name) if stays else name, name)
            if stays:
                _turn(engine, live, name)
    finally:
        engine.close()


def _point(engine: Client, live: Settings, theirs: str, view: str, name: str) -> None:
    """Let a view read the one of a replay."""
    conf = live.clickhouse
    told = variables(conf.database, cluster=conf.cluster, definer=conf.definer)
    command(
        engine,
        f"CREATE OR REPLACE VIEW {conf.database}.{view} {told['on_cluster']} {told['definer']}"  # noqa: S608  # names of ours
        f" AS SELECT * FROM {theirs}.{name} COMMENT '{_comment(theirs)}'",
    )


def _turn(engine: Client, live: Settings, name: str) -> None:
    """Exchange a view and what is kept of it, at once."""
    pair = f"{live.clickhouse.database}.{name} AND {live.clickhouse.database}.{_kept(name)}"
    command(engine, f"EXCHANGE TABLES {pair} {cluster_clause(live)}")


def back(live: Settings, second: Settings) -> None:
    """Let the views of the live database read its own tables again. Safe to run again.

    Raises:
        ReplayError: they do, or these tables are gone.
        ReadingError: the engine refuses.

    """
    ours, theirs = live.clickhouse.database, second.clickhouse.database
    engine = _patient(live)
    try:
        views = _comments(engine, ours)
        for name in VIEWS:  # left by a swap that was cut off
            if _source(views.get(_kept(name), "")) == theirs:
                _drop_view(engine, live, _kept(name))
                del views[_kept(name)]
        reading = [name for name in VIEWS if _source(views.get(name, "")) == theirs]
        if not reading:
            raise ReplayError(f"{ours} does not read {theirs}: there is nothing to go back from")
        if not any(_kept(name) in views for name in reading):
            raise ReplayError(f"the former tables of {ours} were dropped: there is no way back")
        for name in reading:
            if _kept(name) in views:
                _turn(engine, live, name)
            _drop_view(engine, live, _kept(name) if _kept(name) in views else name)
        _hours(engine, ours, ["credit_1h"], KEPT_CREDITS)  # the one that is made from a view
    finally:
        engine.close()


def _drop_view(engine: Client, live: Settings, view: str) -> None:
    command(
        engine, f"DROP VIEW IF EXISTS {live.clickhouse.database}.{view} {cluster_clause(live)} SYNC"
    )


def drop(live: Settings, second: Settings) -> str:
    """Delete what is not read: the replay, or, where it is read, the app it replaced.

    Gives the name of the app that is gone. Its tables, its own topics, its group; the views of
    the live database stay, and go on reading the replay.

    Raises:
        ReplayError: its workers still run, or the database is no replay's.
        ReadingError, BrokerError: the engine or the brokers refuse; to be run again.

    """
    ours, theirs = live.clickhouse.database, second.clickhouse.database
    engine = _patient(live)
    try:
        is_read = theirs in map(_source, _comments(engine, ours).values())
        gone = live if is_read else second
        with kafka_admin(gone.kafka) as broker:
            if broker.members(gone.app_id):
                raise ReplayError(
                    f"workers of {gone.app_id} still run: stop them first (who has a name counts "
                    "until KOL_WORKER__SESSION_SECONDS have passed)"
                )
            if is_read:
                _drop_tables(engine, live)
            elif (comment := database_comment(engine, theirs)) is not None and (
                ReplayStart.parse(comment) is None
            ):
                raise ReplayError(f"the database {theirs} is no replay's: it stays")
            else:
                command(engine, f"DROP DATABASE IF EXISTS {theirs} {cluster_clause(live)} SYNC")
            broker.forget(gone.app_id, OWN)
    finally:
        engine.close()
    return gone.app_id


def _drop_tables(engine: Client, live: Settings) -> None:
    """All of a database but the views that read a replay; what refreshes goes first."""
    ours = live.clickhouse.database
    found = query(
        engine,
        "SELECT name, engine, comment FROM system.tables WHERE database = {ours:String}"
        " ORDER BY engine != 'MaterializedView', engine != 'View', name",
        {"ours": ours},
    )
    for one in found:
        if _source(one["comment"]) is None:
            command(
                engine, f"DROP TABLE IF EXISTS {ours}.`{one['name']}` {cluster_clause(live)} SYNC"
            )


# ---------------------------------------------------------------- what workers do not say


def _complete(engine: Client, ours: str, theirs: str, since: int | None) -> None:
    """Bring to a replay's tables what its workers do not say."""
    marks = f"version >= {MARKS}"  # of `kol dlq`: above every worker's
    _copy(engine, ours, theirs, "dead_letter", marks)
    if since is not None:
        for table, at in TIMES.items():
            older = _before(at, since)
            delete(engine, f"{theirs}.{table}", older)
            _copy(engine, ours, theirs, table, older)
        for table in HOURS:  # kept longer than what they are made from
            _copy(engine, ours, theirs, table, _before("hour", since))


def _before(column: str, since: int) -> str:
    return f"{column} < fromUnixTimestamp64Milli({since})"


def _copy(engine: Client, ours: str, theirs: str, table: str, condition: str) -> None:
    """Take rows of a table over, those columns that both versions have."""
    there = _columns(engine, ours, table)
    names = ", ".join(f"`{name}`" for name in _columns(engine, theirs, table) if name in there)
    command(
        engine,
        f"INSERT INTO {theirs}.{table} ({names}) SELECT {names} FROM {ours}.{table} FINAL"  # noqa: S608  # names of ours
        f" WHERE {condition} SETTINGS insert_deduplicate = 0",
    )


def _hours(engine: Client, database: str, tables: Iterable[str], condition: str) -> None:
    """Compute hours anew; the newest computation stands."""
    for table in tables:
        source = f"{table}_source"
        names = ", ".join(_columns(engine, database, source))
        command(
            engine,
            f"INSERT INTO {database}.{table} ({names}, version) SELECT {names},"  # noqa: S608  # names of ours
            f" toUInt64(toUnixTimestamp64Milli(now64(3))) FROM {database}.{source}"
            f" WHERE {condition} SETTINGS insert_deduplicate = 0",
        )


def _columns(engine: Client, database: str, table: str) -> list[str]:
    """What a table or view has, in order."""
    told = query(
        engine,
        "SELECT name FROM system.columns WHERE database = {of:String} AND table = {table:String}"
        " ORDER BY position",
        {"of": database, "table": table},
    )
    return [str(one["name"]) for one in told]


# ---------------------------------------------------------------- what views say of themselves


def _kept(name: str) -> str:
    """What a view is called while another one stands in its place."""
    return f"{name}__kept"


def _comment(database: str) -> str:
    return f"read from {database}"


def _source(comment: str) -> str | None:
    """Which replay a view reads; None for one of the migrations.

    >>> _source("read from kol_2"), _source("Who a KOL is.")
    ('kol_2', None)
    """
    found = re.fullmatch(r"read from (\w+)", comment)
    return found[1] if found else None


def _comments(engine: Client, database: str) -> dict[str, str]:
    """Every view of a database, and what it says of itself."""
    told = query(
        engine,
        "SELECT name, comment FROM system.tables WHERE engine = 'View' AND database = {of:String}",
        {"of": database},
    )
    return {one["name"]: one["comment"] for one in told}


def _patient(live: Settings) -> Client:
    """The engine as the account that writes, for statements that take their time."""
    return connect(live.clickhouse.model_copy(update={"insert_seconds": MOST_SECONDS}))
