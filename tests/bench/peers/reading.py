"""Topics of peers: made anew, and read from their beginning to where they end now."""

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # it is

AT_ONCE = 5_000
GIVE_UP = 30  # times that nothing came within a second
NO_COORDINATOR = {  # yet
    *("NOT_COORDINATOR", "COORDINATOR_NOT_AVAILABLE", "COORDINATOR_LOAD_IN_PROGRESS"),
}

NOT_THERE = {  # yet, of a topic that was created just now
    *("_UNKNOWN_PARTITION", "_UNKNOWN_TOPIC", "UNKNOWN_TOPIC_OR_PART", "LEADER_NOT_AVAILABLE"),
}
AGAIN_SECONDS = 0.1


def everything(
    bootstrap: str, topic: str, partitions: int, seconds: float = 10.0
) -> Iterator[tuple[int, bytes]]:
    """Partition and value of every committed message, in the order of each partition.

    Raises:
        KafkaException: no broker answers within `seconds`.

    """
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": f"reading-{uuid.uuid4().hex[:8]}",
            "enable.auto.commit": False,
            "enable.partition.eof": False,
            "isolation.level": "read_committed",
        }
    )
    places = [TopicPartition(topic, number, OFFSET_BEGINNING) for number in range(partitions)]
    ends = {at.partition: end(consumer, at, seconds) for at in places}
    left = {number for number, end in ends.items() if end}
    consumer.assign(places)
    idle = 0
    try:
        while left and idle < GIVE_UP:
            messages = consumer.consume(AT_ONCE, timeout=1.0)
            idle = 0 if messages else idle + 1
            for message in messages:
                if message.error() is not None:
                    raise KafkaException(message.error())
                if (value := message.value()) is not None:
                    yield int(message.partition() or 0), value
            at_end = {
                at.partition for at in consumer.position(places) if at.offset >= ends[at.partition]
            }
            left -= at_end
    finally:
        consumer.close()


def end(consumer: Consumer, at: TopicPartition, seconds: float) -> int:
    """Where a partition ends; a topic that was created just now may take some time to be known.

    Raises:
        KafkaException: no broker answers within `seconds`, or knows it then.

    """
    latest = time.monotonic() + seconds
    while True:
        try:
            return int(consumer.get_watermark_offsets(at, timeout=seconds)[1])
        except KafkaException as error:
            if error.args[0].name() not in NOT_THERE or time.monotonic() >= latest:
                raise
            time.sleep(AGAIN_SECONDS)


def create(bootstrap: str, partitions: int, configs: Mapping[str, Mapping[str, str]]) -> None:
    """Create topics by their names, with settings; what is there stays."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    topics = [
        NewTopic(name, num_partitions=partitions, replication_factor=1, config=dict(config))
        for name, config in configs.items()
    ]
    for made in admin.create_topics(topics).values():
        try:
            made.result()
        except KafkaException as error:
            if error.args[0].name() != "TOPIC_ALREADY_EXISTS":
                raise


def committed(consumer: Consumer, places: Sequence[TopicPartition]) -> list[TopicPartition]:
    """The offsets a group has committed; waits until it has a coordinator."""
    for _ in range(GIVE_UP):
        try:
            return list(consumer.committed(list(places), timeout=10.0))
        except KafkaException as error:
            if error.args[0].name() not in NO_COORDINATOR:
                raise
            time.sleep(1.0)
    raise TimeoutError("the group has no coordinator")
