"""Topics, offsets and consumer groups of the brokers, by kafka-python's admin client."""

import ssl
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any

from kafka import TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, OffsetSpec
from kafka.errors import (
    CoordinatorNotAvailableError,
    GroupIdNotFoundError,
    KafkaError,
    TopicAlreadyExistsError,
)
from kafka.protocol.consumer.offsets import IsolationLevel

from schemas.topics import (
    DEAD_LETTERS,
    DECISIVE,
    ONCE_PLANNED,
    OPTIONAL,
    PLANNED,
    TOPICS,
    USER_STATE,
    alter_command,
    plan,
    suffices,
)
from streams.errors import ExpectedError
from streams.settings import Kafka

ANSWER_SECONDS = 8.0  # a person waits
OUTAGE_SECONDS = 30.0  # a worker waits: a broker that restarts is back by then

Offsets = dict[tuple[str, int], int]  # (topic, partition) -> offset

CAUTIONS = {  # of settings that must not simply be altered
    (DEAD_LETTERS, "cleanup.policy"): " (`kol forget` needs compaction; letters of versions before "
    "share their keys and would go with it: alter it 30 days after the last worker was upgraded)"
}


class BrokerError(ExpectedError):
    """The brokers cannot be reached or refuse; says what to do."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A topic that differs from the plan."""

    topic: str
    what: str  # for a person
    fatal: bool  # the worker must not start


@dataclass(frozen=True, slots=True)
class Replicas:
    """Leader and replicas of one partition."""

    leader: int  # the broker that serves it; negative: none does
    copies: int
    in_sync: int


LONG_OPEN_MS = 5_000  # a transaction that is open for less is on its way


@dataclass(frozen=True, slots=True)
class OpenTransaction:
    """A transaction that is not ended, on one topic partition; times in ms since the epoch."""

    topic: str
    partition: int
    hidden: int  # offsets that nobody can read who reads committed records
    producer_id: int
    written_at: int  # its last record
    transactional_id: str = ""  # empty: the brokers do not say
    began_at: int | None = None  # None: as above

    @property
    def since(self) -> int:
        """Since when it is open, as far as that is known."""
        return self.written_at if self.began_at is None else self.began_at

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        return {**asdict(self), "since": self.since}


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a consumer group."""

    member_id: str
    host: str  # where it connects from


def sasl_options(kafka: Kafka) -> dict[str, Any]:
    """Protocol and SASL options of kafka-python's and aiokafka's clients."""
    options: dict[str, Any] = {"security_protocol": kafka.security}
    if kafka.username:
        options |= {
            "sasl_mechanism": kafka.mechanism,
            "sasl_plain_username": kafka.username,
            "sasl_plain_password": kafka.password.get_secret_value(),
        }
    return options


def client_options(kafka: Kafka) -> dict[str, Any]:
    """Options of aiokafka's clients: addresses, TLS and SASL."""
    return {"bootstrap_servers": kafka.bootstrap, **security_options(kafka)}


def security_options(kafka: Kafka) -> dict[str, Any]:
    """TLS and SASL options of aiokafka's clients."""
    options = sasl_options(kafka)
    if kafka.security.endswith("SSL"):
        options["ssl_context"] = ssl.create_default_context(
            cafile=str(kafka.ca_file) if kafka.ca_file else None
        )
    return options


@contextmanager
def kafka_admin(kafka: Kafka, seconds: float = ANSWER_SECONDS) -> Iterator["Broker"]:
    """A connection to the brokers; raises `BrokerError` if none answers within `seconds`."""
    tls = {"ssl_cafile": str(kafka.ca_file)} if kafka.ca_file else {}
    try:
        client = KafkaAdminClient(
            bootstrap_servers=kafka.bootstrap.split(","),
            client_id="kol",
            bootstrap_timeout_ms=int(seconds * 1000),
            **sasl_options(kafka),
            **tls,
        )
    except (KafkaError, OSError) as error:
        from streams.clients import kafka_login  # noqa: PLC0415  # 0.2 s that only a failure needs

        reason = kafka_login.login_fault(kafka, security_options(kafka))
        raise BrokerError(
            f"no Kafka at {kafka.bootstrap}: {reason}"
            if reason
            else f"no Kafka at {kafka.bootstrap} ({type(error).__name__}): is `kol up` running, "
            "is KOL_KAFKA__BOOTSTRAP right?"
        ) from error
    try:
        yield Broker(client, kafka)
    finally:
        client.close()


class Broker:
    """The topics, offsets and groups of one Kafka cluster."""

    def __init__(self, client: KafkaAdminClient, kafka: Kafka) -> None:
        self._client = client
        self._kafka = kafka

    def counts(self) -> dict[str, int]:
        """Every topic, as `schemas.topics` calls it, and its number of partitions."""
        return {name: len(topic["partitions"]) for name, topic in self._topics().items()}

    def brokers(self) -> int:
        """How many brokers there are."""
        return len(self._client.describe_cluster()["brokers"])

    def version(self) -> tuple[int, ...]:
        """The oldest Kafka version whose requests all brokers understand."""
        return tuple(self._client._manager.broker_version)  # noqa: SLF001  # no public way

    def replicas(self) -> dict[tuple[str, int], Replicas]:
        """Leader and replicas of the partitions of our topics."""
        return {
            (name, one["partition_index"]): Replicas(
                one["leader_id"], len(one["replica_nodes"]), len(one["isr_nodes"])
            )
            for name, topic in self._topics().items()
            if name in self._plan()
            for one in topic["partitions"]
        }

    def create(self) -> list[str]:
        """Create the topics of the plan that are missing; gives their names on the brokers."""
        counts = self.counts()
        missing = {name: how for name, how in self._plan().items() if name not in counts}
        if not missing:
            return []
        try:
            self._client.create_topics(
                {
                    self._kafka.broker_topic(name): {
                        "num_partitions": partitions,
                        "replication_factor": self._kafka.replication,
                        "configs": dict(configs),
                    }
                    for name, (partitions, configs) in missing.items()
                },
                wait_for_metadata=True,
            )
        except TopicAlreadyExistsError:  # another process was faster
            return self.create()
        return [self._kafka.broker_topic(name) for name in missing]

    def differences(self, *topics: str) -> list[Difference]:
        """Where these topics are missing, have another number of partitions or other settings.

        Without a name, those of the plan.
        """
        counts, plan = self.counts(), self._plan()
        return [
            difference
            for topic in topics or plan
            for partitions, configs in [plan[topic]]
            for difference in self._differences(topic, counts.get(topic), partitions, configs)
        ]

    def _differences(
        self, topic: str, count: int | None, partitions: int, configs: Mapping[str, str]
    ) -> list[Difference]:
        name, is_needed = self._kafka.broker_topic(topic), topic not in OPTIONAL
        if count is None:
            return [Difference(name, "is missing: run `kol topics`", fatal=is_needed)]
        if not TOPICS[topic].fits(count, self._kafka.partitions):
            what = (
                f"has {count} partitions, not {partitions}; a count never changes: "
                "use a new KOL_APP_ID and new topics, and replay"
            )
            return [Difference(name, what, fatal=is_needed)]
        now = self.configs(topic)
        return [
            _setting_difference(topic, name, key, f"has {key}={now.get(key)}, not {value}", value)
            for key, value in configs.items()
            if not suffices(key, now.get(key), value)
        ]

    def configs(self, topic: str) -> dict[str, str]:
        """The settings of one topic in force."""
        name = self._kafka.broker_topic(topic)
        resource = ConfigResource(ConfigResourceType.TOPIC, name)
        answer = self._client.describe_configs([resource], config_filter="all")
        return {key: value["value"] for key, value in answer["topic"][name].items()}

    def set_configs(self, topic: str, configs: Mapping[str, str]) -> None:
        """Give settings to one topic; the others stay."""
        name = self._kafka.broker_topic(topic)
        self._client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, dict(configs))])

    def first_offsets(self, topics: Iterable[str]) -> Offsets:
        """The oldest offset that still exists, per partition."""
        return self._offsets(topics, OffsetSpec.EARLIEST)

    def end_offsets(self, topics: Iterable[str], *, stable: bool = False) -> Offsets:
        """The offset the next message will get, or the first one that a transaction holds back."""
        return self._offsets(topics, OffsetSpec.LATEST, stable=stable)

    def topic_ids(self) -> dict[str, str]:
        """Every topic with its UUID; one made anew has another."""
        return {name: str(topic["topic_id"]) for name, topic in self._topics().items()}

    def open_transactions(self, topics: Iterable[str]) -> list[OpenTransaction]:
        """Transactions that hide records of these topics from who reads committed ones."""
        topics = list(topics)
        ends = self._offsets(topics, OffsetSpec.LATEST)
        stable = self._offsets(topics, OffsetSpec.LATEST, stable=True)
        hidden = {place: end - stable[place] for place, end in ends.items() if end > stable[place]}
        tps = {TopicPartition(self._kafka.broker_topic(t), p): (t, p) for t, p in hidden}
        states = self._client.describe_producers(list(tps)) if tps else {}
        writing = [
            (tp, one)
            for tp, state in states.items()
            for one in state.active_producers
            if one.current_transaction_start_offset >= 0
        ]
        begun = self._transactions({one.producer_id for _, one in writing})
        return [
            OpenTransaction(
                *tps[tp],
                hidden[tps[tp]],
                one.producer_id,
                one.last_timestamp,
                *begun.get(one.producer_id, ("", None)),
            )
            for tp, one in writing
        ]

    def _transactions(self, producers: Collection[int]) -> dict[int, tuple[str, int | None]]:
        """Transactional id and begin of each producer's transaction, where the brokers say."""
        if not producers:
            return {}
        try:
            listed = self._client.list_transactions(producer_id_filters=list(producers))
            ids = {
                one.transactional_id: one.producer_id for many in listed.values() for one in many
            }
            found = self._client.describe_transactions(list(ids))
        except KafkaError:  # an old broker, no right to know, or just ended
            return {}
        starts = {name: one.transaction_start_time_ms for name, one in found.items()}
        return {ids[name]: (name, at if at > 0 else None) for name, at in starts.items()}

    def committed(self, group: str) -> Offsets:
        """The offsets that a group committed; partitions it never committed are absent."""
        offsets = self._client.list_group_offsets({group: None})[group]
        return self._by_place((tp, at) for tp, at in offsets.items() if at.offset >= 0)

    def notes(self, group: str) -> dict[tuple[str, int], str]:
        """What a group has written beside each offset that it committed."""
        found = self._client.list_group_offsets({group: None})[group]
        topic = self._kafka.plain_topic
        return {
            (name, tp.partition): at.metadata
            for tp, at in found.items()
            if (name := topic(tp.topic)) is not None and at.offset >= 0
        }

    def members(self, group: str) -> dict[str, dict[str, list[int]]]:
        """The members of a group, each with its partitions by topic."""
        description = self._client.describe_groups([group])[group]
        return {
            member["group_instance_id"] or member["member_id"]: {
                topic: list(share["partitions"])
                for share in (member["member_assignment"] or {}).get("assigned_partitions", [])
                if (topic := self._kafka.plain_topic(share["topic"])) is not None
            }
            for member in description["members"]
        }

    def member_named(self, group: str, name: str) -> Member | None:
        """The member of a group that has this name (`group.instance.id`).

        Raises:
            BrokerError: the coordinator does not say.

        """
        described = self._client.describe_groups([group])[group]
        if (error := described["error"]) and GroupIdNotFoundError.__name__ not in error:
            raise BrokerError(f"the members of group {group} are not known: {error}")
        for one in described["members"]:
            if one["group_instance_id"] == name:
                return Member(one["member_id"], one["client_host"].lstrip("/"))
        return None

    def group_protocol(self, group: str) -> str | None:
        """The protocol that the members of a group agreed on; None without members.

        Empty while they are in a rebalance. A coordinator that is not available knows of no
        members: on new brokers the topic of all groups is made by the first question. Whoever
        joins then with another protocol is refused by the coordinator.
        """
        try:
            description = self._client.describe_groups([group])[group]
        except CoordinatorNotAvailableError:
            return None
        return str(description["protocol_data"]) if description["members"] else None

    def prefixes(self) -> set[str]:
        """The prefixes of the apps that have a state topic here; that of the first app is empty."""
        names = [str(one["name"]) for one in self._client.describe_topics()]
        return {name.removesuffix(USER_STATE) for name in names if name.endswith(USER_STATE)}

    def delete_app(self, group: str, topics: Iterable[str]) -> None:
        """Delete a group's offsets and some topics; returns once they are gone."""
        counts = self.counts()
        with suppress(CoordinatorNotAvailableError):  # no group has ever committed here
            self._client.delete_groups([group])
        gone = [self._kafka.broker_topic(topic) for topic in topics if topic in counts]
        if gone:
            self._client.delete_topics(gone)
        while set(topics) & self.counts().keys():
            time.sleep(0.1)

    def _offsets(self, topics: Iterable[str], spec: OffsetSpec, *, stable: bool = False) -> Offsets:
        isolation = IsolationLevel.READ_COMMITTED if stable else IsolationLevel.READ_UNCOMMITTED
        counts = self.counts()
        specs = {
            TopicPartition(self._kafka.broker_topic(topic), partition): spec
            for topic in topics
            for partition in range(counts.get(topic, 0))
        }
        if not specs:
            return {}
        return self._by_place(self._client.list_partition_offsets(specs, isolation).items())

    def _by_place(self, offsets: Iterable[tuple[TopicPartition, Any]]) -> Offsets:
        plain_topic = self._kafka.plain_topic
        found = {(plain_topic(tp.topic), tp.partition): at.offset for tp, at in offsets}
        return {(topic, at): offset for (topic, at), offset in found.items() if topic is not None}

    def _topics(self) -> dict[str, Any]:
        """The description of each topic, without those of other apps."""
        found = {
            self._kafka.plain_topic(one["name"]): one for one in self._client.describe_topics()
        }
        return {name: one for name, one in found.items() if name is not None}

    def _plan(self) -> Mapping[str, tuple[int, Mapping[str, str]]]:
        return plan(self._kafka.partitions)


def adopt_topics(broker: Broker, n: int) -> None:
    """Give the settings of the plan to topics that an older version created and nobody has used.

    Args:
        broker: where they are.
        n: partitions of the deployment.

    """
    written = {topic for (topic, _), end in broker.end_offsets(ONCE_PLANNED).items() if end}
    for topic in sorted((ONCE_PLANNED & broker.counts().keys()) - written):
        now, wanted = broker.configs(topic), plan(n)[topic][1]
        missing = {key: one for key, one in wanted.items() if not suffices(key, now.get(key), one)}
        if missing:
            broker.set_configs(topic, missing)


def _setting_difference(topic: str, name: str, key: str, what: str, value: str) -> Difference:
    """A setting with another value than the plan's; fatal where numbers would be wrong."""
    is_required = key in TOPICS[topic].required and topic not in PLANNED
    command = f"`{alter_command(name, key, value)}`"
    if is_required and key in DECISIVE and topic not in OPTIONAL:
        return Difference(name, f"{what}: {DECISIVE[key]}; {command}", fatal=True)
    mend = f": {command}" if is_required else ""
    return Difference(name, what + (CAUTIONS.get((topic, key)) or mend), fatal=False)
