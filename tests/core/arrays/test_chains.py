from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.core.arrays.chains import LONG, Chains

owners = st.lists(st.integers(0, 9), max_size=30)


def rows_of(chains: Chains, *owner: int) -> Counter[tuple[int, int]]:
    """All pairs of an asker and a row."""
    asker, row = chains.pairs(np.array(owner, np.int64))
    return Counter(zip(asker.tolist(), row.tolist(), strict=True))


@given(st.lists(owners, max_size=5))
def test_a_list_holds_the_rows_of_its_owner(batches: list[list[int]]) -> None:
    chains, flat = Chains(), list[int]()
    for batch in batches:
        chains.link(np.array(batch, np.int64), np.arange(len(flat), len(flat) + len(batch)))
        flat += batch
    asked = [*range(12), 3]

    assert rows_of(chains, *asked) == Counter(
        (asker, row)
        for asker, owner in enumerate(asked)
        for row, of in enumerate(flat)
        if of == owner
    )
    assert chains.owns(np.array(asked)).tolist() == [owner in flat for owner in asked]


@given(st.lists(st.integers(0, LONG), min_size=1, max_size=5), st.integers(0, 2))
def test_a_list_however_long_is_found_whole(counts: list[int], neighbours: int) -> None:
    chains, flat = Chains(), list[int]()
    for count in counts:
        batch = [1] * count + [2] * neighbours
        chains.link(np.array(batch, np.int64), np.arange(len(flat), len(flat) + len(batch)))
        flat += batch

    assert rows_of(chains, 2, 1) == Counter((2 - of, row) for row, of in enumerate(flat))


def test_lists_begin_anew_with_other_rows() -> None:
    chains = Chains()
    chains.link(np.ones(LONG + 1, np.int64), np.arange(LONG + 1))
    chains.rebuild(np.array([2, 1]), np.array([0, 5]))

    assert rows_of(chains, 0, 1, 2) == Counter([(1, 5), (2, 0)])
