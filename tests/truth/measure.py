"""What became of a world of trust beside what is true of it: coverage, errors, gates, attacks.

A *KOL-day* is a KOL at the midnight that ends a sampled day. KOLs are sampled in the steady part of
the world: those whose trust does not fall, who neither begin nor fall silent, and whom nobody
attacks. Standard errors are by KOL, since days of one KOL are no independent observations, and no
less than those of as many independent intervals.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np

from schemas.cells import DIMENSIONS
from schemas.columns import Mask
from streams.core.kol.gate import LEAST_N_OF_ONE
from tests.truth.invariance import Invariance
from tests.truth.passage import Passed
from tests.truth.raw import FOR_AT, combined
from tests.worlds.draws import Floats, Ints
from tests.worlds.trust import TIERS

EVERY_D: Final = 5  # days from one sampled to the next
NOMINAL: Final = 0.90  # of an interval
TRULY: Final = 0.70  # trust of who may pass the gate
YOUNG_DAYS: Final = (10, 30)  # days of the world in which some accounts are young


class Form(NamedTuple):
    """How a world is judged.

    Attributes:
        name: long or short.
        warm_up: days before the first sampled one.
        every: nights from one on which the trainer is asked to the next.
        least: KOL-days of a coverage.
        slack: standard errors that a share may miss its target by.
        judges_speed: whether CPU is judged, or printed only.

    """

    name: str
    warm_up: int
    every: int
    least: int
    slack: float
    judges_speed: bool


LONG: Final = Form("long", warm_up=60, every=1, least=5_000, slack=0.0, judges_speed=True)
SHORT: Final = Form("short", warm_up=40, every=8, least=0, slack=3.0, judges_speed=False)


class Share(NamedTuple):
    """A share of KOL-days, with its standard error; NaN where there are none."""

    share: float
    error: float
    n: int


@dataclass(frozen=True)
class Measured:
    """A world that has gone through the core, and what was measured beside.

    Attributes:
        form: how it is judged.
        passed: what was said, and what is true.
        invariance: of the same core, cut otherwise.
        cells: that the KOL side folds, a second.

    """

    form: Form
    passed: Passed
    invariance: Invariance
    cells: float

    @property
    def seed(self) -> int:
        """Of the world."""
        return self.passed.world.card.seed

    @cached_property
    def days(self) -> Ints:
        """The sampled days."""
        return np.arange(self.form.warm_up, self.passed.world.card.days, EVERY_D)

    @cached_property
    def score(self) -> Floats:
        """The true score by day and KOL, over the dimensions that the row has a source of."""
        return combined(self.passed.world.trust, self.passed.seen.dimensions)

    @cached_property
    def raw(self) -> Floats:
        """The score of plain shares, over the same dimensions."""
        shares = self.passed.world.shares
        return combined(shares, self.passed.seen.dimensions & ~np.isnan(shares))

    @cached_property
    def uniform(self) -> Floats:
        """The score of shares with one judgement more each way: Jøsang's Beta(1, 1)."""
        told = np.cumsum(self.passed.world.said, axis=0)
        shares = (told[..., FOR_AT] + 1) / (told.sum(axis=-1) + 2)
        return combined(shares, self.passed.seen.dimensions)

    def score_has(self, dimension: str) -> bool:
        """Whether any row has a source of a dimension."""
        return bool(self.passed.seen.dimensions[..., DIMENSIONS.index(dimension)].any())

    @cached_property
    def is_attacked(self) -> Mask:
        """Whom attacks are about."""
        found = np.zeros(self.passed.world.card.kols, np.bool_)
        found[list(self.passed.world.targets)] = True
        return found

    @cached_property
    def has_fallen(self) -> Mask:
        """Whose trust falls on some day."""
        world = self.passed.world
        found: Mask = world.collapse_day < world.card.days
        return found

    @cached_property
    def is_steady(self) -> Mask:
        """Whose trust and meetings stay as they are, but for drift."""
        world = self.passed.world
        return ~self.is_attacked & ~self.has_fallen & ~world.is_new & ~world.is_silent

    @cached_property
    def drifts(self) -> Mask:
        """Whose trust drifts."""
        world = self.passed.world
        found: Mask = world.tier == TIERS.index(world.card.drifting)
        return found

    def of_tier(self, tier: str) -> Mask:
        """The KOLs of a tier."""
        found: Mask = self.passed.world.tier == TIERS.index(tier)
        return found

    def sampled(self, kols: Mask, days: Ints | None = None) -> Mask:
        """The KOL-days of some KOLs of whom something is said; shape (days, kols)."""
        found = np.zeros(self.score.shape, np.bool_)
        found[self.days if days is None else days] = kols
        found &= ~np.isnan(self.passed.seen["trust"])
        return found

    @cached_property
    def young_share(self) -> Floats:
        """Of each KOL the share of what is said by accounts that were young on the first day."""
        return _quotient(self.passed.world.later_signs.sum(0), self.passed.world.signs.sum(0))

    @cached_property
    def is_young(self) -> Mask:
        """Who is judged by young accounts more than half of the steady KOLs are."""
        share = self.young_share
        known = self.is_steady & ~np.isnan(share)
        found: Mask = share > (np.median(share[known]) if known.any() else 1.0)
        return found

    @cached_property
    def early_days(self) -> Ints:
        """Days on which some accounts are younger than 30 days."""
        return np.arange(*YOUNG_DAYS, EVERY_D)


def share(hits: Sequence[tuple[Mask, Mask]]) -> Share:
    """The share of KOL-days with a property, over all worlds.

    Args:
        hits: of each world which KOL-days have it, and which ones count; shape (days, kols).

    """
    got = np.concatenate([(hit & counts).sum(axis=0) for hit, counts in hits])
    of = np.concatenate([counts.sum(axis=0) for _, counts in hits])
    n = int(of.sum())
    if not n:
        return Share(np.nan, np.nan, 0)
    found = float(got.sum() / n)
    by_kol = float(np.sqrt(((got - found * of) ** 2).sum()) / n)
    return Share(found, max(by_kol, float(np.sqrt(NOMINAL * (1 - NOMINAL) / n))), n)


def covered(worlds: Sequence[Measured], kols: Sequence[Mask], name: str = "trust") -> Share:
    """How often the interval of a score holds the truth, for some KOLs of each world."""
    hits = []
    for world, which in zip(worlds, kols, strict=True):
        truth = world.score
        if name.startswith("trust_"):
            truth = world.passed.world.trust[..., DIMENSIONS.index(name[-1])]
        interval = world.passed.seen.interval(name)
        counts = world.sampled(which) & ~np.isnan(interval.score)
        hits.append((interval.covers(truth), counts))
    return share(hits)


def covered_early(worlds: Sequence[Measured], kols: Sequence[Mask]) -> Share:
    """The same of the score, on the days on which accounts are young."""
    return share(
        [
            (
                one.passed.seen.interval("trust").covers(one.score),
                one.sampled(which, one.early_days),
            )
            for one, which in zip(worlds, kols, strict=True)
        ]
    )


class Errors(NamedTuple):
    """Root mean square errors, and the ratio of the first two with its standard error."""

    score: float
    raw: float
    uniform: float  # of Beta(1, 1)
    ratio: float
    error: float
    n: int  # KOL-days


def errors(worlds: Sequence[Measured]) -> Errors:
    """Errors of the score and of plain shares, of steady KOLs that do not drift.

    On KOL-days on which anything is known of plain shares.
    """
    squares, n = [], 0
    for one in worlds:
        where = one.sampled(one.is_steady & ~one.drifts) & ~np.isnan(one.raw)
        n += int(where.sum())
        said = (one.passed.seen["trust"], one.raw, one.uniform)
        each = [np.where(where, value - one.score, 0.0) ** 2 for value in said]
        squares.append(np.stack(each).sum(axis=1))
    by_kol = np.concatenate(squares, axis=1)  # (3, KOLs of all worlds)
    score, raw, uniform = by_kol.sum(axis=1).tolist()
    if not raw:
        return Errors(np.nan, np.nan, np.nan, np.nan, np.nan, n)
    ratio = np.sqrt(score / raw)
    left = by_kol[0] - score / raw * by_kol[1]  # of a ratio of sums, by KOL
    error = np.sqrt((left**2).sum()) / raw / (2 * ratio)
    score, raw, uniform = np.sqrt(np.array([score, raw, uniform]) / n).tolist()
    return Errors(score, raw, uniform, float(ratio), float(error), n)


def passing(worlds: Sequence[Measured], *, fallen: bool) -> tuple[Share, Share, float]:
    """Precision and recall of the gate, and how many of the KOLs are truly above it.

    Args:
        worlds: some.
        fallen: those whose trust falls count, too.

    """
    precise, recalled, truly = [], [], []
    for one in worlds:
        which = one.sampled(~one.is_attacked & (fallen | ~one.has_fallen))
        is_true, is_open = one.score >= TRULY, one.passed.seen["active"] == 1
        precise.append((is_true, which & is_open))
        recalled.append((is_open, which & is_true))
        truly.append((is_true, which))
    return share(precise), share(recalled), share(truly).share


def left_of_silent(one: Measured, dimension: str) -> Floats:
    """What part of a dimension's judgements is left of each KOL after the silent days.

    Of those who had as many as the gate asks for; empty where the dimension has no source.
    """
    world, n = one.passed.world, one.passed.seen[f"n_{dimension}"]
    before = n[world.card.days - world.card.silent_days - 1]
    judged = world.is_silent & (before >= LEAST_N_OF_ONE)
    found: Floats = (n[-1] / np.where(judged, before, np.nan))[judged]
    return found


def moved(one: Measured, attack: int, name: str) -> float:
    """The greatest difference that an attack makes to a column of its target, with its sign."""
    world = one.passed.world
    kol = world.targets[attack]
    since = slice(world.card.days - world.card.attacks[attack].day_before_end, None)
    difference = one.passed.seen[name][since, kol] - one.passed.unharmed[name][since, kol]
    return float(difference[np.nanargmax(np.abs(difference))])


def before_attack(one: Measured, attack: int, name: str) -> float:
    """What stands in a column of the target at the midnight before an attack."""
    world = one.passed.world
    day = world.card.days - world.card.attacks[attack].day_before_end - 1
    return float(one.passed.seen[name][day, world.targets[attack]])


def lags(worlds: Sequence[Measured], name: str = "trust") -> Floats:
    """Days from each fall of trust until an interval holds the truth; infinite: not in time."""
    found = []
    for one in worlds:
        world = one.passed.world
        interval = one.passed.seen.interval(name)
        holds = interval.covers(one.score)
        for kol in np.flatnonzero(one.has_fallen & ~one.is_attacked).tolist():
            after = holds[world.collapse_day[kol] :, kol]
            found.append(float(after.argmax()) if after.any() else np.inf)
    return np.array(found)


def _quotient(over: Floats, under: Floats) -> Floats:
    found: Floats = np.divide(over, under, out=np.full(over.shape, np.nan), where=under > 0)
    return found
