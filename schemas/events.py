"""What people do: the three input topics, field by field.

One event is one JSON object in one message. A field without a default is required; any other
may be absent or null, and an empty optional string counts as absent. Fields that are not named
here are ignored. Labels with a short list of known values (`channel_type`, `arm`)
are kept as sent: an unknown label value never causes a rejection.
"""

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Annotated, Final

from msgspec import Meta, Struct

CLICKSTREAM: Final = "clickstream"
INTERACTIONS: Final = "content-interactions"
PURCHASES: Final = "purchases"
INPUTS: Final = (CLICKSTREAM, INTERACTIONS, PURCHASES)

MAX_EVENT_BYTES: Final = 256 << 10  # of one message; usual ones have some hundred bytes
MAX_DEPTH: Final = 256  # nested objects and lists: a limit of its own, not that of a parser's stack
MAX_ID: Final = 512  # characters
MAX_CENTS: Final = 10**12  # of one amount: sums of nine million of them fit an int64
YEAR_2000: Final = 946_684_800_000  # milliseconds; an earlier `ts` is in a wrong unit
FUTURE_MS: Final = 600_000  # 10 minutes: how far a clock may be ahead of the record time


class Kind(IntEnum):
    """Every event of every input topic; the wire name is the name in lower case.

    Codes are appended, never renumbered.
    """

    IMPRESSION = 0
    CLICK = 1
    SEARCH = 2
    PDP_VIEW = 3
    ADD_CART = 4
    CHECKOUT = 5
    COUPON_VIEW = 6
    SERVICE_PUSH = 7

    VIEW = 32
    LIKE = 33
    SAVE = 34
    COMMENT = 35
    DANMAKU = 36
    SHARE = 37
    FOLLOW = 38
    UNFOLLOW = 39
    SCREENSHOT = 40
    REVISIT = 41
    SEARCH_AFTER_VIEW = 42
    JOIN_PRIVATE = 43
    LEAVE_PRIVATE = 44
    QA_ATTEND = 45
    CO_CREATE = 46
    UGC_POST = 47
    REPORT = 48
    KOL_REPLY = 49
    MARK_HELPFUL = 50
    MARK_CORRECT = 51
    EXPERT_CORRECTION = 52

    PAID = 96
    REFUND = 97
    CANCEL = 98
    REFUND_REVERSED = 99

    @property
    def label(self) -> str:
        """The name on the wire, e.g. `add_cart`."""
        return self.name.lower()

    @property
    def topic(self) -> str:
        """The topic it is sent to."""
        return INPUTS[(self >= Kind.VIEW) + (self >= Kind.PAID)]


KINDS: Final[Mapping[str, Mapping[str, Kind]]] = MappingProxyType(
    {
        topic: MappingProxyType({kind.label: kind for kind in Kind if kind.topic == topic})
        for topic in INPUTS
    }
)


PRICED: Final = (Kind.PAID, Kind.REFUND, Kind.REFUND_REVERSED)  # kinds that need `pay_cents`


def about(text: str) -> Meta:
    """What a field means, as its schema and the tables of fields say it."""
    return Meta(description=text)


def _known(topic: str) -> Meta:
    return Meta(extra_json_schema={"enum": list(KINDS[topic])})


Id = Annotated[str, Meta(min_length=1, max_length=MAX_ID)]
Ref = Annotated[str, Meta(max_length=MAX_ID)]  # an id that may be empty: none
Label = Annotated[str, Meta(max_length=MAX_ID)]
Tag = Annotated[str, Meta(max_length=MAX_ID)] | int | float  # the producer's own scale or words
Cents = Annotated[int, Meta(ge=0, le=MAX_CENTS)]
Count = Annotated[int, Meta(ge=0, le=10**12)]
Share = Annotated[float, Meta(ge=0, le=1)]
Moment = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]

# Not `organic` (the part of an order nobody earned), not `~...` (names of our own cells), however
# they are written: `schemas.placeholders` compares folds, which a pattern cannot say.
UNRESERVED: Final = Meta(extra_json_schema={"pattern": "^(?!~|organic$)"})


class _Event(Struct, frozen=True, kw_only=True, gc=False):
    event_id: Annotated[
        Id,
        about("identity, with topic and user_id; the first event with it counts"),
    ]
    ts: Annotated[Moment, about("event time: milliseconds since the epoch, UTC")]
    user_id: Annotated[
        Id, about("the user, or the anonymous id before sign-in; key of the message")
    ]


class Clickstream(_Event, frozen=True, kw_only=True, gc=False):
    """A user did something in the shop; names the KOL whose content led there, if any."""

    anon_id: Annotated[Ref | None, about("the id before sign-in")] = None
    device_hash: Annotated[Ref | None, about("the device, hashed by the producer")] = None
    ip_hash: Annotated[Ref | None, about("the IP address, hashed by the producer")] = None
    session_id: Annotated[Ref | None, about("the visit")] = None
    platform: Annotated[Label | None, about("the platform, e.g. tmall")] = None
    channel_type: Annotated[Label | None, about("shelf, social, live, private")] = None
    kol_id: Annotated[
        Ref | None, UNRESERVED, about("the KOL whose content led there; a placeholder is none")
    ] = None
    content_id: Annotated[Ref | None, about("the content that led there")] = None
    share_id: Annotated[Ref | None, about("the share that was followed")] = None
    share_depth: Annotated[Count | None, about("hops from the KOL to this share")] = None
    event: Annotated[str, _known(CLICKSTREAM), about("what was done")]
    query: Annotated[str | None, about("the search query")] = None
    first_screen: Annotated[bool | None, about("was on the first screen of results")] = None
    brand_id: Annotated[Ref | None, about("the brand of the product")] = None
    category: Annotated[Label | None, about("of the product")] = None
    price_tier: Annotated[Tag | None, about("of the product")] = None
    baby_stage: Annotated[Tag | None, about("of the user's child")] = None
    geo: Annotated[Tag | None, about("region or city of the user")] = None
    age_band: Annotated[Tag | None, about("age of the user, as a range")] = None
    exp_id: Annotated[Ref | None, about("the experiment")] = None
    arm: Annotated[Label | None, about("the arm of the experiment: treat, holdout")] = None
    visible_ms: Annotated[
        Count | None, about("how long an impression was visible, milliseconds")
    ] = None
    slot_id: Annotated[Tag | None, about("the slot on the page")] = None
    reco_id: Annotated[Ref | None, about("the recommendation")] = None
    reco_version: Annotated[Tag | None, about("version of the recommender")] = None


class Interaction(_Event, frozen=True, kw_only=True, gc=False):
    """A user reacted to a KOL's content. A `kol_reply` has its addressee's user_id."""

    kol_id: Annotated[Id, UNRESERVED, about("the KOL whose content it is")]
    content_id: Annotated[Ref | None, about("the content")] = None
    event: Annotated[str, _known(INTERACTIONS), about("what was done")]
    dwell_ms: Annotated[Count | None, about("how long it was viewed, milliseconds")] = None
    completion: Annotated[Share | None, about("the part of it that was viewed")] = None
    text: Annotated[str | None, about("the text of a comment")] = None
    share_id: Annotated[Ref | None, about("the share made or followed")] = None
    parent_share_id: Annotated[Ref | None, about("the share this one re-shares")] = None
    share_depth: Annotated[Count | None, about("hops from the KOL to this share")] = None
    root_kol_id: Annotated[Ref | None, about("the KOL where the chain began")] = None
    chain: Annotated[
        Annotated[tuple[Ref, ...], Meta(max_length=5)] | None, about("the shares before this one")
    ] = None
    reply_to: Annotated[Ref | None, about("the event that is answered")] = None
    live_id: Annotated[Ref | None, about("the live room")] = None
    viewers: Annotated[Count | None, about("viewers in the live room at that moment")] = None
    account_age_d: Annotated[
        Annotated[float, Meta(ge=0)] | None, about("age of the user's account in days")
    ] = None
    device_hash: Annotated[Ref | None, about("the device, hashed by the producer")] = None
    ip_hash: Annotated[Ref | None, about("the IP address, hashed by the producer")] = None


class Purchase(_Event, frozen=True, kw_only=True, gc=False):
    """An order was paid, refunded or cancelled; the event does not say which KOL earned it.

    One `paid` per order, `pay_cents` its total. A `refund` gives `pay_cents` back, a `cancel`
    all of it, and `refund_reversed` takes refunds back that failed; they concern `ref_order_id`
    if given, else `order_id`. Amounts are in the smallest unit of their currency.
    """

    order_id: Annotated[Id, about("the order, unique for its user")]
    kind: Annotated[str, _known(PURCHASES), about("what happened to the order")]
    brand_id: Annotated[Ref | None, about("the brand of the product")] = None
    sku: Annotated[Ref | None, about("the product")] = None
    category: Annotated[Label | None, about("of the product")] = None
    price_tier: Annotated[Tag | None, about("of the product")] = None
    qty: Annotated[float | None, about("pieces, or weight of loose goods")] = None
    pay_cents: Annotated[
        Cents | None, about("paid, refunded or reversed; required unless kind is cancel")
    ] = None
    list_cents: Annotated[Cents | None, about("the price without any discount")] = None
    discount_cents: Annotated[Cents | None, about("taken off the list price")] = None
    coupon_id: Annotated[Ref | None, about("the coupon redeemed")] = None
    promo_flag: Annotated[bool | None, about("bought in a promotion")] = None
    is_member: Annotated[bool | None, about("bought by a member")] = None
    channel_type: Annotated[Label | None, about("shelf, social, live, private")] = None
    reason: Annotated[
        str | None, about("why it was refunded, or why that failed; 200 characters are kept")
    ] = None
    ref_order_id: Annotated[Ref | None, about("the order that is refunded or cancelled")] = None
    platform: Annotated[Label | None, about("the platform, e.g. tmall")] = None
    margin_cents: Annotated[
        Annotated[int, Meta(ge=-MAX_CENTS, le=MAX_CENTS)] | None, about("margin of the shop")
    ] = None
    size: Annotated[Tag | None, about("size of the pack")] = None
    currency: Annotated[
        Label | None,
        about("ISO 4217, in any case; absent: of a `paid` the shop's, else that of its order"),
    ] = None


Event = Clickstream | Interaction | Purchase
EVENTS: Final[Mapping[str, type[Event]]] = MappingProxyType(
    {CLICKSTREAM: Clickstream, INTERACTIONS: Interaction, PURCHASES: Purchase}
)
