"""What is kept of the messages of each input topic, field by field, and how they are read."""

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import msgspec

from schemas.columns import NONE, UNKNOWN_CENTS
from schemas.events import (
    CLICKSTREAM,
    INTERACTIONS,
    PURCHASES,
    Clickstream,
    Event,
    Interaction,
    Purchase,
)
from schemas.keyed_names import What

OF_ALL: Final = ("event_id", "user_id", "ts")  # read of every event

_Values = tuple[Any, ...]  # the fields of one event


class Reader(NamedTuple):
    """How the messages of a topic are read. A field is kept in one way at most."""

    read: Callable[[bytes], Any]
    take: Callable[[Any], _Values]  # the fields of an event, at least those that are needed
    fields: Sequence[str]  # their names, in that order
    names: Sequence[str]  # texts that may not hold half a surrogate pair
    event: type[Event] | None = None  # as it is read; None where nothing of it becomes columns
    ints: Mapping[str, int] = MappingProxyType({})  # numbers, and what stands for an absent one
    floats: Sequence[str] = ()  # nan stands for an absent one
    texts: Sequence[str] = ()  # None stands for an absent one
    flags: Sequence[str] = ()  # of these only whether they are there, and not empty or false
    numbered: Sequence[str] = ()  # values that come again and again
    hashed: Mapping[str, What] = MappingProxyType({})  # texts of which only names are needed


def _reader(event: type[Event], *, names: Sequence[str], in_full: bool, **kept: Any) -> Reader:  # noqa: ANN401  # as in Reader
    fields = event.__struct_fields__
    if in_full:
        return Reader(_decoder(event), msgspec.structs.astuple, fields, names, event, **kept)
    some = tuple(dict.fromkeys([*OF_ALL, *(name for group in kept.values() for name in group)]))
    return Reader(_decoder(event), attrgetter(*some), some, names, event, **kept)


def _decoder(event: type[Event]) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(event).decode


_BEHAVIOUR_NAMES: Final = ("event_id", "user_id", "event", "kol_id")
_DEVICE: Final = MappingProxyType({"device_hash": What.DEVICE, "ip_hash": What.IP})
_CLICK_LABELS: Final = (
    *("platform", "channel_type", "content_id", "brand_id", "category", "slot_id", "reco_id"),
    *("reco_version", "exp_id", "arm", "baby_stage", "geo", "age_band"),
)
_INTERACTION_LABELS: Final = ("content_id", "parent_share_id", "root_kol_id")


def _clicks(*, in_full: bool) -> Reader:
    share = ("share_id",)
    return _reader(
        Clickstream,
        names=_BEHAVIOUR_NAMES,
        in_full=in_full,
        ints={"visible_ms": NONE, "share_depth": 0},
        flags=() if in_full else share,
        numbered=(
            "event",
            "kol_id",
            *((*_CLICK_LABELS, *share, "first_screen") if in_full else ()),
        ),
        hashed={**_DEVICE, "session_id": What.SESSION} if in_full else {},
    )


def _interactions(*, in_full: bool) -> Reader:
    flags = ("share_id", "live_id")
    return _reader(
        Interaction,
        names=_BEHAVIOUR_NAMES,
        in_full=in_full,
        ints={"dwell_ms": NONE, "share_depth": 0},
        floats=("completion", "account_age_d"),
        flags=() if in_full else flags,
        numbered=("event", "kol_id", *((*_INTERACTION_LABELS, *flags) if in_full else ())),
        hashed=_DEVICE if in_full else {},
    )


def _purchases() -> Reader:
    return _reader(
        Purchase,
        names=(
            *("event_id", "user_id", "kind", "order_id", "ref_order_id"),
            *("brand_id", "platform", "channel_type", "currency"),
        ),
        in_full=False,
        ints={
            "pay_cents": NONE,
            "list_cents": 0,
            "discount_cents": 0,
            "margin_cents": UNKNOWN_CENTS,
        },
        floats=("qty",),
        texts=(
            *("event_id", "user_id", "order_id", "ref_order_id"),
            *("sku", "coupon_id", "reason"),
        ),
        flags=("promo_flag", "is_member"),
        numbered=(
            *("kind", "brand_id", "platform", "channel_type", "currency"),
            *("category", "price_tier", "size"),
        ),
    )


# (topic, whether all is read that rows of `event` say) -> reader
READERS: Final[Mapping[tuple[str, bool], Reader]] = MappingProxyType(
    {
        **{(CLICKSTREAM, in_full): _clicks(in_full=in_full) for in_full in (False, True)},
        **{(INTERACTIONS, in_full): _interactions(in_full=in_full) for in_full in (False, True)},
        **dict.fromkeys([(PURCHASES, False), (PURCHASES, True)], _purchases()),
    }
)
