"""What changed as rows of tables: orders with their credits, cells, observations.

One order is one row: its touches, the KOLs concerned and, for each model, their cents, as lists
side by side: one run of all elements with the ends of the lists, no Python object an element.
A time that an order had before is written with empty lists.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.cells import BRAND, NAMES, ORGANIC, STREAMS
from schemas.columns import UNKNOWN_CENTS, Codes, Moments
from schemas.rows import MODELS, Rows
from schemas.values import Coded, Lists, Values, compact
from streams.core.arrays.index import RowNumbers
from streams.core.arrays.names import NO_TEXT, Names
from streams.core.user.attribution import ORGANIC_CODE, Credits
from streams.core.user.journeys import Journeys
from streams.core.user.observations import Observed
from streams.core.user.order_table import NO_CODE, OrderTable
from streams.core.user.refund_entries import KINDS, RefundEntries
from streams.core.user.refunds import GivenBack
from streams.core.user.touches import LABELS, VIA, TouchClass

_MINUTE_S = 60
_VIA = ("direct", "share", "none")
_NOBODY = 2  # in `_VIA`
_VIA_OF_CLASS = tuple(VIA[klass] for klass in TouchClass)
_BOOKED_AS = {  # column of the row -> column of the table
    "excess_cents": "excess",
    "reversed_cents": "reversed",
    "refunds_outside": "outside",
    "refunds_foreign": "foreign",
}
NO_SNAPSHOT = 0  # no population values were used


@dataclass(frozen=True, slots=True)
class ChangedCells:
    """Cells as they stand, those that changed; row i of every column is one."""

    kols: Sequence[str]  # names, brands (`~brand:`) among them
    kol: Codes  # into `kols`
    minute: NDArray[np.int64]  # minutes since the epoch
    fields: NDArray[np.int64]  # shape (n, len(NAMES))
    version: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.minute)


@dataclass(frozen=True, slots=True)
class ChangedOrders:
    """Orders as they stand, those that changed; row i of every column is one."""

    row: RowNumbers
    given_back: GivenBack
    journeys: Journeys
    credits: Credits


@dataclass(frozen=True, slots=True)
class Tombstones:
    """Keys that orders had before: rows to be written empty; columns `(n,)`."""

    row: RowNumbers
    at: Moments
    user_hash: NDArray[np.uint8]


def order_rows(
    orders: OrderTable,
    changed: ChangedOrders,
    tombstones: Tombstones,
    names: Names,
    labels: Names,
    version: int,
) -> Rows:
    """The rows of orders, and empty ones for the keys they had before."""
    row = np.append(changed.row, tombstones.row)
    rows, empty = len(row), len(tombstones.row)
    columns: dict[str, Values] = {
        "ordered_at": np.append(orders["at"][changed.row], tombstones.at),
        "order_id": orders.order_ids(row),
        "user_hash": _hex(np.concatenate([orders["user_hash"][changed.row], tombstones.user_hash])),
        "brand_id": _coded(orders["brand"][row], "", lambda code: names.names[code][len(BRAND) :]),
        "platform": Coded(orders["platform"][row], labels.names),
        "channel": Coded(orders["channel"][row], labels.names),
        "currency": Coded(orders["currency"][row], labels.names),
        **_product(orders, changed.row, empty, labels),
        **_amounts(orders, changed, empty),
        **_refund_lists(changed.given_back.entries, rows),
        "paid_again": _padded(orders["again"][changed.row], empty),
        "paid_again_cents": _padded(orders["again_cents"][changed.row], empty),
        "touches_after": _padded(changed.journeys.after, empty),
        "first_after_ms": _padded(changed.journeys.after_ms, empty),
        **_touch_lists(changed.journeys, rows, names),
        **_credit_lists(changed.credits, rows, names),
        "snapshot": np.full(rows, NO_SNAPSHOT),
        "version": np.full(rows, version, np.uint64),
    }
    return Rows("order_credit", columns)


def _product(orders: OrderTable, row: RowNumbers, empty: int, labels: Names) -> dict[str, Values]:
    """What was bought, and how."""
    return {
        **{
            name: Coded(_padded(orders[name][row], empty, NO_CODE), labels.names)
            for name in ("category", "price_tier", "size")
        },
        "sku": _of_their_own(orders, "sku", row, empty),
        "coupon_id": _of_their_own(orders, "coupon", row, empty),
        "qty": _padded(orders["qty"][row], empty, np.nan),
        **{
            name: _padded(orders[name][row].astype(np.uint8), empty) for name in ("promo", "member")
        },
    }


def _of_their_own(orders: OrderTable, name: str, row: RowNumbers, empty: int) -> Values:
    """Texts that may be another one for every order; often none has any."""
    if (orders[name][row] == NO_TEXT).all():
        return Coded(np.full(len(row) + empty, NO_CODE), [])
    return orders.texts(name, row) + [""] * empty


def _amounts(orders: OrderTable, changed: ChangedOrders, empty: int) -> dict[str, Values]:
    """What was paid, could have been paid, and was given back."""
    row = changed.row
    return {
        "paid_cents": _padded(orders["paid"][row], empty),
        "list_cents": _padded(orders["list"][row], empty),
        "discount_cents": _padded(orders["discount"][row], empty),
        "margin_cents": _padded(orders["margin"][row], empty, UNKNOWN_CENTS),
        "refunded_cents": _padded(changed.given_back.cents, empty),
        **{column: _padded(orders[name][row], empty) for column, name in _BOOKED_AS.items()},
    }


def _refund_lists(entries: RefundEntries, rows: int) -> dict[str, Values]:
    ends = _ends(entries.order, rows)
    return {
        "refund_at": Lists(entries.at, ends),
        "refund_cents": Lists(entries.cents, ends),
        "refund_kind": Lists(Coded(entries.kind, KINDS), ends),
        "refund_reason": Lists(entries.reason, ends),
    }


def _touch_lists(journeys: Journeys, rows: int, names: Names) -> dict[str, Values]:
    ends = _ends(journeys.order, rows)
    return {
        "touch_kol": Lists(Coded(journeys.kol, names.names), ends),
        "touch_at": Lists(journeys.last, ends),
        "touch_begin": Lists(journeys.begin, ends),
        "touch_class": Lists(Coded(journeys.klass, LABELS), ends),
        "touch_via": Lists(Coded(journeys.klass, _VIA_OF_CLASS), ends),
    }


def _credit_lists(credits: Credits, rows: int, names: Names) -> dict[str, Values]:  # noqa: A002  # the house's word
    ends = _ends(credits.order, rows)
    kols = _coded(credits.kol, ORGANIC, names.names.__getitem__)
    via = np.where(credits.kol == ORGANIC_CODE, _NOBODY, np.where(credits.is_direct, 0, 1))
    columns: dict[str, Values] = {
        "kols": Lists(kols, ends),
        "kol_via": Lists(Coded(via, _VIA), ends),
    }
    for model, credit, refunded in zip(MODELS, credits.credit, credits.refunded, strict=True):
        columns[f"credit_{model}"] = Lists(credit, ends)
        columns[f"refunded_{model}"] = Lists(refunded, ends)
    return columns


def _ends(order: NDArray[np.int64], rows: int) -> NDArray[np.int64]:
    """Where the list of each row ends; `order` ascends, and rows beyond it have none."""
    return np.searchsorted(order, np.arange(rows), side="right")


def _coded(code: Codes | NDArray[np.int64], absent: str, name: Callable[[int], str]) -> Coded:
    """Texts by codes, only those that occur; `absent` for a negative code."""
    used, place = compact(code)
    return Coded(place, [absent if one < 0 else name(one) for one in used.tolist()])


def _hex(hashes: NDArray[np.uint8]) -> NDArray[np.bytes_]:
    """Hashes, shape (n, bytes), as texts of hex digits."""
    return np.frombuffer(hashes.tobytes().hex().encode(), f"S{2 * hashes.shape[1]}")


def _padded(column: NDArray[Any], more: int, empty: float = 0) -> NDArray[Any]:
    """A column with the value of rows that are written empty behind it."""
    return np.concatenate([column, np.full(more, empty, column.dtype)]) if more else column


def observation_rows(cells: Observed, names: Names, partition: int, version: int) -> Rows:
    """The rows of observations."""
    count = len(cells)
    return Rows(
        "detector_cell",
        {
            "kol_id": _coded(cells.kol, "", names.names.__getitem__),
            "minute": cells.minute * _MINUTE_S,
            "stream": Coded(cells.stream, list(STREAMS)),
            "bucket": cells.bucket,
            "source_partition": np.full(count, partition),
            "n": cells.n,
            "k": cells.k,
            "version": np.full(count, version, np.uint64),
        },
    )


def cell_rows(cells: ChangedCells, partition: int) -> Rows:
    """The rows of changed cells."""
    return Rows(
        "minute_cell",
        {
            "kol_id": Coded(cells.kol, cells.kols),
            "minute": cells.minute * _MINUTE_S,
            "source_partition": np.full(len(cells), partition),
            **{name: cells.fields[:, field] for field, name in enumerate(NAMES)},
            "version": cells.version,
        },
    )
