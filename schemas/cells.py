"""The counters of a minute cell: what one source partition counted for a KOL in one minute.

Reserved names have cells, too: `~brand:<id>`, and `~others` for KOLs beyond the limit of names.

All fields are int64 and add up over source partitions and minutes (distinct-user fields over
source partitions only, see each). Fields are appended, never renumbered or removed.
"""

from typing import Final

BRAND: Final = "~brand:"  # prefix of the reserved names under which brands have cells
OTHERS: Final = "~others"  # the reserved name under which KOLs beyond the limit have cells
ORGANIC: Final = "organic"  # the reserved name of the part of an order nobody earned

DIMENSION_NAMES: Final = {
    "E": "expertise",
    "A": "authenticity",
    "I": "integrity",
    "B": "benevolence",
    "O": "outcome",
}
DIMENSIONS: Final = tuple(DIMENSION_NAMES)

_DAILY: Final = "once a UTC day: add over minutes"

FIELDS: Final[dict[str, str]] = {
    "events": "accepted events",
    "users": "distinct users of the minute",
    "users_hour": "users of the UTC hour, each in the minute of the first event: add over minutes",
    "users_day": "users of the UTC day, each in the minute of the first event: add over minutes",
    "users_week": "users of the ISO week, each in the minute of the first event: add over minutes",
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
    "depth": "ln(1 + weight of what a user did in a UTC day), over users and days, 1e-6",
    "depth_square": "the same with the square of the logarithm, 1e-6",
    **{f"for_{d}": f"credible evidence for {name}, 1e-6" for d, name in DIMENSION_NAMES.items()},
    **{
        f"against_{d}": f"credible evidence against {name}, 1e-6"
        for d, name in DIMENSION_NAMES.items()
    },
    **{
        f"square_{d}": f"squared weights of the evidence about {name}, 1e-12"
        for d, name in DIMENSION_NAMES.items()
    },
    "orders": "orders that stand (brands only)",
    "paid_cents": "paid for them, as sent (brands only)",
    "list_cents": "their list price, as sent (brands only)",
    "discount_cents": "their discount, as sent (brands only)",
    "promo_cents": "paid for them in promotions (brands only)",
    "member_cents": "paid for them by members (brands only)",
    "refunds": "refunds and cancels, in their own minute (brands only)",
    "refund_cents": "given back, as sent, in the refund's own minute (brands only)",
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
STREAMS: Final = {  # of observations, each good or bad; codes are places
    "promo": "orders that a KOL has the largest part of: bad if bought in a promotion",
    "refund": "such orders that reach the end of an age: bad if given back in it",
}
NAMES: Final = tuple(FIELDS)
AT: Final = {name: code for code, name in enumerate(NAMES)}
