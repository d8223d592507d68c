"""The final report of the demo, and the four laws it has to keep.

Every message leaves by one door, every model credits exactly what was paid, hours and days add up
to the orders, and every dimension holds what its topic says.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from clickhouse_connect.driver.client import Client
from numpy.typing import NDArray

from schemas.dimensions import DIMENSIONS
from schemas.latency import quantile_ms
from streams.clients.clickhouse import query, reader
from streams.settings import Settings

ROLL_UPS: Final = ("v_credit_1h", "v_credit_1d")


def demo_report(
    settings: Settings,
    messages: int,
    latency_counts: Sequence[int] | Any,  # noqa: ANN401  # an array
    said_of: Mapping[str, int],
) -> dict[str, Any]:
    """Where every message left and what every cent was credited to, from the views of record.

    Money is in the shop's currency, the only one of the demo's traffic.

    Args:
        settings: of the stack.
        messages: on the input topics.
        latency_counts: of live messages, one number a bucket of `LATENCY`.
        said_of: reference topic -> of how many keys it says something.

    """
    client = reader(settings.clickhouse)
    where = {"currency": settings.currency}
    orders = query(
        client,
        "SELECT count() AS n, sum(paid_cents) AS paid FROM v_order"
        " WHERE currency = {currency:String}",
        where,
    )[0]
    models = query(
        client,
        "SELECT model, sum(credit_cents) AS credited, sum(refunded_cents) AS refunded"
        " FROM v_order_credit WHERE currency = {currency:String} GROUP BY model ORDER BY model",
        where,
    )
    scores = query(client, "SELECT count() AS n FROM v_score")[0]
    return {"messages": messages, **_doors(client)} | {
        "orders": int(orders["n"]),
        **where,
        "paid_cents": int(orders["paid"]),
        "credited_cents": {row["model"]: int(row["credited"]) for row in models},
        "refunded_cents": {row["model"]: int(row["refunded"]) for row in models},
        "rolled_up": {view: _rolled_up(client, view) for view in ROLL_UPS},
        "scores": int(scores["n"]),
        "dimensions": {
            one.topic: {
                "rows": int(query(client, one.select("count() AS n"))[0]["n"]),
                "said": said_of.get(one.topic, 0),
            }
            for one in DIMENSIONS
        },
        "end_to_end_ms": _quantiles(np.asarray(latency_counts)),
    }


def _rolled_up(client: Client, view: str) -> dict[str, dict[str, int]]:
    """What hours or days add up to, model by model."""
    sql = "SELECT model, sum(credit_cents) AS credited, sum(refunded_cents) AS refunded"
    rows = query(client, f"{sql} FROM {view} GROUP BY model ORDER BY model")  # a name of ours
    return {
        "credited_cents": {row["model"]: int(row["credited"]) for row in rows},
        "refunded_cents": {row["model"]: int(row["refunded"]) for row in rows},
    }


def _doors(client: Client) -> dict[str, dict[str, int]]:
    """Messages by door, and refusals by reason."""
    sql = "SELECT door, kind, sum(n) AS n FROM v_door GROUP BY door, kind HAVING n > 0"
    rows = query(client, sql)
    return {
        key: {row["door"]: int(row["n"]) for row in rows if row["kind"] == kind}
        for key, kind in (("doors", "door"), ("rejected", "rejected"))
    }


def _quantiles(counts: NDArray[np.int64]) -> dict[str, float | None]:
    return {
        "p50": _rounded(quantile_ms(counts, 0.5)),
        "p99": _rounded(quantile_ms(counts, 0.99)),
    }


def violations(report: dict[str, Any]) -> list[str]:
    """The laws that a report violates; [] if none.

    >>> violations({"messages": 3, "doors": {"written": 2}, "rejected": {"invalid": 1}, "orders": 1,
    ...         "paid_cents": 5, "credited_cents": {"last": 5},
    ...         "rolled_up": {"v_credit_1d": {"credited_cents": {"last": 4}}},
    ...         "dimensions": {"policy": {"rows": 2, "said": 2}}})
    ["v_credit_1d has {'last': 4} as credited_cents, the orders have {'last': 5}"]
    """
    faults = []
    left = sum(report["doors"].values()) + sum(report["rejected"].values())
    if left != report["messages"]:
        faults.append(f"{report['messages']} messages, but {left} left by a door")
    faults += [
        f"{model} credits {cents} of {report['paid_cents']} paid cents"
        for model, cents in report["credited_cents"].items()
        if cents != report["paid_cents"]
    ]
    faults += [
        f"{view} has {given} as {name}, the orders have {report[name]}"
        for view, sums in report["rolled_up"].items()
        for name, given in sums.items()
        if given != report[name]
    ]
    faults += [
        f"the dimension of {topic} has {held['rows']} rows of {held['said']}"
        for topic, held in report["dimensions"].items()
        if held["rows"] != held["said"]
    ]
    if report["orders"] and not report["credited_cents"]:
        faults.append("orders without credits")
    return faults


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
