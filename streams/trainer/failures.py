"""What failed of a turn while the rest of it went on."""

from collections.abc import Iterator
from contextlib import contextmanager

import aiokafka.errors
from clickhouse_connect.driver.exceptions import ClickHouseError
from kafka.errors import KafkaError

from sinks.base import SinkStopped
from streams.clients.kafka_admin import BrokerError
from streams.errors import ExpectedError, named


class Failures:
    """The first failure of a piece of work.

    >>> failures = Failures()
    >>> with failures.kept():
    ...     raise ExpectedError("memory is short")
    >>> failures.first
    ExpectedError('memory is short')
    """

    def __init__(self) -> None:
        self.first: Exception | None = None

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Go on behind a part of the work that fails; a part that is stopped ends all of it."""
        try:
            yield
        except (ExpectedError, ClickHouseError, OSError) as error:
            self.first = self.first or error

    def end(self) -> None:
        """Raise the first failure, if there was one."""
        if self.first is not None:
            raise self.first


@contextmanager
def of_brokers(what: str) -> Iterator[None]:
    """Failures of either client of the brokers as one that is expected.

    >>> with of_brokers("topics"):
    ...     raise KafkaError("away")
    Traceback (most recent call last):
    streams.clients.kafka_admin.BrokerError: topics: KafkaError: away
    """
    try:
        yield
    except (KafkaError, aiokafka.errors.KafkaError, SinkStopped) as error:
        raise BrokerError(f"{what}: {named(error)}") from error
