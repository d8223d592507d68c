"""When turns are due."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from streams.settings import Settings
from streams.trainer.report import Report
from streams.trainer.schedule import FIRST_SECONDS, RETRY_DAILY_SECONDS, Schedule, next_hour
from streams.trainer.turns import DIMENSIONS, MINUTES, Turn

HOUR = 3_600.0
SHANGHAI = ZoneInfo("Asia/Shanghai")


class Clock:
    """Time as a test has it."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds

    def now_ms(self) -> int:
        noon = datetime(2026, 3, 1, 12, tzinfo=SHANGHAI)
        return int((noon.timestamp() + self.seconds - 100.0) * 1000)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def schedule(clock: Clock) -> Schedule:
    def turn(every: float, hour: int | None = None) -> Turn:
        return Turn(lambda _: every, lambda _: Report(), None if hour is None else (lambda _: hour))

    turns = {MINUTES: turn(5.0), DIMENSIONS: turn(7.0), "nightly": turn(24 * HOUR, 3)}
    return Schedule(turns, Settings(), clock, clock.now_ms)


def test_all_turns_are_due_at_the_start_but_the_night_lets_the_others_begin(
    schedule: Schedule, clock: Clock
) -> None:
    assert [schedule.is_due(name) for name in (MINUTES, DIMENSIONS, "nightly")] == [
        True,
        True,
        False,
    ]
    assert schedule.due["nightly"] == clock() + FIRST_SECONDS


def test_a_nightly_turn_that_succeeded_is_due_at_its_hour(schedule: Schedule, clock: Clock) -> None:
    schedule.succeed("nightly", clock())

    assert schedule.due["nightly"] == clock() + 15 * HOUR


def test_one_that_failed_is_tried_again_the_same_night(schedule: Schedule, clock: Clock) -> None:
    schedule.fail("nightly", clock())

    assert schedule.due["nightly"] == clock() + RETRY_DAILY_SECONDS


@pytest.mark.parametrize(("hours_ago", "due_in"), [(8, 15), (10, -9)])
def test_a_new_holder_goes_by_when_the_former_one_s_turn_succeeded(
    hours_ago: int, due_in: int, schedule: Schedule, clock: Clock
) -> None:
    """At noon: what succeeded at four is due at three, what did at two was due at three."""
    schedule.take_over({"nightly": clock.now_ms() - hours_ago * 3_600_000, MINUTES: 1})

    assert schedule.due["nightly"] == clock() + due_in * HOUR
    assert schedule.is_due(MINUTES)


def test_who_asks_gets_roll_ups_and_dimensions_but_no_night(
    schedule: Schedule, clock: Clock
) -> None:
    for name in (MINUTES, DIMENSIONS, "nightly"):
        schedule.succeed(name, clock())
    schedule.ask()

    assert [schedule.is_due(name) for name in (MINUTES, DIMENSIONS, "nightly")] == [
        True,
        True,
        False,
    ]


def test_an_hour_that_a_clock_skips_is_met_all_the_same() -> None:
    """In New York it is never half past two on that day."""
    after = datetime(2026, 3, 8, 6, tzinfo=UTC)  # one o'clock
    due = next_hour(int(after.timestamp() * 1000), 2, "America/New_York")

    assert datetime.fromtimestamp(due / 1000, UTC) == datetime(2026, 3, 8, 7, tzinfo=UTC)
