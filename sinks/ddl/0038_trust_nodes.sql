-- Trust by dimension with intervals, the fast line, what has no source, and the gate: who is a trust
-- node (streams/core/kol/gate.py), by minute, hour, day and week. Rows of former versions have no
-- gate: they say of nobody that it is one.

ALTER TABLE ${database}.kol_score ${on_cluster}
    ADD COLUMN IF NOT EXISTS `trust_E_lo` Nullable(Float64) COMMENT 'lower end of the 90 % interval of trust in expertise [0 to 1]' CODEC(Gorilla, ZSTD(1)) AFTER `snapshot`,
    ADD COLUMN IF NOT EXISTS `trust_E_hi` Nullable(Float64) COMMENT 'upper end of the 90 % interval of trust in expertise [0 to 1]' CODEC(Gorilla, ZSTD(1)) AFTER `trust_E_lo`,
    ADD COLUMN IF NOT EXISTS `n_E` Nullable(Float64) COMMENT 'how many independent judgements stand behind trust in expertise [judgements]' CODEC(Gorilla, ZSTD(1)) AFTER `trust_E_hi`,
    ADD COLUMN IF NOT EXISTS `trust_A_lo` Nullable(Float64) COMMENT 'lower end of the 90 % interval of trust in authenticity [0 to 1]' CODEC(Gorilla, ZSTD(1)) AFTER `n_E`,
    ADD COLUMN IF NOT EXISTS `trust_A_hi` Nullable(Float64) COMMENT 'upper end of the 90 % interval of trust in authenticity [0 to 1]' CODEC(Gorilla, ZSTD(1)) AFTER `trust_A_lo`,
    ADD COLUMN IF NOT EXISTS `n_A` Nullable(Float64) COMMENT 'how many independent judgements stand behind trust in authenticity [judgements]' CODEC(Gorilla, ZSTD(1)) AFTER `trust_A_hi`,
    ADD COLUMN IF NOT EXISTS `trust_I_lo` Nullable(Float64) COMMENT 'lower end of the 90 % interval of trust in integrity [0 to 1]' CODEC(Gorilla, ZSTD(1)) AFTER `n_A`,
    ADD COLUMN IF NOT EXISTS `trust_I_hi` Nullable(Float64) COMMENT 'upper end of the 90 % interval of trust in integrity [0 to 1]' CODEC(Gorilla, ZSTD(1)) AFTER `trust_I_lo`,
    ADD COLUMN IF NOT EXISTS `n_I` Nullable(Float64) COMMENT 'how many independent judgements stand behind trust in integrity [judgements]' CODEC(Gorilla, ZSTD(1)) AFTER `trust_I_hi`,
    ADD COLUMN IF NOT EXISTS `trust_B_lo` Nullable(Float64) COMMENT 'lower end of the 90 % interval of trust in benevolence [0 to 1]' CODEC(Gorilla, ZSTD(1)) AFTER `n_I`,
    ADD COLUMN IF NOT EXISTS `trust_B_hi` Nullable(Float64) COMMENT 'upper end of the 90 % interval of trust in benevolence [0 to 1]' CODEC(Gorilla, ZSTD(1)) AFTER `trust_B_lo`,
    ADD COLUMN IF NOT EXISTS `n_B` Nullable(Float64) COMMENT 'how many independent judgements stand behind trust in benevolence [judgements]' CODEC(Gorilla, ZSTD(1)) AFTER `trust_B_hi`,
    ADD COLUMN IF NOT EXISTS `trust_O_lo` Nullable(Float64) COMMENT 'lower end of the 90 % interval of trust in outcome [0 to 1]' CODEC(Gorilla, ZSTD(1)) AFTER `n_B`,
    ADD COLUMN IF NOT EXISTS `trust_O_hi` Nullable(Float64) COMMENT 'upper end of the 90 % interval of trust in outcome [0 to 1]' CODEC(Gorilla, ZSTD(1)) AFTER `trust_O_lo`,
    ADD COLUMN IF NOT EXISTS `n_O` Nullable(Float64) COMMENT 'how many independent judgements stand behind trust in outcome [judgements]' CODEC(Gorilla, ZSTD(1)) AFTER `trust_O_hi`,
    ADD COLUMN IF NOT EXISTS `fast` Nullable(Float64) COMMENT 'trust of the last days: half-life 3 d [0 to 1]' CODEC(Gorilla, ZSTD(1)) AFTER `n_O`,
    ADD COLUMN IF NOT EXISTS `fast_lo` Nullable(Float64) COMMENT 'lower end of its 90 % interval [0 to 1]' CODEC(Gorilla, ZSTD(1)) AFTER `fast`,
    ADD COLUMN IF NOT EXISTS `fast_hi` Nullable(Float64) COMMENT 'upper end of its 90 % interval [0 to 1]' CODEC(Gorilla, ZSTD(1)) AFTER `fast_lo`,
    ADD COLUMN IF NOT EXISTS `active` UInt8 COMMENT '1 while the KOL is a trust node: the gate of trust is open' AFTER `fast_hi`,
    ADD COLUMN IF NOT EXISTS `missing` LowCardinality(String) COMMENT 'dimensions of trust that have no source here, as A,I' AFTER `active`;

ALTER TABLE ${database}.kol_score ${on_cluster}
    COMMENT COLUMN IF EXISTS `trust_E` 'trust in expertise; NULL where it has no source [0 to 1]',
    COMMENT COLUMN IF EXISTS `trust_A` 'trust in authenticity; NULL where it has no source [0 to 1]',
    COMMENT COLUMN IF EXISTS `trust_I` 'trust in integrity; NULL where it has no source [0 to 1]',
    COMMENT COLUMN IF EXISTS `trust_B` 'trust in benevolence; NULL where it has no source [0 to 1]',
    COMMENT COLUMN IF EXISTS `trust_O` 'trust in outcome; NULL where it has no source [0 to 1]';

ALTER TABLE ${database}.score_1h ${on_cluster}
    ADD COLUMN IF NOT EXISTS `active` UInt8 COMMENT '1 if the KOL was a trust node at the last minute' AFTER `n_eff`;

ALTER TABLE ${database}.score_1d ${on_cluster}
    ADD COLUMN IF NOT EXISTS `active` UInt8 COMMENT '1 if the KOL was a trust node at the last minute' AFTER `n_eff`;

CREATE OR REPLACE VIEW ${database}.v_score ${on_cluster} ${definer}
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
    snapshot,
    trust_E_lo,
    trust_E_hi,
    n_E,
    trust_A_lo,
    trust_A_hi,
    n_A,
    trust_I_lo,
    trust_I_hi,
    n_I,
    trust_B_lo,
    trust_B_hi,
    n_B,
    trust_O_lo,
    trust_O_hi,
    n_O,
    fast,
    fast_lo,
    fast_hi,
    CAST(active, 'Bool') AS active,
    missing
FROM ${database}.kol_score FINAL
COMMENT 'Trust and resonance of a KOL at the end of a minute, with 90 % intervals.';

CREATE OR REPLACE VIEW ${database}.v_score_1h ${on_cluster} ${definer}
AS SELECT
    r.kol_id AS kol_id,
    r.hour AS hour,
    r.model_version AS model_version,
    r.trust AS trust,
    r.trust_lo AS trust_lo,
    r.trust_hi AS trust_hi,
    r.trust_min AS trust_min,
    r.trust_max AS trust_max,
    r.resonance AS resonance,
    r.resonance_lo AS resonance_lo,
    r.resonance_hi AS resonance_hi,
    r.n_eff AS n_eff,
    CAST(r.active, 'Bool') AS active
FROM
(
    SELECT bucket AS hour, max(version) AS floor
    FROM ${database}.rollup_floor FINAL
    WHERE target = 'score_1h' AND settled = 1
    GROUP BY hour
) AS f
INNER JOIN ${database}.score_1h AS r FINAL ON r.hour = f.hour
WHERE r.version >= f.floor AND r.hour >= (
    SELECT if(count() = 0, toDateTime(4294967295, 'UTC'), argMax(hours_from, version))
    FROM ${database}.rollup_cursor FINAL
    WHERE source = 'kol_score' AND scope = 'recent'
)
UNION ALL
SELECT
    kol_id,
    toStartOfHour(s.minute) AS hour,
    model_version,
    argMax(tuple(s.trust), s.minute).1 AS trust,
    argMax(tuple(s.trust_lo), s.minute).1 AS trust_lo,
    argMax(tuple(s.trust_hi), s.minute).1 AS trust_hi,
    min(s.trust) AS trust_min,
    max(s.trust) AS trust_max,
    argMax(tuple(s.resonance), s.minute).1 AS resonance,
    argMax(tuple(s.resonance_lo), s.minute).1 AS resonance_lo,
    argMax(tuple(s.resonance_hi), s.minute).1 AS resonance_hi,
    argMax(s.n_eff, s.minute) AS n_eff,
    CAST(argMax(s.active, s.minute), 'Bool') AS active
FROM ${database}.kol_score AS s FINAL
WHERE toStartOfHour(s.minute) < (
    SELECT if(count() = 0, toDateTime(4294967295, 'UTC'), argMax(hours_from, version))
    FROM ${database}.rollup_cursor FINAL
    WHERE source = 'kol_score' AND scope = 'recent'
)
GROUP BY kol_id, model_version, hour
COMMENT 'The last score of a KOL in an hour, and the extremes of trust.';

CREATE OR REPLACE VIEW ${database}.v_score_1d ${on_cluster} ${definer}
AS SELECT
    r.kol_id AS kol_id,
    r.day AS day,
    r.model_version AS model_version,
    r.trust AS trust,
    r.trust_lo AS trust_lo,
    r.trust_hi AS trust_hi,
    r.trust_min AS trust_min,
    r.trust_max AS trust_max,
    r.resonance AS resonance,
    r.resonance_lo AS resonance_lo,
    r.resonance_hi AS resonance_hi,
    r.n_eff AS n_eff,
    CAST(r.active, 'Bool') AS active
FROM
(
    SELECT toDate(bucket) AS day, max(version) AS floor
    FROM ${database}.rollup_floor FINAL
    WHERE target = 'score_1d' AND settled = 1
    GROUP BY day
) AS f
INNER JOIN ${database}.score_1d AS r FINAL ON r.day = f.day
WHERE r.version >= f.floor
COMMENT 'The last score of a KOL in a business day, and the extremes of trust.';

CREATE VIEW IF NOT EXISTS ${database}.v_trust_node ${on_cluster} ${definer}
AS SELECT
    kol_id,
    toMonday(s.day) AS week,
    model_version,
    argMax(tuple(s.trust), s.day).1 AS trust,
    argMax(tuple(s.trust_lo), s.day).1 AS trust_lo,
    argMax(tuple(s.trust_hi), s.day).1 AS trust_hi,
    argMax(s.n_eff, s.day) AS n_eff,
    argMax(s.active, s.day) AS active,
    CAST(max(s.active), 'Bool') AS was_active
FROM ${database}.v_score_1d AS s
GROUP BY kol_id, model_version, week
COMMENT 'Which KOLs are trust nodes, by ISO week: the state of its last business day.';

ALTER TABLE ${database}.v_score ${on_cluster}
    COMMENT COLUMN IF EXISTS `kol_id` 'the KOL, or ~brand:<brand_id>',
    COMMENT COLUMN IF EXISTS `minute` 'beginning of the minute [UTC]',
    COMMENT COLUMN IF EXISTS `model_version` 'generation of the formulas',
    COMMENT COLUMN IF EXISTS `trust` 'trust [0 to 1]',
    COMMENT COLUMN IF EXISTS `trust_lo` 'lower end of its 90 % interval [0 to 1]',
    COMMENT COLUMN IF EXISTS `trust_hi` 'upper end of its 90 % interval [0 to 1]',
    COMMENT COLUMN IF EXISTS `resonance` 'resonance; NULL while nothing speaks for any value [0 to 1]',
    COMMENT COLUMN IF EXISTS `resonance_lo` 'lower end of its 90 % interval [0 to 1]',
    COMMENT COLUMN IF EXISTS `resonance_hi` 'upper end of its 90 % interval [0 to 1]',
    COMMENT COLUMN IF EXISTS `n_eff` 'how many independent judgements of users stand behind trust [judgements]',
    COMMENT COLUMN IF EXISTS `trust_E` 'trust in expertise; NULL where it has no source [0 to 1]',
    COMMENT COLUMN IF EXISTS `trust_A` 'trust in authenticity; NULL where it has no source [0 to 1]',
    COMMENT COLUMN IF EXISTS `trust_I` 'trust in integrity; NULL where it has no source [0 to 1]',
    COMMENT COLUMN IF EXISTS `trust_B` 'trust in benevolence; NULL where it has no source [0 to 1]',
    COMMENT COLUMN IF EXISTS `trust_O` 'trust in outcome; NULL where it has no source [0 to 1]',
    COMMENT COLUMN IF EXISTS `uncertainty` 'how much of trust is prior [0 to 1]',
    COMMENT COLUMN IF EXISTS `final` 'true once no accepted event can change the row',
    COMMENT COLUMN IF EXISTS `snapshot` 'number of the population values used; 0: none',
    COMMENT COLUMN IF EXISTS `trust_E_lo` 'lower end of the 90 % interval of trust in expertise [0 to 1]',
    COMMENT COLUMN IF EXISTS `trust_E_hi` 'upper end of the 90 % interval of trust in expertise [0 to 1]',
    COMMENT COLUMN IF EXISTS `n_E` 'how many independent judgements stand behind trust in expertise [judgements]',
    COMMENT COLUMN IF EXISTS `trust_A_lo` 'lower end of the 90 % interval of trust in authenticity [0 to 1]',
    COMMENT COLUMN IF EXISTS `trust_A_hi` 'upper end of the 90 % interval of trust in authenticity [0 to 1]',
    COMMENT COLUMN IF EXISTS `n_A` 'how many independent judgements stand behind trust in authenticity [judgements]',
    COMMENT COLUMN IF EXISTS `trust_I_lo` 'lower end of the 90 % interval of trust in integrity [0 to 1]',
    COMMENT COLUMN IF EXISTS `trust_I_hi` 'upper end of the 90 % interval of trust in integrity [0 to 1]',
    COMMENT COLUMN IF EXISTS `n_I` 'how many independent judgements stand behind trust in integrity [judgements]',
    COMMENT COLUMN IF EXISTS `trust_B_lo` 'lower end of the 90 % interval of trust in benevolence [0 to 1]',
    COMMENT COLUMN IF EXISTS `trust_B_hi` 'upper end of the 90 % interval of trust in benevolence [0 to 1]',
    COMMENT COLUMN IF EXISTS `n_B` 'how many independent judgements stand behind trust in benevolence [judgements]',
    COMMENT COLUMN IF EXISTS `trust_O_lo` 'lower end of the 90 % interval of trust in outcome [0 to 1]',
    COMMENT COLUMN IF EXISTS `trust_O_hi` 'upper end of the 90 % interval of trust in outcome [0 to 1]',
    COMMENT COLUMN IF EXISTS `n_O` 'how many independent judgements stand behind trust in outcome [judgements]',
    COMMENT COLUMN IF EXISTS `fast` 'trust of the last days: half-life 3 d [0 to 1]',
    COMMENT COLUMN IF EXISTS `fast_lo` 'lower end of its 90 % interval [0 to 1]',
    COMMENT COLUMN IF EXISTS `fast_hi` 'upper end of its 90 % interval [0 to 1]',
    COMMENT COLUMN IF EXISTS `active` 'true while the KOL is a trust node: the gate of trust is open',
    COMMENT COLUMN IF EXISTS `missing` 'dimensions of trust that have no source here, as A,I';

ALTER TABLE ${database}.v_score_1h ${on_cluster}
    COMMENT COLUMN IF EXISTS `kol_id` 'the KOL, or ~brand:<brand_id>',
    COMMENT COLUMN IF EXISTS `hour` 'beginning of the hour [UTC]',
    COMMENT COLUMN IF EXISTS `model_version` 'generation of the formulas',
    COMMENT COLUMN IF EXISTS `trust` 'trust at the last minute [0 to 1]',
    COMMENT COLUMN IF EXISTS `trust_lo` 'lower end of its 90 % interval [0 to 1]',
    COMMENT COLUMN IF EXISTS `trust_hi` 'upper end of its 90 % interval [0 to 1]',
    COMMENT COLUMN IF EXISTS `trust_min` 'least trust on the way [0 to 1]',
    COMMENT COLUMN IF EXISTS `trust_max` 'greatest trust on the way [0 to 1]',
    COMMENT COLUMN IF EXISTS `resonance` 'resonance at the last minute [0 to 1]',
    COMMENT COLUMN IF EXISTS `resonance_lo` 'lower end of its 90 % interval [0 to 1]',
    COMMENT COLUMN IF EXISTS `resonance_hi` 'upper end of its 90 % interval [0 to 1]',
    COMMENT COLUMN IF EXISTS `n_eff` 'judgements behind the last trust [judgements]',
    COMMENT COLUMN IF EXISTS `active` 'true if the KOL was a trust node at the last minute';

ALTER TABLE ${database}.v_score_1d ${on_cluster}
    COMMENT COLUMN IF EXISTS `kol_id` 'the KOL, or ~brand:<brand_id>',
    COMMENT COLUMN IF EXISTS `day` 'business day, in the zone of KOL_BUSINESS_ZONE [day]',
    COMMENT COLUMN IF EXISTS `model_version` 'generation of the formulas',
    COMMENT COLUMN IF EXISTS `trust` 'trust at the last minute [0 to 1]',
    COMMENT COLUMN IF EXISTS `trust_lo` 'lower end of its 90 % interval [0 to 1]',
    COMMENT COLUMN IF EXISTS `trust_hi` 'upper end of its 90 % interval [0 to 1]',
    COMMENT COLUMN IF EXISTS `trust_min` 'least trust on the way [0 to 1]',
    COMMENT COLUMN IF EXISTS `trust_max` 'greatest trust on the way [0 to 1]',
    COMMENT COLUMN IF EXISTS `resonance` 'resonance at the last minute [0 to 1]',
    COMMENT COLUMN IF EXISTS `resonance_lo` 'lower end of its 90 % interval [0 to 1]',
    COMMENT COLUMN IF EXISTS `resonance_hi` 'upper end of its 90 % interval [0 to 1]',
    COMMENT COLUMN IF EXISTS `n_eff` 'judgements behind the last trust [judgements]',
    COMMENT COLUMN IF EXISTS `active` 'true if the KOL was a trust node at the last minute';

ALTER TABLE ${database}.v_trust_node ${on_cluster}
    COMMENT COLUMN IF EXISTS `kol_id` 'the KOL, or ~brand:<brand_id>',
    COMMENT COLUMN IF EXISTS `week` 'Monday of the ISO week, of business days [day]',
    COMMENT COLUMN IF EXISTS `model_version` 'generation of the formulas',
    COMMENT COLUMN IF EXISTS `trust` 'trust at the last minute [0 to 1]',
    COMMENT COLUMN IF EXISTS `trust_lo` 'lower end of its 90 % interval [0 to 1]',
    COMMENT COLUMN IF EXISTS `trust_hi` 'upper end of its 90 % interval [0 to 1]',
    COMMENT COLUMN IF EXISTS `n_eff` 'judgements behind the last trust [judgements]',
    COMMENT COLUMN IF EXISTS `active` 'true if the KOL is a trust node of the week: it was at its last day',
    COMMENT COLUMN IF EXISTS `was_active` 'true if it was at the end of any day of the week';
