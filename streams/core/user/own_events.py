"""Events of a KOL's own account: who is the KOL earns nothing from, and says nothing about himself.

An event is the KOL's own if its user_id equals its kol_id, or is one of the accounts that
`kol-profile` gives for the KOL (`known_values`: by the numbered values that hold for the event).
It is no touch, no evidence and adds no depth; the plain counts of cells have it. It is decided by
keyed names, so also for a user_id whose former person was erased.
"""

from schemas.columns import Codes, Keys, Mask
from schemas.keyed_names import KeyedNames
from streams.core.arrays.names import Names


def own_events(names: Names, keyed: KeyedNames, kol: Codes, user_id: Keys) -> Mask:
    """Which events have the id of their KOL as their user_id, shape `(n,)`.

    Args:
        names: the KOLs.
        keyed: gives users their names.
        kol: codes of the events' KOLs.
        user_id: the names of the events' user_ids as sent, shape `(n, 2)`.

    """
    ours = names.as_users(keyed)[kol]
    own: Mask = (ours[:, 0] == user_id[:, 0]) & (ours[:, 1] == user_id[:, 1])
    return own
