"""Erasure of persons: orders go to NOBODY at once, all else once every event of them is read."""

import numpy as np

from schemas.erasures import Erasures
from schemas.topics import ERASURES
from streams.core.user.state import UserState


def fold_erasures(state: UserState, erasures: Erasures, next_offset: int) -> None:
    """Take in records of `kol-erasures`; the same ones again change nothing.

    From now on orders of these persons are written under NOBODY; what else is known of them
    goes with `erase`.
    """
    read_to = max(state.read_to.values())
    is_new = state.erased.add(erasures)
    if is_new.any():
        late = int(np.count_nonzero(erasures.at[is_new] < read_to))
        state.door_counts.add(ERASURES, "erasure_late", late)
        ended = state.erased.ended(erasures)
        user = state.users.find(ended.key[:, 0], ended.key[:, 1])
        known = user >= 0
        state.orders.anonymize(user[known], ended.until[known], ended.later[known])
        state.consents.erase(erasures.user, state.erased.last_moments(erasures.user))
    if next_offset > state.offsets[ERASURES]:
        state.door_counts.add(ERASURES, "erasure_unreadable", erasures.unreadable)
        state.offsets[ERASURES] = next_offset


def has_erasures_due(state: UserState) -> bool:
    """Whether `erase` has something to do."""
    return state.erased.is_due(min(state.read_to.values()))


def erase(state: UserState) -> bool:
    """Drop all that is known of erased persons whose every event is read.

    When that happens does not show in any row. O(memory) where there is anybody.

    Returns:
        Whether anybody was erased: former snapshots may know of them.

    """
    if not has_erasures_due(state):
        return False
    key = state.erased.collect_due(min(state.read_to.values()))
    user = state.users.find(key[:, 0], key[:, 1])
    is_dropped = np.zeros(len(state.users), np.bool_)
    is_dropped[user[user >= 0]] = True
    if is_dropped.any():
        state.orders.detach_users(is_dropped, state.lookup())
        for part in state.by_user:
            part.drop_users(is_dropped)
        state.keep_users(~is_dropped)
    return True
