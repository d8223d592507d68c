import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.kol.decay import DAY
from streams.core.kol.ticks import SILENT_FOR, has_midnight, ticks

MIDNIGHT = 19_863 * DAY  # 2024-05-20 00:00 UTC in minutes

CELLS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 200 * DAY)), min_size=1, max_size=6, unique=True
)


def found(cells: list[tuple[int, int]], after: int, to: int) -> list[tuple[int, int]]:
    kol, minute = np.array(sorted(cells)).reshape(-1, 2).T
    whose, when = ticks(kol.astype(np.int32), minute, after, to)
    return list(zip(whose.tolist(), when.tolist(), strict=True))


def said(cells: list[tuple[int, int]], after: int, to: int) -> list[tuple[int, int]]:
    """The same by asking each midnight of each KOL."""
    return [
        (kol, at)
        for kol in sorted({kol for kol, _ in cells})
        for at in range(0, to + 1, DAY)
        if at > after
        and (kol, at) not in cells
        and any(who == kol and at - SILENT_FOR <= minute < at for who, minute in cells)
    ]


@given(CELLS, st.integers(-1, 200 * DAY), st.integers(0, 300 * DAY))
def test_who_had_a_cell_in_the_90_days_before_has_a_row_each_midnight(
    cells: list[tuple[int, int]], after: int, more: int
) -> None:
    to = after + more
    known = [(kol, minute) for kol, minute in cells if minute <= to]

    assert found(known, after, to) == said(known, after, to) if known else True


@given(CELLS, st.integers(-1, 200 * DAY), st.integers(0, 300 * DAY), st.integers(0, 300 * DAY))
def test_ticks_of_two_spans_are_those_of_both(
    cells: list[tuple[int, int]], after: int, one: int, two: int
) -> None:
    middle, to = after + one, after + one + two
    early = [(kol, minute) for kol, minute in cells if minute <= middle]
    all_ = [(kol, minute) for kol, minute in cells if minute <= to]
    parts = (found(early, after, middle) if early else []) + (
        found(all_, middle, to) if all_ else []
    )

    assert sorted(parts) == (found(all_, after, to) if all_ else [])


@pytest.mark.parametrize(
    ("after", "to", "is_there"),
    [
        (MIDNIGHT - 1, MIDNIGHT, True),
        (MIDNIGHT, MIDNIGHT + DAY - 1, False),
        (MIDNIGHT - 1, MIDNIGHT - 1, False),
        (-1, 5, True),
    ],
)
def test_a_midnight_is_the_first_minute_of_a_day(after: int, to: int, *, is_there: bool) -> None:
    assert has_midnight(after, to) is is_there
