import numpy as np
import pytest

from streams.core.arrays.arena import Floats
from streams.core.kol.cells import SCORED
from streams.core.kol.decay import DAY
from streams.core.kol.known_priors import Known, KnownPriors
from streams.core.kol.kol_sums import NO_MINUTE, KolRows, KolSums
from streams.core.kol.sums import Scores, scores

NOON = 28_603_440  # minutes
ONE = np.zeros(1, np.int32)
NOBODY = np.zeros(1, np.bool_)
AGAIN = np.ones(1, np.bool_)


def rows(*minutes: int, good: int = 1, is_cell: bool = True) -> KolRows:
    """Rows of one KOL: so many judgements for its expertise in each minute, or none."""
    values = np.zeros((len(minutes), len(SCORED)), np.int64)
    values[:, SCORED.index("for_E")] = good * is_cell
    return KolRows(
        np.zeros(len(minutes), np.int32),
        np.array(minutes, np.int64),
        values,
        np.full(len(minutes), is_cell),
    )


class Seen:
    """Keeps the sums that scores are made of."""

    def __init__(self) -> None:
        self.sums: list[Floats] = []

    def __call__(self, rows: KolRows, sums: Floats) -> tuple[Scores, Known]:
        self.sums.append(sums)
        known = KnownPriors().of_rows(["k"], rows.kol, rows.minute)
        return scores(sums, rows.minute, known.prior), known


def owner(*minutes: int) -> "np.ndarray[tuple[int], np.dtype[np.int32]]":
    return np.zeros(len(minutes), np.int32)


def add_open(kol_sums: KolSums, *minutes: int, again: bool = False) -> Floats:
    seen = Seen()
    kol_sums.add_open(rows(*minutes), AGAIN if again else NOBODY, seen)
    return seen.sums[0]


def add_final(kol_sums: KolSums, *minutes: int, is_cell: bool = True) -> Floats:
    seen = Seen()
    kol_sums.add_final(rows(*minutes, is_cell=is_cell), seen)
    return seen.sums[0]


@pytest.fixture
def kol_sums() -> KolSums:
    kol_sums = KolSums()
    kol_sums.extend_to(1)
    return kol_sums


def test_a_kol_never_seen_before_begins_with_its_first_minute(kol_sums: KolSums) -> None:
    assert kol_sums.rewound(ONE, np.array([NOON])).tolist() == [True]
    assert kol_sums.changed.tolist() == [NO_MINUTE]


def test_minutes_behind_the_last_written_one_are_added_to_it(kol_sums: KolSums) -> None:
    at_once = add_open(kol_sums, NOON, NOON + 1, NOON + 2, again=True)
    other = KolSums()
    other.extend_to(1)
    first = add_open(other, NOON, NOON + 1, again=True)

    assert other.rewound(ONE, np.array([NOON + 2])).tolist() == [False]
    assert np.array_equal(np.concatenate([first, add_open(other, NOON + 2)]), at_once)


def test_a_minute_written_before_rewinds_its_kol_to_the_final_ones(kol_sums: KolSums) -> None:
    at_once = add_open(kol_sums, NOON, NOON + 1, NOON + 2, again=True)
    add_final(kol_sums, NOON)

    assert kol_sums.rewound(ONE, np.array([NOON + 1])).tolist() == [True]
    assert np.array_equal(add_open(kol_sums, NOON + 1, NOON + 2, again=True), at_once[1:])


def test_what_became_final_behind_the_last_stated_minute_is_where_it_goes_on(
    kol_sums: KolSums,
) -> None:
    add_open(kol_sums, NOON, again=True)
    add_final(kol_sums, NOON, NOON + 1)

    assert kol_sums.rewound(ONE, np.array([NOON + 2])).tolist() == [False]


def test_changes_are_remembered_by_their_first_minute_until_they_are_stated(
    kol_sums: KolSums,
) -> None:
    kol_sums.mark_changed(owner(0, 0), np.array([NOON + 3, NOON + 1]))
    changed = kol_sums.changed.tolist()
    add_open(kol_sums, NOON + 1, again=True)

    assert changed == [NOON + 1]
    assert kol_sums.changed.tolist() == [NO_MINUTE]


def test_after_a_restore_the_open_minutes_are_added_again(kol_sums: KolSums) -> None:
    add_final(kol_sums, NOON)
    add_open(kol_sums, NOON + 1)
    again = KolSums()
    again.restore("kol_sums", kol_sums.arrays("kol_sums"))

    assert len(again) == 1
    assert again.rewound(ONE, np.array([NOON + 2])).tolist() == [True]


def test_a_kol_without_due_minutes_is_not_rewound(kol_sums: KolSums) -> None:
    kol_sums.extend_to(2)

    assert kol_sums.rewound(ONE, np.array([NOON])).tolist() == [True, False]


def test_only_cells_count_for_the_silence_after_which_sums_begin_anew(kol_sums: KolSums) -> None:
    add_final(kol_sums, NOON)
    add_final(kol_sums, NOON + 90 * DAY, is_cell=False)
    tick = kol_sums.seen.tolist()
    expired = kol_sums.expired(NOON + 364 * DAY)
    anew = add_final(kol_sums, NOON + 365 * DAY)

    assert tick == [NOON]
    assert expired.tolist() == [True]
    assert anew[0, 0] == add_final(_new(), NOON + 365 * DAY)[0, 0]


def _new() -> KolSums:
    kol_sums = KolSums()
    kol_sums.extend_to(1)
    return kol_sums
