-- commerce_cell added up by hour over all source partitions; without buyers, who do not add.

CREATE TABLE IF NOT EXISTS ${database}.commerce_1h ${on_cluster}
(
    kol_id LowCardinality(String) COMMENT 'the KOL, or ~brand:<brand_id>',
    hour DateTime('UTC') COMMENT 'beginning of the hour' CODEC(DoubleDelta, ZSTD(1)),
    brand_id LowCardinality(String) COMMENT 'brand, empty where unknown',
    platform LowCardinality(String) COMMENT 'platform, empty where unknown',
    channel LowCardinality(String) COMMENT 'channel, empty where unknown',
    orders Int64 COMMENT 'standing orders' CODEC(T64, ZSTD(1)),
    new_buyers Int64 COMMENT 'buyers whose first order this is' CODEC(T64, ZSTD(1)),
    paid_cents Int64 COMMENT 'paid' CODEC(T64, ZSTD(1)),
    list_cents Int64 COMMENT 'list price' CODEC(T64, ZSTD(1)),
    discount_cents Int64 COMMENT 'discount' CODEC(T64, ZSTD(1)),
    promo_cents Int64 COMMENT 'paid in promotions' CODEC(T64, ZSTD(1)),
    member_cents Int64 COMMENT 'paid by members' CODEC(T64, ZSTD(1)),
    refund_cents Int64 COMMENT 'given back, in the refund\'s own time' CODEC(T64, ZSTD(1)),
    version UInt64 COMMENT 'server milliseconds of the computation: the newest stands' CODEC(Delta, ZSTD(1)),
    stated_at DateTime('UTC') DEFAULT now() COMMENT 'when the server took the row; its age counts from here' CODEC(DoubleDelta, ZSTD(1)),
    INDEX ix_stated stated_at TYPE minmax GRANULARITY 1
)
ENGINE = ${engine}
PARTITION BY toYYYYMM(hour)
ORDER BY (kol_id, hour, brand_id, platform, channel)
TTL stated_at + INTERVAL 25 MONTH DELETE
SETTINGS non_replicated_deduplication_window = 10000,
    replicated_deduplication_window = 10000,
    replicated_deduplication_window_seconds = 604800,
    ttl_only_drop_parts = 1,
    min_age_to_force_merge_seconds = 3600,
    min_age_to_force_merge_on_partition_only = 1
COMMENT 'commerce_cell added up by hour over all source partitions; without buyers, who do not add.';

-- What the hours say now. `commerce_1h` keeps it longer than its source: every minute the hours of the
-- last three are computed anew as absolute values, and the newest computation stands.
-- Older hours are computed by `kol rollup`.
CREATE VIEW IF NOT EXISTS ${database}.commerce_1h_source ${on_cluster} ${definer}
AS SELECT
    kol_id,
    toStartOfHour(minute) AS hour,
    brand_id,
    platform,
    channel,
    sum(orders) AS orders,
    sum(new_buyers) AS new_buyers,
    sum(paid_cents) AS paid_cents,
    sum(list_cents) AS list_cents,
    sum(discount_cents) AS discount_cents,
    sum(promo_cents) AS promo_cents,
    sum(member_cents) AS member_cents,
    sum(refund_cents) AS refund_cents
FROM ${database}.commerce_cell FINAL
GROUP BY kol_id, hour, brand_id, platform, channel;

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.commerce_1h_refresh ${on_cluster}
REFRESH EVERY 1 MINUTE APPEND TO ${database}.commerce_1h
AS SELECT
    *,
    toUInt64(toUnixTimestamp64Milli(now64(3))) AS version
FROM ${database}.commerce_1h_source
WHERE hour >= toStartOfHour(now() - INTERVAL 3 HOUR)
SETTINGS max_threads = 1;

CREATE VIEW IF NOT EXISTS ${database}.v_commerce_1h ${on_cluster} ${definer}
AS SELECT
    kol_id,
    hour,
    brand_id,
    platform,
    channel,
    orders,
    new_buyers,
    paid_cents,
    list_cents,
    discount_cents,
    promo_cents,
    member_cents,
    refund_cents
FROM ${database}.commerce_1h FINAL
COMMENT 'v_commerce by hour, without buyers, who do not add.';
