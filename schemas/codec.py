"""Decode record batches: every message becomes a row of columns or one rejection.

Decoding never raises, whatever the bytes, and depends only on the bytes, the record time, the
partition, the ids that mean nobody and the key of names. If several reasons to reject a message
hold, the first of this order counts: null_value, too_large, not_json, invalid, unknown_kind,
reserved_id, placeholder_id, bad_time, from_the_future, wrong_partition.
"""

from collections.abc import Collection, Mapping, Sequence
from itertools import compress
from math import nan
from typing import Final, TypedDict, cast

import numpy as np
from numpy.typing import NDArray

from schemas.columns import (
    NONE,
    PLACEHOLDER,
    UNKNOWN_CENTS,
    Behaviour,
    Codes,
    Decoded,
    Keys,
    Mask,
    Moments,
    Purchases,
    RecordBatch,
    Rejected,
)
from schemas.currencies import folded
from schemas.doors import RejectReason
from schemas.event_details import event_details
from schemas.events import (
    CLICKSTREAM,
    FUTURE_MS,
    KINDS,
    PRICED,
    PURCHASES,
    YEAR_2000,
    Kind,
    Purchase,
)
from schemas.identity import hashed, paired
from schemas.keyed_names import KeyedNames, What
from schemas.messages import (
    CLICKS,
    CLICKS_IN_FULL,
    INTERACTED,
    INTERACTED_IN_FULL,
    ITSELF,
    PURCHASED,
    Messages,
    Numbering,
    Rejection,
    parse,
)
from schemas.partitioner import partitions_of
from schemas.placeholders import DEFAULT, Placeholders
from schemas.tags import tag_text

_UNKNOWN: Final = 255  # no kind has this code
_CODES: Final = {topic: {w: int(k) for w, k in kinds.items()} for topic, kinds in KINDS.items()}
_PAID: Final = Kind.PAID.label
_VALID: Final = -1  # no reason to reject
MAX_REASON: Final = 200  # characters that are kept of why an order was refunded: a free text
_SHOWN_WORD: Final = 64  # characters of an unknown word in an error: longer than any of ours

_ERRORS: Final = {
    RejectReason.INVALID: "Object missing required field `pay_cents`",
    RejectReason.RESERVED_ID: "`kol_id` is `organic` or begins with `~`, however it is written",
    RejectReason.PLACEHOLDER_ID: "`user_id` or `kol_id` is one of KOL_PLACEHOLDER_IDS, or blank",
    RejectReason.BAD_TIME: "`ts` is before the year 2000",
    RejectReason.FROM_THE_FUTURE: "`ts` is more than 10 minutes after the record time",
    RejectReason.WRONG_PARTITION: "not the partition of murmur2 of `user_id`",
}


class _Common(TypedDict):
    """The columns of `Facts`."""

    topic: str
    partition: int
    next_offset: int
    offset: NDArray[np.int64]
    at: Moments
    received_at: Moments
    identity: Keys
    user: Keys
    kind: NDArray[np.uint8]


def decode(
    batch: RecordBatch,
    names: KeyedNames,
    placeholders: Placeholders = DEFAULT,
    *,
    in_full: bool = False,
) -> Decoded:
    """The facts and the rejections of a record batch of an input topic, both in log order.

    Args:
        batch: as fetched.
        names: users, events and orders get theirs here; digests of their ids go no further.
        placeholders: ids that mean nobody.
        in_full: whether behaviour has its `details`, too; else they are not read, and cost nothing.

    """
    if batch.topic == PURCHASES:
        return _purchases(parse(batch, PURCHASED, names, placeholders), names)
    is_click = batch.topic == CLICKSTREAM
    if in_full:
        reader = CLICKS_IN_FULL if is_click else INTERACTED_IN_FULL
    else:
        reader = CLICKS if is_click else INTERACTED
    messages = parse(batch, reader, names, placeholders)
    facts = (_clicks if is_click else _interactions)(messages, placeholders)
    details = event_details(messages, names) if in_full else None
    return Decoded(facts, _rejected(messages), details)


def _clicks(messages: Messages, placeholders: Placeholders) -> Behaviour:
    columns, names = messages.columns, list(messages.numbering["kol_id"])
    nobody, reserved = placeholders.among_kols(_there(names))
    own_violations = {
        RejectReason.RESERVED_ID: _are_among(names, messages.numbers["kol_id"], reserved),
        RejectReason.PLACEHOLDER_ID: messages.are_nobody(),
    }
    common = _reject_invalid(messages, "event", own_violations)
    kols, kol = _names_and_codes(names, messages.numbers["kol_id"], nobody)
    absent = np.full(len(messages), nan)
    return Behaviour(
        **common,
        kols=kols,
        kol=kol,
        dwell_ms=np.full(len(messages), NONE, np.int64),
        visible_ms=_counts(columns["visible_ms"]),
        completion=absent,
        account_age_d=absent,
        shared=_there_are(messages, "share_id"),
        live=np.zeros(len(messages), np.bool_),
        share_depth=_rare(columns["share_depth"]),
    )


def _interactions(messages: Messages, placeholders: Placeholders) -> Behaviour:
    columns, names = messages.columns, list(messages.numbering["kol_id"])
    nobody, reserved = placeholders.among_kols(_there(names))
    number = messages.numbers["kol_id"]
    own_violations = {
        RejectReason.RESERVED_ID: _are_among(names, number, reserved),
        RejectReason.PLACEHOLDER_ID: messages.are_nobody() | _are_among(names, number, nobody),
    }
    common = _reject_invalid(messages, "event", own_violations)
    kols, kol = _names_and_codes(names, messages.numbers["kol_id"])
    return Behaviour(
        **common,
        kols=kols,
        kol=kol,
        dwell_ms=_counts(columns["dwell_ms"]),
        visible_ms=np.full(len(messages), NONE, np.int64),
        completion=_floats(columns["completion"]),
        account_age_d=_floats(columns["account_age_d"]),
        shared=_there_are(messages, "share_id"),
        live=_there_are(messages, "live_id"),
        share_depth=_rare(columns["share_depth"]),
    )


def _purchases(messages: Messages, names: KeyedNames) -> Decoded:
    has_price = np.array([e.pay_cents is not None for e in messages.columns[ITSELF]], np.bool_)
    needs_price = np.isin(_kinds(messages, "kind"), PRICED)
    own_violations = {RejectReason.INVALID: needs_price & ~has_price}
    common = _reject_invalid(messages, "kind", own_violations)
    events: list[Purchase] = messages.columns[ITSELF]
    user_ids, event_ids = messages.columns["user_id"], messages.columns["event_id"]
    order_ids = [_order_id(event) for event in events]
    brands, brand = _coded([event.brand_id for event in events])
    platforms, platform = _coded([event.platform for event in events])
    channels, channel = _coded([event.channel_type for event in events])
    currencies, currency = _currencies_and_codes([event.currency for event in events])
    categories, category = _coded([event.category for event in events])
    price_tiers, price_tier = _tags_and_codes([event.price_tier for event in events])
    sizes, size = _tags_and_codes([event.size for event in events])
    pay_cents = _cents([event.pay_cents for event in events])
    pay_cents[common["kind"] == Kind.CANCEL] = 0
    facts = Purchases(
        **common,
        order=names.of_hashes(What.ORDER, hashed(paired("", user_ids, order_ids))),
        user_ids=user_ids,
        order_ids=order_ids,
        event_ids=event_ids,
        raw=[cast("bytes", messages.batch.values[place]) for place in messages.place.tolist()],
        brands=brands,
        brand=brand,
        platforms=platforms,
        platform=platform,
        channels=channels,
        channel=channel,
        currencies=currencies,
        currency=currency,
        categories=categories,
        category=category,
        price_tiers=price_tiers,
        price_tier=price_tier,
        sizes=sizes,
        size=size,
        skus=[event.sku or "" for event in events],
        coupon_ids=[event.coupon_id or "" for event in events],
        reasons=[event.reason[:MAX_REASON] if event.reason else "" for event in events],
        qty=_floats([event.qty for event in events]),
        pay_cents=pay_cents,
        list_cents=_cents([event.list_cents for event in events]),
        discount_cents=_cents([event.discount_cents for event in events]),
        margin_cents=_counts([event.margin_cents for event in events], UNKNOWN_CENTS),
        promo=_mask([event.promo_flag for event in events]),
        member=_mask([event.is_member for event in events]),
        placeholder_user=messages.are_nobody(),
    )
    return Decoded(facts, _rejected(messages))


def _reject_invalid(
    messages: Messages, word: str, own_violations: Mapping[RejectReason, Mask]
) -> _Common:
    """Reject well-formed events that violate a rule; the common columns of the others.

    `word` is the field with the word for what happened.
    """
    batch = messages.batch
    kind = _kinds(messages, word)
    at = messages.at
    received_at = batch.received_at[messages.place]
    violations = {
        RejectReason.UNKNOWN_KIND: kind == _UNKNOWN,
        **own_violations,
        RejectReason.BAD_TIME: at < YEAR_2000,
        RejectReason.FROM_THE_FUTURE: at > received_at + FUTURE_MS,
        RejectReason.WRONG_PARTITION: (
            partitions_of(messages.users, batch.partitions) != batch.partition
        ),
    }
    if any(rows.any() for rows in violations.values()):
        reason = np.select(
            list(violations.values()), [np.int8(r) for r in violations], np.int8(_VALID)
        )
        valid = reason == _VALID
        for row in np.flatnonzero(~valid).tolist():
            why = RejectReason(reason[row])
            error = _ERRORS.get(why) or _unknown_word(messages, word, row)
            messages.rejections[int(messages.place[row])] = Rejection(why, error)
        messages.keep(valid)
        at, received_at, kind = at[valid], received_at[valid], kind[valid]
    return {
        "topic": batch.topic,
        "partition": batch.partition,
        "next_offset": batch.next_offset,
        "offset": batch.offsets[messages.place],
        "at": at,
        "received_at": received_at,
        "identity": messages.identity,
        "user": messages.user,
        "kind": kind,
    }


def _unknown_word(messages: Messages, name: str, row: int) -> str:
    """What is wrong with an event whose word for what happened nobody knows."""
    word = list(messages.numbering[name])[messages.numbers[name][row]]
    shown = word if len(word) <= _SHOWN_WORD else word[:_SHOWN_WORD] + "…"
    return f"`{name}` is {shown!r}, a word for what happened that this version does not know"


def _rejected(messages: Messages) -> list[Rejected]:
    batch = messages.batch
    return [
        Rejected(
            topic=batch.topic,
            partition=batch.partition,
            offset=int(batch.offsets[place]),
            received_at=int(batch.received_at[place]),
            reason=reason.label,
            error=error,
            raw=batch.values[place],
        )
        for place, (reason, error) in sorted(messages.rejections.items())
    ]


def _order_id(event: Purchase) -> str:
    """The order an event is about: its own if paid, else the one that it refunds."""
    if event.kind == _PAID:
        return event.order_id
    return event.ref_order_id or event.order_id


def _there(names: Sequence[str | None]) -> list[str]:
    """The names that are not absent; an empty one is."""
    return [name for name in names if name]


def _are_among(names: Sequence[str | None], number: Codes, found: Collection[str]) -> Mask:
    """Which rows have a name that is among some that are found rarely, shape (n,)."""
    if not found:
        return np.zeros(len(number), np.bool_)
    return np.array([name in found for name in names], np.bool_)[number]


def _kinds(messages: Messages, word: str) -> NDArray[np.uint8]:
    known = _CODES[messages.batch.topic]
    codes = [known.get(one, _UNKNOWN) for one in messages.numbering[word]]
    kinds: NDArray[np.uint8] = np.array(codes, np.uint8)[messages.numbers[word]]
    return kinds


def _names_and_codes(
    names: Sequence[str | None], number: Codes, placeholders: Collection[str] = frozenset()
) -> tuple[list[str], Codes]:
    """The names that rows have, by first appearance, and the code of each row; empty is absent.

    `number` gives each row's place in `names`.
    """
    is_name = np.fromiter(map(bool, names), np.bool_, len(names))
    code = np.full(len(names), NONE, np.int32)
    if placeholders:
        is_placeholder = np.array([name in placeholders for name in names], np.bool_)
        code[is_placeholder] = PLACEHOLDER
        is_name &= ~is_placeholder
    is_name &= np.bincount(number, minlength=len(names)) > 0
    code[is_name] = np.arange(np.count_nonzero(is_name))
    return cast("list[str]", list(compress(names, is_name))), code[number]


def _coded(names: Sequence[str | None]) -> tuple[list[str], Codes]:
    """The distinct names by first appearance, and the code of each row; empty is absent."""
    numbering = Numbering()
    number = np.fromiter(map(numbering.__getitem__, names), np.int32, len(names))
    return _names_and_codes(list(numbering), number)


def _currencies_and_codes(words: Sequence[str | None]) -> tuple[list[str], Codes]:
    """The distinct currencies, folded, and the code of each row; blank is absent."""
    distinct, code = _coded(words)
    currencies, currency = _coded([folded(word) for word in distinct])
    return currencies, np.append(currency, np.int32(NONE))[code]


def _tags_and_codes(tags: Sequence[str | float | None]) -> tuple[list[str], Codes]:
    """The distinct tags as texts, and the code of each row; empty is absent."""
    return _coded([tag if type(tag) is str else tag_text(tag) for tag in tags])


def _counts(values: Sequence[int | None], absent: int = NONE) -> NDArray[np.int64]:
    if values.count(None) == len(values):
        return np.full(len(values), absent, np.int64)
    return np.array([absent if value is None else value for value in values], np.int64)


def _rare(values: Sequence[int | None]) -> NDArray[np.int64]:
    """Counts that most events do not have: 0 where absent."""
    return _cents(values) if any(values) else np.zeros(len(values), np.int64)


def _cents(values: Sequence[int | None]) -> NDArray[np.int64]:
    return np.array([value or 0 for value in values], np.int64)


def _floats(values: Sequence[float | None]) -> NDArray[np.float64]:
    return np.array([nan if value is None else value for value in values], np.float64)


def _there_are(messages: Messages, name: str) -> Mask:
    """Which messages have a text in a field of flags, or of numbers where they are read in full."""
    if name not in messages.numbering:
        return _mask(messages.columns[name])
    return _mask(list(messages.numbering[name]))[messages.numbers[name]]


def _mask(values: Sequence[object]) -> Mask:
    return np.fromiter(map(bool, values), np.bool_, len(values))
