"""What an answer of the deployment means: each fault is found, named and comes with its mending."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from schemas.events import CLICKSTREAM, INPUTS, PURCHASES
from schemas.partitioner import partition_of
from schemas.topics import CELLS, TOPICS, USER_STATE, plan
from streams.clients.kafka_admin import OpenTransaction, Replicas
from streams.clients.kafka_reader import TopicRecord
from streams.operations.doctor import (
    broker_findings,
    engine_findings,
    reading_findings,
    worker_findings,
)
from streams.operations.doctor.findings import Finding, Severity, warning
from streams.operations.doctor.reading_findings import READ_TOPICS
from tests.builders import HOUR, MINUTE, NOON, SECOND, click

N = 4
COUNTS = {name: count for name, (count, _) in plan(N).items()}
CONFIGS = {name: dict(configs) for name, (_, configs) in plan(N).items()}
HOME = partition_of(b"u1", N)

FINE, WARNING, FAULT = Severity.FINE, Severity.WARNING, Severity.FAULT


def severities(found: Sequence[Finding]) -> list[Severity]:
    return [finding.severity for finding in found]


def worst(found: Sequence[Finding]) -> Finding:
    """The one finding that is not fine; it says how to mend it."""
    (wrong,) = [finding for finding in found if finding.severity is not FINE]
    assert wrong.mend
    return wrong


def record(value: bytes | None, **given: Any) -> TopicRecord:  # noqa: ANN401  # any field
    fields = {
        "topic": CLICKSTREAM,
        "partition": HOME,
        "offset": 0,
        "at": NOON,
        "key": None,
        "value": value,
        "headers": {},
        "by_broker": True,
    }
    return TopicRecord(**{**fields, **given})


# ---------------------------------------------------------------- what runs


def test_workers_of_one_version_are_fine() -> None:
    page = {"name": "w", "version": "1.0", "native": "0.1"}

    assert worker_findings.builds("1.0", "0.1", {"a": page, "b": None}).severity is FINE


@pytest.mark.parametrize(
    ("path", "words"),
    [("0.1", "compiled 0.1"), ("off", "since KOL_NATIVE is 0"), ("absent", "nothing is compiled")],
)
def test_it_is_said_what_decodes_events(path: str, words: str) -> None:
    assert words in worker_findings.builds("1.0", path, {}).what


@pytest.mark.parametrize("other", [{"version": "0.9"}, {"native": "off"}, {"version": None}])
def test_a_worker_of_another_version_or_code_path_is_worth_a_word(other: dict[str, Any]) -> None:
    page = {"name": "w", "version": "1.0", "native": "0.1"} | other
    found = worst([worker_findings.builds("1.0", "0.1", {"a": page})])

    assert found.severity is WARNING
    assert f"w runs {page['version']}, native {page['native']}" in found.what


WHOLE = {(PURCHASES, at): Replicas(leader=1, copies=3, in_sync=3) for at in range(6)}


def test_brokers_that_serve_everything_are_fine() -> None:
    assert severities(broker_findings.brokers("b:9092", (4, 3, 1), 3, WHOLE)) == [FINE]


def test_one_broker_keeps_one_copy() -> None:
    alone = dict.fromkeys(WHOLE, Replicas(1, 1, 1))

    assert severities(broker_findings.brokers("b:9092", (3, 7), 1, alone)) == [FINE]
    assert (
        "3 brokers, but one copy" in worst(broker_findings.brokers("b:9092", (3, 7), 3, alone)).what
    )


def test_brokers_too_old_are_a_fault() -> None:
    found = worst(broker_findings.brokers("b:9092", (3, 6), 3, WHOLE))

    assert found.severity is FAULT
    assert "older than 3.7" in found.what


def test_partitions_that_nobody_serves_are_a_fault() -> None:
    found = worst(
        broker_findings.brokers("b:9092", (4, 0), 3, dict.fromkeys(WHOLE, Replicas(-1, 3, 3)))
    )

    assert found.severity is FAULT
    assert found.what.endswith("purchases/3, 2 more")


def test_copies_that_are_behind_are_worth_a_word() -> None:
    weak = WHOLE | {(PURCHASES, 2): Replicas(1, 3, 2)}

    assert "purchases/2" in worst(broker_findings.brokers("b:9092", (4, 0), 3, weak)).what


# ---------------------------------------------------------------- topics


def test_topics_as_planned_are_fine() -> None:
    assert severities(broker_findings.topics(COUNTS, CONFIGS, N)) == [FINE, FINE]


def test_a_missing_topic_is_named() -> None:
    counts = {name: count for name, count in COUNTS.items() if name != PURCHASES}

    assert PURCHASES in worst(broker_findings.topics(counts, CONFIGS, N)).what


def test_an_uneven_count_is_a_fault_of_co_partitioning() -> None:
    wrong = worst(broker_findings.topics(COUNTS | {PURCHASES: 6}, CONFIGS, N))

    assert (wrong.about, wrong.severity) == ("co-partitioning", FAULT)
    assert "purchases has 6" in wrong.what


def test_reference_topics_may_have_any_count_up_to_the_inputs() -> None:
    assert severities(broker_findings.topics(COUNTS | {"content": 3}, CONFIGS, N)) == [FINE, FINE]


def test_a_missing_reference_topic_is_said_and_is_no_fault() -> None:
    counts = {name: count for name, count in COUNTS.items() if name not in {"content", "policy"}}
    wrong = worst(broker_findings.topics(counts, CONFIGS, N))

    assert (wrong.about, wrong.severity) == ("reference topics", WARNING)
    assert "content, policy: not there" in wrong.what


def test_tombstones_may_be_kept_for_longer_but_not_for_less() -> None:
    month = int(CONFIGS["content"]["delete.retention.ms"])

    def kept(ms: int) -> list[Severity]:
        configs = CONFIGS | {"content": CONFIGS["content"] | {"delete.retention.ms": str(ms)}}
        return severities(broker_findings.topics(COUNTS, configs, N))

    assert kept(month + 1) == kept(month) == [FINE, FINE]
    assert kept(month - 1) == [FAULT, FINE]


def test_a_required_setting_matters_and_an_initial_one_is_the_operators() -> None:
    required = CONFIGS | {CLICKSTREAM: CONFIGS[CLICKSTREAM] | {"cleanup.policy": "compact"}}
    initial = CONFIGS | {CLICKSTREAM: CONFIGS[CLICKSTREAM] | {"retention.ms": "1"}}

    wrong = worst(broker_findings.topics(COUNTS, required, N))

    assert "cleanup.policy=compact, not delete" in wrong.what
    assert "kafka-configs.sh" in wrong.mend
    assert severities(broker_findings.topics(COUNTS, initial, N)) == [FINE, FINE]


def test_every_topic_with_something_required_is_looked_at() -> None:
    bare: dict[str, dict[str, str]] = {name: {} for name in TOPICS}
    found = broker_findings.topics(COUNTS, bare, N)

    named = {finding.what.split()[0] for finding in found if finding.severity is FAULT}
    assert named == {name for name, topic in TOPICS.items() if topic.required}


# ---------------------------------------------------------------- who reads


def share(*partitions: int) -> dict[str, list[int]]:
    return {topic: list(partitions) for topic in READ_TOPICS}


def test_a_group_that_reads_everything_together_is_fine() -> None:
    members = {"worker-0": share(0, 1), "worker-1": share(2, 3)}

    assert severities(reading_findings.owners(members, N)) == [FINE]


def test_an_empty_group_is_a_fault() -> None:
    assert "nobody reads" in worst(reading_findings.owners({}, N)).what


def test_partitions_that_nobody_reads_are_named() -> None:
    assert "clickstream/3" in worst(reading_findings.owners({"worker-0": share(0, 1, 2)}, N)).what


def test_a_worker_with_different_partitions_of_different_topics_is_named() -> None:
    split = share(0, 1) | {CELLS: [2, 3]}
    other = share(2, 3) | {CELLS: [0, 1]}

    assert "a, b" in worst(reading_findings.owners({"b": split, "a": other}, N)).what


def test_a_record_in_another_partition_than_murmur2_says_is_found() -> None:
    value = msgspec.json.encode(click())
    wrong = worst(
        broker_findings.partitioners(
            [record(value), record(value, partition=(HOME + 1) % N)], COUNTS, NOON
        )
    )

    assert (wrong.about, wrong.severity) == ("partitioners", FAULT)
    assert "1 of the newest 2" in wrong.what
    assert "murmur2_random" in wrong.mend


@pytest.mark.parametrize("value", [None, b"", b"{oops", b"[]", b'{"user_id":""}', b'{"user_id":7}'])
def test_a_record_that_names_no_user_says_nothing_of_partitioners(value: bytes | None) -> None:
    assert severities(broker_findings.partitioners([record(value, partition=0)], COUNTS, NOON)) == [
        FINE
    ]


def test_a_reference_record_belongs_where_its_key_says_of_the_partitions_of_its_topic() -> None:
    counts = COUNTS | {"content": 3}
    right = partition_of(b"c1", 3)

    def at(partition: int, key: bytes | None = b"c1") -> list[Finding]:
        sent = record(b"{}", topic="content", key=key, partition=partition)
        return broker_findings.partitioners([sent], counts, NOON)

    assert severities(at(right)) == [FINE]
    assert severities(at((right + 1) % 3, None)) == [FINE]
    wrong = worst(at((right + 1) % 3))
    assert "murmur2 of their key" in wrong.what
    assert "key by content_id" in wrong.mend


def test_what_was_sent_long_ago_says_nothing_of_todays_producers() -> None:
    old = record(msgspec.json.encode(click()), partition=(HOME + 1) % N, at=NOON - HOUR)

    assert severities(broker_findings.partitioners([old], COUNTS, NOON)) == [FINE]


# ---------------------------------------------------------------- how far


@pytest.mark.parametrize(
    ("waits", "severity"),
    [
        (0, FINE),
        (MINUTE, FINE),
        (MINUTE + 1, WARNING),
        (10 * MINUTE, WARNING),
        (10 * MINUTE + 1, FAULT),
    ],
)
def test_lag_is_judged_by_how_long_the_oldest_message_waits(waits: int, severity: Severity) -> None:
    place = (PURCHASES, 1)
    (found,) = reading_findings.lag({place: 9}, {place: 4}, {place: NOON - waits}, NOON)

    assert found.severity is severity
    assert found.what.startswith("5 messages")


def test_no_lag_is_fine() -> None:
    assert severities(reading_findings.lag({(PURCHASES, 1): 9}, {(PURCHASES, 1): 9}, {}, NOON)) == [
        FINE
    ]


def test_what_retention_took_before_it_was_read_is_a_fault() -> None:
    place = (PURCHASES, 1)
    found = worst(
        [reading_findings.retention({place: 9, (CELLS, 0): 3}, {place: 4, (CELLS, 0): 3})]
    )

    assert found.severity is FAULT
    assert found.what == "5 messages were removed before they were read: purchases/1"
    assert "--accept-gap" in found.mend


def test_a_group_that_never_read_lost_nothing() -> None:
    assert reading_findings.retention({(PURCHASES, 1): 9}, {}).severity is FINE


def manifest(partition: int, age: int) -> TopicRecord:
    return record(b"", topic=USER_STATE, partition=partition, key=b"manifest", at=NOON - age)


def test_an_old_snapshot_without_news_is_whole() -> None:
    found = reading_findings.snapshots("user", [manifest(0, 9 * HOUR)], {}, [0], NOON)

    assert severities(found) == [FINE]


def test_news_that_no_snapshot_has_for_long_are_a_fault() -> None:
    found = reading_findings.snapshots("user", [manifest(0, HOUR)], {0: HOUR}, [0], NOON)

    assert "the last snapshot of partition 0 is 1.0 h old" in worst(found).what


def test_a_partition_that_was_read_and_has_no_snapshot_is_a_fault() -> None:
    chunk = record(b"", topic=USER_STATE, partition=1, key=b"a/x/0")
    found = reading_findings.snapshots("user", [manifest(0, SECOND), chunk], {}, [0, 1], NOON)

    assert "[1]" in worst(found).what


def test_a_new_deployment_has_nothing_to_keep() -> None:
    assert severities(reading_findings.snapshots("kol", [], {}, [], NOON)) == [FINE]


def test_a_partition_waits_as_long_as_the_oldest_of_its_topics() -> None:
    oldest = {(CLICKSTREAM, 0): NOON - 5, (PURCHASES, 0): NOON - 9, (CELLS, 0): NOON - 99}

    assert reading_findings.waiting_times(oldest, INPUTS, NOON) == {0: 9}


# ---------------------------------------------------------------- clocks, letters, workers


@pytest.mark.parametrize(
    ("apart", "severity"),
    [(0, FINE), (5 * SECOND, FINE), (-5_001, WARNING), (5_001, WARNING), (10 * MINUTE + 1, FAULT)],
)
def test_clocks_that_differ_are_told(apart: int, severity: Severity) -> None:
    assert worker_findings.clock("engine", NOON + apart, NOON).severity is severity


def test_a_time_in_the_past_only_shows_a_clock_that_is_ahead() -> None:
    assert worker_findings.clock("brokers", NOON - HOUR, NOON, at_least=True).severity is FINE
    assert worker_findings.clock("brokers", NOON + HOUR, NOON, at_least=True).severity is FAULT


def group(reason: str, letters: int, target: str = "input") -> dict[str, Any]:
    return {"reason": reason, "target": target, "letters": letters}


def test_dead_letters_are_a_warning_with_their_reasons() -> None:
    wrong = worst(engine_findings.letters([group("invalid", 2), group("not_json", 1_200)]))

    assert (wrong.severity, wrong.what) == (WARNING, "in the last day: 1,200 not_json, 2 invalid")


def test_letters_of_wrong_partitions_say_that_partitioners_are_mixed() -> None:
    found = engine_findings.letters([group("wrong_partition", 3)])

    assert [(one.about, one.severity) for one in found] == [
        ("partitioners", FAULT),
        ("dead letters", WARNING),
    ]


def test_rows_that_the_database_refused_are_a_fault() -> None:
    wrong = worst(engine_findings.letters([group("refused", 1, target="order_credit")]))

    assert (wrong.severity, wrong.what) == (FAULT, "the database refused rows: 1 order_credit")


def test_a_silent_a_stuck_and_an_unready_worker_are_faults() -> None:
    page = {"name": "w", "live": ["purchases/0 has not moved for 99 s"], "ready": ["no partitions"]}
    found = worker_findings.workers({"http://a": None, "http://b": page})

    assert severities(found) == [FAULT] * 3
    assert "http://a does not answer" in found[0].what
    assert severities(
        worker_findings.workers({"http://b": {"name": "w", "live": [], "ready": []}})
    ) == [FINE]


def test_what_was_started_again_is_worth_a_look() -> None:
    running = [
        {"name": "kafka", "restarts": 0},
        {"name": "worker-0", "restarts": 2},
        {"name": "trainer", "restarts": 1},
    ]

    found = worst(worker_findings.processes(running, "logs"))
    assert found.what == "started again: worker-0 2 times, trainer once"
    assert not worker_findings.processes(running[:1], "logs")


def test_a_finding_is_told_to_machines_whole() -> None:
    assert warning("a", "b", "c").as_dict() == {
        "about": "a",
        "severity": "warning",
        "what": "b",
        "mend": "c",
    }


def test_a_transaction_that_stays_open_is_named_with_its_producer_and_what_it_hides() -> None:
    now = 10 * 60_000
    found = [
        OpenTransaction("purchases", 1, 45, 7, now - 2 * 60_000),
        OpenTransaction("clickstream", 0, 3, 8, now - 1_000),  # on its way
    ]

    (finding,) = broker_findings.open_transactions(found, now)

    assert finding.severity is Severity.WARNING
    assert finding.what == (
        "45 messages of purchases/1 are held back for 2.0 min: producer 7 has a transaction open"
    )
    assert broker_findings.open_transactions([], now)[0].severity is Severity.FINE
