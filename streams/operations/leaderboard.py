"""What the leaderboard shows: KOLs and their trust, its largest fall, an order and its shares."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from streams.clients.clickhouse import query, reader
from streams.operations.display_names import display_names
from streams.operations.status import door_counts, worker_statuses
from streams.settings import Settings, home

MODEL: Final = "time_decay"  # whose cents are shown
LATELY_MINUTES: Final = 10  # before the newest scored minute
LEAST_FALL: Final = 0.05  # of trust; a smaller one is not shown
NEW_SHOWN: Final = 3  # rows, at most, of new KOLs that others would leave no room for

LEADERS: Final = """
    SELECT s.kol_id AS kol_id, s.now.1 AS trust, s.now.2 AS trust_lo, s.now.3 AS trust_hi,
           s.now.4 AS resonance, s.now.5 AS resonance_lo, s.now.6 AS resonance_hi,
           s.now.7 AS n_eff, s.at_first AS before, c.credit AS credit_cents,
           c.refunded AS refunded_cents, {currency:String} AS currency, s.is_new AS is_new,
           row_number() OVER (ORDER BY c.credit DESC, s.kol_id) AS place
    FROM (
        SELECT kol_id, argMin(trust, minute) AS at_first,
               argMax((trust, trust_lo, trust_hi, resonance, resonance_lo, resonance_hi, n_eff),
                      minute) AS now,
               min(minute) AS first_minute,
               first_minute > (SELECT greatest(max(minute) - {lately:UInt32} * 60,
                                               min(minute) + {lately:UInt32} * 60)
                               FROM v_score) AS is_new
        FROM v_score GROUP BY kol_id
    ) AS s
    LEFT JOIN (
        SELECT kol_id, sum(credit_cents) AS credit, sum(refunded_cents) AS refunded
        FROM v_order_credit
        WHERE model = {model:String} AND currency = {currency:String} GROUP BY kol_id
    ) AS c ON c.kol_id = s.kol_id
    QUALIFY place <= {limit:UInt32} OR (s.is_new AND {most_new:UInt32} >= row_number() OVER (
        PARTITION BY s.is_new ORDER BY s.first_minute DESC, c.credit DESC, s.kol_id
    ))
    ORDER BY place
"""
FALL: Final = """
    SELECT kol_id,
           argMax((trust, trust_lo, trust_hi, toUnixTimestamp(minute)), (trust, minute)) AS high,
           argMax((trust, trust_lo, trust_hi, toUnixTimestamp(minute)), minute) AS now
    FROM v_score
    WHERE minute > (SELECT max(minute) FROM v_score) - {lately:UInt32} * 60
    GROUP BY kol_id
    HAVING high.1 - now.1 >= {least:Float64}
    ORDER BY high.1 - now.1 DESC, kol_id LIMIT 1
"""
SPLIT: Final = """
    SELECT order_id, any(currency) AS currency, sum(credit_cents) AS paid_cents,
           arraySort(share -> (-share.2, share.1), groupArray((kol_id, credit_cents))) AS shares
    FROM v_order_credit
    WHERE model = {model:String}
      AND ordered_at > (SELECT max(ordered_at) FROM v_order) - INTERVAL 1 MINUTE
    GROUP BY order_id, user_hash
    ORDER BY length(shares) BETWEEN 2 AND 4 DESC, length(shares) > 1 DESC, max(ordered_at) DESC,
             order_id LIMIT 1
"""

Leader = Mapping[str, Any]  # a row of `LEADERS`


@dataclass(frozen=True, slots=True)
class Score:
    """Trust of a KOL at the end of a minute, with its 90 % interval, 0 to 1."""

    trust: float
    low: float
    high: float
    minute: datetime  # its beginning, UTC


@dataclass(frozen=True, slots=True)
class Fall:
    """How far the trust of a KOL fell in the last minutes."""

    kol_id: str
    before: Score  # the highest of these minutes
    now: Score


@dataclass(frozen=True, slots=True)
class Split:
    """An order and whom it is credited to, the greatest share first."""

    order_id: str
    currency: str
    paid_cents: int
    shares: Sequence[tuple[str, int]]  # KOL or `organic`, cents


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """Everything that the leaderboard shows at a moment."""

    leaders: Sequence[Leader]  # the highest earner first
    fall: Fall | None  # the largest of the last minutes
    split: Split | None  # of the last minute; of two to four KOLs, if there is one
    doors: Mapping[str, int]  # door or reason of a rejection -> messages
    elsewhere: Mapping[str, int]  # other currencies than the shop's -> paid in them
    awaited: str  # what the first score waits for; empty if there is one
    names: Mapping[str, str] = field(default_factory=dict)  # KOL -> display name, where known


def leaderboard(settings: Settings, limit: int = 18) -> Leaderboard:
    """The leaderboard of now, with at most `limit` KOLs."""
    client = reader(settings.clickhouse)
    by_kind = door_counts(settings)
    doors = {**by_kind.get("doors", {}), **by_kind.get("rejected", {})}
    shown = leaders(settings, limit)
    awaited = "" if shown else _awaited(has_messages=bool(doors))
    elsewhere = paid_in_other_currencies(settings)
    fall, split = _fall(client), _split(client)
    kols = [one["kol_id"] for one in shown]
    kols += [] if fall is None else [fall.kol_id]
    kols += [] if split is None else [kol for kol, _ in split.shares]
    names = display_names(client, kols)
    return Leaderboard(shown, fall, split, doors, elsewhere, awaited, names)


MOST_CURRENCIES: Final = 5  # that fit on a screen


def leaders(settings: Settings, limit: int = 18) -> list[dict[str, Any]]:
    """The newest score of each KOL with name and what it earned, the highest earner first.

    A fourth of the rows, at most three, is for KOLs that are new: first scored in the last ten
    minutes, while others were scored long before. Money is in the shop's currency: that of orders
    in others does not add to it.
    """
    given = {
        "limit": limit,
        "most_new": min(NEW_SHOWN, limit // 4),
        "lately": LATELY_MINUTES,
        "model": MODEL,
        "currency": settings.currency,
    }
    client = reader(settings.clickhouse)
    rows = _with_new(query(client, LEADERS, given), limit)
    names = display_names(client, [row["kol_id"] for row in rows])
    return [
        {"kol_id": row["kol_id"], "display_name": names.get(row["kol_id"], ""), **row}
        for row in rows
    ]


def _with_new(rows: Sequence[dict[str, Any]], limit: int) -> list[dict[str, Any]]:
    """At most `limit` of these rows: new KOLs stay before others that earned more.

    >>> rows = [{"kol_id": name, "place": at, "is_new": at > 2} for at, name in enumerate("abcz")]
    >>> [row["kol_id"] for row in _with_new(rows, 2)]
    ['a', 'z']
    """
    new = [row for row in rows if row["is_new"]]
    others = [row for row in rows if not row["is_new"]][: max(0, limit - len(new))]
    shown = sorted([*others, *new], key=lambda row: int(row["place"]))[:limit]
    return [
        {name: row[name] for name in row if name != "place"} | {"is_new": bool(row["is_new"])}
        for row in shown
    ]


def _fall(client: Client) -> Fall | None:
    for row in query(client, FALL, {"lately": LATELY_MINUTES, "least": LEAST_FALL}):
        return Fall(row["kol_id"], _score(row["high"]), _score(row["now"]))
    return None


def _score(given: Sequence[Any]) -> Score:
    trust, low, high, seconds = given
    return Score(trust, low, high, datetime.fromtimestamp(int(seconds), UTC))


def _split(client: Client) -> Split | None:
    for row in query(client, SPLIT, {"model": MODEL}):
        shares = [(kol, int(cents)) for kol, cents in row["shares"]]
        return Split(row["order_id"], row["currency"], int(row["paid_cents"]), shares)
    return None


def _awaited(*, has_messages: bool) -> str:
    """What the first score waits for, and which partition is furthest behind."""
    if not has_messages:
        return "no score yet: no event has been read"
    why = (
        "no score yet: a minute is scored once every partition that has events is 30 s past its end"
    )
    behind = _least_watermark(worker_statuses(home()).values())
    return f"{why}; {behind}" if behind else why


def _least_watermark(pages: Iterable[Mapping[str, Any] | None]) -> str:
    """Which partition of the user side is furthest behind, and where it stands.

    >>> _least_watermark([{"watermarks": {"user/0": 60_000, "user/3": 30_000, "kol/0": 1}}, None])
    'partition 3 is at 00:00:30 UTC'
    """
    found = [
        (at, place.removeprefix("user/"))
        for page in pages
        for place, at in (page or {}).get("watermarks", {}).items()
        if place.startswith("user/") and at is not None
    ]
    if not found:
        return ""
    at, partition = min(found)
    return f"partition {partition} is at {datetime.fromtimestamp(at / 1000, UTC):%H:%M:%S} UTC"


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
