"""Findings of `kol doctor`: the judgement of one fact each, and what all judgements share.

`facts.py` asks for the facts; the modules beside it judge them.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from schemas.doors import RejectReason
from streams.clients.kafka_reader import Place

WARNING_MS: Final = 60_000  # the oldest uncommitted message: a warning
FAULT_MS: Final = 600_000  # the same: a fault
PLACES_SHOWN: Final = 4  # partitions named: enough to find the cause
WRONG_PARTITION: Final = RejectReason.WRONG_PARTITION.label


class Severity(Enum):
    """How bad a finding is."""

    FINE = "fine"
    WARNING = "warning"  # look at it when there is time
    FAULT = "fault"  # numbers are missing, late or at risk


@dataclass(frozen=True, slots=True)
class Finding:
    """The judgement of one fact."""

    about: str
    severity: Severity
    what: str
    mend: str = ""

    def as_dict(self) -> dict[str, str]:
        """All fields, for JSON."""
        severity = self.severity.value
        return {"about": self.about, "severity": severity, "what": self.what, "mend": self.mend}


def fine(about: str, what: str) -> Finding:
    """A finding that needs nothing."""
    return Finding(about, Severity.FINE, what)


def warning(about: str, what: str, mend: str) -> Finding:
    """A finding to look at when there is time."""
    return Finding(about, Severity.WARNING, what, mend)


def fault(about: str, what: str, mend: str) -> Finding:
    """A finding to mend now."""
    return Finding(about, Severity.FAULT, what, mend)


def places_text(places: Collection[Place]) -> str:
    """Some of these topic partitions, and how many more there are."""
    some = [f"{topic}/{partition}" for topic, partition in sorted(places)[:PLACES_SHOWN]]
    return ", ".join(
        [*some, f"{len(places) - PLACES_SHOWN} more"] if len(places) > PLACES_SHOWN else some
    )


def version_text(version: Sequence[int]) -> str:
    """A version with dots."""
    return ".".join(map(str, version))
