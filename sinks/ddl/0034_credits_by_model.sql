-- Credits, and refunds by KOL, are read model by model: a condition on `model` decides which of the
-- SELECTs read anything, and each reads the arrays of its own model only. What they show is the same.

-- `first` and `last` give weight to one KOL; every other model to each KOL of the order,
-- even where that weight is less than a cent. `first` goes by the touches' first events, and
-- touches stand in order of their last ones.
CREATE OR REPLACE VIEW ${database}.v_order_credit ${on_cluster} ${definer}
AS SELECT
    'first' AS model,
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
        kols,
        kol_via,
        credit_first AS credits,
        refunded_first AS refunds,
        touch_kol,
        arraySort((kol, begin) -> (begin, kol), touch_kol, touch_begin)[1] AS only_kol
    FROM ${database}.order_credit FINAL
    WHERE notEmpty(kols)
)
ARRAY JOIN
    kols AS kol_id,
    kol_via AS via,
    credits AS credit_cents,
    refunds AS refunded_cents
WHERE empty(touch_kol) OR kol_id = only_kol
UNION ALL
SELECT
    'last' AS model,
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
        kols,
        kol_via,
        credit_last AS credits,
        refunded_last AS refunds,
        touch_kol,
        touch_kol[-1] AS only_kol
    FROM ${database}.order_credit FINAL
    WHERE notEmpty(kols)
)
ARRAY JOIN
    kols AS kol_id,
    kol_via AS via,
    credits AS credit_cents,
    refunds AS refunded_cents
WHERE empty(touch_kol) OR kol_id = only_kol
UNION ALL
SELECT
    'linear' AS model,
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
        kols,
        kol_via,
        credit_linear AS credits,
        refunded_linear AS refunds
    FROM ${database}.order_credit FINAL
    WHERE notEmpty(kols)
)
ARRAY JOIN
    kols AS kol_id,
    kol_via AS via,
    credits AS credit_cents,
    refunds AS refunded_cents
UNION ALL
SELECT
    'position' AS model,
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
        kols,
        kol_via,
        credit_position AS credits,
        refunded_position AS refunds
    FROM ${database}.order_credit FINAL
    WHERE notEmpty(kols)
)
ARRAY JOIN
    kols AS kol_id,
    kol_via AS via,
    credits AS credit_cents,
    refunds AS refunded_cents
UNION ALL
SELECT
    'time_decay' AS model,
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
        kols,
        kol_via,
        credit_time_decay AS credits,
        refunded_time_decay AS refunds
    FROM ${database}.order_credit FINAL
    WHERE notEmpty(kols)
)
ARRAY JOIN
    kols AS kol_id,
    kol_via AS via,
    credits AS credit_cents,
    refunds AS refunded_cents
UNION ALL
SELECT
    'shapley' AS model,
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
        kols,
        kol_via,
        credit_shapley AS credits,
        refunded_shapley AS refunds
    FROM ${database}.order_credit FINAL
    WHERE notEmpty(kols)
)
ARRAY JOIN
    kols AS kol_id,
    kol_via AS via,
    credits AS credit_cents,
    refunds AS refunded_cents
COMMENT 'What a model owes a KOL for an order: one row per (order, model, KOL).';

-- How a refund is split stands in 0022.
CREATE OR REPLACE VIEW ${database}.v_refund_credit ${on_cluster} ${definer}
AS SELECT
    'first' AS model,
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
        kols,
        kol_via,
        touch_kol,
        only_kol,
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
            kols,
            kol_via,
            touch_kol,
            arraySort((kol, begin) -> (begin, kol), touch_kol, touch_begin)[1] AS only_kol,
            refund_at,
            refund_kind,
            refund_reason,
            greatest(paid_cents, 1) AS paid,
            arrayPushFront(arrayCumSum(refund_cents), 0) AS backs,
            arrayMap(c -> arrayMap(w -> toInt128(c) * w, credit_first), backs) AS products,
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
                    refunded_first,
                    arrayMap((x, k) -> x + has(up, k), each, arrayEnumerate(each))
                ),
                backs, floors, rounded_up
            ) AS splits
        FROM ${database}.order_credit FINAL
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
WHERE empty(touch_kol) OR kol_id = only_kol
UNION ALL
SELECT
    'last' AS model,
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
        kols,
        kol_via,
        touch_kol,
        only_kol,
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
            kols,
            kol_via,
            touch_kol,
            touch_kol[-1] AS only_kol,
            refund_at,
            refund_kind,
            refund_reason,
            greatest(paid_cents, 1) AS paid,
            arrayPushFront(arrayCumSum(refund_cents), 0) AS backs,
            arrayMap(c -> arrayMap(w -> toInt128(c) * w, credit_last), backs) AS products,
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
                    refunded_last,
                    arrayMap((x, k) -> x + has(up, k), each, arrayEnumerate(each))
                ),
                backs, floors, rounded_up
            ) AS splits
        FROM ${database}.order_credit FINAL
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
WHERE empty(touch_kol) OR kol_id = only_kol
UNION ALL
SELECT
    'linear' AS model,
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
            kols,
            kol_via,
            refund_at,
            refund_kind,
            refund_reason,
            greatest(paid_cents, 1) AS paid,
            arrayPushFront(arrayCumSum(refund_cents), 0) AS backs,
            arrayMap(c -> arrayMap(w -> toInt128(c) * w, credit_linear), backs) AS products,
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
                    refunded_linear,
                    arrayMap((x, k) -> x + has(up, k), each, arrayEnumerate(each))
                ),
                backs, floors, rounded_up
            ) AS splits
        FROM ${database}.order_credit FINAL
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
UNION ALL
SELECT
    'position' AS model,
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
            kols,
            kol_via,
            refund_at,
            refund_kind,
            refund_reason,
            greatest(paid_cents, 1) AS paid,
            arrayPushFront(arrayCumSum(refund_cents), 0) AS backs,
            arrayMap(c -> arrayMap(w -> toInt128(c) * w, credit_position), backs) AS products,
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
                    refunded_position,
                    arrayMap((x, k) -> x + has(up, k), each, arrayEnumerate(each))
                ),
                backs, floors, rounded_up
            ) AS splits
        FROM ${database}.order_credit FINAL
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
UNION ALL
SELECT
    'time_decay' AS model,
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
            kols,
            kol_via,
            refund_at,
            refund_kind,
            refund_reason,
            greatest(paid_cents, 1) AS paid,
            arrayPushFront(arrayCumSum(refund_cents), 0) AS backs,
            arrayMap(c -> arrayMap(w -> toInt128(c) * w, credit_time_decay), backs) AS products,
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
                    refunded_time_decay,
                    arrayMap((x, k) -> x + has(up, k), each, arrayEnumerate(each))
                ),
                backs, floors, rounded_up
            ) AS splits
        FROM ${database}.order_credit FINAL
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
UNION ALL
SELECT
    'shapley' AS model,
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
            kols,
            kol_via,
            refund_at,
            refund_kind,
            refund_reason,
            greatest(paid_cents, 1) AS paid,
            arrayPushFront(arrayCumSum(refund_cents), 0) AS backs,
            arrayMap(c -> arrayMap(w -> toInt128(c) * w, credit_shapley), backs) AS products,
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
                    refunded_shapley,
                    arrayMap((x, k) -> x + has(up, k), each, arrayEnumerate(each))
                ),
                backs, floors, rounded_up
            ) AS splits
        FROM ${database}.order_credit FINAL
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
COMMENT 'v_refund by model and KOL: what each gives back, by both dates.';

ALTER TABLE ${database}.v_order_credit ${on_cluster}
    COMMENT COLUMN IF EXISTS `model` 'the model: first, last, linear, position, time_decay or shapley',
    COMMENT COLUMN IF EXISTS `kol_id` 'the KOL, or organic where no touch counts',
    COMMENT COLUMN IF EXISTS `ordered_at` 'event time of the payment that stands [UTC]',
    COMMENT COLUMN IF EXISTS `order_id` 'the shop\'s number',
    COMMENT COLUMN IF EXISTS `user_hash` 'keyed name of the user, 32 hex digits; in rows of former versions an HMAC hash',
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

ALTER TABLE ${database}.v_refund_credit ${on_cluster}
    COMMENT COLUMN IF EXISTS `model` 'the model: first, last, linear, position, time_decay or shapley',
    COMMENT COLUMN IF EXISTS `kol_id` 'the KOL, or organic where no touch counts',
    COMMENT COLUMN IF EXISTS `ordered_at` 'event time of the payment that stands [UTC]',
    COMMENT COLUMN IF EXISTS `order_id` 'the shop\'s number',
    COMMENT COLUMN IF EXISTS `user_hash` 'keyed name of the user, 32 hex digits; in rows of former versions an HMAC hash',
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
