"""Where a dead letter is sent again, or why it is not."""

from dataclasses import dataclass
from typing import Any

from schemas.letters import Letter


@dataclass(frozen=True, slots=True)
class RetryTarget:
    """Where a letter's bytes are sent again, or why they are not."""

    letter: Letter
    why_not: str | None = None
    value: bytes = b""
    key: bytes | None = None
    partition: int = 0
    ts: int = 0  # event time; 0 where it cannot be read; of a reference record its record time

    def as_dict(self) -> dict[str, Any]:
        """The letter and where it goes, or why not, for JSON."""
        if self.why_not:
            return {"id": self.letter.id, "reason": self.letter.reason, "why_not": self.why_not}
        to = f"{self.letter.topic}/{self.partition}"
        return {"id": self.letter.id, "reason": self.letter.reason, "to": to}
