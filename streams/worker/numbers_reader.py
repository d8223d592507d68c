"""Reads `kol-snapshots` for all partitions of a worker, beside its consumer group.

Each worker needs all numbers, so it reads the topic whole when it starts, and goes on from there.
It reads what is not committed, too: a number counts only with its seal, which is appended after
the commit, outside of any transaction. So the end of the topic is the end of all its records,
and a transaction that stays open (a trainer that hangs amid a number) holds nobody up.

What no record may ask for any more leaves memory. If a partition comes whose records are older
than that, the topic is read again.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.number_log import NumberLog
from schemas.numbered import KINDS, READ_AFTER_MS, SEAL, decode_key
from schemas.topics import SNAPSHOTS
from streams.clients.kafka_admin import client_options
from streams.core.moments import MINUTE_MS
from streams.core.user.known_values import KnownValues
from streams.settings import Kafka
from streams.transport import TP
from streams.transport.positions import FetchResponses
from streams.worker.read_ahead import NEVER, Beside, Progress, ReachedEnd

WAIT_MS: Final = 250  # for records; so often the broker says where the topic ends
RECORDS: Final = 500  # at a time
AGAIN_SECONDS: Final = 1.0  # after the brokers failed
SPARE_MS: Final = 3_600_000  # numbers stay so much longer: clocks of brokers differ
LOG_APPEND_TIME: Final = 1

log = logging.getLogger("kol.numbers")


class NumbersReader:
    """What numbers say, as far as their topic is read.

    Args:
        kafka: how to connect.
        on_crash: ends the worker with an error.

    """

    def __init__(self, kafka: Kafka, on_crash: Callable[[BaseException], None]) -> None:
        self.known = KnownValues()
        self._kafka = kafka
        self._on_crash = on_crash
        self._tp = TopicPartition(SNAPSHOTS, 0)
        self._responses = FetchResponses()
        self._reading: asyncio.Task[None] | None = None
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.known.log = NumberLog()
        self._reached, self._progress = ReachedEnd(), Progress(0, None, None)
        self._position = 0  # of the next record
        self._given_up_to = NEVER  # record time: what only older records ask for is let go
        self._warm: set[int] = set()  # numbers that can be asked at once

    def beside(self) -> Beside:
        """What a batch waits for: the numbers that may hold for its records."""
        return Beside(SNAPSHOTS, READ_AFTER_MS, lambda _: self._progress, lambda _: self._reached)

    @property
    def known_to(self) -> int:
        """The last minute, since the epoch, whose numbers are read.

        A number holds for a minute that begins `HOLDS_AFTER_MS` after its seal. So whoever has
        read to an end that was asked for at T knows all numbers of minutes that begin up to
        T + HOLDS_AFTER_MS; as with records, some of these seconds are for clocks and replicas.
        """
        return (self._reached.asked_at + READ_AFTER_MS) // MINUTE_MS

    def need(self, since: int) -> None:
        """Moments from this one on will be asked for: read again if older numbers are gone."""
        if since < self._given_up_to:
            self.stop()
            self._begin_anew()
        if self._given_up_to == NEVER:  # the first one: so a start does not hold all that is there
            self._given_up_to = since - SPARE_MS
        self.start()

    def give_up(self, since: int) -> None:
        """No moment before this one will be asked for: let go what only those need."""
        before = since - SPARE_MS
        if before <= self._given_up_to:
            return
        self._given_up_to = before
        for kind in KINDS:
            self.known.log.forget_before(kind, before)

    def start(self) -> None:
        """Read on, if nobody does."""
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_on())

    def stop(self) -> None:
        """Read no more."""
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    async def _read_on(self) -> None:
        while True:
            try:
                await self._read()
            except KafkaError as error:
                log.warning("%s cannot be read, trying again: %r", SNAPSHOTS, error)
                await asyncio.sleep(AGAIN_SECONDS)
            except Exception as error:  # noqa: BLE001  # whatever it is ends the worker
                self._on_crash(error)
                return

    async def _read(self) -> None:
        consumer = AIOKafkaConsumer(
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_uncommitted",
            max_poll_records=RECORDS,
            **client_options(self._kafka),
        )
        try:
            await consumer.start()
            consumer.assign([self._tp])
            consumer.seek(self._tp, self._position)
            while True:
                found = await consumer.getmany(self._tp, timeout_ms=WAIT_MS)
                if records := found.get(self._tp):
                    self._add(records)
                    await self._warm_up()
                position = await consumer.position(self._tp)
                if position < self._position:  # and nothing there that `_add` could tell it by
                    self._be_another_topic()
                self._position = position
                self._follow(consumer)
        finally:
            with suppress(KafkaError):
                await consumer.stop()

    def _add(self, records: Sequence[Any]) -> None:
        """Take in records; if they begin before those of former times, the topic is another."""
        if records[0].offset < self._position:
            self._be_another_topic()
        for one in records:
            by_broker = one.timestamp_type == LOG_APPEND_TIME
            self.known.log.add(one.key, one.value, one.timestamp, by_broker=by_broker)
            key = decode_key(one.key)
            if key is not None and key.part == SEAL:
                self.known.log.forget_before(key.kind, self._given_up_to)

    def _be_another_topic(self) -> None:
        log.error("%s was made anew: what it said before counts no more", SNAPSHOTS)
        given_up_to = self._given_up_to
        self._begin_anew()
        self._given_up_to = given_up_to

    async def _warm_up(self) -> None:
        """Find out where ids stand in new numbers, in a thread: before anybody asks."""
        for kind in KINDS:
            for one in self.known.log.numbers(kind)[-1:]:
                if one.manifest.number not in self._warm:
                    self._warm.add(one.manifest.number)
                    await asyncio.to_thread(one.values.rows, [""])

    def _follow(self, consumer: AIOKafkaConsumer) -> None:
        seen_at = consumer.last_poll_timestamp(self._tp)
        asked_at = self._responses.requested_at(TP(*self._tp), seen_at)
        self._progress = Progress(self._position, consumer.highwater(self._tp), asked_at)
        self._reached.follow(self._progress)
