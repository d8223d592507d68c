import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.core.chains import END, Chains

owners = st.lists(st.integers(0, 9), max_size=30)


def rows_of(chains: Chains, owner: int) -> list[int]:
    rows, row = [], chains.heads(np.array([owner]))
    while row[0] != END:
        rows.append(int(row[0]))
        row = chains.after(row)
    return rows


@given(st.lists(owners, max_size=5))
def test_a_list_holds_the_rows_of_its_owner_newest_first(batches: list[list[int]]) -> None:
    chains, flat = Chains(), list[int]()
    for batch in batches:
        chains.link(np.array(batch, np.int64), np.arange(len(flat), len(flat) + len(batch)))
        flat += batch

    for owner in range(12):
        expected = [row for row, of in enumerate(flat) if of == owner]
        assert rows_of(chains, owner) == expected[::-1]


def test_lists_begin_anew_with_other_rows() -> None:
    chains = Chains()
    chains.link(np.array([1, 1, 2]), np.array([0, 1, 2]))
    chains.rebuild(np.array([2, 1]), np.array([0, 5]))

    assert [rows_of(chains, owner) for owner in (0, 1, 2)] == [[], [5], [0]]
