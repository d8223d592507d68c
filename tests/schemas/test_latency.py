from collections.abc import Sequence

import pytest

from schemas.latency import LATENCY, quantile_ms


@pytest.mark.parametrize("counts", [[], [0] * (len(LATENCY) + 1)])
def test_without_events_there_is_no_quantile(counts: Sequence[int]) -> None:
    assert quantile_ms(counts, 0.5) is None


def test_a_quantile_lies_inside_the_bucket_of_its_event() -> None:
    counts = [0] * (len(LATENCY) + 1)
    counts[1] = 1

    assert quantile_ms(counts, 0.5) == pytest.approx(500 * (LATENCY[0] + LATENCY[1]))
    assert quantile_ms(counts, 1.0) == 1000 * LATENCY[1]
