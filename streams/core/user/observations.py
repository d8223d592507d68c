"""Orders as observations about KOLs, good or bad: what detectors of crises step on.

An observation is of the KOL with the largest credit of the order by the model `time_decay`, of
equal ones the first by UTF-8 bytes; organic orders are none.

| stream | bucket | observed | bad if |
|---|---|---|---|
| promo | 0 | each order, in its own minute | it was bought in a promotion |
| refund | age, 0 to 5 | each of which nothing was given back before, where its age ends | it is |

Ages end 1, 3, 7, 14, 30 and 90 days after the order; a refund before its order is of the first.
A refund that is reversed later was one.

An observation is made once its minute is final: then whose the order is and what was given back
are decided, and so are all observations of the minute. They are written together, once: no row
says a part of them, and none is ever taken back.

*Idle inputs.* Where all inputs have events the log alone decides when a minute is final. One that
is read to its end and idle is raised by the clock (`UserMemory.advance_idle`). After a crash
between such a raise with its rows and the next snapshot, what came to that input meanwhile may be
read first, and be in time again: then a row can stay of a KOL who no longer has the order.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from schemas.cells import STREAMS
from schemas.columns import Mask, Moments
from schemas.rows import MODELS
from streams.core.arrays.index import RowNumbers, high, low, packed
from streams.core.moments import DAY_MS, HORIZON_MS, MINUTE_MS, NEVER
from streams.core.user.attribution import Credits
from streams.core.user.order_table import NO_CODE, NOT_DUE, OrderTable
from streams.core.user.refunds import Refunds

PROMO, REFUND = (list(STREAMS).index(name) for name in ("promo", "refund"))
AGES_D: Final = (1, 3, 7, 14, 30, 90)  # where ages end, in days
MODEL: Final = MODELS.index("time_decay")

_ENDS: Final = np.array([0, *(day * DAY_MS for day in AGES_D)])  # by the stage of an order
_BEGINS: Final = np.array([NEVER, NEVER, *_ENDS[1:-1].tolist()])
_LAST: Final = len(AGES_D)
_BUCKETS: Final = 1 << 8  # of a stream


@dataclass(frozen=True, slots=True)
class Observed:
    """Cells of detectors: row i of every column is a KOL, a minute, a stream and a bucket."""

    kol: NDArray[np.int64]  # codes of names
    minute: NDArray[np.int64]  # minutes since the epoch
    stream: NDArray[np.int64]
    bucket: NDArray[np.int64]
    n: NDArray[np.int64]  # observations
    k: NDArray[np.int64]  # of them, bad ones

    def __len__(self) -> int:
        return len(self.kol)

    @classmethod
    def none(cls) -> Self:
        """No cells."""
        return cls(*np.zeros((6, 0), np.int64))


def largest(credits_: Credits, orders: int) -> NDArray[np.int64]:
    """The KOL with the largest credit of each order, the first of equal ones; NO_CODE: organic."""
    cents, of = credits_.credit[MODEL], credits_.order
    most = np.full(orders, -1, np.int64)
    np.maximum.at(most, of, cents)
    best = np.flatnonzero(cents == most[of])
    order, first = np.unique(of[best], return_index=True)
    kol = np.full(orders, NO_CODE, np.int64)
    kol[order] = credits_.kol[best[first]]  # that of `organic` is NO_CODE
    return kol


def final_to(watermark: int) -> int:
    """Where the first minute begins that is not final."""
    return (watermark - HORIZON_MS) // MINUTE_MS * MINUTE_MS


def observe(orders: OrderTable, refunds: Refunds, open_from: int) -> Observed:
    """The observations of final minutes, before `open_from`; `orders` know whose they are.

    O(orders): to be asked once a minute of event time.
    """
    row = np.flatnonzero(orders["due_at"] < open_from)
    kol, minute, kind, bad = (list[NDArray[np.int64]]() for _ in range(4))
    while row.size:
        stage, is_made, is_bad = _stage(orders, refunds, row)
        made = row[is_made]
        kol.append(orders["whose"][made].astype(np.int64))
        minute.append(orders["due_at"][made] // MINUTE_MS)
        kind.append(_kind(stage[is_made]))
        bad.append(is_bad[is_made].astype(np.int64))
        goes_on = is_made & (stage < _LAST) & ~((stage > 0) & is_bad)
        orders["due_at"][row[~goes_on]] = NOT_DUE
        row, stage = row[goes_on], stage[goes_on] + 1
        orders["stage"][row] = stage
        orders["due_at"][row] = orders["at"][row] + _ENDS[stage]
        row = row[orders["due_at"][row] < open_from]
    return _added(
        *(np.concatenate([*part, np.zeros(0, np.int64)]) for part in (kol, minute, kind, bad))
    )


def _stage(
    orders: OrderTable, refunds: Refunds, row: RowNumbers
) -> tuple[NDArray[np.int64], Mask, Mask]:
    """The stage of due orders, which of them are observed in it, and which are bad."""
    stage = orders["stage"][row].astype(np.int64)
    age: Moments = refunds.first(row) - orders["at"][row]
    is_made: Mask = (orders["whose"][row] != NO_CODE) & ((stage == 0) | (age >= _BEGINS[stage]))
    is_bad: Mask = np.where(stage == 0, orders["promo"][row], age < _ENDS[stage])
    return stage, is_made, is_bad


def _kind(stage: NDArray[np.int64]) -> NDArray[np.int64]:
    """Stream and bucket in one number."""
    return np.where(stage == 0, PROMO * _BUCKETS, REFUND * _BUCKETS + stage - 1)


def _added(
    kol: NDArray[np.int64],
    minute: NDArray[np.int64],
    kind: NDArray[np.int64],
    bad: NDArray[np.int64],
) -> Observed:
    """Observations of one cell added up."""
    cells, of = np.unique(
        np.stack([packed(minute, kol), kind.astype(np.uint64)]), axis=1, return_inverse=True
    )
    which, kind = cells[0], cells[1].astype(np.int64)
    n = np.bincount(of, minlength=len(which))
    k = np.zeros(len(which), np.int64)
    np.add.at(k, of, bad)
    return Observed(high(which), low(which), kind // _BUCKETS, kind % _BUCKETS, n, k)
