"""What an event says in few bits: two events with one identity should say the same.

A difference is counted and told, never acted upon: the first in the log stands. Hashes of 32
bits, so of four thousand million differences one is not seen.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Behaviour, Codes, Purchases
from schemas.events import Kind
from schemas.identity import user_key
from streams.core.arrays.probing import mix

UNKNOWN = 0  # of an event that was read before contents were remembered
_HALF = np.uint64(32)


def contents(facts: Behaviour | Purchases, shop: str) -> NDArray[np.uint32]:
    """What each event says: kind, time and KOL, or kind, time, order, cents and currency.

    A `paid` that names no currency is in `shop`, that of the shop.
    """
    first = facts.at.astype(np.uint64) ^ (facts.kind.astype(np.uint64) << _HALF)
    if isinstance(facts, Behaviour):
        second = _hashes(facts.kols, facts.kol)
    else:
        second = facts.order[:, 0] ^ facts.pay_cents.astype(np.uint64)
        currency = np.where(
            (facts.kind == Kind.PAID) & (facts.currency < 0), len(facts.currencies), facts.currency
        )
        second ^= _hashes([*facts.currencies, shop], currency) << _HALF
    return np.maximum((mix(first, second) >> _HALF).astype(np.uint32), 1)


def _hashes(names: Sequence[str], code: Codes) -> NDArray[np.uint64]:
    """A hash of each event's name, 0 where it is absent: a negative code."""
    return np.array([*map(_hash, names), 0], np.uint64)[np.maximum(code, -1)]


@lru_cache(maxsize=1 << 16)
def _hash(name: str) -> int:
    return user_key(name)[0]
