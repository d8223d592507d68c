"""What an order owes to whom: six models, exact integers, to the cent.

Each model gives the counting touches of an order integer weights, added up per KOL
(W, in all S). Of C cents a KOL gets

    floor(C W / S),  the cents left over one by one to the greatest C W mod S,
                     ties by kol_id in UTF-8 bytes

| model | weight of a touch, n of them in order of (last, kol_id, class) |
|---|---|
| first | 1 for the least by (begin, kol_id, class), else 0 |
| last | 1 for the last, else 0 |
| linear | 1 |
| position | n < 3: 1; else first and last 2 (n - 2) each, the others 1: 40/20/40 (note) |
| time_decay | round(2^32 2^(-m / 10080)), m = age of `last` in whole minutes: halves in 7 d |
| shapley | 1 for the first touch of each KOL: an equal part for each distinct KOL |

Note: where the first and the last are one touch it has 4 (n - 1): 80/20.

An order without a counting touch belongs to `organic`. Refunded cents are the split of
what was given back with the credits as weights. Shapley value of "the path lies in S":
Zhao, Mahboobi, Bagheri, Shapley Value Methods for Attribution Modeling (2018).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.cells import ORGANIC
from schemas.columns import Mask, Moments
from schemas.rows import MODELS
from streams.core.moments import MINUTE_MS
from streams.core.user.journeys import Journeys
from streams.core.user.touches import LOOKBACK_MS, VIA, TouchClass

_FIRST, _LAST, _LINEAR, _POSITION, _TIME_DECAY, _SHAPLEY = range(len(MODELS))

HALVES_IN_MINUTES: Final = 10_080  # 7 d
ORGANIC_CODE: Final = -1  # the code of `organic`: before every KOL, and with nobody beside it

DECAY: Final = np.array(
    [
        round(2**32 * 2 ** (-minutes / HALVES_IN_MINUTES))
        for minutes in range(max(LOOKBACK_MS.values()) // MINUTE_MS + 1)
    ],
    np.int64,
)

_DIGIT = 20  # bits
_LOW = (1 << _DIGIT) - 1


def parts(
    cents: NDArray[np.int64], weight: NDArray[np.int64], total: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """`cents weight // total` and `cents weight % total` without overflow.

    Long division with two digits to the base 2^20. With 0 <= cents < 2^40, written
    c 2^20 + d (c, d < 2^20), and 0 <= weight <= total < 2^41:

        c weight                           < 2^61, its remainder r < total < 2^41
        r 2^20 + d weight                  < 2^61 + 2^61 = 2^62

    and cents weight = 2^20 (q total + r) + d weight = (2^20 q + q') total + r'.
    """
    upper, rest = np.divmod((cents >> _DIGIT) * weight, total)
    lower, rest = np.divmod((rest << _DIGIT) + (cents & _LOW) * weight, total)
    return (upper << _DIGIT) + lower, rest


def split(
    cents: NDArray[np.int64], weight: NDArray[np.int64], group: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Split amounts without losing a cent.

    Args:
        cents: `(groups,)`, below 2^40.
        weight: `(n,)`; the members of a group in order of their names; each group's sum
            below 2^41. Where all are 0 the amount must be 0.
        group: `(n,)`, ascending.

    >>> split(np.array([100]), np.array([1, 1, 1]), np.array([0, 0, 0])).tolist()
    [34, 33, 33]

    """
    share = np.zeros(len(group), np.int64)
    some = np.flatnonzero(cents[group])  # nothing was given back of most orders
    share[some] = _split(cents, weight[some], group[some])
    return share


def _split(
    cents: NDArray[np.int64], weight: NDArray[np.int64], group: NDArray[np.int64]
) -> NDArray[np.int64]:
    totals = np.zeros(len(cents), np.int64)
    np.add.at(totals, group, weight)
    share, rest = parts(cents[group], weight, np.maximum(totals, 1)[group])
    left = cents.copy()
    np.subtract.at(left, group, share)
    more = np.flatnonzero(left[group])  # most amounts split without a rest
    order = more[np.lexsort((-rest[more], group[more]))]  # stable: ties stay in order of the names
    of = group[order]
    place = np.arange(len(of)) - np.searchsorted(of, of, side="left")
    share[order[place < left[of]]] += 1
    return share


@dataclass(frozen=True, slots=True)
class Credits:
    """The KOLs of some orders and their cents by each model, flat.

    Shape `(g,)`, sorted by order and by the names' UTF-8 bytes; cents `(models, g)`.
    """

    order: NDArray[np.int64]
    kol: NDArray[np.int64]  # the memory's code, ORGANIC_CODE for `organic`
    is_direct: Mask  # any of the KOL's counting touches is direct
    credit: NDArray[np.int64]
    refunded: NDArray[np.int64]


def weights(
    at: Moments, journeys: Journeys, rank: NDArray[np.int64], is_first_of_kol: Mask
) -> NDArray[np.int64]:
    """Every model's weight of every counting touch, `(models, t)`; `at`: of the orders."""
    order = journeys.order
    begins = np.searchsorted(order, order, side="left")
    count = np.searchsorted(order, order, side="right") - begins
    is_last = np.arange(len(order)) - begins == count - 1
    is_first = _is_first(journeys, rank)
    ends = is_first.astype(np.int64) + is_last  # 2: the same touch in both roles
    weight = np.ones((len(MODELS), len(order)), np.int64)
    weight[_FIRST] = is_first
    weight[_LAST] = is_last
    weight[_POSITION] = np.where(
        (ends > 0) & (count > 2),  # noqa: PLR2004
        np.where(ends == 1, 2 * (count - 2), 4 * (count - 1)),
        1,
    )
    weight[_TIME_DECAY] = DECAY[(at[order] - journeys.last) // MINUTE_MS]
    weight[_SHAPLEY] = is_first_of_kol
    return weight


def _is_first(journeys: Journeys, rank: NDArray[np.int64]) -> Mask:
    """Whether each touch is its order's least by (begin, kol_id, class)."""
    is_first = np.zeros(len(journeys), np.bool_)
    if not len(journeys):
        return is_first
    begins = np.diff(journeys.order, prepend=-1) > 0
    earliest = np.minimum.reduceat(journeys.begin, np.flatnonzero(begins))
    early = np.flatnonzero(journeys.begin == earliest[np.cumsum(begins) - 1])
    order, kol = journeys.order[early], rank[journeys.kol[early]]
    sort = np.lexsort((journeys.klass[early], kol, order))  # few of an order begin together
    is_first[early[sort[np.diff(order[sort], prepend=-1) > 0]]] = True
    return is_first


def credits_of(
    at: Moments,
    paid: NDArray[np.int64],
    refunded: NDArray[np.int64],
    journeys: Journeys,
    rank: NDArray[np.int64],
) -> Credits:
    """Who earns what of orders, by every model.

    Args:
        at: when each order was paid, `(orders,)`.
        paid: cents, below 2^40.
        refunded: cents, at most what was paid.
        journeys: their counting touches.
        rank: the place of every KOL's name in the order of its UTF-8 bytes.

    """
    orders = len(at)
    span = np.int64(len(rank) + 1)
    alone = np.flatnonzero(np.bincount(journeys.order, minlength=orders) == 0)
    member = np.append(journeys.order * span + rank[journeys.kol] + 1, alone * span)
    groups, first, group = np.unique(member, return_index=True, return_inverse=True)
    is_first = np.zeros(len(member), np.bool_)
    is_first[first] = True
    touches = len(journeys)
    weight = np.ones((len(MODELS), len(member)), np.int64)
    weight[:, :touches] = weights(at, journeys, rank, is_first[:touches])
    sums = np.zeros((len(MODELS), len(groups)), np.int64)
    for total, of_model in zip(sums, weight, strict=True):
        np.add.at(total, group, of_model)

    order = groups // span
    every = (order + orders * np.arange(len(MODELS))[:, None]).ravel()
    credit = split(np.tile(paid, len(MODELS)), sums.ravel(), every)
    back = split(np.tile(refunded, len(MODELS)), credit, every)
    shape = (len(MODELS), len(groups))
    is_direct = np.zeros(len(groups), np.bool_)
    direct = journeys.klass != TouchClass.SHARE
    is_direct[group[:touches][direct]] = True
    kol = np.append(journeys.kol, np.full(len(alone), ORGANIC_CODE))[first]
    return Credits(order, kol, is_direct, credit.reshape(shape), back.reshape(shape))


@dataclass(frozen=True, slots=True)
class Touch:
    """One counting touch of one order, for a person to read."""

    kol_id: str
    begin: int  # its first moment
    last: int  # its last one not after the order
    klass: str

    @property
    def via(self) -> str:
        """How the KOL was met: `direct`, or by another user's `share`."""
        return VIA[TouchClass[self.klass.upper()]]


@dataclass(frozen=True, slots=True)
class Explained:
    """Why one model credits one order as it does."""

    model: str
    weights: tuple[int, ...]  # of the touches
    totals: dict[str, int]  # weight by KOL, in order of the names' UTF-8 bytes
    credit: dict[str, int]  # cents by KOL
    refunded: dict[str, int]  # cents by KOL


def explained(at: int, paid: int, refunded: int, touches: Sequence[Touch]) -> tuple[Explained, ...]:
    """For each model what one order owes to whom, and by which weights.

    Args:
        at: when it was paid.
        paid: cents.
        refunded: cents, at most what was paid.
        touches: the counting ones in order of (last, kol_id, class).

    """
    names = sorted({touch.kol_id for touch in touches}, key=str.encode) or [ORGANIC]
    codes = np.array([names.index(touch.kol_id) for touch in touches], np.int64)
    journeys = Journeys(
        np.zeros(len(touches), np.int64),
        np.array([touch.begin for touch in touches], np.int64),
        np.array([touch.last for touch in touches], np.int64),
        codes,
        np.array([TouchClass[touch.klass.upper()] for touch in touches], np.int64),
        *np.zeros((2, 1), np.int64),
    )
    when, rank = np.array([at]), np.arange(len(names))
    is_first = np.isin(np.arange(len(touches)), np.unique(codes, return_index=True)[1])
    weight = weights(when, journeys, rank, is_first)
    found = credits_of(when, np.array([paid]), np.array([refunded]), journeys, rank)
    return tuple(
        Explained(
            model,
            tuple(weight[m].tolist()),
            {n: int(weight[m][codes == c].sum()) for c, n in enumerate(names)}
            if touches
            else {ORGANIC: 1},
            dict(zip(names, found.credit[m].tolist(), strict=True)),
            dict(zip(names, found.refunded[m].tolist(), strict=True)),
        )
        for m, model in enumerate(MODELS)
    )
