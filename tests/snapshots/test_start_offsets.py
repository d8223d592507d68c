"""Where reading begins: state decides; what would be lost is said, never skipped."""

import pytest

from streams.snapshots.start_offsets import (
    LogOffsets,
    OtherTopicError,
    RetentionGapError,
    ShorterTopicError,
    StartOffsets,
    StateMissingError,
    check_topic_names,
    committed_beyond,
    is_state_missing,
    start_offsets,
)

CLICKS, ORDERS = "clickstream", "purchases"


def log(oldest: int = 0, end: int = 100, committed: int | None = None) -> LogOffsets:
    return LogOffsets(oldest, end, committed)


def test_reading_goes_on_where_the_state_ends_whatever_the_group_committed() -> None:
    logs = {CLICKS: log(committed=90), ORDERS: log(committed=None)}

    found = start_offsets(0, {CLICKS: 40, ORDERS: 7}, logs)

    assert found == StartOffsets({CLICKS: 40, ORDERS: 7}, {})


def test_without_state_and_without_commits_everything_is_read() -> None:
    found = start_offsets(0, None, {CLICKS: log(oldest=5), ORDERS: log()})

    assert found.offsets == {CLICKS: 5, ORDERS: 0}


def test_without_state_but_with_commits_the_worker_stops_and_says_why() -> None:
    with pytest.raises(StateMissingError, match=r"partition 3: .*purchases at 9.*--from-empty"):
        start_offsets(3, None, {CLICKS: log(), ORDERS: log(committed=9)})


def test_a_missing_state_can_be_meant() -> None:
    logs = {CLICKS: log(oldest=2, committed=50)}

    assert is_state_missing(None, logs)
    assert start_offsets(0, None, logs, from_empty=True).offsets == {CLICKS: 2}


def test_from_empty_does_not_throw_a_state_away() -> None:
    assert start_offsets(0, {CLICKS: 40}, {CLICKS: log()}, from_empty=True).offsets == {CLICKS: 40}


def test_a_commit_at_zero_is_no_sign_of_a_former_life() -> None:
    assert not is_state_missing(None, {CLICKS: log(committed=0)})


def test_a_topic_the_state_does_not_know_begins_at_its_oldest_record() -> None:
    assert (
        start_offsets(0, {CLICKS: 40}, {CLICKS: log(), ORDERS: log(oldest=3)}).offsets[ORDERS] == 3
    )


def test_records_removed_before_they_were_read_stop_the_worker() -> None:
    with pytest.raises(RetentionGapError, match=r"partition 1: .*20 of clickstream") as caught:
        start_offsets(1, {CLICKS: 40, ORDERS: 5}, {CLICKS: log(oldest=60), ORDERS: log()})
    assert caught.value.missing == {CLICKS: 20}


def test_an_accepted_gap_is_counted() -> None:
    found = start_offsets(1, {CLICKS: 40}, {CLICKS: log(oldest=60)}, accept_gap=True)

    assert found == StartOffsets({CLICKS: 60}, {CLICKS: 20})


def test_the_oldest_offset_itself_is_no_gap() -> None:
    assert start_offsets(1, {CLICKS: 60}, {CLICKS: log(oldest=60)}).missing == {}


def test_a_topic_that_ends_before_the_state_does_is_another_topic() -> None:
    with pytest.raises(ShorterTopicError, match="read up to offset 40 but ends at 12"):
        start_offsets(1, {CLICKS: 40}, {CLICKS: log(end=12)}, accept_gap=True)


def test_only_where_the_group_stands_beyond_the_state_is_a_question() -> None:
    logs = {
        "behind": LogOffsets(0, 9, 4),
        "level": LogOffsets(0, 9, 5),
        "beyond": LogOffsets(0, 9, 7),
        "never": LogOffsets(0, 9, None),
    }

    assert committed_beyond(dict.fromkeys(logs, 5), logs) == {"beyond": (5, 7)}


@pytest.mark.parametrize("names", [{}, {ORDERS: "shop.orders"}])
def test_offsets_of_topics_with_the_same_names_fit(names: dict[str, str]) -> None:
    check_topic_names(0, names, dict(names))


@pytest.mark.parametrize(
    ("kept", "now", "what"),
    [
        ({}, {ORDERS: "b"}, "purchases is read from b, .* are those of purchases"),
        ({ORDERS: "a"}, {}, "purchases is read from purchases, .* are those of a"),
        ({ORDERS: "a"}, {ORDERS: "b"}, "purchases is read from b, .* are those of a"),
    ],
)
def test_offsets_of_a_topic_with_another_name_are_refused(
    kept: dict[str, str], now: dict[str, str], what: str
) -> None:
    with pytest.raises(OtherTopicError, match=what):
        check_topic_names(3, kept, now)
