"""Sending a data set as events in time order, and the balance of what is then in ClickHouse.

Event times stay, or all move by one constant: when the topics already hold newer events, all of
the set would be too late, so it moves behind them by whole years of 52 weeks.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from clickhouse_connect.driver.client import Client

from deploy.datasets import completejourney, online_retail
from deploy.datasets.converted import DAY_MS, Converted
from schemas.partitioner import partition_of
from sinks.feed import Feed
from streams.clients.clickhouse import query, reader
from streams.clients.kafka_admin import kafka_admin, security_options
from streams.errors import ExpectedError
from streams.operations.drain import Observer, drain
from streams.operations.settling import settle
from streams.settings import Kafka, Settings

COMPLETE_JOURNEY, ONLINE_RETAIL = "completejourney", "online-retail"
DATASETS: Final = (COMPLETE_JOURNEY, ONLINE_RETAIL)
WEEKS_OF_A_YEAR_MS = 364 * DAY_MS  # weekdays and seasons stay
PROGRESS_EVENTS = 1_000  # between two calls of a progress callback

OnProgress = Callable[[str, int, int | None], None]  # step, how far, of how many if that is known

_encode = msgspec.json.Encoder().encode


class ImportRefusedError(ExpectedError):
    """The data set cannot be imported here now; says what to do."""


def import_dataset(
    settings: Settings,
    path: Path | None,
    timeout: float,
    on_progress: OnProgress,
    observer: Observer,
) -> dict[str, Any]:
    """Send a data set, wait for the workers, and give the report with its balance.

    Args:
        settings: of the deployment.
        path: of the file of online-retail; None: completejourney.
        timeout: seconds to wait for the workers.
        on_progress: called while lines are read and events are sent.
        observer: sees the messages that are left while it waits.

    Raises:
        ImportRefusedError: it was imported before, or cannot be placed in time.
        NotDrainedError: the workers are not done in time.

    """
    client = reader(settings.clickhouse)
    dataset = COMPLETE_JOURNEY if path is None else ONLINE_RETAIL
    converted = _convert(path, lambda lines: on_progress("reading lines", lines, None))
    if is_imported(client, converted.platform):
        raise ImportRefusedError(f"{dataset} is imported already: begin anew with `kol up --fresh`")
    times = [value["ts"] for _, value in converted.events]
    now = time.time_ns() // 1_000_000
    shift = time_shift_ms(min(times), max(times), newest_event_ms(client), now)

    def on_sent(sent: int) -> None:
        on_progress("sending events", sent, len(times))

    on_sent(0)
    sent = asyncio.run(send(converted, settings.kafka, shift, on_sent))
    with kafka_admin(settings.kafka) as broker:
        observer.step("waiting for the workers")
        deadline = observer.clock() + timeout
        drain(broker, settings.app_id, timeout, observer)
        settle(broker, settings, deadline - observer.clock(), observer)
    return _line_report(dataset, converted) | {
        "events": sent,
        "shifted_days": shift // DAY_MS,
        "semi_synthetic": dataset == COMPLETE_JOURNEY,
        "balance": balance(client, converted),
    }


def _convert(path: Path | None, on_lines: Callable[[int], None]) -> Converted:
    return (
        completejourney.convert(on_lines) if path is None else online_retail.convert(path, on_lines)
    )


def _line_report(dataset: str, converted: Converted) -> dict[str, Any]:
    """What became of the lines of a data set."""
    return {
        "dataset": dataset,
        "currency": converted.currency,
        "lines": sum(fate.lines for fate in converted.fates.values()),
        "fates": {
            name: {"lines": fate.lines, "cents": fate.cents, "rule": converted.notes[name]}
            for name, fate in converted.fates.items()
        },
    }


def time_shift_ms(first: int, last: int, newest: int | None, now: int) -> int:
    """By how much all event times move: 0, or whole years of 52 weeks.

    >>> time_shift_ms(first=10, last=20, newest=None, now=30)
    0
    >>> time_shift_ms(first=10, last=20, newest=15, now=364 * 86_400_000 + 30) // 86_400_000
    364

    Raises:
        ImportRefusedError: there is no room between the newest event and now.

    """
    if newest is None or first > newest:
        return 0
    years = -(-(newest + 1 - first) // WEEKS_OF_A_YEAR_MS)
    if last + years * WEEKS_OF_A_YEAR_MS > now:
        raise ImportRefusedError(
            "the topics hold events newer than this data set, so all of it would be too late: "
            "begin anew with `kol up --fresh`"
        )
    return years * WEEKS_OF_A_YEAR_MS


def newest_event_ms(client: Client) -> int | None:
    """The newest event time in any row; None if there is none."""
    rows = query(
        client,
        "SELECT greatest((SELECT max(toUnixTimestamp64Milli(ordered_at)) FROM v_order),"
        " (SELECT max(toInt64(toUnixTimestamp(minute))) * 1000 FROM v_minute)) AS at",
    )
    at = int(rows[0]["at"] or 0) if rows else 0
    return at if at > 0 else None


def is_imported(client: Client, platform: str) -> bool:
    """Whether ClickHouse has orders of this data set."""
    sql = "SELECT count() AS n FROM v_order WHERE platform = {platform:String}"
    return int(query(client, sql, {"platform": platform})[0]["n"]) > 0


async def send(
    converted: Converted,
    kafka: Kafka,
    shift: int,
    on_sent: Callable[[int], None],
) -> int:
    """Send all events in time order, `shift` milliseconds later; gives their number."""
    sent = 0
    async with Feed(kafka.bootstrap, options=security_options(kafka)) as feed:
        for topic, value in converted.in_time_order():
            key = value["user_id"].encode()
            message = _encode(value | {"ts": value["ts"] + shift})
            partition = partition_of(key, kafka.partitions)
            await feed.send(kafka.broker_topic(topic), partition, key, message)
            sent += 1
            if sent % PROGRESS_EVENTS == 0:
                on_sent(sent)
    return sent


def balance(client: Client, converted: Converted) -> dict[str, Any]:
    """What is in ClickHouse beside what must be, to the cent, and the known answers."""
    where = {"platform": converted.platform, "currency": converted.currency}
    stands = query(
        client,
        "SELECT count() AS orders, sum(paid_cents) AS paid_cents,"
        " sum(refunded_cents) AS refunded_cents FROM v_order"
        " WHERE platform = {platform:String} AND currency = {currency:String}",
        where,
    )[0]
    models = query(
        client,
        "SELECT model, sum(credit_cents) AS credited_cents, sum(refunded_cents) AS refunded_cents,"
        " sumIf(credit_cents, kol_id = 'organic') AS organic_cents"
        " FROM v_order_credit WHERE platform = {platform:String} AND currency = {currency:String}"
        " GROUP BY model ORDER BY model",
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
        "known_answers": credit_by_answer(client, converted.answers),
    }


def credit_by_answer(client: Client, answers: Mapping[str, Iterable[str]]) -> dict[str, Any]:
    """Per model, the cents of orders with a known answer, and how many of them went to it."""
    if not answers:
        return {}
    rows = query(
        client,
        "SELECT model, order_id, kol_id, credit_cents FROM v_order_credit"
        " WHERE order_id IN {orders:Array(String)}",
        {"orders": sorted(answers)},
    )
    right: dict[str, int] = {}
    total: dict[str, int] = {}
    for row in rows:
        model, cents = row["model"], int(row["credit_cents"])
        total[model] = total.get(model, 0) + cents
        if row["kol_id"] in answers[row["order_id"]]:
            right[model] = right.get(model, 0) + cents
    return {
        model: {"cents": total[model], "right_cents": right.get(model, 0)}
        for model in sorted(total)
    }
