"""Where the reading of a reference topic goes on, and when it begins anew."""

from dataclasses import replace

import pytest

from streams.trainer.dimensions.cursor import (
    ABSENT_MS,
    HOUR_MS,
    NOTED_MS,
    Cursor,
    Found,
    looked,
    reached,
)

DAY_MS = 24 * HOUR_MS
HERE = Found("id-1", "table-1", {0: 10, 1: 4})
READ = Cursor("content", "id-1", "table-1", 7, 7, {0: 10, 1: 4}, looked_at=1_000)


def test_a_topic_that_was_never_read_is_read_from_its_beginning() -> None:
    cursor = looked(Cursor("content"), HERE, 5_000, 9, DAY_MS)

    assert (cursor.reading, cursor.shown, cursor.offsets) == (9, 0, {0: 0, 1: 0})
    assert cursor.left(HERE) == 14


def test_what_goes_on_keeps_its_reading() -> None:
    cursor = looked(READ, replace(HERE, ends={0: 12, 1: 4}), 5_000, 9, DAY_MS)

    assert cursor == READ
    assert cursor.left(replace(HERE, ends={0: 12, 1: 4})) == 2


def test_a_topic_counts_as_looked_at_only_where_its_end_was_met() -> None:
    """A record that took a key back may lie in what is not read yet."""
    longer = replace(HERE, ends={0: 12, 1: 5})
    cursor = looked(READ, longer, 5_000, 9, DAY_MS)
    half = reached(cursor, {0: 12}, longer, 5_000)
    whole = reached(half, {1: 5}, longer, 5_000)
    later = looked(half, longer, 1_000 + DAY_MS - 2 * NOTED_MS, 10, DAY_MS)

    assert [one.looked_at for one in (cursor, half, whole)] == [1_000, 1_000, 5_000]
    assert later.reading == 10
    assert looked(READ, HERE, 5_000, 9, DAY_MS) == replace(READ, looked_at=5_000)


@pytest.mark.parametrize(
    "found",
    [
        replace(HERE, topic_id="id-2"),
        replace(HERE, table_id="table-2"),
        replace(HERE, ends={0: 9, 1: 4}),
        replace(HERE, ends={0: 10, 1: 4, 2: 0}),
    ],
    ids=["another topic", "another table", "it ends before what was read", "more partitions"],
)
def test_what_is_not_the_beginning_of_what_is_there_is_read_anew(found: Found) -> None:
    cursor = looked(READ, found, 5_000, 9, DAY_MS)

    assert cursor.reading == 9
    assert cursor.shown == 7
    assert cursor.offsets == dict.fromkeys(found.ends, 0)


def test_a_topic_is_read_anew_once_tombstones_may_have_gone_unread() -> None:
    in_time = looked(READ, HERE, 1_000 + DAY_MS - 2 * NOTED_MS - 1, 9, DAY_MS)
    too_late = looked(READ, HERE, 1_000 + DAY_MS - 2 * NOTED_MS, 9, DAY_MS)

    assert (in_time.reading, too_late.reading) == (7, 9)


def test_a_new_reading_is_shown_once_it_has_met_the_end() -> None:
    begun = looked(READ, replace(HERE, topic_id="id-2"), 5_000, 9, DAY_MS)
    half = reached(begun, {0: 10}, HERE, 5_000)
    whole = reached(half, {1: 4}, HERE, 5_000)

    assert (half.shown, whole.shown) == (7, 9)


def test_an_empty_topic_is_shown_at_once() -> None:
    empty = Found("id-2", "table-1", {0: 0})
    cursor = reached(looked(READ, empty, 5_000, 9, DAY_MS), {}, empty, 5_000)

    assert cursor.shown == 9


def test_a_topic_that_is_missing_for_a_moment_is_still_shown_and_one_that_is_gone_is_not() -> None:
    gone = Found("", "table-1")
    first = looked(READ, gone, 5_000, 9, DAY_MS)
    back = looked(first, HERE, 6_000, 10, DAY_MS)
    later = looked(first, gone, 5_000 + ABSENT_MS, 11, DAY_MS)

    assert (first.shown, first.absent_since) == (7, 5_000)
    assert back == replace(READ, looked_at=6_000)
    assert (later.topic_id, later.shown, later.offsets) == ("", 11, {})


def test_a_topic_that_comes_back_after_it_was_gone_is_read_from_its_beginning() -> None:
    gone = Found("", "table-1")
    first = looked(READ, gone, 5_000, 9, DAY_MS)
    later = looked(first, gone, 5_000 + ABSENT_MS, 11, DAY_MS)
    cursor = looked(later, HERE, 50_000, 12, DAY_MS)

    assert (cursor.reading, cursor.shown, cursor.absent_since) == (12, 11, None)


def test_a_look_without_news_is_noted_now_and_then() -> None:
    assert not replace(READ, looked_at=1_000 + NOTED_MS - 1).is_worth_noting(READ)
    assert replace(READ, looked_at=1_000 + NOTED_MS).is_worth_noting(READ)
    assert replace(READ, offsets={0: 11, 1: 4}).is_worth_noting(READ)
    assert READ.is_worth_noting(None)
