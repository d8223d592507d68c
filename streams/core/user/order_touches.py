"""The touches that count for orders.

While touches may still arrive, an order looks at those of its user. One that is so far below
the watermark that neither its touches nor those noted after it can change (`touches.kept_from`)
is *frozen*: its counting touches are kept as they are, so that a refund months later can write
the whole row again.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Mask, Moments
from streams.core.arrays.arena import Arena, Arrays
from streams.core.arrays.chains import Chains
from streams.core.arrays.compaction import Compaction
from streams.core.arrays.index import RowNumbers
from streams.core.moments import NEVER
from streams.core.user.journey_lookup import AHEAD_MS
from streams.core.user.journeys import Journeys, Lookup
from streams.core.user.order_table import UNFROZEN, OrderTable
from streams.core.user.touches import kept_from

_LATEST = np.iinfo(np.int64).max


class OrderTouches:
    """Unfrozen orders by user, and the counting touches of all frozen ones."""

    def __init__(self, orders: OrderTable, slack: int) -> None:
        self._orders = orders
        self._unfrozen_of = Chains()  # of a user
        self._unfrozen = 0
        self.after = 0  # touches noted after orders
        self._pool = Arena(begin=np.int64, last=np.int64, kol=np.int32, klass=np.int8)
        self._compaction = Compaction(slack)

    def unfreeze(self, row: RowNumbers) -> None:
        """Let the touches of their users count for orders."""
        self._orders["touches"][row] = UNFROZEN
        self._unfrozen_of.link(self._orders["user"][row].astype(np.int64), row)
        self._unfrozen += len(row)

    def mark_touched(self, user: RowNumbers, at: Moments, begins: Mask) -> None:
        """Mark the orders that new moments of touches change.

        Those of their users from then on; and where a touch begins with it, those up to AHEAD_MS
        earlier to which no touch counts.
        """
        bought = self._unfrozen_of.owns(user)
        owner, whose = np.unique(user[bought], return_inverse=True)
        if not owner.size:
            return
        at, begins = at[bought], begins[bought]
        earliest, first, last = (np.full(len(owner), bound) for bound in (_LATEST, _LATEST, NEVER))
        np.minimum.at(earliest, whose, at)
        np.minimum.at(first, whose[begins], at[begins])
        np.maximum.at(last, whose[begins], at[begins])
        of, row = self._unfrozen_of.pairs(owner)
        ordered = self._orders["at"][row]
        changes = ordered >= earliest[of]
        changes |= (
            self._orders["organic"][row] & (ordered < last[of]) & (ordered >= first[of] - AHEAD_MS)
        )
        self._orders["dirty"][row[changes]] = True

    def journeys(self, row: RowNumbers, lookup: Lookup) -> Journeys:
        """The touches that count for orders, numbered from 0."""
        orders = self._orders
        count = orders["touches"][row]
        unfrozen, frozen = np.flatnonzero(count == UNFROZEN), np.flatnonzero(count != UNFROZEN)
        asks = row[unfrozen]
        live = lookup(orders["user"][asks].astype(np.int64), orders["at"][asks])
        number = count[frozen].astype(np.int64)
        of = np.repeat(frozen, number)
        kept = _places(orders["pool"][row[frozen]], number)
        sort = np.argsort(np.append(unfrozen[live.order], of), kind="stable")
        after, after_ms = (orders[name][row].astype(np.int64) for name in ("after", "after_ms"))
        after[unfrozen], after_ms[unfrozen] = live.after, live.after_ms
        return Journeys(
            np.append(unfrozen[live.order], of)[sort],
            np.append(live.begin, self._pool["begin"][kept])[sort],
            np.append(live.last, self._pool["last"][kept])[sort],
            np.append(live.kol, self._pool["kol"][kept])[sort],
            np.append(live.klass, self._pool["klass"][kept])[sort],
            after,
            after_ms,
        )

    def is_due(self) -> bool:
        """Whether there are many orders that `freeze_until` would look at."""
        return self._compaction.is_due(self._unfrozen)

    def freeze_until(self, watermark: int, lookup: Lookup) -> None:
        """Freeze the orders that can get no other touch."""
        unfrozen = self._is_unfrozen()
        row = np.flatnonzero(unfrozen & (self._orders["at"] < kept_from(watermark)))
        self.freeze(row, lookup)
        self.link()
        self._compaction.reset(self._unfrozen)

    def freeze(self, row: RowNumbers, lookup: Lookup) -> None:
        """Keep the touches that count for orders now; `link` has to follow."""
        journeys = self.journeys(row, lookup)
        first = self._pool.append(
            begin=journeys.begin, last=journeys.last, kol=journeys.kol, klass=journeys.klass
        )
        count = np.bincount(journeys.order, minlength=len(row))
        self._orders["touches"][row] = count
        self._orders["pool"][row] = first + np.cumsum(count) - count
        self.note_after(row, journeys)

    def note_after(self, row: RowNumbers, journeys: Journeys) -> None:
        """Keep what was noted after orders, and bring its total up to date."""
        noted = self._orders["after"]
        self.after += int((journeys.after - noted[row]).sum())
        noted[row], self._orders["after_ms"][row] = journeys.after, journeys.after_ms
        self._orders["organic"][row] = np.bincount(journeys.order, minlength=len(row)) == 0

    def _is_unfrozen(self) -> Mask:
        orders = self._orders
        unfrozen: Mask = (orders["touches"] == UNFROZEN) & (orders["at"] != NEVER)
        return unfrozen

    def compact(self) -> None:
        """Drop the frozen touches of orders that left."""
        count = np.maximum(self._orders["touches"], 0).astype(np.int64)
        place = _places(self._orders["pool"], count)
        kept = {name: self._pool[name][place] for name in ("begin", "last", "kol", "klass")}
        self._pool.keep(np.zeros(len(self._pool), np.bool_))
        self._pool.append(**kept)
        self._orders["pool"][:] = np.cumsum(count) - count

    def link(self) -> None:
        """Build what a snapshot does not hold."""
        row = np.flatnonzero(self._is_unfrozen())
        self._unfrozen_of.rebuild(self._orders["user"][row].astype(np.int64), row)
        self._unfrozen = len(row)

    def names(self) -> NDArray[np.int64]:
        """The KOLs of all frozen touches."""
        kol: NDArray[np.int64] = self._pool["kol"].astype(np.int64)
        return kol

    def renumber_names(self, code: NDArray[np.int64]) -> None:
        """Give every KOL a new code, `code[old]`."""
        self._pool["kol"][:] = code[self._pool["kol"]]

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """What a snapshot holds, as views."""
        return self._pool.arrays(f"{prefix}.pool") | {f"{prefix}.after": np.array([self.after])}

    def restore(self, prefix: str, arrays: Arrays) -> None:
        """Take over what `arrays` gave, as copies; `link` has to follow."""
        self._pool.restore(f"{prefix}.pool", arrays)
        self.after = int(arrays[f"{prefix}.after"][0])


def _places(first: NDArray[np.int64], count: NDArray[np.int64]) -> NDArray[np.int64]:
    """The numbers of runs of rows, one run after the other, by their first row and length."""
    before = np.cumsum(count) - count
    places: NDArray[np.int64] = np.arange(int(count.sum())) + np.repeat(first - before, count)
    return places
