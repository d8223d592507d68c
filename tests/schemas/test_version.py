from hypothesis import given
from hypothesis import strategies as st

from schemas.version import MARKS, ONE_EPOCH, epoch_and_life, version_of

MOST = (254, 2**24 - 1, 2**32 - 1)  # epoch, life and statements of a worker
numbers = st.tuples(*(st.integers(0, most) for most in MOST))


@given(numbers, numbers)
def test_versions_are_ordered_by_epoch_then_life_then_statement(
    one: tuple[int, int, int], other: tuple[int, int, int]
) -> None:
    assert (version_of(*one) < version_of(*other)) == (one < other)


def test_a_version_has_eight_bits_of_epoch_twenty_four_of_life_and_thirty_two_of_statement() -> (
    None
):
    assert version_of(3, 7, 2) == 3 << 56 | 7 << 32 | 2


def test_a_block_carries_epoch_and_life_as_one_number() -> None:
    assert epoch_and_life(3, 7) == 3 << 24 | 7


@given(numbers)
def test_a_version_shows_its_epoch(one: tuple[int, int, int]) -> None:
    assert version_of(*one) // ONE_EPOCH == one[0]


def test_a_mark_of_a_dead_letter_outranks_every_version_of_a_worker() -> None:
    assert version_of(*MOST) < MARKS < 2**64
