"""Orders as observations about KOLs, good or bad: what detectors of crises step on.

An observation is of the KOL with the largest credit of the order by the model `time_decay`, of
equal ones the first by UTF-8 bytes; organic orders are none.

| stream | bucket | observed | bad if |
|---|---|---|---|
| promo | 0 | each order, in its own minute | it was bought in a promotion |
| refund | age, 0 to 5 | each of which nothing was given back before, where its age ends | it is |

Ages end 1, 3, 7, 14, 30 and 90 days after the order; a refund before its order is of the first.
A refund that is reversed later was one.

*Outcomes* are what becomes of orders in 30 days, as evidence of trust: they are kept, or come back
for a reason that is not the buyer's own; others say nothing. All are said at the same age: else who
began last week would be known by what came back alone.

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

KEPT, COMPLAINED = range(2)  # as the signs of evidence
OUTCOME_AFTER_D: Final = 30  # days
PROMO, REFUND = (list(STREAMS).index(name) for name in ("promo", "refund"))
AGES_D: Final = (1, 3, 7, 14, 30, 90)  # where ages end, in days
MODEL: Final = MODELS.index("time_decay")

_ENDS: Final = np.array([0, *(day * DAY_MS for day in AGES_D)])  # by the stage of an order
_BEGINS: Final = np.array([NEVER, NEVER, *_ENDS[1:-1].tolist()])
_LAST: Final = len(AGES_D)
_MATURE: Final = 1 + AGES_D.index(OUTCOME_AFTER_D)  # the stage that ends with the outcome
_GIVEN_BACK: Final = _LAST + 1  # the stage of orders that wait for it, and are observed no more
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


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of orders, in order of `due_at`, of equal ones by key; columns `(n,)`."""

    order: RowNumbers
    sign: NDArray[np.int64]  # KEPT, COMPLAINED
    due_at: Moments  # when they were 30 days old

    def __len__(self) -> int:
        return len(self.order)


def observe(orders: OrderTable, refunds: Refunds, open_from: int) -> tuple[Observed, Outcomes]:
    """The observations of final minutes, before `open_from`; `orders` know whose they are.

    O(orders): to be asked once a minute of event time.
    """
    row = np.flatnonzero(orders["due_at"] < open_from)
    kol, minute, kind, bad, mature = (list[NDArray[np.int64]]() for _ in range(5))
    while row.size:
        stage, is_made, is_bad = _stage(orders, refunds, row)
        made = row[is_made]
        kol.append(orders["whose"][made].astype(np.int64))
        minute.append(orders["due_at"][made] // MINUTE_MS)
        kind.append(_kind(stage[is_made]))
        bad.append(is_bad[is_made].astype(np.int64))
        mature.append(row[(stage == _MATURE) & is_made | (stage == _GIVEN_BACK)])
        is_back = is_made & is_bad & (stage > 0)
        goes_on = is_made & (stage < _LAST) & ~is_back
        waits = is_back & (stage < _MATURE)
        orders["due_at"][row[~goes_on]] = NOT_DUE
        orders["stage"][row[waits]] = _GIVEN_BACK
        orders["due_at"][row[waits]] = orders["at"][row[waits]] + _ENDS[_MATURE]
        orders["stage"][row[goes_on]] = stage[goes_on] + 1
        orders["due_at"][row[goes_on]] = orders["at"][row[goes_on]] + _ENDS[stage[goes_on] + 1]
        row = row[goes_on | waits]
        row = row[orders["due_at"][row] < open_from]
    none = np.zeros(0, np.int64)
    observed = _added(*(np.concatenate([*part, none]) for part in (kol, minute, kind, bad)))
    return observed, _outcomes(orders, refunds, np.concatenate([*mature, none]))


def _outcomes(orders: OrderTable, refunds: Refunds, row: RowNumbers) -> Outcomes:
    """What became of orders that are 30 days old."""
    at = orders["at"][row]
    due_at = at + _ENDS[_MATURE]
    complained = refunds.first(row, complaints=True) < due_at
    speaks = complained | (refunds.first(row) >= due_at)
    row, due_at = row[speaks], due_at[speaks]
    order = np.lexsort((orders["hi"][row], orders["lo"][row], due_at))
    sign = np.where(complained[speaks], COMPLAINED, KEPT)
    return Outcomes(row[order], sign[order], due_at[order])


def _stage(
    orders: OrderTable, refunds: Refunds, row: RowNumbers
) -> tuple[NDArray[np.int64], Mask, Mask]:
    """The stage of due orders, which of them are observed in it, and which are bad."""
    stage = orders["stage"][row].astype(np.int64)
    age: Moments = refunds.first(row) - orders["at"][row]
    ends = np.minimum(stage, _LAST)
    is_made: Mask = (orders["whose"][row] != NO_CODE) & ((stage == 0) | (age >= _BEGINS[ends]))
    is_made &= stage < _GIVEN_BACK
    is_bad: Mask = np.where(stage == 0, orders["promo"][row], age < _ENDS[ends])
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
