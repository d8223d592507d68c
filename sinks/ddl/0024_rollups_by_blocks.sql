-- `kol trainer` keeps the roll-ups: it sees by the numbers of inserts which hours and days have
-- changed, however long ago they were. Hours are kept for 48 h; older ones are added up when asked.

ALTER TABLE ${database}.order_credit ${on_cluster}
    MODIFY SETTING enable_block_number_column = 1;

ALTER TABLE ${database}.minute_cell ${on_cluster}
    MODIFY SETTING enable_block_number_column = 1;

ALTER TABLE ${database}.kol_score ${on_cluster}
    MODIFY SETTING enable_block_number_column = 1;

DROP VIEW IF EXISTS ${database}.cell_1h_refresh ${on_cluster} SYNC;
DROP VIEW IF EXISTS ${database}.cell_1h_source ${on_cluster} SYNC;
DROP TABLE IF EXISTS ${database}.cell_1h ${on_cluster} SYNC;
DROP VIEW IF EXISTS ${database}.credit_1h_refresh ${on_cluster} SYNC;
DROP VIEW IF EXISTS ${database}.credit_1h_source ${on_cluster} SYNC;
DROP TABLE IF EXISTS ${database}.credit_1h ${on_cluster} SYNC;
DROP VIEW IF EXISTS ${database}.score_1h_refresh ${on_cluster} SYNC;
DROP VIEW IF EXISTS ${database}.score_1h_source ${on_cluster} SYNC;
DROP TABLE IF EXISTS ${database}.score_1h ${on_cluster} SYNC;

CREATE TABLE IF NOT EXISTS ${database}.cell_1h ${on_cluster}
(
    `kol_id` LowCardinality(String) COMMENT 'the KOL, or ~brand:<brand_id>',
    `hour` DateTime('UTC') COMMENT 'beginning of the hour' CODEC(DoubleDelta, ZSTD(1)),
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
PARTITION BY toYYYYMMDD(hour)
ORDER BY (`kol_id`, `hour`)
SETTINGS non_replicated_deduplication_window = 10000,
    replicated_deduplication_window = 10000,
    replicated_deduplication_window_seconds = 604800,
    min_age_to_force_merge_seconds = 3600,
    min_age_to_force_merge_on_partition_only = 1
COMMENT 'minute_cell added up by hour over all source partitions; without users, which do not add. Only the hours since rollup_cursor.hours_from count.';

CREATE TABLE IF NOT EXISTS ${database}.credit_1h ${on_cluster}
(
    `model` LowCardinality(String) COMMENT 'the model',
    `kol_id` LowCardinality(String) COMMENT 'the KOL, or organic where no touch counts',
    `hour` DateTime('UTC') COMMENT 'beginning of the hour' CODEC(DoubleDelta, ZSTD(1)),
    `orders` Int64 COMMENT 'orders the KOL is concerned in' CODEC(T64, ZSTD(1)),
    `credit_cents` Int64 COMMENT 'the KOL\'s part of their payments, refunds not deducted, cents' CODEC(T64, ZSTD(1)),
    `refunded_cents` Int64 COMMENT 'the KOL\'s part of what was given back of them, cents' CODEC(T64, ZSTD(1)),
    `version` UInt64 COMMENT 'generation << 40 | turn of the trainer: of a key\'s rows the greatest stands' CODEC(Delta, ZSTD(1)),
    `stated_at` DateTime('UTC') DEFAULT now() COMMENT 'when the server took the row; its age counts from here' CODEC(DoubleDelta, ZSTD(1)),
    INDEX ix_stated stated_at TYPE minmax GRANULARITY 1
)
ENGINE = ${engine}
PARTITION BY toYYYYMMDD(hour)
ORDER BY (`model`, `kol_id`, `hour`)
SETTINGS non_replicated_deduplication_window = 10000,
    replicated_deduplication_window = 10000,
    replicated_deduplication_window_seconds = 604800,
    min_age_to_force_merge_seconds = 3600,
    min_age_to_force_merge_on_partition_only = 1
COMMENT 'What orders of an hour owe a KOL, by model, in the shop\'s currency. Only the hours since rollup_cursor.hours_from count.';

CREATE TABLE IF NOT EXISTS ${database}.score_1h ${on_cluster}
(
    `kol_id` LowCardinality(String) COMMENT 'the KOL, or ~brand:<brand_id>',
    `hour` DateTime('UTC') COMMENT 'beginning of the hour' CODEC(DoubleDelta, ZSTD(1)),
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
PARTITION BY toYYYYMMDD(hour)
ORDER BY (`kol_id`, `hour`, `model_version`)
SETTINGS non_replicated_deduplication_window = 10000,
    replicated_deduplication_window = 10000,
    replicated_deduplication_window_seconds = 604800,
    min_age_to_force_merge_seconds = 3600,
    min_age_to_force_merge_on_partition_only = 1
COMMENT 'The last score of a KOL in an hour and the extremes of trust on the way. Only the hours since rollup_cursor.hours_from count.';

-- What credits are added up from: v_order_credit in the shop's currency, as amounts of different
-- ones do not add. A view of its own, as `kol replay swap` exchanges the views of record.
-- `first` and `last` give weight to one KOL; every other model to each KOL of the order,
-- even where that weight is less than a cent. `first` goes by the touches' first events, and
-- touches stand in order of their last ones.
CREATE OR REPLACE VIEW ${database}.credit_source ${on_cluster} ${definer}
AS SELECT
    by_model.1 AS model,
    kol_id,
    ordered_at,
    credit_cents,
    refunded_cents
FROM
(
    SELECT
        ordered_at,
        touch_kol,
        arraySort(
            (kol, begin, class) -> (begin, kol, class), touch_kol, touch_begin, touch_class
        )[1] AS first_kol,
        kols,
        by_model
    FROM ${database}.order_credit FINAL
    ARRAY JOIN [
        ('first', credit_first, refunded_first),
        ('last', credit_last, refunded_last),
        ('linear', credit_linear, refunded_linear),
        ('position', credit_position, refunded_position),
        ('time_decay', credit_time_decay, refunded_time_decay),
        ('shapley', credit_shapley, refunded_shapley)
    ] AS by_model
    WHERE notEmpty(kols) AND upper(trimBoth(currency)) = '${currency}'
)
ARRAY JOIN
    kols AS kol_id,
    by_model.2 AS credit_cents,
    by_model.3 AS refunded_cents
WHERE NOT (model = 'first' AND notEmpty(touch_kol) AND kol_id != first_kol)
  AND NOT (model = 'last' AND notEmpty(touch_kol) AND kol_id != touch_kol[-1]);

CREATE OR REPLACE VIEW ${database}.v_credit_1h ${on_cluster} ${definer}
AS SELECT
    r.model AS model,
    r.kol_id AS kol_id,
    r.hour AS hour,
    r.orders AS orders,
    r.credit_cents AS credit_cents,
    r.refunded_cents AS refunded_cents
FROM ${database}.credit_1h AS r FINAL
INNER JOIN
(
    SELECT bucket AS hour, max(version) AS floor
    FROM ${database}.rollup_floor FINAL
    WHERE target = 'credit_1h' AND settled = 1
    GROUP BY hour
) AS f ON f.hour = r.hour
WHERE r.version >= f.floor AND r.hour >= (
    SELECT if(count() = 0, toDateTime(4294967295, 'UTC'), argMax(hours_from, version))
    FROM ${database}.rollup_cursor FINAL
    WHERE source = 'order_credit' AND scope = 'recent'
)
UNION ALL
SELECT
    model,
    kol_id,
    toStartOfHour(s.ordered_at) AS hour,
    toInt64(count()) AS orders,
    sum(s.credit_cents) AS credit_cents,
    sum(s.refunded_cents) AS refunded_cents
FROM ${database}.credit_source AS s
WHERE toStartOfHour(s.ordered_at) < (
    SELECT if(count() = 0, toDateTime(4294967295, 'UTC'), argMax(hours_from, version))
    FROM ${database}.rollup_cursor FINAL
    WHERE source = 'order_credit' AND scope = 'recent'
)
GROUP BY model, kol_id, hour
COMMENT 'v_order_credit by model, KOL and hour of the order, in the shop\'s currency. Of the last 48 h as of the trainer\'s last turn; older hours are added up when asked.';

ALTER TABLE ${database}.v_credit_1h ${on_cluster}
    COMMENT COLUMN IF EXISTS `model` 'the model: first, last, linear, position, time_decay or shapley',
    COMMENT COLUMN IF EXISTS `kol_id` 'the KOL, or organic where no touch counts',
    COMMENT COLUMN IF EXISTS `hour` 'beginning of the hour [UTC]',
    COMMENT COLUMN IF EXISTS `orders` 'orders the KOL is concerned in [count]',
    COMMENT COLUMN IF EXISTS `credit_cents` 'the KOL\'s part of their payments, refunds not deducted [cents]',
    COMMENT COLUMN IF EXISTS `refunded_cents` 'the KOL\'s part of what was given back of them [cents]';

CREATE VIEW IF NOT EXISTS ${database}.v_credit_1d ${on_cluster} ${definer}
AS SELECT
    r.model AS model,
    r.kol_id AS kol_id,
    r.day AS day,
    r.orders AS orders,
    r.credit_cents AS credit_cents,
    r.refunded_cents AS refunded_cents
FROM ${database}.credit_1d AS r FINAL
INNER JOIN
(
    SELECT toDate(bucket) AS day, max(version) AS floor
    FROM ${database}.rollup_floor FINAL
    WHERE target = 'credit_1d' AND settled = 1
    GROUP BY day
) AS f ON f.day = r.day
WHERE r.version >= f.floor
COMMENT 'v_order_credit by model, KOL and business day of the order, in the shop\'s currency. A refund counts in the day of its order, and shows there within 10 minutes and a turn of the trainer; of the last 48 h with its next turn.';

ALTER TABLE ${database}.v_credit_1d ${on_cluster}
    COMMENT COLUMN IF EXISTS `model` 'the model: first, last, linear, position, time_decay or shapley',
    COMMENT COLUMN IF EXISTS `kol_id` 'the KOL, or organic where no touch counts',
    COMMENT COLUMN IF EXISTS `day` 'business day, in the zone of KOL_BUSINESS_ZONE [day]',
    COMMENT COLUMN IF EXISTS `orders` 'orders the KOL is concerned in [count]',
    COMMENT COLUMN IF EXISTS `credit_cents` 'the KOL\'s part of their payments, refunds not deducted [cents]',
    COMMENT COLUMN IF EXISTS `refunded_cents` 'the KOL\'s part of what was given back of them [cents]';

CREATE OR REPLACE VIEW ${database}.v_cell_1h ${on_cluster} ${definer}
AS SELECT
    r.kol_id AS kol_id,
    r.hour AS hour,
    r.events AS events,
    r.users_hour AS users_hour,
    r.users_day AS users_day,
    r.users_week AS users_week,
    r.impressions AS impressions,
    r.clicks AS clicks,
    r.carts AS carts,
    r.views AS views,
    r.likes AS likes,
    r.saves AS saves,
    r.comments AS comments,
    r.danmaku AS danmaku,
    r.shares AS shares,
    r.follows AS follows,
    r.unfollows AS unfollows,
    r.joins AS joins,
    r.leaves AS leaves,
    r.questions AS questions,
    r.replies AS replies,
    r.creations AS creations,
    r.reports AS reports,
    r.dwell_ms AS dwell_ms,
    r.depth AS depth,
    r.depth_square AS depth_square,
    r.for_E AS for_E,
    r.for_A AS for_A,
    r.for_I AS for_I,
    r.for_B AS for_B,
    r.for_O AS for_O,
    r.against_E AS against_E,
    r.against_A AS against_A,
    r.against_I AS against_I,
    r.against_B AS against_B,
    r.against_O AS against_O,
    r.square_E AS square_E,
    r.square_A AS square_A,
    r.square_I AS square_I,
    r.square_B AS square_B,
    r.square_O AS square_O,
    r.orders AS orders,
    r.paid_cents AS paid_cents,
    r.list_cents AS list_cents,
    r.discount_cents AS discount_cents,
    r.promo_cents AS promo_cents,
    r.member_cents AS member_cents,
    r.refunds AS refunds,
    r.refund_cents AS refund_cents,
    r.credible_days AS credible_days,
    r.credible_days_square AS credible_days_square,
    r.credible_depth AS credible_depth,
    r.credible_depth_square AS credible_depth_square,
    r.aged_days AS aged_days,
    r.young_days AS young_days,
    r.users_near AS users_near,
    r.users_far AS users_far,
    r.dwell_views AS dwell_views,
    r.short_views AS short_views,
    r.live_ms AS live_ms,
    r.unfollowers AS unfollowers
FROM ${database}.cell_1h AS r FINAL
INNER JOIN
(
    SELECT bucket AS hour, max(version) AS floor
    FROM ${database}.rollup_floor FINAL
    WHERE target = 'cell_1h' AND settled = 1
    GROUP BY hour
) AS f ON f.hour = r.hour
WHERE r.version >= f.floor AND r.hour >= (
    SELECT if(count() = 0, toDateTime(4294967295, 'UTC'), argMax(hours_from, version))
    FROM ${database}.rollup_cursor FINAL
    WHERE source = 'minute_cell' AND scope = 'recent'
)
UNION ALL
SELECT
    kol_id,
    toStartOfHour(s.minute) AS hour,
    sum(s.events) AS events,
    sum(s.users_hour) AS users_hour,
    sum(s.users_day) AS users_day,
    sum(s.users_week) AS users_week,
    sum(s.impressions) AS impressions,
    sum(s.clicks) AS clicks,
    sum(s.carts) AS carts,
    sum(s.views) AS views,
    sum(s.likes) AS likes,
    sum(s.saves) AS saves,
    sum(s.comments) AS comments,
    sum(s.danmaku) AS danmaku,
    sum(s.shares) AS shares,
    sum(s.follows) AS follows,
    sum(s.unfollows) AS unfollows,
    sum(s.joins) AS joins,
    sum(s.leaves) AS leaves,
    sum(s.questions) AS questions,
    sum(s.replies) AS replies,
    sum(s.creations) AS creations,
    sum(s.reports) AS reports,
    sum(s.dwell_ms) AS dwell_ms,
    sum(s.depth) AS depth,
    sum(s.depth_square) AS depth_square,
    sum(s.for_E) AS for_E,
    sum(s.for_A) AS for_A,
    sum(s.for_I) AS for_I,
    sum(s.for_B) AS for_B,
    sum(s.for_O) AS for_O,
    sum(s.against_E) AS against_E,
    sum(s.against_A) AS against_A,
    sum(s.against_I) AS against_I,
    sum(s.against_B) AS against_B,
    sum(s.against_O) AS against_O,
    sum(s.square_E) AS square_E,
    sum(s.square_A) AS square_A,
    sum(s.square_I) AS square_I,
    sum(s.square_B) AS square_B,
    sum(s.square_O) AS square_O,
    sum(s.orders) AS orders,
    sum(s.paid_cents) AS paid_cents,
    sum(s.list_cents) AS list_cents,
    sum(s.discount_cents) AS discount_cents,
    sum(s.promo_cents) AS promo_cents,
    sum(s.member_cents) AS member_cents,
    sum(s.refunds) AS refunds,
    sum(s.refund_cents) AS refund_cents,
    sum(s.credible_days) AS credible_days,
    sum(s.credible_days_square) AS credible_days_square,
    sum(s.credible_depth) AS credible_depth,
    sum(s.credible_depth_square) AS credible_depth_square,
    sum(s.aged_days) AS aged_days,
    sum(s.young_days) AS young_days,
    sum(s.users_near) AS users_near,
    sum(s.users_far) AS users_far,
    sum(s.dwell_views) AS dwell_views,
    sum(s.short_views) AS short_views,
    sum(s.live_ms) AS live_ms,
    sum(s.unfollowers) AS unfollowers
FROM ${database}.minute_cell AS s FINAL
WHERE toStartOfHour(s.minute) < (
    SELECT if(count() = 0, toDateTime(4294967295, 'UTC'), argMax(hours_from, version))
    FROM ${database}.rollup_cursor FINAL
    WHERE source = 'minute_cell' AND scope = 'recent'
)
GROUP BY kol_id, hour
COMMENT 'v_minute by hour, without users, which do not add.';

ALTER TABLE ${database}.v_cell_1h ${on_cluster}
    COMMENT COLUMN IF EXISTS `kol_id` 'the KOL, or ~brand:<brand_id>',
    COMMENT COLUMN IF EXISTS `hour` 'beginning of the hour [UTC]',
    COMMENT COLUMN IF EXISTS `events` 'accepted events [count]',
    COMMENT COLUMN IF EXISTS `users_hour` '+1 in the minute of a user\'s earliest event of the UTC hour: add over minutes [count]',
    COMMENT COLUMN IF EXISTS `users_day` '+1 in the minute of a user\'s earliest event of the UTC day: add over minutes [count]',
    COMMENT COLUMN IF EXISTS `users_week` '+1 in the minute of a user\'s earliest event of the ISO week: add over minutes [count]',
    COMMENT COLUMN IF EXISTS `impressions` 'clickstream impressions [count]',
    COMMENT COLUMN IF EXISTS `clicks` 'clickstream clicks and product pages [count]',
    COMMENT COLUMN IF EXISTS `carts` 'clickstream add_cart and checkout [count]',
    COMMENT COLUMN IF EXISTS `views` 'content-interaction views [count]',
    COMMENT COLUMN IF EXISTS `likes` 'likes [count]',
    COMMENT COLUMN IF EXISTS `saves` 'saves [count]',
    COMMENT COLUMN IF EXISTS `comments` 'comments [count]',
    COMMENT COLUMN IF EXISTS `danmaku` 'live comments [count]',
    COMMENT COLUMN IF EXISTS `shares` 'shares [count]',
    COMMENT COLUMN IF EXISTS `follows` 'follows [count]',
    COMMENT COLUMN IF EXISTS `unfollows` 'unfollows [count]',
    COMMENT COLUMN IF EXISTS `joins` 'joined the private community [count]',
    COMMENT COLUMN IF EXISTS `leaves` 'left the private community [count]',
    COMMENT COLUMN IF EXISTS `questions` 'Q&A sessions attended [count]',
    COMMENT COLUMN IF EXISTS `replies` 'replies of the KOL [count]',
    COMMENT COLUMN IF EXISTS `creations` 'co-creations and user posts [count]',
    COMMENT COLUMN IF EXISTS `reports` 'reports against the KOL [count]',
    COMMENT COLUMN IF EXISTS `dwell_ms` 'sum of dwell over views that say it [ms]',
    COMMENT COLUMN IF EXISTS `depth` 'sum of ln(1+s) increments over users and UTC days [1e-6]',
    COMMENT COLUMN IF EXISTS `depth_square` 'sum of ln(1+s)^2 increments over users and UTC days [1e-6]',
    COMMENT COLUMN IF EXISTS `for_E` 'credible evidence for E [1e-6]',
    COMMENT COLUMN IF EXISTS `for_A` 'credible evidence for A [1e-6]',
    COMMENT COLUMN IF EXISTS `for_I` 'credible evidence for I [1e-6]',
    COMMENT COLUMN IF EXISTS `for_B` 'credible evidence for B [1e-6]',
    COMMENT COLUMN IF EXISTS `for_O` 'credible evidence for O [1e-6]',
    COMMENT COLUMN IF EXISTS `against_E` 'credible evidence against E [1e-6]',
    COMMENT COLUMN IF EXISTS `against_A` 'credible evidence against A [1e-6]',
    COMMENT COLUMN IF EXISTS `against_I` 'credible evidence against I [1e-6]',
    COMMENT COLUMN IF EXISTS `against_B` 'credible evidence against B [1e-6]',
    COMMENT COLUMN IF EXISTS `against_O` 'credible evidence against O [1e-6]',
    COMMENT COLUMN IF EXISTS `square_E` 'sum of squared credible weights of E [1e-12]',
    COMMENT COLUMN IF EXISTS `square_A` 'sum of squared credible weights of A [1e-12]',
    COMMENT COLUMN IF EXISTS `square_I` 'sum of squared credible weights of I [1e-12]',
    COMMENT COLUMN IF EXISTS `square_B` 'sum of squared credible weights of B [1e-12]',
    COMMENT COLUMN IF EXISTS `square_O` 'sum of squared credible weights of O [1e-12]',
    COMMENT COLUMN IF EXISTS `orders` 'standing orders (brands) [count]',
    COMMENT COLUMN IF EXISTS `paid_cents` 'paid, as sent (brands) [cents]',
    COMMENT COLUMN IF EXISTS `list_cents` 'list price, as sent (brands) [cents]',
    COMMENT COLUMN IF EXISTS `discount_cents` 'discount, as sent (brands) [cents]',
    COMMENT COLUMN IF EXISTS `promo_cents` 'paid in promotions (brands) [cents]',
    COMMENT COLUMN IF EXISTS `member_cents` 'paid by members (brands) [cents]',
    COMMENT COLUMN IF EXISTS `refunds` 'refunds and cancels, in their own minute (brands) [count]',
    COMMENT COLUMN IF EXISTS `refund_cents` 'given back, as sent, in the refund\'s own minute (brands) [cents]',
    COMMENT COLUMN IF EXISTS `credible_days` 'users who interact, weighted by credibility, once a UTC day: add over minutes [1e-6]',
    COMMENT COLUMN IF EXISTS `credible_days_square` 'users who interact, weighted by its square, once a UTC day: add over minutes [1e-12]',
    COMMENT COLUMN IF EXISTS `credible_depth` 'depth, weighted by the credibility of its user [1e-6]',
    COMMENT COLUMN IF EXISTS `credible_depth_square` 'depth_square, weighted by the credibility of its user [1e-6]',
    COMMENT COLUMN IF EXISTS `aged_days` 'users who interact and say their account\'s age, once a UTC day: add over minutes [count]',
    COMMENT COLUMN IF EXISTS `young_days` 'of those, users with an account of less than 7 days [count]',
    COMMENT COLUMN IF EXISTS `users_near` 'users who came by a share of one hop, once a UTC day: add over minutes [count]',
    COMMENT COLUMN IF EXISTS `users_far` 'users who came by a share of two hops or more, once a UTC day: add over minutes [count]',
    COMMENT COLUMN IF EXISTS `dwell_views` 'content-interaction views that say how long they were [count]',
    COMMENT COLUMN IF EXISTS `short_views` 'of those, shorter than one second [count]',
    COMMENT COLUMN IF EXISTS `live_ms` 'the part of dwell_ms in live rooms [ms]',
    COMMENT COLUMN IF EXISTS `unfollowers` 'users who unfollowed, each once a minute [count]';

CREATE VIEW IF NOT EXISTS ${database}.v_cell_1d ${on_cluster} ${definer}
AS SELECT
    r.kol_id AS kol_id,
    r.day AS day,
    r.events AS events,
    r.users_hour AS users_hour,
    r.users_day AS users_day,
    r.users_week AS users_week,
    r.impressions AS impressions,
    r.clicks AS clicks,
    r.carts AS carts,
    r.views AS views,
    r.likes AS likes,
    r.saves AS saves,
    r.comments AS comments,
    r.danmaku AS danmaku,
    r.shares AS shares,
    r.follows AS follows,
    r.unfollows AS unfollows,
    r.joins AS joins,
    r.leaves AS leaves,
    r.questions AS questions,
    r.replies AS replies,
    r.creations AS creations,
    r.reports AS reports,
    r.dwell_ms AS dwell_ms,
    r.depth AS depth,
    r.depth_square AS depth_square,
    r.for_E AS for_E,
    r.for_A AS for_A,
    r.for_I AS for_I,
    r.for_B AS for_B,
    r.for_O AS for_O,
    r.against_E AS against_E,
    r.against_A AS against_A,
    r.against_I AS against_I,
    r.against_B AS against_B,
    r.against_O AS against_O,
    r.square_E AS square_E,
    r.square_A AS square_A,
    r.square_I AS square_I,
    r.square_B AS square_B,
    r.square_O AS square_O,
    r.orders AS orders,
    r.paid_cents AS paid_cents,
    r.list_cents AS list_cents,
    r.discount_cents AS discount_cents,
    r.promo_cents AS promo_cents,
    r.member_cents AS member_cents,
    r.refunds AS refunds,
    r.refund_cents AS refund_cents,
    r.credible_days AS credible_days,
    r.credible_days_square AS credible_days_square,
    r.credible_depth AS credible_depth,
    r.credible_depth_square AS credible_depth_square,
    r.aged_days AS aged_days,
    r.young_days AS young_days,
    r.users_near AS users_near,
    r.users_far AS users_far,
    r.dwell_views AS dwell_views,
    r.short_views AS short_views,
    r.live_ms AS live_ms,
    r.unfollowers AS unfollowers
FROM ${database}.cell_1d AS r FINAL
INNER JOIN
(
    SELECT toDate(bucket) AS day, max(version) AS floor
    FROM ${database}.rollup_floor FINAL
    WHERE target = 'cell_1d' AND settled = 1
    GROUP BY day
) AS f ON f.day = r.day
WHERE r.version >= f.floor
COMMENT 'v_minute by business day, without users, which do not add. A change of a day before the last 48 h shows within 10 minutes and a turn of the trainer.';

ALTER TABLE ${database}.v_cell_1d ${on_cluster}
    COMMENT COLUMN IF EXISTS `kol_id` 'the KOL, or ~brand:<brand_id>',
    COMMENT COLUMN IF EXISTS `day` 'business day, in the zone of KOL_BUSINESS_ZONE [day]',
    COMMENT COLUMN IF EXISTS `events` 'accepted events [count]',
    COMMENT COLUMN IF EXISTS `users_hour` '+1 in the minute of a user\'s earliest event of the UTC hour: add over minutes [count]',
    COMMENT COLUMN IF EXISTS `users_day` '+1 in the minute of a user\'s earliest event of the UTC day: add over minutes [count]',
    COMMENT COLUMN IF EXISTS `users_week` '+1 in the minute of a user\'s earliest event of the ISO week: add over minutes [count]',
    COMMENT COLUMN IF EXISTS `impressions` 'clickstream impressions [count]',
    COMMENT COLUMN IF EXISTS `clicks` 'clickstream clicks and product pages [count]',
    COMMENT COLUMN IF EXISTS `carts` 'clickstream add_cart and checkout [count]',
    COMMENT COLUMN IF EXISTS `views` 'content-interaction views [count]',
    COMMENT COLUMN IF EXISTS `likes` 'likes [count]',
    COMMENT COLUMN IF EXISTS `saves` 'saves [count]',
    COMMENT COLUMN IF EXISTS `comments` 'comments [count]',
    COMMENT COLUMN IF EXISTS `danmaku` 'live comments [count]',
    COMMENT COLUMN IF EXISTS `shares` 'shares [count]',
    COMMENT COLUMN IF EXISTS `follows` 'follows [count]',
    COMMENT COLUMN IF EXISTS `unfollows` 'unfollows [count]',
    COMMENT COLUMN IF EXISTS `joins` 'joined the private community [count]',
    COMMENT COLUMN IF EXISTS `leaves` 'left the private community [count]',
    COMMENT COLUMN IF EXISTS `questions` 'Q&A sessions attended [count]',
    COMMENT COLUMN IF EXISTS `replies` 'replies of the KOL [count]',
    COMMENT COLUMN IF EXISTS `creations` 'co-creations and user posts [count]',
    COMMENT COLUMN IF EXISTS `reports` 'reports against the KOL [count]',
    COMMENT COLUMN IF EXISTS `dwell_ms` 'sum of dwell over views that say it [ms]',
    COMMENT COLUMN IF EXISTS `depth` 'sum of ln(1+s) increments over users and UTC days [1e-6]',
    COMMENT COLUMN IF EXISTS `depth_square` 'sum of ln(1+s)^2 increments over users and UTC days [1e-6]',
    COMMENT COLUMN IF EXISTS `for_E` 'credible evidence for E [1e-6]',
    COMMENT COLUMN IF EXISTS `for_A` 'credible evidence for A [1e-6]',
    COMMENT COLUMN IF EXISTS `for_I` 'credible evidence for I [1e-6]',
    COMMENT COLUMN IF EXISTS `for_B` 'credible evidence for B [1e-6]',
    COMMENT COLUMN IF EXISTS `for_O` 'credible evidence for O [1e-6]',
    COMMENT COLUMN IF EXISTS `against_E` 'credible evidence against E [1e-6]',
    COMMENT COLUMN IF EXISTS `against_A` 'credible evidence against A [1e-6]',
    COMMENT COLUMN IF EXISTS `against_I` 'credible evidence against I [1e-6]',
    COMMENT COLUMN IF EXISTS `against_B` 'credible evidence against B [1e-6]',
    COMMENT COLUMN IF EXISTS `against_O` 'credible evidence against O [1e-6]',
    COMMENT COLUMN IF EXISTS `square_E` 'sum of squared credible weights of E [1e-12]',
    COMMENT COLUMN IF EXISTS `square_A` 'sum of squared credible weights of A [1e-12]',
    COMMENT COLUMN IF EXISTS `square_I` 'sum of squared credible weights of I [1e-12]',
    COMMENT COLUMN IF EXISTS `square_B` 'sum of squared credible weights of B [1e-12]',
    COMMENT COLUMN IF EXISTS `square_O` 'sum of squared credible weights of O [1e-12]',
    COMMENT COLUMN IF EXISTS `orders` 'standing orders (brands) [count]',
    COMMENT COLUMN IF EXISTS `paid_cents` 'paid, as sent (brands) [cents]',
    COMMENT COLUMN IF EXISTS `list_cents` 'list price, as sent (brands) [cents]',
    COMMENT COLUMN IF EXISTS `discount_cents` 'discount, as sent (brands) [cents]',
    COMMENT COLUMN IF EXISTS `promo_cents` 'paid in promotions (brands) [cents]',
    COMMENT COLUMN IF EXISTS `member_cents` 'paid by members (brands) [cents]',
    COMMENT COLUMN IF EXISTS `refunds` 'refunds and cancels, in their own minute (brands) [count]',
    COMMENT COLUMN IF EXISTS `refund_cents` 'given back, as sent, in the refund\'s own minute (brands) [cents]',
    COMMENT COLUMN IF EXISTS `credible_days` 'users who interact, weighted by credibility, once a UTC day: add over minutes [1e-6]',
    COMMENT COLUMN IF EXISTS `credible_days_square` 'users who interact, weighted by its square, once a UTC day: add over minutes [1e-12]',
    COMMENT COLUMN IF EXISTS `credible_depth` 'depth, weighted by the credibility of its user [1e-6]',
    COMMENT COLUMN IF EXISTS `credible_depth_square` 'depth_square, weighted by the credibility of its user [1e-6]',
    COMMENT COLUMN IF EXISTS `aged_days` 'users who interact and say their account\'s age, once a UTC day: add over minutes [count]',
    COMMENT COLUMN IF EXISTS `young_days` 'of those, users with an account of less than 7 days [count]',
    COMMENT COLUMN IF EXISTS `users_near` 'users who came by a share of one hop, once a UTC day: add over minutes [count]',
    COMMENT COLUMN IF EXISTS `users_far` 'users who came by a share of two hops or more, once a UTC day: add over minutes [count]',
    COMMENT COLUMN IF EXISTS `dwell_views` 'content-interaction views that say how long they were [count]',
    COMMENT COLUMN IF EXISTS `short_views` 'of those, shorter than one second [count]',
    COMMENT COLUMN IF EXISTS `live_ms` 'the part of dwell_ms in live rooms [ms]',
    COMMENT COLUMN IF EXISTS `unfollowers` 'users who unfollowed, each once a minute [count]';

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
    r.n_eff AS n_eff
FROM ${database}.score_1h AS r FINAL
INNER JOIN
(
    SELECT bucket AS hour, max(version) AS floor
    FROM ${database}.rollup_floor FINAL
    WHERE target = 'score_1h' AND settled = 1
    GROUP BY hour
) AS f ON f.hour = r.hour
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
    argMax(s.n_eff, s.minute) AS n_eff
FROM ${database}.kol_score AS s FINAL
WHERE toStartOfHour(s.minute) < (
    SELECT if(count() = 0, toDateTime(4294967295, 'UTC'), argMax(hours_from, version))
    FROM ${database}.rollup_cursor FINAL
    WHERE source = 'kol_score' AND scope = 'recent'
)
GROUP BY kol_id, model_version, hour
COMMENT 'The last score of a KOL in an hour, and the extremes of trust.';

ALTER TABLE ${database}.v_score_1h ${on_cluster}
    COMMENT COLUMN IF EXISTS `kol_id` 'the KOL, or ~brand:<brand_id>',
    COMMENT COLUMN IF EXISTS `hour` 'beginning of the hour [UTC]',
    COMMENT COLUMN IF EXISTS `model_version` 'generation of the formulas',
    COMMENT COLUMN IF EXISTS `trust` 'trust at the last minute [0 to 1]',
    COMMENT COLUMN IF EXISTS `trust_lo` 'lower end of its 90 % interval [0 to 1]',
    COMMENT COLUMN IF EXISTS `trust_hi` 'upper end [0 to 1]',
    COMMENT COLUMN IF EXISTS `trust_min` 'least trust on the way [0 to 1]',
    COMMENT COLUMN IF EXISTS `trust_max` 'greatest trust on the way [0 to 1]',
    COMMENT COLUMN IF EXISTS `resonance` 'resonance at the last minute [0 to 1]',
    COMMENT COLUMN IF EXISTS `resonance_lo` 'lower end of its 90 % interval [0 to 1]',
    COMMENT COLUMN IF EXISTS `resonance_hi` 'upper end [0 to 1]',
    COMMENT COLUMN IF EXISTS `n_eff` 'judgements behind the last trust [judgements]';

CREATE VIEW IF NOT EXISTS ${database}.v_score_1d ${on_cluster} ${definer}
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
    r.n_eff AS n_eff
FROM ${database}.score_1d AS r FINAL
INNER JOIN
(
    SELECT toDate(bucket) AS day, max(version) AS floor
    FROM ${database}.rollup_floor FINAL
    WHERE target = 'score_1d' AND settled = 1
    GROUP BY day
) AS f ON f.day = r.day
WHERE r.version >= f.floor
COMMENT 'The last score of a KOL in a business day, and the extremes of trust.';

ALTER TABLE ${database}.v_score_1d ${on_cluster}
    COMMENT COLUMN IF EXISTS `kol_id` 'the KOL, or ~brand:<brand_id>',
    COMMENT COLUMN IF EXISTS `day` 'business day, in the zone of KOL_BUSINESS_ZONE [day]',
    COMMENT COLUMN IF EXISTS `model_version` 'generation of the formulas',
    COMMENT COLUMN IF EXISTS `trust` 'trust at the last minute [0 to 1]',
    COMMENT COLUMN IF EXISTS `trust_lo` 'lower end of its 90 % interval [0 to 1]',
    COMMENT COLUMN IF EXISTS `trust_hi` 'upper end [0 to 1]',
    COMMENT COLUMN IF EXISTS `trust_min` 'least trust on the way [0 to 1]',
    COMMENT COLUMN IF EXISTS `trust_max` 'greatest trust on the way [0 to 1]',
    COMMENT COLUMN IF EXISTS `resonance` 'resonance at the last minute [0 to 1]',
    COMMENT COLUMN IF EXISTS `resonance_lo` 'lower end of its 90 % interval [0 to 1]',
    COMMENT COLUMN IF EXISTS `resonance_hi` 'upper end [0 to 1]',
    COMMENT COLUMN IF EXISTS `n_eff` 'judgements behind the last trust [judgements]';
