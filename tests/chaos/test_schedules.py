"""Schedules come from their seed, and shrink to what still fails."""

from collections import Counter
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from tests.chaos.__main__ import PHASES, SHORT, WANTED
from tests.chaos.faults import CALM, LENGTHS, Fault, Kind, schedule, shrunk

counts = st.dictionaries(st.sampled_from(Kind), st.integers(0, 5))


@given(st.integers(0, 2**32), st.floats(20, 200), counts)
def test_a_seed_gives_the_same_schedule_and_as_many_faults_as_asked_for(
    seed: int, seconds: float, wanted: dict[Kind, int]
) -> None:
    faults = schedule(seed, seconds, wanted)

    assert faults == schedule(seed, seconds, wanted)
    assert Counter(fault.kind for fault in faults) == Counter(wanted)


@given(st.integers(0, 2**32), st.floats(20, 200), counts)
def test_faults_come_in_order_and_end_before_the_traffic_does(
    seed: int, seconds: float, wanted: dict[Kind, int]
) -> None:
    faults = schedule(seed, seconds, wanted)

    assert faults == sorted(faults)
    for fault in faults:
        assert fault.at >= CALM
        assert fault.at + fault.seconds <= seconds - CALM + 0.02  # each is rounded
        assert (fault.seconds > 0) == (fault.kind in LENGTHS)


@given(st.integers(1, 40), st.data())
def test_what_fails_because_of_one_fault_shrinks_to_it(n: int, data: st.DataObject) -> None:
    faults = [Fault(float(at), Kind.WORKER) for at in range(n)]
    bad = data.draw(st.sampled_from(faults))

    assert shrunk(faults, lambda some: bad in some, tries=200) == [bad]


def test_shrinking_ends_after_so_many_tries_with_something_that_failed() -> None:
    faults = [Fault(float(at), Kind.WORKER) for at in range(16)]
    tried: list[list[Fault]] = []

    def fails(some: Sequence[Fault]) -> bool:
        tried.append(list(some))
        return {faults[0], faults[15]} <= set(some)

    left = shrunk(faults, fails, tries=7)

    assert len(tried) == 7
    assert {faults[0], faults[15]} <= set(left)


def test_what_never_fails_again_keeps_all_its_faults() -> None:
    faults = [Fault(float(at), Kind.WORKER) for at in range(5)]

    assert shrunk(faults, lambda _: False, tries=50) == faults


def test_the_phases_together_do_all_the_harm_they_have_to() -> None:
    harm = sum((Counter(phase.counts) for phase in PHASES), Counter[Kind]())

    assert all(harm[kind] >= wanted for kind, wanted in WANTED.items())
    assert {phase.workers + phase.extras for phase in PHASES} >= {1, 2, 3, 4}
    assert sum(phase.seconds for phase in PHASES) < 20 * 60  # starts and verdicts take as long
    assert SHORT.seconds < 20
