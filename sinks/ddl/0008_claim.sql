-- A claim of the literature against our own numbers.

CREATE TABLE IF NOT EXISTS ${database}.claim ${on_cluster}
(
    claim_id LowCardinality(String) COMMENT 'which claim',
    scope LowCardinality(String) COMMENT 'where it was tested',
    at DateTime('UTC') COMMENT 'the moment it holds for' CODEC(DoubleDelta, ZSTD(1)),
    reference Float64 COMMENT 'what is claimed' CODEC(Gorilla, ZSTD(1)),
    estimate Float64 COMMENT 'what we see' CODEC(Gorilla, ZSTD(1)),
    lo Float64 COMMENT 'lower end of its 90 % interval' CODEC(Gorilla, ZSTD(1)),
    hi Float64 COMMENT 'upper end' CODEC(Gorilla, ZSTD(1)),
    n UInt64 COMMENT 'observations behind it' CODEC(T64, ZSTD(1)),
    verdict LowCardinality(String) COMMENT 'insufficient, supported or contradicted',
    snapshot UInt32 COMMENT 'number of the population values used',
    version UInt64 COMMENT 'epoch << 56 | life << 32 | folded: of a key\'s rows the greatest stands' CODEC(Delta, ZSTD(1)),
    stated_at DateTime('UTC') DEFAULT now() COMMENT 'when the server took the row; its age counts from here' CODEC(DoubleDelta, ZSTD(1)),
    INDEX ix_stated stated_at TYPE minmax GRANULARITY 1
)
ENGINE = ${engine}
PARTITION BY toYear(at)
ORDER BY (claim_id, scope, at)
SETTINGS non_replicated_deduplication_window = 10000,
    replicated_deduplication_window = 10000,
    replicated_deduplication_window_seconds = 604800,
    min_age_to_force_merge_seconds = 3600,
    min_age_to_force_merge_on_partition_only = 1
COMMENT 'A claim of the literature against our own numbers.';

CREATE VIEW IF NOT EXISTS ${database}.v_claim ${on_cluster} ${definer}
AS SELECT
    claim_id,
    scope,
    at,
    reference,
    estimate,
    lo,
    hi,
    n,
    verdict,
    snapshot
FROM ${database}.claim FINAL
COMMENT 'Claims of the literature against our own numbers.';
