-- One row per crisis, replaced at every change of its state; never withdrawn.

CREATE TABLE IF NOT EXISTS ${database}.crisis ${on_cluster}
(
    kol_id LowCardinality(String) COMMENT 'the KOL, or ~brand:<brand_id>',
    opened_at DateTime64(3, 'UTC') COMMENT 'when the alarm went off' CODEC(DoubleDelta, ZSTD(1)),
    crisis_id UUID COMMENT 'stable identity: hash of KOL, stream and window',
    stream LowCardinality(String) COMMENT 'which stream of evidence raised it',
    state LowCardinality(String) COMMENT 'suspected, confirmed, dismissed, superseded, expired or closed',
    severity Float64 COMMENT 'log10 of the evidence against chance' CODEC(Gorilla, ZSTD(1)),
    onset_at DateTime64(3, 'UTC') COMMENT 'when it probably began' CODEC(DoubleDelta, ZSTD(1)),
    closed_at Nullable(DateTime64(3, 'UTC')) COMMENT 'when it was over',
    evidence String COMMENT 'JSON: numbers and event ids behind it' CODEC(ZSTD(3)),
    snapshot UInt32 COMMENT 'number of the population values used',
    version UInt64 COMMENT 'epoch << 56 | life << 32 | folded: of a key\'s rows the greatest stands' CODEC(Delta, ZSTD(1)),
    stated_at DateTime('UTC') DEFAULT now() COMMENT 'when the server took the row; its age counts from here' CODEC(DoubleDelta, ZSTD(1)),
    INDEX ix_stated stated_at TYPE minmax GRANULARITY 1
)
ENGINE = ${engine}
PARTITION BY toYear(opened_at)
ORDER BY (kol_id, opened_at, crisis_id)
SETTINGS non_replicated_deduplication_window = 10000,
    replicated_deduplication_window = 10000,
    replicated_deduplication_window_seconds = 604800,
    min_age_to_force_merge_seconds = 3600,
    min_age_to_force_merge_on_partition_only = 1
COMMENT 'One row per crisis, replaced at every change of its state; never withdrawn.';

CREATE VIEW IF NOT EXISTS ${database}.v_crisis ${on_cluster} ${definer}
AS SELECT
    kol_id,
    opened_at,
    crisis_id,
    stream,
    state,
    severity,
    onset_at,
    closed_at,
    evidence,
    snapshot
FROM ${database}.crisis FINAL
COMMENT 'Crises as they stand.';
