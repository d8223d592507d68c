"""A converted data set: its events by time, what became of every line, and the expected sums."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Event = tuple[str, dict[str, Any]]  # topic, value

DAY_MS = 86_400_000
REFUND_BEFORE_MS = DAY_MS  # a refund counts from 24 h before its order …
REFUND_AFTER_MS = 180 * DAY_MS  # … to 180 days after


@dataclass(frozen=True, slots=True)
class Fate:
    """How many lines were treated alike, and the sum of their cents."""

    lines: int = 0
    cents: int = 0

    def plus(self, cents: int, lines: int = 1) -> "Fate":
        """The sum with one more line (or several)."""
        return Fate(self.lines + lines, self.cents + cents)


@dataclass(slots=True)
class Converted:
    """A data set as events, with the counts that the import must reproduce."""

    platform: str  # of all its orders, so that they can be found again
    currency: str  # of all its orders, ISO 4217
    events: list[Event] = field(default_factory=list)
    fates: dict[str, Fate] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)  # fate -> the rule, in a sentence
    answers: dict[str, set[str]] = field(
        default_factory=dict
    )  # order_id -> the KOLs known to have led to it

    def line(self, fate: str, cents: int = 0, lines: int = 1) -> None:
        """Count a line (or several) under a fate."""
        self.fates[fate] = self.fates.get(fate, Fate()).plus(cents, lines)

    def in_time_order(self) -> Iterator[Event]:
        """All events, the earliest first; equal times as they came."""
        return iter(sorted(self.events, key=lambda event: event[1]["ts"]))

    def expected(self) -> Mapping[str, int]:
        """The orders, cents paid and cents refunded that ClickHouse must have after the import."""
        orders: dict[tuple[str, str], tuple[int, int]] = {}
        refunds: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
        for _, value in self.events:
            if value.get("kind") == "paid":
                orders[value["user_id"], value["order_id"]] = (value["ts"], value["pay_cents"])
            elif value.get("kind") == "refund":
                key = value["user_id"], value["ref_order_id"]
                refunds[key].append((value["ts"], value["pay_cents"]))
        refunded = sum(
            min(paid, sum(cents for ts, cents in refunds[key] if is_counted(ts, at)))
            for key, (at, paid) in orders.items()
        )
        paid = sum(paid for _, paid in orders.values())
        return {"orders": len(orders), "paid_cents": paid, "refunded_cents": refunded}


def is_counted(refund_at: int, order_at: int) -> bool:
    """Whether a refund of that time counts for an order of that time."""
    return order_at - REFUND_BEFORE_MS <= refund_at <= order_at + REFUND_AFTER_MS
