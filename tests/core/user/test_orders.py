"""What memory holds of orders; what orders mean is in `test_memory.py`."""

from functools import partial

import numpy as np

from schemas.columns import Purchases
from schemas.events import CLICKSTREAM, PURCHASES
from streams.core.moments import HORIZON_MS, NEVER
from streams.core.user.journey_lookup import AHEAD_MS
from streams.core.user.observations import final_to, observe
from streams.core.user.order_table import UNFROZEN, CodedPurchases
from streams.core.user.orders import KEPT_MS, Orders
from streams.core.user.refunds import WAITS_MS
from streams.core.user.touches import Touches
from streams.core.user.updates import collect_changed_orders, collect_tombstones
from tests.builders import DAY, MINUTE, NOON, Message, decoded, paid, refund

RANK = np.arange(10)


class Shop:
    """Orders of one user, u1, and the touches of KOL 0."""

    def __init__(self, slack: int) -> None:
        self.orders = Orders(slack)
        self.touches = Touches(slack)
        self.lookup = partial(self.touches.journeys, rank=RANK)
        self.greatest = NEVER

    def fold(self, *messages: Message) -> None:
        for message in messages:
            facts = decoded(PURCHASES, [message]).facts
            assert isinstance(facts, Purchases)
            none = np.array([-1], np.int32)
            labels = (none, none, none, none, none, none)
            first, before = np.array([0]), np.array([self.greatest])
            erased = np.array([False])
            self.orders.fold(CodedPurchases(facts, 0, first, first, none, *labels, before, erased))
            self.greatest = max(self.greatest, message["ts"])

    def touch(self, at: int) -> None:
        one = np.array([0])
        self.orders.touches.mark_touched(
            *self.touches.add(CLICKSTREAM, one, one, one, np.array([at]))
        )

    def collect(self) -> list[int]:
        """Times of the orders that changed."""
        row, _ = collect_changed_orders(self.orders)
        return sorted(self.orders.table["at"][row].tolist())

    def prune(self, watermark: int) -> None:
        if self.orders.touches.is_due():
            self.orders.touches.freeze_until(watermark, self.lookup)
        observe(self.orders.table, self.orders.refunds, final_to(watermark))
        self.orders.prune(watermark)

    def times(self) -> list[int]:
        return sorted(self.orders.table["at"].tolist())


def test_an_order_is_dropped_when_no_refund_can_count_any_more() -> None:
    shop = Shop(slack=0)
    shop.fold(paid())
    shop.collect()
    shop.prune(NOON + KEPT_MS)
    before = shop.times()
    shop.prune(NOON + KEPT_MS + 1)

    assert [before, shop.times()] == [[NOON], []]


def test_a_waiting_refund_is_dropped_when_no_order_can_come_any_more() -> None:
    shop = Shop(slack=0)
    shop.fold(refund(ts=NOON - MINUTE), refund())
    shop.collect()
    shop.prune(NOON + WAITS_MS)
    before = shop.times()
    shop.prune(NOON + WAITS_MS + 1)

    assert [before, shop.times()] == [[NEVER], []]
    assert shop.orders.refunds.totals["unmatched"] == 2


def test_an_order_is_not_dropped_before_it_is_written() -> None:
    shop = Shop(slack=0)
    shop.fold(paid())
    shop.prune(NOON + KEPT_MS + 1)

    assert shop.times() == [NOON]
    assert shop.collect() == [NOON]


def test_few_orders_are_not_worth_pruning() -> None:
    shop = Shop(slack=5)
    late = NOON + KEPT_MS + DAY
    shop.fold(paid("old"), *(paid(f"o{n}", ts=late + n) for n in range(9)))
    shop.collect()
    shop.prune(late)

    assert len(shop.times()) == 10


def test_orders_that_stay_keep_their_texts_touches_and_refunds() -> None:
    shop = Shop(slack=0)
    shop.touch(NOON - MINUTE)
    shop.fold(paid("expires"), refund("expires"))
    shop.touch(NOON + DAY - MINUTE)
    shop.fold(paid("stays", ts=NOON + DAY), refund("stays", pay_cents=5, ts=NOON + DAY))
    shop.collect()
    shop.prune(NOON + DAY + HORIZON_MS + AHEAD_MS + 1)
    shop.prune(NOON + KEPT_MS + 1)
    shop.fold(refund("stays", pay_cents=6, ts=NOON + DAY + 1))
    row, given_back = collect_changed_orders(shop.orders)
    journeys = shop.orders.touches.journeys(row, shop.lookup)

    assert shop.orders.table.order_ids(row) == ["stays"]
    assert given_back.cents.tolist() == [11]
    assert shop.orders.table["touches"].tolist() == [2]
    assert journeys.last.tolist() == [NOON - MINUTE, NOON + DAY - MINUTE]


def test_a_tombstone_follows_its_order() -> None:
    shop = Shop(slack=0)
    shop.fold(paid("expires"))
    shop.collect()
    late = NOON + KEPT_MS + 1
    shop.fold(paid("moves", ts=late), paid("moves", ts=late - MINUTE))
    shop.prune(late)
    row, _ = collect_changed_orders(shop.orders)
    tombstones = collect_tombstones(shop.orders, row)

    assert shop.orders.table.order_ids(tombstones.row) == ["moves"]
    assert tombstones.at.tolist() == [late]
    assert collect_tombstones(shop.orders, row).at.tolist() == []


def test_a_frozen_order_is_not_touched_any_more() -> None:
    shop = Shop(slack=0)
    shop.fold(paid())
    shop.collect()
    shop.prune(NOON + HORIZON_MS + AHEAD_MS)
    shop.touch(NOON - MINUTE)
    unfrozen = shop.collect()
    shop.prune(NOON + HORIZON_MS + AHEAD_MS + 1)
    shop.touch(NOON - 2 * MINUTE)

    assert [unfrozen, shop.collect()] == [[NOON], []]


def test_freezing_waits_until_there_are_many_orders() -> None:
    shop = Shop(slack=3)
    shop.fold(paid("a"), paid("b"))
    shop.prune(NOON + DAY)
    few = shop.orders.table["touches"].tolist()
    shop.fold(paid("c"))
    shop.prune(NOON + DAY)

    assert few == [UNFROZEN, UNFROZEN]
    assert shop.orders.table["touches"].tolist() == [0, 0, 0]


def test_an_order_with_a_thousand_refunds_adds_them_all() -> None:
    shop = Shop(slack=1000)
    shop.fold(paid(pay_cents=10_000), *(refund(pay_cents=3, ts=NOON + n) for n in range(1000)))
    _, given_back = collect_changed_orders(shop.orders)

    assert given_back.cents.tolist() == [3_000]
