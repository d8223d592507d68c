"""Doors: the one outcome of each message, from one of two closed lists.

The door is decided when the message is read and never changes. Codes are appended, never
renumbered: snapshots hold them.
"""

from enum import IntEnum
from typing import Final


class Door(IntEnum):
    """The outcome of a readable event; every door but WRITTEN is a reason to drop it."""

    WRITTEN = 0  # accepted: what it says counts
    DUPLICATE = 1  # the same (topic, user_id, event_id) was read before
    DUPLICATE_ORDER = 2  # a `paid` of a (user, order_id) for which an earlier one stands
    TOO_LATE = 3  # more than the lateness horizon below its own topic partition's greatest time

    @property
    def label(self) -> str:
        """The name on metrics, rows and screens, e.g. `too_late`."""
        return self.name.lower()


class RejectReason(IntEnum):
    """Why a message is rejected; it goes to the dead letters with its bytes unchanged."""

    NOT_JSON = 0  # no JSON object, or not UTF-8
    INVALID = 1  # a field is missing, of the wrong type or out of range
    UNKNOWN_KIND = 2  # an event or kind we do not know; can be retried after an upgrade
    RESERVED_ID = 3  # a kol_id `organic` or beginning with `~`, however it is written
    TOO_LARGE = 4  # more bytes than `MAX_EVENT_BYTES`
    BAD_TIME = 5  # before the year 2000
    FROM_THE_FUTURE = 6  # more than 10 minutes after its own record time
    NULL_VALUE = 7  # a record without a value
    WRONG_PARTITION = 8  # the producer's partitioner is not murmur2 of user_id
    PLACEHOLDER_ID = 9  # behaviour of a user_id, or about a kol_id, that means nobody
    NULL_KEY = 10  # a reference record without a key: compaction could not keep it
    WRONG_KEY = 11  # the key of a reference record is not the one that its value says

    @property
    def label(self) -> str:
        """The name on metrics, rows and screens, e.g. `not_json`."""
        return self.name.lower()


OF_KEYS: Final = (RejectReason.NULL_KEY, RejectReason.WRONG_KEY)  # of reference records alone
OF_EVENTS: Final = tuple(reason for reason in RejectReason if reason not in OF_KEYS)
