-- Trust and resonance of a KOL at the end of a minute, each with its 90 % interval.

CREATE TABLE IF NOT EXISTS ${database}.kol_score ${on_cluster}
(
    kol_id LowCardinality(String) COMMENT 'the KOL, or ~brand:<brand_id>',
    minute DateTime('UTC') COMMENT 'beginning of the minute' CODEC(DoubleDelta, ZSTD(1)),
    model_version LowCardinality(String) COMMENT 'generation of the formulas',
    trust Nullable(Float64) COMMENT 'trust, 0 to 1' CODEC(Gorilla, ZSTD(1)),
    trust_lo Nullable(Float64) COMMENT 'lower end of its 90 % interval' CODEC(Gorilla, ZSTD(1)),
    trust_hi Nullable(Float64) COMMENT 'upper end' CODEC(Gorilla, ZSTD(1)),
    resonance Nullable(Float64) COMMENT 'resonance, 0 to 1; NULL while nothing speaks for any value' CODEC(Gorilla, ZSTD(1)),
    resonance_lo Nullable(Float64) COMMENT 'lower end of its 90 % interval' CODEC(Gorilla, ZSTD(1)),
    resonance_hi Nullable(Float64) COMMENT 'upper end' CODEC(Gorilla, ZSTD(1)),
    n_eff Float64 COMMENT 'how many independent judgements of users stand behind trust' CODEC(Gorilla, ZSTD(1)),
    trust_E Nullable(Float64) COMMENT 'trust in expertise' CODEC(Gorilla, ZSTD(1)),
    trust_A Nullable(Float64) COMMENT 'trust in authenticity' CODEC(Gorilla, ZSTD(1)),
    trust_I Nullable(Float64) COMMENT 'trust in integrity' CODEC(Gorilla, ZSTD(1)),
    trust_B Nullable(Float64) COMMENT 'trust in benevolence' CODEC(Gorilla, ZSTD(1)),
    trust_O Nullable(Float64) COMMENT 'trust in outcome' CODEC(Gorilla, ZSTD(1)),
    uncertainty Float64 COMMENT 'how much of trust is prior, 0 to 1' CODEC(Gorilla, ZSTD(1)),
    final UInt8 COMMENT '1 once no accepted event can change it',
    snapshot UInt32 COMMENT 'number of the population values used',
    version UInt64 COMMENT 'epoch << 56 | life << 32 | folded: of a key\'s rows the greatest stands' CODEC(Delta, ZSTD(1)),
    stated_at DateTime('UTC') DEFAULT now() COMMENT 'when the server took the row; its age counts from here' CODEC(DoubleDelta, ZSTD(1)),
    INDEX ix_stated stated_at TYPE minmax GRANULARITY 1
)
ENGINE = ${engine}
PARTITION BY toYYYYMM(minute)
ORDER BY (kol_id, minute, model_version)
TTL stated_at + INTERVAL 90 DAY DELETE
SETTINGS non_replicated_deduplication_window = 10000,
    replicated_deduplication_window = 10000,
    replicated_deduplication_window_seconds = 604800,
    ttl_only_drop_parts = 1,
    min_age_to_force_merge_seconds = 3600,
    min_age_to_force_merge_on_partition_only = 1
COMMENT 'Trust and resonance of a KOL at the end of a minute, each with its 90 % interval.';

CREATE VIEW IF NOT EXISTS ${database}.v_score ${on_cluster} ${definer}
AS SELECT
    kol_id,
    minute,
    model_version,
    trust,
    trust_lo,
    trust_hi,
    resonance,
    resonance_lo,
    resonance_hi,
    n_eff,
    trust_E,
    trust_A,
    trust_I,
    trust_B,
    trust_O,
    uncertainty,
    CAST(final, 'Bool') AS final,
    snapshot
FROM ${database}.kol_score FINAL
COMMENT 'Trust and resonance of a KOL at the end of a minute, with 90 % intervals.';
