"""Sending a data set as events, in time order, and the account of what became of it.

Event times stay, or all move by one constant: when the topics already hold newer events,
everything would be too late, so the whole set moves behind them by whole weeks.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from clickhouse_connect.driver.client import Client

from deploy.datasets.converted import DAY_MS, Converted
from schemas.partitioner import partition_of
from sinks.feed import Feed
from streams.clients.clickhouse import query
from streams.clients.kafka_admin import options
from streams.errors import ExpectedError
from streams.settings import Kafka

WEEKS_OF_A_YEAR_MS = 364 * DAY_MS  # weekdays and seasons stay


class NoRoomError(ExpectedError):
    """The data set cannot be imported here now; says what to do."""


def shift_ms(first: int, last: int, newest: int | None, now: int) -> int:
    """By how much all event times move: 0, or whole years of 52 weeks.

    >>> shift_ms(first=10, last=20, newest=None, now=30)
    0
    >>> shift_ms(first=10, last=20, newest=15, now=364 * 86_400_000 + 30) // 86_400_000
    364

    Raises:
        NoRoomError: there is no room between the newest event and now.

    """
    if newest is None or first > newest:
        return 0
    years = -(-(newest + 1 - first) // WEEKS_OF_A_YEAR_MS)
    if last + years * WEEKS_OF_A_YEAR_MS > now:
        raise NoRoomError(
            "the topics hold events newer than this data set, so all of it would be too late: "
            "begin anew with `kol up --fresh`"
        )
    return years * WEEKS_OF_A_YEAR_MS


def newest_event_ms(client: Client) -> int | None:
    """The newest event time that rows speak of; None while there are none."""
    told = query(
        client,
        "SELECT greatest((SELECT max(toUnixTimestamp64Milli(ordered_at)) FROM v_order),"
        " (SELECT max(toInt64(toUnixTimestamp(minute))) * 1000 FROM v_minute)) AS at",
    )
    at = int(told[0]["at"] or 0) if told else 0
    return at if at > 0 else None


def already(client: Client, platform: str) -> bool:
    """Whether orders of this data set stand in ClickHouse."""
    sql = "SELECT count() AS n FROM v_order WHERE platform = {platform:String}"
    return int(query(client, sql, {"platform": platform})[0]["n"]) > 0


async def send(
    converted: Converted,
    kafka: Kafka,
    moved_ms: int,
    seen: Callable[[int], None],
) -> int:
    """Send all events in time order; gives their number."""
    import msgspec  # noqa: PLC0415  # the encoder is only needed here

    encode = msgspec.json.Encoder().encode
    sent = 0
    async with Feed(kafka.bootstrap, options=options(kafka)) as feed:
        for topic, value in converted.in_time_order():
            key = value["user_id"].encode()
            message = encode(value | {"ts": value["ts"] + moved_ms})
            await feed.send(topic, partition_of(key, kafka.partitions), key, message)
            sent += 1
            if sent % 1000 == 0:
                seen(sent)
    return sent


def balance(client: Client, converted: Converted) -> dict[str, Any]:
    """What stands in ClickHouse beside what must, to the cent, and the known answers."""
    where = {"platform": converted.platform}
    stands = query(
        client,
        "SELECT count() AS orders, sum(paid_cents) AS paid_cents,"
        " sum(refunded_cents) AS refunded_cents FROM v_order WHERE platform = {platform:String}",
        where,
    )[0]
    models = query(
        client,
        "SELECT model, sum(credit_cents) AS credited_cents, sum(refunded_cents) AS refunded_cents,"
        " sumIf(credit_cents, kol_id = 'organic') AS organic_cents"
        " FROM v_order_credit WHERE platform = {platform:String} GROUP BY model ORDER BY model",
        where,
    )
    expected = converted.expected()
    even = all(int(stands[name]) == expected[name] for name in expected) and all(
        int(row["credited_cents"]) == expected["paid_cents"]
        and int(row["refunded_cents"]) == expected["refunded_cents"]
        for row in models
    )
    return {
        "expected": dict(expected),
        "stands": stands,
        "models": models,
        "balanced": even and bool(models),
        "known_answers": answered(client, converted.answers),
    }


def answered(client: Client, answers: Mapping[str, Iterable[str]]) -> dict[str, Any]:
    """Per model, the share of the cents of orders with a known answer that went there."""
    if not answers:
        return {}
    told = query(
        client,
        "SELECT model, order_id, kol_id, credit_cents FROM v_order_credit"
        " WHERE order_id IN {orders:Array(String)}",
        {"orders": sorted(answers)},
    )
    right: dict[str, int] = {}
    total: dict[str, int] = {}
    for row in told:
        model, cents = row["model"], int(row["credit_cents"])
        total[model] = total.get(model, 0) + cents
        if row["kol_id"] in answers[row["order_id"]]:
            right[model] = right.get(model, 0) + cents
    return {
        model: {"cents": total[model], "right_cents": right.get(model, 0)}
        for model in sorted(total)
    }
