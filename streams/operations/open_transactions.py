"""Messages that open transactions hold back, in words.

Workers read committed records: what lies behind an open transaction is not read before it ends.
"""

from collections.abc import Iterable

from streams.clients.kafka_admin import LONG_OPEN_MS, OpenTransaction
from streams.operations.durations import duration_text


def long_open(found: Iterable[OpenTransaction], now: int) -> list[OpenTransaction]:
    """Those that have been open for long; `now` is milliseconds since the epoch."""
    return [one for one in found if now - one.since > LONG_OPEN_MS]


def held_messages(found: Iterable[OpenTransaction]) -> int:
    """How many messages are held back; those behind several transactions count once."""
    return sum({(one.topic, one.partition): one.hidden for one in found}.values())


def held_text(one: OpenTransaction, now: int) -> str:
    """What one transaction holds back, since when, and whose it is.

    >>> print(held_text(OpenTransaction("purchases", 1, 45, 7, 0, "shop", 0), now=120_000))
    45 messages of purchases/1 are held back for 2.0 min: producer 7 (shop) has a transaction open
    """
    name = f" ({one.transactional_id})" if one.transactional_id else ""
    return (
        f"{one.hidden:,} messages of {one.topic}/{one.partition} are held back for "
        f"{duration_text(now - one.since)}: producer {one.producer_id}{name} has a transaction open"
    )
