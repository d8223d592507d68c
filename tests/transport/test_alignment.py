"""Which topic goes first while catching up, and that nobody waits for ever."""

from hypothesis import given
from hypothesis import strategies as st

from streams.transport.alignment import Alignment, Catchup, TopicHead, next_topic

HORIZON_MS = 7_200_000
HOUR_MS = 3_600_000


def at_hand(head: int, *, is_ready: bool = True) -> TopicHead:
    return TopicHead(head=head, is_ready=is_ready, has_more=True, newest=None)


def behind(newest: int | None) -> TopicHead:
    """Nothing at hand, but the broker has more."""
    return TopicHead(head=None, is_ready=True, has_more=True, newest=newest)


FINISHED = TopicHead(head=None, is_ready=True, has_more=False, newest=5)


def test_the_topic_with_the_oldest_next_record_goes_first() -> None:
    heads = {"clickstream": at_hand(30), "purchases": at_hand(10), "content": at_hand(20)}

    assert next_topic(heads, HORIZON_MS) == "purchases"


def test_equal_times_are_settled_by_name_so_that_two_runs_agree() -> None:
    assert next_topic({"b": at_hand(1), "a": at_hand(1)}, HORIZON_MS) == "a"


def test_a_topic_more_than_the_horizon_ahead_waits_for_one_that_has_more() -> None:
    heads = {"clickstream": at_hand(3 * HOUR_MS), "purchases": behind(newest=0)}

    assert next_topic(heads, HORIZON_MS) is None


def test_a_topic_within_the_horizon_does_not_wait() -> None:
    heads = {"clickstream": at_hand(2 * HOUR_MS), "purchases": behind(newest=0)}

    assert next_topic(heads, HORIZON_MS) == "clickstream"


def test_a_topic_at_its_end_holds_nobody() -> None:
    assert (
        next_topic({"clickstream": at_hand(9 * HOUR_MS), "purchases": FINISHED}, 1) == "clickstream"
    )


def test_a_topic_nobody_has_heard_of_is_waited_for() -> None:
    assert next_topic({"clickstream": at_hand(0), "purchases": behind(None)}, HORIZON_MS) is None


def test_records_that_may_not_be_taken_now_still_hold_the_others() -> None:
    heads = {"clickstream": at_hand(3 * HOUR_MS), "purchases": at_hand(0, is_ready=False)}

    assert next_topic(heads, HORIZON_MS) is None


def test_nothing_at_hand_is_nothing_to_read() -> None:
    assert next_topic({"clickstream": behind(1), "purchases": FINISHED}, HORIZON_MS) is None


def test_a_silent_topic_is_waited_for_only_so_long() -> None:
    heads = {"clickstream": at_hand(3 * HOUR_MS), "purchases": behind(0)}
    alignment = Alignment(HORIZON_MS, max_wait_s=5)
    chosen = [alignment.choose(0, heads, now) for now in (0.0, 4.9, 5.0, 5.1)]

    assert chosen == [None, None, "clickstream", "clickstream"]


def test_patience_is_fresh_once_the_silent_topic_has_spoken() -> None:
    heads = {"clickstream": at_hand(3 * HOUR_MS), "purchases": behind(0)}
    alignment = Alignment(HORIZON_MS, max_wait_s=5)
    alignment.choose(0, heads, 0.0)
    alignment.choose(0, {**heads, "purchases": at_hand(0)}, 1.0)

    assert alignment.choose(0, heads, 5.5) is None


def test_each_partition_has_its_own_patience() -> None:
    heads = {"clickstream": at_hand(3 * HOUR_MS), "purchases": behind(0)}
    alignment = Alignment(HORIZON_MS, max_wait_s=5)
    alignment.choose(0, heads, 0.0)

    assert alignment.choose(1, heads, 6.0) is None


def test_after_new_positions_the_waiting_begins_anew() -> None:
    heads = {"clickstream": at_hand(3 * HOUR_MS), "purchases": behind(0)}
    alignment = Alignment(HORIZON_MS, max_wait_s=5)
    alignment.choose(0, heads, 0.0)
    alignment.forget()

    assert alignment.choose(0, heads, 6.0) is None


heads = st.builds(
    TopicHead,
    head=st.none() | st.integers(0, 100),
    is_ready=st.booleans(),
    has_more=st.booleans(),
    newest=st.none() | st.integers(0, 100),
)


@given(st.dictionaries(st.sampled_from("abcd"), heads, min_size=1), st.integers(0, 50))
def test_what_is_read_is_at_hand_and_no_older_record_is(
    standing: dict[str, TopicHead], horizon: int
) -> None:
    topic = next_topic(standing, horizon)
    heads = [lane.head for lane in standing.values() if lane.is_ready and lane.head is not None]

    assert topic is None or standing[topic].head == min(heads)


@given(st.dictionaries(st.sampled_from("abcd"), heads, min_size=1), st.integers(0, 50))
def test_it_never_deadlocks(standing: dict[str, TopicHead], horizon: int) -> None:
    """Whatever may be taken is taken in the end, even if nothing else ever happens."""
    alignment = Alignment(horizon, max_wait_s=5)
    alignment.choose("p", standing, 0.0)
    may_take = any(lane.is_ready and lane.head is not None for lane in standing.values())

    assert (alignment.choose("p", standing, 5.0) is not None) == may_take


def test_inputs_stay_unread_until_what_goes_first_is_read_to_its_end() -> None:
    catchup = Catchup(max_wait_s=5.0)

    assert catchup.is_behind("p", 0, 30, now=0.0)
    assert catchup.is_behind("p", 29, 30, now=1.0)
    assert not catchup.is_behind("p", 30, 30, now=1.0)


def test_an_end_that_moves_on_for_ever_does_not_keep_inputs_unread() -> None:
    catchup = Catchup(max_wait_s=5.0)
    looks = [catchup.is_behind("p", at, at + 10, now=0.0) for at in range(40)]

    assert [at for at, waits in enumerate(looks) if not waits] == [10, 21, 32]


def test_what_goes_first_and_brings_nothing_keeps_inputs_unread_no_longer() -> None:
    catchup = Catchup(max_wait_s=5.0)
    steps = [(0, 0.0), (0, 4.9), (1, 4.9), (1, 9.8), (1, 9.9), (1, 20.0), (2, 20.0)]
    looks = [catchup.is_behind("p", at, 9, now) for at, now in steps]

    assert looks == [True, True, True, True, False, False, True]


def test_partitions_wait_for_their_own_and_begin_anew_with_their_positions() -> None:
    catchup = Catchup(max_wait_s=5.0)
    first = catchup.is_behind("p", 0, 9, 0.0), catchup.is_behind("q", 9, 9, 0.0)
    catchup.forget()

    assert (first, catchup.is_behind("p", 0, 20, 8.0)) == ((True, False), True)
