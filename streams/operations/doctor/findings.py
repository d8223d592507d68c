"""Judging facts about a deployment: what is wrong, and how to mend it.

`facts.py` asks for the facts.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from schemas.doors import RejectReason
from schemas.events import FUTURE_MS, INPUTS
from schemas.mentions import user_of
from schemas.partitioner import partition_of
from schemas.topics import CELLS, ERASURES, KOL_STATE, TOPICS, USER_STATE, alter_command
from streams.clients.kafka_admin import Offsets, OpenTransaction, Replicas
from streams.clients.kafka_reader import Place, TopicRecord
from streams.operations.durations import duration_text
from streams.operations.open_transactions import held_text
from streams.operations.replay.views import ReadReplay

READ_TOPICS: Final = (*INPUTS, ERASURES, CELLS)  # what workers read, partition by partition
LETTERS_MS: Final = 24 * 3_600_000  # dead letters
RECENT_MS: Final = 3_600_000  # records that show how producers behave now
CLOCK_MS: Final = 5_000  # apart: a warning
WARNING_MS: Final = 60_000  # the oldest uncommitted message: a warning
FAULT_MS: Final = 600_000  # the same: a fault
PLACES_SHOWN: Final = 4  # partitions named: enough to find the cause
OLDEST_KAFKA: Final = (3, 7)
OLDEST_CLICKHOUSE: Final = (25, 8)
WRONG_PARTITION: Final = RejectReason.WRONG_PARTITION.label


class Severity(Enum):
    """How bad a finding is."""

    FINE = "fine"
    WARNING = "warning"  # look at it when there is time
    FAULT = "fault"  # numbers are missing, late or at risk


@dataclass(frozen=True, slots=True)
class Finding:
    """The judgement of one fact."""

    about: str
    severity: Severity
    what: str
    mend: str = ""

    def as_dict(self) -> dict[str, str]:
        """All fields, for JSON."""
        severity = self.severity.value
        return {"about": self.about, "severity": severity, "what": self.what, "mend": self.mend}


def fine(about: str, what: str) -> Finding:
    """A finding that needs nothing."""
    return Finding(about, Severity.FINE, what)


def warning(about: str, what: str, mend: str) -> Finding:
    """A finding to look at when there is time."""
    return Finding(about, Severity.WARNING, what, mend)


def fault(about: str, what: str, mend: str) -> Finding:
    """A finding to mend now."""
    return Finding(about, Severity.FAULT, what, mend)


# ---------------------------------------------------------------- what runs


def builds(version: str, path: str, pages: Mapping[str, Mapping[str, Any] | None]) -> Finding:
    """Whether all workers run the version and code path of this command.

    Args:
        version: of this command.
        path: code path of this command: `python`, or the name of the compiled kernels.
        pages: /status.json of workers, by address; None: no answer.

    """
    ours = f"{version}, {path}"
    answering = {
        str(page.get("name", url)): page for url, page in pages.items() if page is not None
    }
    theirs = {
        name: f"{page.get('version')}, {page.get('path')}" for name, page in answering.items()
    }
    others = {name: build for name, build in theirs.items() if build != ours}
    if not others:
        return fine("code path", f"{path}, version {version}")
    what = "; ".join(f"{name} runs {build}" for name, build in sorted(others.items()))
    mend = "give all of them one version: restart the workers one by one"
    return warning("code path", f"{what}; this command is of {ours}", mend)


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
        what = f"Kafka {known} at {where} is older than {_version_text(OLDEST_KAFKA)}"
        found.append(fault("brokers", what, "upgrade the brokers, one by one"))
    dead = [place for place, one in replicas.items() if one.leader < 0]
    if dead:
        what = f"nobody serves {_places_text(dead)}"
        found.append(fault("brokers", what, "start the brokers that keep them; nothing is lost"))
    behind = [place for place, one in replicas.items() if one.in_sync < one.copies]
    if behind:
        what = f"copies are missing or behind of {_places_text(behind)}"
        found.append(warning("brokers", what, "is a broker away? They catch up by themselves"))
    single = [place for place, one in replicas.items() if one.copies == 1]
    if single and count > 1:
        what = f"{count} brokers, but one copy only of {_places_text(single)}"
        mend = "kafka-reassign-partitions.sh adds copies; KOL_KAFKA__REPLICATION=3 for new topics"
        found.append(warning("brokers", what, mend))
    return found or [fine("brokers", f"{where}: {count} of Kafka {known} or newer, all serving")]


def engine(where: str, version: str) -> Finding:
    """Whether ClickHouse is new enough.

    >>> engine("ch:8123", "26.9.1").severity.value, engine("ch:8123", "25.3.2.39").severity.value
    ('fine', 'fault')
    """
    parts = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if parts < OLDEST_CLICKHOUSE:
        what = f"ClickHouse {version} at {where} is older than {_version_text(OLDEST_CLICKHOUSE)}"
        return fault("engine", what, "upgrade it; workers wait meanwhile and lose nothing")
    return fine("engine", f"{where} answers, {version}")


def writer(account: str, wrong: str) -> Finding:
    """Whether the account of the workers can insert.

    Args:
        account: its name.
        wrong: why an insert that writes nothing was refused; empty if it was not.

    """
    if not wrong:
        return fine("writer", f"{account} inserts into every table, with the settings it needs")
    return fault("writer", wrong, "until it is mended workers stop; nothing is lost meanwhile")


def views(replay: ReadReplay) -> Finding:
    """Whether workers write the tables of the replay that the views read."""
    if replay.fault is None:
        return fine("views", f"they read {replay.database}, which {replay.app} writes")
    mend = f"start workers of {replay.app}, or `kol replay back {replay.app}`"
    return fault("views", replay.fault, mend)


def _version_text(version: Sequence[int]) -> str:
    return ".".join(map(str, version))


def _places_text(places: Collection[Place]) -> str:
    some = [f"{topic}/{partition}" for topic, partition in sorted(places)[:PLACES_SHOWN]]
    return ", ".join(
        [*some, f"{len(places) - PLACES_SHOWN} more"] if len(places) > PLACES_SHOWN else some
    )


# ---------------------------------------------------------------- topics


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
    return [*_topic_settings(counts, configs, broker_topic), _co_partitioning(counts, n)]


def _topic_settings(
    counts: Mapping[str, int],
    configs: Mapping[str, Mapping[str, str]],
    broker_topic: Callable[[str], str],
) -> list[Finding]:
    found = []
    missing = [broker_topic(name) for name in TOPICS if name not in counts]
    if missing:
        what = f"{', '.join(missing)}: not there"
        found.append(fault("topics", what, "`kol topics` creates them"))
    found += [
        fault("topics", f"{name} has {key}={now}, not {value}", alter_command(name, key, value))
        for topic in TOPICS.values()
        for key, value in topic.required.items()
        if topic.name in configs and (now := configs[topic.name].get(key)) != value
        for name in [broker_topic(topic.name)]
    ]
    return found or [fine("topics", f"{len(TOPICS)} with their settings")]


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


# ---------------------------------------------------------------- who reads


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
                f"nobody reads {_places_text(left)}",
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


def partitioners(newest: Iterable[TopicRecord], n: int, now: int) -> list[Finding]:
    """Whether the newest records are in the partition that murmur2 of their user_id gives.

    Args:
        newest: records of input topics.
        n: partitions of them.
        now: milliseconds; records older than an hour say nothing about today's producers.

    """
    seen: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for record in newest:
        user = user_of(record.value or b"") if record.at > now - RECENT_MS else None
        if user is not None:
            seen[record.topic] += 1
            wrong[record.topic] += partition_of(user.encode(), n) != record.partition
    found = [
        fault(
            "partitioners",
            f"{count} of the newest {seen[topic]} records of {topic} are in another partition than"
            " murmur2 of their user_id",
            "its producers must key by user_id with the murmur2 partitioner (librdkafka: "
            f"partitioner=murmur2_random); then `kol dlq retry --reason {WRONG_PARTITION}`",
        )
        for topic, count in sorted(wrong.items())
        if count
    ]
    return found or [
        fine("partitioners", f"{seen.total()} of the newest records are in the right partition")
    ]


# ---------------------------------------------------------------- how far


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
        f"{sum(gone.values()):,} messages were removed before they were read: {_places_text(gone)}"
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


STATES: Final = {"user": (USER_STATE, INPUTS), "kol": (KOL_STATE, (CELLS,))}


# ---------------------------------------------------------------- clocks, letters, workers


def clock(name: str, theirs: int, ours: int, *, at_least: bool = False) -> Finding:
    """Whether two clocks agree.

    Args:
        name: whose clock.
        theirs: what it says, milliseconds.
        ours: the time of this machine at that moment.
        at_least: `theirs` is a time in the past, so that only being ahead can be seen.

    """
    apart = theirs - ours
    about = f"clock, {name}"
    if abs(apart) <= CLOCK_MS or (at_least and apart < 0):
        return fine(about, "not ahead of this machine's" if at_least else "agrees with ours")
    what = f"{duration_text(abs(apart))} {'ahead of' if apart > 0 else 'behind'} this machine's"
    mend = "synchronise both (NTP); events more than 10 minutes in the future are refused"
    return (fault if abs(apart) > FUTURE_MS else warning)(about, what, mend)


def letters(groups: Iterable[Mapping[str, Any]]) -> list[Finding]:
    """Findings about the new dead letters of the last day.

    Args:
        groups: `reason`, `target`, `letters` of each.

    """
    reasons: Counter[str] = Counter()
    rows: Counter[str] = Counter()
    for group in groups:
        of = reasons if group["target"] == "input" else rows
        of[group["reason"] if group["target"] == "input" else group["target"]] += group["letters"]
    found = []
    if rows:
        what = f"the database refused rows: {_counts_text(rows)}"
        mend = "`kol dlq show` has them and the reason; numbers of these tables are incomplete"
        found.append(fault("dead letters", what, mend))
    if reasons[WRONG_PARTITION]:
        found.append(
            fault(
                "partitioners",
                f"{reasons[WRONG_PARTITION]:,} messages of the last day were in a wrong partition",
                "mixed partitioners: all producers need murmur2 of user_id; then "
                f"`kol dlq retry --reason {WRONG_PARTITION}`",
            )
        )
    if reasons:
        what = f"in the last day: {_counts_text(reasons)}"
        mend = "`kol dlq list`, `kol dlq show`; once their cause is mended `kol dlq retry`"
        found.append(warning("dead letters", what, mend))
    return found or [fine("dead letters", "none in the last day")]


def _counts_text(counts: Counter[str]) -> str:
    return ", ".join(f"{n:,} {name}" for name, n in counts.most_common())


def workers(pages: Mapping[str, Mapping[str, Any] | None]) -> list[Finding]:
    """Findings about the workers of this machine, by their /status.json; None: no answer."""
    found = []
    for url, page in pages.items():
        if page is None:
            what = f"{url} does not answer"
            found.append(fault("workers", what, "`kol status`; its log says why"))
            continue
        name = str(page.get("name", url))
        stuck = [f"{name} is stuck: {wrong}" for wrong in page.get("live", [])]
        found += [fault("workers", wrong, "restart it") for wrong in stuck]
        unready = [f"{name} is not ready: {wrong}" for wrong in page.get("ready", [])]
        mend = "passes by itself when what it waits for is back; its log says more"
        found += [fault("workers", wrong, mend) for wrong in unready]
    return found or [fine("workers", f"{len(pages)} of this machine, live and ready")]


def processes(running: Sequence[Mapping[str, Any]], logs: str) -> list[Finding]:
    """Whether `kol up` had to restart a process."""
    again = {str(one["name"]): int(one["restarts"]) for one in running if one.get("restarts")}
    if not again:
        return []
    what = ", ".join(f"{name} {n} times" for name, n in again.items())
    return [warning("processes", f"started again: {what}", f"why stands in {logs}")]
