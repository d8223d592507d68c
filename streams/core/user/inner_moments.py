"""The moments of touches between their first and their last one.

Only an order in the same half hour asks for them, so they are kept no longer than an order of
that half hour can change. Most touches have none.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Mask, Moments
from streams.core.arrays.arena import Arena, Arrays
from streams.core.arrays.chains import Chains
from streams.core.arrays.index import RowNumbers

HALF_HOUR_MS: Final = 1_800_000
_BITS: Final = 21  # of a moment within its half hour


class InnerMoments:
    """Moments by the row of their touch; one may be there twice."""

    def __init__(self) -> None:
        self._moment = Arena(touch=np.int32, at=np.int64)
        self._of = Chains()

    def __len__(self) -> int:
        return len(self._moment)

    def add(self, touch: RowNumbers, at: Moments) -> None:
        """Keep moments that are neither the first nor the last of their touches."""
        first = self._moment.append(touch=touch, at=at)
        self._of.link(touch, first + np.arange(len(touch)))

    def last_until(self, touch: RowNumbers, until: Moments, begin: Moments) -> Moments:
        """The greatest moment of each touch not after `until`, or its `begin`.

        `until` lies in the half hour of the touch and is not before `begin`.
        """
        touches, number = np.unique(touch, return_inverse=True)
        of, row = self._of.pairs(touches)
        known = np.sort(_word(of, self._moment["at"][row]))
        asked = _word(number, until)
        place = np.searchsorted(known, asked, side="right") - 1
        nearest = np.append(known, -1)[place]  # -1: before all of them
        is_inner = nearest >> _BITS == number
        last: Moments = np.where(is_inner, until - (asked - nearest), begin)
        return last

    def keep(self, touches: Mask, is_open: Mask) -> None:
        """Drop the moments of touches that leave or are closed; the others get new rows."""
        stays = (touches & is_open)[self._moment["touch"]]
        self._moment.keep(stays)
        self._moment["touch"][:] = (np.cumsum(touches) - 1)[self._moment["touch"]]
        self._link()

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """What a snapshot holds, as views."""
        return self._moment.arrays(prefix)

    def restore(self, prefix: str, arrays: Arrays) -> None:
        """Take over what `arrays` gave, as copies."""
        self._moment.restore(prefix, arrays)
        self._link()

    def _link(self) -> None:
        self._of.rebuild(self._moment["touch"].astype(np.int64), np.arange(len(self._moment)))


def _word(number: NDArray[np.int64], at: Moments) -> NDArray[np.int64]:
    """Numbers and moments of one half hour each, as words in their order."""
    word: NDArray[np.int64] = (number << _BITS) | (at % HALF_HOUR_MS)
    return word
