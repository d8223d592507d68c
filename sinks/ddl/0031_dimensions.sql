-- What the reference topics say, a row for each key: KOLs, contents, spending, surveys, identities,
-- policies, notices, consents; and up to where each topic is in its table.

CREATE TABLE IF NOT EXISTS ${database}.kol_dim ${on_cluster}
(
    `reading` UInt64 COMMENT 'which reading of the topic from its beginning' CODEC(T64, ZSTD(1)),
    `kol_id` LowCardinality(String) COMMENT 'the KOL',
    `display_name` String COMMENT 'the name that people read, empty where unknown' CODEC(ZSTD(3)),
    `tier` LowCardinality(String) COMMENT 'size of the audience, such as head, waist or koc; empty: unknown',
    `vertical` LowCardinality(String) COMMENT 'field, such as nutrition or sleep; empty where unknown',
    `credentials` Array(LowCardinality(String)) COMMENT 'proofs of expertise' CODEC(ZSTD(1)),
    `verified` Nullable(Bool) COMMENT 'whether the platform has verified who it is; NULL: unknown',
    `value_tags` Array(LowCardinality(String)) COMMENT 'values that the KOL stands for' CODEC(ZSTD(1)),
    `virtual_kol` Nullable(Bool) COMMENT 'true: no human being; NULL: unknown',
    `user_hash` String COMMENT 'keyed name of the KOL\'s own account as a buyer, or empty' CODEC(ZSTD(3)),
    `coupon_ids` Array(String) COMMENT 'coupons of the KOL' CODEC(ZSTD(1)),
    `coupons_since` Array(DateTime64(3, 'UTC')) COMMENT 'from when each is the KOL\'s [UTC]' CODEC(ZSTD(1)),
    `said_at` Nullable(DateTime64(3, 'UTC')) COMMENT 'when the shop said so; NULL: unknown [UTC]',
    `deleted` Bool COMMENT 'true: the topic has taken the key back; then all else is empty',
    `received_at` DateTime64(3, 'UTC') COMMENT 'record time of the record that says so [UTC]' CODEC(DoubleDelta, ZSTD(1)),
    `version` UInt64 COMMENT 'offset of the record + 1: of a key\'s rows the greatest stands' CODEC(T64, ZSTD(1)),
    `stated_at` DateTime('UTC') DEFAULT now() COMMENT 'when the server took the row; its age counts from here [UTC]' CODEC(DoubleDelta, ZSTD(1)),
    INDEX ix_stated stated_at TYPE minmax GRANULARITY 1
)
ENGINE = ${engine}
ORDER BY (`reading`, `kol_id`)
SETTINGS non_replicated_deduplication_window = 10000,
    replicated_deduplication_window = 10000,
    replicated_deduplication_window_seconds = 604800
COMMENT 'Who a KOL is, as the topic kol-profile says. Only the reading that dimension_cursor shows counts.';

CREATE TABLE IF NOT EXISTS ${database}.content_dim ${on_cluster}
(
    `reading` UInt64 COMMENT 'which reading of the topic from its beginning' CODEC(T64, ZSTD(1)),
    `content_id` String COMMENT 'the content' CODEC(ZSTD(3)),
    `kol_id` LowCardinality(String) COMMENT 'the KOL whose it is; empty: nobody\'s',
    `published_at` DateTime64(3, 'UTC') COMMENT 'when it was published [UTC]' CODEC(DoubleDelta, ZSTD(1)),
    `genre` LowCardinality(String) COMMENT 'such as lab_review, narrative or promo; empty where unknown',
    `sponsored` Nullable(Bool) COMMENT 'whether somebody paid for it; NULL: unknown',
    `disclosed` Nullable(Bool) COMMENT 'whether it says that somebody paid for it; NULL: unknown',
    `evidence_refs` Array(String) COMMENT 'what it proves its claims by' CODEC(ZSTD(1)),
    `claims` Array(String) COMMENT 'what it claims' CODEC(ZSTD(1)),
    `text` String COMMENT 'its text' CODEC(ZSTD(6)),
    `ai_generated` Nullable(Bool) COMMENT 'whether a machine made it; NULL: unknown',
    `virtual_kol` Nullable(Bool) COMMENT 'whether no human being presents it; NULL: unknown',
    `deleted` Bool COMMENT 'true: the topic has taken the key back; then all else is empty',
    `received_at` DateTime64(3, 'UTC') COMMENT 'record time of the record that says so [UTC]' CODEC(DoubleDelta, ZSTD(1)),
    `version` UInt64 COMMENT 'offset of the record + 1: of a key\'s rows the greatest stands' CODEC(T64, ZSTD(1)),
    `stated_at` DateTime('UTC') DEFAULT now() COMMENT 'when the server took the row; its age counts from here [UTC]' CODEC(DoubleDelta, ZSTD(1)),
    INDEX ix_stated stated_at TYPE minmax GRANULARITY 1
)
ENGINE = ${engine}
ORDER BY (`reading`, `content_id`)
SETTINGS non_replicated_deduplication_window = 10000,
    replicated_deduplication_window = 10000,
    replicated_deduplication_window_seconds = 604800
COMMENT 'What was published, as the topic content says. Only the reading that dimension_cursor shows counts.';

CREATE TABLE IF NOT EXISTS ${database}.spend_dim ${on_cluster}
(
    `reading` UInt64 COMMENT 'which reading of the topic from its beginning' CODEC(T64, ZSTD(1)),
    `kol_id` LowCardinality(String) COMMENT 'the KOL',
    `campaign` String COMMENT 'the campaign' CODEC(ZSTD(3)),
    `day` Date COMMENT 'business day, in the zone of the shop [day]',
    `brand_id` LowCardinality(String) COMMENT 'the brand that pays, empty where unknown',
    `currency` LowCardinality(String) COMMENT 'currency; empty: the shop\'s',
    `fee_cents` Int64 COMMENT 'paid to the KOL [cents]' CODEC(T64, ZSTD(1)),
    `commission_cents` Int64 COMMENT 'paid by orders [cents]' CODEC(T64, ZSTD(1)),
    `seeding_cents` Int64 COMMENT 'products given away [cents]' CODEC(T64, ZSTD(1)),
    `coupon_cents` Int64 COMMENT 'coupons redeemed [cents]' CODEC(T64, ZSTD(1)),
    `target_segment` Map(LowCardinality(String), Float64) COMMENT 'whom it is for: the share of each group of users [0 to 1]',
    `tracked_keywords` Array(String) COMMENT 'searches that it is to be found by' CODEC(ZSTD(1)),
    `said_at` Nullable(DateTime64(3, 'UTC')) COMMENT 'when the shop said so; NULL: unknown [UTC]',
    `deleted` Bool COMMENT 'true: the topic has taken the key back; then all else is empty',
    `received_at` DateTime64(3, 'UTC') COMMENT 'record time of the record that says so [UTC]' CODEC(DoubleDelta, ZSTD(1)),
    `version` UInt64 COMMENT 'offset of the record + 1: of a key\'s rows the greatest stands' CODEC(T64, ZSTD(1)),
    `stated_at` DateTime('UTC') DEFAULT now() COMMENT 'when the server took the row; its age counts from here [UTC]' CODEC(DoubleDelta, ZSTD(1)),
    INDEX ix_stated stated_at TYPE minmax GRANULARITY 1
)
ENGINE = ${engine}
ORDER BY (`reading`, `kol_id`, `campaign`, `day`)
SETTINGS non_replicated_deduplication_window = 10000,
    replicated_deduplication_window = 10000,
    replicated_deduplication_window_seconds = 604800
COMMENT 'What a campaign with a KOL cost on a day, as the topic campaign-spend says. Only the reading that dimension_cursor shows counts.';

CREATE TABLE IF NOT EXISTS ${database}.perception_dim ${on_cluster}
(
    `reading` UInt64 COMMENT 'which reading of the topic from its beginning' CODEC(T64, ZSTD(1)),
    `kol_id` LowCardinality(String) COMMENT 'the KOL',
    `respondent_hash` String COMMENT 'keyed name of the respondent' CODEC(ZSTD(3)),
    `wave` String COMMENT 'round of the survey' CODEC(ZSTD(3)),
    `answered_at` DateTime64(3, 'UTC') COMMENT 'when it was answered [UTC]' CODEC(DoubleDelta, ZSTD(1)),
    `user_hash` String COMMENT 'keyed name of the respondent as a user; empty: unknown' CODEC(ZSTD(3)),
    `brand_id` LowCardinality(String) COMMENT 'the brand that is asked about, empty where unknown',
    `survey` LowCardinality(String) COMMENT 'the survey, empty where unknown',
    `nps` Nullable(Int8) COMMENT 'would recommend; NULL: not asked [0 to 10]',
    `brand_lift` Nullable(Float64) COMMENT 'opinion of the brand after less before; NULL: not asked [-1 to 1]' CODEC(Gorilla, ZSTD(1)),
    `authenticity` Nullable(Float64) COMMENT 'how genuine the KOL seems; NULL: not asked [1 to 5]' CODEC(Gorilla, ZSTD(1)),
    `aided_recall` Nullable(Bool) COMMENT 'knows the brand when it is named; NULL: not asked',
    `unaided_recall` Nullable(Bool) COMMENT 'names the brand unasked; NULL: not asked',
    `deleted` Bool COMMENT 'true: the topic has taken the key back; then all else is empty',
    `received_at` DateTime64(3, 'UTC') COMMENT 'record time of the record that says so [UTC]' CODEC(DoubleDelta, ZSTD(1)),
    `version` UInt64 COMMENT 'offset of the record + 1: of a key\'s rows the greatest stands' CODEC(T64, ZSTD(1)),
    `stated_at` DateTime('UTC') DEFAULT now() COMMENT 'when the server took the row; its age counts from here [UTC]' CODEC(DoubleDelta, ZSTD(1)),
    INDEX ix_stated stated_at TYPE minmax GRANULARITY 1
)
ENGINE = ${engine}
ORDER BY (`reading`, `kol_id`, `respondent_hash`, `wave`)
SETTINGS non_replicated_deduplication_window = 10000,
    replicated_deduplication_window = 10000,
    replicated_deduplication_window_seconds = 604800
COMMENT 'What a respondent of a survey thinks of a KOL, as the topic perception says. Only the reading that dimension_cursor shows counts.';

CREATE TABLE IF NOT EXISTS ${database}.identity_dim ${on_cluster}
(
    `reading` UInt64 COMMENT 'which reading of the topic from its beginning' CODEC(T64, ZSTD(1)),
    `anon_hash` String COMMENT 'keyed name of the anonymous id' CODEC(ZSTD(3)),
    `bound_at` DateTime64(3, 'UTC') COMMENT 'from when on it is the user\'s [UTC]' CODEC(DoubleDelta, ZSTD(1)),
    `user_hash` String COMMENT 'keyed name of the user; empty where unknown' CODEC(ZSTD(3)),
    `confidence` Nullable(Float64) COMMENT 'how sure that is; NULL: unknown [0 to 1]' CODEC(Gorilla, ZSTD(1)),
    `age_band` LowCardinality(String) COMMENT 'age of the user, empty where unknown',
    `birth_month` LowCardinality(String) COMMENT 'month in which the child was or will be born, or empty',
    `geo` LowCardinality(String) COMMENT 'region or city of the user, empty where unknown',
    `tags` Map(LowCardinality(String), Float64) COMMENT 'interests and values of the user, each with a weight [weight]',
    `deleted` Bool COMMENT 'true: the topic has taken the key back; then all else is empty',
    `received_at` DateTime64(3, 'UTC') COMMENT 'record time of the record that says so [UTC]' CODEC(DoubleDelta, ZSTD(1)),
    `version` UInt64 COMMENT 'offset of the record + 1: of a key\'s rows the greatest stands' CODEC(T64, ZSTD(1)),
    `stated_at` DateTime('UTC') DEFAULT now() COMMENT 'when the server took the row; its age counts from here [UTC]' CODEC(DoubleDelta, ZSTD(1)),
    INDEX ix_stated stated_at TYPE minmax GRANULARITY 1
)
ENGINE = ${engine}
ORDER BY (`reading`, `anon_hash`, `bound_at`)
SETTINGS non_replicated_deduplication_window = 10000,
    replicated_deduplication_window = 10000,
    replicated_deduplication_window_seconds = 604800
COMMENT 'From when on an anonymous id is a user\'s, as the topic identity says. Only the reading that dimension_cursor shows counts.';

CREATE TABLE IF NOT EXISTS ${database}.policy_dim ${on_cluster}
(
    `reading` UInt64 COMMENT 'which reading of the topic from its beginning' CODEC(T64, ZSTD(1)),
    `policy_id` String COMMENT 'the policy' CODEC(ZSTD(3)),
    `announced_at` DateTime64(3, 'UTC') COMMENT 'when it was announced [UTC]' CODEC(DoubleDelta, ZSTD(1)),
    `region` LowCardinality(String) COMMENT 'where it holds, empty where unknown',
    `type` LowCardinality(String) COMMENT 'what it is, such as a subsidy; empty where unknown',
    `effective_at` Nullable(DateTime64(3, 'UTC')) COMMENT 'from when it holds; NULL: unknown [UTC]',
    `deleted` Bool COMMENT 'true: the topic has taken the key back; then all else is empty',
    `received_at` DateTime64(3, 'UTC') COMMENT 'record time of the record that says so [UTC]' CODEC(DoubleDelta, ZSTD(1)),
    `version` UInt64 COMMENT 'offset of the record + 1: of a key\'s rows the greatest stands' CODEC(T64, ZSTD(1)),
    `stated_at` DateTime('UTC') DEFAULT now() COMMENT 'when the server took the row; its age counts from here [UTC]' CODEC(DoubleDelta, ZSTD(1)),
    INDEX ix_stated stated_at TYPE minmax GRANULARITY 1
)
ENGINE = ${engine}
ORDER BY (`reading`, `policy_id`)
SETTINGS non_replicated_deduplication_window = 10000,
    replicated_deduplication_window = 10000,
    replicated_deduplication_window_seconds = 604800
COMMENT 'A public policy that moves demand, as the topic policy says. Only the reading that dimension_cursor shows counts.';

CREATE TABLE IF NOT EXISTS ${database}.notice_dim ${on_cluster}
(
    `reading` UInt64 COMMENT 'which reading of the topic from its beginning' CODEC(T64, ZSTD(1)),
    `kol_id` LowCardinality(String) COMMENT 'the KOL',
    `kind` LowCardinality(String) COMMENT 'violation, retraction or appeal_upheld',
    `ref` String COMMENT 'the case, as the platform names it' CODEC(ZSTD(3)),
    `noticed_at` DateTime64(3, 'UTC') COMMENT 'when it was said [UTC]' CODEC(DoubleDelta, ZSTD(1)),
    `deleted` Bool COMMENT 'true: the topic has taken the key back; then all else is empty',
    `received_at` DateTime64(3, 'UTC') COMMENT 'record time of the record that says so [UTC]' CODEC(DoubleDelta, ZSTD(1)),
    `version` UInt64 COMMENT 'offset of the record + 1: of a key\'s rows the greatest stands' CODEC(T64, ZSTD(1)),
    `stated_at` DateTime('UTC') DEFAULT now() COMMENT 'when the server took the row; its age counts from here [UTC]' CODEC(DoubleDelta, ZSTD(1)),
    INDEX ix_stated stated_at TYPE minmax GRANULARITY 1
)
ENGINE = ${engine}
ORDER BY (`reading`, `kol_id`, `kind`, `ref`)
SETTINGS non_replicated_deduplication_window = 10000,
    replicated_deduplication_window = 10000,
    replicated_deduplication_window_seconds = 604800
COMMENT 'What a platform or an authority said about a KOL, as the topic kol-notice says. Only the reading that dimension_cursor shows counts.';

CREATE TABLE IF NOT EXISTS ${database}.consent_dim ${on_cluster}
(
    `reading` UInt64 COMMENT 'which reading of the topic from its beginning' CODEC(T64, ZSTD(1)),
    `user_hash` String COMMENT 'keyed name of the user' CODEC(ZSTD(3)),
    `stage` Bool COMMENT 'the stage of the child',
    `geo` Bool COMMENT 'region or city',
    `age_band` Bool COMMENT 'the age band',
    `deleted` Bool COMMENT 'true: the topic has taken the key back; then all else is empty',
    `received_at` DateTime64(3, 'UTC') COMMENT 'record time of the record that says so [UTC]' CODEC(DoubleDelta, ZSTD(1)),
    `version` UInt64 COMMENT 'offset of the record + 1: of a key\'s rows the greatest stands' CODEC(T64, ZSTD(1)),
    `stated_at` DateTime('UTC') DEFAULT now() COMMENT 'when the server took the row; its age counts from here [UTC]' CODEC(DoubleDelta, ZSTD(1)),
    INDEX ix_stated stated_at TYPE minmax GRANULARITY 1
)
ENGINE = ${engine}
ORDER BY (`reading`, `user_hash`)
SETTINGS non_replicated_deduplication_window = 10000,
    replicated_deduplication_window = 10000,
    replicated_deduplication_window_seconds = 604800
COMMENT 'What a user allows to be used of what is known of the family, as kol-consents says. Only the reading that dimension_cursor shows counts.';

CREATE TABLE IF NOT EXISTS ${database}.dimension_cursor ${on_cluster}
(
    `topic` LowCardinality(String) COMMENT 'the reference topic',
    `topic_id` String COMMENT 'its UUID, which one made anew has not; empty: there is none' CODEC(ZSTD(3)),
    `table_id` String COMMENT 'UUID of the dimension, which one made anew or restored has not' CODEC(ZSTD(3)),
    `reading` UInt64 COMMENT 'the reading that goes on, since the beginning of the topic' CODEC(T64, ZSTD(1)),
    `shown` UInt64 COMMENT 'the reading whose rows count: of a new one once it was complete' CODEC(T64, ZSTD(1)),
    `partitions` Array(UInt16) COMMENT 'partitions of the topic' CODEC(ZSTD(1)),
    `offsets` Array(UInt64) COMMENT 'of each, what is before it is in the dimension' CODEC(ZSTD(1)),
    `looked_at` DateTime64(3, 'UTC') COMMENT 'when a turn last asked where the topic ends [UTC]' CODEC(DoubleDelta, ZSTD(1)),
    `absent_since` Nullable(DateTime64(3, 'UTC')) COMMENT 'since when it does not exist; NULL: it does [UTC]',
    `version` UInt64 COMMENT 'generation << 40 | turn of the trainer: of a key\'s rows the greatest stands' CODEC(Delta, ZSTD(1)),
    `stated_at` DateTime('UTC') DEFAULT now() COMMENT 'when the server took the row; its age counts from here [UTC]' CODEC(DoubleDelta, ZSTD(1)),
    INDEX ix_stated stated_at TYPE minmax GRANULARITY 1
)
ENGINE = ${engine}
ORDER BY (`topic`)
SETTINGS non_replicated_deduplication_window = 10000,
    replicated_deduplication_window = 10000,
    replicated_deduplication_window_seconds = 604800
COMMENT 'Up to where a reference topic is in its dimension, and which rows of that count.';

CREATE VIEW IF NOT EXISTS ${database}.v_kol ${on_cluster} ${definer}
AS SELECT
    kol_id,
    display_name,
    tier,
    vertical,
    credentials,
    verified,
    value_tags,
    virtual_kol,
    user_hash,
    coupon_ids,
    coupons_since,
    said_at,
    received_at
FROM ${database}.kol_dim FINAL
WHERE NOT deleted AND reading = (
    SELECT argMax(shown, version) FROM ${database}.dimension_cursor FINAL WHERE topic = 'kol-profile'
)
COMMENT 'Who a KOL is: name, tier, field, coupons.';

ALTER TABLE ${database}.v_kol ${on_cluster}
    COMMENT COLUMN IF EXISTS `kol_id` 'the KOL',
    COMMENT COLUMN IF EXISTS `display_name` 'the name that people read, empty where unknown',
    COMMENT COLUMN IF EXISTS `tier` 'size of the audience, such as head, waist or koc; empty: unknown',
    COMMENT COLUMN IF EXISTS `vertical` 'field, such as nutrition or sleep; empty where unknown',
    COMMENT COLUMN IF EXISTS `credentials` 'proofs of expertise',
    COMMENT COLUMN IF EXISTS `verified` 'whether the platform has verified who it is; NULL: unknown',
    COMMENT COLUMN IF EXISTS `value_tags` 'values that the KOL stands for',
    COMMENT COLUMN IF EXISTS `virtual_kol` 'true: no human being; NULL: unknown',
    COMMENT COLUMN IF EXISTS `user_hash` 'keyed name of the KOL\'s own account as a buyer, or empty',
    COMMENT COLUMN IF EXISTS `coupon_ids` 'coupons of the KOL',
    COMMENT COLUMN IF EXISTS `coupons_since` 'from when each is the KOL\'s [UTC]',
    COMMENT COLUMN IF EXISTS `said_at` 'when the shop said so; NULL: unknown [UTC]',
    COMMENT COLUMN IF EXISTS `received_at` 'record time of the record that says so [UTC]';

CREATE VIEW IF NOT EXISTS ${database}.v_content ${on_cluster} ${definer}
AS SELECT
    content_id,
    kol_id,
    published_at,
    genre,
    sponsored,
    disclosed,
    evidence_refs,
    claims,
    text,
    ai_generated,
    virtual_kol,
    received_at
FROM ${database}.content_dim FINAL
WHERE NOT deleted AND reading = (
    SELECT argMax(shown, version) FROM ${database}.dimension_cursor FINAL WHERE topic = 'content'
)
COMMENT 'What was published, by whom, whether somebody paid and whether it says so.';

ALTER TABLE ${database}.v_content ${on_cluster}
    COMMENT COLUMN IF EXISTS `content_id` 'the content',
    COMMENT COLUMN IF EXISTS `kol_id` 'the KOL whose it is; empty: nobody\'s',
    COMMENT COLUMN IF EXISTS `published_at` 'when it was published [UTC]',
    COMMENT COLUMN IF EXISTS `genre` 'such as lab_review, narrative or promo; empty where unknown',
    COMMENT COLUMN IF EXISTS `sponsored` 'whether somebody paid for it; NULL: unknown',
    COMMENT COLUMN IF EXISTS `disclosed` 'whether it says that somebody paid for it; NULL: unknown',
    COMMENT COLUMN IF EXISTS `evidence_refs` 'what it proves its claims by',
    COMMENT COLUMN IF EXISTS `claims` 'what it claims',
    COMMENT COLUMN IF EXISTS `text` 'its text',
    COMMENT COLUMN IF EXISTS `ai_generated` 'whether a machine made it; NULL: unknown',
    COMMENT COLUMN IF EXISTS `virtual_kol` 'whether no human being presents it; NULL: unknown',
    COMMENT COLUMN IF EXISTS `received_at` 'record time of the record that says so [UTC]';

CREATE VIEW IF NOT EXISTS ${database}.v_spend ${on_cluster} ${definer}
AS SELECT
    kol_id,
    campaign,
    day,
    brand_id,
    currency,
    fee_cents,
    commission_cents,
    seeding_cents,
    coupon_cents,
    target_segment,
    tracked_keywords,
    said_at,
    received_at
FROM ${database}.spend_dim FINAL
WHERE NOT deleted AND reading = (
    SELECT argMax(shown, version) FROM ${database}.dimension_cursor FINAL WHERE topic = 'campaign-spend'
)
COMMENT 'What a campaign with a KOL cost on a business day.';

ALTER TABLE ${database}.v_spend ${on_cluster}
    COMMENT COLUMN IF EXISTS `kol_id` 'the KOL',
    COMMENT COLUMN IF EXISTS `campaign` 'the campaign',
    COMMENT COLUMN IF EXISTS `day` 'business day, in the zone of the shop [day]',
    COMMENT COLUMN IF EXISTS `brand_id` 'the brand that pays, empty where unknown',
    COMMENT COLUMN IF EXISTS `currency` 'currency; empty: the shop\'s',
    COMMENT COLUMN IF EXISTS `fee_cents` 'paid to the KOL [cents]',
    COMMENT COLUMN IF EXISTS `commission_cents` 'paid by orders [cents]',
    COMMENT COLUMN IF EXISTS `seeding_cents` 'products given away [cents]',
    COMMENT COLUMN IF EXISTS `coupon_cents` 'coupons redeemed [cents]',
    COMMENT COLUMN IF EXISTS `target_segment` 'whom it is for: the share of each group of users [0 to 1]',
    COMMENT COLUMN IF EXISTS `tracked_keywords` 'searches that it is to be found by',
    COMMENT COLUMN IF EXISTS `said_at` 'when the shop said so; NULL: unknown [UTC]',
    COMMENT COLUMN IF EXISTS `received_at` 'record time of the record that says so [UTC]';

CREATE VIEW IF NOT EXISTS ${database}.v_perception ${on_cluster} ${definer}
AS SELECT
    kol_id,
    respondent_hash,
    wave,
    answered_at,
    user_hash,
    brand_id,
    survey,
    nps,
    brand_lift,
    authenticity,
    aided_recall,
    unaided_recall,
    received_at
FROM ${database}.perception_dim FINAL
WHERE NOT deleted AND reading = (
    SELECT argMax(shown, version) FROM ${database}.dimension_cursor FINAL WHERE topic = 'perception'
)
COMMENT 'What a respondent of a survey thinks of a KOL.';

ALTER TABLE ${database}.v_perception ${on_cluster}
    COMMENT COLUMN IF EXISTS `kol_id` 'the KOL',
    COMMENT COLUMN IF EXISTS `respondent_hash` 'keyed name of the respondent',
    COMMENT COLUMN IF EXISTS `wave` 'round of the survey',
    COMMENT COLUMN IF EXISTS `answered_at` 'when it was answered [UTC]',
    COMMENT COLUMN IF EXISTS `user_hash` 'keyed name of the respondent as a user; empty: unknown',
    COMMENT COLUMN IF EXISTS `brand_id` 'the brand that is asked about, empty where unknown',
    COMMENT COLUMN IF EXISTS `survey` 'the survey, empty where unknown',
    COMMENT COLUMN IF EXISTS `nps` 'would recommend; NULL: not asked [0 to 10]',
    COMMENT COLUMN IF EXISTS `brand_lift` 'opinion of the brand after less before; NULL: not asked [-1 to 1]',
    COMMENT COLUMN IF EXISTS `authenticity` 'how genuine the KOL seems; NULL: not asked [1 to 5]',
    COMMENT COLUMN IF EXISTS `aided_recall` 'knows the brand when it is named; NULL: not asked',
    COMMENT COLUMN IF EXISTS `unaided_recall` 'names the brand unasked; NULL: not asked',
    COMMENT COLUMN IF EXISTS `received_at` 'record time of the record that says so [UTC]';

CREATE VIEW IF NOT EXISTS ${database}.v_identity ${on_cluster} ${definer}
AS SELECT
    anon_hash,
    bound_at,
    user_hash,
    confidence,
    age_band,
    birth_month,
    geo,
    tags,
    received_at
FROM ${database}.identity_dim FINAL
WHERE NOT deleted AND reading = (
    SELECT argMax(shown, version) FROM ${database}.dimension_cursor FINAL WHERE topic = 'identity'
)
COMMENT 'From when on an anonymous id is a user\'s, and what the user said of the family.';

ALTER TABLE ${database}.v_identity ${on_cluster}
    COMMENT COLUMN IF EXISTS `anon_hash` 'keyed name of the anonymous id',
    COMMENT COLUMN IF EXISTS `bound_at` 'from when on it is the user\'s [UTC]',
    COMMENT COLUMN IF EXISTS `user_hash` 'keyed name of the user; empty where unknown',
    COMMENT COLUMN IF EXISTS `confidence` 'how sure that is; NULL: unknown [0 to 1]',
    COMMENT COLUMN IF EXISTS `age_band` 'age of the user, empty where unknown',
    COMMENT COLUMN IF EXISTS `birth_month` 'month in which the child was or will be born, or empty',
    COMMENT COLUMN IF EXISTS `geo` 'region or city of the user, empty where unknown',
    COMMENT COLUMN IF EXISTS `tags` 'interests and values of the user, each with a weight [weight]',
    COMMENT COLUMN IF EXISTS `received_at` 'record time of the record that says so [UTC]';

CREATE VIEW IF NOT EXISTS ${database}.v_policy ${on_cluster} ${definer}
AS SELECT
    policy_id,
    announced_at,
    region,
    type,
    effective_at,
    received_at
FROM ${database}.policy_dim FINAL
WHERE NOT deleted AND reading = (
    SELECT argMax(shown, version) FROM ${database}.dimension_cursor FINAL WHERE topic = 'policy'
)
COMMENT 'Public policies that move demand.';

ALTER TABLE ${database}.v_policy ${on_cluster}
    COMMENT COLUMN IF EXISTS `policy_id` 'the policy',
    COMMENT COLUMN IF EXISTS `announced_at` 'when it was announced [UTC]',
    COMMENT COLUMN IF EXISTS `region` 'where it holds, empty where unknown',
    COMMENT COLUMN IF EXISTS `type` 'what it is, such as a subsidy; empty where unknown',
    COMMENT COLUMN IF EXISTS `effective_at` 'from when it holds; NULL: unknown [UTC]',
    COMMENT COLUMN IF EXISTS `received_at` 'record time of the record that says so [UTC]';

CREATE VIEW IF NOT EXISTS ${database}.v_notice ${on_cluster} ${definer}
AS SELECT
    kol_id,
    kind,
    ref,
    noticed_at,
    received_at
FROM ${database}.notice_dim FINAL
WHERE NOT deleted AND reading = (
    SELECT argMax(shown, version) FROM ${database}.dimension_cursor FINAL WHERE topic = 'kol-notice'
)
COMMENT 'What platforms and authorities said about KOLs.';

ALTER TABLE ${database}.v_notice ${on_cluster}
    COMMENT COLUMN IF EXISTS `kol_id` 'the KOL',
    COMMENT COLUMN IF EXISTS `kind` 'violation, retraction or appeal_upheld',
    COMMENT COLUMN IF EXISTS `ref` 'the case, as the platform names it',
    COMMENT COLUMN IF EXISTS `noticed_at` 'when it was said [UTC]',
    COMMENT COLUMN IF EXISTS `received_at` 'record time of the record that says so [UTC]';
