"""The leaderboard: which KOLs are trusted now, and what they earned."""

import threading
import time
from collections.abc import Callable
from typing import Any, Final

from streams.clients.clickhouse import query, reader
from streams.settings import Settings

MOST_CURRENCIES: Final = 5  # that fit on a screen


def leaders(settings: Settings, limit: int = 18) -> list[dict[str, Any]]:
    """The newest score of each KOL with what it earned, the highest earner first.

    Money is in the shop's currency: that of orders in others does not add to it.
    """
    sql = """
        SELECT s.kol_id AS kol_id, s.now.1 AS trust, s.now.2 AS trust_lo, s.now.3 AS trust_hi,
               s.now.4 AS resonance, s.now.5 AS resonance_lo, s.now.6 AS resonance_hi,
               s.now.7 AS n_eff, s.at_first AS before, c.credit AS credit_cents,
               c.refunded AS refunded_cents, {currency:String} AS currency
        FROM (
            SELECT kol_id, argMin(trust, minute) AS at_first,
                   argMax((trust, trust_lo, trust_hi, resonance, resonance_lo, resonance_hi, n_eff),
                          minute) AS now
            FROM v_score GROUP BY kol_id
        ) AS s
        LEFT JOIN (
            SELECT kol_id, sum(credit_cents) AS credit, sum(refunded_cents) AS refunded
            FROM v_order_credit
            WHERE model = 'time_decay' AND currency = {currency:String} GROUP BY kol_id
        ) AS c ON c.kol_id = s.kol_id
        ORDER BY credit_cents DESC, kol_id LIMIT {limit:UInt32}
    """
    given = {"limit": limit, "currency": settings.currency}
    return query(reader(settings.clickhouse), sql, given)


def paid_in_other_currencies(settings: Settings) -> dict[str, int]:
    """What was paid in currencies other than the shop's, by their codes; those of most orders."""
    rows = query(
        reader(settings.clickhouse),
        "SELECT currency, sum(paid_cents) AS paid FROM v_order"
        " WHERE currency != {currency:String}"
        " GROUP BY currency ORDER BY count() DESC, currency LIMIT {limit:UInt32}",
        {"currency": settings.currency, "limit": MOST_CURRENCIES},
    )
    return {row["currency"]: int(row["paid"]) for row in rows}


def refresh(stop: threading.Event, duration: float, show: Callable[[], None]) -> None:
    """Call `show` at least twice a second until `duration` seconds are over or `stop` is set."""
    end = time.monotonic() + duration
    while not stop.is_set() and time.monotonic() < end:
        show()
        stop.wait(min(0.5, max(0.0, end - time.monotonic())))
