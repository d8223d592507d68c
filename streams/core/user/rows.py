"""Rows of what changed: orders with their credits, cells, dead letters.

One order is one row: its touches, the KOLs concerned and, for each model, their cents,
as lists side by side. A time that an order had before is told with empty lists.
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
from streams.core.arrays.arena import Names
from streams.core.arrays.index import RowNumbers
from streams.core.user.attribution import ORGANIC_CODE, Credits
from streams.core.user.orders import Orders
from streams.core.user.touches import LABELS, VIA, Journeys, TouchClass

_MINUTE_S = 60
_VIA = tuple(VIA[klass] for klass in TouchClass)
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
class Told:
    """Orders to be told, row i of every column is one."""

    row: RowNumbers
    refunded: NDArray[np.int64]
    journeys: Journeys
    credits: Credits


def order_rows(
    orders: Orders,
    told: Told,
    moved: tuple[RowNumbers, Moments, NDArray[np.uint8]],
    names: Names,
    labels: Names,
    version: int,
) -> Rows:
    """Give the rows of orders, and empty ones for the keys they had before."""
    count, empty = len(told.row), len(moved[0])
    row = np.append(told.row, moved[0])
    hashes = (orders["user_hash"][told.row].tobytes() + moved[2].tobytes()).hex()
    width = 2 * moved[2].shape[1]
    columns: dict[str, Any] = {
        "ordered_at": np.append(orders["at"][told.row], moved[1]),
        "order_id": orders.texts(orders["order_id"][row]),
        "user_hash": [hashes[i : i + width] for i in range(0, len(hashes), width)],
        "brand_id": [name[len(BRAND) :] for name in _texts(names, orders["brand"][row])],
        "platform": _texts(labels, orders["platform"][row]),
        "channel": _texts(labels, orders["channel"][row]),
        "currency": _texts(labels, orders["currency"][row]),
        "paid_cents": _padded(orders["paid"][told.row], empty),
        "refunded_cents": _padded(told.refunded, empty),
    }
    lists = _touch_lists(told.journeys, count, names) | _credit_lists(told.credits, count, names)
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
            "touch_at": journeys.at.tolist(),
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
    """Give names by codes, empty for an absent one."""
    return ["" if one < 0 else names.names[one] for one in code.tolist()]


def _padded(column: NDArray[np.int64], more: int) -> NDArray[np.int64]:
    return np.append(column, np.zeros(more, np.int64))


def cell_rows(cells: ChangedCells, partition: int) -> Rows:
    """Give the rows of changed cells."""
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
