"""How the trainer of an app stands, in words: who holds its lock, and whether roll-ups follow."""

from typing import Final

from streams.operations.durations import duration_text
from streams.trainer.standing import Standing
from streams.trainer.turns import MINUTES

LATE_MS: Final = 180_000  # without a turn that succeeded: roll-ups stand still


def fault(standing: Standing, now_ms: int) -> str:
    """Why roll-ups stand still; empty while they follow.

    >>> fault(Standing(0, 0, None), 0)
    'no trainer has ever run: roll-ups by hour and day are empty'
    """
    last = standing.last_success(MINUTES)
    if last is not None and now_ms - last <= LATE_MS:
        return ""
    if last is None:
        why = (
            "no turn of the trainer has succeeded"
            if standing.members
            else ("no trainer has ever run")
        )
        return f"{why}: roll-ups by hour and day are empty"
    since = duration_text(now_ms - last)
    if not standing.members:
        return f"no trainer runs: roll-ups by hour and day stand still for {since}"
    return f"no turn of the trainer has succeeded for {since}: roll-ups stand still"


def summary(standing: Standing, now_ms: int) -> str:
    """Who holds the lock, and when a turn last succeeded."""
    if standing.notes is None:
        return f"{standing.members} run, none has held the lock"
    last = standing.last_success(MINUTES)
    ago = "never" if last is None else f"{duration_text(max(0, now_ms - last))} ago"
    beside = f", {standing.members - 1} stand by" if standing.members > 1 else ""
    held = f"{standing.notes.who} holds the lock with generation {standing.generation}"
    return f"{held}, last turn {ago}{beside}"
