-- Roll-ups by business day. What hours hold of days that their source no longer has, 90 days after
-- them, is carried over: an hour belongs to the day in which it begins. Version 0: any computation
-- of the trainer replaces it. `stated_from` keeps the trainer from computing a day that its source
-- has lost rows of. Credits are not carried: orders are kept as long as their hours were.

CREATE TABLE IF NOT EXISTS ${database}.cell_1d ${on_cluster}
(
    `kol_id` LowCardinality(String) COMMENT 'the KOL, or ~brand:<brand_id>',
    `day` Date COMMENT 'business day, in the zone of KOL_BUSINESS_ZONE',
    `events` Int64 COMMENT 'accepted events' CODEC(T64, ZSTD(1)),
    `users_hour` Int64 COMMENT '+1 in the minute of a user\'s earliest event of the UTC hour: add over minutes' CODEC(T64, ZSTD(1)),
    `users_day` Int64 COMMENT '+1 in the minute of a user\'s earliest event of the UTC day: add over minutes' CODEC(T64, ZSTD(1)),
    `users_week` Int64 COMMENT '+1 in the minute of a user\'s earliest event of the ISO week: add over minutes' CODEC(T64, ZSTD(1)),
    `impressions` Int64 COMMENT 'clickstream impressions' CODEC(T64, ZSTD(1)),
    `clicks` Int64 COMMENT 'clickstream clicks and product pages' CODEC(T64, ZSTD(1)),
    `carts` Int64 COMMENT 'clickstream add_cart and checkout' CODEC(T64, ZSTD(1)),
    `views` Int64 COMMENT 'content-interaction views' CODEC(T64, ZSTD(1)),
    `likes` Int64 COMMENT 'likes' CODEC(T64, ZSTD(1)),
    `saves` Int64 COMMENT 'saves' CODEC(T64, ZSTD(1)),
    `comments` Int64 COMMENT 'comments' CODEC(T64, ZSTD(1)),
    `danmaku` Int64 COMMENT 'live comments' CODEC(T64, ZSTD(1)),
    `shares` Int64 COMMENT 'shares' CODEC(T64, ZSTD(1)),
    `follows` Int64 COMMENT 'follows' CODEC(T64, ZSTD(1)),
    `unfollows` Int64 COMMENT 'unfollows' CODEC(T64, ZSTD(1)),
    `joins` Int64 COMMENT 'joined the private community' CODEC(T64, ZSTD(1)),
    `leaves` Int64 COMMENT 'left the private community' CODEC(T64, ZSTD(1)),
    `questions` Int64 COMMENT 'Q&A sessions attended' CODEC(T64, ZSTD(1)),
    `replies` Int64 COMMENT 'replies of the KOL' CODEC(T64, ZSTD(1)),
    `creations` Int64 COMMENT 'co-creations and user posts' CODEC(T64, ZSTD(1)),
    `reports` Int64 COMMENT 'reports against the KOL' CODEC(T64, ZSTD(1)),
    `dwell_ms` Int64 COMMENT 'sum of dwell over views that say it, milliseconds' CODEC(T64, ZSTD(1)),
    `depth` Int64 COMMENT 'sum of ln(1+s) increments over users and UTC days, 1e-6' CODEC(T64, ZSTD(1)),
    `depth_square` Int64 COMMENT 'sum of ln(1+s)^2 increments over users and UTC days, 1e-6' CODEC(T64, ZSTD(1)),
    `for_E` Int64 COMMENT 'credible evidence for E, 1e-6' CODEC(T64, ZSTD(1)),
    `for_A` Int64 COMMENT 'credible evidence for A, 1e-6' CODEC(T64, ZSTD(1)),
    `for_I` Int64 COMMENT 'credible evidence for I, 1e-6' CODEC(T64, ZSTD(1)),
    `for_B` Int64 COMMENT 'credible evidence for B, 1e-6' CODEC(T64, ZSTD(1)),
    `for_O` Int64 COMMENT 'credible evidence for O, 1e-6' CODEC(T64, ZSTD(1)),
    `against_E` Int64 COMMENT 'credible evidence against E, 1e-6' CODEC(T64, ZSTD(1)),
    `against_A` Int64 COMMENT 'credible evidence against A, 1e-6' CODEC(T64, ZSTD(1)),
    `against_I` Int64 COMMENT 'credible evidence against I, 1e-6' CODEC(T64, ZSTD(1)),
    `against_B` Int64 COMMENT 'credible evidence against B, 1e-6' CODEC(T64, ZSTD(1)),
    `against_O` Int64 COMMENT 'credible evidence against O, 1e-6' CODEC(T64, ZSTD(1)),
    `square_E` Int64 COMMENT 'sum of squared credible weights of E, 1e-12' CODEC(T64, ZSTD(1)),
    `square_A` Int64 COMMENT 'sum of squared credible weights of A, 1e-12' CODEC(T64, ZSTD(1)),
    `square_I` Int64 COMMENT 'sum of squared credible weights of I, 1e-12' CODEC(T64, ZSTD(1)),
    `square_B` Int64 COMMENT 'sum of squared credible weights of B, 1e-12' CODEC(T64, ZSTD(1)),
    `square_O` Int64 COMMENT 'sum of squared credible weights of O, 1e-12' CODEC(T64, ZSTD(1)),
    `orders` Int64 COMMENT 'standing orders (brands)' CODEC(T64, ZSTD(1)),
    `paid_cents` Int64 COMMENT 'paid, as sent (brands)' CODEC(T64, ZSTD(1)),
    `list_cents` Int64 COMMENT 'list price, as sent (brands)' CODEC(T64, ZSTD(1)),
    `discount_cents` Int64 COMMENT 'discount, as sent (brands)' CODEC(T64, ZSTD(1)),
    `promo_cents` Int64 COMMENT 'paid in promotions (brands)' CODEC(T64, ZSTD(1)),
    `member_cents` Int64 COMMENT 'paid by members (brands)' CODEC(T64, ZSTD(1)),
    `refunds` Int64 COMMENT 'refunds and cancels, in their own minute (brands)' CODEC(T64, ZSTD(1)),
    `refund_cents` Int64 COMMENT 'given back, as sent, in the refund\'s own minute (brands)' CODEC(T64, ZSTD(1)),
    `credible_days` Int64 COMMENT 'users who interact, weighted by credibility, once a UTC day: add over minutes, 1e-6' CODEC(T64, ZSTD(1)),
    `credible_days_square` Int64 COMMENT 'users who interact, weighted by its square, once a UTC day: add over minutes, 1e-12' CODEC(T64, ZSTD(1)),
    `credible_depth` Int64 COMMENT 'depth, weighted by the credibility of its user, 1e-6' CODEC(T64, ZSTD(1)),
    `credible_depth_square` Int64 COMMENT 'depth_square, weighted by the credibility of its user, 1e-6' CODEC(T64, ZSTD(1)),
    `aged_days` Int64 COMMENT 'users who interact and say their account\'s age, once a UTC day: add over minutes' CODEC(T64, ZSTD(1)),
    `young_days` Int64 COMMENT 'of those, users with an account of less than 7 days' CODEC(T64, ZSTD(1)),
    `users_near` Int64 COMMENT 'users who came by a share of one hop, once a UTC day: add over minutes' CODEC(T64, ZSTD(1)),
    `users_far` Int64 COMMENT 'users who came by a share of two hops or more, once a UTC day: add over minutes' CODEC(T64, ZSTD(1)),
    `dwell_views` Int64 COMMENT 'content-interaction views that say how long they were' CODEC(T64, ZSTD(1)),
    `short_views` Int64 COMMENT 'of those, shorter than one second' CODEC(T64, ZSTD(1)),
    `live_ms` Int64 COMMENT 'the part of dwell_ms in live rooms, milliseconds' CODEC(T64, ZSTD(1)),
    `unfollowers` Int64 COMMENT 'users who unfollowed, each once a minute' CODEC(T64, ZSTD(1)),
    `version` UInt64 COMMENT 'generation << 40 | turn of the trainer: of a key\'s rows the greatest stands' CODEC(Delta, ZSTD(1)),
    `stated_at` DateTime('UTC') DEFAULT now() COMMENT 'when the server took the row; its age counts from here' CODEC(DoubleDelta, ZSTD(1)),
    INDEX ix_stated stated_at TYPE minmax GRANULARITY 1
)
ENGINE = ${engine}
PARTITION BY toYYYYMM(day)
ORDER BY (`kol_id`, `day`)
TTL stated_at + INTERVAL 25 MONTH DELETE
SETTINGS non_replicated_deduplication_window = 10000,
    replicated_deduplication_window = 10000,
    replicated_deduplication_window_seconds = 604800,
    ttl_only_drop_parts = 1,
    min_age_to_force_merge_seconds = 3600,
    min_age_to_force_merge_on_partition_only = 1
COMMENT 'minute_cell added up by business day over all source partitions; without users.';

CREATE TABLE IF NOT EXISTS ${database}.credit_1d ${on_cluster}
(
    `model` LowCardinality(String) COMMENT 'the model',
    `kol_id` LowCardinality(String) COMMENT 'the KOL, or organic where no touch counts',
    `day` Date COMMENT 'business day, in the zone of KOL_BUSINESS_ZONE',
    `orders` Int64 COMMENT 'orders the KOL is concerned in' CODEC(T64, ZSTD(1)),
    `credit_cents` Int64 COMMENT 'the KOL\'s part of their payments, refunds not deducted, cents' CODEC(T64, ZSTD(1)),
    `refunded_cents` Int64 COMMENT 'the KOL\'s part of what was given back of them, cents' CODEC(T64, ZSTD(1)),
    `version` UInt64 COMMENT 'generation << 40 | turn of the trainer: of a key\'s rows the greatest stands' CODEC(Delta, ZSTD(1)),
    `stated_at` DateTime('UTC') DEFAULT now() COMMENT 'when the server took the row; its age counts from here' CODEC(DoubleDelta, ZSTD(1)),
    INDEX ix_stated stated_at TYPE minmax GRANULARITY 1
)
ENGINE = ${engine}
PARTITION BY toYYYYMM(day)
ORDER BY (`model`, `kol_id`, `day`)
SETTINGS non_replicated_deduplication_window = 10000,
    replicated_deduplication_window = 10000,
    replicated_deduplication_window_seconds = 604800,
    min_age_to_force_merge_seconds = 3600,
    min_age_to_force_merge_on_partition_only = 1
COMMENT 'What orders of a business day owe a KOL, by model, in the shop\'s currency.';

CREATE TABLE IF NOT EXISTS ${database}.score_1d ${on_cluster}
(
    `kol_id` LowCardinality(String) COMMENT 'the KOL, or ~brand:<brand_id>',
    `day` Date COMMENT 'business day, in the zone of KOL_BUSINESS_ZONE',
    `model_version` LowCardinality(String) COMMENT 'generation of the formulas',
    `trust` Nullable(Float64) COMMENT 'trust at the last minute' CODEC(Gorilla, ZSTD(1)),
    `trust_lo` Nullable(Float64) COMMENT 'lower end of its 90 % interval' CODEC(Gorilla, ZSTD(1)),
    `trust_hi` Nullable(Float64) COMMENT 'upper end' CODEC(Gorilla, ZSTD(1)),
    `trust_min` Nullable(Float64) COMMENT 'least trust on the way' CODEC(Gorilla, ZSTD(1)),
    `trust_max` Nullable(Float64) COMMENT 'greatest trust on the way' CODEC(Gorilla, ZSTD(1)),
    `resonance` Nullable(Float64) COMMENT 'resonance at the last minute' CODEC(Gorilla, ZSTD(1)),
    `resonance_lo` Nullable(Float64) COMMENT 'lower end of its 90 % interval' CODEC(Gorilla, ZSTD(1)),
    `resonance_hi` Nullable(Float64) COMMENT 'upper end' CODEC(Gorilla, ZSTD(1)),
    `n_eff` Float64 COMMENT 'judgements behind the last trust' CODEC(Gorilla, ZSTD(1)),
    `version` UInt64 COMMENT 'generation << 40 | turn of the trainer: of a key\'s rows the greatest stands' CODEC(Delta, ZSTD(1)),
    `stated_at` DateTime('UTC') DEFAULT now() COMMENT 'when the server took the row; its age counts from here' CODEC(DoubleDelta, ZSTD(1)),
    INDEX ix_stated stated_at TYPE minmax GRANULARITY 1
)
ENGINE = ${engine}
PARTITION BY toYYYYMM(day)
ORDER BY (`kol_id`, `day`, `model_version`)
TTL stated_at + INTERVAL 25 MONTH DELETE
SETTINGS non_replicated_deduplication_window = 10000,
    replicated_deduplication_window = 10000,
    replicated_deduplication_window_seconds = 604800,
    ttl_only_drop_parts = 1,
    min_age_to_force_merge_seconds = 3600,
    min_age_to_force_merge_on_partition_only = 1
COMMENT 'The last score of a KOL in a business day and the extremes of trust on the way.';

CREATE TABLE IF NOT EXISTS ${database}.rollup_floor ${on_cluster}
(
    `target` LowCardinality(String) COMMENT 'table of the roll-up',
    `bucket` DateTime('UTC') COMMENT 'beginning of the hour; of a day its date at midnight UTC' CODEC(DoubleDelta, ZSTD(1)),
    `settled` UInt8 COMMENT '0: a turn begins to write rows; 1: all rows of the version are in',
    `stated_from` DateTime('UTC') COMMENT 'oldest stated_at of the rows it was made of' CODEC(DoubleDelta, ZSTD(1)),
    `version` UInt64 COMMENT 'generation << 40 | turn of the trainer: of a key\'s rows the greatest stands' CODEC(Delta, ZSTD(1)),
    `stated_at` DateTime('UTC') DEFAULT now() COMMENT 'when the server took the row; its age counts from here' CODEC(DoubleDelta, ZSTD(1)),
    INDEX ix_stated stated_at TYPE minmax GRANULARITY 1
)
ENGINE = ${engine}
ORDER BY (`target`, `bucket`, `settled`)
SETTINGS non_replicated_deduplication_window = 10000,
    replicated_deduplication_window = 10000,
    replicated_deduplication_window_seconds = 604800
COMMENT 'Which rows of an hour or day of a roll-up count: none below the settled version.';

CREATE TABLE IF NOT EXISTS ${database}.rollup_cursor ${on_cluster}
(
    `source` LowCardinality(String) COMMENT 'the table that is added up',
    `scope` LowCardinality(String) COMMENT 'recent: hours and days of the last 48 h; days: all days',
    `partitions` Array(String) COMMENT 'partitions of the table as they were found' CODEC(ZSTD(1)),
    `blocks` Array(UInt64) COMMENT 'greatest number of an insert in each' CODEC(ZSTD(1)),
    `mutations` Array(UInt64) COMMENT 'mutation that all parts of each have' CODEC(ZSTD(1)),
    `zone` LowCardinality(String) COMMENT 'time zone of the days',
    `hours_from` DateTime('UTC') COMMENT 'hours from this one on are kept; older ones are computed if asked' CODEC(DoubleDelta, ZSTD(1)),
    `turned_at` DateTime64(3, 'UTC') COMMENT 'when the turn began, by the clock of its host' CODEC(DoubleDelta, ZSTD(1)),
    `version` UInt64 COMMENT 'generation << 40 | turn of the trainer: of a key\'s rows the greatest stands' CODEC(Delta, ZSTD(1)),
    `stated_at` DateTime('UTC') DEFAULT now() COMMENT 'when the server took the row; its age counts from here' CODEC(DoubleDelta, ZSTD(1)),
    INDEX ix_stated stated_at TYPE minmax GRANULARITY 1
)
ENGINE = ${engine}
ORDER BY (`source`, `scope`)
SETTINGS non_replicated_deduplication_window = 10000,
    replicated_deduplication_window = 10000,
    replicated_deduplication_window_seconds = 604800
COMMENT 'Up to where the roll-ups of a table are true: nothing beyond it was added up yet.';

INSERT INTO ${database}.cell_1d
(
    kol_id,
    day,
    events,
    users_hour,
    users_day,
    users_week,
    impressions,
    clicks,
    carts,
    views,
    likes,
    saves,
    comments,
    danmaku,
    shares,
    follows,
    unfollows,
    joins,
    leaves,
    questions,
    replies,
    creations,
    reports,
    dwell_ms,
    depth,
    depth_square,
    for_E,
    for_A,
    for_I,
    for_B,
    for_O,
    against_E,
    against_A,
    against_I,
    against_B,
    against_O,
    square_E,
    square_A,
    square_I,
    square_B,
    square_O,
    orders,
    paid_cents,
    list_cents,
    discount_cents,
    promo_cents,
    member_cents,
    refunds,
    refund_cents,
    credible_days,
    credible_days_square,
    credible_depth,
    credible_depth_square,
    aged_days,
    young_days,
    users_near,
    users_far,
    dwell_views,
    short_views,
    live_ms,
    unfollowers,
    version,
    stated_at
)
SELECT
    kol_id,
    toDate(hour, '${zone}') AS day,
    sum(events),
    sum(users_hour),
    sum(users_day),
    sum(users_week),
    sum(impressions),
    sum(clicks),
    sum(carts),
    sum(views),
    sum(likes),
    sum(saves),
    sum(comments),
    sum(danmaku),
    sum(shares),
    sum(follows),
    sum(unfollows),
    sum(joins),
    sum(leaves),
    sum(questions),
    sum(replies),
    sum(creations),
    sum(reports),
    sum(dwell_ms),
    sum(depth),
    sum(depth_square),
    sum(for_E),
    sum(for_A),
    sum(for_I),
    sum(for_B),
    sum(for_O),
    sum(against_E),
    sum(against_A),
    sum(against_I),
    sum(against_B),
    sum(against_O),
    sum(square_E),
    sum(square_A),
    sum(square_I),
    sum(square_B),
    sum(square_O),
    sum(orders),
    sum(paid_cents),
    sum(list_cents),
    sum(discount_cents),
    sum(promo_cents),
    sum(member_cents),
    sum(refunds),
    sum(refund_cents),
    sum(credible_days),
    sum(credible_days_square),
    sum(credible_depth),
    sum(credible_depth_square),
    sum(aged_days),
    sum(young_days),
    sum(users_near),
    sum(users_far),
    sum(dwell_views),
    sum(short_views),
    sum(live_ms),
    sum(unfollowers),
    0,
    max(stated_at)
FROM ${database}.cell_1h FINAL
WHERE toDate(hour, '${zone}') < toDate(now() - INTERVAL 88 DAY, '${zone}')
GROUP BY kol_id, day
SETTINGS max_partitions_per_insert_block = 0;

INSERT INTO ${database}.score_1d
(
    kol_id,
    day,
    model_version,
    trust,
    trust_lo,
    trust_hi,
    trust_min,
    trust_max,
    resonance,
    resonance_lo,
    resonance_hi,
    n_eff,
    version,
    stated_at
)
SELECT
    kol_id,
    toDate(s.hour, '${zone}') AS day,
    model_version,
    argMax(tuple(s.trust), s.hour).1,
    argMax(tuple(s.trust_lo), s.hour).1,
    argMax(tuple(s.trust_hi), s.hour).1,
    min(s.trust_min),
    max(s.trust_max),
    argMax(tuple(s.resonance), s.hour).1,
    argMax(tuple(s.resonance_lo), s.hour).1,
    argMax(tuple(s.resonance_hi), s.hour).1,
    argMax(s.n_eff, s.hour),
    0,
    max(s.stated_at)
FROM ${database}.score_1h AS s FINAL
WHERE toDate(s.hour, '${zone}') < toDate(now() - INTERVAL 88 DAY, '${zone}')
GROUP BY kol_id, day, model_version
SETTINGS max_partitions_per_insert_block = 0;

INSERT INTO ${database}.rollup_floor (target, bucket, settled, stated_from, version)
SELECT DISTINCT
    'cell_1d',
    toDateTime(day, 'UTC') AS bucket,
    1,
    bucket,
    0
FROM ${database}.cell_1d FINAL;

INSERT INTO ${database}.rollup_floor (target, bucket, settled, stated_from, version)
SELECT DISTINCT
    'score_1d',
    toDateTime(day, 'UTC') AS bucket,
    1,
    bucket,
    0
FROM ${database}.score_1d FINAL;
