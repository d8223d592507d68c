-- Observations about KOLs, good or bad: orders in promotions, refunds by the age of their order, who unfollowed.

CREATE TABLE IF NOT EXISTS ${database}.detector_cell ${on_cluster}
(
    `kol_id` LowCardinality(String) COMMENT 'the KOL, or ~brand:<brand_id>',
    `minute` DateTime('UTC') COMMENT 'beginning of the minute [UTC]' CODEC(DoubleDelta, ZSTD(1)),
    `stream` LowCardinality(String) COMMENT 'what was observed: promo, refund',
    `bucket` UInt8 COMMENT 'of refund the age: 0 to 5 end 1, 3, 7, 14, 30 and 90 days after the order; else 0',
    `source_partition` UInt16 COMMENT 'partition of the inputs the events came from',
    `n` Int64 COMMENT 'observations [count]' CODEC(T64, ZSTD(1)),
    `k` Int64 COMMENT 'of them, bad ones [count]' CODEC(T64, ZSTD(1)),
    `version` UInt64 COMMENT 'epoch << 56 | life << 32 | folded: of a key\'s rows the greatest stands' CODEC(Delta, ZSTD(1)),
    `stated_at` DateTime('UTC') DEFAULT now() COMMENT 'when the server took the row; its age counts from here [UTC]' CODEC(DoubleDelta, ZSTD(1)),
    INDEX ix_stated stated_at TYPE minmax GRANULARITY 1
)
ENGINE = ${engine}
PARTITION BY toYYYYMM(minute)
ORDER BY (`kol_id`, `minute`, `stream`, `bucket`, `source_partition`)
TTL stated_at + INTERVAL 90 DAY DELETE
SETTINGS non_replicated_deduplication_window = 10000,
    replicated_deduplication_window = 10000,
    replicated_deduplication_window_seconds = 604800,
    ttl_only_drop_parts = 1,
    min_age_to_force_merge_seconds = 3600,
    min_age_to_force_merge_on_partition_only = 1
COMMENT 'Observations of a stream about a KOL in a minute, and how many were bad; add over source_partition.';

CREATE VIEW IF NOT EXISTS ${database}.v_detector ${on_cluster} ${definer}
AS SELECT
    kol_id,
    minute,
    stream,
    bucket,
    sum(n) AS n,
    sum(k) AS k
FROM ${database}.detector_cell FINAL
GROUP BY kol_id, minute, stream, bucket
UNION ALL
SELECT
    kol_id,
    minute,
    'unfollow' AS stream,
    toUInt8(0) AS bucket,
    sum(users) AS n,
    sum(unfollowers) AS k
FROM ${database}.minute_cell FINAL
WHERE NOT startsWith(kol_id, '~')
GROUP BY kol_id, minute
COMMENT 'Observations of a stream about a KOL in a minute, and how many were bad.';

ALTER TABLE ${database}.v_detector ${on_cluster}
    COMMENT COLUMN IF EXISTS `kol_id` 'the KOL',
    COMMENT COLUMN IF EXISTS `minute` 'beginning of the minute [UTC]',
    COMMENT COLUMN IF EXISTS `stream` 'promo: orders that the KOL has the largest part of by the model time_decay, bad if bought in a promotion; refund: such orders where an age ends and of which nothing was given back before it, bad if it was in it; unfollow: users of the minute, bad if they unfollowed',
    COMMENT COLUMN IF EXISTS `bucket` 'of refund the age: 0 to 5 end 1, 3, 7, 14, 30 and 90 days after the order; else 0',
    COMMENT COLUMN IF EXISTS `n` 'observations [count]',
    COMMENT COLUMN IF EXISTS `k` 'of them, bad ones [count]';
