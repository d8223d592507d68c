"""A filter of keys loses none of them, and lets nothing through but the like of them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from schemas.columns import Keys
from schemas.key_filter import KeyFilter

words = st.integers(0, 2**64 - 1) | st.sampled_from([0, 1, 1023, 1024, 1 << 20, 2**64 - 1])
pairs = st.lists(st.tuples(words, words), max_size=40)


def keys(given_: list[tuple[int, int]]) -> Keys:
    return np.array(given_, np.uint64).reshape(-1, 2)


@given(pairs, pairs)
def test_a_key_is_near_if_its_low_word_is_that_of_one_of_ours(
    ours: list[tuple[int, int]], others: list[tuple[int, int]]
) -> None:
    asked = [*ours, *others]
    low = {one for one, _ in ours}

    assert KeyFilter(keys(ours)).near(keys(asked)).tolist() == [one in low for one, _ in asked]


def test_of_many_at_random_none_is_lost_and_none_of_others_is_near() -> None:
    """2 000 of 64 bits meet one of 5 000 with a probability of 5e3 * 2e3 / 2**64 < 1e-12."""
    drawn = np.random.default_rng(1).integers(0, 2**64, (7_000, 2), np.uint64)
    found = KeyFilter(drawn[:5_000]).near(drawn)

    assert found[:5_000].all()
    assert not found[5_000:].any()
