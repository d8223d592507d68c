"""The commit point is the end of the settled front, whatever comes in between."""

from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from streams.transport.deliveries import Deliveries

CLICKS = TP("clickstream", 0)


def test_the_commit_point_is_the_end_of_the_settled_front() -> None:
    deliveries = Deliveries()
    first, second, third = (deliveries.add(CLICKS, end) for end in (10, 25, 30))
    third.is_durable = True
    nothing_yet = deliveries.commit_point(CLICKS)
    first.is_durable = True
    a_part = deliveries.commit_point(CLICKS)
    second.is_durable = True

    assert (nothing_yet, a_part, deliveries.commit_point(CLICKS)) == (None, 10, 30)


def test_nothing_to_hand_out_still_moves_the_commit_point() -> None:
    deliveries = Deliveries()
    deliveries.skip(CLICKS, 7)

    assert deliveries.commit_point(CLICKS) == 7


def test_but_not_past_a_batch_that_is_not_settled() -> None:
    deliveries = Deliveries()
    deliveries.add(CLICKS, 5)
    deliveries.skip(CLICKS, 7)

    assert deliveries.commit_point(CLICKS) is None


def test_a_snapshot_settles_every_batch_that_it_reflects() -> None:
    deliveries = Deliveries()
    for end in (10, 20, 30):
        deliveries.add(CLICKS, end)
    deliveries.mark_durable(CLICKS, 20)

    assert deliveries.commit_point(CLICKS) == 20


def test_a_restored_snapshot_is_settled_without_a_delivery() -> None:
    deliveries = Deliveries()
    deliveries.mark_durable(CLICKS, 40)

    assert deliveries.commit_point(CLICKS) == 40
    assert list(deliveries) == [CLICKS]


def test_a_snapshot_inside_a_batch_settles_what_is_before_it() -> None:
    deliveries = Deliveries()
    deliveries.add(CLICKS, 10)
    deliveries.add(CLICKS, 20)
    deliveries.mark_durable(CLICKS, 15)

    assert deliveries.commit_point(CLICKS) == 10


def test_what_will_be_read_again_is_no_longer_waited_for() -> None:
    deliveries = Deliveries()
    kept, again = deliveries.add(CLICKS, 10), deliveries.add(CLICKS, 20)
    deliveries.restart({CLICKS: 10})
    kept.is_durable = again.is_durable = True

    assert deliveries.commit_point(CLICKS) == 10


def test_a_partition_that_was_lost_is_forgotten() -> None:
    deliveries = Deliveries()
    deliveries.add(CLICKS, 10).is_durable = True
    deliveries.forget([CLICKS])

    assert deliveries.commit_point(CLICKS) is None


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=20),
    st.lists(st.integers(0, 19), max_size=40),
)
def test_in_any_order_of_settling_the_point_is_the_settled_prefix(
    sizes: list[int], order: list[int]
) -> None:
    deliveries = Deliveries()
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    made = [deliveries.add(CLICKS, end) for end in ends]
    settled: set[int] = set()
    for index in order:
        if index < len(made):
            made[index].is_durable = True
            settled.add(index)
        prefix = 0
        while prefix in settled:
            prefix += 1

        assert deliveries.commit_point(CLICKS) == (ends[prefix - 1] if prefix else None)
