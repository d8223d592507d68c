-- What could not be read or written, as it came.

CREATE TABLE IF NOT EXISTS ${database}.dead_letter ${on_cluster}
(
    topic LowCardinality(String) COMMENT 'where it stood',
    `partition` UInt16 COMMENT 'its partition',
    `offset` UInt64 COMMENT 'its offset' CODEC(T64, ZSTD(1)),
    target LowCardinality(String) COMMENT 'input, or the table that refused the row',
    at DateTime64(3, 'UTC') COMMENT 'the broker\'s time of the record, never that of the failure' CODEC(DoubleDelta, ZSTD(1)),
    reason LowCardinality(String) COMMENT 'why, of the closed list',
    error String COMMENT 'for a person' CODEC(ZSTD(3)),
    encoding LowCardinality(String) COMMENT 'of payload: utf8 or base64',
    payload String COMMENT 'the bytes as they came, or the refused row as JSON' CODEC(ZSTD(6)),
    state LowCardinality(String) COMMENT 'new, or what became of it',
    version UInt64 COMMENT 'epoch << 56 | life << 32 | folded: of a key\'s rows the greatest stands' CODEC(Delta, ZSTD(1)),
    stated_at DateTime('UTC') DEFAULT now() COMMENT 'when the server took the row; its age counts from here' CODEC(DoubleDelta, ZSTD(1)),
    INDEX ix_stated stated_at TYPE minmax GRANULARITY 1
)
ENGINE = ${engine}
PARTITION BY toYYYYMM(at)
ORDER BY (topic, `partition`, `offset`, target, at)
TTL stated_at + INTERVAL 30 DAY DELETE
SETTINGS non_replicated_deduplication_window = 10000,
    replicated_deduplication_window = 10000,
    replicated_deduplication_window_seconds = 604800,
    ttl_only_drop_parts = 1,
    min_age_to_force_merge_seconds = 3600,
    min_age_to_force_merge_on_partition_only = 1
COMMENT 'What could not be read or written, as it came.';

CREATE VIEW IF NOT EXISTS ${database}.v_dead_letter ${on_cluster} ${definer}
AS SELECT
    topic,
    `partition`,
    `offset`,
    target,
    at,
    reason,
    error,
    encoding,
    payload,
    state
FROM ${database}.dead_letter FINAL
COMMENT 'What could not be read or written, each once.';
