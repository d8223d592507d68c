-- Credits by day also of a brand, a platform or a channel: who chooses one does not read all orders.
-- A brand is a range of the key. One row holds all models, as it does in credit_1d, and the view
-- shows it so. All is computed anew.

TRUNCATE TABLE IF EXISTS ${database}.rollup_cursor ${on_cluster};

CREATE TABLE IF NOT EXISTS ${database}.place_credit_1d ${on_cluster}
(
    `brand_id` LowCardinality(String) COMMENT 'brand, empty where unknown',
    `platform` LowCardinality(String) COMMENT 'platform, empty where unknown',
    `channel` LowCardinality(String) COMMENT 'channel, empty where unknown',
    `kol_id` LowCardinality(String) COMMENT 'the KOL, or organic where no touch counts',
    `day` Date COMMENT 'business day, in the zone of KOL_BUSINESS_ZONE [day]',
    `orders_first` Int64 COMMENT 'orders the KOL is concerned in, by model first [count]' CODEC(T64, ZSTD(1)),
    `credit_first` Int64 COMMENT 'the KOL\'s part of their payments, refunds not deducted, by model first [cents]' CODEC(T64, ZSTD(1)),
    `refunded_first` Int64 COMMENT 'the KOL\'s part of what was given back of them, by model first [cents]' CODEC(T64, ZSTD(1)),
    `orders_last` Int64 COMMENT 'orders the KOL is concerned in, by model last [count]' CODEC(T64, ZSTD(1)),
    `credit_last` Int64 COMMENT 'the KOL\'s part of their payments, refunds not deducted, by model last [cents]' CODEC(T64, ZSTD(1)),
    `refunded_last` Int64 COMMENT 'the KOL\'s part of what was given back of them, by model last [cents]' CODEC(T64, ZSTD(1)),
    `orders_linear` Int64 COMMENT 'orders the KOL is concerned in, by model linear [count]' CODEC(T64, ZSTD(1)),
    `credit_linear` Int64 COMMENT 'the KOL\'s part of their payments, refunds not deducted, by model linear [cents]' CODEC(T64, ZSTD(1)),
    `refunded_linear` Int64 COMMENT 'the KOL\'s part of what was given back of them, by model linear [cents]' CODEC(T64, ZSTD(1)),
    `orders_position` Int64 COMMENT 'orders the KOL is concerned in, by model position [count]' CODEC(T64, ZSTD(1)),
    `credit_position` Int64 COMMENT 'the KOL\'s part of their payments, refunds not deducted, by model position [cents]' CODEC(T64, ZSTD(1)),
    `refunded_position` Int64 COMMENT 'the KOL\'s part of what was given back of them, by model position [cents]' CODEC(T64, ZSTD(1)),
    `orders_time_decay` Int64 COMMENT 'orders the KOL is concerned in, by model time_decay [count]' CODEC(T64, ZSTD(1)),
    `credit_time_decay` Int64 COMMENT 'the KOL\'s part of their payments, refunds not deducted, by model time_decay [cents]' CODEC(T64, ZSTD(1)),
    `refunded_time_decay` Int64 COMMENT 'the KOL\'s part of what was given back of them, by model time_decay [cents]' CODEC(T64, ZSTD(1)),
    `orders_shapley` Int64 COMMENT 'orders the KOL is concerned in, by model shapley [count]' CODEC(T64, ZSTD(1)),
    `credit_shapley` Int64 COMMENT 'the KOL\'s part of their payments, refunds not deducted, by model shapley [cents]' CODEC(T64, ZSTD(1)),
    `refunded_shapley` Int64 COMMENT 'the KOL\'s part of what was given back of them, by model shapley [cents]' CODEC(T64, ZSTD(1)),
    `version` UInt64 COMMENT 'generation << 40 | turn of the trainer: of a key\'s rows the greatest stands' CODEC(Delta, ZSTD(1)),
    `stated_at` DateTime('UTC') DEFAULT now() COMMENT 'when the server took the row; its age counts from here [UTC]' CODEC(DoubleDelta, ZSTD(1)),
    INDEX ix_stated stated_at TYPE minmax GRANULARITY 1
)
ENGINE = ${engine}
PARTITION BY toYYYYMM(day)
ORDER BY (`brand_id`, `kol_id`, `platform`, `channel`, `day`)
SETTINGS non_replicated_deduplication_window = 10000,
    replicated_deduplication_window = 10000,
    replicated_deduplication_window_seconds = 604800,
    min_age_to_force_merge_seconds = 3600,
    min_age_to_force_merge_on_partition_only = 1
COMMENT 'What orders of a business day owe a KOL, by brand, platform, channel and model, in the shop\'s currency.';

CREATE OR REPLACE VIEW ${database}.credit_source ${on_cluster} ${definer}
AS SELECT
    ordered_at,
    brand_id,
    platform,
    channel,
    kol_id,
    toInt64(is_first) AS orders_first,
    credit_first,
    refunded_first,
    toInt64(is_last) AS orders_last,
    credit_last,
    refunded_last,
    toInt64(1) AS orders_linear,
    credit_linear,
    refunded_linear,
    toInt64(1) AS orders_position,
    credit_position,
    refunded_position,
    toInt64(1) AS orders_time_decay,
    credit_time_decay,
    refunded_time_decay,
    toInt64(1) AS orders_shapley,
    credit_shapley,
    refunded_shapley
FROM
(
    SELECT
        ordered_at,
        brand_id,
        platform,
        channel,
        kols,
        empty(touch_kol) AS is_organic,
        arraySort(
            (kol, begin, class) -> (begin, kol, class), touch_kol, touch_begin, touch_class
        )[1] AS first_kol,
        arrayMap(kol -> is_organic OR kol = first_kol, kols) AS are_first,
        arrayMap(kol -> is_organic OR kol = touch_kol[-1], kols) AS are_last,
        credit_first AS credits_first,
        refunded_first AS refunds_first,
        credit_last AS credits_last,
        refunded_last AS refunds_last,
        credit_linear AS credits_linear,
        refunded_linear AS refunds_linear,
        credit_position AS credits_position,
        refunded_position AS refunds_position,
        credit_time_decay AS credits_time_decay,
        refunded_time_decay AS refunds_time_decay,
        credit_shapley AS credits_shapley,
        refunded_shapley AS refunds_shapley
    FROM ${database}.order_credit FINAL
    WHERE notEmpty(kols) AND upper(trimBoth(currency)) = '${currency}'
)
ARRAY JOIN
    kols AS kol_id,
    are_first AS is_first,
    are_last AS is_last,
    credits_first AS credit_first,
    refunds_first AS refunded_first,
    credits_last AS credit_last,
    refunds_last AS refunded_last,
    credits_linear AS credit_linear,
    refunds_linear AS refunded_linear,
    credits_position AS credit_position,
    refunds_position AS refunded_position,
    credits_time_decay AS credit_time_decay,
    refunds_time_decay AS refunded_time_decay,
    credits_shapley AS credit_shapley,
    refunds_shapley AS refunded_shapley;

CREATE VIEW IF NOT EXISTS ${database}.v_place_credit_1d ${on_cluster} ${definer}
AS SELECT
    r.brand_id AS brand_id,
    r.platform AS platform,
    r.channel AS channel,
    r.kol_id AS kol_id,
    r.day AS day,
    r.orders_first AS orders_first,
    r.credit_first AS credit_first,
    r.refunded_first AS refunded_first,
    r.orders_last AS orders_last,
    r.credit_last AS credit_last,
    r.refunded_last AS refunded_last,
    r.orders_linear AS orders_linear,
    r.credit_linear AS credit_linear,
    r.refunded_linear AS refunded_linear,
    r.orders_position AS orders_position,
    r.credit_position AS credit_position,
    r.refunded_position AS refunded_position,
    r.orders_time_decay AS orders_time_decay,
    r.credit_time_decay AS credit_time_decay,
    r.refunded_time_decay AS refunded_time_decay,
    r.orders_shapley AS orders_shapley,
    r.credit_shapley AS credit_shapley,
    r.refunded_shapley AS refunded_shapley
FROM
(
    SELECT toDate(bucket) AS day, max(version) AS floor
    FROM ${database}.rollup_floor FINAL
    WHERE target = 'place_credit_1d' AND settled = 1
    GROUP BY day
) AS f
INNER JOIN ${database}.place_credit_1d AS r FINAL ON r.day = f.day
WHERE r.version >= f.floor
COMMENT 'v_credit_1d by brand, platform and channel, too, with columns for each model: one row per KOL, place and day. As up to date as v_credit_1d.';

ALTER TABLE ${database}.v_place_credit_1d ${on_cluster}
    COMMENT COLUMN IF EXISTS `brand_id` 'brand, empty where unknown',
    COMMENT COLUMN IF EXISTS `platform` 'platform, empty where unknown',
    COMMENT COLUMN IF EXISTS `channel` 'channel, empty where unknown',
    COMMENT COLUMN IF EXISTS `kol_id` 'the KOL, or organic where no touch counts',
    COMMENT COLUMN IF EXISTS `day` 'business day, in the zone of KOL_BUSINESS_ZONE [day]',
    COMMENT COLUMN IF EXISTS `orders_first` 'orders the KOL is concerned in, by model first [count]',
    COMMENT COLUMN IF EXISTS `credit_first` 'the KOL\'s part of their payments, refunds not deducted, by model first [cents]',
    COMMENT COLUMN IF EXISTS `refunded_first` 'the KOL\'s part of what was given back of them, by model first [cents]',
    COMMENT COLUMN IF EXISTS `orders_last` 'orders the KOL is concerned in, by model last [count]',
    COMMENT COLUMN IF EXISTS `credit_last` 'the KOL\'s part of their payments, refunds not deducted, by model last [cents]',
    COMMENT COLUMN IF EXISTS `refunded_last` 'the KOL\'s part of what was given back of them, by model last [cents]',
    COMMENT COLUMN IF EXISTS `orders_linear` 'orders the KOL is concerned in, by model linear [count]',
    COMMENT COLUMN IF EXISTS `credit_linear` 'the KOL\'s part of their payments, refunds not deducted, by model linear [cents]',
    COMMENT COLUMN IF EXISTS `refunded_linear` 'the KOL\'s part of what was given back of them, by model linear [cents]',
    COMMENT COLUMN IF EXISTS `orders_position` 'orders the KOL is concerned in, by model position [count]',
    COMMENT COLUMN IF EXISTS `credit_position` 'the KOL\'s part of their payments, refunds not deducted, by model position [cents]',
    COMMENT COLUMN IF EXISTS `refunded_position` 'the KOL\'s part of what was given back of them, by model position [cents]',
    COMMENT COLUMN IF EXISTS `orders_time_decay` 'orders the KOL is concerned in, by model time_decay [count]',
    COMMENT COLUMN IF EXISTS `credit_time_decay` 'the KOL\'s part of their payments, refunds not deducted, by model time_decay [cents]',
    COMMENT COLUMN IF EXISTS `refunded_time_decay` 'the KOL\'s part of what was given back of them, by model time_decay [cents]',
    COMMENT COLUMN IF EXISTS `orders_shapley` 'orders the KOL is concerned in, by model shapley [count]',
    COMMENT COLUMN IF EXISTS `credit_shapley` 'the KOL\'s part of their payments, refunds not deducted, by model shapley [cents]',
    COMMENT COLUMN IF EXISTS `refunded_shapley` 'the KOL\'s part of what was given back of them, by model shapley [cents]';
