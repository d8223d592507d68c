"""A second app that reads everything again beside the live one, under names of its own.

    settings = replay_settings(live, "kol-2")  # own group, transactions, topics, database
    prepare(live, settings, since=None)        # refused where the log no longer reaches back
    …                                          # workers with these settings, any number, anywhere
    wait_until_caught_up(settings, timeout, observer)

The live app is not disturbed: its workers keep writing its own tables. `swap.py` lets people read
the second app's tables instead. Decision 0015 gives the reasons.
"""

import asyncio
import re
import time
from collections.abc import Mapping
from typing import Final, NamedTuple

from clickhouse_connect.driver.client import Client

from schemas.events import INPUTS
from schemas.topics import USER_STATE
from sinks.migrate import migrate, variables
from streams.clients.app_names import ReplayStart, database_comment
from streams.clients.clickhouse import command, connect, query
from streams.clients.kafka_admin import Broker, Offsets, kafka_admin
from streams.clients.kafka_reader import record_reader
from streams.core.moments import DAY_MS
from streams.core.user.orders import KEPT_MS
from streams.core.user.touches import LOOKBACK_MS
from streams.errors import ExpectedError
from streams.operations.drain import Observer, drain
from streams.settings import Kafka, Settings
from streams.trainer.standing import standing

NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,39}")
REACH_MS: Final = max(LOOKBACK_MS.values()) + DAY_MS  # of the log before `--from`; a day for clocks
SETTLED_MS: Final = KEPT_MS + DAY_MS  # an order of that age can not be given back any more
BEHIND_SECONDS: Final = 10.0  # a drain that took longer is followed by another

Place = tuple[str, int]


class ReplayError(ExpectedError):
    """A replay cannot begin or continue; says why and what to do."""


class Oldest(NamedTuple):
    """The oldest record of a topic partition."""

    offset: int  # of the oldest record; 0: nothing was ever removed
    at: int | None  # its record time, milliseconds; None: there is none any more


# ---------------------------------------------------------------- its names, and why it cannot be


def replay_settings(live: Settings, name: str) -> Settings:
    """The settings of a replay's workers: the live ones, with names of its own.

    Raises:
        ReplayError: the name is not allowed, or taken by the live app.

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
    """The variables by which a replay's workers differ from the live ones."""
    return {
        "KOL_APP_ID": second.app_id,
        "KOL_KAFKA__PREFIX": second.kafka.prefix,
        "KOL_CLICKHOUSE__DATABASE": second.clickhouse.database,
    }


def refusal(oldest: Mapping[Place, Oldest], since: int | None, now: int) -> str | None:
    """Why a replay would not equal the live rows to the cent; None if it would.

    Args:
        oldest: of every partition of the inputs.
        since: rows before this event time are taken from the live tables, milliseconds; None:
            all of them are computed again.
        now: milliseconds.

    >>> refusal({("purchases", 0): Oldest(0, 5)}, None, 9) is None
    True
    """
    if since is None:
        return _refusal_of_all(oldest)
    if since > now - SETTLED_MS:
        return (
            f"--from {_day(since)} is too late: an order of less than {_days(SETTLED_MS)} days can "
            "still be given back, and the replay would not know it. The latest possible is "
            f"{_day(now - SETTLED_MS)}"
        )
    return _refusal_since(oldest, since)


def _refusal_of_all(oldest: Mapping[Place, Oldest]) -> str | None:
    cut = {place: found for place, found in oldest.items() if found.offset}
    if not cut:
        return None
    return (
        f"the log does not reach back to its beginning ({_shortest(cut)}), and what was before "
        "would be missing: orders, their touches, refunds. Keep the inputs longer "
        "(retention.ms) before the next change of rules; or take what is older from the "
        f"live tables: --from a day that is {_days(SETTLED_MS)} days ago and "
        f"{_days(REACH_MS)} days after the log's beginning"
    )


def _refusal_since(oldest: Mapping[Place, Oldest], since: int) -> str | None:
    short = {
        place: found
        for place, found in oldest.items()
        if found.offset and (found.at is None or found.at > since - REACH_MS)
    }
    if not short:
        return None
    return (
        f"the log does not reach back to {_day(since - REACH_MS)} ({_shortest(short)}): an order "
        f"looks {_days(max(LOOKBACK_MS.values()))} days back for its touches, and those of orders "
        f"from {_day(since)} on would be missing. Keep the inputs longer (retention.ms), or give "
        "a later --from"
    )


def _shortest(oldest: Mapping[Place, Oldest]) -> str:
    """The partition that reaches back least, and how far, in words."""
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
    """Create a replay's topics and tables, or continue it; gives since when its rows are its own.

    A replay that exists continues with the moment it began with. The live app is not disturbed.

    Raises:
        ReplayError: it would not equal the live rows, or half of a former one exists.

    """
    conf = second.clickhouse
    engine = connect(conf, database="")
    try:
        since = _start(engine, live, second, since)
        atomic = "" if conf.cluster else "ENGINE = Atomic"
        command(
            engine,
            f"CREATE DATABASE IF NOT EXISTS {conf.database} {cluster_clause(live)} {atomic}"
            f" COMMENT '{ReplayStart(since).comment}'",
        )
        migrate(
            engine,
            conf.database,
            cluster=conf.cluster,
            definer=conf.definer,
            currency=second.currency,
            zone=second.business_zone,
        )
        with kafka_admin(second.kafka) as broker:
            broker.create()
            _refuse_half_a_replay(engine, broker, second)
    finally:
        engine.close()
    return since


def _start(engine: Client, live: Settings, second: Settings, since: int | None) -> int | None:
    """Since when a replay's rows are its own: as given, or as it began.

    Raises:
        ReplayError: it cannot begin there, or began otherwise.

    """
    database = second.clickhouse.database
    comment = database_comment(engine, database)
    if comment is None:
        oldest = asyncio.run(_oldest_records(live.kafka))
        why_not = refusal(oldest, since, time.time_ns() // 1_000_000)
        if why_not:
            raise ReplayError(why_not)
        return since
    start = ReplayStart.parse(comment)
    if start is None:
        raise ReplayError(f"the database {database} is there and no replay's: take another name")
    if since not in {None, start.since}:
        raise ReplayError(
            f"{second.app_id} began with another --from: `kol replay drop` it, or take another name"
        )
    return start.since


def cluster_clause(live: Settings) -> str:
    """The ON CLUSTER clause of statements about tables; empty on one server."""
    return variables(live.clickhouse.database, cluster=live.clickhouse.cluster)["on_cluster"]


def _refuse_half_a_replay(engine: Client, broker: Broker, second: Settings) -> None:
    """Refuse rows without their state, or offsets without rows: half of a former replay."""
    fatal = [f"{d.topic} {d.what}" for d in broker.differences() if d.fatal]
    if fatal:
        raise ReplayError("; ".join(fatal))
    committed = broker.committed(second.app_id)
    has_state = sum(broker.end_offsets([USER_STATE]).values()) > 0
    has_read = any(committed.get((topic, at)) for topic, at in committed if topic in INPUTS)
    counts = f"SELECT count() AS n FROM {second.clickhouse.database}.door_count"  # noqa: S608  # a name of \w+
    has_rows = int(query(engine, counts)[0]["n"]) > 0
    if has_rows > has_state or has_read > has_rows:
        raise ReplayError(
            f"half of a former replay {second.app_id} is there (rows: {has_rows}, state: "
            f"{has_state}, offsets: {has_read}): `kol replay drop {second.app_id}`, or take "
            "another name"
        )


async def _oldest_records(kafka: Kafka) -> dict[Place, Oldest]:
    """The oldest record of each partition of the inputs."""
    with kafka_admin(kafka) as broker:
        first: Offsets = broker.first_offsets(INPUTS)
    async with record_reader(kafka) as records:
        entries = await records.first_at(first)
    at = {(one.topic, one.partition): one.at for one in entries}
    return {place: Oldest(offset, at.get(place)) for place, offset in first.items()}


def wait_until_caught_up(second: Settings, timeout: float, observer: Observer) -> None:
    """Wait until a replay's workers have caught up with the inputs, as `kol drain` does.

    Waits again for what arrived meanwhile, until such a wait takes only seconds.

    Raises:
        NotDrainedError: not within `timeout` seconds.

    """
    clock = observer.clock
    deadline = clock() + timeout
    with kafka_admin(second.kafka) as broker:
        took = BEHIND_SECONDS
        while took >= BEHIND_SECONDS:
            started = clock()
            drain(broker, second.app_id, deadline - started, observer)
            took = clock() - started


def check_started(second: Settings) -> None:
    """Make sure that a replay of this name was started.

    Raises:
        ReplayError: there is no database of this name.

    """
    engine = connect(second.clickhouse, database="")
    try:
        if database_comment(engine, second.clickhouse.database) is None:
            raise ReplayError(
                f"there is no replay {second.app_id}: `kol replay run {second.app_id}` begins one"
            )
    finally:
        engine.close()


def replay_worker(app: str, number: int) -> str:
    """The name of a worker that `kol replay run` starts, and that ends with it."""
    return f"{app}-replay-{number}"


def check_workers(second: Settings) -> None:
    """Make sure that workers and a trainer will keep writing the tables that people are to read.

    Raises:
        ReplayError: no worker of the replay runs, but for those that `kol replay run` started, or
            no trainer.

    """
    with kafka_admin(second.kafka) as broker:
        names = broker.members(second.app_id).keys()
        trainers = standing(broker, second.app_id).members
    if all(name.startswith(replay_worker(second.app_id, 0)[:-1]) for name in names):
        raise ReplayError(
            f"no worker of {second.app_id} runs that stays (those of `kol replay run` end with "
            "it): what people read would stand still. Start some (`kol replay run "
            f"{second.app_id}` prints their settings), then `kol replay swap {second.app_id}`"
        )
    if not trainers:
        raise ReplayError(
            f"no trainer of {second.app_id} runs: hours and days that people read would stand "
            f"still. Start one, `kol trainer` with the settings of its workers, then `kol replay "
            f"swap {second.app_id}`"
        )
