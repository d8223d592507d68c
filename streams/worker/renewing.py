"""Records of `kol-erasures` that former versions wrote are written anew, under keyed names.

Whoever takes a partition over does so for it, once it has read them: with the key whose names
its state has. First the new record, then a tombstone for the former one, so a person is erased at
every moment. To do it twice does no harm.
"""

import logging
from collections.abc import Sequence
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from schemas.erasures import Renewed
from schemas.topics import ERASURES
from sinks.batches import stop
from streams.clients.kafka_admin import client_options
from streams.errors import named
from streams.settings import Kafka

STOP_SECONDS: Final = 2.0  # for brokers that do not answer at the end

log = logging.getLogger("kol.renewing")


async def renew_erasures(kafka: Kafka, records: Sequence[tuple[int, Renewed]]) -> None:
    """Write records anew, each on its partition; where the brokers refuse, another start does."""
    producer = AIOKafkaProducer(acks="all", enable_idempotence=True, **client_options(kafka))
    try:
        await producer.start()
        for partition, one in records:
            await producer.send_and_wait(ERASURES, one.value, key=one.key, partition=partition)
            await producer.send_and_wait(ERASURES, None, key=one.former_key, partition=partition)
    except KafkaError as error:
        log.warning("erasures keep the form of the former version for now: %s", named(error))
    else:
        log.info("%d erasures of the former version are written anew", len(records))
    finally:
        await stop(producer, STOP_SECONDS)
