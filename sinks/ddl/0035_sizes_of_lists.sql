-- Orders and refunds are filtered by how long a list is, which is stored beside it: no name of a KOL
-- is read for a sum of orders. The engine does that itself where no FINAL and no view stands between.

CREATE OR REPLACE VIEW ${database}.v_order ${on_cluster} ${definer}
AS SELECT
    ordered_at,
    order_id,
    user_hash,
    brand_id,
    platform,
    channel,
    upper(trimBoth(currency)) AS currency,
    category,
    price_tier,
    sku,
    size,
    qty,
    coupon_id,
    CAST(promo, 'Bool') AS promo,
    CAST(member, 'Bool') AS member,
    paid_cents,
    list_cents,
    discount_cents,
    margin_cents,
    refunded_cents,
    touch_kol.size0 AS touches
FROM ${database}.order_credit FINAL
WHERE kols.size0 != 0
COMMENT 'One row per order: what was bought, paid and given back, how many touches count.';

CREATE OR REPLACE VIEW ${database}.v_order_touches ${on_cluster} ${definer}
AS SELECT
    ordered_at,
    order_id,
    user_hash,
    brand_id,
    platform,
    channel,
    upper(trimBoth(currency)) AS currency,
    category,
    price_tier,
    sku,
    size,
    qty,
    coupon_id,
    CAST(promo, 'Bool') AS promo,
    CAST(member, 'Bool') AS member,
    paid_cents,
    list_cents,
    discount_cents,
    margin_cents,
    refunded_cents,
    excess_cents,
    reversed_cents,
    refunds_outside,
    refunds_foreign,
    refund_at,
    refund_cents,
    refund_kind,
    refund_reason,
    touch_kol,
    touch_at,
    touch_class,
    touch_via,
    touch_begin,
    paid_again,
    paid_again_cents,
    touches_after,
    first_after_ms
FROM ${database}.order_credit FINAL
WHERE kols.size0 != 0
COMMENT 'One row per order with the touches that count and with its refunds.';

CREATE OR REPLACE VIEW ${database}.v_refund ${on_cluster} ${definer}
AS SELECT
    ordered_at,
    order_id,
    user_hash,
    brand_id,
    platform,
    channel,
    currency,
    category,
    refunded_at,
    kind,
    reason,
    cents AS refunded_cents
FROM
(
    SELECT
        ordered_at,
        order_id,
        user_hash,
        brand_id,
        platform,
        channel,
        upper(trimBoth(currency)) AS currency,
        category,
        refund_at,
        refund_kind,
        refund_reason,
        refund_cents
    FROM ${database}.order_credit FINAL
    WHERE kols.size0 != 0 AND refund_at.size0 != 0
)
ARRAY JOIN
    refund_at AS refunded_at,
    refund_kind AS kind,
    refund_reason AS reason,
    refund_cents AS cents
COMMENT 'One row per refund, cancel or reversal: its cents of an order, by both dates.';

ALTER TABLE ${database}.v_order ${on_cluster}
    COMMENT COLUMN IF EXISTS `ordered_at` 'event time of the payment that stands [UTC]',
    COMMENT COLUMN IF EXISTS `order_id` 'the shop\'s number',
    COMMENT COLUMN IF EXISTS `user_hash` 'keyed name of the user, 32 hex digits; in rows of former versions an HMAC hash',
    COMMENT COLUMN IF EXISTS `brand_id` 'brand, empty where unknown',
    COMMENT COLUMN IF EXISTS `platform` 'platform, empty where unknown',
    COMMENT COLUMN IF EXISTS `channel` 'channel, empty where unknown',
    COMMENT COLUMN IF EXISTS `currency` 'currency, empty where unknown',
    COMMENT COLUMN IF EXISTS `category` 'category of the product, empty where unknown',
    COMMENT COLUMN IF EXISTS `price_tier` 'price tier of the product, empty where unknown',
    COMMENT COLUMN IF EXISTS `sku` 'the product, empty where unknown',
    COMMENT COLUMN IF EXISTS `size` 'size of the pack as sent, empty where unknown',
    COMMENT COLUMN IF EXISTS `qty` 'how much was bought; NULL where unknown [pieces or weight]',
    COMMENT COLUMN IF EXISTS `coupon_id` 'coupon redeemed; empty where none, and of a forgotten person',
    COMMENT COLUMN IF EXISTS `promo` 'true if bought in a promotion, false if not or unknown',
    COMMENT COLUMN IF EXISTS `member` 'true if bought by a member, false if not or unknown',
    COMMENT COLUMN IF EXISTS `paid_cents` 'paid for the order [cents]',
    COMMENT COLUMN IF EXISTS `list_cents` 'price without any discount, 0 where unknown [cents]',
    COMMENT COLUMN IF EXISTS `discount_cents` 'taken off the list price, 0 where none or unknown [cents]',
    COMMENT COLUMN IF EXISTS `margin_cents` 'margin of the shop, may be negative; NULL where unknown [cents]',
    COMMENT COLUMN IF EXISTS `refunded_cents` 'given back of it, at most what was paid [cents]',
    COMMENT COLUMN IF EXISTS `touches` 'touches that count for the order [count]';

ALTER TABLE ${database}.v_order_touches ${on_cluster}
    COMMENT COLUMN IF EXISTS `ordered_at` 'event time of the payment that stands [UTC]',
    COMMENT COLUMN IF EXISTS `order_id` 'the shop\'s number',
    COMMENT COLUMN IF EXISTS `user_hash` 'keyed name of the user, 32 hex digits; in rows of former versions an HMAC hash',
    COMMENT COLUMN IF EXISTS `brand_id` 'brand, empty where unknown',
    COMMENT COLUMN IF EXISTS `platform` 'platform, empty where unknown',
    COMMENT COLUMN IF EXISTS `channel` 'channel, empty where unknown',
    COMMENT COLUMN IF EXISTS `currency` 'currency, empty where unknown',
    COMMENT COLUMN IF EXISTS `category` 'category of the product, empty where unknown',
    COMMENT COLUMN IF EXISTS `price_tier` 'price tier of the product, empty where unknown',
    COMMENT COLUMN IF EXISTS `sku` 'the product, empty where unknown',
    COMMENT COLUMN IF EXISTS `size` 'size of the pack as sent, empty where unknown',
    COMMENT COLUMN IF EXISTS `qty` 'how much was bought; NULL where unknown [pieces or weight]',
    COMMENT COLUMN IF EXISTS `coupon_id` 'coupon redeemed; empty where none, and of a forgotten person',
    COMMENT COLUMN IF EXISTS `promo` 'true if bought in a promotion, false if not or unknown',
    COMMENT COLUMN IF EXISTS `member` 'true if bought by a member, false if not or unknown',
    COMMENT COLUMN IF EXISTS `paid_cents` 'paid for the order [cents]',
    COMMENT COLUMN IF EXISTS `list_cents` 'price without any discount, 0 where unknown [cents]',
    COMMENT COLUMN IF EXISTS `discount_cents` 'taken off the list price, 0 where none or unknown [cents]',
    COMMENT COLUMN IF EXISTS `margin_cents` 'margin of the shop, may be negative; NULL where unknown [cents]',
    COMMENT COLUMN IF EXISTS `refunded_cents` 'given back of it, at most what was paid [cents]',
    COMMENT COLUMN IF EXISTS `excess_cents` 'asked back beyond what was paid, not subtracted [cents]',
    COMMENT COLUMN IF EXISTS `reversed_cents` 'of what was asked back, failed and reversed [cents]',
    COMMENT COLUMN IF EXISTS `refunds_outside` 'refunds, cancels and reversals without effect: outside 24 h before to 180 d after [count]',
    COMMENT COLUMN IF EXISTS `refunds_foreign` 'refunds, cancels and reversals without effect: in another currency [count]',
    COMMENT COLUMN IF EXISTS `refund_at` 'event time of each refund, cancel and reversal of the order, in order of time [UTC]',
    COMMENT COLUMN IF EXISTS `refund_cents` 'what each changed of refunded_cents, which is their sum; below 0 of a reversal, 0 of what had no effect [cents]',
    COMMENT COLUMN IF EXISTS `refund_kind` 'refund, cancel or reversal; merged: those of one quarter of an hour, of an order with more than 256; undated: stated by a version that kept no times, here at the order\'s',
    COMMENT COLUMN IF EXISTS `refund_reason` 'why, as sent, the first 200 characters; empty of what is merged and of a forgotten person',
    COMMENT COLUMN IF EXISTS `touch_kol` 'the KOL of each counting touch, newest touch last',
    COMMENT COLUMN IF EXISTS `touch_at` 'event time of each touch\'s last event [UTC]',
    COMMENT COLUMN IF EXISTS `touch_class` 'click, engage, live, share or view',
    COMMENT COLUMN IF EXISTS `touch_via` 'direct or share',
    COMMENT COLUMN IF EXISTS `touch_begin` 'event time of each touch\'s first event [UTC]',
    COMMENT COLUMN IF EXISTS `paid_again` 'further `paid` of the order with another amount: one payout [count]',
    COMMENT COLUMN IF EXISTS `paid_again_cents` 'amount of the last of them [cents]',
    COMMENT COLUMN IF EXISTS `touches_after` 'of an organic order: touches that begin up to 10 minutes after it, not counted [count]',
    COMMENT COLUMN IF EXISTS `first_after_ms` 'how long after the order the first of them begins [ms]';

ALTER TABLE ${database}.v_refund ${on_cluster}
    COMMENT COLUMN IF EXISTS `ordered_at` 'event time of the payment that stands [UTC]',
    COMMENT COLUMN IF EXISTS `order_id` 'the shop\'s number',
    COMMENT COLUMN IF EXISTS `user_hash` 'keyed name of the user, 32 hex digits; in rows of former versions an HMAC hash',
    COMMENT COLUMN IF EXISTS `brand_id` 'brand, empty where unknown',
    COMMENT COLUMN IF EXISTS `platform` 'platform, empty where unknown',
    COMMENT COLUMN IF EXISTS `channel` 'channel, empty where unknown',
    COMMENT COLUMN IF EXISTS `currency` 'currency, empty where unknown',
    COMMENT COLUMN IF EXISTS `category` 'category of the product, empty where unknown',
    COMMENT COLUMN IF EXISTS `refunded_at` 'when it was given back: event time of the refund [UTC]',
    COMMENT COLUMN IF EXISTS `kind` 'refund, cancel or reversal; merged: those of one quarter of an hour, of an order with more than 256; undated: from a version that kept no times, here at the order\'s',
    COMMENT COLUMN IF EXISTS `reason` 'why, as the shop sent it; empty where unknown',
    COMMENT COLUMN IF EXISTS `refunded_cents` 'what it took back of the payment; below 0 of a reversal, 0 of what had no effect; together the refunded_cents of v_order [cents]';
