"""Who waits for roll-ups asks for a turn, and knows from the notes that it was taken."""

import os
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from kafka.errors import CoordinatorLoadInProgressError

from streams.clients.kafka_admin import Broker
from streams.operations import settling
from streams.operations.drain import NotDrainedError, Observer
from streams.operations.settling import NO_TRAINER, SAFE, settle
from streams.settings import Settings
from streams.trainer.standing import Notes, Standing

NOBODY = Standing(0, 0, None)
ASKED = 5


def held(settled: int, members: int = 1) -> Standing:
    notes = Notes("shop-1", 7, 0, settled, settled, {"minutes": 0})
    return Standing(members, settled, notes)


@dataclass(slots=True)
class Waiter:
    """What the brokers say, question by question; the last answer stays. Its clock only sleeps."""

    answers: list[Standing | Exception]
    now: float = 0.0
    asked: list[int] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def standing(self, _broker: object, app_id: str) -> Standing:
        assert app_id == "kol"
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def begin(self, _kafka: object, mine: Any) -> int:  # noqa: ANN401  # a claim
        self.asked.append(mine.pid)
        return ASKED

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def settle(self, monkeypatch: pytest.MonkeyPatch, timeout: float = 60.0) -> bool:
        monkeypatch.setattr(settling, "standing", self.standing)
        monkeypatch.setattr(settling, "begin_generation", self.begin)
        observer = Observer(
            notice=self.notices.append,
            clock=lambda: self.now,
            now_ms=lambda: int(self.now * 1000),
            sleep=self.sleep,
        )
        return settle(cast("Broker", None), Settings(), timeout, observer)


def test_it_waits_for_a_turn_of_a_generation_above_the_one_that_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waiter = Waiter([held(3), held(ASKED), held(ASKED + 1)])

    assert waiter.settle(monkeypatch)
    assert waiter.answers == [held(ASKED + 1)]
    assert waiter.asked == [os.getpid()]
    assert waiter.notices == []


def test_without_a_trainer_it_says_that_roll_ups_stay_and_asks_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waiter = Waiter([NOBODY])

    assert not waiter.settle(monkeypatch)
    assert waiter.asked == []
    assert waiter.notices == [NO_TRAINER]


def test_a_trainer_that_is_starting_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    error = CoordinatorLoadInProgressError()
    waiter = Waiter([NOBODY, error, NOBODY, held(0), held(ASKED + 1)])

    assert waiter.settle(monkeypatch)
    assert waiter.notices == []


def test_a_trainer_that_goes_meanwhile_is_missed_aloud(monkeypatch: pytest.MonkeyPatch) -> None:
    waiter = Waiter([held(3), held(3, members=0), held(3, members=0), held(ASKED + 1)])

    assert waiter.settle(monkeypatch)
    assert waiter.notices == ["the trainer is gone; waiting for one"]


def test_a_turn_that_never_succeeds_ends_the_wait_with_its_age(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waiter = Waiter([held(3)])

    with pytest.raises(NotDrainedError) as error:
        waiter.settle(monkeypatch, timeout=300.0)
    assert str(error.value).startswith(
        "the roll-ups are not up to date after 300 s: no turn of the trainer succeeds: roll-ups"
    )


def test_one_that_waits_for_a_trainer_that_went_says_what_is_safe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waiter = Waiter([held(3), held(3, members=0)])

    with pytest.raises(NotDrainedError) as error:
        waiter.settle(monkeypatch, timeout=59.8968)
    assert str(error.value) == (
        "the roll-ups are not up to date after 60 s: nobody holds the lock; last was process 7 of "
        f"shop-1, 60 s ago: `kol up` or `kol trainer` starts one. {SAFE}"
    )
