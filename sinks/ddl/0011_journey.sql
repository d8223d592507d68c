-- Episodes of a user, bought or not, with and without touches: what the trainer learns from.

CREATE TABLE IF NOT EXISTS ${database}.journey ${on_cluster}
(
    opened_at DateTime64(3, 'UTC') COMMENT 'event time of the first event' CODEC(DoubleDelta, ZSTD(1)),
    episode_id String COMMENT 'stable identity: hash of user and opened_at' CODEC(ZSTD(3)),
    user_hash String COMMENT 'keyed hash (HMAC, hex) of the user_id' CODEC(ZSTD(3)),
    closed_at DateTime64(3, 'UTC') COMMENT 'when it ended: the order, or silence' CODEC(DoubleDelta, ZSTD(1)),
    bought UInt8 COMMENT '1 if it ended with an order',
    order_id String COMMENT 'that order, else empty' CODEC(ZSTD(3)),
    kols Array(String) COMMENT 'KOLs met, once each by UTF-8 bytes' CODEC(ZSTD(1)),
    touches Array(UInt32) COMMENT 'how often each' CODEC(ZSTD(1)),
    intent Array(Float64) COMMENT 'what was known before the first touch, by the trainer\'s list' CODEC(ZSTD(1)),
    snapshot UInt32 COMMENT 'number of the population values used',
    version UInt64 COMMENT 'epoch << 56 | life << 32 | folded: of a key\'s rows the greatest stands' CODEC(Delta, ZSTD(1)),
    stated_at DateTime('UTC') DEFAULT now() COMMENT 'when the server took the row; its age counts from here' CODEC(DoubleDelta, ZSTD(1)),
    INDEX ix_stated stated_at TYPE minmax GRANULARITY 1
)
ENGINE = ${engine}
PARTITION BY toYYYYMM(opened_at)
ORDER BY (opened_at, episode_id)
TTL stated_at + INTERVAL 25 MONTH DELETE
SETTINGS non_replicated_deduplication_window = 10000,
    replicated_deduplication_window = 10000,
    replicated_deduplication_window_seconds = 604800,
    ttl_only_drop_parts = 1,
    min_age_to_force_merge_seconds = 3600,
    min_age_to_force_merge_on_partition_only = 1
COMMENT 'Episodes of a user, bought or not, with and without touches: what the trainer learns from.';

CREATE VIEW IF NOT EXISTS ${database}.v_journey ${on_cluster} ${definer}
AS SELECT
    opened_at,
    episode_id,
    user_hash,
    closed_at,
    bought,
    order_id,
    kols,
    touches,
    intent,
    snapshot
FROM ${database}.journey FINAL
COMMENT 'Episodes of users, bought or not.';
