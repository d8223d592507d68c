"""The orders of a partition, one a row: what stands, its counting touches, its unbooked refunds.

*Texts.* What is one of few words (platform, channel, currency, category, price tier, size) is a
code into the partition's labels; all but currencies have a limit (`admission`). What may be another
one for every order (order id, event id, sku, coupon) is kept as its bytes: a table of such names
would grow as the orders do, with an object for each, and a restore would build it anew.
"""

from dataclasses import dataclass, fields
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Codes, Mask, Moments, Purchases
from schemas.keyed_names import SIZE
from streams.core.arrays.arena import Arrays
from streams.core.arrays.index import Keyed, RowNumbers
from streams.core.arrays.names import NO_TEXT, Strings
from streams.core.moments import NEVER

LABELS: Final = ("platform", "channel", "currency", "category", "price_tier", "size")

NOT_DUE: Final = 1 << 62  # when an order is observed that is observed no more
UNFROZEN: Final = -1  # the number of touches of an order whose touches may still change
NO_USER: Final = -1  # the user of an order whose person is erased
NO_CODE: Final = -1  # an absent brand or label

BOOKED: Final = (  # what refunds and their like come to, beside what is given back
    *("unmatched", "outside", "foreign", "excess", "reversed", "reversal_excess"),
)

_TEXTS: Final = ("order_id", "event_id", "sku", "coupon")

_WRITTEN: Final = {  # column of the table -> column of purchases
    "at": "at",
    "received": "received_at",
    "paid": "pay_cents",
    "list": "list_cents",
    "discount": "discount_cents",
    "margin": "margin_cents",
    "qty": "qty",
    "promo": "promo",
    "member": "member",
}


@dataclass(frozen=True, slots=True)
class CodedPurchases:
    """The accepted purchases of a batch, in the memory's own codes; columns `(n,)`."""

    events: Purchases  # the whole batch
    shop: int  # the code of the shop's currency
    which: RowNumbers  # its accepted rows
    user: RowNumbers
    brand: Codes
    platform: Codes
    channel: Codes
    currency: Codes  # of a `paid` that does not say, the shop's
    category: Codes
    price_tier: Codes
    size: Codes
    before: Moments  # the greatest accepted time before each
    is_erased: Mask  # whether the person is erased

    def __len__(self) -> int:
        return len(self.which)

    def __getitem__(self, name: str) -> NDArray[Any]:
        """A column of the batch, of the accepted rows."""
        column: NDArray[Any] = getattr(self.events, name)[self.which]
        return column

    def texts(self, name: str) -> list[str]:
        """A list of the batch, of the accepted rows."""
        texts: list[str] = getattr(self.events, name)
        return [texts[i] for i in self.which.tolist()]

    def take(self, part: slice | NDArray[np.intp]) -> Self:
        """Some of them."""
        columns = (getattr(self, field.name)[part] for field in fields(self)[2:])
        return type(self)(self.events, self.shop, *columns)


@dataclass(frozen=True, slots=True)
class BrandOrders:
    """Standing orders that cells count: with a brand, in the shop's currency; columns `(n,)`."""

    user: RowNumbers
    brand: Codes
    at: Moments
    paid: NDArray[np.int64]
    list: NDArray[np.int64]
    discount: NDArray[np.int64]
    promo: Mask
    member: Mask

    def __len__(self) -> int:
        return len(self.at)

    def take(self, which: Mask) -> Self:
        """Some of them."""
        return type(self)(*(getattr(self, field.name)[which] for field in fields(self)))


class OrderTable(Keyed):
    """Every known order, by the hash of user and order id; texts by their numbers."""

    def __init__(self) -> None:
        super().__init__(
            user=np.int32,  # NO_USER of an erased person of whom nothing is left
            received=np.int64,  # record time of the `paid` that stands
            user_hash=(np.uint8, (SIZE,)),
            order_id=np.int32,  # number of the text
            since=np.int64,  # refunds before this were dropped when the order arrived
            dirty=np.bool_,  # to be written
            touches=np.int8,  # counting ones in the pool, or UNFROZEN
            pool=np.int64,  # the first of them
            after=np.int32,  # touches noted after the order, when it was written last
            after_ms=np.int32,  # how long after it the first of them begins
            organic=np.bool_,  # no touch counted when the order was written last
            again=np.int32,  # further `paid` with another amount
            again_cents=np.int64,  # of the last of them in the log
            unmatched=np.int32,  # what this row adds to the totals
            outside=np.int32,
            foreign=np.int32,
            excess=np.int64,
            reversed=np.int64,  # refunds that were taken back, in cents
            reversal_excess=np.int64,
            counted=np.bool_,  # in the shop's currency when it was read: in the cells of its brand
            whose=np.int32,  # the KOL with the largest part when it was written last, or NO_CODE
            stage=np.uint8,  # how often it was observed
            due_at=np.int64,  # when it is the next time, or NOT_DUE
            at=np.int64,  # from here on columns of the standing `paid`; NEVER without one
            paid=np.int64,
            list=np.int64,
            discount=np.int64,
            promo=np.bool_,
            member=np.bool_,
            brand=np.int32,
            platform=np.int32,
            channel=np.int32,
            currency=np.int32,
            category=np.int32,
            price_tier=np.int32,
            size=np.int32,
            qty=np.float64,  # nan where unknown
            margin=np.int64,  # UNKNOWN_CENTS where unknown
            event_id=np.int32,  # number of the text
            sku=np.int32,  # number of the text, or NO_TEXT
            coupon=np.int32,  # the same; none of an erased person
        )
        self._texts = Strings()

    def begin(self, row: RowNumbers, purchases: CodedPurchases) -> None:
        """Write new rows: an order without a `paid` so far."""
        self["user"][row] = purchases.user
        self["at"][row] = self["since"][row] = NEVER
        for name in ("brand", "whose", *LABELS):
            self[name][row] = NO_CODE
        self["sku"][row] = self["coupon"][row] = NO_TEXT
        self["touches"][row] = UNFROZEN
        self["due_at"][row] = NOT_DUE
        for name in (
            "dirty",
            "after",
            "after_ms",
            "organic",
            "again",
            "again_cents",
            "paid",
            *BOOKED,
        ):
            self[name][row] = 0
        first = self._texts.add(purchases.texts("order_ids"))
        self["order_id"][row] = self["event_id"][row] = first + np.arange(len(row))

    def write_standing(self, row: RowNumbers, purchases: CodedPurchases) -> None:
        """Write the columns of each order's standing `paid`."""
        for name, column in _WRITTEN.items():
            self[name][row] = purchases[column]
        for name in ("brand", *LABELS):
            self[name][row] = getattr(purchases, name)
        self["counted"][row] = purchases.currency == purchases.shop
        first = self._texts.add(purchases.texts("event_ids"))
        self["event_id"][row] = first + np.arange(len(row))
        self["sku"][row] = self._texts.numbers(purchases.texts("skus"))
        coupon = self._texts.numbers(purchases.texts("coupon_ids"))
        self["coupon"][row] = np.where(purchases.is_erased, NO_TEXT, coupon)
        self["due_at"][row], self["stage"][row] = self["at"][row], 0
        self["dirty"][row] = True

    def texts(self, name: str, row: RowNumbers) -> list[str]:
        """The texts of orders, empty where there is none; `name`: that of their column."""
        return self._texts.texts(self[name][row])

    def order_ids(self, row: RowNumbers) -> list[str]:
        """The ids of orders."""
        return self._texts.texts(self["order_id"][row])

    def is_replaced(self, row: int, paid: CodedPurchases) -> bool:
        """Whether one `paid` replaces the standing one: of the same person, and earlier."""
        if paid.user[0] != self["user"][row]:
            return False
        return self.is_earlier(int(paid["at"][0]), paid.texts("event_ids")[0], row)

    def is_earlier(self, at: int, event_id: str, row: int) -> bool:
        """Whether a `paid` comes before the one that stands, by (time, event_id)."""
        stands_at = int(self["at"][row])
        if at != stands_at:
            return at < stands_at
        return event_id.encode() < self._texts.utf8([int(self["event_id"][row])])[0]

    def note_again(self, row: int, paid: CodedPurchases, *, replaces: bool) -> bool:
        """Whether a further `paid` has another amount; of the two the one dropped is noted."""
        standing, cents = int(self["paid"][row]), int(paid["pay_cents"][0])
        if (standing, self["currency"][row]) == (cents, paid.currency[0]):
            return False
        self["again"][row] += 1
        self["again_cents"][row] = standing if replaces else cents
        self["dirty"][row] = True
        return True

    def brand_orders(self, row: RowNumbers) -> BrandOrders:
        """What standing orders mean to the cells of their brands; others are left out."""
        row = row[(self["brand"][row] != NO_CODE) & self["counted"][row]]
        names = ("user", "brand", "at", "paid", "list", "discount", "promo", "member")
        return BrandOrders(*(self[name][row] for name in names))

    def users(self) -> RowNumbers:
        """The user of every order that has one."""
        user: RowNumbers = self["user"].astype(np.int64)
        there: RowNumbers = user[user != NO_USER]
        return there

    def renumber_users(self, code: NDArray[np.int64]) -> None:
        """Give every user a new code, `code[old]`."""
        self["user"][:] = np.append(code, NO_USER)[self["user"]]

    def names(self) -> NDArray[np.int64]:
        """The brands of all orders that have one, and the KOLs that they are observations of."""
        return np.append(present(self["brand"]), present(self["whose"]))

    def renumber_names(self, code: NDArray[np.int64]) -> None:
        """Give every brand and KOL a new code, `code[old]`."""
        recode(self["brand"], code)
        recode(self["whose"], code)

    def labels(self) -> NDArray[np.int64]:
        """All labels of orders that have them."""
        return present(np.concatenate([self[name] for name in LABELS]))

    def renumber_labels(self, code: NDArray[np.int64]) -> None:
        """Give every label a new code, `code[old]`."""
        for name in LABELS:
            recode(self[name], code)

    def drop_event_ids(self, row: RowNumbers) -> None:
        """Drop the event ids of orders; their texts leave with the next `keep`."""
        self["event_id"][row] = self["order_id"][row]

    def drop_coupons(self, row: RowNumbers) -> None:
        """Drop the coupons of orders; their texts leave with the next `keep`."""
        self["coupon"][row] = NO_TEXT

    def keep(self, which: Mask) -> None:
        """Drop all orders but these, and the texts that no order has."""
        super().keep(which)
        number = self._texts.keep_numbers(*(self[name] for name in _TEXTS))
        for name in _TEXTS:
            recode(self[name], number)

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """What a snapshot holds, as views."""
        return super().arrays(f"{prefix}.order") | self._texts.arrays(f"{prefix}.text")

    def restore(self, prefix: str, arrays: Arrays) -> None:
        """Take over what `arrays` gave."""
        super().restore(f"{prefix}.order", arrays)
        self._texts.restore(f"{prefix}.text", arrays)


def present(codes: Codes) -> NDArray[np.int64]:
    """The codes that are not absent."""
    there: NDArray[np.int64] = codes[codes != NO_CODE].astype(np.int64)
    return there


def recode(codes: Codes, code: NDArray[np.int64]) -> None:
    """Give codes new ones in place; absent stays absent."""
    there = codes != NO_CODE
    codes[there] = code[codes[there]]
