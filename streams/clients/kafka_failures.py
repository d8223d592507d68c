"""Failures of either client of the brokers, and of a sink that has given up, as an expected one."""

from collections.abc import Iterator
from contextlib import contextmanager

import aiokafka.errors
from kafka.errors import KafkaError

from sinks.base import SinkStopped
from streams.clients.kafka_admin import BrokerError
from streams.errors import named


@contextmanager
def of_brokers(what: str) -> Iterator[None]:
    """Failures inside of it as one that a person can mend.

    >>> with of_brokers("topics"):
    ...     raise KafkaError("away")
    Traceback (most recent call last):
    streams.clients.kafka_admin.BrokerError: topics: KafkaError: away
    """
    try:
        yield
    except (KafkaError, aiokafka.errors.KafkaError, SinkStopped) as error:
        raise BrokerError(f"{what}: {named(error)}") from error
