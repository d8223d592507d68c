"""What a person is told of the trainer: who holds the lock, and since when roll-ups stand still."""

import pytest

from streams.operations.doctor.findings import Severity
from streams.operations.doctor.trainer_findings import roll_ups
from streams.operations.trainer_standing import STARTED_BY, fault, summary
from streams.trainer.standing import Notes, Standing

MINUTE = 60_000
NOTES = Notes("shop-1", 7, 0, succeeded={"minutes": 10 * MINUTE})


def test_a_holder_whose_turns_succeed_is_named() -> None:
    found = roll_ups(Standing(1, 3, NOTES), 10 * MINUTE + 2_000)

    assert found.severity is Severity.FINE
    assert found.what == "process 7 of shop-1 holds the lock with generation 3, last turn 2 s ago"


def test_those_that_stand_by_are_counted() -> None:
    assert summary(Standing(3, 3, NOTES), 10 * MINUTE).endswith("last turn 0 s ago, 2 stand by")


@pytest.mark.parametrize(
    ("standing", "why", "mend"),
    [
        (
            Standing(0, 3, NOTES),
            "no trainer runs: roll-ups by hour and day stand still for 6.0 min",
            "`kol trainer`",
        ),
        (
            Standing(1, 3, NOTES),
            "no turn of the trainer succeeds: roll-ups by hour and day stand still for 6.0 min",
            "its log says why",
        ),
        (
            Standing(0, 0, None),
            "no trainer has ever run: roll-ups by hour and day are empty",
            "`kol trainer`",
        ),
        (
            Standing(1, 1, Notes("shop-1", 7, 0)),
            "no turn of the trainer succeeds: roll-ups by hour and day are empty",
            "its log says why",
        ),
    ],
)
def test_roll_ups_that_stand_still_are_a_fault(standing: Standing, why: str, mend: str) -> None:
    found = roll_ups(standing, 16 * MINUTE)

    assert found.severity is Severity.FAULT
    assert found.what == why
    assert mend in found.mend


@pytest.mark.parametrize("standing", [Standing(1, 0, None), Standing(1, 1, Notes("a", 7, MINUTE))])
def test_one_that_has_just_begun_is_no_fault(standing: Standing) -> None:
    assert fault(standing, 2 * MINUTE) == ""


def test_a_trainer_that_has_just_gone_is_no_fault_yet_but_a_warning() -> None:
    """One that is killed is started again, and a `--once` of cron leaves none behind."""
    gone = Standing(0, 3, NOTES)
    found = roll_ups(gone, 11 * MINUTE)

    assert fault(gone, 11 * MINUTE) == ""
    assert found.severity is Severity.WARNING
    assert found.what == "nobody holds the lock; last was process 7 of shop-1, 1.0 min ago"
    assert "`kol trainer`" in found.mend


@pytest.mark.parametrize(
    ("standing", "text"),
    [
        (
            Standing(0, 3, NOTES),
            f"nobody holds the lock; last was process 7 of shop-1, 6.0 min ago: {STARTED_BY}",
        ),
        (
            Standing(0, 3, Notes("shop-1", 7, 15 * MINUTE)),
            f"nobody holds the lock; last was process 7 of shop-1, 1.0 min ago: {STARTED_BY}",
        ),
        (
            Standing(0, 0, None),
            f"nobody holds the lock, or ever has: {STARTED_BY}",
        ),
        (Standing(2, 0, None), "2 run, none has held the lock"),
    ],
)
def test_a_group_without_members_has_no_holder(standing: Standing, text: str) -> None:
    assert summary(standing, 16 * MINUTE) == text
