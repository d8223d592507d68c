-- How often paths went from one place to the next in a minute; add over source_partition.

CREATE TABLE IF NOT EXISTS ${database}.transition_cell ${on_cluster}
(
    minute DateTime('UTC') COMMENT 'beginning of the minute' CODEC(DoubleDelta, ZSTD(1)),
    from_id LowCardinality(String) COMMENT 'a KOL, or ~start',
    to_id LowCardinality(String) COMMENT 'a KOL, ~conversion or ~null',
    source_partition UInt16 COMMENT 'partition of the inputs the events came from',
    paths Int64 COMMENT 'paths that took this step' CODEC(T64, ZSTD(1)),
    version UInt64 COMMENT 'epoch << 56 | life << 32 | folded: of a key\'s rows the greatest stands' CODEC(Delta, ZSTD(1)),
    stated_at DateTime('UTC') DEFAULT now() COMMENT 'when the server took the row; its age counts from here' CODEC(DoubleDelta, ZSTD(1)),
    INDEX ix_stated stated_at TYPE minmax GRANULARITY 1
)
ENGINE = ${engine}
PARTITION BY toYYYYMM(minute)
ORDER BY (minute, from_id, to_id, source_partition)
TTL stated_at + INTERVAL 90 DAY DELETE
SETTINGS non_replicated_deduplication_window = 10000,
    replicated_deduplication_window = 10000,
    replicated_deduplication_window_seconds = 604800,
    ttl_only_drop_parts = 1,
    min_age_to_force_merge_seconds = 3600,
    min_age_to_force_merge_on_partition_only = 1
COMMENT 'How often paths went from one place to the next in a minute; add over source_partition.';

CREATE VIEW IF NOT EXISTS ${database}.v_transition ${on_cluster} ${definer}
AS SELECT
    minute,
    from_id,
    to_id,
    sum(paths) AS paths
FROM ${database}.transition_cell FINAL
GROUP BY minute, from_id, to_id
COMMENT 'How often paths went from one place to the next in a minute.';
