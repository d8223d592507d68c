-- What was bought, and each refund with its time: an order in full, by both dates.

ALTER TABLE ${database}.order_credit ${on_cluster}
    ADD COLUMN IF NOT EXISTS `category` LowCardinality(String) COMMENT 'category of the product, empty where unknown' AFTER `currency`,
    ADD COLUMN IF NOT EXISTS `price_tier` LowCardinality(String) COMMENT 'price tier of the product, empty where unknown' AFTER `category`,
    ADD COLUMN IF NOT EXISTS `sku` String COMMENT 'the product, empty where unknown' CODEC(ZSTD(3)) AFTER `price_tier`,
    ADD COLUMN IF NOT EXISTS `size` LowCardinality(String) COMMENT 'size of the pack as sent, empty where unknown' AFTER `sku`,
    ADD COLUMN IF NOT EXISTS `qty` Nullable(Float64) COMMENT 'pieces, or weight of loose goods; NULL where unknown' CODEC(Gorilla, ZSTD(1)) AFTER `size`,
    ADD COLUMN IF NOT EXISTS `coupon_id` String COMMENT 'coupon redeemed; empty where none, and of a forgotten person' CODEC(ZSTD(3)) AFTER `qty`,
    ADD COLUMN IF NOT EXISTS `promo` UInt8 COMMENT '1 if bought in a promotion, 0 if not or unknown' AFTER `coupon_id`,
    ADD COLUMN IF NOT EXISTS `member` UInt8 COMMENT '1 if bought by a member, 0 if not or unknown' AFTER `promo`,
    ADD COLUMN IF NOT EXISTS `list_cents` Int64 COMMENT 'price without any discount, 0 where unknown' CODEC(T64, ZSTD(1)) AFTER `paid_cents`,
    ADD COLUMN IF NOT EXISTS `discount_cents` Int64 COMMENT 'taken off the list price, 0 where none or unknown' CODEC(T64, ZSTD(1)) AFTER `list_cents`,
    ADD COLUMN IF NOT EXISTS `margin_cents` Nullable(Int64) COMMENT 'margin of the shop, may be negative; NULL where unknown' AFTER `discount_cents`,
    ADD COLUMN IF NOT EXISTS `refund_at` Array(DateTime64(3, 'UTC')) DEFAULT if(refunded_cents = 0, [], [ordered_at]) COMMENT 'event time of each refund, cancel and reversal of the order, in order of time' CODEC(ZSTD(1)) AFTER `refunds_foreign`,
    ADD COLUMN IF NOT EXISTS `refund_cents` Array(Int64) DEFAULT if(refunded_cents = 0, [], [refunded_cents]) COMMENT 'what each changed of refunded_cents, which is their sum; below 0 of a reversal, 0 of what had no effect' CODEC(ZSTD(1)) AFTER `refund_at`,
    ADD COLUMN IF NOT EXISTS `refund_kind` Array(LowCardinality(String)) DEFAULT if(refunded_cents = 0, [], ['undated']) COMMENT 'refund, cancel or reversal; merged: those of one quarter of an hour, of an order with more than 256; undated: stated by a version that kept no times, here at the order\'s' CODEC(ZSTD(1)) AFTER `refund_cents`,
    ADD COLUMN IF NOT EXISTS `refund_reason` Array(String) DEFAULT if(refunded_cents = 0, [], ['']) COMMENT 'why, as sent, the first 200 characters; empty of what is merged and of a forgotten person' CODEC(ZSTD(1)) AFTER `refund_kind`;

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
    length(touch_kol) AS touches
FROM ${database}.order_credit FINAL
WHERE notEmpty(kols)
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
WHERE notEmpty(kols)
COMMENT 'One row per order with the touches that count and with its refunds.';

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
    category,
    promo,
    member,
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
        category,
        CAST(promo, 'Bool') AS promo,
        CAST(member, 'Bool') AS member,
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

CREATE VIEW IF NOT EXISTS ${database}.v_refund ${on_cluster} ${definer}
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
    WHERE notEmpty(kols) AND notEmpty(refund_at)
)
ARRAY JOIN
    refund_at AS refunded_at,
    refund_kind AS kind,
    refund_reason AS reason,
    refund_cents AS cents
COMMENT 'One row per refund, cancel or reversal: its cents of an order, by both dates.';

-- After each refund of an order C cents in all are given back (`backs`, 0 before the first). A KOL
-- whose credit is W of the P cents that were paid gives back of them, as `refunded_*` is split,
--
--     floor(C W / P),  the cents left over one by one to the greatest C W mod P, ties as in `kols`
--
-- and of the refund what that is more than before it. So over KOLs it adds up to the refund, over
-- refunds to the KOL's `refunded_*`, and what is said of a refund does not change when a later one
-- comes. Where C is all that was given back, its split is the one of the row.
CREATE VIEW IF NOT EXISTS ${database}.v_refund_credit ${on_cluster} ${definer}
AS SELECT
    model,
    kol_id,
    ordered_at,
    order_id,
    user_hash,
    via,
    brand_id,
    platform,
    channel,
    currency,
    category,
    promo,
    member,
    refunded_at,
    kind,
    reason,
    refunded_cents
FROM
(
    SELECT
        by_model.1 AS model,
        ordered_at,
        order_id,
        user_hash,
        brand_id,
        platform,
        channel,
        currency,
        category,
        promo,
        member,
        touch_kol,
        first_kol,
        kols,
        kol_via,
        refunded_at,
        kind,
        reason,
        arrayMap((after, before) -> after - before, splits[entry + 1], splits[entry]) AS parts
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
            CAST(promo, 'Bool') AS promo,
            CAST(member, 'Bool') AS member,
            touch_kol,
            arraySort(
                (kol, begin, class) -> (begin, kol, class), touch_kol, touch_begin, touch_class
            )[1] AS first_kol,
            kols,
            kol_via,
            by_model,
            refund_at,
            refund_kind,
            refund_reason,
            greatest(paid_cents, 1) AS paid,
            arrayPushFront(arrayCumSum(refund_cents), 0) AS backs,
            arrayMap(c -> arrayMap(w -> toInt128(c) * w, by_model.2), backs) AS products,
            arrayMap(each -> arrayMap(x -> toInt64(intDiv(x, paid)), each), products) AS floors,
            arrayMap(each -> arrayMap(x -> toInt64(x % paid), each), products) AS rests,
            arrayMap(
                (c, each, rest) -> arraySlice(
                    arraySort(k -> (-rest[k], k), arrayEnumerate(rest)), 1, c - arraySum(each)
                ),
                backs, floors, rests
            ) AS rounded_up,
            arrayMap(
                (c, each, up) -> if(
                    c = refunded_cents,
                    by_model.3,
                    arrayMap((x, k) -> x + has(up, k), each, arrayEnumerate(each))
                ),
                backs, floors, rounded_up
            ) AS splits
        FROM ${database}.order_credit FINAL
        ARRAY JOIN [
            ('first', credit_first, refunded_first),
            ('last', credit_last, refunded_last),
            ('linear', credit_linear, refunded_linear),
            ('position', credit_position, refunded_position),
            ('time_decay', credit_time_decay, refunded_time_decay),
            ('shapley', credit_shapley, refunded_shapley)
        ] AS by_model
        WHERE notEmpty(kols) AND notEmpty(refund_at)
    )
    ARRAY JOIN
        refund_at AS refunded_at,
        refund_kind AS kind,
        refund_reason AS reason,
        arrayEnumerate(refund_at) AS entry
)
ARRAY JOIN
    kols AS kol_id,
    kol_via AS via,
    parts AS refunded_cents
WHERE NOT (model = 'first' AND notEmpty(touch_kol) AND kol_id != first_kol)
  AND NOT (model = 'last' AND notEmpty(touch_kol) AND kol_id != touch_kol[-1])
COMMENT 'v_refund by model and KOL: what each gives back, by both dates.';

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
    COMMENT COLUMN IF EXISTS `category` 'category of the product, empty where unknown',
    COMMENT COLUMN IF EXISTS `promo` 'true if bought in a promotion, false if not or unknown',
    COMMENT COLUMN IF EXISTS `member` 'true if bought by a member, false if not or unknown',
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
    COMMENT COLUMN IF EXISTS `user_hash` 'keyed hash (HMAC, hex) of the user_id',
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
    COMMENT COLUMN IF EXISTS `touch_at` 'event time of each [UTC]',
    COMMENT COLUMN IF EXISTS `touch_class` 'click, engage, live, share or view',
    COMMENT COLUMN IF EXISTS `touch_via` 'direct or share',
    COMMENT COLUMN IF EXISTS `touch_begin` 'event time of each touch\'s first event; touch_at is its last one\'s [UTC]',
    COMMENT COLUMN IF EXISTS `paid_again` 'further `paid` of the order with another amount: one payout [count]',
    COMMENT COLUMN IF EXISTS `paid_again_cents` 'amount of the last of them [cents]',
    COMMENT COLUMN IF EXISTS `touches_after` 'of an organic order: touches that begin up to 10 minutes after it, not counted [count]',
    COMMENT COLUMN IF EXISTS `first_after_ms` 'how long after the order the first of them begins [ms]';

ALTER TABLE ${database}.v_refund ${on_cluster}
    COMMENT COLUMN IF EXISTS `ordered_at` 'event time of the payment that stands [UTC]',
    COMMENT COLUMN IF EXISTS `order_id` 'the shop\'s number',
    COMMENT COLUMN IF EXISTS `user_hash` 'keyed hash (HMAC, hex) of the user_id',
    COMMENT COLUMN IF EXISTS `brand_id` 'brand, empty where unknown',
    COMMENT COLUMN IF EXISTS `platform` 'platform, empty where unknown',
    COMMENT COLUMN IF EXISTS `channel` 'channel, empty where unknown',
    COMMENT COLUMN IF EXISTS `currency` 'currency, empty where unknown',
    COMMENT COLUMN IF EXISTS `category` 'category of the product, empty where unknown',
    COMMENT COLUMN IF EXISTS `refunded_at` 'when it was given back: event time of the refund [UTC]',
    COMMENT COLUMN IF EXISTS `kind` 'refund, cancel or reversal; merged: those of one quarter of an hour, of an order with more than 256; undated: from a version that kept no times, here at the order\'s',
    COMMENT COLUMN IF EXISTS `reason` 'why, as the shop sent it; empty where unknown',
    COMMENT COLUMN IF EXISTS `refunded_cents` 'what it took back of the payment; below 0 of a reversal, 0 of what had no effect; together the refunded_cents of v_order [cents]';

ALTER TABLE ${database}.v_refund_credit ${on_cluster}
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
    COMMENT COLUMN IF EXISTS `category` 'category of the product, empty where unknown',
    COMMENT COLUMN IF EXISTS `promo` 'true if bought in a promotion, false if not or unknown',
    COMMENT COLUMN IF EXISTS `member` 'true if bought by a member, false if not or unknown',
    COMMENT COLUMN IF EXISTS `refunded_at` 'when it was given back: event time of the refund [UTC]',
    COMMENT COLUMN IF EXISTS `kind` 'refund, cancel or reversal; merged: those of one quarter of an hour, of an order with more than 256; undated: from a version that kept no times, here at the order\'s',
    COMMENT COLUMN IF EXISTS `reason` 'why, as the shop sent it; empty where unknown',
    COMMENT COLUMN IF EXISTS `refunded_cents` 'the KOL\'s part of it: his part of all that was given back up to this refund less his part up to the one before; over KOLs the refund\'s cents, over refunds the refunded_cents of v_order_credit [cents]';
