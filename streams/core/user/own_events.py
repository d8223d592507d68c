"""Events of a KOL's own account: who is the KOL earns nothing from, and says nothing about himself.

An event is the KOL's own if its user_id equals its kol_id. It is no touch, no evidence and adds
no depth; the plain counts of cells have it. It is decided by keyed names, so also for a user_id
whose former person was erased.
"""

import numpy as np

from schemas.columns import Codes, Keys, Mask
from schemas.keyed_names import KeyedNames
from streams.core.arrays.names import Names


def own_events(names: Names, keyed: KeyedNames, kol: Codes, user_id: Keys) -> Mask:
    """Which events are of the account of their KOL, shape `(n,)`.

    Args:
        names: the KOLs; every source of accounts of theirs is asked here.
        keyed: gives users their names.
        kol: codes of the events' KOLs.
        user_id: the names of the events' user_ids as sent, shape `(n, 2)`.

    """
    own: Mask = np.all(names.as_users(keyed)[kol] == user_id, axis=1)
    return own
