"""What users allow: the newest record that holds, and nothing of who was erased."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.consents import HOLDS_AFTER_MS, Consents
from schemas.erasures import Erasures
from schemas.events import CLICKSTREAM, INPUTS
from schemas.reference_types import CONSENTS
from schemas.topics import ERASURES
from streams.core.moments import NEVER
from streams.core.user.allowed_users import AllowedUsers
from streams.core.user.memory import UserMemory
from tests.builders import HOUR, KEY, NOON, SECOND, copied

USERS = 3
ALL = (True, True, True)
GEO = (False, True, False)
NONE = (False, False, False)


@dataclass(frozen=True)
class Said:
    """One record: who, when it was appended, what is allowed."""

    user: int
    at: int
    allowed: tuple[bool, bool, bool]


def records(*said: Said) -> Consents:
    return Consents(
        keys([one.user for one in said]),
        np.array([one.at for one in said], np.int64),
        np.array([one.allowed for one in said], np.bool_).reshape(-1, 3),
        unreadable=0,
        misplaced=0,
    )


def keys(users: list[int]) -> np.ndarray:
    return np.array([(user, 7) for user in users], np.uint64).reshape(-1, 2)


def told(*said: Said, erased_to: int = NEVER) -> AllowedUsers:
    table = AllowedUsers(slack=0)
    table.add(records(*said), np.full(len(said), erased_to))
    return table


def allowed(table: AllowedUsers, user: int, at: int) -> tuple[bool, ...]:
    [found] = table.allowed(keys([user]), np.array([at])).tolist()
    return tuple(found)


def test_of_nobody_anything_is_known_to_be_allowed() -> None:
    assert allowed(told(), 1, NOON) == NONE


@pytest.mark.parametrize(
    ("after", "holds"), [(0, False), (HOLDS_AFTER_MS - 1, False), (HOLDS_AFTER_MS, True)]
)
def test_a_record_holds_a_while_after_it_was_appended(after: int, holds: bool) -> None:  # noqa: FBT001  # of a test
    table = told(Said(1, NOON, GEO))

    assert allowed(table, 1, NOON + after) == (GEO if holds else NONE)


def test_a_record_begins_anew_also_for_events_of_before_that_come_late() -> None:
    table = told(Said(1, NOON, ALL), Said(1, NOON + 60 * SECOND, GEO))

    assert allowed(table, 1, NOON + 30 * SECOND) == NONE
    assert allowed(table, 1, NOON + 90 * SECOND) == GEO


def test_what_an_erased_person_said_does_not_count_for_who_comes_later() -> None:
    table = told(Said(1, NOON, ALL), Said(2, NOON, ALL))
    table.erase(keys([1, 3]), np.array([NOON, NOON]))

    assert (allowed(table, 1, NOON + 60 * SECOND), allowed(table, 2, NOON + 60 * SECOND)) == (
        NONE,
        ALL,
    )
    assert len(table) == 1


def test_what_was_said_after_an_erasure_is_who_comes_later_s() -> None:
    table = told(Said(1, NOON, ALL))
    table.erase(keys([1]), np.array([NOON - 1]))

    assert allowed(table, 1, NOON + 60 * SECOND) == ALL


# ---------------------------------------------------------------- laws

said = st.builds(
    Said,
    st.integers(1, USERS),
    st.integers(0, 20).map(lambda seconds: NOON + seconds * SECOND),
    st.sampled_from([ALL, GEO, NONE]),
)
erasures = st.lists(
    st.tuples(st.integers(1, USERS), st.integers(0, 20).map(lambda s: NOON + s * SECOND)),
    max_size=3,
)


ASKED = [(user, NOON + s * SECOND) for user in range(1, USERS + 1) for s in range(0, 30, 3)]


def answers(table: AllowedUsers) -> dict[tuple[int, int], tuple[bool, ...]]:
    users, times = zip(*ASKED, strict=True)
    found = table.allowed(keys(list(users)), np.array(times))
    return dict(zip(ASKED, map(tuple, found.tolist()), strict=True))


def by_the_book(
    log: list[Said], erased: list[tuple[int, int]], user: int, at: int
) -> tuple[bool, bool, bool]:
    """The definition, record by record."""
    of_user = [one for one in log if one.user == user]
    if not of_user:
        return NONE
    newest = of_user[-1]
    is_erased = any(who == user and newest.at <= until for who, until in erased)
    return newest.allowed if newest.at + 5 * SECOND <= at and not is_erased else NONE


@given(
    st.lists(said, max_size=12).map(lambda log: sorted(log, key=lambda one: one.at)),
    erasures,
    st.data(),
)
def test_batches_restarts_erasures_and_compaction_in_any_order_end_alike(
    log: list[Said], erased: list[tuple[int, int]], data: st.DataObject
) -> None:
    table, known = AllowedUsers(slack=0), dict[int, int]()
    waiting, to_erase = list(log), list(erased)
    while waiting or to_erase:
        step = data.draw(st.sampled_from(["read", "erase", "restart", "prune", "compact"]))
        if step == "read" and waiting:
            count = data.draw(st.integers(1, len(waiting)))
            some, waiting = waiting[:count], waiting[count:]
            until = np.array([known.get(one.user, NEVER) for one in some], np.int64)
            table.add(records(*some), until)
        elif step == "erase" and to_erase:
            who, at = to_erase.pop(0)
            known[who] = max(at, known.get(who, NEVER))
            table.erase(keys([who]), np.array([at]))
        elif step == "compact":  # of what is not read yet
            last = {one.user: one for one in waiting}
            waiting = [one for one in waiting if last[one.user] is one]
        elif step == "restart":
            arrays = {name: array.copy() for name, array in table.arrays("c").items()}
            table = AllowedUsers(slack=0)
            table.restore("c", arrays)
        else:
            table.prune()
    assert answers(table) == {one: by_the_book(log, erased, *one) for one in ASKED}


# ---------------------------------------------------------------- in a memory


class Life:
    """A partition that is restored from snapshots and reads its topics on from there."""

    def __init__(self, log: list[Said], erased: list[tuple[int, int]]) -> None:
        self.log, self.erased = log, erased
        self.memory = UserMemory(0, hmac_key=KEY, slack=0)

    def restart(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.memory = UserMemory.restored(arrays, 0, hmac_key=KEY, slack=0)

    def read_consents(self, count: int) -> None:
        at = self.memory.offsets[CONSENTS]
        some = self.log[at : at + count]
        self.memory.fold_consents(records(*some), at + len(some))

    def read_erasures(self, count: int) -> None:
        at = self.memory.offsets[ERASURES]
        some = self.erased[at : at + count]
        found = Erasures(
            keys([who for who, _ in some]),
            np.array([until for _, until in some], np.int64),
            np.arange(at, at + len(some)),
            0,
        )
        self.memory.fold_erasures(found, at + len(some))

    def purge(self) -> None:
        for topic in INPUTS:
            self.memory.mark_read_to(topic, NOON + HOUR)
        self.memory.erase()


@given(
    st.lists(said, max_size=8).map(lambda log: sorted(log, key=lambda one: one.at)),
    erasures,
    st.data(),
)
def test_a_life_with_crashes_ends_as_one_that_reads_everything_at_once(
    log: list[Said], erased: list[tuple[int, int]], data: st.DataObject
) -> None:
    life = Life(log, erased)
    snapshot = copied(life.memory.arrays())
    for step in data.draw(
        st.lists(st.sampled_from(["consents", "erasures", "snapshot", "crash", "purge"]))
    ):
        if step == "snapshot":
            snapshot = copied(life.memory.arrays())
        elif step == "crash":
            life.restart(snapshot)
        elif step == "purge":
            life.purge()
        elif step == "consents":
            life.read_consents(data.draw(st.integers(1, 4)))
        else:
            life.read_erasures(1)
    life.read_erasures(len(erased))
    life.read_consents(len(log))

    found = answers(life.memory.state.consents)
    assert found == {one: by_the_book(log, erased, *one) for one in ASKED}
    assert life.memory.offsets[CONSENTS] == len(log)


def test_what_says_nothing_and_what_comes_late_is_counted_once() -> None:
    memory = UserMemory(0, hmac_key=KEY)
    memory.mark_read_to(CLICKSTREAM, NOON + HOLDS_AFTER_MS)
    heard = replace(records(Said(1, NOON, ALL), Said(2, NOON + 1, ALL)), unreadable=2, misplaced=3)
    memory.fold_consents(heard, 7)
    memory.fold_consents(heard, 7)
    counters = ("consent_late", "consent_unreadable", "consent_misplaced")

    assert [memory.door_counts[CONSENTS, one] for one in counters] == [1, 2, 3]
    assert memory.offsets[CONSENTS] == 7


def test_no_trace_stays_of_an_erased_person_whose_consent_is_read_afterwards() -> None:
    life = Life([Said(1, NOON, ALL), Said(2, NOON, ALL)], [(1, NOON + SECOND)])
    life.read_erasures(1)
    life.purge()
    life.read_consents(2)

    assert life.memory.arrays()["consents.lo"].tolist() == [2]


def test_who_allows_nothing_takes_no_room() -> None:
    table = told(Said(1, NOON, ALL), Said(2, NOON, NONE), Said(1, NOON, NONE), Said(3, NOON, GEO))
    table.prune()

    assert len(table) == 1
