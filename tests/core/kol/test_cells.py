import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from schemas.cells import AT, NAMES
from streams.core.kol.cells import SCORED, MergedCells

Sent = tuple[int, int, int, int, int]  # KOL, minute, source, version, user-days

NOON = 28_603_440  # minutes
SAID = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.integers(NOON, NOON + 3),
        st.integers(0, 2),
        st.integers(0, 9),
        st.integers(0, 10**12),
    ),
    max_size=20,
    unique_by=lambda sent: sent[:4],  # a version of a cell has one content
)


def merge(merged: MergedCells, sent: list[Sent]) -> tuple[set[tuple[int, int]], int]:
    """Take cells in; the KOLs and minutes that changed, and how many cells were newer."""
    kol, minute, source, version, days = np.array(sent, np.int64).reshape(-1, 5).T
    fields = np.zeros((len(sent), len(NAMES)), np.int64)
    fields[:, AT["users_day"]] = days
    fields[:, AT["views"]] = 1
    changed, newer = merged.merge(
        kol.astype(np.int32),
        minute,
        source.astype(np.uint16),
        version.astype(np.uint64),
        fields,
    )
    kols, minutes = merged.kol[changed], merged.minute[changed]
    return set(zip(kols.tolist(), minutes.tolist(), strict=True)), newer


def sums(merged: MergedCells) -> dict[tuple[int, int], int]:
    kol, minute = merged.kol, merged.minute
    values = merged.values(np.arange(len(kol)))
    days = values[:, SCORED.index("users_day")].tolist()
    return dict(zip(zip(kol.tolist(), minute.tolist(), strict=True), days, strict=True))


@given(SAID, st.integers(0, 20))
def test_of_each_cell_the_greatest_version_counts_and_sources_add_up(
    sent: list[Sent], cut: int
) -> None:
    merged = MergedCells()
    merge(merged, sent[:cut])
    merge(merged, sent[cut:])
    newest: dict[tuple[int, int, int], int] = {}
    for kol, minute, source, _, days in sorted(sent, key=lambda cell: cell[3]):
        newest[kol, minute, source] = days
    plain: dict[tuple[int, int], int] = {}
    for (kol, minute, _), days in newest.items():
        plain[kol, minute] = plain.get((kol, minute), 0) + days

    assert sums(merged) == plain
    assert merged.count == len(newest)


@given(SAID)
def test_what_is_restored_is_what_was_kept(sent: list[Sent]) -> None:
    merged, again = MergedCells(), MergedCells()
    merge(merged, sent)
    again.restore("cells", merged.arrays("cells"))

    assert sums(again) == sums(merged)
    assert merge(again, sent) == (set(), 0)


def test_only_rows_that_say_something_new_are_changed() -> None:
    merged = MergedCells()
    first = merge(merged, [(0, NOON, 0, 1, 5), (1, NOON, 0, 1, 5)])
    second = merge(merged, [(0, NOON, 0, 2, 6), (1, NOON, 0, 2, 5), (1, NOON, 0, 0, 9)])

    assert first == ({(0, NOON), (1, NOON)}, 2)
    assert second == ({(0, NOON)}, 2)


def test_a_cell_that_says_nothing_has_its_row() -> None:
    merged = MergedCells()

    assert merge(merged, [(0, NOON, 0, 0, 0)]) == ({(0, NOON)}, 1)


def test_forgotten_minutes_make_room_and_the_others_stay() -> None:
    merged = MergedCells(slack=0)
    merge(merged, [(0, NOON, 0, 1, 5), (0, NOON + 1, 0, 1, 6), (1, NOON + 1, 2, 1, 7)])
    merged.prune(NOON)

    assert sums(merged) == {(0, NOON + 1): 6, (1, NOON + 1): 7}
    assert merge(merged, [(1, NOON + 1, 0, 1, 1)]) == ({(1, NOON + 1)}, 1)
    assert sums(merged)[1, NOON + 1] == 8


def test_forgetting_waits_until_it_is_worth_it() -> None:
    merged = MergedCells(slack=3)
    for minute in range(4):
        merge(merged, [(0, NOON + minute, 0, 1, 5)])
        merged.prune(NOON + minute - 1)

    assert merged.count == 2  # of three, two were final; one came since
