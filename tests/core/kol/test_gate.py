from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.kol.gate import gate, latched
from streams.core.kol.priors import TRUST
from streams.core.kol.trust import Scored, Trust

ONLY_EB = TRUST.has_source
ALL = np.ones(5)


def one(low: float, n_eff: float, *n: float) -> Trust:
    """The trust of one row, with its lower end, n_eff and judgements of E, A, I, B and O."""
    ends = np.array([low])
    zero = np.zeros((1, 5))
    parts = Scored(zero, zero, zero)
    return Trust(
        ends, ends, ends, parts=parts, n=np.array([n]), uncertainty=ends, n_eff=np.array([n_eff])
    )


@pytest.mark.parametrize(
    ("low", "n_eff", "n", "opens", "closes"),
    [
        (0.70, 30.0, (25, 0, 0, 5, 0), True, False),
        (0.6999, 30.0, (25, 0, 0, 5, 0), False, False),
        (0.70, 29.9, (25, 0, 0, 4.9, 0), False, False),
        (0.70, 31.0, (27, 0, 0, 4, 0), False, False),  # one dimension alone
        (0.60, 99.0, (50, 0, 0, 49, 0), False, False),
        (0.5999, 99.0, (50, 0, 0, 49, 0), False, True),
    ],
)
def test_the_gate_opens_and_closes_at_its_bounds(
    low: float, n_eff: float, n: tuple[float, ...], *, opens: bool, closes: bool
) -> None:
    found = gate(one(low, n_eff, *n), ONLY_EB)

    assert [mask.tolist() for mask in found] == [[opens], [closes]]


def test_a_dimension_without_a_source_opens_no_gate() -> None:
    judged = one(0.9, 60.0, 30, 30, 0, 0, 0)

    assert gate(judged, ONLY_EB)[0].tolist() == [False]
    assert gate(judged, ALL)[0].tolist() == [True]


@given(
    st.lists(st.lists(st.sampled_from("+-."), min_size=1, max_size=6), max_size=5),
    st.integers(0, 2**32).map(Random),
)
def test_between_its_bounds_a_gate_stays_as_it_was(groups: list[list[str]], luck: Random) -> None:
    before = [luck.random() < 0.5 for _ in groups]
    expected = []
    for moves, was_open in zip(groups, before, strict=True):
        is_open = was_open
        for move in moves:
            is_open = {"+": True, "-": False, ".": is_open}[move]
            expected.append(is_open)
    flat = np.array([move for moves in groups for move in moves], "U1")
    begin = np.cumsum([0, *map(len, groups)])[:-1].astype(np.intp)

    found = latched(flat == "+", flat == "-", begin, np.array(before, np.bool_))

    assert found.tolist() == expected
