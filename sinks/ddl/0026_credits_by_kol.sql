-- Credits by hour and day are one row a KOL, with a column a model: a fifth of the rows. `first` and
-- `last` concern one KOL of an order, every other model all of them. All is computed anew.

DROP TABLE IF EXISTS ${database}.credit_1h ${on_cluster} SYNC;
DROP TABLE IF EXISTS ${database}.credit_1d ${on_cluster} SYNC;
TRUNCATE TABLE IF EXISTS ${database}.rollup_cursor ${on_cluster};

CREATE TABLE IF NOT EXISTS ${database}.credit_1h ${on_cluster}
(
    `kol_id` LowCardinality(String) COMMENT 'the KOL, or organic where no touch counts',
    `hour` DateTime('UTC') COMMENT 'beginning of the hour [UTC]' CODEC(DoubleDelta, ZSTD(1)),
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
PARTITION BY toYYYYMMDD(hour)
ORDER BY (`kol_id`, `hour`)
SETTINGS non_replicated_deduplication_window = 10000,
    replicated_deduplication_window = 10000,
    replicated_deduplication_window_seconds = 604800,
    min_age_to_force_merge_seconds = 3600,
    min_age_to_force_merge_on_partition_only = 1
COMMENT 'What orders of an hour owe a KOL, by model, in the shop\'s currency. Only the hours since rollup_cursor.hours_from count.';

CREATE TABLE IF NOT EXISTS ${database}.credit_1d ${on_cluster}
(
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
ORDER BY (`kol_id`, `day`)
SETTINGS non_replicated_deduplication_window = 10000,
    replicated_deduplication_window = 10000,
    replicated_deduplication_window_seconds = 604800,
    min_age_to_force_merge_seconds = 3600,
    min_age_to_force_merge_on_partition_only = 1
COMMENT 'What orders of a business day owe a KOL, by model, in the shop\'s currency.';

CREATE OR REPLACE VIEW ${database}.credit_source ${on_cluster} ${definer}
AS SELECT
    ordered_at,
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

CREATE OR REPLACE VIEW ${database}.v_credit_1h ${on_cluster} ${definer}
AS SELECT
    one.1 AS model,
    kol_id,
    hour,
    one.2 AS orders,
    one.3 AS credit_cents,
    one.4 AS refunded_cents
FROM
(
    SELECT
        r.kol_id AS kol_id,
        r.hour AS hour,
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
    FROM ${database}.credit_1h AS r FINAL
    INNER JOIN
    (
        SELECT bucket AS hour, max(version) AS floor
        FROM ${database}.rollup_floor FINAL
        WHERE target = 'credit_1h' AND settled = 1
        GROUP BY hour
    ) AS f ON f.hour = r.hour
    WHERE r.version >= f.floor AND r.hour >= (
        SELECT if(count() = 0, toDateTime(4294967295, 'UTC'), argMax(hours_from, version))
        FROM ${database}.rollup_cursor FINAL
        WHERE source = 'order_credit' AND scope = 'recent'
    )
    UNION ALL
    SELECT
        kol_id,
        toStartOfHour(s.ordered_at) AS hour,
        sum(s.orders_first) AS orders_first,
        sum(s.credit_first) AS credit_first,
        sum(s.refunded_first) AS refunded_first,
        sum(s.orders_last) AS orders_last,
        sum(s.credit_last) AS credit_last,
        sum(s.refunded_last) AS refunded_last,
        sum(s.orders_linear) AS orders_linear,
        sum(s.credit_linear) AS credit_linear,
        sum(s.refunded_linear) AS refunded_linear,
        sum(s.orders_position) AS orders_position,
        sum(s.credit_position) AS credit_position,
        sum(s.refunded_position) AS refunded_position,
        sum(s.orders_time_decay) AS orders_time_decay,
        sum(s.credit_time_decay) AS credit_time_decay,
        sum(s.refunded_time_decay) AS refunded_time_decay,
        sum(s.orders_shapley) AS orders_shapley,
        sum(s.credit_shapley) AS credit_shapley,
        sum(s.refunded_shapley) AS refunded_shapley
    FROM ${database}.credit_source AS s
    WHERE toStartOfHour(s.ordered_at) < (
        SELECT if(count() = 0, toDateTime(4294967295, 'UTC'), argMax(hours_from, version))
        FROM ${database}.rollup_cursor FINAL
        WHERE source = 'order_credit' AND scope = 'recent'
    )
    GROUP BY kol_id, hour
)
ARRAY JOIN [
    ('first', orders_first, credit_first, refunded_first),
    ('last', orders_last, credit_last, refunded_last),
    ('linear', orders_linear, credit_linear, refunded_linear),
    ('position', orders_position, credit_position, refunded_position),
    ('time_decay', orders_time_decay, credit_time_decay, refunded_time_decay),
    ('shapley', orders_shapley, credit_shapley, refunded_shapley)
] AS one
WHERE orders > 0
COMMENT 'v_order_credit by model, KOL and hour of the order, in the shop\'s currency. Of the last 48 h as of the trainer\'s last turn; older hours are added up when asked.';

ALTER TABLE ${database}.v_credit_1h ${on_cluster}
    COMMENT COLUMN IF EXISTS `model` 'the model: first, last, linear, position, time_decay or shapley',
    COMMENT COLUMN IF EXISTS `kol_id` 'the KOL, or organic where no touch counts',
    COMMENT COLUMN IF EXISTS `hour` 'beginning of the hour [UTC]',
    COMMENT COLUMN IF EXISTS `orders` 'orders the KOL is concerned in [count]',
    COMMENT COLUMN IF EXISTS `credit_cents` 'the KOL\'s part of their payments, refunds not deducted [cents]',
    COMMENT COLUMN IF EXISTS `refunded_cents` 'the KOL\'s part of what was given back of them [cents]';

CREATE OR REPLACE VIEW ${database}.v_credit_1d ${on_cluster} ${definer}
AS SELECT
    one.1 AS model,
    kol_id,
    day,
    one.2 AS orders,
    one.3 AS credit_cents,
    one.4 AS refunded_cents
FROM
(
    SELECT
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
    FROM ${database}.credit_1d AS r FINAL
    INNER JOIN
    (
        SELECT toDate(bucket) AS day, max(version) AS floor
        FROM ${database}.rollup_floor FINAL
        WHERE target = 'credit_1d' AND settled = 1
        GROUP BY day
    ) AS f ON f.day = r.day
    WHERE r.version >= f.floor
)
ARRAY JOIN [
    ('first', orders_first, credit_first, refunded_first),
    ('last', orders_last, credit_last, refunded_last),
    ('linear', orders_linear, credit_linear, refunded_linear),
    ('position', orders_position, credit_position, refunded_position),
    ('time_decay', orders_time_decay, credit_time_decay, refunded_time_decay),
    ('shapley', orders_shapley, credit_shapley, refunded_shapley)
] AS one
WHERE orders > 0
COMMENT 'v_order_credit by model, KOL and business day of the order, in the shop\'s currency. A refund counts in the day of its order, and shows there within 10 minutes and a turn of the trainer; of the last 48 h with its next turn.';

ALTER TABLE ${database}.v_credit_1d ${on_cluster}
    COMMENT COLUMN IF EXISTS `model` 'the model: first, last, linear, position, time_decay or shapley',
    COMMENT COLUMN IF EXISTS `kol_id` 'the KOL, or organic where no touch counts',
    COMMENT COLUMN IF EXISTS `day` 'business day, in the zone of KOL_BUSINESS_ZONE [day]',
    COMMENT COLUMN IF EXISTS `orders` 'orders the KOL is concerned in [count]',
    COMMENT COLUMN IF EXISTS `credit_cents` 'the KOL\'s part of their payments, refunds not deducted [cents]',
    COMMENT COLUMN IF EXISTS `refunded_cents` 'the KOL\'s part of what was given back of them [cents]';
