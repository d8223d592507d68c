"""`kol import`: send a real data set as events, and balance what became of every line."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from streams.cli.money import as_money
from streams.cli.options import (
    FAILED,
    HOME,
    USAGE,
    Home,
    Json,
    Timeout,
    use_home,
)
from streams.cli.screen import err, out, print_json, print_notice, progress, styled


def import_(
    dataset: Annotated[str, typer.Argument(help="completejourney or online-retail.")],
    path: Annotated[Path | None, typer.Argument(help="The file of online-retail.")] = None,
    *,
    timeout: Timeout = 900.0,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Send a real data set as events, wait for the credits, and balance them to the cent.

    completejourney: a year of a grocer's baskets, campaigns standing for KOLs (semi-synthetic).
    online-retail PATH: invoices and cancellations of a gift shop.
    """
    from streams.operations.drain import Observer
    from streams.operations.import_dataset import DATASETS, ONLINE_RETAIL, import_dataset
    from streams.settings import load

    use_home(home)
    if dataset not in DATASETS or (dataset == ONLINE_RETAIL) != (path is not None):
        err.print("kol import completejourney, or kol import online-retail PATH")
        raise typer.Exit(USAGE)
    with progress() as bar:
        task = bar.add_task("starting", total=None)

        def show(step: str, done: int, total: int | None) -> None:
            bar.update(task, description=step, completed=done, total=total)

        observer = Observer(
            lambda left: bar.update(task, completed=left),
            print_notice,
            lambda step: bar.update(task, description=step, total=None),
        )
        report = import_dataset(load(), path, timeout, show, observer)
    if as_json:
        print_json(report)
    else:
        _print_report(report)
    if not report["balance"]["balanced"]:
        raise typer.Exit(FAILED)


def _print_report(report: dict[str, Any]) -> None:
    title = report["dataset"] + (" (semi-synthetic)" if report["semi_synthetic"] else "")
    currency = report["currency"]
    fates = Table("fate", "lines", "amount", "rule", title=f"{title}: {report['lines']:,} lines")
    for name, fate in report["fates"].items():
        amount = as_money(fate["cents"], currency)
        fates.add_row(name, f"{fate['lines']:,}", amount, fate["rule"])
    out.print(fates)
    balance = report["balance"]
    money = Table("", "orders", "paid", "refunded", "organic", title="balance")
    for name in ("expected", "stands"):
        row = balance[name]
        amounts = [as_money(int(row[f"{one}_cents"]), currency) for one in ("paid", "refunded")]
        money.add_row(name, f"{row['orders']:,}", *amounts, "")
    for row in balance["models"]:
        columns = ("credited_cents", "refunded_cents", "organic_cents")
        money.add_row(row["model"], "", *(as_money(int(row[one]), currency) for one in columns))
    out.print(money)
    if balance["known_answers"]:
        known = Table("model", "known orders", "to the right one", title="known answers")
        for model, row in balance["known_answers"].items():
            share = row["right_cents"] / row["cents"] if row["cents"] else 0.0
            known.add_row(model, as_money(row["cents"], currency), f"{share:.1%}")
        out.print(known)
    if report["shifted_days"]:
        out.print(f"event times moved by {report['shifted_days']} days")
    if balance["balanced"]:
        out.print(styled("balanced to the cent", "green"))
    else:
        out.print(styled("NOT balanced", "red"))
