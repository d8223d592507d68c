"""What is known of the brokers' answers."""

import numpy as np
import pytest

from streams.transport import TP
from streams.transport.positions import End, FetchResponses, Positions, ReadPosition
from streams.transport.records import Piece

CLICKS = TP("clickstream", 0)


def test_an_answer_is_no_older_than_the_one_before_it() -> None:
    """It may have lain about for long, but it was asked for after that one had been seen."""
    responses = FetchResponses()

    found = [
        responses.requested_at(CLICKS, seen_at) for seen_at in (1_000, 1_000, 1_100, 1_100, 16_000)
    ]

    assert found == [None, None, 1_000, 1_000, 1_100]


def test_what_was_known_of_an_assignment_does_not_count_for_the_next_one() -> None:
    responses = FetchResponses()
    for seen_at in (1_000, 1_100):
        responses.requested_at(CLICKS, seen_at)

    assert [responses.requested_at(CLICKS, seen_at) for seen_at in (None, 9_000, 9_100)] == [
        None,
        None,
        9_000,
    ]


@pytest.mark.parametrize(
    ("end", "appended", "at_end", "whole"),
    [
        (5, 5, True, True),
        (5, 7, True, False),  # a transaction is open
        (6, 6, False, False),
        (None, None, False, False),
    ],
)
def test_what_an_open_transaction_holds_back_is_not_read(
    end: int | None, appended: int | None, *, at_end: bool, whole: bool
) -> None:
    """All that is readable was handed out, and yet older events may come."""
    stands = ReadPosition(position=5, end=end, idle_s=60.0, high_watermark=appended)

    assert (stands.is_at_end, stands.is_at_high_watermark) == (at_end, whole)


def test_what_is_slow_to_read_is_behind_although_no_broker_has_answered_lately() -> None:
    none = np.zeros(0, np.int64)
    positions = Positions()
    positions.starts = {CLICKS: 5}
    positions.restart()
    before = positions.of(CLICKS, None).lag
    positions.read(CLICKS, Piece([], none, none, 5, 20, end=100, size=0))
    slow, heard = positions.of(CLICKS, None), positions.of(CLICKS, End(140, 140, 0))
    positions.forget(frozenset({0}))

    assert before is None
    assert (slow.lag, slow.is_at_end) == (80, False)
    assert heard.lag == 120
    assert positions.of(CLICKS, None).lag is None
