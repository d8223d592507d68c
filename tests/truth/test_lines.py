"""Lines are met by a product that is right, and each is missed by one that is wrong in its way.

What the product says is made up here from what is true: normal errors of its logarithm, of which
90 in 100 lie within 1.645 standard deviations.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from schemas.cells import DIMENSIONS
from tests.truth import lines
from tests.truth.invariance import Invariance
from tests.truth.lines import LINES, Line
from tests.truth.measure import LONG, Measured
from tests.truth.midnights import Midnights
from tests.truth.passage import Passed
from tests.truth.raw import FOR_AT, Counted, combined
from tests.worlds.trust import LONG as CARD

SD = 0.03  # of the logarithm of a score
ALL = np.ones(len(DIMENSIONS), np.bool_)
OF = {line.name: line for line in LINES}


@cache
def world() -> Counted:
    found = Counted(CARD)
    found.said[:] = 0
    found.said[0, :, :, FOR_AT] = 99  # nobody knows anything of anybody: .99 of all
    found.said[0, :, :, 1 - FOR_AT] = 1
    return found


def said() -> Midnights:
    """Right as far as it can be: errors that stay with a KOL."""
    of, seen = world(), Midnights.of(world())
    rng = np.random.default_rng(1)
    scores = [(f"trust_{d}", of.trust[..., at]) for at, d in enumerate(DIMENSIONS)]
    scores.append(("trust", combined(of.trust, np.broadcast_to(ALL, of.trust.shape))))
    for name, truth in [*scores, ("fast", scores[-1][1]), ("resonance", scores[-1][1])]:
        said = truth * np.exp(rng.normal(0, SD, truth.shape))
        seen.columns[name][:] = said
        seen.columns[f"{name}_lo"][:] = said * np.exp(-1.645 * SD)
        seen.columns[f"{name}_hi"][:] = said * np.exp(1.645 * SD)
    silent_d = np.maximum(np.arange(of.card.days) - of.card.days + of.card.silent_days + 1, 0)
    for d in DIMENSIONS:
        seen.columns[f"n_{d}"][:] = 40 * 2.0 ** (-silent_d[:, None] / 14)
    seen.columns["n_eff"][:] = 200
    seen.columns["active"][:] = seen["trust_lo"] >= 0.70
    return seen


def measured(change: Callable[[Midnights], None] = lambda _: None) -> Measured:
    """A product that is right, but for a change."""
    seen, unharmed = said(), said()
    change(seen)
    first = CARD.days - max(one.day_before_end for one in CARD.attacks)
    return Measured(LONG, Passed(world(), seen, unharmed, first, 8.0), Invariance(0, 0, 9), 3e5)


def test_a_product_that_is_right_misses_no_line() -> None:
    right = measured()

    assert [line.name for line in LINES if line.figure([right]).is_met is False] == []


def halved(seen: Midnights) -> None:
    """Intervals of the score, half as wide."""
    for end in ("_lo", "_hi"):
        seen.columns[f"trust{end}"][:] = np.sqrt(seen[f"trust{end}"] * seen["trust"])


def doubled(seen: Midnights) -> None:
    """Intervals of the score, twice as wide: they hold the truth too often."""
    for end in ("_lo", "_hi"):
        seen.columns[f"trust{end}"][:] = seen[f"trust{end}"] ** 2 / seen["trust"]


def blind_to_giants(seen: Midnights) -> None:
    """Intervals of one tier, half as wide."""
    giants = world().tier == 0
    for end in ("_lo", "_hi"):
        half = np.sqrt(seen[f"trust{end}"] * seen["trust"])
        seen.columns[f"trust{end}"][:, giants] = half[:, giants]


def flattering(seen: Midnights) -> None:
    """Everybody is said to be nearly perfect."""
    seen.columns["trust"][:] = 0.98


def open_to_all(seen: Midnights) -> None:
    """A gate that nobody is refused at."""
    seen.columns["active"][:] = 1


def shut(seen: Midnights) -> None:
    """A gate that nobody passes: no precision is proved."""
    seen.columns["active"][:] = 0


def unforgetting(seen: Midnights) -> None:
    """Judgements that stay."""
    for d in DIMENSIONS:
        seen.columns[f"n_{d}"][:] = 40


def without_audits(seen: Midnights) -> None:
    """Authenticity and integrity of which nothing is known."""
    for d in "AI":
        for name in (f"trust_{d}", f"trust_{d}_lo", f"trust_{d}_hi", f"n_{d}"):
            seen.columns[name][:] = np.nan


def swayed(seen: Midnights) -> None:
    """A point and a half less of whom ten accounts smear, eight judgements of whom they boost."""
    smeared, boosted = world().targets[:2]
    seen.columns["trust"][-8:, smeared] -= 0.015
    seen.columns["n_eff"][-8:, boosted] += 8


@pytest.mark.parametrize(
    ("fault", "missed"),
    [
        (halved, {"coverage of the score", "coverage of the score, koc"}),
        (doubled, {"coverage of the score", "coverage of the score, koc"}),
        (blind_to_giants, {"coverage of the score, head"}),
        (flattering, {"error of the score over the raw one"}),
        (open_to_all, {"gate: precision"}),
        (shut, {"gate: precision"}),
        (unforgetting, {"judgements after 60 silent days, expertise"}),
        (
            without_audits,
            {
                "judgements after 60 silent days, authenticity",
                "judgements after 60 silent days, integrity",
            },
        ),
        (
            swayed,
            {"1 000 events of 10 accounts of 3 d, known KOL", "the same of a new KOL, n_eff"},
        ),
    ],
)
def test_a_fault_is_seen_by_its_lines(fault: Callable[[Midnights], None], missed: set[str]) -> None:
    wrong = measured(fault)

    assert missed <= {line.name for line in LINES if line.figure([wrong]).is_met is False}


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("partitions, topics, flushes", {"invariance": Invariance(1e-11, 0, 9)}),
        ("partitions, topics, flushes", {"invariance": Invariance(0, 1, 9)}),
        ("cells the KOL side folds", {"cells": 199_999.0}),
    ],
)
def test_a_core_that_is_slow_or_minds_how_it_was_cut_misses(
    name: str, wrong: dict[str, float | Invariance]
) -> None:
    assert OF[name].figure([replace(measured(), **wrong)]).is_met is False  # type: ignore[arg-type]  # of two fields


def test_a_dear_message_misses() -> None:
    right = measured()
    dear = replace(right, passed=replace(right.passed, micros=15.1))

    assert OF["statistics, CPU of a message"].figure([dear]).is_met is False


def test_another_formula_misses_the_golden_example(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(lines.GOLDEN, "E", (24, 7))

    assert OF["trust of the golden example"].figure([]).is_met is False


def test_too_few_kol_days_are_no_proof() -> None:
    right = measured()
    few = replace(right, form=LONG._replace(warm_up=120))
    figure = OF["coverage of the score"].figure([few])

    assert figure.n < 5_000
    assert figure.is_met is False


def test_lines_have_names_of_their_own_and_say_where_their_target_is_from() -> None:
    assert len(OF) == len(LINES)
    assert all(line.source for line in LINES)


def test_several_worlds_are_judged_together() -> None:
    line: Line = OF["coverage of the score"]
    right, wrong = measured(), measured(halved)

    one, two = line.figure([right]), line.figure([right, wrong])

    assert two.n == 2 * one.n
    assert two.is_met is False


def test_a_lag_ends_when_the_interval_holds_the_truth_again() -> None:
    def late(seen: Midnights) -> None:
        for kol, day in enumerate(world().collapse_day.tolist()):
            seen.columns["trust_hi"][day : day + 9, kol] = 0.01

    figure = OF["lag after a fall, score"].figure([measured(late)])

    assert figure.reached.startswith("half in 9 d")
