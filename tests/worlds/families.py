"""How exposures make orders: three families of outcomes for the causal world.

`pushed` says what the exposures of users add, in the family's own unit; `chance` makes of it, and
of the log-odds or log-rate that each user has anyway, how probable an order is.
"""

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from tests.worlds.draws import Floats, Ints

MOST: Final = 0.9  # that one KOL convinces of those whom nobody else did, noisy-OR


class Family(Protocol):
    """A family; shapes are (users,), of strengths (users, kols)."""

    def pushed(self, users: Ints, strength: Floats) -> Floats:
        """What exposures of this strength add for these users."""
        ...

    def chance(self, own: Floats, pushed: Floats) -> Floats:
        """How probable an order is."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Logit:
    """Effects add up in log-odds."""

    effect: Floats

    def pushed(self, users: Ints, strength: Floats) -> Floats:  # noqa: ARG002  # as every family
        """Log-odds."""
        found: Floats = strength @ self.effect
        return found

    def chance(self, own: Floats, pushed: Floats) -> Floats:
        """sigma(own + pushed)."""
        return sigmoid(own + pushed)


@dataclass(frozen=True, slots=True, eq=False)
class NoisyOr:
    """Each KOL convinces some of those whom no other did; neighbours convince more together."""

    effect: Floats  # chances of convincing, before weights
    weight: Floats  # of each user
    synergy: float

    def pushed(self, users: Ints, strength: Floats) -> Floats:
        """The part that nobody convinces."""
        moved = np.minimum(self.effect * strength * self.weight[users, None], MOST)
        both = self.synergy * np.minimum(moved, np.roll(moved, 1, axis=1))
        found: Floats = ((1 - moved) * (1 - both)).prod(axis=1)
        return found

    def chance(self, own: Floats, pushed: Floats) -> Floats:
        """1 - (1 - sigma(own)) pushed."""
        return 1 - (1 - sigmoid(own)) * pushed


@dataclass(frozen=True, slots=True, eq=False)
class Hazard:
    """Effects raise the rate of a day, and fade."""

    effect: Floats  # of a day, as parts of the own rate
    left_d: Floats  # days that an effect has left, discounted; (users, kols)
    days: float  # in which somebody may order

    def pushed(self, users: Ints, strength: Floats) -> Floats:
        """Days at the own rate."""
        found: Floats = (strength * self.left_d[users]) @ self.effect
        return found

    def chance(self, own: Floats, pushed: Floats) -> Floats:
        """1 - exp(-exp(own) (days + pushed))."""
        found: Floats = -np.expm1(-np.exp(own) * (self.days + pushed))
        return found


def sigmoid(x: Floats) -> Floats:
    """A probability by its log-odds.

    >>> float(sigmoid(np.log(3.0)))
    0.75
    """
    found: Floats = 1 / (1 + np.exp(-x))
    return found
