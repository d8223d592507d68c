"""Rows of what changed: orders with their credits, and cells.

One order is one row: its touches, the KOLs concerned and, for each model, their cents,
as lists side by side. A time that an order had before is written with empty lists.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.cells import BRAND, NAMES, ORGANIC
from schemas.columns import Codes, Moments
from schemas.rows import MODELS, Rows
from streams.core.arrays.index import RowNumbers
from streams.core.arrays.names import Names
from streams.core.user.attribution import ORGANIC_CODE, Credits
from streams.core.user.journeys import Journeys
from streams.core.user.order_table import OrderTable
from streams.core.user.touches import LABELS, VIA, TouchClass

_MINUTE_S = 60
_VIA = tuple(VIA[klass] for klass in TouchClass)
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
    refunded: NDArray[np.int64]
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
    count, empty = len(changed.row), len(tombstones.row)
    row = np.append(changed.row, tombstones.row)
    hashes = (orders["user_hash"][changed.row].tobytes() + tombstones.user_hash.tobytes()).hex()
    width = 2 * tombstones.user_hash.shape[1]
    columns: dict[str, Any] = {
        "ordered_at": np.append(orders["at"][changed.row], tombstones.at),
        "order_id": orders.order_ids(row),
        "user_hash": [hashes[i : i + width] for i in range(0, len(hashes), width)],
        "brand_id": [name[len(BRAND) :] for name in _texts(names, orders["brand"][row])],
        "platform": _texts(labels, orders["platform"][row]),
        "channel": _texts(labels, orders["channel"][row]),
        "currency": _texts(labels, orders["currency"][row]),
        "paid_cents": _padded(orders["paid"][changed.row], empty),
        "refunded_cents": _padded(changed.refunded, empty),
        **{
            column: _padded(orders[name][changed.row], empty) for column, name in _BOOKED_AS.items()
        },
        "paid_again": _padded(orders["again"][changed.row], empty),
        "paid_again_cents": _padded(orders["again_cents"][changed.row], empty),
        "touches_after": _padded(changed.journeys.after, empty),
        "first_after_ms": _padded(changed.journeys.after_ms, empty),
    }
    lists = _touch_lists(changed.journeys, count, names)
    lists |= _credit_lists(changed.credits, count, names)
    columns |= {name: cut + [[]] * empty for name, cut in lists.items()}
    columns["snapshot"] = np.full(len(row), NO_SNAPSHOT)
    columns["version"] = np.full(len(row), version, np.uint64)
    return Rows("order_credit", columns)


def _touch_lists(journeys: Journeys, orders: int, names: Names) -> dict[str, list[list[Any]]]:
    classes = journeys.klass.tolist()
    return _cut(
        journeys.order,
        orders,
        {
            "touch_kol": _texts(names, journeys.kol),
            "touch_at": journeys.last.tolist(),
            "touch_begin": journeys.begin.tolist(),
            "touch_class": [LABELS[klass] for klass in classes],
            "touch_via": [_VIA[klass] for klass in classes],
        },
    )


def _credit_lists(credits: Credits, orders: int, names: Names) -> dict[str, list[list[Any]]]:  # noqa: A002  # the house's word
    kols = credits.kol.tolist()
    via = [
        "none" if kol == ORGANIC_CODE else "direct" if direct else "share"
        for kol, direct in zip(kols, credits.is_direct.tolist(), strict=True)
    ]
    flat: dict[str, list[Any]] = {
        "kols": [ORGANIC if kol == ORGANIC_CODE else names.names[kol] for kol in kols],
        "kol_via": via,
    }
    for model, credit, refunded in zip(MODELS, credits.credit, credits.refunded, strict=True):
        flat[f"credit_{model}"] = credit.tolist()
        flat[f"refunded_{model}"] = refunded.tolist()
    return _cut(credits.order, orders, flat)


def _cut(
    order: NDArray[np.int64], orders: int, flat: dict[str, list[Any]]
) -> dict[str, list[list[Any]]]:
    """Cut flat columns into one list for each order; `order` ascends."""
    ends = np.searchsorted(order, np.arange(orders + 1), side="left").tolist()
    parts = [slice(begin, end) for begin, end in pairwise(ends)]
    return {name: [column[part] for part in parts] for name, column in flat.items()}


def _texts(names: Names, code: NDArray[Any]) -> list[str]:
    """Names by codes, empty for an absent one."""
    return ["" if one < 0 else names.names[one] for one in code.tolist()]


def _padded(column: NDArray[np.int64], more: int) -> NDArray[np.int64]:
    return np.append(column, np.zeros(more, np.int64))


def cell_rows(cells: ChangedCells, partition: int) -> Rows:
    """The rows of changed cells."""
    return Rows(
        "minute_cell",
        {
            "kol_id": [cells.kols[code] for code in cells.kol.tolist()],
            "minute": cells.minute * _MINUTE_S,
            "source_partition": np.full(len(cells), partition),
            **{name: cells.fields[:, field] for field, name in enumerate(NAMES)},
            "version": cells.version,
        },
    )
