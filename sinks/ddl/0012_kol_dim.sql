-- Who a KOL is.

CREATE TABLE IF NOT EXISTS ${database}.kol_dim ${on_cluster}
(
    kol_id LowCardinality(String) COMMENT 'the KOL',
    name String COMMENT 'as shown',
    platform LowCardinality(String) COMMENT 'home platform',
    tier LowCardinality(String) COMMENT 'size class',
    vertical LowCardinality(String) COMMENT 'subject',
    version UInt64 COMMENT 'epoch << 56 | life << 32 | folded: of a key\'s rows the greatest stands' CODEC(Delta, ZSTD(1)),
    stated_at DateTime('UTC') DEFAULT now() COMMENT 'when the server took the row; its age counts from here' CODEC(DoubleDelta, ZSTD(1)),
    INDEX ix_stated stated_at TYPE minmax GRANULARITY 1
)
ENGINE = ${engine}
ORDER BY (kol_id)
SETTINGS non_replicated_deduplication_window = 10000,
    replicated_deduplication_window = 10000,
    replicated_deduplication_window_seconds = 604800
COMMENT 'Who a KOL is.';

CREATE VIEW IF NOT EXISTS ${database}.v_kol ${on_cluster} ${definer}
AS SELECT
    kol_id,
    name,
    platform,
    tier,
    vertical
FROM ${database}.kol_dim FINAL
COMMENT 'Who a KOL is.';
