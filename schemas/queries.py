"""One question for each view, as SQL that runs as it stands: where an analyst begins."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Query:
    """A question and the SQL that answers it."""

    question: str
    sql: str


QUERIES: Final[Mapping[str, Query]] = {
    "v_order_credit": Query(
        "What did each KOL earn in the last 30 days, refunds deducted, by the model `linear`?",
        """\
SELECT kol_id, currency, sum(credit_cents - refunded_cents) AS net_cents
FROM v_order_credit
WHERE model = 'linear' AND kol_id != 'organic' AND ordered_at >= now() - INTERVAL 30 DAY
GROUP BY kol_id, currency
ORDER BY net_cents DESC""",
    ),
    "v_order_kol": Query(
        "Who opens orders that others close: whose part is greater by `first` than by `last`?",
        """\
SELECT kol_id, currency, sum(credit_first) AS first_cents, sum(credit_last) AS last_cents
FROM v_order_kol
WHERE kol_id != 'organic' AND ordered_at >= now() - INTERVAL 30 DAY
GROUP BY kol_id, currency
HAVING first_cents > last_cents
ORDER BY first_cents - last_cents DESC""",
    ),
    "v_order": Query(
        "How much of what was paid in each channel was given back?",
        """\
SELECT channel, currency, sum(paid_cents) AS paid, sum(refunded_cents) AS given_back
FROM v_order
GROUP BY channel, currency
ORDER BY paid DESC""",
    ),
    "v_order_touches": Query(
        "Which KOLs did the buyers of the newest orders meet, and how?",
        """\
SELECT ordered_at, order_id, arrayZip(touch_kol, touch_class) AS met
FROM v_order_touches
ORDER BY ordered_at DESC
LIMIT 10""",
    ),
    "v_refund": Query(
        "What was given back in each month, of orders of which month?",
        """\
SELECT toStartOfMonth(toDate(refunded_at, 'Asia/Shanghai')) AS given_back_in,
    toStartOfMonth(toDate(ordered_at, 'Asia/Shanghai')) AS ordered_in,
    currency, sum(refunded_cents) AS cents
FROM v_refund
GROUP BY given_back_in, ordered_in, currency
ORDER BY given_back_in DESC, ordered_in DESC""",
    ),
    "v_refund_credit": Query(
        "What did each KOL lose to refunds of the last 30 days, by the model `linear`?",
        """\
SELECT kol_id, currency, sum(refunded_cents) AS cents
FROM v_refund_credit
WHERE model = 'linear' AND kol_id != 'organic' AND refunded_at >= now() - INTERVAL 30 DAY
GROUP BY kol_id, currency
ORDER BY cents DESC""",
    ),
    "v_minute": Query(
        "How deep do credible users go with each KOL, over the last seven days?",
        """\
SELECT kol_id, sum(credible_depth) / sum(credible_days) AS depth, sum(users_day) AS user_days
FROM v_minute
WHERE minute >= now() - INTERVAL 7 DAY AND NOT startsWith(kol_id, '~')
GROUP BY kol_id
HAVING sum(credible_days) > 0
ORDER BY depth DESC""",
    ),
    "v_detector": Query(
        "Whose orders of the last seven days were bought in promotions most often?",
        """\
SELECT kol_id, sum(k) / sum(n) AS share, sum(n) AS orders
FROM v_detector
WHERE stream = 'promo' AND minute >= now() - INTERVAL 7 DAY
GROUP BY kol_id
ORDER BY share DESC""",
    ),
    "v_event": Query(
        "Of those who clicked on a KOL's content in the last seven days, how many ordered since?",
        """\
SELECT kol_id, count() AS clicked, countIf(at_last >= clicked_at) AS ordered
FROM
(
    SELECT kol_id, user_hash, min(moment) AS clicked_at
    FROM v_event
    WHERE kind = 'click' AND kol_id != '' AND moment >= now() - INTERVAL 7 DAY
    GROUP BY kol_id, user_hash
) AS c
LEFT JOIN
(
    SELECT user_hash, max(ordered_at) AS at_last
    FROM v_order
    WHERE ordered_at >= now() - INTERVAL 7 DAY
    GROUP BY user_hash
) AS o USING (user_hash)
GROUP BY kol_id
ORDER BY clicked DESC""",
    ),
    "v_score": Query(
        "Who is trusted now, and how sure is that?",
        """\
SELECT kol_id, trust, trust_lo, trust_hi, n_eff
FROM v_score
ORDER BY minute DESC
LIMIT 1 BY kol_id""",
    ),
    "v_dead_letter": Query(
        "What could not be read in the last day, and why?",
        """\
SELECT topic, reason, count() AS messages, any(error) AS such_as
FROM v_dead_letter
WHERE at >= now() - INTERVAL 1 DAY
GROUP BY topic, reason
ORDER BY messages DESC""",
    ),
    "v_door": Query(
        "Where did the messages of each topic go?",
        """\
SELECT topic, kind, door, sum(n) AS messages
FROM v_door
GROUP BY topic, kind, door
ORDER BY topic, messages DESC""",
    ),
    "v_cell_1h": Query(
        "In which hours of the last two days did each KOL have most users?",
        """\
SELECT kol_id, hour, users_hour AS users
FROM v_cell_1h
WHERE hour >= now() - INTERVAL 2 DAY AND NOT startsWith(kol_id, '~')
ORDER BY kol_id, users DESC""",
    ),
    "v_credit_1h": Query(
        "What did each KOL earn in each hour of the last two days, by the model `last`?",
        """\
SELECT hour, kol_id, credit_cents - refunded_cents AS net_cents
FROM v_credit_1h
WHERE model = 'last' AND hour >= now() - INTERVAL 2 DAY
ORDER BY hour DESC, net_cents DESC""",
    ),
    "v_cell_1d": Query(
        "How often was each KOL viewed, liked and followed on each of the last 28 business days?",
        """\
SELECT day, kol_id, views, likes, follows
FROM v_cell_1d
WHERE day >= today() - 28 AND NOT startsWith(kol_id, '~')
ORDER BY day DESC, views DESC""",
    ),
    "v_credit_1d": Query(
        "What did each KOL earn in each month, by the model `linear`, refunds deducted?",
        """\
SELECT toStartOfMonth(day) AS month, kol_id, sum(credit_cents - refunded_cents) AS net_cents
FROM v_credit_1d
WHERE model = 'linear' AND kol_id != 'organic'
GROUP BY month, kol_id
ORDER BY month DESC, net_cents DESC""",
    ),
    "v_place_credit_1d": Query(
        "What did each KOL earn of each brand in each month, by the models `first` and `last`?",
        """\
SELECT toStartOfMonth(day) AS month, brand_id, kol_id,
    sum(credit_first) AS first_cents, sum(credit_last) AS last_cents
FROM v_place_credit_1d
WHERE kol_id != 'organic'
GROUP BY month, brand_id, kol_id
ORDER BY month DESC, last_cents DESC""",
    ),
    "v_refund_1d": Query(
        "What was given back on each day, by the day of the refund, by the model `linear`?",
        """\
SELECT day, sum(refunds) AS refunds_by_kol, sum(refunded_cents) AS refunded_cents
FROM v_refund_1d
WHERE model = 'linear'
GROUP BY day
ORDER BY day DESC""",
    ),
    "v_score_1d": Query(
        "How did the trust of each KOL move over the last 28 business days?",
        """\
SELECT kol_id, day, trust, trust_lo, trust_hi
FROM v_score_1d
WHERE day >= today() - 28
ORDER BY kol_id, day""",
    ),
    "v_trust_node": Query(
        "How many KOLs were trust nodes in each week, and how many were not in the week before?",
        """\
SELECT week, countIf(active) AS nodes,
    countIf(active AND (kol_id, week - 7) NOT IN
        (SELECT kol_id, week FROM v_trust_node WHERE active)) AS new
FROM v_trust_node
GROUP BY week
ORDER BY week DESC""",
    ),
    "v_score_1h": Query(
        "Whose trust fell most within an hour?",
        """\
SELECT kol_id, hour, trust_max - trust_min AS fell_up_to
FROM v_score_1h
ORDER BY fell_up_to DESC
LIMIT 10""",
    ),
    "v_kol": Query(
        "Who of each tier is trusted most now?",
        """\
SELECT kol_id, display_name, tier, vertical, trust
FROM v_kol
LEFT JOIN (SELECT kol_id, trust FROM v_score ORDER BY minute DESC LIMIT 1 BY kol_id) AS s
    USING (kol_id)
ORDER BY tier, trust DESC""",
    ),
    "v_content": Query(
        "Whose contents are sponsored and do not say so?",
        """\
SELECT kol_id, countIf(sponsored AND NOT disclosed) AS hidden, count() AS contents
FROM v_content
GROUP BY kol_id
ORDER BY hidden DESC""",
    ),
    "v_spend": Query(
        "What did each KOL cost in each month?",
        """\
SELECT kol_id, toStartOfMonth(day) AS month, currency,
    sum(fee_cents + commission_cents + seeding_cents + coupon_cents) AS cents
FROM v_spend
GROUP BY kol_id, month, currency
ORDER BY month DESC, cents DESC""",
    ),
    "v_perception": Query(
        "How genuine does each KOL seem to respondents, and how many are they?",
        """\
SELECT kol_id, avg(authenticity) AS genuine, countIf(authenticity IS NOT NULL) AS answers
FROM v_perception
GROUP BY kol_id
ORDER BY genuine DESC""",
    ),
    "v_identity": Query(
        "Which users were seen under most anonymous ids?",
        """\
SELECT user_hash, uniqExact(anon_hash) AS ids
FROM v_identity
GROUP BY user_hash
ORDER BY ids DESC
LIMIT 10""",
    ),
    "v_policy": Query(
        "Which policies hold now, and where?",
        """\
SELECT policy_id, region, type, effective_at
FROM v_policy
WHERE effective_at <= now()
ORDER BY effective_at DESC""",
    ),
    "v_notice": Query(
        "Which KOLs had violations in the last 90 days that no appeal undid?",
        """\
SELECT kol_id, countIf(kind = 'violation') - countIf(kind = 'appeal_upheld') AS violations
FROM v_notice
WHERE noticed_at >= now() - INTERVAL 90 DAY
GROUP BY kol_id
HAVING violations > 0
ORDER BY violations DESC""",
    ),
}
