-- v_order_credit added up by model, KOL and hour of the order.

CREATE TABLE IF NOT EXISTS ${database}.credit_1h ${on_cluster}
(
    model LowCardinality(String) COMMENT 'the model',
    kol_id LowCardinality(String) COMMENT 'the KOL, or ~brand:<brand_id>',
    hour DateTime('UTC') COMMENT 'beginning of the hour' CODEC(DoubleDelta, ZSTD(1)),
    orders Int64 COMMENT 'orders the KOL is concerned in' CODEC(T64, ZSTD(1)),
    credit_cents Int64 COMMENT 'owed' CODEC(T64, ZSTD(1)),
    refunded_cents Int64 COMMENT 'of it given back' CODEC(T64, ZSTD(1)),
    version UInt64 COMMENT 'server milliseconds of the computation: the newest stands' CODEC(Delta, ZSTD(1)),
    stated_at DateTime('UTC') DEFAULT now() COMMENT 'when the server took the row; its age counts from here' CODEC(DoubleDelta, ZSTD(1)),
    INDEX ix_stated stated_at TYPE minmax GRANULARITY 1
)
ENGINE = ${engine}
PARTITION BY toYYYYMM(hour)
ORDER BY (model, kol_id, hour)
TTL stated_at + INTERVAL 25 MONTH DELETE
SETTINGS non_replicated_deduplication_window = 10000,
    replicated_deduplication_window = 10000,
    replicated_deduplication_window_seconds = 604800,
    ttl_only_drop_parts = 1,
    min_age_to_force_merge_seconds = 3600,
    min_age_to_force_merge_on_partition_only = 1
COMMENT 'v_order_credit added up by model, KOL and hour of the order.';

-- What the hours say now. `credit_1h` keeps it longer than its source: every minute the hours of the
-- last three are computed anew as absolute values, and the newest computation stands.
-- Older hours are computed by `kol rollup`.
-- A KOL an hour owes nothing any more gets zeros, or its old row would stand.
CREATE VIEW IF NOT EXISTS ${database}.credit_1h_source ${on_cluster} ${definer}
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
    UNION ALL
    SELECT model, kol_id, hour, 0, 0, 0
    FROM ${database}.credit_1h
)
GROUP BY model, kol_id, hour;

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.credit_1h_refresh ${on_cluster}
REFRESH EVERY 1 MINUTE APPEND TO ${database}.credit_1h
AS SELECT
    *,
    toUInt64(toUnixTimestamp64Milli(now64(3))) AS version
FROM ${database}.credit_1h_source
WHERE hour >= toStartOfHour(now() - INTERVAL 3 HOUR)
SETTINGS max_threads = 1;

CREATE VIEW IF NOT EXISTS ${database}.v_credit_1h ${on_cluster} ${definer}
AS SELECT
    model,
    kol_id,
    hour,
    orders,
    credit_cents,
    refunded_cents
FROM ${database}.credit_1h FINAL
WHERE orders > 0
COMMENT 'v_order_credit by model, KOL and hour of the order.';
