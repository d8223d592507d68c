"""What it costs to read credits by model: views of one SELECT a model beside those of one for all.

    python -m tests.bench.credits [--orders 200000] [--kols 10000] [--days 28] [--turns 7]

Orders are those of `tests.bench.rollups`, a tenth of them refunded. Cents of each KOL are added up
by one model, by two and by all six, from the views as they are (`now`) and as they were before
`0034_credits_by_model.sql` (`before`), by turns. Medians of the engine's CPU in milliseconds a
query, each with its seconds, as one line of JSON for each view and number of models.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from schemas.rows import MODELS
from sinks.migrate import migration_files, variables
from sinks.statements import views_after
from tests.bench.rollups import engine_seconds, fill, insert
from tests.embedded.gateway.running import Server, gateway
from tests.integration.engine import fresh

DATABASE: Final = "bench"
CENTS: Final = {"v_order_credit": "credit_cents", "v_refund_credit": "refunded_cents"}
ASKED: Final[Sequence[Sequence[str]]] = (("linear",), ("last", "linear"), MODELS)
OF_ALL: Final = 22  # the last file in which one SELECT had all models
REFUNDED: Final = 10  # one order of so many


def make_former(client: Client) -> None:
    """The views as they were, under names of their own."""
    shown = views_after(file for file in migration_files() if file.number <= OF_ALL)
    for view in CENTS:
        text = shown[view]
        for name, value in variables(DATABASE).items():
            text = text.replace(f"${{{name}}}", value)
        client.command(f"CREATE OR REPLACE VIEW {_former(view)} {text}")


def _former(view: str) -> str:
    return f"{view}_before"


def query(view: str, cents: str, models: Sequence[str]) -> str:
    """The statement that adds up what each KOL has by some models, or by all of them."""
    named = ", ".join(f"'{model}'" for model in models)
    where = f"WHERE model IN ({named})" if len(models) < len(MODELS) else ""
    return f"SELECT model, kol_id, sum({cents}) AS cents FROM {view} {where} GROUP BY ALL"  # noqa: S608  # names of ours


def measured(server: Server, client: Client, turns: int) -> Iterator[dict[str, Any]]:
    """A line for each view and number of models.

    Raises:
        AssertionError: the views do not say the same.

    """
    for view, cents in CENTS.items():
        for models in ASKED:
            asked = {"before": _former(view), "now": view}
            cpu, took, rows = defaultdict(list), defaultdict(list), {}
            for _ in range(turns + 1):  # the first one reads what the others find in memory
                for name, one in asked.items():
                    cpu_began, began = engine_seconds(server), time.perf_counter()
                    rows[name] = set(client.query(query(one, cents, models)).result_rows)
                    took[name].append(time.perf_counter() - began)
                    cpu[name].append(engine_seconds(server) - cpu_began)
            assert rows["before"] == rows["now"], "the views do not say the same"
            line: dict[str, Any] = {"view": view, "models": len(models), "rows": len(rows["now"])}
            for name in asked:
                line[f"cpu_ms_{name}"] = round(statistics.median(cpu[name][1:]) * 1e3)
                line[f"seconds_{name}"] = round(statistics.median(took[name][1:]), 3)
            yield line


def main(words: Sequence[str] | None = None) -> None:
    """Print one line of JSON for each view and number of models."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=200_000)
    parser.add_argument("--kols", type=int, default=10_000, help="of whom orders have one to four")
    parser.add_argument("--days", type=int, default=28, help="over which orders are spread")
    parser.add_argument("--turns", type=int, default=7, help="of each query")
    given = parser.parse_args(words)
    world = {"orders": given.orders, "kols": given.kols, "days": given.days}
    with tempfile.TemporaryDirectory() as folder, gateway(Path(folder)) as server:
        client = fresh(server, DATABASE)
        fill(client, world)
        refunds = given.orders // REFUNDED
        n = f"number * {REFUNDED}"
        insert(client, world, n=n, back=2_500, version=2, first=0, count=refunds)
        make_former(client)
        for line in measured(server, client, given.turns):
            print(json.dumps(line), flush=True)  # noqa: T201
        client.close()


if __name__ == "__main__":
    main()
