"""The formats of a snapshot's arrays on the user side, and how an older one becomes the next.

Every change of what `snapshot.arrays_of` gives, or of what it means, is a new format. The function
appended to `conversions` makes its arrays from those of the format before: a pure function that
knows names and dtypes of its own two formats and nothing of today's classes.
"""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Keys
from schemas.keyed_names import KeyedNames, What
from streams.core.arrays.arena import Arrays
from streams.core.moments import NEVER

Conversion = Callable[[Arrays], Arrays]


def _with_erased_persons(arrays: Arrays) -> Arrays:
    """Format 2: nobody is erased, and nothing is known of what the inputs were read to."""
    order_hash, moved = arrays["orders.order.user_hash"], arrays["orders.moved.order"]
    keys = {f"{name}.{half}": np.uint64 for name in _NEW_KEYS for half in ("lo", "hi")}
    empty = {**keys, "forgotten.moment.offset": np.int64, "forgotten.moment.held": np.bool_}
    return {
        **{name: np.zeros(0, dtype) for name, dtype in empty.items()},
        **arrays,  # the younger snapshots of format 1 have `admission`
        "offsets": np.append(arrays["offsets"], 0),  # of `kol-erasures`
        "reached": np.full(3, NEVER),
        "orders.order.received": np.zeros(len(order_hash), np.int64),
        "orders.moved.user_hash": order_hash[moved],
        "tally.total": _padded(arrays["tally.total"]),
        "tally.told": _padded(arrays["tally.told"]),
    }


_NEW_KEYS: Final = ("admission", "forgotten.moment", "forgotten.user")
_DOOR_COUNTS: Final = 50  # in format 2


def _padded(counts: NDArray[Any]) -> NDArray[Any]:
    """Door counts of format 1: those that were appended begin with 0."""
    return np.pad(counts, (0, _DOOR_COUNTS - len(counts)))


def _with_all_moments(arrays: Arrays) -> Arrays:
    """Format 3: the one moment of a touch is its first and its last, and none lies between.

    What was read so far noted no touch after an order, and what events said is unknown. No refund
    named its currency, and cells counted all of them; orders have their currencies in upper case.
    Door counts have their names beside them.
    """
    touched, pooled = arrays["touches.at"], arrays["orders.pool.at"]
    orders, refunds = len(arrays["orders.order.at"]), len(arrays["orders.back.at"])
    return {
        **{name: array for name, array in arrays.items() if name not in _ONE_MOMENT},
        "touches.begin": touched,
        "touches.last": touched,
        "touches.inner.touch": np.zeros(0, np.int32),
        "touches.inner.at": np.zeros(0, np.int64),
        "orders.pool.begin": pooled,
        "orders.pool.last": pooled,
        **{f"orders.order.{name}": np.zeros(orders, dtype) for name, dtype in _OF_AN_ORDER.items()},
        "orders.order.counted": np.ones(orders, np.bool_),
        "orders.order.organic": np.ones(orders, np.bool_),  # not known: a touch tells
        **{f"orders.back.{name}": np.full(refunds, -1, np.int32) for name in _OF_A_REFUND},
        "orders.back.reversal": np.zeros(refunds, np.bool_),
        "orders.back.counted": np.ones(refunds, np.bool_),
        "orders.after": np.zeros(1, np.int64),
        "orders.totals": np.append(arrays["orders.totals"], (0, 0)),
        **{
            f"gate.{topic}.content": np.zeros(len(arrays[f"gate.{topic}.at"]), np.uint32)
            for topic in _INPUTS
        },
        "tally.series": np.frombuffer("\n".join(map(" ".join, _COUNTED)).encode(), np.uint8),
        **_folded_currencies(arrays),
    }


def _folded_currencies(arrays: Arrays) -> Arrays:
    """Labels and the orders' codes into them, with currencies as they are compared.

    Format 2 kept them as sent, and took an absent one for CNY.
    """
    utf8, ends = arrays["labels.utf8"].tobytes(), [0, *arrays["labels.end"].tolist()]
    names = [utf8[begin:end].decode() for begin, end in pairwise(ends)]
    known = {name: code for code, name in enumerate(names)}
    currency = arrays["orders.order.currency"]
    code = np.arange(-1, len(names))  # absent stays absent
    for one in np.unique(currency[currency >= 0]).tolist():
        code[one + 1] = known.setdefault(names[one].strip().upper() or "CNY", len(known))
    encoded = [name.encode() for name in known]
    return {
        "labels.utf8": np.frombuffer(b"".join(encoded), np.uint8),
        "labels.end": np.cumsum([len(name) for name in encoded], dtype=np.int64),
        "orders.order.currency": code[currency + 1].astype(np.int32),
    }


_OF_AN_ORDER: Final = {
    **dict.fromkeys(("after", "after_ms", "again", "foreign"), np.int32),
    **dict.fromkeys(("again_cents", "reversed", "reversal_excess"), np.int64),
}
_OF_A_REFUND: Final = ("currency", "brand", "user")
_ONE_MOMENT: Final = frozenset({"touches.at", "orders.pool.at"})
_INPUTS: Final = ("clickstream", "content-interactions", "purchases")
_COUNTED: Final = (  # topic and name of the door counts of format 2, by place
    *(
        (topic, door)
        for topic in _INPUTS
        for door in ("written", "duplicate", "duplicate_order", "too_late")
    ),
    *(
        (topic, reason)
        for topic in _INPUTS
        for reason in (
            *("not_json", "invalid", "unknown_kind", "reserved_id", "too_large", "bad_time"),
            *("from_the_future", "null_value", "wrong_partition"),
        )
    ),
    *(
        ("purchases", name)
        for name in ("refund_unmatched", "refund_outside", "refund_excess_cents")
    ),
    *((topic, "closed_minute") for topic in _INPUTS),
    ("*", "touch_limit"),
    *((topic, "name_limit") for topic in _INPUTS[:2]),
    *(("kol-erasures", name) for name in ("erasure_unreadable", "erasure_late")),
)


def _with_more_said(arrays: Arrays) -> Arrays:
    """Format 4: wider cells, orders in full, and orders as observations."""
    return _with_observations(_with_orders_in_full(_with_wider_cells(arrays)))


def _with_wider_cells(arrays: Arrays) -> Arrays:
    """Cells have twelve fields more, which begin with 0.

    How credible the users of days under way are is not known, so the rest of these days is not
    weighed; users of shares and unfollows are counted from here on.
    """
    days, fields = len(arrays["depth.lo"]), arrays["cells.field"]
    return {
        **arrays,
        "cells.field": np.pad(fields, ((0, 0), (0, _FIELDS - fields.shape[1]))),
        "depth.every": np.zeros(days, np.int64),
        "depth.credible": np.zeros(days, np.int32),
        **{
            f"{part}.{half}": np.zeros(0, np.uint64)
            for part in ("share_reach", "unfollowers")
            for half in ("lo", "hi")
        },
        "share_reach.earliest": np.zeros(0, np.int16),
    }


_FIELDS: Final = 60  # of a cell in format 4


def _with_orders_in_full(arrays: Arrays) -> Arrays:
    """What else was said of orders is unknown, and so is why refunds were asked.

    Orders that something was given back of are written again, with what each refund changed.
    """
    at, of = arrays["orders.order.at"], arrays["orders.back.order"]
    dirty = arrays["orders.order.dirty"].copy()
    dirty[of[at[of] != NEVER]] = True
    return {
        **arrays,
        "orders.order.dirty": dirty,
        **{f"orders.order.{name}": np.full(len(at), -1, np.int32) for name in _UNKNOWN},
        "orders.order.qty": np.full(len(at), np.nan),
        "orders.order.margin": np.full(len(at), -(2**63), np.int64),
        "orders.back.received": np.zeros(len(of), np.int64),
        "orders.back.reason": np.full(len(of), -1, np.int32),
        "orders.reason.utf8": np.zeros(0, np.uint8),
        "orders.reason.end": np.zeros(0, np.int64),
    }


_UNKNOWN: Final = ("category", "price_tier", "size", "sku", "coupon")


def _with_observations(arrays: Arrays) -> Arrays:
    """Orders whose minute is open are observed once it is final; so they are written once more.

    Older ones are not: whose they are is not known. So no minute is observed in part.
    """
    at, orders = arrays["orders.order.at"], len(arrays["orders.order.at"])
    is_open = at >= arrays["gate.purchases.greatest"] - _OPEN_MS
    return {
        **arrays,
        "orders.order.dirty": arrays["orders.order.dirty"] | is_open,
        "orders.order.whose": np.full(orders, -1, np.int32),
        "orders.order.stage": np.zeros(orders, np.uint8),
        "orders.order.due_at": np.where(is_open & (at != NEVER), at, 1 << 62),
    }


_OPEN_MS: Final = 2 * 3_600_000 + 60_000  # the lateness horizon and a minute


def _with_names_and_consents(arrays: Arrays, names: KeyedNames) -> Arrays:
    """Format 5: keyed names, and what users allow."""
    return with_consents(_with_keyed_names(arrays, names))


def _with_keyed_names(arrays: Arrays, names: KeyedNames) -> Arrays:
    """Every digest of a user, event or order is its keyed name.

    Orders of known persons get these as their user_hash, too: the keys their rows had are to be
    emptied. What is known of no person any more keeps its hash.
    """
    users, erased = _keys(arrays, "users"), _keys(arrays, "forgotten.user")
    erased_names = names.of(What.USER, erased)
    whose, at = (arrays[f"forgotten.moment.{half}"].astype(np.int64) for half in ("lo", "hi"))
    later = names.later(erased_names[whose], at)
    # of each user the erased one it is a person of, and the name of the person
    named, of = names.of(What.USER, users), _places(erased, users)
    again = _places(_person_after(erased[whose], at), users)
    named[again >= 0] = later[again[again >= 0]]
    of[again >= 0] = whose[again[again >= 0]]

    user, former = arrays["orders.order.user"], arrays["orders.order.user_hash"]
    row = np.flatnonzero((user >= 0) & (arrays["orders.order.at"] != NEVER) & former.any(axis=1))
    name = named[user[row]]
    was_erased = np.flatnonzero(of[user[row]] >= 0)
    received = arrays["orders.order.received"][row[was_erased]]
    for i, one, then in zip(
        was_erased.tolist(), of[user[row[was_erased]]].tolist(), received.tolist(), strict=True
    ):
        before = np.flatnonzero((whose == one) & (at < then))
        name[i] = later[before[at[before].argmax()]] if before.size else erased_names[one]
    user_hash = former.copy()
    user_hash[row] = np.frombuffer(name[:, ::-1].astype(">u8").tobytes(), np.uint8).reshape(-1, 16)
    moved = {
        "order": row.astype(np.int32),
        "at": arrays["orders.order.at"][row],
        "user_hash": former[row],
    }
    return {
        **arrays,
        "key": names.check,
        **_halves("users", named),
        **_halves("forgotten.user", erased_names),
        **_halves("orders.order", names.of(What.ORDER, _keys(arrays, "orders.order"))),
        **{
            half: array
            for gate in (f"gate.{topic}" for topic in _INPUTS)
            for half, array in _halves(gate, names.of(What.IDENTITY, _keys(arrays, gate))).items()
        },
        "orders.order.user_hash": user_hash,
        **{
            f"orders.moved.{column}": np.concatenate([arrays[f"orders.moved.{column}"], more])
            for column, more in moved.items()
        },
    }


def with_consents(arrays: Arrays) -> Arrays:
    """Nobody is known to allow anything: nothing of `kol-consents` is read."""
    return {
        **arrays,
        "offsets": np.append(arrays["offsets"], 0),
        "consents.lo": np.zeros(0, np.uint64),
        "consents.hi": np.zeros(0, np.uint64),
        "consents.at": np.zeros(0, np.int64),
        "consents.allowed": np.zeros(0, np.uint8),
    }


def _with_whole_words(arrays: Arrays) -> Arrays:
    """A word takes all of its allowance: what a former one left of it is taken, too.

    Orders that came back wait until they are thirty days old, as those that are kept do: else what
    was bought before the upgrade would speak for KOLs alone.
    """
    at, stage, due_at = (arrays[f"orders.order.{name}"] for name in ("at", "stage", "due_at"))
    matures_at = at + _MATURE_MS
    waits = (due_at == _NOT_DUE) & (stage >= 1) & (stage <= _BEFORE_MATURE)
    waits &= matures_at >= arrays["scalars"][1] - _HORIZON_MS  # its minute has not left
    return {
        **{name: array for name, array in arrays.items() if name != "allowances.left"},
        "orders.order.stage": np.where(waits, np.uint8(_GIVEN_BACK), stage),
        "orders.order.due_at": np.where(waits, matures_at, due_at),
    }


_NOT_DUE: Final = 1 << 62
_HORIZON_MS: Final = 2 * 3_600_000
_MATURE_MS: Final = 30 * 86_400_000
_BEFORE_MATURE: Final = 4  # the stages that end 1, 3, 7 and 14 days after an order
_GIVEN_BACK: Final = 7


def _keys(arrays: Arrays, prefix: str) -> Keys:
    return np.stack([arrays[f"{prefix}.lo"], arrays[f"{prefix}.hi"]], axis=1)


def _halves(prefix: str, keys: Keys) -> dict[str, NDArray[Any]]:
    return {f"{prefix}.lo": keys[:, 0].copy(), f"{prefix}.hi": keys[:, 1].copy()}


def _places(some: Keys, keys: Keys) -> NDArray[np.int64]:
    """The place of every key among some distinct ones, -1 where it is not there."""
    place = np.full(len(keys), -1)
    known = {key: i for i, key in enumerate(map(tuple, some.tolist()))}
    for i in np.flatnonzero(np.isin(keys[:, 0], some[:, 0])).tolist():
        place[i] = known.get(tuple(keys[i].tolist()), -1)
    return place


def _person_after(user: Keys, at: NDArray[np.int64]) -> Keys:
    """The keys that persons of format 4 had after these moments of their user_ids."""
    moment = at.astype(np.uint64)
    return np.stack([_mixed(user[:, 0], moment), _mixed(user[:, 1] ^ user[:, 0], moment)], axis=1)


def _mixed(lo: NDArray[np.uint64], hi: NDArray[np.uint64]) -> NDArray[np.uint64]:
    word = lo * np.uint64(0x9E3779B97F4A7C15)
    word ^= word >> np.uint64(32)
    word += hi
    word *= np.uint64(0xD6E8FEB86659FD93)
    word ^= word >> np.uint64(32)
    return word


CONVERSIONS: Final[tuple[Conversion, ...]] = (  # those that need no key
    _with_erased_persons,
    _with_all_moments,
    _with_more_said,
)


def conversions(names: KeyedNames) -> tuple[Conversion, ...]:
    """All of them, for a deployment with these names."""
    return *CONVERSIONS, partial(_with_names_and_consents, names=names), _with_whole_words
