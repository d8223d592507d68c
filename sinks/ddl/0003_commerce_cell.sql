-- Orders owed to a KOL in a minute, by brand, platform and channel; add over source_partition.

CREATE TABLE IF NOT EXISTS ${database}.commerce_cell ${on_cluster}
(
    kol_id LowCardinality(String) COMMENT 'the KOL, or ~brand:<brand_id>',
    minute DateTime('UTC') COMMENT 'beginning of the minute' CODEC(DoubleDelta, ZSTD(1)),
    brand_id LowCardinality(String) COMMENT 'brand, empty where unknown',
    platform LowCardinality(String) COMMENT 'platform, empty where unknown',
    channel LowCardinality(String) COMMENT 'channel, empty where unknown',
    source_partition UInt16 COMMENT 'partition of the inputs the events came from',
    orders Int64 COMMENT 'standing orders' CODEC(T64, ZSTD(1)),
    buyers Int64 COMMENT 'distinct buyers' CODEC(T64, ZSTD(1)),
    new_buyers Int64 COMMENT 'buyers whose first order this is' CODEC(T64, ZSTD(1)),
    paid_cents Int64 COMMENT 'paid' CODEC(T64, ZSTD(1)),
    list_cents Int64 COMMENT 'list price' CODEC(T64, ZSTD(1)),
    discount_cents Int64 COMMENT 'discount' CODEC(T64, ZSTD(1)),
    promo_cents Int64 COMMENT 'paid in promotions' CODEC(T64, ZSTD(1)),
    member_cents Int64 COMMENT 'paid by members' CODEC(T64, ZSTD(1)),
    refund_cents Int64 COMMENT 'given back, in the refund\'s own time' CODEC(T64, ZSTD(1)),
    version UInt64 COMMENT 'epoch << 56 | life << 32 | folded: of a key\'s rows the greatest stands' CODEC(Delta, ZSTD(1)),
    stated_at DateTime('UTC') DEFAULT now() COMMENT 'when the server took the row; its age counts from here' CODEC(DoubleDelta, ZSTD(1)),
    INDEX ix_stated stated_at TYPE minmax GRANULARITY 1
)
ENGINE = ${engine}
PARTITION BY toYYYYMM(minute)
ORDER BY (kol_id, minute, brand_id, platform, channel, source_partition)
TTL stated_at + INTERVAL 90 DAY DELETE
SETTINGS non_replicated_deduplication_window = 10000,
    replicated_deduplication_window = 10000,
    replicated_deduplication_window_seconds = 604800,
    ttl_only_drop_parts = 1,
    min_age_to_force_merge_seconds = 3600,
    min_age_to_force_merge_on_partition_only = 1
COMMENT 'Orders owed to a KOL in a minute, by brand, platform and channel; add over source_partition.';

CREATE VIEW IF NOT EXISTS ${database}.v_commerce ${on_cluster} ${definer}
AS SELECT
    kol_id,
    minute,
    brand_id,
    platform,
    channel,
    sum(orders) AS orders,
    sum(buyers) AS buyers,
    sum(new_buyers) AS new_buyers,
    sum(paid_cents) AS paid_cents,
    sum(list_cents) AS list_cents,
    sum(discount_cents) AS discount_cents,
    sum(promo_cents) AS promo_cents,
    sum(member_cents) AS member_cents,
    sum(refund_cents) AS refund_cents
FROM ${database}.commerce_cell FINAL
GROUP BY kol_id, minute, brand_id, platform, channel
COMMENT 'Orders owed to a KOL in a minute, by brand, platform and channel.';
