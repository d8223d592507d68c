-- The last score of a KOL in an hour and the extremes of trust on the way.

CREATE TABLE IF NOT EXISTS ${database}.score_1h ${on_cluster}
(
    kol_id LowCardinality(String) COMMENT 'the KOL, or ~brand:<brand_id>',
    hour DateTime('UTC') COMMENT 'beginning of the hour' CODEC(DoubleDelta, ZSTD(1)),
    model_version LowCardinality(String) COMMENT 'generation of the formulas',
    trust Nullable(Float64) COMMENT 'trust at the last minute' CODEC(Gorilla, ZSTD(1)),
    trust_lo Nullable(Float64) COMMENT 'lower end of its 90 % interval' CODEC(Gorilla, ZSTD(1)),
    trust_hi Nullable(Float64) COMMENT 'upper end' CODEC(Gorilla, ZSTD(1)),
    trust_min Nullable(Float64) COMMENT 'least trust of the hour' CODEC(Gorilla, ZSTD(1)),
    trust_max Nullable(Float64) COMMENT 'greatest trust of the hour' CODEC(Gorilla, ZSTD(1)),
    resonance Nullable(Float64) COMMENT 'resonance at the last minute' CODEC(Gorilla, ZSTD(1)),
    resonance_lo Nullable(Float64) COMMENT 'lower end of its 90 % interval' CODEC(Gorilla, ZSTD(1)),
    resonance_hi Nullable(Float64) COMMENT 'upper end' CODEC(Gorilla, ZSTD(1)),
    n_eff Float64 COMMENT 'judgements behind the last trust' CODEC(Gorilla, ZSTD(1)),
    version UInt64 COMMENT 'server milliseconds of the computation: the newest stands' CODEC(Delta, ZSTD(1)),
    stated_at DateTime('UTC') DEFAULT now() COMMENT 'when the server took the row; its age counts from here' CODEC(DoubleDelta, ZSTD(1)),
    INDEX ix_stated stated_at TYPE minmax GRANULARITY 1
)
ENGINE = ${engine}
PARTITION BY toYYYYMM(hour)
ORDER BY (kol_id, hour, model_version)
TTL stated_at + INTERVAL 25 MONTH DELETE
SETTINGS non_replicated_deduplication_window = 10000,
    replicated_deduplication_window = 10000,
    replicated_deduplication_window_seconds = 604800,
    ttl_only_drop_parts = 1,
    min_age_to_force_merge_seconds = 3600,
    min_age_to_force_merge_on_partition_only = 1
COMMENT 'The last score of a KOL in an hour and the extremes of trust on the way.';

-- What the hours say now. `score_1h` keeps it longer than its source: every minute the hours of the
-- last three are computed anew as absolute values, and the newest computation stands.
-- Older hours are computed by `kol rollup`.
CREATE VIEW IF NOT EXISTS ${database}.score_1h_source ${on_cluster} ${definer}
AS SELECT
    kol_id,
    toStartOfHour(minute) AS hour,
    model_version,
    argMax(tuple(s.trust), minute).1 AS trust,
    argMax(tuple(s.trust_lo), minute).1 AS trust_lo,
    argMax(tuple(s.trust_hi), minute).1 AS trust_hi,
    min(s.trust) AS trust_min,
    max(s.trust) AS trust_max,
    argMax(tuple(s.resonance), minute).1 AS resonance,
    argMax(tuple(s.resonance_lo), minute).1 AS resonance_lo,
    argMax(tuple(s.resonance_hi), minute).1 AS resonance_hi,
    argMax(s.n_eff, minute) AS n_eff
FROM ${database}.kol_score AS s FINAL
GROUP BY kol_id, hour, model_version;

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.score_1h_refresh ${on_cluster}
REFRESH EVERY 1 MINUTE APPEND TO ${database}.score_1h
AS SELECT
    *,
    toUInt64(toUnixTimestamp64Milli(now64(3))) AS version
FROM ${database}.score_1h_source
WHERE hour >= toStartOfHour(now() - INTERVAL 3 HOUR)
SETTINGS max_threads = 1;

CREATE VIEW IF NOT EXISTS ${database}.v_score_1h ${on_cluster} ${definer}
AS SELECT
    kol_id,
    hour,
    model_version,
    trust,
    trust_lo,
    trust_hi,
    trust_min,
    trust_max,
    resonance,
    resonance_lo,
    resonance_hi,
    n_eff
FROM ${database}.score_1h FINAL
COMMENT 'The last score of a KOL in an hour, and the extremes of trust.';
