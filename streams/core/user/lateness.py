"""Too late is decided record by record, in the order of one topic partition's log.

An event is too late if its time is more than the lateness horizon below the greatest
accepted time of its own topic partition, as it stood before the event. That is a function
of the log alone, whatever else is read in between.
"""

import numpy as np

from schemas.columns import Moments


def greatest_before(at: Moments, greatest: int) -> Moments:
    """The greatest time before each event, if none of them is dropped, shape `(n,)`.

    Events that are too late never raise it; so it is exact unless a dropped duplicate
    has a later time than its original.
    """
    before = np.empty(len(at), np.int64)
    if len(at):
        before[0] = greatest
        np.maximum.accumulate(at[:-1], out=before[1:])
        np.maximum(before, greatest, out=before)
    return before
