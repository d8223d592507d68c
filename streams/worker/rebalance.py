"""Who owns a partition: fence, restore, new life, seek; drain and let go.

The order is the transport's and the state logs': a gained partition's former owner is
fenced before anything is read, and where reading goes on is what its snapshot says.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from faust.types import TP

from schemas.events import INPUTS
from schemas.topics import CELLS, ERASURES, KOL_STATE, USER_STATE
from streams.clients.kafka_admin import OUTAGE_SECONDS, Offsets, client, kafka_admin
from streams.clients.kafka_reader import record_reader
from streams.core.kol import memory as kol_memory
from streams.core.kol.memory import KolMemory
from streams.core.sides import Side
from streams.core.user import memory as user_memory
from streams.core.user.memory import UserMemory
from streams.settings import Settings
from streams.snapshots import Log, Opened, Pace, StateLog, starts
from streams.worker.flush import Rounds
from streams.worker.lanes import Lane, at_once, share
from streams.worker.telemetry import Telemetry

log = logging.getLogger("kol.owner")

STATE = {Side.USER: USER_STATE, Side.KOL: KOL_STATE}
TOPICS = {Side.USER: (*INPUTS, ERASURES), Side.KOL: (CELLS,)}
FORMAT = {Side.USER: user_memory.FORMAT, Side.KOL: kol_memory.FORMAT}
READS = {Side.USER: user_memory.READS, Side.KOL: frozenset[int]()}


class Owner:
    """The hooks of the transport: lanes come and go with partitions."""

    def __init__(
        self,
        settings: Settings,
        rounds: Rounds,
        telemetry: Telemetry,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.held: frozenset[int] = frozenset()
        self._settings = settings
        self._rounds = rounds
        self._telemetry = telemetry
        self._clock = clock

    async def assigned(self, added: frozenset[int], held: frozenset[int]) -> Mapping[TP, int]:
        """Restore what is new, keep what is retained; where each topic goes on."""
        if added:
            logs = await asyncio.to_thread(self._asked)
            opened = await asyncio.gather(
                *(self._open(side, partition, logs) for partition in sorted(added) for side in Side)
            )
            try:
                await self._forget(opened)
            except BaseException:
                await asyncio.gather(*(lane.log.close() for lane in opened))
                raise
            for lane in opened:
                self._rounds.lanes[lane.side, lane.partition] = lane
                place = lane.side.value, str(lane.partition)
                self._telemetry.set("kol_snapshot_timestamp_seconds", time.time(), *place)
            share(self._rounds.lanes.values())
        self.held = held
        self._telemetry.add("kol_rebalances_total")
        return {
            TP(self._settings.kafka.named(topic), partition): self._rounds.lanes[
                side, partition
            ].memory.offsets[topic]
            for side in Side
            for partition in held
            for topic in TOPICS[side]
        }

    async def drain(self, lost: frozenset[int] | None) -> None:
        """State and snapshot everything; whatever goes then goes whole."""
        del lost  # the last snapshot is as cheap for what stays
        await self._rounds.drain()

    async def lost(self, partitions: frozenset[int]) -> None:
        """These partitions are somebody else's: forget them, close their logs."""
        self.held -= partitions
        gone = self._rounds.drop(partitions)
        share(self._rounds.lanes.values())
        await asyncio.gather(*(lane.log.close() for lane in gone))

    async def _forget(self, opened: Sequence[Lane]) -> None:
        """Read who is to be forgotten to the end, before the first event is read."""
        users = {(ERASURES, lane.partition): lane for lane in opened if lane.side is Side.USER}
        async with record_reader(self._settings.kafka) as records:
            told = await records.whole(users)
        for place, lane in users.items():
            lane.forget(told[place])

    def _asked(self) -> dict[tuple[str, int], Log]:
        """What the brokers say of every topic partition."""
        topics = (*INPUTS, ERASURES, CELLS)
        with kafka_admin(self._settings.kafka, OUTAGE_SECONDS) as broker:
            oldest, ends = broker.first_offsets(topics), broker.end_offsets(topics)
            committed: Offsets = broker.committed(self._settings.app_id)
        return {at: Log(oldest[at], end, committed.get(at)) for at, end in ends.items()}

    async def _open(self, side: Side, partition: int, logs: Mapping[tuple[str, int], Log]) -> Lane:
        settings = self._settings
        state = StateLog(
            client(settings.kafka),
            settings.app_id,
            side.value,
            settings.kafka.named(STATE[side]),
            partition,
            format=FORMAT[side],
            reads=READS[side],
            epoch=settings.epoch,
        )
        try:
            return await self._lane(side, partition, logs, state)
        except BaseException:
            await state.close()
            raise

    async def _lane(
        self, side: Side, partition: int, logs: Mapping[tuple[str, int], Log], state: StateLog
    ) -> Lane:
        settings, worker = self._settings, self._settings.worker
        opened = await state.open(raise_epoch=worker.from_empty)
        own = {topic: logs[topic, partition] for topic in TOPICS[side]}
        begins = starts(
            partition,
            opened.offsets,
            own,
            from_empty=worker.from_empty,
            accept_gap=worker.accept_gap,
        )
        if begins.missing:
            log.error("partition %d goes on over a gap: %s", partition, dict(begins.missing))
        memory = await asyncio.to_thread(self._memory, side, partition, opened)
        memory.epoch, memory.life = opened.epoch, opened.life
        memory.offsets.update(begins.offsets)
        self._telemetry.observe("kol_restore_seconds", opened.seconds, side.value)
        now = self._clock()
        is_fresh = all(
            begins.offsets[topic] == own[topic].oldest for topic in own if topic != ERASURES
        )
        return Lane(
            side=side,
            partition=partition,
            memory=memory,
            log=state,
            mute_until={} if opened.life == 1 else {t: found.end for t, found in own.items()},
            muted_at=now,
            begun_at=None if is_fresh else float("-inf"),
            pace=Pace.spread(now, partition, settings.kafka.partitions, worker.snapshot_seconds),
        )

    def _memory(self, side: Side, partition: int, opened: Opened) -> Any:  # noqa: ANN401  # one of two
        settings = self._settings
        if side is Side.KOL:
            if opened.arrays is None:
                return KolMemory(partition, settings.kafka.partitions)
            return KolMemory.restored(opened.arrays, partition)
        key = settings.hmac_key.get_secret_value().encode()
        memory = (
            UserMemory(partition, hmac_key=key)
            if opened.arrays is None
            else UserMemory.restored(opened.arrays, partition, hmac_key=key, run=at_once)
        )
        if opened.life > 1 or opened.epoch > 0:  # somebody was before
            memory.resend_totals()
        return memory
