"""What goes wrong and when: a schedule from a seed, and the smaller ones it is shrunk to."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random
from typing import Final


class Kind(StrEnum):
    """One kind of fault."""

    WORKER = "worker killed"
    ENGINE = "engine killed"
    BROKER = "broker killed"
    ZOMBIE = "worker stopped beyond its session, then woken"
    JOIN = "worker joined, later left"
    CUT = "connections cut"
    SLOW = "connections slow"
    HOLD = "connections silent"
    REFUSE = "connections refused"
    AGAIN = "messages sent again"
    ROLL = "workers restarted in turn"
    FROZEN = "workers drain into a frozen engine, all killed"
    FOREIGN = "foreign transaction on every topic"
    LATE_END = "end of a transaction delivered late"
    TRAINER = "trainer killed"
    TRAINER_ZOMBIE = "trainer stopped beyond its session, then woken"
    BY_HAND = "turn by hand"


LENGTHS: Final[Mapping[Kind, tuple[float, float]]] = {  # seconds, least and most; others: a moment
    Kind.ZOMBIE: (8.0, 11.0),  # a session is 6
    Kind.JOIN: (4.0, 12.0),
    Kind.SLOW: (2.0, 8.0),
    Kind.HOLD: (2.0, 9.0),
    Kind.REFUSE: (1.0, 6.0),
    Kind.FOREIGN: (3.0, 40.0),  # who restores waits for 30 at most
    Kind.LATE_END: (44.0, 55.0),  # at most; a client asks again after 40
    Kind.TRAINER_ZOMBIE: (8.0, 11.0),  # as above
}
OF_TRAINERS: Final = (Kind.TRAINER, Kind.TRAINER_ZOMBIE, Kind.BY_HAND)
AWAY: Final = (0.3, 1.5)  # seconds after its kill while the engine is surely not back
EARLY: Final = (Kind.ROLL, Kind.FROZEN)  # the first takes long, and traffic must flow all the while
EARLY_AT: Final = 5.0  # seconds: every partition has shown progress by then
CALM: Final = 1.5  # seconds at the beginning and the end without a new fault


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing that goes wrong."""

    at: float  # seconds since the first message
    kind: Kind
    target: int = 0  # which of those it can strike, modulo their number
    seconds: float = 0.0  # how long it lasts

    def __str__(self) -> str:
        lasting = f" for {self.seconds:.1f} s" if self.seconds else ""
        return f"{self.at:6.2f} s  {self.kind} (target {self.target}){lasting}"


def schedule(seed: int, seconds: float, counts: Mapping[Kind, int]) -> list[Fault]:
    """So many faults of each kind at random moments, in order.

    Some workers are killed while the engine is away: what they had folded, and perhaps kept,
    has not been written then.

    >>> [str(fault.kind) for fault in schedule(1, 20.0, {Kind.ENGINE: 1, Kind.WORKER: 2})]
    ['engine killed', 'worker killed', 'worker killed']
    """
    rng, other = Random(seed), Random(f"{seed} of trainers")
    faults: list[Fault] = []
    for kind in Kind:
        dice = other if kind in OF_TRAINERS else rng  # each seed's other faults stay as they are
        for number in range(counts.get(kind, 0)):
            length = round(dice.uniform(*LENGTHS[kind]), 2) if kind in LENGTHS else 0.0
            length = min(length, seconds - 2 * CALM)
            latest = max(CALM, seconds - CALM - length)
            at = round(dice.uniform(CALM, latest), 2)
            if kind in EARLY and number == 0:
                at = min(EARLY_AT, latest)
            faults.append(Fault(at, kind, dice.randrange(60), length))
    return sorted(_meanwhile(rng, faults, seconds))


def _meanwhile(rng: Random, faults: Sequence[Fault], seconds: float) -> list[Fault]:
    """As many worker kills as there are engine kills move into the engine's absence."""
    engines = [fault.at for fault in faults if fault.kind is Kind.ENGINE]
    workers = [fault for fault in faults if fault.kind is Kind.WORKER][: len(engines)]
    moved = [
        replace(worker, at=round(min(at + rng.uniform(*AWAY), seconds - CALM), 2))
        for worker, at in zip(workers, engines, strict=False)
    ]
    return [*(fault for fault in faults if fault not in workers), *moved]


def shrunk(
    faults: Sequence[Fault],
    fails: Callable[[Sequence[Fault]], bool],
    tries: int,
    say: Callable[[str], None] = lambda _: None,
) -> list[Fault]:
    """Fewer faults that still fail, after at most so many tries: halves go first, then single ones.

    >>> bad = Fault(3.0, Kind.ENGINE)
    >>> many = [Fault(float(n), Kind.WORKER) for n in range(7)] + [bad]
    >>> shrunk(many, lambda some: bad in some, tries=20) == [bad]
    True
    """
    left = list(faults)
    step = max(1, len(left) // 2)
    while tries > 0 and left:
        for without in _without(left, step):
            if tries == 0:
                break
            tries -= 1
            if fails(without):
                say(f"still fails with {len(without)} of {len(faults)} faults")
                left = without
                break
        else:
            if step == 1:
                break
            step = max(1, step // 2)
    return left


def _without(faults: Sequence[Fault], step: int) -> Iterator[list[Fault]]:
    """All but a run of `step` faults, for each such run."""
    for start in range(0, len(faults), step):
        yield [*faults[:start], *faults[start + step :]]
