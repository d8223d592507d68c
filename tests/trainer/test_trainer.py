"""The rhythm of a trainer: who holds the lock takes turns, and says how each went."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from unittest.mock import MagicMock

import pytest

from streams.clients.clickhouse import ReadingError
from streams.clients.kafka_admin import BrokerError
from streams.runtime.shutdown import sentence
from streams.settings import Settings
from streams.settings import Trainer as Conf
from streams.trainer import turns
from streams.trainer.report import Report
from streams.trainer.rollups import SupersededError
from streams.trainer.standing import LATE_SECONDS, Notes, Standing, decode_notes
from streams.trainer.store import Store
from streams.trainer.trainer import LockHeldError, Trainer
from streams.trainer.turns import MINUTES, StoppedError, Turn, Work, patient_client

NOW = 1_800_000_000_000
FAILURES = "kol_trainer_failures_total"
SUCCESS = "kol_trainer_last_success_timestamp_seconds"


@dataclass(slots=True)
class ScriptedLock:
    """A lock that gives these generations one after the other; the last one stays."""

    generations: list[int | None]
    keeps: bool = True  # until the end of a turn
    away: bool = False  # the brokers
    overtaken: bool = False
    noted: list[Notes] = field(default_factory=list)
    fault: BrokerError | None = None

    @property
    def is_assigned(self) -> bool:
        return self.generations[0] is not None or len(self.generations) > 1

    async def start(self) -> None:
        """Join."""

    async def stop(self) -> None:
        """Leave."""

    async def confirm(self, _notes: str) -> int | None:
        if self.away:
            raise BrokerError("no Kafka")
        return self.generations.pop(0) if len(self.generations) > 1 else self.generations[0]

    async def is_overtaken(self) -> bool:
        return self.overtaken

    async def note(self, notes: str) -> bool:
        found = decode_notes(notes)
        assert found is not None
        self.noted.append(found)
        return self.keeps


class Client:
    """Runs statements that do nothing."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    def command(self, sql: str, **_: Any) -> None:  # noqa: ANN401  # as the client's own
        self.statements.append(sql)

    def close(self) -> None:
        """Close."""


class Tried(Trainer):
    """A trainer without brokers and engine."""

    def __init__(
        self,
        lock: ScriptedLock,
        take: Callable[[Work], Report],
        former: Notes | None = None,
        every: float = 0.0,
    ) -> None:
        super().__init__(Settings(), {MINUTES: Turn(lambda _: every, take)}, lambda: NOW)
        self._lock = cast("Any", lock)
        self._former = former
        self.client = Client()

    def _standing(self) -> Standing:
        return Standing(1, 0, self._former)

    def _connect(self) -> Any:  # noqa: ANN401  # a stand-in
        return self.client

    def exported(self, name: str) -> float | None:
        labels = {} if name.endswith(("holder", "generation", "rollups")) else {"turn": MINUTES}
        return self.health.metrics.registry.get_sample_value(name, labels)


def played(outcomes: list[Report | Exception]) -> Report:
    """The next of them."""
    outcome = outcomes.pop(0)
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


async def rounds(trainer: Trainer, count: int) -> None:
    """Rounds in each of which a turn is due."""
    for _ in range(count):
        trainer._schedule.due[MINUTES] = 0.0
        await trainer._round()


async def test_the_first_turn_of_each_generation_leaves_nothing_for_later() -> None:
    seen: list[tuple[int, int, bool]] = []

    def take(work: Work) -> Report:
        seen.append((work.generation, work.number, work.settles))
        return Report()

    lock = ScriptedLock([3, 3, 5, 5])
    await rounds(Tried(lock, take), 4)

    assert seen == [(3, 1, True), (3, 2, False), (5, 3, True), (5, 4, False)]
    assert [notes.settled for notes in lock.noted] == [3, 3, 5, 5]


async def test_what_a_turn_did_is_counted_and_when_is_noted() -> None:
    done = Report({"credit_1h": 2, "cell_1h": 0}, {"credit_1h": 9}, ["credit_1d", "refund_1d"])
    lock = ScriptedLock([1])
    trainer = Tried(lock, lambda _: done)

    await rounds(trainer, 2)

    counted = trainer.health.metrics.registry.get_sample_value
    assert counted("kol_trainer_buckets_total", {"table": "credit_1h"}) == 4
    assert counted("kol_trainer_rows_total", {"table": "credit_1h"}) == 18
    assert trainer.exported("kol_trainer_waiting_rollups") == 2
    assert trainer.exported("kol_trainer_is_holder") == 1
    assert trainer.exported("kol_trainer_generation") == 1
    assert trainer.exported(SUCCESS) == NOW / 1000
    assert lock.noted[-1].succeeded == {MINUTES: NOW}
    assert trainer.health.status()["turns"][MINUTES]["buckets"] == {"credit_1h": 2, "cell_1h": 0}


async def test_a_turn_that_fails_is_told_until_one_succeeds() -> None:
    outcomes: list[Report | Exception] = [ReadingError("memory is short"), Report()]

    lock = ScriptedLock([1])
    trainer = Tried(lock, lambda _: played(outcomes))
    await rounds(trainer, 1)
    failed = trainer.health.ready()
    await rounds(trainer, 1)

    assert failed == ["minutes: memory is short (0 s ago)"]
    assert trainer.health.ready() == []
    assert trainer.exported(FAILURES) == 1
    assert len(lock.noted) == 1


async def test_a_failure_that_nobody_foresaw_fails_its_turn_and_not_the_others() -> None:
    taken: list[str] = []

    def fails(_: Work) -> Report:
        raise OverflowError("date value out of range")

    trainer = Tried(ScriptedLock([1]), fails)
    trainer._turns = {
        MINUTES: trainer._turns[MINUTES],
        "dimensions": Turn(lambda _: 0.0, lambda _: taken.append("dimensions") or Report()),  # type: ignore[func-returns-value]
    }
    trainer._schedule.every["dimensions"] = trainer._schedule.due["dimensions"] = 0.0
    await rounds(trainer, 1)

    assert taken == ["dimensions"]
    assert trainer.exported(FAILURES) == 1
    assert trainer.health.ready() == ["minutes: OverflowError: date value out of range (0 s ago)"]


async def test_a_turn_that_leaves_something_goes_on_soon_from_where_it_began() -> None:
    outcomes: list[Report | Exception] = [Report(), Report(left="a user is left"), Report()]
    last: list[int] = []

    def take(work: Work) -> Report:
        last.append(work.last_ms)
        return played(outcomes)

    lock = ScriptedLock([1])
    trainer = Tried(lock, take, every=3_600.0)
    times = iter([NOW, NOW + 7])
    trainer._now_ms = lambda: next(times, NOW + 7)
    seconds = [1_000.0]
    trainer._clock = trainer._schedule._clock = lambda: seconds[0]
    await rounds(trainer, 2)
    due = trainer._schedule.due[MINUTES]
    await rounds(trainer, 1)

    assert due == 1_000.0 + 30.0
    assert trainer.exported(FAILURES) == 0
    assert lock.noted[1].complaints == {MINUTES: "a user is left"}
    assert last[1] == last[2] == lock.noted[0].succeeded[MINUTES]
    assert lock.noted[1].succeeded == lock.noted[0].succeeded
    assert lock.noted[2].complaints == {}


async def test_a_turn_that_stands_down_for_a_later_one_is_no_failure() -> None:
    outcomes: list[Report | Exception] = [SupersededError("later"), Report()]
    generations: list[int] = []

    def take(work: Work) -> Report:
        generations.append(work.generation)
        return played(outcomes)

    lock = ScriptedLock([1, 3])
    trainer = Tried(lock, take, every=3_600.0)
    await rounds(trainer, 2)

    assert generations == [1, 3]
    assert trainer.exported(FAILURES) == 0
    assert [notes.settled for notes in lock.noted] == [3]


async def test_once_goes_above_a_turn_by_hand() -> None:
    outcomes: list[Report | Exception] = [SupersededError("later"), Report()]

    lock = ScriptedLock([1, 3])
    await Tried(lock, lambda _: played(outcomes)).once()

    assert [notes.settled for notes in lock.noted] == [3]


async def test_one_that_stands_by_is_ready_and_takes_no_turn() -> None:
    taken: list[Work] = []
    trainer = Tried(ScriptedLock([None]), lambda work: taken.append(work) or Report())  # type: ignore[func-returns-value]

    await rounds(trainer, 3)

    assert taken == []
    assert (trainer.health.ready(), trainer.health.live()) == ([], [])
    assert not trainer.health.status()["holds"]
    assert trainer.exported("kol_trainer_is_holder") == 0
    assert trainer.exported(FAILURES) == 0


async def test_a_turn_whose_lock_was_lost_meanwhile_does_not_count() -> None:
    trainer = Tried(ScriptedLock([1], keeps=False), lambda _: Report())

    await rounds(trainer, 1)

    assert trainer.health.status()["turns"][MINUTES]["last_success"] is None


@dataclass(slots=True)
class LostLock(ScriptedLock):
    """A lock that is lost for a moment."""

    is_lost: bool = False

    @property
    def is_assigned(self) -> bool:
        return not self.is_lost


async def test_a_turn_ends_before_the_next_statement_once_the_lock_is_lost() -> None:
    lock = LostLock([1])
    ended: list[Exception] = []

    def take(work: Work) -> Report:
        work.before()
        lock.is_lost = True
        try:
            work.before()
        except StoppedError as error:
            ended.append(error)
            raise
        return Report()

    trainer = Tried(lock, take, every=3_600.0)
    trainer._clock = trainer._schedule._clock = lambda: 1_000.0
    await rounds(trainer, 1)

    assert len(ended) == 1
    assert lock.noted == []
    assert trainer.exported(FAILURES) == 0
    assert trainer._schedule.due[MINUTES] == 1_000.0 + 30.0  # where it is the holder again


async def test_who_takes_over_knows_when_the_former_holders_turns_succeeded() -> None:
    former = Notes("shop-1", 7, 0, settled=1, succeeded={MINUTES: NOW - 60_000, "nightly": 3})
    lock = ScriptedLock([2])
    trainer = Tried(lock, lambda _: Report(), former)
    before = await trainer._hold()
    known = trainer.exported(SUCCESS)
    await rounds(trainer, 1)

    assert before == 2
    assert known == NOW / 1000 - 60
    assert lock.noted[-1].succeeded == {MINUTES: NOW, "nightly": 3}
    assert lock.noted[-1].host != "shop-1"


async def test_a_broker_that_is_away_is_told_and_waited_for() -> None:
    lock = ScriptedLock([1], away=True)
    trainer = Tried(lock, lambda _: Report())
    await rounds(trainer, 2)
    away = trainer.health.ready()
    lock.away = False
    await rounds(trainer, 1)

    assert away == ["no Kafka"]
    assert trainer.health.ready() == []


async def test_a_turn_is_taken_at_once_when_somebody_asks() -> None:
    taken: list[int] = []
    lock = ScriptedLock([1])
    trainer = Tried(lock, lambda work: taken.append(work.number) or Report(), every=3_600.0)  # type: ignore[func-returns-value]
    for _ in range(3):
        await trainer._round()
    before = list(taken)
    lock.overtaken = True
    await trainer._round()

    assert before == [1]
    assert taken == [1, 2]


async def test_a_turn_takes_at_most_a_fifth_of_the_time() -> None:
    seconds = [1_000.0]

    def take(_: Work) -> Report:
        seconds[0] += 7.0
        return Report()

    trainer = Tried(ScriptedLock([1]), take, every=5.0)
    trainer._clock = trainer._schedule._clock = lambda: seconds[0]
    await rounds(trainer, 1)

    assert trainer._schedule.due[MINUTES] == 1_000.0 + 5 * 7.0


@pytest.mark.parametrize(
    ("took", "pause"),
    [
        (0.1, 4.9),  # not below five seconds from the beginning of one to that of the next
        (7.0, 28.0),
        (100.0, LATE_SECONDS / 2),  # more, and roll-ups of a trainer that is well were late
    ],
)
@pytest.mark.parametrize(
    "outcome",
    [Report(), ReadingError("memory is short"), OSError("gone"), OverflowError("unforeseen")],
)
async def test_a_turn_takes_at_most_a_fifth_of_the_time_also_one_that_fails(
    outcome: Report | Exception, took: float, pause: float
) -> None:
    seconds = [1_000.0]

    def take(_: Work) -> Report:
        seconds[0] += took
        return played([outcome])

    trainer = Tried(ScriptedLock([1]), take, every=5.0)
    trainer._clock = trainer._schedule._clock = lambda: seconds[0]
    await rounds(trainer, 1)

    assert trainer._schedule.due[MINUTES] == pytest.approx(1_000.0 + took + pause)


async def test_a_trainer_whose_turns_are_slow_but_succeed_is_ready_all_the_while() -> None:
    """Until the end of its next turn, which takes as long as a pause at the most."""
    seconds = [1_000.0]

    def take(_: Work) -> Report:
        seconds[0] += LATE_SECONDS / 2
        return Report()

    trainer = Tried(ScriptedLock([1]), take, every=5.0)
    trainer._clock = trainer._schedule._clock = lambda: seconds[0]
    trainer.health._clock = trainer._clock
    await rounds(trainer, 1)
    seconds[0] = trainer._schedule.due[MINUTES] + LATE_SECONDS / 2

    assert trainer.health.ready() == []


async def test_a_stop_ends_a_turn_between_two_statements() -> None:
    begun, go_on = threading.Event(), threading.Event()
    ended: list[Exception] = []

    def take(work: Work) -> Report:
        store = Store(work.client, "kol", replicated=False, before=work.before)
        store.run("first", {})
        begun.set()
        go_on.wait(60)
        try:
            store.run("second", {})
        except StoppedError as error:
            ended.append(error)
            raise
        return Report()

    lock = ScriptedLock([1])
    trainer = Tried(lock, take)
    task = asyncio.create_task(trainer.work())
    await asyncio.to_thread(begun.wait, 60)
    trainer.stop()
    go_on.set()
    await task

    assert trainer.client.statements == ["first"]
    assert len(ended) == 1
    assert lock.noted == []
    assert trainer.exported(FAILURES) == 0


async def test_once_takes_each_turn_once() -> None:
    numbers: list[int] = []
    lock = ScriptedLock([4])
    await Tried(lock, lambda work: numbers.append(work.number) or Report()).once()  # type: ignore[func-returns-value]

    assert numbers == [1]
    assert [notes.settled for notes in lock.noted] == [4]


async def test_once_beside_a_living_holder_says_who_that_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams.trainer.trainer.LOCK_SECONDS", -1_000.0)  # waited long enough
    holder = Notes("shop-1", 7, 0)

    with pytest.raises(LockHeldError) as error:
        await Tried(ScriptedLock([None]), lambda _: Report(), holder).once()
    assert sentence(error.value).startswith("process 7 of shop-1 holds the lock")


@pytest.mark.parametrize(("seconds", "faults"), [(60.0, []), (2_000.0, ["minutes: under way"])])
def test_a_turn_that_hangs_needs_a_new_process(seconds: float, faults: Sequence[str]) -> None:
    health = Tried(ScriptedLock([1]), lambda _: Report()).health
    health.begin(MINUTES)
    health._clock = lambda: NOW / 1000 + seconds

    assert [fault.partition(" for")[0] for fault in health.live()] == list(faults)


def test_a_turn_that_goes_from_statement_to_statement_is_not_stuck() -> None:
    seconds = [0.0]
    trainer = Tried(ScriptedLock([1]), lambda _: Report())
    trainer.health._clock = lambda: seconds[0]
    trainer.health.begin(MINUTES)
    for _ in range(5):
        seconds[0] += 1_000.0
        trainer._check()

    assert trainer.health.live() == []


@pytest.mark.parametrize(
    ("outcome", "keeps"),
    [
        (SupersededError("later"), True),
        (StoppedError(), True),
        (ValueError("unforeseen"), True),
        (Report(), False),  # the lock was lost meanwhile
    ],
)
async def test_one_that_stands_by_after_its_turn_is_not_stuck(
    outcome: Report | Exception, *, keeps: bool
) -> None:
    trainer = Tried(ScriptedLock([1], keeps), lambda _: played([outcome]))
    await rounds(trainer, 1)
    trainer.health._clock = lambda: NOW / 1000 + 86_400

    assert trainer.health.live() == []


def test_a_statement_that_takes_too_long_ends_at_the_server_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = MagicMock()
    monkeypatch.setattr(turns, "connect", lambda conf: client if conf.insert_seconds == 7.5 else 0)
    patient_client(Settings(trainer=Conf(statement_seconds=7.5)))

    client.set_client_setting.assert_called_once_with("max_execution_time", 8)


def test_a_trainer_knows_neither_faust_nor_pandas() -> None:
    names = ("faust", "mode", "pandas", "streams.worker")
    code = f"import sys, streams.trainer.process; print([n for n in {names} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
