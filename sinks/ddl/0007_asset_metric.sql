-- A measure of asset cultivation with its interval; no interval, no row.

CREATE TABLE IF NOT EXISTS ${database}.asset_metric ${on_cluster}
(
    metric LowCardinality(String) COMMENT 'name of the measure',
    scope LowCardinality(String) COMMENT 'of what: kol, brand, platform, all',
    kol_id LowCardinality(String) COMMENT 'the KOL, or ~brand:<brand_id>',
    at DateTime('UTC') COMMENT 'the moment it holds for' CODEC(DoubleDelta, ZSTD(1)),
    value Float64 COMMENT 'estimate' CODEC(Gorilla, ZSTD(1)),
    lo Float64 COMMENT 'lower end of its 90 % interval' CODEC(Gorilla, ZSTD(1)),
    hi Float64 COMMENT 'upper end' CODEC(Gorilla, ZSTD(1)),
    n UInt64 COMMENT 'observations behind it' CODEC(T64, ZSTD(1)),
    snapshot UInt32 COMMENT 'number of the population values used',
    version UInt64 COMMENT 'epoch << 56 | life << 32 | folded: of a key\'s rows the greatest stands' CODEC(Delta, ZSTD(1)),
    stated_at DateTime('UTC') DEFAULT now() COMMENT 'when the server took the row; its age counts from here' CODEC(DoubleDelta, ZSTD(1)),
    INDEX ix_stated stated_at TYPE minmax GRANULARITY 1
)
ENGINE = ${engine}
PARTITION BY toYYYYMM(at)
ORDER BY (metric, scope, kol_id, at)
TTL stated_at + INTERVAL 25 MONTH DELETE
SETTINGS non_replicated_deduplication_window = 10000,
    replicated_deduplication_window = 10000,
    replicated_deduplication_window_seconds = 604800,
    ttl_only_drop_parts = 1,
    min_age_to_force_merge_seconds = 3600,
    min_age_to_force_merge_on_partition_only = 1
COMMENT 'A measure of asset cultivation with its interval; no interval, no row.';

CREATE VIEW IF NOT EXISTS ${database}.v_asset ${on_cluster} ${definer}
AS SELECT
    metric,
    scope,
    kol_id,
    at,
    value,
    lo,
    hi,
    n,
    snapshot
FROM ${database}.asset_metric FINAL
COMMENT 'Measures of asset cultivation with their intervals.';
