"""Consents are taken in, and counted where they say nothing or come late."""

import numpy as np

from schemas.consents import HOLDS_AFTER_MS, Consents
from schemas.reference_types import CONSENTS
from streams.core.user.state import UserState


def fold_consents(state: UserState, consents: Consents, next_offset: int) -> None:
    """Take in records of `kol-consents`, in the order of the log.

    What erased persons allowed is not taken in: who comes later under their user_id begins anew.
    """
    if next_offset <= state.offsets[CONSENTS]:
        return
    state.offsets[CONSENTS] = next_offset
    state.consents.add(consents, state.erased.last_moments(consents.user))
    read_to = max(state.read_to.values())
    late = int(np.count_nonzero(consents.at + HOLDS_AFTER_MS <= read_to))
    state.door_counts.add(CONSENTS, "consent_late", late)
    state.door_counts.add(CONSENTS, "consent_unreadable", consents.unreadable)
    state.door_counts.add(CONSENTS, "consent_misplaced", consents.misplaced)
