"""Sending files of events, so that every end knows how many lines have arrived."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aiokafka.errors import KafkaError

from sinks.feed import Feed, FeedError
from streams.clients.kafka_admin import security_options
from streams.errors import named
from streams.operations.ingest.files import FileError, merge_by_time
from streams.operations.ingest.lines import Unusable
from streams.settings import Kafka

PROGRESS_LINES: Final = 1_000  # between two calls of `on_sent`
SHOWN_LINES: Final = 10  # of those that cannot be sent
INTERRUPT_SECONDS: Final = 5.0  # for the brokers to acknowledge what is under way after Ctrl-C


@dataclass(slots=True)
class Sent:
    """What became of the lines of files."""

    delivered: Counter[str] = field(default_factory=Counter)  # topic -> acknowledged
    unacknowledged: int = 0  # sent, and perhaps in the log
    unusable: int = 0  # lines that are no message
    first_unusable: list[Unusable] = field(default_factory=list)  # at most `SHOWN_LINES`
    why: str | None = None  # it ended early; None: all lines were sent

    def add_unusable(self, line: Unusable) -> None:
        """Count a line that is no message."""
        self.unusable += 1
        if len(self.first_unusable) < SHOWN_LINES:
            self.first_unusable.append(line)


async def send_files(
    kafka: Kafka, files: Sequence[Path], now: int, on_sent: Callable[[int], None]
) -> Sent:
    """Send all messages of the files, as far as files and brokers allow.

    Args:
        kafka: the brokers.
        files: plain or packed; several are merged by event time.
        now: milliseconds; a later time than a worker would accept orders nothing.
        on_sent: called with the number of messages handed in so far.

    """
    sent = Sent()
    feed = Feed(kafka.bootstrap, options=security_options(kafka))
    try:
        async with feed:
            await _send_all(feed, kafka, files, now, sent, on_sent)
    except (asyncio.CancelledError, TimeoutError):
        sent.why = "interrupted"
    except FeedError as error:
        sent.why = str(error)
    except FileError as error:
        sent.why = str(error)
    except KafkaError as error:
        sent.why = f"Kafka at {kafka.bootstrap} does not answer: {named(error)}"
    sent.delivered = feed.delivered
    sent.unacknowledged = (feed.sent - feed.delivered).total()
    return sent


async def _send_all(
    feed: Feed,
    kafka: Kafka,
    files: Sequence[Path],
    now: int,
    sent: Sent,
    on_sent: Callable[[int], None],
) -> None:
    try:
        for number, message in enumerate(merge_by_time(files, now), 1):
            if isinstance(message, Unusable):
                sent.add_unusable(message)
            else:
                topic = kafka.broker_topic(message.topic)
                count = kafka.partitions
                if message.is_reference:
                    count = await feed.partitions(topic)
                partition = message.partition(count)
                await feed.send(topic, partition, message.key, message.value)
            if number % PROGRESS_LINES == 0:
                on_sent(feed.sent.total())
                await asyncio.sleep(0)  # where Ctrl-C is noticed
    except FileError:
        await feed.flush()
        raise
    except asyncio.CancelledError:
        async with asyncio.timeout(INTERRUPT_SECONDS):
            await feed.flush()
        raise
