"""What a turn of the roll-ups costs with many orders, and what computing all of them costs.

    python -m tests.bench.rollups [--orders 3000000] [--kols 100000] [--days 400]

Orders are spread evenly over the days, each with one to four KOLs (2.25 on average, so that an
order is 11 rows by model and KOL). 200 of them are refunded as late as refunds come: half within
a week, one in ten after more than three. CPU is that of the embedded engine and of this process.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from schemas.rows import MODELS
from streams.trainer.generations import Version
from streams.trainer.rollups import RollUps
from tests.embedded.gateway.running import Server, gateway
from tests.integration.engine import fresh

ZONE: Final = "Asia/Shanghai"
NOW_MS: Final = 1_790_000_000_000
REFUNDS: Final = 200
AT_ONCE: Final = 250_000  # orders of one insert

ORDERS: Final = """
    INSERT INTO order_credit (ordered_at, order_id, user_hash, brand_id, currency, paid_cents,
        refunded_cents, touch_kol, touch_at, touch_begin, touch_class, touch_via, kols, kol_via,
        {columns}, refund_at, refund_cents, refund_kind, refund_reason, version)
    SELECT
        fromUnixTimestamp64Milli({now} - toInt64({days} * 86400000. * n / {orders}), 'UTC'),
        concat('order-', toString(n)),
        hex(sipHash128(n)),
        concat('brand-', toString(n % 50)),
        'CNY',
        10000,
        back,
        touched,
        arrayMap(i -> ordered - 1000 * i, reverse(arrayEnumerate(touched))) AS at,
        at,
        arrayMap(i -> 'click', touched),
        arrayMap(i -> 'direct', touched),
        arraySort(touched) AS sorted,
        arrayMap(i -> 'direct', touched),
        {values},
        if(back > 0, [fromUnixTimestamp64Milli({now}, 'UTC')], []),
        if(back > 0, [back], []),
        if(back > 0, ['refund'], []),
        if(back > 0, ['']  , []),
        {version}
    FROM
    (
        SELECT {n} AS n, {back} AS back,
               fromUnixTimestamp64Milli({now} - toInt64({days} * 86400000. * n / {orders}), 'UTC')
                   AS ordered,
               [1, 2, 3, 4][1 + (n % 100 >= 30) + (n % 100 >= 60) + (n % 100 >= 85)] AS k,
               arrayMap(
                   i -> concat('kol-', toString(toUInt64(
                       pow((cityHash64(n, i) % 1000000) / 1000000., 2) * {kols}))),
                   range(k)
               ) AS drawn,
               arrayDistinct(drawn) AS touched
        FROM numbers({first}, {count})
    )
"""
"""The columns of a credit: 10 000 cents in all, in equal parts but for `first` and `last`."""


def shares(cents: str) -> list[str]:
    """The parts of each model, as expressions."""
    even = (
        f"arrayMap(i -> intDiv({cents}, length(sorted)) + (i <= {cents} % length(sorted)),"
        " arrayEnumerate(sorted))"
    )
    of = {"first": "touched[1]", "last": "touched[-1]"}
    return [
        f"arrayMap(kol -> if(kol = {of[model]}, {cents}, 0), sorted)" if model in of else even
        for model in MODELS
    ]


def insert(client: Client, world: dict[str, int], **given: object) -> None:
    """Insert orders."""
    columns = [f"{kind}_{model}" for kind in ("credit", "refunded") for model in MODELS]
    values = [*shares("toInt64(10000)"), *shares("toInt64(back)")]
    text = ORDERS.format(
        now=NOW_MS, columns=", ".join(columns), values=", ".join(values), **world, **given
    )
    client.command(text)


def fill(client: Client, world: dict[str, int]) -> None:
    """All orders, each as it was paid."""
    orders = world["orders"]
    for first in range(0, orders, AT_ONCE):
        count = min(AT_ONCE, orders - first)
        insert(client, world, n="number", back=0, version=1, first=first, count=count)


def refund(client: Client, world: dict[str, int], version: int) -> None:
    """Refunds of some orders: their age is exponential, 10 days on average, at most 170."""
    age = f"least(170., -10. * log(1 - (cityHash64(number, {version}) % 100000) / 100001.))"
    n = f"toUInt64({age} / {world['days']} * {world['orders']}) % {world['orders']}"
    insert(client, world, n=n, back=2_500, version=version, first=0, count=REFUNDS)


def engine_seconds(server: Server) -> float:
    """CPU of the engine so far."""
    assert server.process is not None
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cpu_seconds(server: Server) -> float:
    """CPU of the engine and of this process so far."""
    return engine_seconds(server) + time.process_time()


def measured(server: Server, what: Callable[[], Any]) -> dict[str, Any]:
    """CPU and seconds of something, beside what it gives."""
    cpu, began = cpu_seconds(server), time.perf_counter()
    found = what()
    spent = cpu_seconds(server) - cpu
    took = time.perf_counter() - began
    return {"cpu": round(spent, 2), "seconds": round(took, 2), **(found or {})}


def main() -> None:
    """Print one line of JSON for each step."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--orders", type=int, default=3_000_000)
    parser.add_argument("--kols", type=int, default=100_000)
    parser.add_argument("--days", type=int, default=400)
    world = vars(parser.parse_args())
    with tempfile.TemporaryDirectory() as folder, gateway(Path(folder)) as server:
        client = fresh(server, "bench")
        rollups = RollUps(client, "bench", ZONE)
        turns = 0

        def turn(minutes: int, *, at_once: bool = False) -> dict[str, Any]:
            nonlocal turns
            turns += 1
            now = NOW_MS + minutes * 60_000
            return rollups.turn(Version(1, turns), now_ms=now, at_once=at_once).as_dict()

        steps: list[tuple[str, Callable[[], Any]]] = [
            ("filled", lambda: fill(client, world)),
            ("everything", lambda: turn(0)),
            ("nothing new", lambda: turn(1)),
            ("200 refunds", lambda: refund(client, world, 2)),
            ("a turn that collects", lambda: turn(2)),
            ("a turn that computes", lambda: turn(12)),
            ("200 more", lambda: refund(client, world, 3)),
            ("all at once", lambda: turn(13, at_once=True)),
        ]
        for name, step in steps:
            print(json.dumps({"step": name, **measured(server, step)}), flush=True)  # noqa: T201
        client.close()


if __name__ == "__main__":
    main()
