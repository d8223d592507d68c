"""How a world is cut does not show, and where it would, that is seen."""

import numpy as np
import pytest

from tests.truth.invariance import CUTS, SMALL, Said, compared, invariance, said
from tests.truth.recorded import recorded
from tests.worlds.trust import Trust

CARD = SMALL.varied(kols=20, days=10, users=200, silent_days=3)


def test_no_cut_shows_in_a_bit() -> None:
    found = invariance(1, CARD)

    assert (found.relative, found.differing) == (0, 0)
    assert found.compared > 50_000


def test_rows_are_judged_by_several_numbers() -> None:
    world = Trust(CARD)
    _, integers, _ = said(world, CUTS[0], recorded(world))

    assert len(np.unique(integers.values[:, 1])) > 5  # numbers of populations


def test_another_world_differs() -> None:
    world, other = Trust(CARD), Trust(CARD.varied(seed=2))
    log = recorded(world)

    assert compared(said(world, CUTS[0], log), said(other, CUTS[0], log)).differing


def one(value: float, *, minute: int = 5) -> list[Said]:
    """A cell and a score."""
    key, at = np.array(["k1 5"]), np.array([minute])
    number = np.array([[value]])
    return [Said(key, at, number.astype(np.int64)), Said(key, at, number)]


def test_the_greatest_relative_difference_counts() -> None:
    assert compared(one(2.0), one(2.0 * (1 + 1e-9))).relative == pytest.approx(1e-9, rel=1e-4)


def test_an_integer_that_is_another_counts() -> None:
    assert compared(one(2.0), one(3.0)).differing == 1


def test_a_row_that_is_in_one_alone_counts() -> None:
    nothing = [Said(*(part[:0] for part in said)) for said in one(2.0)]
    cells, scores = one(2.0)

    assert compared([cells, scores], [nothing[0], scores]).differing == 1
