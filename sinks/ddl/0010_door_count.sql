-- How many messages of a topic partition left by which door, since its beginning.

CREATE TABLE IF NOT EXISTS ${database}.door_count ${on_cluster}
(
    topic LowCardinality(String) COMMENT 'the input topic',
    `partition` UInt16 COMMENT 'its partition',
    door LowCardinality(String) COMMENT 'a door, a reason to reject, or the name of a counter',
    kind LowCardinality(String) COMMENT 'door, rejected or counter',
    n UInt64 COMMENT 'how many' CODEC(T64, ZSTD(1)),
    version UInt64 COMMENT 'epoch << 56 | life << 32 | folded: of a key\'s rows the greatest stands' CODEC(Delta, ZSTD(1)),
    stated_at DateTime('UTC') DEFAULT now() COMMENT 'when the server took the row; its age counts from here' CODEC(DoubleDelta, ZSTD(1)),
    INDEX ix_stated stated_at TYPE minmax GRANULARITY 1
)
ENGINE = ${engine}
ORDER BY (topic, `partition`, door)
SETTINGS non_replicated_deduplication_window = 10000,
    replicated_deduplication_window = 10000,
    replicated_deduplication_window_seconds = 604800
COMMENT 'How many messages of a topic partition left by which door, since its beginning.';

CREATE VIEW IF NOT EXISTS ${database}.v_door ${on_cluster} ${definer}
AS SELECT
    topic,
    `partition`,
    door,
    kind,
    n
FROM ${database}.door_count FINAL
COMMENT 'How many messages of a topic partition left by which door.';
