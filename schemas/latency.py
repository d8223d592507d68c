"""Latencies, counted in buckets so that the counts of all workers add up."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

# upper edges in seconds: 5 ms … 179 s, 25 % apart
LATENCY: Final = tuple(round(0.005 * 1.25**step, 6) for step in range(48))


def quantile_ms(counts: Sequence[int] | NDArray[np.int64], q: float) -> float | None:
    """The q-quantile in milliseconds, interpolated inside its bucket; None without events.

    >>> counts = [0] * 49
    >>> counts[3] = 10
    >>> 7.8 < quantile_ms(counts, 0.5) < 9.8
    True
    """
    total = np.cumsum(np.asarray(counts, np.float64))
    if not len(total) or total[-1] == 0:
        return None
    at = int(np.searchsorted(total, q * total[-1]))
    edges = [0.0, *(1000.0 * edge for edge in LATENCY), 1000.0 * LATENCY[-1]]
    before = total[at - 1] if at else 0.0
    inside = (q * total[-1] - before) / max(total[at] - before, 1e-12)
    return float(edges[at] + inside * (edges[min(at + 1, len(edges) - 1)] - edges[at]))
