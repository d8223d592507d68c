"""A gained partition: fence its former owner, restore its newest snapshot, begin a new life.

Where reading goes on is what the snapshot says, never what the group has committed.
"""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from schemas.events import INPUTS
from schemas.keyed_names import KeyedNames
from schemas.reference_types import CONSENTS
from schemas.topics import CELLS, ERASURES, KOL_STATE, USER_STATE
from streams.clients.kafka_admin import client_options
from streams.clients.kafka_reader import record_reader
from streams.core.kol.memory import KolMemory
from streams.core.sides import Side
from streams.core.user.memory import UserMemory
from streams.settings import Settings
from streams.snapshots import (
    LogOffsets,
    OldStateError,
    Opened,
    OtherKeyError,
    Pace,
    StateLog,
    check_topic_names,
    committed_beyond,
    start_offsets,
)
from streams.worker.formats import CONVERSIONS
from streams.worker.kol_lane import KolLane
from streams.worker.lanes import Mute
from streams.worker.telemetry import Telemetry
from streams.worker.user_lane import Reading, UserLane

Logs = Mapping[tuple[str, int], LogOffsets]  # what the brokers say of topic partitions

TOPICS: Final = {Side.USER: (*INPUTS, ERASURES, CONSENTS), Side.KOL: (CELLS,)}
STATE: Final = {Side.USER: USER_STATE, Side.KOL: KOL_STATE}
LONG_AGO: Final = float("-inf")
TOPIC: Final = "topic "  # before an input topic among the facts of a snapshot: its broker's name

log = logging.getLogger("kol.restore")


def _reading(settings: Settings) -> Reading:
    return Reading(settings.placeholders, in_full=settings.clickhouse.events)


@dataclass(frozen=True, slots=True)
class TakenOver:
    """A partition of one side whose former owner is fenced."""

    partition: int
    log: StateLog
    opened: Opened
    offsets: Mapping[str, int]  # where reading goes on
    is_fresh: bool  # all of its events are still to be read
    mute_until: dict[str, int]  # offsets that a crashed owner may have reached


class Restorer:
    """Opens the lanes of gained partitions."""

    def __init__(
        self, settings: Settings, telemetry: Telemetry, clock: Callable[[], float]
    ) -> None:
        self._settings = settings
        self._telemetry = telemetry
        self._clock = clock
        self._reading = _reading(settings)

    async def user_lane(self, partition: int, logs: Logs) -> UserLane:
        """The user side of a partition; the brokers were asked for `logs` before."""
        async with self._taken_over(Side.USER, partition, logs) as it:
            memory = await asyncio.to_thread(
                restored_user_memory, self._settings, partition, it.opened
            )
            _continue(memory, it)
            begun_at = None if it.is_fresh else LONG_AGO
            return UserLane(
                partition,
                memory,
                it.log,
                *self._begin(Side.USER, it),
                begun_at,
                self._reading,
            )

    async def kol_lane(self, partition: int, logs: Logs) -> KolLane:
        """The KOL side of it."""
        async with self._taken_over(Side.KOL, partition, logs) as it:
            memory = await asyncio.to_thread(
                restored_kol_memory, self._settings, partition, it.opened
            )
            _continue(memory, it)
            return KolLane(partition, memory, it.log, *self._begin(Side.KOL, it))

    def _begin(self, side: Side, it: TakenOver) -> tuple[Pace, Mute]:
        """Pace and mute of a lane whose memory is there: both count from now."""
        self._telemetry.observe("kol_restore_seconds", it.opened.seconds, side.value)
        now, settings = self._clock(), self._settings
        least_s = settings.worker.snapshot_seconds
        pace = Pace.spread(now, it.partition, settings.kafka.partitions, least_s)
        return pace, Mute(it.mute_until, now)

    @asynccontextmanager
    async def _taken_over(self, side: Side, partition: int, logs: Logs) -> AsyncIterator[TakenOver]:
        """Take a partition over; its state log is closed where no lane comes of it."""
        state = self._state_log(side, partition)
        try:
            yield await self._take_over(side, partition, logs, state)
        except BaseException:
            await state.close()
            raise

    async def _take_over(
        self, side: Side, partition: int, logs: Logs, state: StateLog
    ) -> TakenOver:
        worker = self._settings.worker
        opened = await state.open(raise_epoch=worker.from_empty)
        if opened.offsets is not None:
            check_topic_names(partition, _names(opened.meta), self._topic_names(side))
        own = {topic: logs[topic, partition] for topic in TOPICS[side]}
        begins = start_offsets(
            partition,
            opened.offsets,
            own,
            from_empty=worker.from_empty,
            accept_gap=worker.accept_gap,
        )
        if opened.offsets is not None and not opened.fell_back:
            await self._check_age(partition, begins.offsets, own)
        if begins.missing:
            log.error("partition %d goes on over a gap: %s", partition, dict(begins.missing))
        return TakenOver(
            partition=partition,
            log=state,
            opened=opened,
            offsets=begins.offsets,
            is_fresh=all(
                begins.offsets[topic] == own[topic].oldest
                for topic in own
                if topic not in {ERASURES, CONSENTS}
            ),
            mute_until={}
            if opened.life == 1
            else {topic: found.end for topic, found in own.items() if topic != CONSENTS},
        )

    async def _check_age(
        self, partition: int, offsets: Mapping[str, int], logs: Mapping[str, LogOffsets]
    ) -> None:
        """Refuse a snapshot that lacks events which the group has committed.

        Raises:
            OldStateError: it does.

        """
        beyond = committed_beyond(offsets, logs)
        if not beyond:
            return
        async with record_reader(self._settings.kafka) as records:
            found = await records.first_at(
                {(topic, partition): offset for topic, (offset, _) in beyond.items()}
            )
        ahead = {
            one.topic: beyond[one.topic][1] for one in found if one.offset < beyond[one.topic][1]
        }
        if ahead:
            raise OldStateError(partition, ahead)

    def _state_log(self, side: Side, partition: int) -> StateLog:
        settings = self._settings
        return StateLog(
            client_options(settings.kafka),
            settings.app_id,
            side.value,
            settings.kafka.broker_topic(STATE[side]),
            partition,
            CONVERSIONS[side](settings.keyed_names),
            epoch=settings.epoch,
            meta={TOPIC + topic: name for topic, name in self._topic_names(side).items()},
        )

    def _topic_names(self, side: Side) -> dict[str, str]:
        """The inputs of a side that have another name on the brokers, and that name."""
        return self._settings.kafka.renamed if side is Side.USER else {}


def _names(meta: Mapping[str, int | float | str]) -> dict[str, str]:
    """The same, as the facts of a snapshot say."""
    return {
        key.removeprefix(TOPIC): str(name) for key, name in meta.items() if key.startswith(TOPIC)
    }


def _continue(memory: UserMemory | KolMemory, it: TakenOver) -> None:
    memory.epoch, memory.life = it.opened.epoch, it.opened.life
    memory.offsets.update(it.offsets)


def restored_user_memory(settings: Settings, partition: int, opened: Opened) -> UserMemory:
    """The memory of a snapshot, or an empty one where there is none.

    Raises:
        OtherKeyError: the snapshot has names that were made with another key.

    """
    if opened.arrays is not None:
        _check_key(partition, opened.arrays["key"], settings.keyed_names)
    key, clock = settings.hmac_key.get_secret_value().encode(), time.perf_counter
    memory = (
        UserMemory(partition, hmac_key=key, clock=clock, currency=settings.currency)
        if opened.arrays is None
        else UserMemory.restored(
            opened.arrays,
            partition,
            hmac_key=key,
            clock=clock,
            run=in_threads,
            currency=settings.currency,
        )
    )
    if opened.life > 1 or opened.epoch > 0:  # a former owner may have written larger totals
        memory.resend_totals()
    return memory


def _check_key(partition: int, kept: NDArray[Any], names: KeyedNames) -> None:
    if not np.array_equal(kept, names.check):
        raise OtherKeyError(partition, "the state")


def restored_kol_memory(settings: Settings, partition: int, opened: Opened) -> KolMemory:
    """The same for the KOL side."""
    if opened.arrays is None:
        return KolMemory(partition, settings.kafka.partitions)
    return KolMemory.restored(opened.arrays, partition)


def in_threads(works: Sequence[Callable[[], None]]) -> None:
    """Do all of it in threads, as many at a time as there are cores; the first error is raised."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for done in [pool.submit(work) for work in works]:
            done.result()
