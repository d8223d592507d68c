"""The rhythm of a trainer: hold the lock, take each turn that is due, say how it went.

confirm ──▶ due turns, one after the other, in a thread ──▶ note ──▶ wait
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Final

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from streams.clients.kafka_admin import kafka_admin
from streams.clients.kafka_failures import of_brokers
from streams.errors import ExpectedError
from streams.runtime.shutdown import sentence
from streams.settings import Settings
from streams.trainer.generations import claim
from streams.trainer.health import Health
from streams.trainer.lock import Lock
from streams.trainer.report import Report
from streams.trainer.rollups import SupersededError
from streams.trainer.schedule import Schedule
from streams.trainer.standing import Notes, Standing, standing
from streams.trainer.turns import (
    DIMENSIONS,
    MINUTES,
    TURNS,
    StoppedError,
    Turn,
    Work,
    greatest_generation,
    patient_client,
)

LOOK_SECONDS: Final = 0.5  # between two looks: is it the holder, does somebody ask for a turn
RETRY_SECONDS: Final = 5.0  # after the lock could not be confirmed
LOCK_SECONDS: Final = 10.0  # beyond a session, that `once` waits for the lock

LEAVES_NOTHING: Final = {MINUTES: "settled", DIMENSIONS: "read"}  # notes of a turn that settles
FORESEEN: Final = (ExpectedError, ClickHouseError, OSError)  # the log has no traceback of them

log = logging.getLogger("kol.trainer")


class LockHeldError(ExpectedError):
    """Another trainer holds the lock; says where it is."""


class Trainer:
    """One process that takes turns while it holds the lock.

    Args:
        settings: of the deployment.
        turns: that it takes, by name.
        now_ms: milliseconds since the epoch.
        clock: seconds that never go back.

    """

    def __init__(
        self,
        settings: Settings,
        turns: Mapping[str, Turn] = TURNS,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self._turns = turns
        conf = settings.trainer
        self._schedule = Schedule(turns, settings, clock, now_ms)
        every, patience = self._schedule.every, 2 * conf.statement_seconds
        self.health = Health(every, patience, lambda: now_ms() / 1000)
        self._now_ms = now_ms
        self._clock = clock
        self._lock = Lock(
            settings.kafka, settings.app_id, conf.session_seconds, self._greatest_known, now_ms
        )
        self._stop = asyncio.Event()
        self._is_stopping = threading.Event()  # the same, for the thread of a turn
        self._client: Client | None = None
        self._notes: Notes | None = None  # while this process takes itself for the holder
        self._number = 0

    def stop(self) -> None:
        """End between two statements."""
        self._is_stopping.set()
        self._stop.set()

    async def stopped(self) -> None:
        """Return once `stop` was called."""
        await self._stop.wait()

    async def close(self) -> None:
        """Leave the group and close the connection."""
        if self._client is not None:
            self._client.close()
        await self._lock.stop()

    async def work(self) -> None:
        """Take turns until `stop`.

        Raises:
            BrokerError: no broker answers at the start, or the group refuses this process.

        """
        await self._lock.start()
        while not self._stop.is_set():
            wait = await self._round()
            if self._lock.fault is not None:
                raise self._lock.fault
            await self._pause(wait)

    async def once(self) -> None:
        """Take each turn once.

        Raises:
            LockHeldError: another process holds the lock, and is alive.
            ExpectedError: a turn failed, or nobody answers.

        """
        await self._lock.start()
        deadline = self._clock() + self.settings.trainer.session_seconds + LOCK_SECONDS
        while (generation := await self._hold()) is None:
            if self._clock() > deadline:
                raise LockHeldError(await asyncio.to_thread(self._who_holds))
            await self._pause(LOOK_SECONDS)
            if self._stop.is_set():
                return
        for name in self._turns:
            self._log(name, await self._take_above_others(name, generation), logging.INFO)

    async def _take_above_others(self, name: str, generation: int) -> Report:
        """Take a turn; where a later one has begun meanwhile, in a generation above it."""
        try:
            return await self._take(name, generation)
        except SupersededError:
            return await self._take(name, await self._hold() or generation)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            return

    async def _round(self) -> float:
        """Take the turns that are due, if the lock is held; seconds until the next look."""
        try:
            if await self._is_idle():
                return LOOK_SECONDS
            generation = await self._hold()
        except (ExpectedError, ClickHouseError) as error:
            self._complain(sentence(error))
            return RETRY_SECONDS
        if generation is None:
            return LOOK_SECONDS
        for name in self._turns:
            if not self._schedule.is_due(name) or self._stop.is_set():
                continue
            begun = self._clock()
            try:
                report = await self._take(name, generation)
                self._log(name, report, logging.DEBUG)
                self._schedule.succeed(name, begun, is_left=bool(report.left))
            except SupersededError:
                log.info("turn %s: a later one has begun elsewhere, the next goes above it", name)
                self._schedule.again(name, LOOK_SECONDS)
            except Exception as error:  # noqa: BLE001  # whatever it is, the other turns go on
                self._fail(name, error, begun)
        return min(LOOK_SECONDS, self._schedule.wait())

    def _fail(self, name: str, error: Exception, begun: float) -> None:
        raised = None if isinstance(error, FORESEEN) else error
        log.warning("turn %s failed: %s", name, sentence(error), exc_info=raised)
        self.health.fail(name, sentence(error))
        self._drop_client()
        self._schedule.fail(name, begun)

    async def _is_idle(self) -> bool:
        """Whether this process holds the lock, no turn is due, and nobody asks for one."""
        if not (self.health.generation and self._lock.is_assigned):
            return False
        if self._number and await self._lock.is_overtaken():
            self._schedule.ask()
        return self._schedule.wait() > 0

    def _complain(self, why: str) -> None:
        if why != self.health.broker_fault:
            log.warning("the lock cannot be confirmed: %s", why)
        self.health.broker_fault = why

    async def _hold(self) -> int | None:
        """The generation to write with; None while another process holds the lock."""
        if not self._lock.is_assigned:
            self._lose()
            return None
        if self._notes is None:
            self._notes = await asyncio.to_thread(self._first_notes)
        generation = await self._lock.confirm(self._notes.encode())
        if generation is None:
            self._lose()
            return None
        if generation != self.health.generation:
            log.info("holds the lock with generation %d", generation)
            self.health.take_over(self._notes.succeeded)
            self._schedule.take_over(self._notes.succeeded)
        self.health.hold(generation, self._notes)
        return generation

    def _lose(self) -> None:
        if self.health.generation:
            log.warning("another trainer holds the lock, or none does for a moment: standing by")
        self._notes = None
        self.health.hold(0, None)

    def _first_notes(self) -> Notes:
        """Notes of this process as the holder, with what the former one has left in its own."""
        former = self._standing().notes
        mine = claim(self._now_ms())
        succeeded = {} if former is None else former.succeeded
        return Notes(mine.host, mine.pid, mine.since, succeeded=succeeded)

    def _standing(self) -> Standing:
        unknown = of_brokers("who holds the lock is not known")
        with unknown, kafka_admin(self.settings.kafka) as broker:
            return standing(broker, self.settings.app_id)

    def _who_holds(self) -> str:
        notes = self._standing().notes
        who = "another process" if notes is None else notes.who
        return f"{who} holds the lock of the trainer and is alive: `kol rollup` is a turn by hand"

    async def _take(self, name: str, generation: int) -> Report:
        """Take one turn; gives what it did.

        Raises:
            ExpectedError, ClickHouseError: it failed.

        """
        assert self._notes is not None  # noqa: S101  # the lock is held
        self._number += 1
        begun = self._clock()
        self.health.begin(name)
        field = LEAVES_NOTHING.get(name, "")
        settles = bool(field) and getattr(self._notes, field) != generation
        try:
            report = await asyncio.to_thread(
                self._take_in_thread, name, generation, self._number, settles
            )
        except StoppedError:
            log.info("turn %s is cut off: the next one does what is left", name)
            return Report(left="it was cut off")
        finally:
            self.health.end()
        said = {field: generation} if field else {}
        at = None if report.left else self._now_ms()
        notes = self._notes.after(name, at, report.complaint, **said)
        if await self._lock.note(notes.encode()):
            self._notes = notes
            self.health.succeed(name, self._clock() - begun, report)
        return report

    def _log(self, name: str, report: Report, level: int) -> None:
        buckets, rows = sum(report.buckets.values()), sum(report.rows.values())
        log.log(level, "turn %s: %d hours and days computed anew, %d rows", name, buckets, rows)

    def _take_in_thread(self, name: str, generation: int, number: int, settles: bool) -> Report:  # noqa: FBT001  # to_thread's
        if self._client is None:
            self._client = self._connect()
        assert self._notes is not None  # noqa: S101  # as above
        last = self._notes.succeeded.get(name, 0)
        return self._turns[name].take(
            Work(
                *(self._client, self._check, self.settings, generation, number),
                *(self._now_ms(), settles, last),
            )
        )

    def _check(self) -> None:
        if self._is_stopping.is_set() or not self._lock.is_assigned:  # another one goes on
            raise StoppedError
        self.health.move()

    def _connect(self) -> Client:
        return patient_client(self.settings)

    def _drop_client(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _greatest_known(self) -> int:
        """The greatest generation of rows in the database."""
        with closing(self._connect()) as client:
            return greatest_generation(client)
