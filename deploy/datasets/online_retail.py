"""UCI Online Retail: all invoice lines of a UK gift shop, 2010-12 to 2011-12.

An order is an invoice, at the time of its first line (UK wall clock, taken as UTC). A line
is worth quantity x unit price, rounded half to even to a cent; an order is the sum of its
lines. A customer without a number is a guest of that invoice alone.

A line of a cancellation (invoice C…) does not name the original order. It refunds the newest
earlier sale of the same customer, item and unit price that still has that quantity left; a sale's
quantity is refunded once. If there is none, the line is sent as a refund of an unknown order, so
that it is counted.

Chen, Sain & Guo, Data mining for the online retail industry (2012).
"""

import csv
import lzma
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import NamedTuple

from deploy.datasets.converted import Converted
from schemas.events import PURCHASES

PLATFORM = "uci-online-retail"
CURRENCY = "GBP"
RULES = {
    "sale": "part of its invoice's order",
    "sale_for_nothing": "price 0: part of its order, worth no cent",
    "refund": "gives back the newest earlier sale of the same customer, item and price",
    "refund_without_sale": "no such sale: sent as a refund of an unknown order, counted unmatched",
    "duplicate_line": "every field equals an earlier line's: left out",
    "stock_correction": "negative quantity outside a cancellation, price 0: not an order",
    "bad_debt_adjustment": "invoice A…: an entry of the books, not an order",
}


class Line(NamedTuple):
    """One line of an invoice, as it stands in the file."""

    invoice: str
    item: str
    quantity: int
    at: int  # milliseconds since the epoch
    price: Decimal  # pounds
    customer: str  # "" where unknown

    @property
    def cents(self) -> int:
        """What the line is worth, without its sign."""
        exact = abs(self.quantity * self.price * 100)
        return int(exact.quantize(Decimal(1), ROUND_HALF_EVEN))

    @property
    def user(self) -> str:
        """The customer, or a guest of this invoice."""
        return f"customer-{self.customer}" if self.customer else f"guest-{self.invoice}"


class Sale(NamedTuple):
    """A sold line that can still be refunded."""

    invoice: str
    left: list[int]  # one number: the quantity not yet refunded


def convert(path: Path, on_progress: Callable[[int], None] = lambda _: None) -> Converted:
    """Every line of the file as part of an event, or counted with the reason why not.

    Raises:
        FileNotFoundError: no such file.

    """
    converted = Converted(PLATFORM, CURRENCY, notes=RULES)
    invoices: dict[str, list[Line]] = defaultdict(list)
    sales: dict[tuple[str, str, Decimal], list[Sale]] = defaultdict(list)
    known: set[tuple[str, ...]] = set()
    for number, row in enumerate(rows(path)):
        if number % 10_000 == 0:
            on_progress(number)
        line = parse_row(row)
        if (fields := tuple(row.values())) in known:
            converted.line("duplicate_line", line.cents)
        elif line.invoice.startswith("A"):
            converted.line("bad_debt_adjustment", line.cents)
        elif line.invoice.startswith("C"):
            add_refund(line, number, sales, converted)
        elif line.quantity < 0:
            converted.line("stock_correction", line.cents)
        else:
            converted.line("sale" if line.price else "sale_for_nothing", line.cents)
            invoices[line.invoice].append(line)
            sales[line.customer, line.item, line.price].append(Sale(line.invoice, [line.quantity]))
        known.add(fields)
    converted.events += [(PURCHASES, order(lines)) for lines in invoices.values()]
    return converted


def add_refund(
    line: Line,
    number: int,
    sales: Mapping[tuple[str, str, Decimal], list[Sale]],
    converted: Converted,
) -> None:
    """Add the refund that a line of a cancellation stands for."""
    sale = matching_sale(line, sales)
    converted.line("refund" if sale else "refund_without_sale", line.cents)
    converted.events.append(
        (
            PURCHASES,
            {
                "event_id": f"{line.invoice}-{number}",
                "ts": line.at,
                "user_id": line.user,
                "order_id": line.invoice,
                "ref_order_id": sale.invoice if sale else line.invoice,
                "kind": "refund",
                "pay_cents": line.cents,
                "sku": line.item,
                "platform": PLATFORM,
                "currency": CURRENCY,
            },
        )
    )


def matching_sale(line: Line, sales: Mapping[tuple[str, str, Decimal], list[Sale]]) -> Sale | None:
    """The newest sale that a cancellation can refund; reduces its quantity left."""
    candidates = sales.get((line.customer, line.item, line.price), []) if line.customer else []
    for sale in reversed(candidates):
        if sale.left[0] >= -line.quantity:
            sale.left[0] += line.quantity
            return sale
    return None


def order(lines: list[Line]) -> dict[str, object]:
    """One invoice as one paid order."""
    first = min(lines, key=lambda line: line.at)
    return {
        "event_id": f"{first.invoice}-paid",
        "ts": first.at,
        "user_id": first.user,
        "order_id": first.invoice,
        "kind": "paid",
        "pay_cents": sum(line.cents for line in lines),
        "qty": sum(line.quantity for line in lines),
        "brand_id": PLATFORM,
        "platform": PLATFORM,
        "channel_type": "shelf",
        "currency": CURRENCY,
    }


def rows(path: Path) -> Iterable[dict[str, str]]:
    """The file's rows, unpacked when its name ends in .xz."""
    opened = lzma.open if path.suffix == ".xz" else open
    with opened(path, "rt", encoding="utf-8", newline="") as text:
        yield from csv.DictReader(text)


def parse_row(row: Mapping[str, str]) -> Line:
    """One row as values."""
    at = datetime.fromisoformat(row["InvoiceDate"]).replace(tzinfo=UTC)
    return Line(
        invoice=row["InvoiceNo"],
        item=row["StockCode"],
        quantity=int(row["Quantity"]),
        at=int(at.timestamp()) * 1000,
        price=Decimal(row["UnitPrice"]),
        customer=row["CustomerID"].removesuffix(".0"),
    )
