-- A touch has a first and a last event; touches just after an order are noted, and so is what was
-- asked back and not subtracted.

ALTER TABLE ${database}.order_credit ${on_cluster}
    ADD COLUMN IF NOT EXISTS `excess_cents` Int64 COMMENT 'asked back beyond what was paid, not subtracted' CODEC(T64, ZSTD(1)) AFTER `refunded_cents`,
    ADD COLUMN IF NOT EXISTS `reversed_cents` Int64 COMMENT 'of what was asked back, failed and reversed' CODEC(T64, ZSTD(1)) AFTER `excess_cents`,
    ADD COLUMN IF NOT EXISTS `refunds_outside` Int64 COMMENT 'refunds, cancels and reversals without effect: outside 24 h before to 180 d after' CODEC(T64, ZSTD(1)) AFTER `reversed_cents`,
    ADD COLUMN IF NOT EXISTS `refunds_foreign` Int64 COMMENT 'refunds, cancels and reversals without effect: in another currency' CODEC(T64, ZSTD(1)) AFTER `refunds_outside`,
    ADD COLUMN IF NOT EXISTS `touch_begin` Array(DateTime64(3, 'UTC')) DEFAULT touch_at COMMENT 'event time of each touch\'s first event; touch_at is its last one\'s' CODEC(ZSTD(1)) AFTER `touch_via`,
    ADD COLUMN IF NOT EXISTS `paid_again` Int64 COMMENT 'further `paid` of the order with another amount: one payout' CODEC(T64, ZSTD(1)) AFTER `touch_begin`,
    ADD COLUMN IF NOT EXISTS `paid_again_cents` Int64 COMMENT 'amount of the last of them' CODEC(T64, ZSTD(1)) AFTER `paid_again`,
    ADD COLUMN IF NOT EXISTS `touches_after` Int64 COMMENT 'of an organic order: touches that begin up to 10 minutes after it, not counted' CODEC(T64, ZSTD(1)) AFTER `paid_again_cents`,
    ADD COLUMN IF NOT EXISTS `first_after_ms` Int64 COMMENT 'how long after the order the first of them begins, ms' CODEC(T64, ZSTD(1)) AFTER `touches_after`;

-- Rows of before have their currencies as sent.
CREATE OR REPLACE VIEW ${database}.v_order ${on_cluster} ${definer}
AS SELECT
    ordered_at,
    order_id,
    user_hash,
    brand_id,
    platform,
    channel,
    upper(trimBoth(currency)) AS currency,
    paid_cents,
    refunded_cents,
    length(touch_kol) AS touches
FROM ${database}.order_credit FINAL
WHERE notEmpty(kols)
COMMENT 'One row per order: paid, given back, how many touches count.';

CREATE OR REPLACE VIEW ${database}.v_order_touches ${on_cluster} ${definer}
AS SELECT
    ordered_at,
    order_id,
    user_hash,
    brand_id,
    platform,
    channel,
    upper(trimBoth(currency)) AS currency,
    paid_cents,
    refunded_cents,
    excess_cents,
    reversed_cents,
    refunds_outside,
    refunds_foreign,
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
WHERE notEmpty(kols)
COMMENT 'One row per order with the touches that count, newest last.';

-- `first` and `last` give weight to one KOL; every other model to each KOL of the order,
-- even where that weight is less than a cent. `first` goes by the touches' first events, and
-- touches stand in order of their last ones.
CREATE OR REPLACE VIEW ${database}.v_order_credit ${on_cluster} ${definer}
AS SELECT
    by_model.1 AS model,
    kol_id,
    ordered_at,
    order_id,
    user_hash,
    via,
    brand_id,
    platform,
    channel,
    currency,
    credit_cents,
    refunded_cents
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
        touch_kol,
        arraySort(
            (kol, begin, class) -> (begin, kol, class), touch_kol, touch_begin, touch_class
        )[1] AS first_kol,
        kols,
        kol_via,
        by_model
    FROM ${database}.order_credit FINAL
    ARRAY JOIN [
        ('first', credit_first, refunded_first),
        ('last', credit_last, refunded_last),
        ('linear', credit_linear, refunded_linear),
        ('position', credit_position, refunded_position),
        ('time_decay', credit_time_decay, refunded_time_decay),
        ('shapley', credit_shapley, refunded_shapley)
    ] AS by_model
    WHERE notEmpty(kols)
)
ARRAY JOIN
    kols AS kol_id,
    kol_via AS via,
    by_model.2 AS credit_cents,
    by_model.3 AS refunded_cents
WHERE NOT (model = 'first' AND notEmpty(touch_kol) AND kol_id != first_kol)
  AND NOT (model = 'last' AND notEmpty(touch_kol) AND kol_id != touch_kol[-1])
COMMENT 'What a model owes a KOL for an order: one row per (order, model, KOL).';

-- Hours hold the shop's currency only: amounts of different ones do not add. Others are in
-- v_order_credit by currency.
CREATE OR REPLACE VIEW ${database}.credit_1h_source ${on_cluster} ${definer}
AS SELECT
    model,
    kol_id,
    hour,
    sum(n) AS orders,
    sum(credit) AS credit_cents,
    sum(refunded) AS refunded_cents
FROM
(
    SELECT
        model,
        kol_id,
        toStartOfHour(ordered_at) AS hour,
        1 AS n,
        credit_cents AS credit,
        refunded_cents AS refunded
    FROM ${database}.v_order_credit
    WHERE currency = '${currency}'
    UNION ALL
    SELECT model, kol_id, hour, 0, 0, 0
    FROM ${database}.credit_1h
)
GROUP BY model, kol_id, hour;

ALTER TABLE ${database}.v_order_credit ${on_cluster}
    COMMENT COLUMN IF EXISTS `model` 'the model: first, last, linear, position, time_decay or shapley',
    COMMENT COLUMN IF EXISTS `kol_id` 'the KOL, or organic where no touch counts',
    COMMENT COLUMN IF EXISTS `ordered_at` 'event time of the payment that stands [UTC]',
    COMMENT COLUMN IF EXISTS `order_id` 'the shop\'s number',
    COMMENT COLUMN IF EXISTS `user_hash` 'keyed hash (HMAC, hex) of the user_id',
    COMMENT COLUMN IF EXISTS `via` 'direct if one of the KOL\'s touches is, else share; none for organic',
    COMMENT COLUMN IF EXISTS `brand_id` 'brand, empty where unknown',
    COMMENT COLUMN IF EXISTS `platform` 'platform, empty where unknown',
    COMMENT COLUMN IF EXISTS `channel` 'channel, empty where unknown',
    COMMENT COLUMN IF EXISTS `currency` 'currency, empty where unknown',
    COMMENT COLUMN IF EXISTS `credit_cents` 'the KOL\'s part of what was paid, refunds not deducted [cents]',
    COMMENT COLUMN IF EXISTS `refunded_cents` 'the KOL\'s part of what was given back [cents]';

ALTER TABLE ${database}.v_order ${on_cluster}
    COMMENT COLUMN IF EXISTS `ordered_at` 'event time of the payment that stands [UTC]',
    COMMENT COLUMN IF EXISTS `order_id` 'the shop\'s number',
    COMMENT COLUMN IF EXISTS `user_hash` 'keyed hash (HMAC, hex) of the user_id',
    COMMENT COLUMN IF EXISTS `brand_id` 'brand, empty where unknown',
    COMMENT COLUMN IF EXISTS `platform` 'platform, empty where unknown',
    COMMENT COLUMN IF EXISTS `channel` 'channel, empty where unknown',
    COMMENT COLUMN IF EXISTS `currency` 'currency, empty where unknown',
    COMMENT COLUMN IF EXISTS `paid_cents` 'paid for the order [cents]',
    COMMENT COLUMN IF EXISTS `refunded_cents` 'given back of it, at most what was paid [cents]',
    COMMENT COLUMN IF EXISTS `touches` 'touches that count for the order [count]';

ALTER TABLE ${database}.v_order_touches ${on_cluster}
    COMMENT COLUMN IF EXISTS `ordered_at` 'event time of the payment that stands [UTC]',
    COMMENT COLUMN IF EXISTS `order_id` 'the shop\'s number',
    COMMENT COLUMN IF EXISTS `user_hash` 'keyed hash (HMAC, hex) of the user_id',
    COMMENT COLUMN IF EXISTS `brand_id` 'brand, empty where unknown',
    COMMENT COLUMN IF EXISTS `platform` 'platform, empty where unknown',
    COMMENT COLUMN IF EXISTS `channel` 'channel, empty where unknown',
    COMMENT COLUMN IF EXISTS `currency` 'currency, empty where unknown',
    COMMENT COLUMN IF EXISTS `paid_cents` 'paid for the order [cents]',
    COMMENT COLUMN IF EXISTS `refunded_cents` 'given back of it, at most what was paid [cents]',
    COMMENT COLUMN IF EXISTS `excess_cents` 'asked back beyond what was paid, not subtracted [cents]',
    COMMENT COLUMN IF EXISTS `reversed_cents` 'of what was asked back, failed and reversed [cents]',
    COMMENT COLUMN IF EXISTS `refunds_outside` 'refunds, cancels and reversals without effect: outside 24 h before to 180 d after [count]',
    COMMENT COLUMN IF EXISTS `refunds_foreign` 'refunds, cancels and reversals without effect: in another currency [count]',
    COMMENT COLUMN IF EXISTS `touch_kol` 'the KOL of each counting touch, newest touch last',
    COMMENT COLUMN IF EXISTS `touch_at` 'event time of each [UTC]',
    COMMENT COLUMN IF EXISTS `touch_class` 'click, engage, live, share or view',
    COMMENT COLUMN IF EXISTS `touch_via` 'direct or share',
    COMMENT COLUMN IF EXISTS `touch_begin` 'event time of each touch\'s first event; touch_at is its last one\'s [UTC]',
    COMMENT COLUMN IF EXISTS `paid_again` 'further `paid` of the order with another amount: one payout [count]',
    COMMENT COLUMN IF EXISTS `paid_again_cents` 'amount of the last of them [cents]',
    COMMENT COLUMN IF EXISTS `touches_after` 'of an organic order: touches that begin up to 10 minutes after it, not counted [count]',
    COMMENT COLUMN IF EXISTS `first_after_ms` 'how long after the order the first of them begins [ms]';
