"""The lines of `make truth`: what is wanted, where that is written, and what was reached.

A line without a verdict is reported: no target says how much it should be. Sections are those of
the design of the estimators.

Where a tier has few KOLs its share is uncertain by more than the 3 points that it may be off, so
a tier misses only where it is off by 1.645 of its standard errors more.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from schemas.cells import DIMENSION_NAMES, DIMENSIONS
from schemas.columns import Mask
from streams.core.kol.gate import LEAST_N_OF_ONE
from streams.core.kol.priors import TRUST_HALF_LIFE
from streams.core.kol.trust import OMEGA, Z, combined
from tests.truth import measure
from tests.truth.measure import NOMINAL, Measured, Share, covered
from tests.worlds.trust import ATTACKS, TIERS, TrustCard

GOLDEN: Final = {  # alpha and beta by dimension, and 100 times the score and its ends [§11.2]
    "E": (24, 6),
    "A": (18, 6),
    "I": (40, 4),
    "B": (9, 3),
    "O": (30, 10),
}
GOLDEN_SCORES: Final = (79.5627140, 73.7899452, 85.7871006)


@dataclass(frozen=True)
class Figure:
    """What was reached.

    Attributes:
        reached: in words, with its unit.
        n: of what it was measured on: KOL-days, KOLs, values.
        is_met: whether that is the target; None: there is none.

    """

    reached: str
    n: int
    is_met: bool | None


@dataclass(frozen=True)
class Line:
    """One target.

    Attributes:
        name: what is looked at.
        target: what is wanted, in words; empty: it is reported.
        source: where that is written.
        figure: what was reached in some worlds; of several all together.

    """

    name: str
    target: str
    source: str
    figure: Callable[[Sequence[Measured]], Figure]


def golden(_: Sequence[Measured]) -> Figure:
    """The published value."""
    alpha, beta = (np.array([[float(GOLDEN[d][i]) for d in DIMENSIONS]]) for i in (0, 1))
    whole, _parts = combined(alpha, beta, np.array([OMEGA[d] for d in DIMENSIONS]))
    found = [100 * float(one[0]) for one in (whole.score, whole.low, whole.high)]
    is_met = bool(np.allclose(found, GOLDEN_SCORES, rtol=0, atol=5e-8))
    return Figure(", ".join(f"{one:.7f}" for one in found), len(found), is_met)


def coverage(
    which: Callable[[Measured], Mask], within: float | None, name: str = "trust"
) -> Callable[[Sequence[Measured]], Figure]:
    """Whether a 90 % interval covers what is true so often; `within` is from .90."""

    def figure(worlds: Sequence[Measured]) -> Figure:
        found = covered(worlds, [which(one) for one in worlds], name)
        return _share(
            found, worlds, None if within is None else (NOMINAL - within, NOMINAL + within)
        )

    return figure


def early(is_young: bool) -> Callable[[Sequence[Measured]], Figure]:  # noqa: FBT001  # one of two
    """Coverage while accounts are young, of KOLs whom they judge more, or less, than others."""

    def figure(worlds: Sequence[Measured]) -> Figure:
        which = [one.is_steady & (one.is_young == is_young) for one in worlds]
        return _share(measure.covered_early(worlds, which), worlds, None)

    return figure


def error(worlds: Sequence[Measured]) -> Figure:
    """The error of the score beside that of plain shares."""
    found = measure.errors(worlds)
    beside = f"raw {_three(found.raw)}, Beta(1, 1) {_three(found.uniform)}"
    text = f"{found.ratio:.2f} (± {found.error:.2f}): {_three(found.score)}, {beside}"
    room = worlds[0].form.slack * _or_zero(found.error)
    return Figure(text, found.n, bool(found.ratio <= 0.45 + room))


def precision(worlds: Sequence[Measured]) -> Figure:
    """Whether who passes the gate is what it says."""
    found, _, truly = measure.passing(worlds, fallen=False)
    low = 0.90 - worlds[0].form.slack * _or_zero(found.error)
    text = f"{_percent(found)}; {truly:.0%} are truly above" if found.n else "nobody passes"
    return Figure(text, found.n, bool(found.share >= low))


def precision_of_all(worlds: Sequence[Measured]) -> Figure:
    """The same with those whose trust falls."""
    return _share(measure.passing(worlds, fallen=True)[0], worlds, None)


def recall(worlds: Sequence[Measured]) -> Figure:
    """How many of those who are truly above pass."""
    return _share(measure.passing(worlds, fallen=False)[1], worlds, None)


def silence(dimension: str) -> Callable[[Sequence[Measured]], Figure]:
    """What is left of judgements after the silent days."""

    def figure(worlds: Sequence[Measured]) -> Figure:
        left = np.concatenate([measure.left_of_silent(one, dimension) for one in worlds])
        has_source = all(one.score_has(dimension) for one in worlds)
        if not left.size:
            few = f"nobody had {LEAST_N_OF_ONE:.0f}" if has_source else "no source"
            return Figure(few, 0, None if has_source else False)
        text = f"{left.max():.1%} of the worst, {np.median(left):.1%} of half"
        return Figure(text, len(left), bool(left.max() <= 0.10))

    return figure


def attack(
    number: int, column: str, scale: float, most: float | None
) -> Callable[[Sequence[Measured]], Figure]:
    """How far an attack moves its target, beside a world without attacks."""

    def figure(worlds: Sequence[Measured]) -> Figure:
        moves = [scale * measure.moved(one, number, column) for one in worlds]
        known = min(measure.before_attack(one, number, "n_eff") for one in worlds)
        worst = max(moves, key=abs)
        text = f"{worst:+.3g}" + ("" if np.isnan(known) else f" (n_eff before: {known:.0f})")
        return Figure(text, len(worlds), None if most is None else abs(worst) < most)

    return figure


def lag(name: str) -> Callable[[Sequence[Measured]], Figure]:
    """How long an interval is wrong after trust fell."""

    def figure(worlds: Sequence[Measured]) -> Figure:
        found = measure.lags(worlds, name)
        if not found.size:
            return Figure("nobody fell", 0, None)
        half, most = (float(np.quantile(found, at, method="lower")) for at in (0.5, 0.9))
        never = int(np.isinf(found).sum())
        text = f"half {_lag(half)}, nine in ten {_lag(most)}"
        return Figure(f"{text}; {never} not in time" if never else text, len(found), None)

    return figure


def invariant(worlds: Sequence[Measured]) -> Figure:
    """Whether cuts show in a row."""
    relative = max(one.invariance.relative for one in worlds)
    differing = sum(one.invariance.differing for one in worlds)
    many = sum(one.invariance.compared for one in worlds)
    text = f"{relative:.1e}; {differing} integers differ"
    return Figure(text, many, relative <= 1e-12 and not differing)


def cells(worlds: Sequence[Measured]) -> Figure:
    """What the KOL side takes."""
    least = min(one.cells for one in worlds)
    return Figure(f"{least / 1e3:.0f} k/s", len(worlds), _judged(worlds, is_met=least >= 200_000))


def micros(worlds: Sequence[Measured]) -> Figure:
    """What a message costs both sides."""
    most = max(one.passed.micros for one in worlds)
    many = len(worlds)
    return Figure(f"{most:.1f} µs", many, _judged(worlds, is_met=most <= 15))


def steady(one: Measured) -> Mask:
    """Steady KOLs whose trust does not drift."""
    return one.is_steady & ~one.drifts


def _tier(tier: str) -> Callable[[Measured], Mask]:
    return lambda one: one.is_steady & one.of_tier(tier)


def _judged(worlds: Sequence[Measured], *, is_met: bool) -> bool | None:
    return is_met if worlds[0].form.judges_speed else None


def _share(found: Share, worlds: Sequence[Measured], band: tuple[float, float] | None) -> Figure:
    if band is None or not found.n:
        return Figure(_percent(found), found.n, None if band is None else False)
    form = worlds[0].form
    is_pooled = band[0] == _POOLED
    room = max(form.slack, 0.0 if is_pooled else Z) * found.error
    is_met = band[0] - room <= found.share <= band[1] + room
    return Figure(_percent(found), found.n, is_met and not (is_pooled and found.n < form.least))


def _percent(found: Share) -> str:
    return f"{found.share:.1%} (± {found.error:.1%})" if found.n else "nobody"


def _lag(days: float) -> str:
    return "not in time" if np.isinf(days) else f"in {days:.0f} d"


def _three(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


def _or_zero(value: float) -> float:
    return 0.0 if np.isnan(value) else value


_POOLED: Final = NOMINAL - 0.02
_DRIFTS: Final = TrustCard.drifting
_SYBIL: Final = "§11.4 Sybil cost"
_COVERAGE: Final = "§11.4 trust"
_OF_ATTACK: Final = {
    f"{one.kind} {one.on} {one.age_d}": number for number, one in enumerate(ATTACKS)
}

LINES: Final = (
    Line("trust of the golden example", "79.5627140, 73.7899452, 85.7871006", "§11.2", golden),
    Line("coverage of the score", "88 to 92 %, 5 000 KOL-days", _COVERAGE, coverage(steady, 0.02)),
    *(
        Line(
            f"coverage of the score, {tier}" + (" (drifts)" if tier == _DRIFTS else ""),
            "" if tier == _DRIFTS else "87 to 93 %, by 1.6 errors",
            _COVERAGE,
            coverage(_tier(tier), None if tier == _DRIFTS else 0.03),
        )
        for tier in TIERS
    ),
    *(
        Line(f"coverage of {name}", "", "§3", coverage(steady, None, f"trust_{d}"))
        for d, name in DIMENSION_NAMES.items()
    ),
    Line(
        "coverage, judged by young accounts",
        "",
        "§11.4 fairness",
        coverage(lambda one: steady(one) & one.is_young, None),
    ),
    Line(
        "coverage, judged by old accounts",
        "",
        "§11.4 fairness",
        coverage(lambda one: steady(one) & ~one.is_young, None),
    ),
    Line("coverage in days 10 to 29, by young", "", "§11.4 fairness", early(is_young=True)),
    Line("coverage in days 10 to 29, by old", "", "§11.4 fairness", early(is_young=False)),
    Line(
        "coverage, new KOLs",
        "",
        "§11.4 fairness",
        coverage(lambda one: one.passed.world.is_new & ~one.is_attacked, None),
    ),
    Line(
        "coverage, silent KOLs",
        "",
        "§0a.1",
        coverage(lambda one: one.passed.world.is_silent & ~one.drifts, None),
    ),
    Line("error of the score over the raw one", "at most .45", _COVERAGE, error),
    Line("gate: precision", "at least 90 %", "§11.4 trust gate", precision),
    Line("gate: precision, fallen KOLs, too", "", "§11.4 trust gate", precision_of_all),
    Line("gate: recall", "", "§11.4 trust gate", recall),
    *(
        Line(
            f"judgements after 60 silent days, {name}",
            "at most 10 %",
            "§11.4 trust gate",
            silence(d),
        )
        for d, name in DIMENSION_NAMES.items()
        if TRUST_HALF_LIFE[d] == TRUST_HALF_LIFE["E"]
    ),
    Line(
        "1 000 events of 10 accounts of 3 d, known KOL",
        "less than 1 point",
        _SYBIL,
        attack(_OF_ATTACK["smear known 3"], "trust", 100.0, 1.0),
    ),
    Line(
        "the same of a new KOL, n_eff",
        "less than 5",
        _SYBIL,
        attack(_OF_ATTACK["boost new 3"], "n_eff", 1.0, 5.0),
    ),
    Line(
        "the same by accounts of 30 d, points",
        "",
        _SYBIL,
        attack(_OF_ATTACK["smear known 30"], "trust", 100.0, None),
    ),
    *(
        Line(
            f"resonance, 2 000 accounts of {age} d that look away",
            "",
            "§11.4 resonance: .05",
            attack(_OF_ATTACK[f"shallow known {age}"], "resonance", 1.0, None),
        )
        for age in (1, 3)
    ),
    Line("lag after a fall, score", "", _COVERAGE, lag("trust")),
    Line("lag after a fall, fast line", "", _COVERAGE, lag("fast")),
    Line("partitions, topics, flushes", "at most 1e-12, 0 integers", "§11.4 invariance", invariant),
    Line("cells the KOL side folds", "at least 200 k/s", "issue 15", cells),
    Line("statistics, CPU of a message", "at most 15 µs", "§11.4 statistics CPU", micros),
)
