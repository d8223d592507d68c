"""Journeys: the touches that count for orders."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Moments


@dataclass(frozen=True, slots=True)
class Journeys:
    """The touches that count for some orders, flat, the greatest `last` at the end of each order.

    Shape `(t,)`, sorted by (order, last, kol_id, class); `after` and `after_ms` `(orders,)`.
    """

    order: NDArray[np.int64]  # which order: a number from 0, by its place in the question
    begin: Moments  # the first moment of the touch
    last: Moments  # its last one that is not after the order
    kol: NDArray[np.int64]  # the memory's code of the name
    klass: NDArray[np.int64]  # `touches.TouchClass`
    after: NDArray[np.int64]  # touches that begin up to AHEAD_MS after an order without any other
    after_ms: NDArray[np.int64]  # how long after it the first of them begins, 0 without one

    def __len__(self) -> int:
        return len(self.order)


Lookup = Callable[[NDArray[np.int64], Moments], Journeys]  # of users, for orders at these times
