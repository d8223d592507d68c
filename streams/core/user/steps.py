"""The names of the steps that fold a batch of the user side, and how long each one took.

| step | clickstream, content-interactions | purchases |
|---|---|---|
| decode | bytes become columns; what cannot be read is rejected (`schemas.codec`) | the same |
| persons | which person each event is of: an erasure ends one | the same |
| dedup | each event is accepted, a duplicate or too late | the same; late ones are letters |
| events | rows of table `event` are collected | |
| codes | users and KOLs become dense numbers | users, brands and labels do |
| touches | meetings with KOLs are remembered | |
| orders | orders that new touches may count for are marked | orders and refunds are matched |
| cells | minutes of KOLs count events, users, depth, evidence | minutes of brands count orders |

Cells of KOLs are counted for several batches at once (`uncounted`).
"""

from collections.abc import Callable, Mapping
from typing import Final, Literal, ParamSpec, TypeVar, get_args

Step = Literal["decode", "persons", "dedup", "events", "codes", "touches", "orders", "cells"]
STEPS: Final[tuple[Step, ...]] = get_args(Step)

Clock = Callable[[], float]  # seconds, from any beginning
P = ParamSpec("P")
T = TypeVar("T")


def no_clock() -> float:
    """No time at all: steps are not measured."""
    return 0.0


class StepTimer:
    """Runs steps and adds up their seconds; two readings of the clock each."""

    def __init__(self, clock: Clock = no_clock) -> None:
        self._clock = clock
        self._seconds: dict[Step, float] = dict.fromkeys(STEPS, 0.0)

    @property
    def seconds(self) -> Mapping[Step, float]:
        """Seconds spent in each step since the beginning."""
        return self._seconds

    def run(self, name: Step, step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What the step gives."""
        begin = self._clock()
        result = step(*args, **kwargs)
        self._seconds[name] += self._clock() - begin
        return result
