"""Where a worker writes: ClickHouse, `kol-cells`, `kol-dead-letters`."""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence

from aiokafka.errors import KafkaError

from schemas.columns import Rejected
from schemas.rows import Rows
from schemas.topics import CELLS, DEAD_LETTERS
from sinks.base import Fault, Health, Observer, SinkStopped, State
from sinks.blocks import Blocks
from sinks.clickhouse import ClickHouse
from sinks.deadletter import DeadLetters
from streams.clients.clickhouse import connection_settings
from streams.clients.kafka_admin import client_options
from streams.settings import Settings
from streams.worker.telemetry import OUT, Telemetry

CLOSE_SECONDS = 0.5  # for what is still under way at the end: the drain was before

log = logging.getLogger("kol.outputs")


class Outputs:
    """The sink and the producers; each call returns once what it was given is acknowledged."""

    def __init__(self, settings: Settings, telemetry: Telemetry) -> None:
        self._sink = ClickHouse.at(
            connection_settings(settings.clickhouse), observer=SinkMetrics(telemetry)
        )
        options = client_options(settings.kafka)
        broker_topic = settings.kafka.broker_topic
        self._blocks = Blocks(options, broker_topic(CELLS))
        self._letters = DeadLetters(options, broker_topic(DEAD_LETTERS))
        self._producers_lock = asyncio.Lock()
        self._is_open = False
        self._is_closed = False

    @property
    def health(self) -> Mapping[str, Health]:
        """Of every table's inserts."""
        return self._sink.health

    async def open(self) -> None:
        """Connect before the first rows come, so that they need not wait; a failure is no harm."""
        try:
            await asyncio.gather(self._sink.open(), self._open_producers())
        except (KafkaError, SinkStopped) as error:
            log.info("not connected yet: %r", error)

    async def write_rows(self, rows: Rows) -> None:
        """Write rows of one table."""
        await self._sink.write(rows)

    async def send_blocks(self, blocks: Sequence[tuple[int, bytes]]) -> None:
        """Send blocks of cells to their partitions, in order."""
        if blocks:
            await self._open_producers()
            await self._blocks.send(blocks)

    async def send_letters(self, letters: Sequence[Rejected]) -> None:
        """Send dead letters."""
        if letters:
            await self._open_producers()
            await self._letters.send(letters)

    async def close(self) -> None:
        """Close all of them in bounded time; nothing opens again."""
        self._is_closed = True
        await asyncio.gather(self._sink.close(CLOSE_SECONDS), self._stop_producers())

    async def _stop_producers(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_SECONDS), self._producers_lock:
                await asyncio.gather(self._blocks.stop(), self._letters.stop())
        except TimeoutError:
            log.warning("blocks or dead letters were still under way: they will be sent again")

    async def _open_producers(self) -> None:
        async with self._producers_lock:
            if self._is_closed:
                raise SinkStopped("the worker stops")
            if not self._is_open:
                await asyncio.gather(self._blocks.start(), self._letters.start())
                self._is_open = True


class SinkMetrics(Observer):
    """Feeds the metrics of the sink."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        name, now = "kol_sink_last_success_timestamp_seconds", time.time()
        for (table,) in OUT:
            telemetry.set(name, now, table)

    def written(self, health: Health, rows: int, seconds: float) -> None:
        """Rows were acknowledged this long after they were handed in."""
        self._telemetry.add("kol_sink_rows_total", rows, health.table)
        self._telemetry.observe("kol_sink_flush_seconds", seconds, health.table)

    def retried(self, health: Health) -> None:
        """An insert failed and will be tried again."""
        self._telemetry.add("kol_sink_retries_total", 1, health.table)

    def refused(self, health: Health, fault: Fault) -> None:
        """A row was refused for good."""
        self._telemetry.add("kol_rows_refused_total", 1, health.table, fault.value)

    def changed(self, health: Health) -> None:
        """A table's state is another one than before."""
        for state in State:
            is_in = float(health.state is state)
            self._telemetry.set("kol_sink_state", is_in, health.table, state.value)
