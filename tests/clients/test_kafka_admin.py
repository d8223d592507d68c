"""What the brokers have, against the plan: what only differs, and what stops a worker."""

from collections.abc import Mapping
from typing import Any, cast

import pytest
from kafka.admin import ConfigResource, KafkaAdminClient
from kafka.errors import CoordinatorNotAvailableError

from schemas.events import INPUTS
from schemas.reference_types import CONSENTS
from schemas.topics import DEAD_LETTERS, ERASURES, OPTIONAL, USER_STATE, plan
from streams.clients.kafka_admin import Broker, BrokerError, Difference, Member
from streams.settings import Kafka

N = 4


class Admin:
    """Stands in for the client: brokers with the topics of the plan, altered in places."""

    def __init__(
        self, altered: Mapping[tuple[str, str], str], counts: Mapping[str, int] | None = None
    ) -> None:
        self._altered = altered
        self._counts = {name: count for name, (count, _) in plan(N).items()} | dict(counts or {})

    def describe_topics(self) -> list[dict[str, Any]]:
        return [
            {"name": name, "partitions": [{"partition_index": at} for at in range(count)]}
            for name, count in self._counts.items()
            if count
        ]

    def describe_configs(self, resources: list[ConfigResource], **_: object) -> dict[str, Any]:
        name = resources[0].name
        configs = {
            key: {"value": self._altered.get((name, key), value)}
            for key, value in plan(N)[name][1].items()
        }
        return {"topic": {name: configs}}


def differences(
    altered: Mapping[tuple[str, str], str], counts: Mapping[str, int] | None = None
) -> list[Difference]:
    admin = cast("KafkaAdminClient", Admin(altered, counts))
    return Broker(admin, Kafka(partitions=N)).differences()


def test_topics_of_the_plan_have_no_differences() -> None:
    assert differences({}) == []


def test_a_reference_topic_may_have_as_many_partitions_as_the_inputs() -> None:
    assert differences({}, {"content": N}) == []
    assert [found.topic for found in differences({}, {"content": N + 1})] == ["content"]


@pytest.mark.parametrize("name", sorted(OPTIONAL))
def test_no_worker_stands_still_for_a_reference_topic(name: str) -> None:
    found = [
        *differences({}, {name: 0}),
        *differences({}, {name: N + 1}),
        *differences({(name, "message.timestamp.type"): "CreateTime"}),
        *differences({(name, "delete.retention.ms"): "86400000"}),
    ]

    assert [(one.topic, one.fatal) for one in found] == [(name, False)] * 4
    assert f"--entity-name {name} --add-config delete.retention.ms=2592000000" in found[3].what


def test_tombstones_may_be_kept_for_longer() -> None:
    assert differences({("content", "delete.retention.ms"): str(2**40)}) == []


def test_a_worker_does_not_begin_without_the_consents() -> None:
    found = [
        *differences({}, {CONSENTS: 0}),
        *differences({}, {CONSENTS: N - 1}),
        *differences({(CONSENTS, "message.timestamp.type"): "CreateTime"}),
    ]

    assert [(one.topic, one.fatal) for one in found] == [(CONSENTS, True)] * 3


@pytest.mark.parametrize(
    ("topic", "key", "value"),
    [
        *((topic, "message.timestamp.type", "CreateTime") for topic in (*INPUTS, ERASURES)),
        *((topic, "cleanup.policy", "compact") for topic in INPUTS),
        (USER_STATE, "cleanup.policy", "delete"),
    ],
)
def test_a_setting_that_makes_numbers_wrong_stops_the_worker(
    topic: str, key: str, value: str
) -> None:
    (found,) = differences({(topic, key): value})

    assert found.fatal
    assert found.what.startswith(f"has {key}={value}, not {plan(N)[topic][1][key]}")
    assert f"--entity-name {topic} --add-config {key}=" in found.what


@pytest.mark.parametrize(
    ("topic", "key", "value"),
    [
        ("purchases", "retention.ms", "1"),
        (DEAD_LETTERS, "cleanup.policy", "delete"),
        ("kol-reviews", "cleanup.policy", "delete"),  # nothing reads it
    ],
)
def test_a_setting_of_the_operator_does_not(topic: str, key: str, value: str) -> None:
    (found,) = differences({(topic, key): value})

    assert not found.fatal


class Coordinator:
    """Stands in for the client: a group as its coordinator describes it."""

    def __init__(self, error: str | None = None, **names: str) -> None:
        self._error = error
        self._names = names

    def describe_groups(self, groups: list[str]) -> dict[str, Any]:
        members = [
            {"group_instance_id": name, "member_id": member_id, "client_host": "/10.0.0.7"}
            for name, member_id in self._names.items()
        ]
        return {group: {"error": self._error, "members": members} for group in groups}

    def member_named(self, name: str) -> Member | None:
        return Broker(cast("KafkaAdminClient", self), Kafka()).member_named("kol", name)


def test_the_member_of_a_name_is_known_with_its_host() -> None:
    group = Coordinator(w1="w1-3f", w2="w2-9c")

    assert group.member_named("w2") == Member("w2-9c", "10.0.0.7")
    assert group.member_named("w3") is None


def test_a_group_that_is_not_there_has_no_members() -> None:
    assert Coordinator("[Error 69] GroupIdNotFoundError: kol").member_named("w1") is None


def test_a_coordinator_that_does_not_say_is_not_taken_for_an_empty_group() -> None:
    with pytest.raises(BrokerError, match=r"not known: .*CoordinatorLoadInProgress"):
        Coordinator("[Error 14] CoordinatorLoadInProgressError: ").member_named("w1")


class NewBrokers:
    """Stands in for the client of brokers on which no group was ever asked for."""

    def describe_groups(self, groups: list[str]) -> dict[str, Any]:
        raise CoordinatorNotAvailableError(f"the topic of {groups} is being made")


def test_on_new_brokers_a_group_has_no_protocol() -> None:
    broker = Broker(cast("KafkaAdminClient", NewBrokers()), Kafka())

    assert broker.group_protocol("kol") is None
