"""What is dropped, and when: rows that no accepted event can change, then unused users and names.

Everything expires behind the watermark, each part by its own rule (`expired`, `prune`). Dropping
is late and never shows in a row: rows are rewritten once they have doubled (`Compaction`).
"""

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.core.arrays.compaction import Compaction
from streams.core.arrays.names import Names
from streams.core.moments import HORIZON_MS, NEVER
from streams.core.user.state import SLACK, UserState


class Retention:
    """Drops what is not needed any more, and gives users and names that stay new codes."""

    def __init__(self, state: UserState, slack: int = SLACK) -> None:
        self._state: Final = state
        self._users, self._names, self._labels = (Compaction(slack) for _ in range(3))

    def prune(self, watermark: int | None) -> None:
        """Drop what no accepted event can change any more; cheap when there is little."""
        state = self._state
        for gate in state.gates.values():
            gate.prune()
        state.consents.prune()
        if watermark is None:
            return
        if state.observed_to != NEVER:  # behind it outcomes of orders are counted
            watermark = min(watermark, state.observed_to + HORIZON_MS)
        state.pruned_to = max(state.pruned_to, watermark)
        self._prune_journeys()
        for part in (
            *(state.cells, state.distinct, state.buyers),
            *(state.depth, state.allowances, state.share_reach, state.unfollowers),
            state.admission,
        ):
            part.prune(state.pruned_to)
        self._prune_users()
        self._prune_names()
        self._prune_labels()

    def _prune_journeys(self) -> None:
        """Drop touches and orders; before touches leave, orders keep those that count."""
        state, at = self._state, self._state.pruned_to
        is_due = state.touches.is_due()
        if is_due or state.orders.touches.is_due():
            state.orders.touches.freeze_until(at, state.lookup())
        if is_due:
            state.touches.prune(at, state.names.rank())
        state.orders.prune(at)

    def _prune_users(self) -> None:
        """Drop the users of whom nothing is remembered, when there are many."""
        state = self._state
        if not self._users.is_due(len(state.users)):
            return
        stays = np.zeros(len(state.users), np.bool_)
        for part in state.with_users:
            stays[part.users()] = True
        if self._users.is_worth(~stays):
            state.keep_users(stays)
        self._users.reset(len(state.users))

    def _prune_names(self) -> None:
        """Drop the names of which nothing is remembered, when there are many."""
        state = self._state
        if not self._names.is_due(len(state.names)):
            return
        parts = (*state.with_users, state.cells, state.admission)
        code = _compacted(state.names, (part.names() for part in parts), self._names)
        if code is not None:
            for part in parts:
                part.renumber_names(code)

    def _prune_labels(self) -> None:
        """Drop the labels that no order has, when there are many."""
        state = self._state
        if self._labels.is_due(len(state.labels)):
            code = _compacted(state.labels, [state.orders.labels()], self._labels)
            if code is not None:
                state.orders.renumber_labels(code)


def _compacted(
    names: Names, used: Iterable[NDArray[np.int64]], compaction: Compaction
) -> NDArray[np.int64] | None:
    """Drop the names that are not used; their new codes by the old ones, None where all stay."""
    stays = np.zeros(len(names), np.bool_)
    for codes in used:
        stays[codes] = True
    is_worth = compaction.is_worth(~stays)
    if is_worth:
        names.keep(stays)
    compaction.reset(len(names))
    return np.cumsum(stays) - 1 if is_worth else None
