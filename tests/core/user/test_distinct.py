from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from schemas.cells import AT
from streams.core.moments import HORIZON_MS, MINUTE_MS
from streams.core.user.cells import Cells
from streams.core.user.distinct import DAY, HOUR, MONDAY, WEEK, Distinct, DistinctBuyers

FIELDS = ("users", "users_hour", "users_day", "users_week")
MIDNIGHT = 20_000 * DAY  # a Friday, 2024-10-04

Seen = tuple[int, int, int]  # user, name, minute

minutes = st.one_of(
    st.sampled_from([0, 1, 59, 60, 61, DAY - 1, DAY, DAY + 1, 4 * DAY, 5 * DAY, WEEK, WEEK + 7]),
    st.integers(0, 2 * WEEK),
).map(lambda minute: MIDNIGHT + minute)
kinds = st.sampled_from([Distinct, DistinctBuyers])
seen = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1), minutes), max_size=25)


class Counted:
    """Distinct users and the cells they are counted in."""

    def __init__(self, distinct: Distinct) -> None:
        self.distinct = distinct
        self.cells = Cells(slack=10**6)

    def add(self, batch: Sequence[Seen]) -> None:
        user, name, minute = np.array(batch, np.int64).reshape(-1, 3).T
        self.distinct.add(user, name, minute, self.cells.rows(name, minute), self.cells)

    def remove(self, batch: Sequence[Seen]) -> None:
        assert isinstance(self.distinct, DistinctBuyers)
        user, name, minute = np.array(batch, np.int64).reshape(-1, 3).T
        self.distinct.remove(user, name, minute, self.cells)

    def users(self) -> dict[tuple[str, int, int], int]:
        """Field, name, minute -> users, where there are any."""
        self.cells.rows(*map(np.array, ([9], [1])))  # a cell more, so that there is one
        names, minutes, fields = (self.cells._cell[column] for column in ("lo", "hi", "field"))
        return {
            (field, int(name), int(minute)): int(cell[AT[field]])
            for name, minute, cell in zip(names, minutes, fields, strict=True)
            for field in FIELDS
            if cell[AT[field]]
        }


def expected_users(log: Iterable[Seen]) -> dict[tuple[str, int, int], int]:
    """Say the definition again: each user's earliest minute of each bucket."""
    earliest: dict[tuple[str, int, int, int], int] = {}
    for user, name, minute in log:
        for field, bucket in zip(
            FIELDS, (minute, minute // HOUR, minute // DAY, (minute + MONDAY) // WEEK), strict=True
        ):
            key = (field, user, name, bucket)
            earliest[key] = min(minute, earliest.get(key, minute))
    return dict(Counter((f, name, minute) for (f, _, name, _), minute in earliest.items()))


@given(st.lists(seen, max_size=5))
def test_a_user_counts_once_in_the_earliest_minute_of_each_bucket(
    batches: list[list[Seen]],
) -> None:
    counted = Counted(Distinct(slack=1000))
    for batch in batches:
        counted.add(batch)

    assert counted.users() == expected_users(one for batch in batches for one in batch)


@given(st.lists(seen, max_size=5), st.data())
def test_buyers_that_are_taken_back_were_never_there(
    batches: list[list[Seen]], data: st.DataObject
) -> None:
    counted, left = Counted(DistinctBuyers(slack=1000)), list[Seen]()
    for batch in batches:
        counted.add(batch)
        left += batch
        removed = data.draw(st.lists(st.sampled_from(left), unique=True)) if left else []
        for one in removed:
            left.remove(one)
        counted.remove(removed)

        assert counted.users() == expected_users(left)


@given(seen, st.integers(0, 2 * WEEK), kinds, st.data())
def test_what_is_forgotten_can_not_change_any_more(
    log: list[Seen], until: int, kind: type[Distinct], data: st.DataObject
) -> None:
    counted = Counted(kind(slack=0))
    counted.add(log)
    horizon = MIDNIGHT + until
    counted.distinct.prune(horizon * MINUTE_MS + HORIZON_MS)
    is_open = minutes.filter(lambda minute: minute >= horizon)
    more = data.draw(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1), is_open), max_size=9))
    counted.add(more)
    left = log + more
    removed = [
        one
        for one in set(left)
        if kind is DistinctBuyers and one[2] >= horizon and left.count(one) == 1
    ]
    if removed:
        counted.remove(removed)

    assert counted.users() == expected_users(one for one in left if one not in removed)


@given(seen, seen, kinds)
def test_restored_memory_counts_on(
    first: list[Seen], more: list[Seen], kind: type[Distinct]
) -> None:
    counted, again = Counted(kind(slack=0)), Counted(kind(slack=0))
    counted.add(first)
    again.distinct.restore("x", counted.distinct.arrays("x"))
    again.cells.restore("x", counted.cells.arrays("x"))
    again.add(more)

    assert again.users() == expected_users(first + more)


def test_memory_of_buckets_that_are_over_is_small() -> None:
    counted = Counted(DistinctBuyers(slack=10))
    for minute in range(0, 3 * WEEK, 30):
        counted.add([(0, 0, MIDNIGHT + minute)])
        counted.distinct.prune((MIDNIGHT + minute) * MINUTE_MS)

    assert len(counted.distinct) < 60


def test_users_get_new_numbers_and_stay_counted() -> None:
    counted = Counted(DistinctBuyers(slack=0))
    counted.add([(7, 0, MIDNIGHT)])
    before = set(counted.distinct.users().tolist())
    counted.distinct.renumber_users(np.arange(8) - 7)
    counted.add([(0, 0, MIDNIGHT)])

    assert before == {7}
    assert set(counted.distinct.users().tolist()) == {0}
    assert counted.users() == {(field, 0, MIDNIGHT): 1 for field in FIELDS}


def test_a_week_begins_on_monday() -> None:
    counted = Counted(Distinct(slack=0))
    sunday = MIDNIGHT + 2 * DAY
    counted.add([(0, 0, sunday), (0, 0, sunday + DAY)])

    assert counted.users()["users_week", 0, sunday + DAY] == 1
