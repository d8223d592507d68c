"""Decode record batches: every message becomes a row of columns or one rejection.

Decoding never raises, whatever the bytes, and depends only on the bytes, the record time, the
partition and the ids that mean nobody. If several reasons to reject a message hold, the first
of this order counts: null_value, too_large, not_json, invalid, unknown_kind, reserved_id,
placeholder_id, bad_time, from_the_future, wrong_partition.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress, filterfalse
from math import nan
from operator import attrgetter
from typing import Any, Final, NamedTuple, TypedDict, TypeVar, cast

import msgspec
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
from schemas.events import (
    CLICKSTREAM,
    FUTURE_MS,
    KINDS,
    MAX_DEPTH,
    MAX_EVENT_BYTES,
    MAX_ID,
    PRICED,
    PURCHASES,
    YEAR_2000,
    Clickstream,
    Event,
    Interaction,
    Kind,
    Purchase,
)
from schemas.identity import identities, order_keys, user_keys
from schemas.partitioner import partitions_of
from schemas.placeholders import DEFAULT, Placeholders
from schemas.surrogates import substituted

_UNKNOWN: Final = 255  # no kind has this code
_CODES: Final = {topic: {w: int(k) for w, k in kinds.items()} for topic, kinds in KINDS.items()}
_PAID: Final = Kind.PAID.label
_VALID: Final = -1  # no reason to reject
_SHALLOW_BYTES: Final = 2 * MAX_DEPTH  # bytes: what is nested too deeply and readable is longer
_BEHAVIOUR_NAMES: Final = ("event_id", "user_id", "event", "kol_id")
_PURCHASE_NAMES: Final = (
    *("event_id", "user_id", "kind", "order_id", "ref_order_id"),
    *("brand_id", "platform", "channel_type", "currency"),
)
MAX_REASON: Final = 200  # characters that are kept of why an order was refunded: a free text
_EXACT: Final = 2.0**53  # below it every whole number is a float of its own
_CHUNK: Final = 256  # messages read together: their memory is used again while it is near the core
_FACTS: Final = ("event_id", "ts", "user_id")
_CLICK_FIELDS: Final = (*_FACTS, "event", "kol_id", "visible_ms", "share_id", "share_depth")
_INTERACTION_FIELDS: Final = (
    *(*_FACTS, "event", "kol_id", "dwell_ms", "completion", "account_age_d"),
    *("share_id", "share_depth", "live_id"),
)
_ITSELF: Final = "itself"  # a column of whole events: purchases are few, and most fields are used
_PURCHASE_FIELDS: Final = (*_FACTS, "kind", _ITSELF)
_SHOWN_WORD: Final = 64  # characters of an unknown word in an error: longer than any of ours
_STRINGS: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)  # the last may stay open

_ERRORS: Final = {
    RejectReason.INVALID: "Object missing required field `pay_cents`",
    RejectReason.RESERVED_ID: "`kol_id` is `organic` or begins with `~`, however it is written",
    RejectReason.PLACEHOLDER_ID: "`user_id` or `kol_id` is one of KOL_PLACEHOLDER_IDS, or blank",
    RejectReason.BAD_TIME: "`ts` is before the year 2000",
    RejectReason.FROM_THE_FUTURE: "`ts` is more than 10 minutes after the record time",
    RejectReason.WRONG_PARTITION: "not the partition of murmur2 of `user_id`",
}

_AnEvent = TypeVar("_AnEvent", bound=Event)
_Read = Callable[[bytes], _AnEvent]
_Values = tuple[Any, ...]  # the fields of one event


class _Reader(NamedTuple):
    """How the messages of a topic are read."""

    read: _Read[Any]
    take: Callable[[Any], _Values]  # the fields of an event that are needed
    fields: Sequence[str]  # their names
    names: Sequence[str]  # texts that may not hold half a surrogate pair


def _purchase_values(event: Purchase) -> _Values:
    return event.event_id, event.ts, event.user_id, event.kind, event


_CLICKS: Final = _Reader(
    msgspec.json.Decoder(Clickstream).decode,
    attrgetter(*_CLICK_FIELDS),
    _CLICK_FIELDS,
    _BEHAVIOUR_NAMES,
)
_INTERACTIONS: Final = _Reader(
    msgspec.json.Decoder(Interaction).decode,
    attrgetter(*_INTERACTION_FIELDS),
    _INTERACTION_FIELDS,
    _BEHAVIOUR_NAMES,
)
_PURCHASES: Final = _Reader(
    msgspec.json.Decoder(Purchase).decode, _purchase_values, _PURCHASE_FIELDS, _PURCHASE_NAMES
)
_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class _Rejection(NamedTuple):
    reason: RejectReason
    error: str


@dataclass(slots=True)
class _Parsed:
    """The fields of a batch's events by name, their places in it, and the rejections by place."""

    batch: RecordBatch
    columns: dict[str, list[Any]]
    place: NDArray[np.intp]
    rejections: dict[int, _Rejection]

    def __len__(self) -> int:
        return len(self.place)


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


def decode(batch: RecordBatch, placeholders: Placeholders = DEFAULT) -> Decoded:
    """The facts and the rejections of a record batch of an input topic, both in log order."""
    if batch.topic == PURCHASES:
        return _purchases(_parse(batch, _PURCHASES), placeholders)
    if batch.topic == CLICKSTREAM:
        return _clicks(_parse(batch, _CLICKS), placeholders)
    return _interactions(_parse(batch, _INTERACTIONS), placeholders)


def _clicks(parsed: _Parsed, placeholders: Placeholders) -> Decoded:
    columns = parsed.columns
    nobody, reserved = placeholders.among_kols(_distinct(columns["kol_id"]))
    own_violations = {
        RejectReason.RESERVED_ID: _are_among(columns["kol_id"], reserved),
        RejectReason.PLACEHOLDER_ID: _are_nobody(columns["user_id"], placeholders),
    }
    common = _reject_invalid(parsed, _kinds(parsed, columns["event"]), own_violations)
    kols, kol = _names_and_codes(columns["kol_id"], nobody)
    absent = np.full(len(parsed), nan)
    facts = Behaviour(
        **common,
        kols=kols,
        kol=kol,
        dwell_ms=np.full(len(parsed), NONE, np.int64),
        visible_ms=_counts(columns["visible_ms"]),
        completion=absent,
        account_age_d=absent,
        shared=_mask(columns["share_id"]),
        live=np.zeros(len(parsed), np.bool_),
        share_depth=_rare(columns["share_depth"]),
    )
    return Decoded(facts, _rejected(parsed))


def _interactions(parsed: _Parsed, placeholders: Placeholders) -> Decoded:
    columns = parsed.columns
    nobody, reserved = placeholders.among_kols(_distinct(columns["kol_id"]))
    by_nobody = _are_nobody(columns["user_id"], placeholders)
    own_violations = {
        RejectReason.RESERVED_ID: _are_among(columns["kol_id"], reserved),
        RejectReason.PLACEHOLDER_ID: by_nobody | _are_among(columns["kol_id"], nobody),
    }
    common = _reject_invalid(parsed, _kinds(parsed, columns["event"]), own_violations)
    kols, kol = _names_and_codes(columns["kol_id"])
    facts = Behaviour(
        **common,
        kols=kols,
        kol=kol,
        dwell_ms=_counts(columns["dwell_ms"]),
        visible_ms=np.full(len(parsed), NONE, np.int64),
        completion=_floats(columns["completion"]),
        account_age_d=_floats(columns["account_age_d"]),
        shared=_mask(columns["share_id"]),
        live=_mask(columns["live_id"]),
        share_depth=_rare(columns["share_depth"]),
    )
    return Decoded(facts, _rejected(parsed))


def _purchases(parsed: _Parsed, placeholders: Placeholders) -> Decoded:
    kind = _kinds(parsed, parsed.columns["kind"])
    unpriced = np.array([event.pay_cents is None for event in parsed.columns[_ITSELF]], np.bool_)
    own_violations = {RejectReason.INVALID: unpriced & np.isin(kind, PRICED)}
    common = _reject_invalid(parsed, kind, own_violations)
    events: list[Purchase] = parsed.columns[_ITSELF]
    user_ids, event_ids = parsed.columns["user_id"], parsed.columns["event_id"]
    order_ids = [_order_id(event) for event in events]
    brands, brand = _names_and_codes([event.brand_id for event in events])
    platforms, platform = _names_and_codes([event.platform for event in events])
    channels, channel = _names_and_codes([event.channel_type for event in events])
    currencies, currency = _currencies_and_codes([event.currency for event in events])
    categories, category = _names_and_codes([event.category for event in events])
    price_tiers, price_tier = _tags_and_codes([event.price_tier for event in events])
    sizes, size = _tags_and_codes([event.size for event in events])
    pay_cents = _cents([event.pay_cents for event in events])
    pay_cents[common["kind"] == Kind.CANCEL] = 0
    facts = Purchases(
        **common,
        order=order_keys(user_ids, order_ids),
        user_ids=user_ids,
        order_ids=order_ids,
        event_ids=event_ids,
        raw=[cast("bytes", parsed.batch.values[place]) for place in parsed.place.tolist()],
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
        placeholder_user=_are_nobody(user_ids, placeholders),
    )
    return Decoded(facts, _rejected(parsed))


def _parse(batch: RecordBatch, reader: _Reader) -> _Parsed:
    """Every message as read by the topic's decoder, or rejected.

    An event is gone before the next chunk is read, so all of them use the same memory, which is
    near the core.
    """
    columns: dict[str, list[Any]] = {name: [] for name in reader.fields}
    rejections: dict[int, _Rejection] = {}
    for start in range(0, len(batch.values), _CHUNK):
        values = batch.values[start : start + _CHUNK]
        try:
            rows = _read_plain(values, reader)
        except (TypeError, ValueError, RecursionError):
            rows = _read_each(values, reader, start, rejections)
        for name, column in zip(reader.fields, zip(*rows, strict=True), strict=False):
            columns[name] += column
    place = np.delete(np.arange(len(batch.values)), list(rejections))
    return _Parsed(batch, columns, place, rejections)


def _read_plain(values: Sequence[bytes | None], reader: _Reader) -> list[_Values]:
    """The events of usual messages.

    Raises:
        TypeError: a message has no value.
        ValueError, RecursionError: one cannot be read, or is long enough to be too deep.

    """
    there = cast("Sequence[bytes]", values)
    if max(map(len, there)) > _SHALLOW_BYTES:
        raise ValueError("a long message")
    for value in filterfalse(bytes.isascii, there):
        value.decode()  # the parser does not look into what it skips
    return list(map(reader.take, map(reader.read, there)))


def _read_each(
    values: Sequence[bytes | None],
    reader: _Reader,
    start: int,
    rejections: dict[int, _Rejection],
) -> list[_Values]:
    """The events of any messages, one by one; rejections by place, beginning with `start`."""
    rows = []
    for place, value in enumerate(values, start):
        event = _check(value) or _read_one(cast("bytes", value), reader)
        if isinstance(event, _Rejection):
            rejections[place] = event
        else:
            rows.append(reader.take(event))
    return rows


def _read_one(value: bytes, reader: _Reader) -> Event | _Rejection:
    """The event of one message that can be decoded as text."""
    try:
        event: Event = reader.read(value)
    except (ValueError, RecursionError):  # all of msgspec's are ValueErrors
        return _read_again(value, reader)
    return event


def _check(value: bytes | None) -> _Rejection | None:
    if value is None:
        return _Rejection(RejectReason.NULL_VALUE, "the record has no value")
    if len(value) > MAX_EVENT_BYTES:
        error = f"{len(value)} bytes, more than {MAX_EVENT_BYTES}"
        return _Rejection(RejectReason.TOO_LARGE, error)
    try:
        value.decode()
    except UnicodeDecodeError as error:
        return _Rejection(RejectReason.NOT_JSON, f"not UTF-8 (byte {error.start})")
    if len(value) > _SHALLOW_BYTES and _depth(value) > MAX_DEPTH:
        return _Rejection(RejectReason.NOT_JSON, f"nested more than {MAX_DEPTH} deep")
    return None


def _depth(value: bytes) -> int:
    """The greatest nesting depth; exact for JSON, any number for other bytes."""
    letters = np.frombuffer(_STRINGS.sub(b"", value), np.uint8) | 0x20  # "[" as "{", "]" as "}"
    steps = (letters == ord("{")).astype(np.int64) - (letters == ord("}"))
    return int(np.cumsum(steps).max(initial=0))


def _read_again(value: bytes, reader: _Reader) -> Event | _Rejection:
    """Why the decoder failed; the event if what was wrong does not count.

    That is a field that is repeated later, or a lone surrogate in none of the names.
    """
    try:
        fields = _object(value)  # of a repeated key the last one
    except (ValueError, RecursionError) as error:
        both = substituted(value)
        if both is not None:
            return _read_substituted(*both, reader)
        return _Rejection(RejectReason.NOT_JSON, str(error))
    try:
        event: Event = reader.read(msgspec.json.encode(fields))
    except ValueError as error:
        return _Rejection(RejectReason.INVALID, str(error))
    return event


def _read_substituted(first: bytes, second: bytes, reader: _Reader) -> Event | _Rejection:
    """The event of a message with lone surrogates, unless one of the names has one."""
    try:
        one, other = _object(first), _object(second)
    except (ValueError, RecursionError) as error:
        return _Rejection(RejectReason.NOT_JSON, str(error))
    for name in reader.names:
        if name in one and bytes(one[name]) != bytes(other[name]):
            return _Rejection(RejectReason.NOT_JSON, f"half a surrogate pair in `{name}`")
    return _read_again(first, reader)


def _reject_invalid(
    parsed: _Parsed, kind: NDArray[np.uint8], own_violations: Mapping[RejectReason, Mask]
) -> _Common:
    """Reject well-formed events that violate a rule; the common columns of the others."""
    batch, place, columns = parsed.batch, parsed.place, parsed.columns
    users = list(map(str.encode, columns["user_id"]))
    at = np.fromiter(columns["ts"], np.int64, len(place))
    received_at = batch.received_at[place]
    is_right_partition = partitions_of(users, batch.partitions) == batch.partition
    violations = {
        RejectReason.UNKNOWN_KIND: kind == _UNKNOWN,
        **own_violations,
        RejectReason.BAD_TIME: at < YEAR_2000,
        RejectReason.FROM_THE_FUTURE: at > received_at + FUTURE_MS,
        RejectReason.WRONG_PARTITION: ~is_right_partition,
    }
    if any(rows.any() for rows in violations.values()):
        reason = np.select(
            list(violations.values()), [np.int8(r) for r in violations], np.int8(_VALID)
        )
        valid = reason == _VALID
        for row in np.flatnonzero(~valid).tolist():
            why = RejectReason(reason[row])
            error = _ERRORS.get(why) or _unknown_word(parsed, row)
            parsed.rejections[int(place[row])] = _Rejection(why, error)
        for name, column in columns.items():
            columns[name] = list(compress(column, valid))
        users = list(compress(users, valid))
        parsed.place = place = place[valid]
        at, received_at, kind = at[valid], received_at[valid], kind[valid]
    return {
        "topic": batch.topic,
        "partition": batch.partition,
        "next_offset": batch.next_offset,
        "offset": batch.offsets[place],
        "at": at,
        "received_at": received_at,
        "identity": identities(batch.topic, columns["user_id"], columns["event_id"]),
        "user": user_keys(users),
        "kind": kind,
    }


def _unknown_word(parsed: _Parsed, row: int) -> str:
    """What is wrong with an event whose word for what happened nobody knows."""
    name = "kind" if parsed.batch.topic == PURCHASES else "event"
    word = parsed.columns[name][row]
    shown = word if len(word) <= _SHOWN_WORD else word[:_SHOWN_WORD] + "…"
    return f"`{name}` is {shown!r}, a word for what happened that this version does not know"


def _rejected(parsed: _Parsed) -> list[Rejected]:
    batch = parsed.batch
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
        for place, (reason, error) in sorted(parsed.rejections.items())
    ]


def _order_id(event: Purchase) -> str:
    """The order an event is about: its own if paid, else the one that it refunds."""
    if event.kind == _PAID:
        return event.order_id
    return event.ref_order_id or event.order_id


def _distinct(names: Sequence[str | None]) -> set[str]:
    """The different names; empty is absent."""
    distinct = set(names)
    distinct -= {None, ""}
    return cast("set[str]", distinct)


def _are_among(names: Sequence[str | None], found: Collection[str]) -> Mask:
    """Which names are among some that are found rarely, shape (n,)."""
    if not found:
        return np.zeros(len(names), np.bool_)
    return np.array([name in found for name in names], np.bool_)


def _are_nobody(user_ids: Sequence[str], placeholders: Placeholders) -> Mask:
    """Which users are placeholders, shape (n,)."""
    return _are_among(user_ids, placeholders.among(user_ids))


def _kinds(parsed: _Parsed, words: Sequence[str]) -> NDArray[np.uint8]:
    known = _CODES[parsed.batch.topic]
    try:
        return np.fromiter(map(known.__getitem__, words), np.uint8, len(words))
    except KeyError:
        return np.array([known.get(word, _UNKNOWN) for word in words], np.uint8)


def _names_and_codes(
    names: Sequence[str | None], placeholders: Collection[str] = frozenset()
) -> tuple[list[str], Codes]:
    """The distinct names by first appearance, and the code of each row; empty is absent."""
    distinct = [name for name in dict.fromkeys(names) if name]
    if not distinct:
        return [], np.full(len(names), NONE, np.int32)
    if placeholders:
        distinct = [name for name in distinct if name not in placeholders]
    code: dict[str | None, int] = {name: i for i, name in enumerate(distinct)}
    code |= {None: NONE, "": NONE} | dict.fromkeys(placeholders, PLACEHOLDER)
    return distinct, np.fromiter(map(code.__getitem__, names), np.int32, len(names))


def _currencies_and_codes(words: Sequence[str | None]) -> tuple[list[str], Codes]:
    """The distinct currencies, folded, and the code of each row; blank is absent."""
    distinct, code = _names_and_codes(words)
    currencies, currency = _names_and_codes([folded(word) for word in distinct])
    return currencies, np.append(currency, np.int32(NONE))[code]


def _tags_and_codes(tags: Sequence[str | float | None]) -> tuple[list[str], Codes]:
    """The distinct tags as texts, and the code of each row; empty is absent."""
    return _names_and_codes([tag if type(tag) is str else _tag(tag) for tag in tags])


def _tag(tag: str | float | None) -> str | None:
    """A producer's own word or number as a text: 900 and 900.0 are one tag.

    >>> [_tag(tag) for tag in ("900g", 900, 900.0, 0.5, 1e300, None)]
    ['900g', '900', '900', '0.5', '1e+300', None]
    """
    if isinstance(tag, float) and tag.is_integer() and abs(tag) < _EXACT:
        tag = int(tag)
    return None if tag is None else str(tag)[:MAX_ID]


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
    return np.array(values, np.float64)  # None becomes nan


def _mask(values: Sequence[object]) -> Mask:
    return np.fromiter(map(bool, values), np.bool_, len(values))
