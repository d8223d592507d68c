"""What a turn did."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Report:
    """What a turn recomputed."""

    buckets: dict[str, int] = field(default_factory=dict)  # roll-up -> hours or days recomputed
    rows: dict[str, int] = field(default_factory=dict)  # roll-up -> rows written
    waiting: list[str] = field(default_factory=list)  # roll-ups whose changed days are collected
    seconds: float = 0.0

    @property
    def is_complete(self) -> bool:
        """Whether all that had changed when the turn began was added up."""
        return not self.waiting

    def as_dict(self) -> dict[str, Any]:
        """All fields, for JSON."""
        return {
            "buckets": self.buckets,
            "rows": self.rows,
            "waiting": self.waiting,
            "seconds": round(self.seconds, 3),
        }
