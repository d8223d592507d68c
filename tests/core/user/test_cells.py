import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from schemas.cells import AT, NAMES
from streams.core.moments import HORIZON_MS, MINUTE_MS
from streams.core.user.cells import COUNTED_AS, Cells, is_final

adds = st.lists(
    st.tuples(
        st.integers(0, 2), st.integers(0, 3), st.integers(0, len(NAMES) - 1), st.integers(-9, 9)
    ),
    max_size=30,
)


def changed(cells: Cells) -> dict[tuple[int, int], list[int]]:
    columns = (column.tolist() for column in cells.collect_changed())
    return {(name, minute): fields for name, minute, fields in zip(*columns, strict=True)}


@given(st.lists(adds, max_size=4))
def test_a_cell_is_told_as_it_stands_whenever_it_changed(
    batches: list[list[tuple[int, int, int, int]]],
) -> None:
    cells, sums = Cells(slack=1000), dict[tuple[int, int], list[int]]()
    for batch in batches:
        name, minute, field, amount = np.array(batch, np.int64).reshape(-1, 4).T
        cells.add(cells.rows(name, minute), field, amount)
        for n, m, f, a in batch:
            sums.setdefault((n, m), [0] * len(NAMES))[f] += a
        touched = {(n, m) for n, m, _, _ in batch}

        assert changed(cells) == {key: sums[key] for key in touched}


def test_a_cell_is_forgotten_when_it_is_final_and_told() -> None:
    cells = Cells(slack=0)
    cells.add(cells.rows(np.array([1, 2]), np.array([10, 11])), AT["events"], 1)
    last = 11 * MINUTE_MS + HORIZON_MS  # minute 10 is final, minute 11 is not
    cells.prune(last)
    untold = len(cells)
    changed(cells)
    cells.prune(last)

    assert [untold, len(cells)] == [2, 1]


def test_a_cell_comes_back_empty_after_it_was_forgotten() -> None:
    cells = Cells(slack=0)
    cells.add(cells.rows(np.array([1]), np.array([10])), AT["events"], 1)
    changed(cells)
    cells.prune(10**9)
    cells.add(cells.rows(np.array([1]), np.array([10])), AT["likes"], 1)

    assert sum(changed(cells)[1, 10]) == 1


def test_restored_cells_go_on_and_tell_what_was_not_told() -> None:
    cells, again = Cells(slack=0), Cells(slack=0)
    cells.add(cells.rows(np.array([1]), np.array([10])), AT["events"], 3)
    again.restore("x", cells.arrays("x"))
    again.add(again.rows(np.array([1]), np.array([10])), AT["events"], 4)

    assert changed(again)[1, 10][AT["events"]] == 7


def test_a_minute_is_final_once_its_end_is_the_horizon_behind() -> None:
    end = 11 * MINUTE_MS + HORIZON_MS

    assert is_final(np.array([10]), end - 1).tolist() == [False]
    assert is_final(np.array([10]), end).tolist() == [True]


def test_every_kind_counts_in_a_field_that_exists() -> None:
    assert set(COUNTED_AS.values()) <= set(NAMES)
