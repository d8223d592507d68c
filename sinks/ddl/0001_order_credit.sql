-- One row per order: paid and given back, the touches that count, what each model owes to whom.
-- A row with empty kols is a key the order has moved away from.

CREATE TABLE IF NOT EXISTS ${database}.order_credit ${on_cluster}
(
    ordered_at DateTime64(3, 'UTC') COMMENT 'event time of the payment that stands' CODEC(DoubleDelta, ZSTD(1)),
    order_id String COMMENT 'the shop\'s number' CODEC(ZSTD(3)),
    user_hash String COMMENT 'keyed hash (HMAC, hex) of the user_id' CODEC(ZSTD(3)),
    brand_id LowCardinality(String) COMMENT 'brand, empty where unknown',
    platform LowCardinality(String) COMMENT 'platform, empty where unknown',
    channel LowCardinality(String) COMMENT 'channel, empty where unknown',
    currency LowCardinality(String) COMMENT 'currency, empty where unknown',
    paid_cents Int64 COMMENT 'paid' CODEC(T64, ZSTD(1)),
    refunded_cents Int64 COMMENT 'given back, at most what was paid' CODEC(T64, ZSTD(1)),
    touch_kol Array(String) COMMENT 'the KOL of each counting touch, newest touch last' CODEC(ZSTD(1)),
    touch_at Array(DateTime64(3, 'UTC')) COMMENT 'event time of each' CODEC(ZSTD(1)),
    touch_class Array(LowCardinality(String)) COMMENT 'click, engage, live, share or view' CODEC(ZSTD(1)),
    touch_via Array(LowCardinality(String)) COMMENT 'direct or share' CODEC(ZSTD(1)),
    kols Array(String) COMMENT 'the KOLs of these touches once each by UTF-8 bytes, or organic alone' CODEC(ZSTD(1)),
    kol_via Array(LowCardinality(String)) COMMENT 'direct if one of its touches is, else share; none for organic' CODEC(ZSTD(1)),
    credit_first Array(Int64) COMMENT 'cents owed to each of kols, by model first' CODEC(ZSTD(1)),
    refunded_first Array(Int64) COMMENT 'cents of those given back, by model first' CODEC(ZSTD(1)),
    credit_last Array(Int64) COMMENT 'cents owed to each of kols, by model last' CODEC(ZSTD(1)),
    refunded_last Array(Int64) COMMENT 'cents of those given back, by model last' CODEC(ZSTD(1)),
    credit_linear Array(Int64) COMMENT 'cents owed to each of kols, by model linear' CODEC(ZSTD(1)),
    refunded_linear Array(Int64) COMMENT 'cents of those given back, by model linear' CODEC(ZSTD(1)),
    credit_position Array(Int64) COMMENT 'cents owed to each of kols, by model position' CODEC(ZSTD(1)),
    refunded_position Array(Int64) COMMENT 'cents of those given back, by model position' CODEC(ZSTD(1)),
    credit_time_decay Array(Int64) COMMENT 'cents owed to each of kols, by model time_decay' CODEC(ZSTD(1)),
    refunded_time_decay Array(Int64) COMMENT 'cents of those given back, by model time_decay' CODEC(ZSTD(1)),
    credit_shapley Array(Int64) COMMENT 'cents owed to each of kols, by model shapley' CODEC(ZSTD(1)),
    refunded_shapley Array(Int64) COMMENT 'cents of those given back, by model shapley' CODEC(ZSTD(1)),
    snapshot UInt32 COMMENT 'number of the population values used',
    version UInt64 COMMENT 'epoch << 56 | life << 32 | folded: of a key\'s rows the greatest stands' CODEC(Delta, ZSTD(1)),
    stated_at DateTime('UTC') DEFAULT now() COMMENT 'when the server took the row; its age counts from here' CODEC(DoubleDelta, ZSTD(1)),
    INDEX ix_stated stated_at TYPE minmax GRANULARITY 1,
    INDEX ix_order order_id TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = ${engine}
PARTITION BY toYYYYMM(ordered_at)
ORDER BY (ordered_at, order_id, user_hash)
TTL stated_at + INTERVAL 25 MONTH DELETE
SETTINGS non_replicated_deduplication_window = 10000,
    replicated_deduplication_window = 10000,
    replicated_deduplication_window_seconds = 604800,
    ttl_only_drop_parts = 1,
    min_age_to_force_merge_seconds = 3600,
    min_age_to_force_merge_on_partition_only = 1
COMMENT 'One row per order: paid and given back, the touches that count, what each model owes to whom. A row with empty kols is a key the order has moved away from.';

CREATE VIEW IF NOT EXISTS ${database}.v_order ${on_cluster} ${definer}
AS SELECT
    ordered_at,
    order_id,
    user_hash,
    brand_id,
    platform,
    channel,
    currency,
    paid_cents,
    refunded_cents,
    length(touch_kol) AS touches
FROM ${database}.order_credit FINAL
WHERE notEmpty(kols)
COMMENT 'One row per order: paid, given back, how many touches count.';

CREATE VIEW IF NOT EXISTS ${database}.v_order_touches ${on_cluster} ${definer}
AS SELECT
    ordered_at,
    order_id,
    user_hash,
    brand_id,
    platform,
    channel,
    currency,
    paid_cents,
    refunded_cents,
    touch_kol,
    touch_at,
    touch_class,
    touch_via
FROM ${database}.order_credit FINAL
WHERE notEmpty(kols)
COMMENT 'One row per order with the touches that count, newest last.';

-- `first` and `last` give weight to one KOL; every other model to each KOL of the order,
-- even where that weight is less than a cent.
CREATE VIEW IF NOT EXISTS ${database}.v_order_credit ${on_cluster} ${definer}
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
        currency,
        touch_kol,
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
WHERE NOT (model = 'first' AND notEmpty(touch_kol) AND kol_id != touch_kol[1])
  AND NOT (model = 'last' AND notEmpty(touch_kol) AND kol_id != touch_kol[-1])
COMMENT 'What a model owes a KOL for an order: one row per (order, model, KOL).';
