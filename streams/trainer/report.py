"""Which turn it is, and what it did."""

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

TURN_BITS: Final = 40


class Version(NamedTuple):
    """A turn of one holder of the trainer's lock; no two turns have the same.

    >>> Version(1, 2).number == 2**40 + 2, Version(2, 0) > Version(1, 99)
    (True, True)
    """

    generation: int  # of the holder: a later holder's is greater
    turn: int  # of that holder's turns, rising, below 2^40

    @property
    def number(self) -> int:
        """The version of the rows of the turn."""
        return self.generation << TURN_BITS | self.turn


@dataclass(slots=True)
class TurnReport:
    """What a turn recomputed."""

    buckets: dict[str, int] = field(default_factory=dict)  # roll-up -> hours or days recomputed
    rows: dict[str, int] = field(default_factory=dict)  # roll-up -> rows written
    waiting: dict[str, int] = field(default_factory=dict)  # roll-up -> days that are collected yet
    seconds: float = 0.0

    @property
    def is_complete(self) -> bool:
        """Whether all that had changed when the turn began was added up."""
        return not any(self.waiting.values())

    def as_dict(self) -> dict[str, Any]:
        """All fields, for JSON."""
        return {
            "buckets": self.buckets,
            "rows": self.rows,
            "waiting": self.waiting,
            "seconds": round(self.seconds, 3),
        }
