"""How many messages left by which door: totals since the partition's beginning.

Besides the doors and the reasons to reject there are counters: refunds that were not
booked, events beyond a limit. Counters of no single topic stand under `ANY`.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Rejected
from schemas.doors import OF_EVENTS, Door
from schemas.events import CLICKSTREAM, INPUTS, INTERACTIONS, PURCHASES
from schemas.reference_types import CONSENTS
from schemas.rows import Rows
from schemas.topics import ERASURES
from schemas.values import Coded
from streams.core.arrays.arena import Arrays
from streams.core.user.dedup import Doors

ANY: Final = "*"  # the topic of counters that no single topic has

COUNTERS: Final = {
    (
        PURCHASES,
        "refund_unmatched",
    ): "refunds, cancels and reversals that have no order",
    (
        PURCHASES,
        "refund_outside",
    ): "refunds, cancels and reversals outside their order's window",
    (PURCHASES, "refund_excess_cents"): "asked back beyond what was paid, not booked",
    **{
        (topic, "closed_minute"): "accepted facts of a minute that is final already"
        for topic in INPUTS
    },
    (ANY, "touch_limit"): "events that would be one touch too many of their user and half hour",
    **{
        (topic, "name_limit"): "events counted under `~others`: too many KOLs are named"
        for topic in (CLICKSTREAM, INTERACTIONS)
    },
    **{
        (topic, "own_event"): "accepted events of a KOL's own account: no touch, nothing for trust"
        for topic in (CLICKSTREAM, INTERACTIONS)
    },
    (CLICKSTREAM, "placeholder_kol"): "accepted events whose kol_id means nobody: they lost it",
    (PURCHASES, "placeholder_user"): "accepted events whose user_id means nobody: organic",
    **{
        (topic, "duplicate_differs"): "duplicates that say something else than what counts"
        for topic in INPUTS
    },
    (
        ANY,
        "touch_after_order",
    ): "touches that begin up to 10 minutes after an order that nobody earned",
    (PURCHASES, "paid_differs"): "further `paid` of an order with another amount: one payout",
    (PURCHASES, "paid_replaced"): "`paid` that stand in place of a later one read before",
    (PURCHASES, "paid_after_cancel"): "`paid` after a cancel of their order: it stays cancelled",
    (ERASURES, "erasure_unreadable"): "records that name nobody to be forgotten",
    (ERASURES, "erasure_late"): "erasures a worker heard of after events from behind their moment",
    (
        PURCHASES,
        "refund_foreign",
    ): "refunds, cancels and reversals in another currency than their order",
    (PURCHASES, "reversal_excess_cents"): "refunds reversed beyond what was asked back",
    (PURCHASES, "foreign_currency"): "orders and refunds in another currency than the shop's:"
    " in no cell and no hourly credit",
    (PURCHASES, "currency_unknown"): "accepted purchases whose currency is not of ISO 4217",
    (CONSENTS, "consent_unreadable"): "records that are no consent of the user of their key",
    (CONSENTS, "consent_misplaced"): "records on the partition of other users: not heard",
    (CONSENTS, "consent_late"): "consents a worker heard of after events that they speak of",
}

MAY_DECREASE: Final = frozenset(  # an order that comes after its refund takes these back
    {
        *("refund_unmatched", "refund_outside", "refund_excess_cents"),
        *("refund_foreign", "reversal_excess_cents", "foreign_currency"),
        "touch_after_order",
    }
)

SERIES: Final = tuple(  # topic, label, kind of every number
    [(topic, door.label, "door") for topic in INPUTS for door in Door]
    + [(topic, reason.label, "rejected") for topic in INPUTS for reason in OF_EVENTS]
    + [(topic, name, "counter") for topic, name in COUNTERS]
)
UNKNOWN: Final = -1  # the written total where an earlier life may have written another

_TOPICS, _LABELS, _KINDS = zip(*SERIES, strict=True)  # column by column
_AT: Final = {(topic, label): place for place, (topic, label, _) in enumerate(SERIES)}


class DoorCounts:
    """The totals of one partition, and those that were written."""

    def __init__(self) -> None:
        self._total = np.zeros(len(SERIES), np.int64)
        self._written = np.zeros(len(SERIES), np.int64)

    def __getitem__(self, place: tuple[str, str]) -> int:
        """One total, by topic and label."""
        return int(self._total[_AT[place]])

    @property
    def totals(self) -> NDArray[np.int64]:
        """All totals as they stand now, in order of `SERIES`."""
        return self._total.copy()

    def count_doors(self, topic: str, door: Doors) -> None:
        """Count events that left by doors."""
        first = _AT[topic, Door(0).label]
        self._total[first : first + len(Door)] += np.bincount(door, minlength=len(Door))

    def count_rejected(self, rejected: Iterable[Rejected]) -> None:
        """Count messages that cannot be read."""
        for one in rejected:
            self._total[_AT[one.topic, one.reason]] += 1

    def add(self, topic: str, counter: str, more: int) -> None:
        """Raise a counter."""
        self._total[_AT[topic, counter]] += more

    def set(self, counters: Mapping[tuple[str, str], int]) -> None:
        """Take over totals that are kept elsewhere."""
        for place, total in counters.items():
            self._total[_AT[place]] = total

    def collect_rows(self, partition: int, version: int) -> Rows:
        """The totals that changed since they were written."""
        changed = np.flatnonzero(self._total != self._written)
        self._written = self._total.copy()
        return Rows(
            "door_count",
            {
                "topic": Coded(changed, _TOPICS),
                "partition": np.full(len(changed), partition, np.uint16),
                "door": Coded(changed, _LABELS),
                "kind": Coded(changed, _KINDS),
                "n": self._total[changed].astype(np.uint64),
                "version": np.full(len(changed), version, np.uint64),
            },
        )

    def resend_totals(self) -> None:
        """Let `collect_rows` give every total, also 0: an earlier life may have written others."""
        self._written[:] = UNKNOWN

    def is_changed(self) -> bool:
        """Whether `collect_rows` would give any."""
        return not np.array_equal(self._total, self._written)

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """What a snapshot holds."""
        series = "\n".join(f"{topic} {label}" for topic, label in _AT).encode()
        return {
            f"{prefix}.total": self._total,
            f"{prefix}.told": self._written,
            f"{prefix}.series": np.frombuffer(series, np.uint8),
        }

    def restore(self, prefix: str, arrays: Arrays) -> None:
        """Take over what `arrays` gave, by name; what it did not count begins with 0."""
        lines = arrays[f"{prefix}.series"].tobytes().decode().split("\n")
        places = [tuple(line.split(" ")) for line in lines]
        for total, name in ((self._total, "total"), (self._written, "told")):
            given = dict(zip(places, arrays[f"{prefix}.{name}"].tolist(), strict=True))
            total[:] = [given.get(place, 0) for place in _AT]
