"""How the trainer of an app stands, in words: who holds its lock, and which turns follow."""

from typing import Final

from streams.operations.durations import duration_text
from streams.trainer.standing import LATE_SECONDS, Standing
from streams.trainer.turns import MINUTES, NUMBERS

STARTED_BY: Final = "`kol up` or `kol trainer` starts one"


def fault(standing: Standing, now_ms: int) -> str:
    """Why roll-ups stand still; empty while they follow.

    >>> fault(Standing(0, 0, None), 0)
    'no trainer has ever run: roll-ups by hour and day are empty'
    """
    notes, last = standing.notes, standing.last_success(MINUTES)
    if notes is None:
        never = "no trainer has ever run: roll-ups by hour and day are empty"
        return "" if standing.members else never  # it begins
    age = now_ms - (notes.since if last is None else last)
    if age <= LATE_SECONDS * 1000:
        return ""
    what = "are empty" if last is None else f"stand still for {duration_text(age)}"
    who = "no turn of the trainer succeeds" if standing.members else "no trainer runs"
    return f"{who}: roll-ups by hour and day {what}"


def absence(standing: Standing, now_ms: int) -> str:
    """Who held the lock last where nobody does; empty while a trainer runs.

    >>> absence(Standing(0, 0, None), 0)
    'nobody holds the lock, or ever has'
    """
    if standing.members:
        return ""
    notes, last = standing.notes, standing.last_success(MINUTES)
    if notes is None:
        return "nobody holds the lock, or ever has"
    age = max(0, now_ms - max(notes.since, last or 0))
    return f"nobody holds the lock; last was {notes.who}, {duration_text(age)} ago"


def numbers_fault(standing: Standing, now_ms: int) -> str:
    """Why what workers take for known may be old; empty while the trainer keeps it up to date.

    >>> numbers_fault(Standing(0, 0, None), 0)
    ''
    """
    notes = standing.notes
    if notes is None:
        return ""
    if why := notes.complaints.get(NUMBERS):
        return why
    last = standing.last_success(NUMBERS)
    age = now_ms - (notes.since if last is None else last)
    if age <= LATE_SECONDS * 1000:
        return ""
    ago = "never succeeded" if last is None else f"last succeeded {duration_text(age)} ago"
    return f"the turn that publishes numbered values {ago}"


def summary(standing: Standing, now_ms: int) -> str:
    """Who holds the lock, and when a turn last succeeded."""
    if nobody := absence(standing, now_ms):
        return f"{nobody}: {STARTED_BY}"
    if standing.notes is None:
        return f"{standing.members} run, none has held the lock"
    last = standing.last_success(MINUTES)
    ago = "never" if last is None else f"{duration_text(max(0, now_ms - last))} ago"
    beside = f", {standing.members - 1} stand by" if standing.members > 1 else ""
    held = f"{standing.notes.who} holds the lock with generation {standing.generation}"
    return f"{held}, last turn {ago}{beside}"
