"""What users of the demo's world do in the shop: look at products, buy and give back."""

from random import Random
from typing import Final

from deploy.demo.audience import User
from deploy.demo.market import Item, Kol
from deploy.demo.outbox import Event, Outbox

REFUNDED: Final = 0.06  # of ordinary orders
REFUNDS_FAILED: Final = 0.04  # of refunds: the account they went to is closed
SECOND: Final = 1_000  # milliseconds


class Shop:
    """Sends what is bought and given back.

    Args:
        rng: decides who buys.
        outbox: takes the events.

    """

    def __init__(self, rng: Random, outbox: Outbox) -> None:
        self._rng, self._outbox = rng, outbox

    def look_at(
        self, at: int, user: User, kol: Kol | None, item: Item, buys: float, **led: object
    ) -> None:
        """A user opens a product's page and goes down the funnel, at most to an order."""
        about = led | {"brand_id": item.brand_id, "category": item.category}
        self._outbox.click(at, user, "pdp_view", **about)
        if kol and self._chance(0.15):
            self._outbox.click(at + SECOND, user, "coupon_view", **about)
        if self._chance(buys):
            self._outbox.click(at + 3 * SECOND, user, "add_cart", **about)
            if self._chance(0.8):
                self._outbox.click(at + 5 * SECOND, user, "checkout", **about)
                if self._chance(0.9):
                    self.pay(at + 8 * SECOND, user, item, promo=self._chance(0.25))

    def pay(self, at: int, user: User, item: Item, *, promo: bool, **redeemed: object) -> Event:
        """A user pays for an item, and perhaps gives it back later."""
        rng = self._rng
        off = item.list_cents * (rng.choice((20, 30)) if promo else rng.choice((0, 0, 5))) // 100
        order = self._outbox.purchase(
            at,
            user,
            kind="paid",
            order_id=self._outbox.new_id("o", at),
            pay_cents=item.list_cents - off,
            brand_id=item.brand_id,
            sku=item.sku,
            category=item.category,
            qty=1,
            list_cents=item.list_cents,
            discount_cents=off,
            promo_flag=promo,
            **redeemed,
        )
        if self._chance(REFUNDED):
            self.return_order(at + rng.randint(40, 400) * SECOND, user, order)
        return order

    def return_order(self, at: int, user: User, order: Event) -> None:
        """A user gives an order back, in part or whole."""
        rng = self._rng
        about = {"order_id": self._outbox.new_id("r", at), "ref_order_id": order["order_id"]}
        about |= {"brand_id": order["brand_id"], "sku": order["sku"]}
        if self._chance(0.15):
            self._outbox.purchase(at, user, kind="cancel", **about, reason="changed_mind")
        else:
            part = rng.choice((1, 1, 2, 3))
            cents = order["pay_cents"] // part
            self._outbox.purchase(
                at, user, kind="refund", **about, pay_cents=cents, reason="quality"
            )
            if self._chance(REFUNDS_FAILED):
                later = at + rng.randint(30, 300) * SECOND
                self._outbox.purchase(
                    later,
                    user,
                    kind="refund_reversed",
                    **about,
                    pay_cents=cents,
                    reason="account_closed",
                )

    def _chance(self, probability: float) -> bool:
        return self._rng.random() < probability
