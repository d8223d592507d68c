"""`kol explain`: why an order's credits are what they are."""

from typing import Annotated, Any

import typer
from rich.table import Table

from streams.cli.money import as_yuan
from streams.cli.options import FAILED, HOME, Home, Json, use_home
from streams.cli.screen import err, out, print_json, styled

explain = typer.Typer(
    no_args_is_help=True, help="Explain why an order's credits are what they are."
)


@explain.command("order")
def order(
    order_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the order.")],
    *,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Show the touches that counted for an order, and each model's weights and cents."""
    from streams.clients.clickhouse import reader
    from streams.operations.explain import explained_orders
    from streams.settings import load

    use_home(home)
    found = explained_orders(reader(load(("clickhouse",)).clickhouse), order_id)
    if as_json:
        print_json(found)
    if not found:
        err.print(f"no order {order_id}: not read yet, or another id")
        raise typer.Exit(FAILED)
    if not as_json:
        for one in found:
            _print_order(one)


def _print_order(one: dict[str, Any]) -> None:
    out.print(
        styled(one["order_id"], "bold"),
        f" {one['ordered_at']} UTC  paid {as_yuan(one['paid_cents'])}"
        f"  given back {as_yuan(one['refunded_cents'])}  {one['brand_id']} {one['platform']}",
    )
    if one["touches"]:
        touches = Table("when (UTC)", "KOL", "class", "via", "before the order", title="touches")
        for touch in one["touches"]:
            days, rest = divmod(touch["age_minutes"], 1440)
            age = f"{days} d {rest // 60} h {rest % 60} min"
            touches.add_row(touch["at"], touch["kol_id"], touch["class"], touch["via"], age)
        out.print(touches)
    else:
        out.print("no touch counts: the order is organic, nobody earned it")
    credits_ = Table("model", "KOL", "weight", "credited", "given back", title="credits")
    for model in one["models"]:
        for number, share in enumerate(model["shares"]):
            credits_.add_row(
                model["model"] if number == 0 else "",
                share["kol_id"],
                f"{share['weight']:,} of {model['total_weight']:,}",
                as_yuan(share["credit_cents"]),
                as_yuan(share["refunded_cents"]),
            )
    out.print(credits_)
