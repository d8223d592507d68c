"""Journeys: the touches that count for orders."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Moments


@dataclass(frozen=True, slots=True)
class Journeys:
    """The touches that count for some orders, flat, newest last within each order.

    Shape `(t,)`, sorted by (order, at, kol_id, class).
    """

    order: NDArray[np.int64]  # which order: a number from 0, by its place in the question
    at: Moments
    kol: NDArray[np.int64]  # the memory's code of the name
    klass: NDArray[np.int64]  # `touches.TouchClass`

    def __len__(self) -> int:
        return len(self.at)


Lookup = Callable[[NDArray[np.int64], Moments], Journeys]  # of users, for orders at these times
