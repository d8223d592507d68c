"""A second app beside the live one: it reads all again, and is what people read once it is there.

    settings = beside(live, "kol-2")     # own group, transactions, topics, database
    prepare(live, settings, since=None)  # refused where the log no longer reaches back
    …                                    # workers with these settings, any number, anywhere
    caught_up(settings, seconds, watch)
    swap(live, settings)                 # the views of the live database read the second one
    back(live, settings)                 # and do so no more
    drop(live, settings)                 # what is not read goes

The live app is never touched: its workers go on, write their own tables and are what there is
to go back to. Nothing is moved. The names of record, the views, are exchanged one by one, each
at once; both apps keep writing, so neither way has a gap, nor a row that comes too late.
Decision 0015 says why, and what a swap is not.
"""

import asyncio
import re
import time
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from schemas.events import INPUTS
from schemas.rows import VIEWS
from schemas.topics import OWN, USER_STATE
from sinks.migrate import migrate, variables
from streams.broker import Broker, Offsets, asked
from streams.browsing import browsing
from streams.core.lateness import DAY_MS
from streams.core.orders import KEPT_MS
from streams.core.touches import LOOKBACK_MS
from streams.draining import Watch, drain
from streams.errors import ExpectedError
from streams.reading import ReadingError, connected, rows
from streams.settings import Kafka, Settings

NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,39}")
REACH_MS: Final = max(LOOKBACK_MS.values()) + DAY_MS  # of the log before `--from`; a day for clocks
SETTLED_MS: Final = KEPT_MS + DAY_MS  # an order of that age can not be given back any more
BEHIND_SECONDS: Final = 10.0  # a drain that took longer is followed by another
MOST_SECONDS: Final = 3600.0  # of one statement

TIMES: Final[Mapping[str, str]] = {  # what is kept from before `--from`: table -> its time
    "order_credit": "ordered_at",
    "minute_cell": "minute",
    "commerce_cell": "minute",
    "transition_cell": "minute",
    "kol_score": "minute",
}
HOURS: Final = ("cell_1h", "commerce_1h", "credit_1h", "score_1h")
# of hours that are computed anew nothing may have been eaten by age yet
KEPT_HOURS: Final = "hour >= now() - INTERVAL 30 DAY"
KEPT_CREDITS: Final = "hour >= now() - INTERVAL 12 MONTH"

Place = tuple[str, int]


class ReplayError(ExpectedError):
    """A replay cannot be, or not be gone on with; says why and what to do."""


class Oldest(NamedTuple):
    """How far a topic partition reaches back."""

    offset: int  # of the oldest record; 0: nothing was ever removed
    at: int | None  # its record time, milliseconds; None: there is none any more


# ---------------------------------------------------------------- what it is, and whether it can be


def beside(live: Settings, name: str) -> Settings:
    """The settings of a replay's workers: the live ones, with names of its own.

    Raises:
        ReplayError: a name that will not do.

    """
    if not NAME.fullmatch(name):
        raise ReplayError(f"{name!r} is no name: small letters, digits, - and _, a letter first")
    given = {
        "app_id": name,
        "kafka": live.kafka.model_copy(update={"prefix": f"{name}."}),
        "clickhouse": live.clickhouse.model_copy(update={"database": name.replace("-", "_")}),
    }
    second = live.model_copy(update=given)
    same = [
        what
        for what, ours, theirs in (
            ("KOL_APP_ID", live.app_id, second.app_id),
            ("KOL_KAFKA__PREFIX", live.kafka.prefix, second.kafka.prefix),
            ("KOL_CLICKHOUSE__DATABASE", live.clickhouse.database, second.clickhouse.database),
        )
        if ours == theirs
    ]
    if same:
        raise ReplayError(
            f"{name} is what runs already ({', '.join(same)}): a replay needs another name, and "
            "this command the settings of the app that is replaced"
        )
    return second


def variables_of(second: Settings) -> dict[str, str]:
    """What the environment of a replay's workers says beyond the live ones'."""
    return {
        "KOL_APP_ID": second.app_id,
        "KOL_KAFKA__PREFIX": second.kafka.prefix,
        "KOL_CLICKHOUSE__DATABASE": second.clickhouse.database,
    }


def refusal(oldest: Mapping[Place, Oldest], since: int | None, now: int) -> str | None:
    """Why a replay would not be true to the cent; None if nothing speaks against it.

    Args:
        oldest: of every partition of the inputs.
        since: rows before this event time are taken from the live tables, milliseconds; None:
            all of them are said anew.
        now: milliseconds.

    >>> refusal({("purchases", 0): Oldest(0, 5)}, None, 9) is None
    True
    """
    if since is None:
        cut = {place: found for place, found in oldest.items() if found.offset}
        if not cut:
            return None
        return (
            f"the log does not reach back to its beginning ({_shown(cut)}), and what was before "
            "would be missing: orders, their touches, refunds. Keep the inputs longer "
            "(retention.ms) before the next change of rules; or take what is older from the "
            f"live tables: --from a day that is {_days(SETTLED_MS)} days ago and "
            f"{_days(REACH_MS)} days after the log's beginning"
        )
    if since > now - SETTLED_MS:
        return (
            f"--from {_day(since)} is too late: an order of less than {_days(SETTLED_MS)} days can "
            "still be given back, and the replay would not know it. The latest possible is "
            f"{_day(now - SETTLED_MS)}"
        )
    short = {
        place: found
        for place, found in oldest.items()
        if found.offset and (found.at is None or found.at > since - REACH_MS)
    }
    if not short:
        return None
    return (
        f"the log does not reach back to {_day(since - REACH_MS)} ({_shown(short)}): an order "
        f"looks {_days(max(LOOKBACK_MS.values()))} days back for its touches, and those of orders "
        f"from {_day(since)} on would be missing. Keep the inputs longer (retention.ms), or give "
        "a later --from"
    )


def _shown(oldest: Mapping[Place, Oldest]) -> str:
    """The partition that reaches back least, for a person."""
    (topic, partition), found = max(
        oldest.items(), key=lambda item: (item[1].at is None, item[1].at or 0)
    )
    begins = "holds nothing more" if found.at is None else f"begins on {_day(found.at)}"
    more = f", {len(oldest) - 1} more" if len(oldest) > 1 else ""
    return f"{topic}/{partition} {begins}, at offset {found.offset}{more}"


def _day(ms: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(ms / 1000))


def _days(ms: int) -> int:
    return -(-ms // DAY_MS)


def prepare(live: Settings, second: Settings, since: int | None) -> int | None:
    """Make topics and tables of a replay; gives since when its rows are its own.

    Made before, it is gone on with, from the moment it began with. The live app does not notice.

    Raises:
        ReplayError: it would not be true to the cent, or half of a former one is there.

    """
    conf = second.clickhouse
    engine = connected(conf, database="")
    try:
        comment = _said_of(engine, conf.database)
        began = Began.read(comment or "")
        why_not: str | None = None
        if comment is None:
            why_not = refusal(asyncio.run(_oldest(live.kafka)), since, time.time_ns() // 1_000_000)
        elif began is None:
            why_not = f"the database {conf.database} is there and no replay's: take another name"
        elif since not in {None, began.since}:
            why_not = f"{second.app_id} began with another --from: `--drop` it, or another name"
        else:
            since = began.since
        if why_not:
            raise ReplayError(why_not)
        atomic = "" if conf.cluster else "ENGINE = Atomic"
        _do(
            engine,
            f"CREATE DATABASE IF NOT EXISTS {conf.database} {_on_cluster(live)} {atomic}"
            f" COMMENT '{Began(since).words}'",
        )
        migrate(engine, conf.database, cluster=conf.cluster, definer=conf.definer)
        with asked(second.kafka) as broker:
            broker.create()
            _check_halves(engine, broker, second)
    finally:
        engine.close()
    return since


class Began(NamedTuple):
    """What the comment of a replay's database says."""

    since: int | None  # milliseconds

    @property
    def words(self) -> str:
        """As it is written.

        >>> Began(None).words, Began(86_400_000).words
        ('replay of all', 'replay since 86400000')
        """
        return "replay of all" if self.since is None else f"replay since {self.since}"

    @classmethod
    def read(cls, comment: str) -> "Began | None":
        """What such a comment says; None for another one.

        >>> Began.read("replay since 5"), Began.read("replay of all"), Began.read("")
        (Began(since=5), Began(since=None), None)
        """
        words = re.fullmatch(r"replay (?:of all|since (\d+))", comment)
        return words and cls(int(words[1]) if words[1] else None)


def misnamed(engine: Client, settings: Settings) -> str | None:
    """Why workers must not begin with these names; None where nothing speaks against them.

    In a replay's database only its own app may write, beside topics of its own.
    """
    database = settings.clickhouse.database
    comment = _said_of(engine, database)
    if Began.read(comment or "") is None or settings.kafka.prefix == f"{settings.app_id}.":
        return None
    return (
        f"{database} is the database of a replay, but KOL_KAFKA__PREFIX is not "
        f"{settings.app_id}. (with a dot): `kol replay` says what its workers need"
    )


def _said_of(engine: Client, database: str) -> str | None:
    """The comment of a database; None where there is no such one."""
    found = rows(
        engine,
        "SELECT comment FROM system.databases WHERE name = {name:String}",
        {"name": database},
    )
    return str(found[0]["comment"]) if found else None


def _check_halves(engine: Client, broker: Broker, second: Settings) -> None:
    """Rows without the state that outranks them, or state without its rows, are no beginning."""
    fatal = [f"{d.topic} {d.what}" for d in broker.differences() if d.fatal]
    if fatal:
        raise ReplayError("; ".join(fatal))
    committed = broker.committed(second.app_id)
    has_state = sum(broker.end_offsets([USER_STATE]).values()) > 0
    has_read = any(committed.get((topic, at)) for topic, at in committed if topic in INPUTS)
    counts = f"SELECT count() AS n FROM {second.clickhouse.database}.door_count"  # noqa: S608  # a name of \w+
    has_rows = _number(engine, counts) > 0
    if has_rows > has_state or has_read > has_rows:
        raise ReplayError(
            f"half of a former replay {second.app_id} is there (rows: {has_rows}, state: "
            f"{has_state}, offsets: {has_read}): `kol replay {second.app_id} --drop`, or take "
            "another name"
        )


async def _oldest(kafka: Kafka) -> dict[Place, Oldest]:
    """How far each partition of the inputs reaches back."""
    with asked(kafka) as broker:
        first: Offsets = broker.first_offsets(INPUTS)
    async with browsing(kafka) as browser:
        entries = await browser.first_from(first)
    at = {(one.topic, one.partition): one.at for one in entries}
    return {place: Oldest(offset, at.get(place)) for place, offset in first.items()}


def caught_up(second: Settings, seconds: float, watch: Watch) -> None:
    """Wait until a replay's workers are where the inputs end, as `kol drain` does.

    What came while they read is waited for, too, until that is a matter of seconds.

    Raises:
        NotDrainedError: not in so many seconds.

    """
    began = watch.clock()
    with asked(second.kafka) as broker:
        took = BEHIND_SECONDS
        while took >= BEHIND_SECONDS:
            begun = watch.clock()
            drain(broker, second.app_id, seconds - (begun - began), watch)
            took = watch.clock() - begun


def check_workers(second: Settings) -> None:
    """Make sure that somebody goes on writing what people are to read.

    Raises:
        ReplayError: no worker of the replay runs.

    """
    with asked(second.kafka) as broker:
        if not broker.members(second.app_id):
            raise ReplayError(
                f"no worker of {second.app_id} runs: what people read would stand still. Start some"
            )


# ---------------------------------------------------------------- whose rows people read


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
                f"{', '.join(map(str, others))} is being read: `--back` or `--drop` it first"
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
    _do(
        engine,
        f"CREATE OR REPLACE VIEW {conf.database}.{view} {told['on_cluster']} {told['definer']}"  # noqa: S608  # names of ours
        f" AS SELECT * FROM {theirs}.{name} COMMENT '{_comment(theirs)}'",
    )


def _turn(engine: Client, live: Settings, name: str) -> None:
    """Exchange a view and what is kept of it, at once."""
    pair = f"{live.clickhouse.database}.{name} AND {live.clickhouse.database}.{_kept(name)}"
    _do(engine, f"EXCHANGE TABLES {pair} {_on_cluster(live)}")


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
    _do(engine, f"DROP VIEW IF EXISTS {live.clickhouse.database}.{view} {_on_cluster(live)} SYNC")


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
        with asked(gone.kafka) as broker:
            if broker.members(gone.app_id):
                raise ReplayError(
                    f"workers of {gone.app_id} still run: stop them first (who has a name counts "
                    "until KOL_WORKER__SESSION_SECONDS have passed)"
                )
            if is_read:
                _drop_tables(engine, live)
            elif (said := _said_of(engine, theirs)) is not None and Began.read(said) is None:
                raise ReplayError(f"the database {theirs} is no replay's: it stays")
            else:
                _do(engine, f"DROP DATABASE IF EXISTS {theirs} {_on_cluster(live)} SYNC")
            broker.forget(gone.app_id, OWN)
    finally:
        engine.close()
    return gone.app_id


def _drop_tables(engine: Client, live: Settings) -> None:
    """All of a database but the views that read a replay; what refreshes goes first."""
    ours = live.clickhouse.database
    found = rows(
        engine,
        "SELECT name, engine, comment FROM system.tables WHERE database = {ours:String}"
        " ORDER BY engine != 'MaterializedView', engine != 'View', name",
        {"ours": ours},
    )
    for one in found:
        if _source(one["comment"]) is None:
            _do(engine, f"DROP TABLE IF EXISTS {ours}.`{one['name']}` {_on_cluster(live)} SYNC")


# ---------------------------------------------------------------- what workers do not say


def _complete(engine: Client, ours: str, theirs: str, since: int | None) -> None:
    """Bring to a replay's tables what its workers do not say."""
    marks = f"version >= {255 << 56}"  # of `kol dlq`: above every worker's
    _copy(engine, ours, theirs, "dead_letter", marks)
    if since is not None:
        for table, at in TIMES.items():
            older = _before(at, since)
            _do(
                engine,
                f"ALTER TABLE {theirs}.{table} DELETE WHERE {older} SETTINGS mutations_sync = 2",
            )
            _copy(engine, ours, theirs, table, older)
        for table in HOURS:  # kept longer than what they are made from
            _copy(engine, ours, theirs, table, _before("hour", since))


def _before(column: str, since: int) -> str:
    return f"{column} < fromUnixTimestamp64Milli({since})"


def _copy(engine: Client, ours: str, theirs: str, table: str, condition: str) -> None:
    """Take rows of a table over, those columns that both versions have."""
    there = _columns(engine, ours, table)
    names = ", ".join(f"`{name}`" for name in _columns(engine, theirs, table) if name in there)
    _do(
        engine,
        f"INSERT INTO {theirs}.{table} ({names}) SELECT {names} FROM {ours}.{table} FINAL"  # noqa: S608  # names of ours
        f" WHERE {condition} SETTINGS insert_deduplicate = 0",
    )


def _hours(engine: Client, database: str, tables: Iterable[str], condition: str) -> None:
    """Compute hours anew; the newest computation stands."""
    for table in tables:
        source = f"{table}_source"
        names = ", ".join(_columns(engine, database, source))
        _do(
            engine,
            f"INSERT INTO {database}.{table} ({names}, version) SELECT {names},"  # noqa: S608  # names of ours
            f" toUInt64(toUnixTimestamp64Milli(now64(3))) FROM {database}.{source}"
            f" WHERE {condition} SETTINGS insert_deduplicate = 0",
        )


def _columns(engine: Client, database: str, table: str) -> list[str]:
    """What a table or view has, in order."""
    told = rows(
        engine,
        "SELECT name FROM system.columns WHERE database = {of:String} AND table = {table:String}"
        " ORDER BY position",
        {"of": database, "table": table},
    )
    return [str(one["name"]) for one in told]


# ---------------------------------------------------------------- words to the engine


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
    told = rows(
        engine,
        "SELECT name, comment FROM system.tables WHERE engine = 'View' AND database = {of:String}",
        {"of": database},
    )
    return {one["name"]: one["comment"] for one in told}


def _on_cluster(live: Settings) -> str:
    return variables(live.clickhouse.database, cluster=live.clickhouse.cluster)["on_cluster"]


def _number(engine: Client, sql: str) -> int:
    return int(rows(engine, sql)[0]["n"])


def _patient(live: Settings) -> Client:
    """The engine as the account that writes, for statements that take their time."""
    return connected(live.clickhouse.model_copy(update={"insert_seconds": MOST_SECONDS}))


def _do(engine: Client, sql: str) -> None:
    try:
        engine.command(sql)
    except ClickHouseError as error:
        raise ReadingError(f"{error}") from error


__all__ = [
    "Oldest",
    "ReplayError",
    "back",
    "beside",
    "caught_up",
    "check_workers",
    "drop",
    "prepare",
    "refusal",
    "swap",
    "variables_of",
]
