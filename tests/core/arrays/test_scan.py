import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.core.arrays.arena import Floats
from streams.core.arrays.scan import running

GROUPS = st.lists(st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=9), min_size=0, max_size=6)


def summed(groups: list[list[float]], start: list[float], factor: float = 1.0) -> Floats:
    parts = np.array([part for group in groups for part in group]).reshape(-1, 1)
    sizes = [len(group) for group in groups]
    begins = np.cumsum([0, *sizes])[:-1]
    return running(parts, np.full_like(parts, factor), begins, np.array(start).reshape(-1, 1))


@given(GROUPS, st.sampled_from([1.0, 0.5, 2.0**-64]))
def test_every_sum_is_that_of_a_plain_loop_to_the_last_bit(
    groups: list[list[float]], factor: float
) -> None:
    start = [float(place) for place in range(len(groups))]
    plain = []
    for total, group in zip(start, groups, strict=True):
        for part in group:
            total = factor * total + part  # noqa: PLW2901  # a running sum
            plain.append(total)

    assert summed(groups, start, factor).ravel().tolist() == plain


@given(st.lists(st.floats(-1e12, 1e12), min_size=2, max_size=9), st.data())
def test_a_sum_carried_on_has_the_bits_of_one_made_anew(
    parts: list[float], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(1, len(parts) - 1))
    before = summed([parts[:cut]], [0.0])
    after = summed([parts[cut:]], [float(before[-1, 0])])

    assert np.array_equal(np.concatenate([before, after]), summed([parts], [0.0]))


def test_a_small_group_is_not_lost_behind_a_great_one() -> None:
    assert summed([[1e300], [1e-9, 1e-9]], [0.0, 0.0]).ravel().tolist() == [1e300, 1e-9, 2e-9]
