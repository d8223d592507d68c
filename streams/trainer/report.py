"""What a turn did."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple


class NewestNumber(NamedTuple):
    """The newest whole number of a kind of numbered values."""

    number: int
    rows: int  # ids that have values
    sealed_at: int  # record time of its seal, ms


@dataclass(slots=True)
class Report:
    """What a turn recomputed or read."""

    buckets: dict[str, int] = field(default_factory=dict)  # roll-up -> hours or days recomputed
    rows: dict[str, int] = field(default_factory=dict)  # roll-up -> rows written
    waiting: list[str] = field(default_factory=list)  # roll-ups whose changed days are collected
    behind: dict[str, int] = field(default_factory=dict)  # topic -> records that are not read yet
    rejected: dict[str, int] = field(default_factory=dict)  # reason -> records of these topics
    found: dict[str, int] = field(default_factory=dict)  # table -> rows that should not be there
    removed: list[str] = field(default_factory=list)  # tables whose hidden rows leave the disks
    absent: list[str] = field(default_factory=list)  # reference topics that do not exist
    seconds: float = 0.0
    newest: dict[str, NewestNumber] = field(default_factory=dict)  # kind -> its newest number
    refused: dict[str, str] = field(default_factory=dict)  # kind -> why no number is published
    damaged: list[str] = field(default_factory=list)  # newer numbers that are not whole, and why
    left: str = ""  # what the next turn goes on with, from where this one began; empty: nothing
    others: str = ""  # who publishes the numbers instead

    @property
    def is_complete(self) -> bool:
        """Whether all that had changed when the turn began was added up, or read."""
        return not self.waiting and not any(self.behind.values())

    @property
    def complaint(self) -> str:
        """What a person should look at although the turn succeeded; empty: nothing."""
        kept = [f"no number of {kind} is published: {why}" for kind, why in self.refused.items()]
        left = [self.left] if self.left else []
        return "; ".join([*kept, *self.damaged, *left])

    def as_dict(self) -> dict[str, Any]:
        """All fields, for JSON."""
        return {
            "buckets": self.buckets,
            "rows": self.rows,
            "waiting": self.waiting,
            "behind": self.behind,
            "rejected": self.rejected,
            "absent": self.absent,
            "found": self.found,
            "removed": self.removed,
            "seconds": round(self.seconds, 3),
            "newest": {kind: one._asdict() for kind, one in self.newest.items()},
            "refused": self.refused,
            "damaged": self.damaged,
            "left": self.left,
            "others": self.others,
        }
