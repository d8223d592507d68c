"""The order of a comparison: rounds in which each system runs once, between two looks at a ceiling.

Systems run in one order, in the next round in the other one. A round whose ceiling has moved by
more than a tenth from its begin to its end was disturbed: it is measured again, but not for ever.
"""

import statistics
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from streams.bench.intervals import Interval, interval
from streams.bench.windows import MeasureError, Run

MOVED: Final = 0.10  # of a ceiling within a round
COST: Final = "cpu_us_per_event"

Measure = Callable[[], Run]


@dataclass(slots=True)
class Round:
    """What was measured between two looks at a ceiling."""

    before: float  # microseconds of the ceiling
    runs: dict[str, Run] = field(default_factory=dict)
    after: float = 0.0

    @property
    def moved(self) -> float:
        """By which part the ceiling has moved.

        >>> Round(before=2.0, after=2.5).moved
        0.25
        """
        return max(self.before, self.after) / min(self.before, self.after) - 1


@dataclass(slots=True)
class Rounds:
    """All rounds of a comparison, those that were repeated apart."""

    kept: list[Round] = field(default_factory=list)
    repeated: list[Round] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)  # system -> why it has no figures

    @property
    def runs(self) -> dict[str, list[Run]]:
        """The runs of each system that count, round by round."""
        names = self.kept[0].runs if self.kept else {}
        return {
            name: [one.runs[name] for one in self.kept] for name in names if name not in self.failed
        }

    @property
    def disturbed(self) -> int:
        """Rounds that count although their ceiling has moved."""
        return sum(one.moved > MOVED for one in self.kept)

    def cost(self, name: str) -> Interval:
        """CPU microseconds an event of one system."""
        return interval([one.runs[name][COST] for one in self.kept])

    def ratio(self, above: str, below: str) -> Interval:
        """The cost of one system by that of another; each ratio is one of a single round."""
        return interval([one.runs[above][COST] / one.runs[below][COST] for one in self.kept])

    def as_dict(self) -> dict[str, Any]:
        """What is said of the rounds themselves."""
        return {
            "rounds": len(self.kept),
            "repeated": len(self.repeated),
            "disturbed": self.disturbed,
            "ceiling_moved": [round(one.moved, 3) for one in self.kept],
        }


def measure_rounds(
    systems: Mapping[str, Measure],
    ceilings: Mapping[str, Measure],
    rounds: int,
    on_step: Callable[[str], None] = lambda _: None,
    may_fail: Collection[str] = (),
) -> Rounds:
    """Measure every system once in each round.

    Args:
        systems: measured by turns.
        ceilings: measured in every round, too; the first one is the one that is looked at twice.
        rounds: how many are to count; at most half as many again are measured anew.
        on_step: told what is measured.
        may_fail: systems that are left out once they have failed; another one ends everything.

    Raises:
        MeasureError: a system failed that may not.

    """
    found = Rounds()
    watched, look = next(iter(ceilings.items()))
    others = {name: how for name, how in ceilings.items() if name != watched}
    spare = (rounds + 1) // 2
    seen = look()
    number = 0
    while len(found.kept) < rounds:
        number += 1
        one = Round(seen[COST], {watched: seen})
        order = list((others | dict(systems)).items())
        for name, measure in order if number % 2 else order[::-1]:
            if name in found.failed:
                continue
            on_step(f"round {len(found.kept) + 1} of {rounds}: {name}")
            try:
                one.runs[name] = measure()
            except MeasureError as error:
                if name not in may_fail:
                    raise
                found.failed[name] = str(error)
        on_step(f"round {len(found.kept) + 1} of {rounds}: {watched}")
        seen = look()
        one.after = seen[COST]
        if one.moved > MOVED and spare:
            spare -= 1
            found.repeated.append(one)
        else:
            found.kept.append(one)
    return found


def medians(runs: Mapping[str, list[Run]], name: str) -> dict[str, float]:
    """The median of one figure of each system."""
    return {of: round(statistics.median(run[name] for run in some)) for of, some in runs.items()}
