from collections.abc import Iterator

from streams.core.user.memory import UserMemory
from streams.core.user.steps import STEPS, StepTimer
from tests.builders import KEY, click, decoded, paid, topic_of

STEPS_OF_BEHAVIOUR = {"persons", "dedup", "codes", "touches", "orders", "cells"}


def ticking() -> Iterator[float]:
    """A second later with each reading."""
    seconds = 0.0
    while True:
        yield seconds
        seconds += 1.0


def test_each_step_is_measured_under_its_own_name() -> None:
    memory = UserMemory(0, hmac_key=KEY, clock=ticking().__next__)
    memory.fold(decoded(topic_of(click()), [click()]))
    assert memory.step_seconds["cells"] == 0.0  # it waits for more
    memory.count()

    assert memory.step_seconds == {step: float(step in STEPS_OF_BEHAVIOUR) for step in STEPS}


def test_a_batch_of_purchases_has_no_step_of_touches() -> None:
    memory = UserMemory(0, hmac_key=KEY, clock=ticking().__next__)
    memory.fold(decoded(topic_of(paid()), [paid()]))

    assert {step for step, seconds in memory.step_seconds.items() if seconds} == (
        STEPS_OF_BEHAVIOUR - {"touches"}
    )


def test_the_worker_measures_the_step_before_the_memory() -> None:
    timer = StepTimer(ticking().__next__)

    assert timer.run("decode", int, "7") == 7
    assert timer.seconds["decode"] == 1.0


def test_without_a_clock_no_step_takes_time() -> None:
    memory = UserMemory(0, hmac_key=KEY)
    memory.fold(decoded(topic_of(click()), [click()]))

    assert set(memory.step_seconds.values()) == {0.0}
