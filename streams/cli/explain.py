"""`kol explain`: why an order's credits are what they are, and why a KOL is trusted."""

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Column, Table

from streams.cli.money import as_money
from streams.cli.names import named
from streams.cli.options import FAILED, HOME, At, Home, Json, use_home
from streams.cli.screen import err, out, print_json, print_notice, styled

if TYPE_CHECKING:
    from schemas.letters import Letter
    from streams.operations.explain_kol import ExplainedKol

explain = typer.Typer(
    no_args_is_help=True,
    help="Explain why an order's credits are what they are, and why a KOL is trusted as it is.",
)


@explain.command("order")
def order(
    order_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the order.")],
    *,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Show the touches that counted for an order, and each model's weights and cents.

    So are what was bought and each refund, with its date and reason, where they are known. Dead
    letters that name the order, such as an event of it that was too late, are listed with the
    reason.
    """
    from streams.clients.clickhouse import reader
    from streams.operations.explain import explained_orders, letters_about
    from streams.settings import load

    use_home(home)
    client = reader(load(("clickhouse",)).clickhouse)
    found, letters = explained_orders(client, order_id), letters_about(client, order_id)
    if as_json:
        print_json(found)
    else:
        for one in found:
            print_order(one)
    _print_letters(letters)
    if not found:
        absent = "only dead letters name it" if letters else "not read yet, or another id"
        err.print(f"no order {order_id}: {absent}")
        raise typer.Exit(FAILED)


def _print_letters(letters: "list[Letter]") -> None:
    """Print the dead letters that name the order on stderr."""
    for letter in letters:
        state = "" if letter.state == "new" else f", {letter.state}"
        what = f"{letter.reason}{state}: {letter.error}"
        print_notice(f"dead letter {letter.id}: {what} (see `kol dlq show`)")


def print_order(one: dict[str, Any]) -> None:
    """Print an order with its touches and credits."""
    currency = one["currency"]
    out.print(
        styled(one["order_id"], "bold"),
        f" {one['ordered_at']} UTC  paid {as_money(one['paid_cents'], currency)}"
        f"  given back {as_money(one['refunded_cents'], currency)}"
        f"  {one['brand_id']} {one['platform']}",
    )
    if known := bought(one):
        out.print(known)
    if one["refunds"]:
        refunds = Table("given back (UTC)", "by", "changed", "reason", title="refunds")
        for refund in one["refunds"]:
            cents = as_money(refund["cents"], currency)
            refunds.add_row(refund["at"], refund["kind"], cents, refund["reason"])
        out.print(refunds)
    for difference in differences(one):
        out.print(difference)
    if one["touches"]:
        columns = ("class", "via", "last before the order")
        touches = Table("first (UTC)", "last (UTC)", _kols(), *columns, title="touches")
        for touch in one["touches"]:
            days, rest = divmod(touch["age_minutes"], 1440)
            age = f"{days} d {rest // 60} h {rest % 60} min"
            last = touch["at"] if touch["at"] != touch["begin"] else "the same"
            kol = named(touch["kol_id"], touch["display_name"])
            touches.add_row(touch["begin"], last, kol, touch["class"], touch["via"], age)
        out.print(touches)
    else:
        out.print("no touch counts: the order is organic, nobody earned it")
    credits_ = Table("model", _kols(), "weight", "credited", "given back", title="credits")
    for model in one["models"]:
        for number, share in enumerate(model["shares"]):
            credits_.add_row(
                model["model"] if number == 0 else "",
                named(share["kol_id"], share["display_name"]),
                f"{share['weight']:,} of {model['total_weight']:,}",
                as_money(share["credit_cents"], currency),
                as_money(share["refunded_cents"], currency),
            )
    out.print(credits_)


@explain.command("kol")
def kol(
    kol_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the KOL.")],
    *,
    at: At = None,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Show why a KOL is trusted as it is: its score made again, and what moved it.

    The newest score at the moment is judged once more from the stored minute cells, by the
    numbers that hold. If a value differs by more than 1e-9 it says which, and the exit code is 1.
    Events and contents are counted; no text and no user is shown.
    """
    from streams.clients.clickhouse import reader
    from streams.operations.explain_kol import explained_kol
    from streams.operations.numbers import read_numbers
    from streams.settings import load

    use_home(home)
    conf = load(("clickhouse", "kafka"))
    moment = datetime.now(UTC) if at is None else at if at.tzinfo else at.replace(tzinfo=UTC)
    numbers = asyncio.run(read_numbers(conf))
    client, database = reader(conf.clickhouse), conf.clickhouse.database
    found = explained_kol(
        client, kol_id, int(moment.timestamp()), numbers, database, int(time.time())
    )
    if as_json:
        print_json(found.as_dict())
    else:
        print_kol(found)
    if not found.agrees:
        by = (
            "is not made again"
            if found.difference is None
            else f"differs by {found.difference:.2g}"
        )
        why = found.unsure or "cells were written since; ask again in a minute"
        err.print(f"{found.differs} {by}: {why}")
        raise typer.Exit(FAILED)


def print_kol(found: "ExplainedKol") -> None:
    """Print a KOL with its dimensions, and what moved its trust."""
    gate = "a trust node" if found.is_node else "no trust node"
    fast = "" if found.fast is None else f"  last days {100 * found.fast:.1f}"
    out.print(
        named(found.kol_id, found.display_name),
        f" {found.at} UTC  trust {_percent(found.trust, found.low, found.high)}{fast}  {gate}",
    )
    by = f"population number {found.number}" if found.number else "no number yet: population 0"
    out.print(f"{found.n_eff:.1f} independent judgements, beside {by}")
    columns = ("trust", "n", "for", "against", "prior", "odds")
    dimensions = Table("dimension", *columns, show_edge=False)
    for one in found.dimensions:
        if one.score is None or one.low is None or one.high is None:
            dimensions.add_row(one.name, "no source", *[""] * 5)
            continue
        dimensions.add_row(
            one.name,
            _percent(one.score, one.low, one.high),
            f"{one.n or 0:.1f}",
            f"{one.good:.2f}",
            f"{one.bad:.2f}",
            f"{100 * one.prior:.0f} by {one.prior_n:.0f}",
            f"{one.odds:.1f}",
        )
    out.print(dimensions)
    if found.moved:
        moved = Table("day (UTC)", "trust is higher by", show_edge=False)
        for day, by_day in found.moved:
            moved.add_row(day, f"{100 * by_day:+.2f}")
        out.print(moved)
    if found.events or found.contents:
        said = Table("of 90 days", "how often", "most of it about", show_edge=False)
        for row in found.events:
            said.add_row(row["kind"], f"{row['events']:,}", ", ".join(row["contents"]))
        for row in found.contents:
            said.add_row(f"{row['source']} content", f"{row['n']:,}", ", ".join(row["contents"]))
        out.print(said)
    for one in found.dimensions:
        if one.audits:
            out.print(
                f"contents, notices, surveys on {one.name}: {one.audits['n']:,.0f}, of weight"
                f" {one.audits['good']:g} for and {one.audits['bad']:g} against"
            )
    if found.agrees:
        out.print(f"made again from {found.cells:,} cells: the same")


def _percent(value: float, low: float, high: float) -> str:
    """A share with its interval, of a hundred.

    >>> _percent(0.812, 0.7, 0.9)
    '81.2 (70.0 to 90.0)'
    """
    return f"{100 * value:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def _kols() -> Column:
    """KOLs and their names, none of them cut."""
    return Column("KOL", overflow="fold")


def bought(one: dict[str, Any]) -> str:
    """What is known of an order's product and price, in a line; empty where nothing is."""
    currency, margin = one["currency"], one["margin_cents"]
    known = [
        (one["category"], one["category"]),
        (f"sku {one['sku']}", one["sku"]),
        (f"size {one['size']}", one["size"]),
        (f"price tier {one['price_tier']}", one["price_tier"]),
        (f"quantity {one['qty'] or 0:g}", one["qty"] is not None),
        (f"list price {as_money(one['list_cents'], currency)}", one["list_cents"]),
        (f"discount {as_money(one['discount_cents'], currency)}", one["discount_cents"]),
        (f"margin {as_money(margin or 0, currency)}", margin is not None),
        (f"coupon {one['coupon_id']}", one["coupon_id"]),
        ("in a promotion", one["promo"]),
        ("by a member", one["member"]),
    ]
    return ", ".join(text for text, is_known in known if is_known)


def _after(touches: int, first_ms: int) -> str:
    """How a person is told of touches just after an order.

    >>> _after(1, 15_000)
    '1 touch 15 s after the order, not counted (a clock may be ahead)'
    >>> _after(2, 480_000)
    '2 touches, the first 8 min after the order, not counted (a clock may be ahead)'
    """
    seconds = first_ms / 1000
    first = f"{seconds / 60:g} min" if seconds >= 60 and not seconds % 60 else f"{seconds:g} s"  # noqa: PLR2004
    which = "1 touch" if touches == 1 else f"{touches} touches, the first"
    return f"{which} {first} after the order, not counted (a clock may be ahead)"


def differences(one: dict[str, Any]) -> list[str]:
    """What was said of an order and does not show in what was given back, a sentence each."""
    currency = one["currency"]
    excess, taken_back = one["excess_cents"], one["reversed_cents"]
    outside, foreign = one["refunds_outside"], one["refunds_foreign"]
    sentences = {
        f"{as_money(excess, currency)} more was asked back than was paid": excess,
        f"{as_money(taken_back, currency)} of what was asked back failed and was reversed": (
            taken_back
        ),
        f"{_refunds(outside)} outside the window of 24 h before to 180 d after the order,"
        " not subtracted": outside,
        f"{_refunds(foreign)} in another currency than {currency}, not subtracted": foreign,
        f"{one['paid_again']} more paid with another amount, the last of"
        f" {as_money(one['paid_again_cents'], currency)}: the earliest stands": one["paid_again"],
        _after(one["touches_after"], one["first_after_ms"]): one["touches_after"],
    }
    return [sentence for sentence, is_so in sentences.items() if is_so]


def _refunds(count: int) -> str:
    """A number of refunds, cancels or reversals.

    >>> _refunds(1), _refunds(2)
    ('1 refund', '2 refunds')
    """
    return f"{count} refund{'' if count == 1 else 's'}"
