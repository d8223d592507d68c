"""Messages that open transactions hold back on the partitions of this worker, as metrics.

Fetches say for nothing that a partition's last stable offset stands below its end. Only where it
stays so are the brokers asked who is to blame, in a thread, and again every `ASK_AGAIN_S`.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from kafka.errors import KafkaError

from streams.clients.kafka_admin import LONG_OPEN_MS, BrokerError, OpenTransaction
from streams.transport import TP, ReadPosition
from streams.worker.telemetry import Telemetry

ASK_AGAIN_S: Final = 10.0

log = logging.getLogger("kol")


class HeldMessages:
    """Follows read positions and exports what is held back, since when, and by whom.

    Args:
        ask: asks the brokers for the open transactions of all partitions; may block.
        telemetry: where the metrics are.
        clock: seconds that never go back.

    """

    def __init__(
        self,
        ask: Callable[[], Sequence[OpenTransaction]],
        telemetry: Telemetry,
        clock: Callable[[], float],
    ) -> None:
        self._ask = ask
        self._telemetry = telemetry
        self._clock = clock
        self._below_end: dict[TP, float] = {}  # since when the last stable offset is
        self._asked_at = float("-inf")
        self._asking: asyncio.Task[None] | None = None
        self._found: Sequence[OpenTransaction] = ()

    def follow(self, positions: Mapping[TP, ReadPosition]) -> None:
        """Take in where the partitions of this worker stand; export the metrics."""
        now = self._clock()
        self._below_end = {
            tp: self._below_end.get(tp, now)
            for tp, at in positions.items()
            if at.is_held_back or (at.end is None and tp in self._below_end)
        }
        long = [tp for tp, since in self._below_end.items() if 1000 * (now - since) >= LONG_OPEN_MS]
        if long and now - self._asked_at >= ASK_AGAIN_S:
            self._asked_at = now
            self._asking = asyncio.create_task(self._look())
        self._export(positions, [one for one in self._found if _place(one) in long])

    async def _look(self) -> None:
        try:
            self._found = await asyncio.to_thread(self._ask)
        except (BrokerError, KafkaError) as error:
            log.warning("whose transactions hold messages back is not known: %s", error)

    def _export(
        self, positions: Mapping[TP, ReadPosition], held: Sequence[OpenTransaction]
    ) -> None:
        counts = {_place(one): one.hidden for one in held}
        for tp in positions:
            count = counts.get(tp, 0)
            self._telemetry.set("kol_held_messages", count, tp.topic, str(tp.partition))
        since = {
            (one.topic, str(one.partition), str(one.producer_id), one.transactional_id): one.since
            for one in held
        }
        self._telemetry.keep_series("kol_open_transaction_timestamp_seconds", since.keys())
        for labels, at in since.items():
            self._telemetry.set("kol_open_transaction_timestamp_seconds", at / 1000, *labels)


def _place(one: OpenTransaction) -> TP:
    return TP(one.topic, one.partition)
