"""The world of trust through the product's core, with a night after each day.

At each midnight of the world its trainer says what is known; that becomes numbers, sealed ten
minutes later by the world's clock, which both sides ask from then on. The KOL side writes no minute
for which a number may still come.

From the first attack on a second core, which knew the same up to then, goes on without attacks,
with a trainer of its own: it says what the attacks did.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from copy import copy, deepcopy
from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np

from schemas.columns import RecordBatch
from schemas.events import INPUTS
from schemas.numbered import KINDS
from schemas.rows import Rows
from streams.core.kol.kol_sums import NO_MINUTE
from streams.trainer.number_plan import Plan, planned
from tests.both_sides import BothSides
from tests.truth.midnights import Midnights
from tests.truth.raw import Counted
from tests.truth.trainer import Trainer
from tests.worlds.core import KEY, PARTITIONS, Passage
from tests.worlds.messages import Events
from tests.worlds.trust import Trust
from tests.worlds.world import BEGIN_MS, DAY, HOUR, MINUTE, Record, numbered

NIGHT_MS: Final = 10 * MINUTE  # after midnight: when numbers are sealed
APP: Final = "truth"
MANY_ACCOUNTS: Final = 40  # some in each partition

Told = Sequence[tuple[str, Record]]


class TimedSides(BothSides):
    """Both sides, and the CPU they took; events become rows, too."""

    seconds = 0.0

    def __init__(self) -> None:
        places = list(product(INPUTS, range(PARTITIONS)))
        super().__init__(PARTITIONS, places, KEY, in_full=True)

    def fold(self, batch: RecordBatch) -> None:
        """Take one record batch in."""
        begun = time.process_time()
        super().fold(batch)
        self.seconds += time.process_time() - begun

    def collect(self) -> list[Rows]:
        """What changed."""
        begun = time.process_time()
        rows = super().collect()
        self.seconds += time.process_time() - begun
        return rows


class Course:
    """One core on its way through the days and nights of a world.

    Args:
        world: whose messages come.
        core: that takes them in.
        trainer: who says at night what is known.
        every: nights from one on which the trainer is asked to the next.

    """

    def __init__(self, world: Trust, core: TimedSides, trainer: Trainer, every: int = 1) -> None:
        self.core, self._trainer, self._every = core, trainer, every
        self.seen = Midnights.of(world)
        self.passage = Passage(world, core=core)

    def again(self) -> "Course":
        """Another one that goes on from here by itself."""
        other = copy(self)
        other.passage = self.passage.again()
        assert isinstance(other.passage.core, TimedSides)
        other.core = other.passage.core
        other.core.known.log = deepcopy(self.core.known.log)
        other.seen, other._trainer = deepcopy(self.seen), self._trainer.again()
        return other

    def day(self, events: Events) -> None:
        """Take in what comes on a day."""
        for rows in self.passage.fold([events]):
            self._take(rows)

    def night(self, day: int, told: Told) -> None:
        """Publish what is known at the end of a day; `told` is what references said on it."""
        midnight = BEGIN_MS + (day + 1) * DAY
        sealed, log = midnight + NIGHT_MS, self.core.known.log
        for kind, entries in self._trainer.night(midnight, told).items():
            plan = planned(log, kind, entries, sealed, APP, anyway=True)
            if isinstance(plan, Plan):
                for key, value in (*plan.records, plan.seal):
                    log.add(key, value, sealed)
        for kind in KINDS:
            log.forget_before(kind, sealed - DAY)
        self.core.know_to((sealed + self._every * DAY) // MINUTE - 1)

    def end(self) -> None:
        """Nothing comes any more, and no number."""
        self.core.know_to(NO_MINUTE)
        self._take(self.passage.end())

    def _take(self, rows: list[Rows]) -> None:
        self.seen.take(rows)
        self._trainer.take(rows)


@dataclass(frozen=True)
class Passed:
    """A world that has gone through the core.

    Attributes:
        world: what is true, and what was said in it.
        seen: what the product says at midnights.
        unharmed: what it says where no attack is; as `seen` before the first of them.
        first_attack: the day on which that is.
        micros: CPU of both sides for a message, microseconds.

    """

    world: Counted
    seen: Midnights
    unharmed: Midnights
    first_attack: int
    micros: float


def passed(
    world: Counted,
    trainer: Callable[[TimedSides], Trainer],
    *,
    every: int = 1,
    step: Callable[[], None] = lambda: None,
) -> Passed:
    """Take a world through the core.

    Args:
        world: with attacks.
        trainer: makes one for rows of a core.
        every: nights from one on which the trainer is asked to the next.
        step: called after each day.

    """
    core, card = TimedSides(), world.card
    course = Course(world, core, trainer(core), every)
    first = card.days - max(attack.day_before_end for attack in card.attacks)
    told = by_day(world.references())
    courses, waiting = [course], told.pop(-1, [])
    course.night(-1, waiting)
    waiting = []
    for day, events in enumerate(world.days()):
        waiting += told.get(day, [])
        if day == first:
            courses.append(course.again())
        for each, share in zip(courses, (events, without_attacks(events, world)), strict=False):
            each.day(share)
            if day % every == 0:
                each.night(day, waiting)
        if day % every == 0:
            waiting = []
        step()
    for each in courses:
        each.day(next_morning(world))
        each.end()
    micros = 1e6 * core.seconds / course.passage.messages
    return Passed(world, course.seen, courses[-1].seen, first, micros)


def without_attacks(events: Events, world: Trust) -> Events:
    """The same events as in a world without attacks: accounts of attackers are the last ones."""
    return events.take(events["user"] < world.card.users)


def next_morning(world: Trust) -> Events:
    """An event of each topic from many accounts, hours after the last day: by then it is final."""
    topics = [form.topic for form in world.forms]
    forms = np.array([topics.index(topic) for topic in INPUTS])
    users = np.arange(MANY_ACCOUNTS)
    n = len(forms) * len(users)
    at = np.full(n, BEGIN_MS + world.card.days * DAY + 3 * HOUR)
    each = dict.fromkeys(("kol", "age", "content", "dwell", "order", "brand", "cents"), 0)
    return Events.of(
        numbered(99, world.card.days, n),
        at,
        np.repeat(forms, len(users)),
        np.tile(users, len(forms)),
        **each,
    )


def by_day(told: Iterable[tuple[str, Record]]) -> dict[int, list[tuple[str, Record]]]:
    """What reference topics say on each day; day -1 is before the first one."""
    found: dict[int, list[tuple[str, Record]]] = {}
    for topic, record in told:
        day = (int(record["ts"]) - BEGIN_MS) // DAY
        found.setdefault(day, []).append((topic, record))
    return found
