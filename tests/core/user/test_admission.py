from collections import defaultdict

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import CLICKSTREAM, INTERACTIONS
from streams.core.moments import HORIZON_MS
from streams.core.user.admission import WEEKS_MS, Admission

Named = tuple[int, int]  # KOL, at

named = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from([0, 1, WEEKS_MS - 1, WEEKS_MS, 3 * WEEKS_MS])),
    max_size=12,
)
logs = st.lists(st.tuples(st.sampled_from([CLICKSTREAM, INTERACTIONS]), named), max_size=6)


def admits(admission: Admission, batch: list[Named], topic: str = CLICKSTREAM) -> list[bool]:
    kol, at = np.array(batch, np.int64).reshape(-1, 2).T
    if not batch:
        return []
    return [bool(one) for one in admission.admit(topic, kol.astype(np.int32), at)]


@given(logs, st.integers(0, 7))
def test_the_first_kols_of_each_topic_and_four_weeks_are_admitted(
    batches: list[tuple[str, list[Named]]], limit: int
) -> None:
    admission = Admission(slack=1000, limit=limit)
    known: dict[tuple[str, int], set[int]] = defaultdict(set)
    for topic, batch in batches:
        expected = []
        for kol, at in batch:
            kols = known[topic, at // WEEKS_MS]
            if len(kols) < limit:
                kols.add(kol)
            expected.append(kol in kols)

        assert admits(admission, batch, topic) == expected


@given(logs, named, st.integers(0, 3))
def test_a_restored_admission_goes_on(
    batches: list[tuple[str, list[Named]]], more: list[Named], limit: int
) -> None:
    admission, again = Admission(slack=1000, limit=limit), Admission(slack=1000, limit=limit)
    for topic, batch in batches:
        admits(admission, batch, topic)
    again.restore("x", admission.arrays("x"))

    assert admits(again, more) == admits(admission, more)


def test_four_weeks_are_forgotten_when_no_event_can_belong_to_them() -> None:
    admission = Admission(slack=0, limit=1)
    admits(admission, [(1, WEEKS_MS - 1), (1, WEEKS_MS)])
    admission.prune(WEEKS_MS + HORIZON_MS - 1)
    before = len(admission)
    admission.prune(WEEKS_MS + HORIZON_MS)

    assert [before, len(admission)] == [2, 1]
    assert admits(admission, [(2, WEEKS_MS), (1, WEEKS_MS)]) == [False, True]


def test_few_kols_are_kept() -> None:
    admission = Admission(slack=10, limit=1)
    admits(admission, [(1, 0)])
    admission.prune(9 * WEEKS_MS)

    assert len(admission) == 1


def test_kols_get_new_numbers_and_stay_admitted() -> None:
    admission = Admission(slack=0, limit=1)
    admits(admission, [(5, 0)])
    admission.renumber_names(np.arange(6) - 5)

    assert admission.names().tolist() == [0]
    assert admits(admission, [(5, 0), (0, 0)]) == [False, True]
