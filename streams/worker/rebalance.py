"""Partitions come and go: restore what was gained, drain and release what is lost.

These are the hooks of the transport. A gained partition's former owner is fenced before
anything is read.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence

from faust.types import TP

from schemas.events import INPUTS
from schemas.reference_types import CONSENTS
from schemas.topics import CELLS, ERASURES
from streams.clients.kafka_admin import OUTAGE_SECONDS, kafka_admin
from streams.clients.kafka_reader import record_reader
from streams.core.sides import Side
from streams.settings import Settings
from streams.snapshots import LogOffsets
from streams.worker.flush import FlushLoop
from streams.worker.intake import export_counts
from streams.worker.kol_lane import KolLane
from streams.worker.lane_table import LaneTable
from streams.worker.numbers_reader import NumbersReader
from streams.worker.renewing import renew_erasures
from streams.worker.restore import TOPICS, Logs, Restorer
from streams.worker.telemetry import Telemetry
from streams.worker.user_lane import UserLane


class Rebalancer:
    """Keeps the lanes in step with the partitions that the group gives this worker."""

    def __init__(
        self,
        settings: Settings,
        lanes: LaneTable,
        flush_loop: FlushLoop,
        numbers: NumbersReader,
        telemetry: Telemetry,
    ) -> None:
        self._settings = settings
        self._lanes = lanes
        self._flush_loop = flush_loop
        self._numbers = numbers
        self._telemetry = telemetry
        self._restorer = Restorer(settings, telemetry, lanes.clock)

    async def assigned(self, added: frozenset[int], held: frozenset[int]) -> Mapping[TP, int]:
        """Restore what is new, keep what is retained; gives where each topic goes on."""
        if added:
            restored = await self._restored(sorted(added))
            since = [min(user.read_to, kol.memory.asks_from) for user, kol in restored]
            self._numbers.need(min(since))
            for user, kol in restored:
                user.memory.ask(self._numbers.known)
                kol.ask(self._numbers)
                self._lanes.add(user, kol)
                for lane in (user, kol):
                    labels = lane.side.value, str(lane.partition)
                    self._telemetry.set("kol_snapshot_timestamp_seconds", time.time(), *labels)
        self._telemetry.add("kol_rebalances_total")
        return {
            TP(self._settings.kafka.broker_topic(topic), partition): self._offset(
                side, partition, topic
            )
            for side in Side
            for partition in held
            for topic in TOPICS[side]
        }

    async def drain(self) -> None:
        """Flush and snapshot every partition; a snapshot is as cheap for those that stay."""
        await self._flush_loop.drain()

    async def lost(self, partitions: frozenset[int]) -> None:
        """These partitions are somebody else's: remove their lanes, close their logs."""
        removed = self._lanes.remove(partitions)
        export_counts(removed, self._telemetry)
        self._flush_loop.forget_watermarks(partitions)
        await asyncio.gather(*(lane.log.close() for lane in removed))

    async def _restored(self, partitions: Sequence[int]) -> list[tuple[UserLane, KolLane]]:
        logs = await asyncio.to_thread(self._topic_logs)
        users, kols = await asyncio.gather(
            asyncio.gather(*(self._restorer.user_lane(at, logs) for at in partitions)),
            asyncio.gather(*(self._restorer.kol_lane(at, logs) for at in partitions)),
        )
        try:
            await self._read_erasures(users)
        except BaseException:
            await asyncio.gather(*(lane.log.close() for lane in (*users, *kols)))
            raise
        return list(zip(users, kols, strict=True))

    async def _read_erasures(self, lanes: Sequence[UserLane]) -> None:
        """Read who is to be forgotten to the end, before the first event is read."""
        places = {(ERASURES, lane.partition): lane for lane in lanes}
        async with record_reader(self._settings.kafka) as records:
            whole = await records.read_all(places)
        renewed = []
        for place, lane in places.items():
            lane.learn_erasures(whole[place])
            renewed += [(lane.partition, one) for one in lane.former_erasures(whole[place])]
        if renewed:
            await renew_erasures(self._settings.kafka, renewed)

    def _topic_logs(self) -> Logs:
        """What the brokers say of every topic partition."""
        topics = (*INPUTS, ERASURES, CONSENTS, CELLS)
        with kafka_admin(self._settings.kafka, OUTAGE_SECONDS) as broker:
            oldest, ends = broker.first_offsets(topics), broker.end_offsets(topics)
            committed = broker.committed(self._settings.app_id)
        return {at: LogOffsets(oldest[at], end, committed.get(at)) for at, end in ends.items()}

    def _offset(self, side: Side, partition: int, topic: str) -> int:
        lane = self._lanes.find(side, partition)
        if lane is None:
            raise KeyError(f"no lane of {side.value}/{partition}")
        return lane.offsets[topic]
