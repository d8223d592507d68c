"""The formats of a snapshot's arrays on the user side, and how an older one becomes the next.

Every change of what `snapshot.arrays_of` gives, or of what it means, is a new format. The function
appended to `CONVERSIONS` makes its arrays from those of the format before: a pure function that
knows names and dtypes of its own two formats and nothing of today's classes.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streams.core.arrays.arena import Arrays
from streams.core.moments import NEVER


def _with_erased_persons(arrays: Arrays) -> Arrays:
    """Format 2: nobody is erased, and nothing is known of what the inputs were read to."""
    order_hash, moved = arrays["orders.order.user_hash"], arrays["orders.moved.order"]
    keys = {f"{name}.{half}": np.uint64 for name in _NEW_KEYS for half in ("lo", "hi")}
    empty = {**keys, "forgotten.moment.offset": np.int64, "forgotten.moment.held": np.bool_}
    return {
        **{name: np.zeros(0, dtype) for name, dtype in empty.items()},
        **arrays,  # the younger snapshots of format 1 have `admission`
        "offsets": np.append(arrays["offsets"], 0),  # of `kol-erasures`
        "reached": np.full(3, NEVER),
        "orders.order.received": np.zeros(len(order_hash), np.int64),
        "orders.moved.user_hash": order_hash[moved],
        "tally.total": _padded(arrays["tally.total"]),
        "tally.told": _padded(arrays["tally.told"]),
    }


_NEW_KEYS: Final = ("admission", "forgotten.moment", "forgotten.user")
_DOOR_COUNTS: Final = 50  # in format 2


def _padded(counts: NDArray[Any]) -> NDArray[Any]:
    """Door counts of format 1: those that were appended begin with 0."""
    return np.pad(counts, (0, _DOOR_COUNTS - len(counts)))


CONVERSIONS: Final[tuple[Callable[[Arrays], Arrays], ...]] = (_with_erased_persons,)
