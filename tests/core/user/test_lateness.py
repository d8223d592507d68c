import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.core.moments import NEVER
from streams.core.user.lateness import greatest_before


@given(st.lists(st.integers(0, 50)), st.none() | st.integers(0, 50))
def test_the_greatest_time_before_each_event_is_that_of_a_loop(
    at: list[int], begun: int | None
) -> None:
    greatest = NEVER if begun is None else begun
    expected = []
    for moment in at:
        expected.append(greatest)
        greatest = max(greatest, moment)

    found = greatest_before(np.array(at, np.int64), expected[0] if expected else NEVER)

    assert found.tolist() == expected
