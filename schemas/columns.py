"""A record batch before and after decoding: bytes, then columns.

Shapes: `(n,)` unless said otherwise; row i of every column is one event, in the order
of the log. Times are int64 milliseconds since the epoch, UTC; money is integer cents.
Names (KOLs, brands, ...) are codes into the batch's own list of distinct names; the memory that
folds the batch maps them to its own codes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from schemas.values import NULL, Values

Moments = NDArray[np.int64]
Codes = NDArray[np.int32]
Keys = NDArray[np.uint64]  # shape (n, 2): a 128-bit identity, low word first
Mask = NDArray[np.bool_]

NONE = -1  # the code of an absent name, and an absent count
PLACEHOLDER = -2  # the code of a name that means nobody
UNKNOWN_CENTS: Final = NULL  # an absent amount where 0 and below are amounts, too

_BEHAVIOUR: Final = (  # columns of `Behaviour`, one value an event
    *("offset", "at", "received_at", "identity", "user", "kind"),
    *(
        "kol",
        "dwell_ms",
        "visible_ms",
        "completion",
        "account_age_d",
        "shared",
        "live",
        "share_depth",
    ),
)


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """Fetched records of one topic partition, not yet decoded."""

    topic: str
    partition: int
    partitions: int  # how many the topic has
    first_offset: int
    next_offset: int  # where the next fetch begins: past holes, control and aborted records
    values: Sequence[bytes | None]
    offsets: NDArray[np.int64]
    received_at: Moments  # record time: the broker's append time
    keys: Sequence[bytes | None] = ()  # of topics whose keys are read, as many as values
    size: int = 0  # bytes of the values, where somebody has counted them: the transport does


@dataclass(frozen=True, slots=True)
class Facts:
    """The columns that events of every topic have."""

    topic: str
    partition: int
    next_offset: int
    offset: NDArray[np.int64]
    at: Moments
    received_at: Moments
    identity: Keys  # the keyed name of topic, user_id, event_id (`keyed_names`)
    user: Keys  # that of user_id
    kind: NDArray[np.uint8]  # `schemas.events.Kind`

    def __len__(self) -> int:
        return len(self.at)


@dataclass(frozen=True, slots=True)
class Behaviour(Facts):
    """Events of `clickstream` and `content-interactions`."""

    kols: Sequence[str]  # the distinct kol_ids of this batch
    kol: Codes  # into `kols`; NONE where the event names no KOL, PLACEHOLDER where nobody
    dwell_ms: NDArray[np.int64]  # NONE where absent
    visible_ms: NDArray[np.int64]  # NONE where absent
    completion: NDArray[np.float64]  # [0, 1], nan where absent
    account_age_d: NDArray[np.float64]  # days, nan where absent
    shared: Mask  # has a share_id
    live: Mask  # has a live_id
    share_depth: NDArray[np.int64]  # hops from the KOL to the share; 0 where absent

    def take(self, which: NDArray[np.int64]) -> "Behaviour":
        """Some of the events, by row."""
        if len(which) == len(self):
            return self
        return replace(self, **{name: getattr(self, name)[which] for name in _BEHAVIOUR})

    @classmethod
    def joined(cls, parts: Sequence["Behaviour"]) -> "Behaviour":
        """The events of batches of one topic, one after the other; `kol` has no names any more."""
        columns: dict[str, Any] = {
            name: np.concatenate([getattr(part, name) for part in parts]) for name in _BEHAVIOUR
        }
        return replace(parts[-1], kols=(), **columns)


@dataclass(frozen=True, slots=True)
class Purchases(Facts):
    """Events of `purchases`; of all but a `paid`, `order` is the one they concern."""

    order: Keys  # the keyed name of user_id, order (ref_order_id if given, else order_id)
    user_ids: Sequence[str]
    order_ids: Sequence[str]  # of the order the row is about, as `order`
    event_ids: Sequence[str]
    raw: Sequence[bytes]  # the message: a dropped purchase becomes a dead letter
    brands: Sequence[str]
    brand: Codes  # into `brands`, NONE where absent
    platforms: Sequence[str]
    platform: Codes
    channels: Sequence[str]
    channel: Codes
    currencies: Sequence[str]  # stripped, in upper case
    currency: Codes
    categories: Sequence[str]
    category: Codes
    price_tiers: Sequence[str]  # numbers as texts
    price_tier: Codes
    sizes: Sequence[str]  # numbers as texts
    size: Codes
    skus: Sequence[str]  # empty where absent
    coupon_ids: Sequence[str]  # empty where absent
    reasons: Sequence[str]  # empty where absent, at most `codec.MAX_REASON` characters
    qty: NDArray[np.float64]  # pieces or weight, nan where absent
    pay_cents: NDArray[np.int64]  # 0 for a cancel
    list_cents: NDArray[np.int64]  # 0 where absent
    discount_cents: NDArray[np.int64]  # 0 where absent
    margin_cents: NDArray[np.int64]  # UNKNOWN_CENTS where absent
    promo: Mask
    member: Mask
    placeholder_user: Mask  # the user_id means nobody


@dataclass(frozen=True, slots=True)
class Rejected:
    """One message that was rejected, with its reason."""

    topic: str
    partition: int
    offset: int
    received_at: int
    reason: str  # `RejectReason.label`; of a dropped purchase its `Door.label`
    error: str  # explains it to a person; never quotes the message
    raw: bytes | None


@dataclass(frozen=True, slots=True)
class Decoded:
    """One decoded record batch: every message is either a row of `facts` or rejected."""

    facts: Behaviour | Purchases
    rejected: Sequence[Rejected]
    details: Mapping[str, Values] | None = None  # of `event_details`, for each row of `facts`
