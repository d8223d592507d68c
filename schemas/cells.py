"""The counters of a minute cell: what one source partition counted for a KOL in one minute.

Reserved names have cells, too: `~brand:<id>`, and `~others` for KOLs beyond the limit of names.

All fields are int64 and add up over source partitions and minutes (distinct-user fields over
source partitions only, see each). Fields are appended, never renumbered or removed.
"""

from typing import Final

BRAND: Final = "~brand:"  # prefix of the reserved names under which brands have cells
OTHERS: Final = "~others"  # the reserved name under which KOLs beyond the limit have cells
ORGANIC: Final = "organic"  # the reserved name of the part of an order nobody earned

# expertise, authenticity, integrity, benevolence, outcome
DIMENSIONS: Final = ("E", "A", "I", "B", "O")

_DAILY: Final = "once a UTC day: add over minutes"

FIELDS: Final[dict[str, str]] = {
    "events": "accepted events",
    "users": "distinct users of the minute",
    "users_hour": "+1 in the minute of a user's earliest event of the UTC hour: add over minutes",
    "users_day": "+1 in the minute of a user's earliest event of the UTC day: add over minutes",
    "users_week": "+1 in the minute of a user's earliest event of the ISO week: add over minutes",
    "impressions": "clickstream impressions",
    "clicks": "clickstream clicks and product pages",
    "carts": "clickstream add_cart and checkout",
    "views": "content-interaction views",
    "likes": "likes",
    "saves": "saves",
    "comments": "comments",
    "danmaku": "live comments",
    "shares": "shares",
    "follows": "follows",
    "unfollows": "unfollows",
    "joins": "joined the private community",
    "leaves": "left the private community",
    "questions": "Q&A sessions attended",
    "replies": "replies of the KOL",
    "creations": "co-creations and user posts",
    "reports": "reports against the KOL",
    "dwell_ms": "sum of dwell over views that say it, milliseconds",
    "depth": "sum of ln(1+s) increments over users and UTC days, 1e-6",
    "depth_square": "sum of ln(1+s)^2 increments over users and UTC days, 1e-6",
    **{f"for_{d}": f"credible evidence for {d}, 1e-6" for d in DIMENSIONS},
    **{f"against_{d}": f"credible evidence against {d}, 1e-6" for d in DIMENSIONS},
    **{f"square_{d}": f"sum of squared credible weights of {d}, 1e-12" for d in DIMENSIONS},
    "orders": "standing orders (brands)",
    "paid_cents": "paid, as sent (brands)",
    "list_cents": "list price, as sent (brands)",
    "discount_cents": "discount, as sent (brands)",
    "promo_cents": "paid in promotions (brands)",
    "member_cents": "paid by members (brands)",
    "refunds": "refunds and cancels, in their own minute (brands)",
    "refund_cents": "given back, as sent, in the refund's own minute (brands)",
    "credible_days": f"users who interact, weighted by credibility, {_DAILY}, 1e-6",
    "credible_days_square": f"users who interact, weighted by its square, {_DAILY}, 1e-12",
    "credible_depth": "depth, weighted by the credibility of its user, 1e-6",
    "credible_depth_square": "depth_square, weighted by the credibility of its user, 1e-6",
    "aged_days": f"users who interact and say their account's age, {_DAILY}",
    "young_days": "of those, users with an account of less than 7 days",
    "users_near": f"users who came by a share of one hop, {_DAILY}",
    "users_far": f"users who came by a share of two hops or more, {_DAILY}",
    "dwell_views": "content-interaction views that say how long they were",
    "short_views": "of those, shorter than one second",
    "live_ms": "the part of dwell_ms in live rooms, milliseconds",
    "unfollowers": "users who unfollowed, each once a minute",
}
NAMES: Final = tuple(FIELDS)
AT: Final = {name: code for code, name in enumerate(NAMES)}
