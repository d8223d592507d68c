"""`kol import`: real data sets as events, and what became of every line."""

import asyncio
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from streams.cli.options import (
    FAILED,
    HOME,
    USAGE,
    Home,
    Json,
    Timeout,
    command,
    err,
    out,
    print_json,
    print_notice,
    use_home,
)
from streams.cli.progress import progress

DATASETS = ("completejourney", "online-retail")


@command
def import_(
    dataset: Annotated[str, typer.Argument(help="completejourney | online-retail")],
    path: Annotated[Path | None, typer.Argument(help="The file, for online-retail.")] = None,
    *,
    timeout: Timeout = 900.0,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Send a real data set as events, wait for the credits, balance them to the cent.

    completejourney: a year of a grocer's baskets, campaigns standing for KOLs (semi-synthetic).
    online-retail PATH: invoices and cancellations of a gift shop.
    """
    use_home(home)
    if dataset not in DATASETS or (dataset == "online-retail") != (path is not None):
        err.print("kol import completejourney, or kol import online-retail PATH")
        raise typer.Exit(USAGE)
    report = _imported(dataset, path, timeout)
    if as_json:
        print_json(report)
    else:
        _shown(report)
    if not report["balance"]["balanced"]:
        raise typer.Exit(FAILED)


def _imported(dataset: str, path: Path | None, timeout: float) -> dict[str, Any]:
    from streams.clients.clickhouse import reader
    from streams.clients.kafka_admin import kafka_admin
    from streams.operations.drain import Observer, drain
    from streams.operations.import_dataset import (
        NoRoomError,
        already,
        balance,
        newest_event_ms,
        send,
        shift_ms,
    )
    from streams.settings import load

    settings = load()
    client = reader(settings.clickhouse)
    with progress() as bar:
        task = bar.add_task("reading lines", total=None)
        converted = _converted(path, lambda n: bar.update(task, completed=n))
        if already(client, converted.platform):
            raise NoRoomError(f"{dataset} is imported already: begin anew with `kol up --fresh`")
        times = [value["ts"] for _, value in converted.events]
        newest = newest_event_ms(client)
        moved = shift_ms(min(times), max(times), newest, time.time_ns() // 1_000_000)
        bar.update(task, description="sending events", total=len(times), completed=0)
        sent = asyncio.run(
            send(
                converted,
                settings.kafka,
                moved,
                lambda n: bar.update(task, completed=n),
            )
        )
        with kafka_admin(settings.kafka) as broker:
            bar.update(task, description="waiting for the workers", total=None)
            watch = Observer(lambda left: bar.update(task, completed=left), print_notice)
            drain(broker, settings.app_id, timeout, watch)
    fates = {
        name: {"lines": fate.lines, "cents": fate.cents, "rule": converted.notes[name]}
        for name, fate in converted.fates.items()
    }
    return {
        "dataset": dataset,
        "lines": sum(fate.lines for fate in converted.fates.values()),
        "fates": fates,
        "events": sent,
        "shifted_days": moved // 86_400_000,
        "semi_synthetic": dataset == "completejourney",
        "balance": balance(client, converted),
    }


def _converted(path: Path | None, seen: Any) -> Any:  # noqa: ANN401  # a callback
    from deploy.datasets import completejourney, online_retail

    return completejourney.convert(seen) if path is None else online_retail.convert(path, seen)


def _shown(report: dict[str, Any]) -> None:
    title = report["dataset"] + (" (semi-synthetic)" if report["semi_synthetic"] else "")
    fates = Table("fate", "lines", "cents", "rule", title=f"{title}: {report['lines']:,} lines")
    for name, fate in report["fates"].items():
        fates.add_row(name, f"{fate['lines']:,}", f"{fate['cents']:,}", fate["rule"])
    out.print(fates)
    balance = report["balance"]
    money = Table("", "orders", "paid cents", "refunded cents", "organic cents", title="balance")
    for name in ("expected", "stands"):
        row = balance[name]
        money.add_row(
            name, f"{row['orders']:,}", f"{row['paid_cents']:,}", f"{row['refunded_cents']:,}", ""
        )
    for row in balance["models"]:
        money.add_row(
            row["model"],
            "",
            f"{row['credited_cents']:,}",
            f"{row['refunded_cents']:,}",
            f"{row['organic_cents']:,}",
        )
    out.print(money)
    if balance["known_answers"]:
        known = Table("model", "cents of known orders", "to the right one", title="known answers")
        for model, row in balance["known_answers"].items():
            share = row["right_cents"] / row["cents"] if row["cents"] else 0.0
            known.add_row(model, f"{row['cents']:,}", f"{share:.1%}")
        out.print(known)
    if report["shifted_days"]:
        out.print(f"event times moved by {report['shifted_days']} days")
    out.print("[green]balanced to the cent[/]" if balance["balanced"] else "[red]NOT balanced[/]")
