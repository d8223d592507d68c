"""Snapshots are regular, and never cost more than their share of a core."""

from hypothesis import given
from hypothesis import strategies as st

from streams.snapshots.pace import MAX_STRETCH, MIN_INTERVAL_S, SHARE, Pace

seconds = st.floats(0.0, MAX_STRETCH * MIN_INTERVAL_S * SHARE)


def test_the_partitions_of_a_worker_are_spread_over_the_interval() -> None:
    first = [Pace.spread(100.0, partition, 4).due_at for partition in range(4)]

    assert first == [101.25, 102.5, 103.75, 105.0]


def test_many_states_share_the_share() -> None:
    pace = Pace.spread(0.0, 0, 4, share=SHARE / 4)
    pace.record(0.0, 0.5)

    assert pace.due_at == 10.0


def test_a_snapshot_is_due_when_its_time_has_come() -> None:
    pace = Pace(due_at=5.0)

    assert [pace.is_due(now) for now in (4.9, 5.0)] == [False, True]


def test_quick_snapshots_come_at_the_least_interval() -> None:
    pace = Pace(due_at=0.0)
    pace.record(0.0, 0.1)

    assert pace.due_at == MIN_INTERVAL_S


def test_one_quick_snapshot_among_slow_ones_does_not_bring_the_interval_down_at_once() -> None:
    pace = Pace(due_at=0.0)
    pace.record(0.0, 8.0)
    pace.record(40.0, 0.0)

    assert pace.due_at == 60.0


def test_the_interval_stretches_only_so_far() -> None:
    """A measurement may be nonsense; what a crash must replay is bounded."""
    pace = Pace(due_at=0.0)
    pace.record(0.0, 1_000.0)

    assert pace.due_at == MAX_STRETCH * MIN_INTERVAL_S


def test_a_partition_at_rest_waits_until_the_last_snapshot_is_paid_off() -> None:
    pace = Pace(due_at=0.0)
    before = pace.is_affordable(0.0)
    pace.record(now=10.0, work_s=0.1)

    assert before
    assert [pace.is_affordable(now) for now in (10.4, 10.5)] == [False, True]
    assert not pace.is_due(10.5)


steps = st.lists(
    st.tuples(st.floats(0.0, 2.0), st.booleans(), seconds), min_size=1, max_size=200
)  # time that passes, whether partitions rest, what a snapshot costs now


@given(st.sampled_from([1, 2, 7, 16]), steps)
def test_all_states_of_a_worker_together_take_at_most_their_share(
    states: int, course: list[tuple[float, bool, float]]
) -> None:
    """On both sides, for one partition or for all; also where they rest all the time."""
    paces = [Pace.spread(0.0, state, states, share=SHARE / states) for state in range(states)]
    now, spent, last = 0.0, 0.0, [0.0] * states
    for passed, rests, cost in course:
        now += passed
        for state, pace in enumerate(paces):
            if pace.is_due(now) or (rests and pace.is_affordable(now)):
                last[state] = cost / states
                spent += last[state]
                pace.record(now, last[state])

    assert spent - sum(last) <= SHARE * now + 1e-6  # the last ones are paid off later


@given(st.lists(seconds, min_size=1, max_size=30))
def test_in_the_long_run_snapshots_take_at_most_their_share(costs: list[float]) -> None:
    pace = Pace(due_at=0.0)
    now = 0.0
    for cost in costs:
        now = max(now, pace.due_at)
        pace.record(now, cost)

    assert sum(costs) <= SHARE * pace.due_at + 1e-6
