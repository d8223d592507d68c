"""Decode record batches: every message becomes a row of columns or one rejection.

Decoding never raises, whatever the bytes, and depends only on the bytes, the record time, the
partition, the ids that mean nobody and the key of names. If several reasons to reject a message
hold, the first of this order counts: null_value, too_large, not_json, invalid, unknown_kind,
reserved_id, placeholder_id, bad_time, from_the_future, wrong_partition.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import compress
from math import nan
from typing import Any, Final, TypedDict, cast

import numpy as np
from numpy.typing import NDArray

from schemas.columns import (
    NONE,
    PLACEHOLDER,
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
)
from schemas.identity import hashed, paired
from schemas.keyed_names import KeyedNames, What
from schemas.messages import Messages, Numbering, Scanner, parse
from schemas.placeholders import DEFAULT, Placeholders
from schemas.reading import Rejection
from schemas.tags import tag_text

_UNKNOWN: Final = 255  # no kind has this code
_CODES: Final = {topic: {w: int(k) for w, k in kinds.items()} for topic, kinds in KINDS.items()}
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
    scanner: Scanner | None = None,
    *,
    in_full: bool = False,
) -> Decoded:
    """The facts and the rejections of a record batch of an input topic, both in log order.

    Args:
        batch: as fetched.
        names: users, events and orders get theirs here; digests of their ids go no further.
        placeholders: ids that mean nobody.
        scanner: reads most messages faster; what comes out is the same without it.
        in_full: whether behaviour has its `details`, too; else they are not read, and cost nothing.

    """
    messages = parse(batch, names, placeholders, scanner, in_full=in_full)
    if batch.topic == PURCHASES:
        return _purchases(messages, names)
    facts = (_clicks if batch.topic == CLICKSTREAM else _interactions)(messages, placeholders)
    details = event_details(messages, names) if in_full else None
    return Decoded(facts, _rejected(messages), details)


def _clicks(messages: Messages, placeholders: Placeholders) -> Behaviour:
    kol_ids, number = messages.rows.values["kol_id"], messages.rows.numbers["kol_id"]
    nobody, reserved = placeholders.among_kols(_there(kol_ids))
    own_violations = {
        RejectReason.RESERVED_ID: _are_among(kol_ids, number, reserved),
        RejectReason.PLACEHOLDER_ID: messages.rows.is_nobody,
    }
    common = _reject_invalid(messages, "event", own_violations)
    columns = messages.rows.columns
    kols, kol = _names_and_codes(kol_ids, messages.rows.numbers["kol_id"], nobody)
    absent = np.full(len(messages), nan)
    return Behaviour(
        **common,
        kols=kols,
        kol=kol,
        dwell_ms=np.full(len(messages), NONE, np.int64),
        visible_ms=columns["visible_ms"],
        completion=absent,
        account_age_d=absent,
        shared=_there_are(messages, "share_id"),
        live=np.zeros(len(messages), np.bool_),
        share_depth=columns["share_depth"],
    )


def _interactions(messages: Messages, placeholders: Placeholders) -> Behaviour:
    kol_ids, number = messages.rows.values["kol_id"], messages.rows.numbers["kol_id"]
    nobody, reserved = placeholders.among_kols(_there(kol_ids))
    own_violations = {
        RejectReason.RESERVED_ID: _are_among(kol_ids, number, reserved),
        RejectReason.PLACEHOLDER_ID: (
            messages.rows.is_nobody | _are_among(kol_ids, number, nobody)
        ),
    }
    common = _reject_invalid(messages, "event", own_violations)
    columns = messages.rows.columns
    kols, kol = _names_and_codes(kol_ids, messages.rows.numbers["kol_id"])
    return Behaviour(
        **common,
        kols=kols,
        kol=kol,
        dwell_ms=columns["dwell_ms"],
        visible_ms=np.full(len(messages), NONE, np.int64),
        completion=columns["completion"],
        account_age_d=columns["account_age_d"],
        shared=_there_are(messages, "share_id"),
        live=_there_are(messages, "live_id"),
        share_depth=columns["share_depth"],
    )


def _purchases(messages: Messages, names: KeyedNames) -> Decoded:
    needs_price = np.isin(_kinds(messages, "kind"), PRICED)
    own_violations = {
        RejectReason.INVALID: needs_price & (messages.rows.columns["pay_cents"] == NONE)
    }
    common = _reject_invalid(messages, "kind", own_violations)
    columns = messages.rows.columns
    user_ids = cast("list[str]", messages.texts("user_id"))
    order_ids = _order_ids(messages, common["kind"])
    brands, brand = _coded(messages, "brand_id")
    platforms, platform = _coded(messages, "platform")
    channels, channel = _coded(messages, "channel_type")
    currencies, currency = _coded(messages, "currency", folded)
    categories, category = _coded(messages, "category")
    price_tiers, price_tier = _coded(messages, "price_tier", tag_text)
    sizes, size = _coded(messages, "size", tag_text)
    has_amount = (columns["pay_cents"] != NONE) & (common["kind"] != Kind.CANCEL)
    facts = Purchases(
        **common,
        order=names.of_hashes(What.ORDER, hashed(paired("", user_ids, order_ids))),
        user_ids=user_ids,
        order_ids=order_ids,
        event_ids=cast("list[str]", messages.texts("event_id")),
        raw=[cast("bytes", messages.batch.values[at]) for at in messages.rows.place.tolist()],
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
        skus=[sku or "" for sku in messages.texts("sku")],
        coupon_ids=[coupon or "" for coupon in messages.texts("coupon_id")],
        reasons=[reason[:MAX_REASON] if reason else "" for reason in messages.texts("reason")],
        qty=columns["qty"],
        pay_cents=np.where(has_amount, columns["pay_cents"], 0),
        list_cents=columns["list_cents"],
        discount_cents=columns["discount_cents"],
        margin_cents=columns["margin_cents"],
        promo=columns["promo_flag"],
        member=columns["is_member"],
        placeholder_user=messages.rows.is_nobody,
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
    at = messages.rows.at
    received_at = batch.received_at[messages.rows.place]
    violations = {
        RejectReason.UNKNOWN_KIND: kind == _UNKNOWN,
        **own_violations,
        RejectReason.BAD_TIME: at < YEAR_2000,
        RejectReason.FROM_THE_FUTURE: at > received_at + FUTURE_MS,
        RejectReason.WRONG_PARTITION: messages.rows.hash % batch.partitions != batch.partition,
    }
    if any(rows.any() for rows in violations.values()):
        reason = np.select(
            list(violations.values()), [np.int8(r) for r in violations], np.int8(_VALID)
        )
        valid = reason == _VALID
        for row in np.flatnonzero(~valid).tolist():
            why = RejectReason(reason[row])
            error = _ERRORS.get(why) or _unknown_word(messages, word, row)
            messages.rejections[int(messages.rows.place[row])] = Rejection(why, error)
        messages.keep(valid)
        at, received_at, kind = at[valid], received_at[valid], kind[valid]
    return {
        "topic": batch.topic,
        "partition": batch.partition,
        "next_offset": batch.next_offset,
        "offset": batch.offsets[messages.rows.place],
        "at": at,
        "received_at": received_at,
        "identity": messages.identity,
        "user": messages.user,
        "kind": kind,
    }


def _unknown_word(messages: Messages, name: str, row: int) -> str:
    """What is wrong with an event whose word for what happened nobody knows."""
    word = messages.rows.values[name][messages.rows.numbers[name][row]]
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


def _order_ids(messages: Messages, kind: NDArray[np.uint8]) -> list[str]:
    """The order each event is about: its own if paid, else the one that it refunds."""
    own, others = messages.texts("order_id"), messages.texts("ref_order_id")
    refers = (kind != Kind.PAID).tolist()
    return [
        cast("str", (is_other and other) or one)
        for one, other, is_other in zip(own, others, refers, strict=True)
    ]


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
    codes = [known.get(one, _UNKNOWN) for one in messages.rows.values[word]]
    kinds: NDArray[np.uint8] = np.array(codes, np.uint8)[messages.rows.numbers[word]]
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


def _coded(
    messages: Messages, field: str, spelled: Callable[[Any], str] | None = None
) -> tuple[list[str], Codes]:
    """The distinct names in a field by first appearance, and the code of each row; empty is absent.

    `spelled` gives the text by which values are told apart.
    """
    values = messages.rows.values[field]
    numbering = Numbering()
    texts = (None if value is None else spelled(value) for value in values) if spelled else values
    number = np.fromiter(map(numbering.__getitem__, texts), np.int32, len(values))
    return _names_and_codes(list(numbering), number[messages.rows.numbers[field]])


def _there_are(messages: Messages, name: str) -> Mask:
    """Which messages have a text in a field of flags, or of numbers where they are read in full."""
    rows = messages.rows
    if name not in rows.numbers:
        return rows.columns[name]
    return np.array([bool(value) for value in rows.values[name]], np.bool_)[rows.numbers[name]]
