"""How much of a table there is, by its parts, and what of it is new or may be gone."""

import pytest

from streams.trainer.coverage import Coverage, Part, Reach, coverage_of, is_more, may_be_less
from streams.trainer.generations import Version
from streams.trainer.report import Report

KEPT: Coverage = {"202601": Reach(5, 1), "202602": Reach(7, 2)}


@pytest.mark.parametrize(
    ("parts", "reach"),
    [
        ([Part("p", 1, 4, 1)], Reach(4, 1)),
        ([Part("p", 1, 4, 1), Part("p", 9, 9, 9)], Reach(9, 1)),  # numbers of other partitions
        ([Part("p", 1, 4, 6), Part("p", 5, 5, 6)], Reach(5, 6)),  # a mutation that is everywhere
        ([Part("p", 1, 4, 6), Part("p", 5, 5, 5)], Reach(5, 5)),  # one that is not yet
    ],
)
def test_a_partition_reaches_to_its_last_insert_and_to_the_mutation_that_all_have(
    parts: list[Part], reach: Reach
) -> None:
    assert coverage_of(reversed(parts), replicated=False) == {"p": reach}


def test_on_replicas_what_may_still_be_committed_below_others_is_not_reached() -> None:
    parts = [Part("p", 0, 2, 0), Part("p", 3, 3, 3), Part("p", 5, 5, 5), Part("p", 6, 6, 6)]

    assert coverage_of(parts, replicated=True) == {"p": Reach(3, 0)}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (KEPT, (False, set())),
        ({**KEPT, "202602": Reach(8, 2)}, (True, set())),
        ({**KEPT, "202603": Reach(9, 9)}, (True, set())),
        ({**KEPT, "202602": Reach(7, 8)}, (False, {"202602"})),
        ({"202601": Reach(5, 1)}, (False, {"202602"})),  # dropped, or too old
        ({**KEPT, "202602": Reach(6, 2)}, (False, {"202602"})),  # a number that is given out again
    ],
)
def test_what_is_new_and_what_may_be_gone_shows_in_two_numbers(
    found: Coverage, expected: tuple[bool, set[str]]
) -> None:
    assert (is_more(found, KEPT), may_be_less(found, KEPT)) == expected


def test_of_nothing_everything_is_new() -> None:
    assert is_more({"202601": Reach(0, 0)}, {})
    assert not is_more({}, {})


def test_a_later_holder_outranks_every_turn_of_an_earlier_one() -> None:
    assert Version(2, 0).number > Version(1, 2**40 - 1).number


def test_a_turn_is_complete_once_no_day_waits() -> None:
    assert Report(waiting=[]).is_complete
    assert not Report(waiting=["refund_1d"]).is_complete
