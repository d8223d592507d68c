-- Views of roll-ups read floors before rows: read after them, a floor could be that of a turn whose
-- rows were not there yet, and hide the former ones for a moment.

CREATE OR REPLACE VIEW ${database}.v_credit_1h ${on_cluster} ${definer}
AS SELECT
    one.1 AS model,
    kol_id,
    hour,
    one.2 AS orders,
    one.3 AS credit_cents,
    one.4 AS refunded_cents
FROM
(
    SELECT
        r.kol_id AS kol_id,
        r.hour AS hour,
        r.orders_first AS orders_first,
        r.credit_first AS credit_first,
        r.refunded_first AS refunded_first,
        r.orders_last AS orders_last,
        r.credit_last AS credit_last,
        r.refunded_last AS refunded_last,
        r.orders_linear AS orders_linear,
        r.credit_linear AS credit_linear,
        r.refunded_linear AS refunded_linear,
        r.orders_position AS orders_position,
        r.credit_position AS credit_position,
        r.refunded_position AS refunded_position,
        r.orders_time_decay AS orders_time_decay,
        r.credit_time_decay AS credit_time_decay,
        r.refunded_time_decay AS refunded_time_decay,
        r.orders_shapley AS orders_shapley,
        r.credit_shapley AS credit_shapley,
        r.refunded_shapley AS refunded_shapley
    FROM
    (
        SELECT bucket AS hour, max(version) AS floor
        FROM ${database}.rollup_floor FINAL
        WHERE target = 'credit_1h' AND settled = 1
        GROUP BY hour
    ) AS f
    INNER JOIN ${database}.credit_1h AS r FINAL ON r.hour = f.hour
    WHERE r.version >= f.floor AND r.hour >= (
        SELECT if(count() = 0, toDateTime(4294967295, 'UTC'), argMax(hours_from, version))
        FROM ${database}.rollup_cursor FINAL
        WHERE source = 'order_credit' AND scope = 'recent'
    )
    UNION ALL
    SELECT
        kol_id,
        toStartOfHour(s.ordered_at) AS hour,
        sum(s.orders_first) AS orders_first,
        sum(s.credit_first) AS credit_first,
        sum(s.refunded_first) AS refunded_first,
        sum(s.orders_last) AS orders_last,
        sum(s.credit_last) AS credit_last,
        sum(s.refunded_last) AS refunded_last,
        sum(s.orders_linear) AS orders_linear,
        sum(s.credit_linear) AS credit_linear,
        sum(s.refunded_linear) AS refunded_linear,
        sum(s.orders_position) AS orders_position,
        sum(s.credit_position) AS credit_position,
        sum(s.refunded_position) AS refunded_position,
        sum(s.orders_time_decay) AS orders_time_decay,
        sum(s.credit_time_decay) AS credit_time_decay,
        sum(s.refunded_time_decay) AS refunded_time_decay,
        sum(s.orders_shapley) AS orders_shapley,
        sum(s.credit_shapley) AS credit_shapley,
        sum(s.refunded_shapley) AS refunded_shapley
    FROM ${database}.credit_source AS s
    WHERE toStartOfHour(s.ordered_at) < (
        SELECT if(count() = 0, toDateTime(4294967295, 'UTC'), argMax(hours_from, version))
        FROM ${database}.rollup_cursor FINAL
        WHERE source = 'order_credit' AND scope = 'recent'
    )
    GROUP BY kol_id, hour
)
ARRAY JOIN [
    ('first', orders_first, credit_first, refunded_first),
    ('last', orders_last, credit_last, refunded_last),
    ('linear', orders_linear, credit_linear, refunded_linear),
    ('position', orders_position, credit_position, refunded_position),
    ('time_decay', orders_time_decay, credit_time_decay, refunded_time_decay),
    ('shapley', orders_shapley, credit_shapley, refunded_shapley)
] AS one
WHERE orders > 0
COMMENT 'v_order_credit by model, KOL and hour of the order, in the shop\'s currency. Of the last 48 h as of the trainer\'s last turn; older hours are added up when asked.';

ALTER TABLE ${database}.v_credit_1h ${on_cluster}
    COMMENT COLUMN IF EXISTS `model` 'the model: first, last, linear, position, time_decay or shapley',
    COMMENT COLUMN IF EXISTS `kol_id` 'the KOL, or organic where no touch counts',
    COMMENT COLUMN IF EXISTS `hour` 'beginning of the hour [UTC]',
    COMMENT COLUMN IF EXISTS `orders` 'orders the KOL is concerned in [count]',
    COMMENT COLUMN IF EXISTS `credit_cents` 'the KOL\'s part of their payments, refunds not deducted [cents]',
    COMMENT COLUMN IF EXISTS `refunded_cents` 'the KOL\'s part of what was given back of them [cents]';

CREATE OR REPLACE VIEW ${database}.v_credit_1d ${on_cluster} ${definer}
AS SELECT
    one.1 AS model,
    kol_id,
    day,
    one.2 AS orders,
    one.3 AS credit_cents,
    one.4 AS refunded_cents
FROM
(
    SELECT
        r.kol_id AS kol_id,
        r.day AS day,
        r.orders_first AS orders_first,
        r.credit_first AS credit_first,
        r.refunded_first AS refunded_first,
        r.orders_last AS orders_last,
        r.credit_last AS credit_last,
        r.refunded_last AS refunded_last,
        r.orders_linear AS orders_linear,
        r.credit_linear AS credit_linear,
        r.refunded_linear AS refunded_linear,
        r.orders_position AS orders_position,
        r.credit_position AS credit_position,
        r.refunded_position AS refunded_position,
        r.orders_time_decay AS orders_time_decay,
        r.credit_time_decay AS credit_time_decay,
        r.refunded_time_decay AS refunded_time_decay,
        r.orders_shapley AS orders_shapley,
        r.credit_shapley AS credit_shapley,
        r.refunded_shapley AS refunded_shapley
    FROM
    (
        SELECT toDate(bucket) AS day, max(version) AS floor
        FROM ${database}.rollup_floor FINAL
        WHERE target = 'credit_1d' AND settled = 1
        GROUP BY day
    ) AS f
    INNER JOIN ${database}.credit_1d AS r FINAL ON r.day = f.day
    WHERE r.version >= f.floor
)
ARRAY JOIN [
    ('first', orders_first, credit_first, refunded_first),
    ('last', orders_last, credit_last, refunded_last),
    ('linear', orders_linear, credit_linear, refunded_linear),
    ('position', orders_position, credit_position, refunded_position),
    ('time_decay', orders_time_decay, credit_time_decay, refunded_time_decay),
    ('shapley', orders_shapley, credit_shapley, refunded_shapley)
] AS one
WHERE orders > 0
COMMENT 'v_order_credit by model, KOL and business day of the order, in the shop\'s currency. A refund counts in the day of its order, and shows there within 10 minutes and a turn of the trainer; of the last 48 h with its next turn.';

ALTER TABLE ${database}.v_credit_1d ${on_cluster}
    COMMENT COLUMN IF EXISTS `model` 'the model: first, last, linear, position, time_decay or shapley',
    COMMENT COLUMN IF EXISTS `kol_id` 'the KOL, or organic where no touch counts',
    COMMENT COLUMN IF EXISTS `day` 'business day, in the zone of KOL_BUSINESS_ZONE [day]',
    COMMENT COLUMN IF EXISTS `orders` 'orders the KOL is concerned in [count]',
    COMMENT COLUMN IF EXISTS `credit_cents` 'the KOL\'s part of their payments, refunds not deducted [cents]',
    COMMENT COLUMN IF EXISTS `refunded_cents` 'the KOL\'s part of what was given back of them [cents]';

CREATE OR REPLACE VIEW ${database}.v_refund_1d ${on_cluster} ${definer}
AS SELECT
    r.model AS model,
    r.kol_id AS kol_id,
    r.day AS day,
    r.refunds AS refunds,
    r.refunded_cents AS refunded_cents
FROM
(
    SELECT toDate(bucket) AS day, max(version) AS floor
    FROM ${database}.rollup_floor FINAL
    WHERE target = 'refund_1d' AND settled = 1
    GROUP BY day
) AS f
INNER JOIN ${database}.refund_1d AS r FINAL ON r.day = f.day
WHERE r.version >= f.floor
COMMENT 'v_refund_credit by model, KOL and business day of the refund, whenever the order was, in the shop\'s currency. Up to date within 10 minutes and a turn of the trainer. What is `undated` is in no day.';

ALTER TABLE ${database}.v_refund_1d ${on_cluster}
    COMMENT COLUMN IF EXISTS `model` 'the model: first, last, linear, position, time_decay or shapley',
    COMMENT COLUMN IF EXISTS `kol_id` 'the KOL, or organic where no touch counts',
    COMMENT COLUMN IF EXISTS `day` 'business day, in the zone of KOL_BUSINESS_ZONE [day]',
    COMMENT COLUMN IF EXISTS `refunds` 'refunds, cancels and reversals that changed what it keeps [count]',
    COMMENT COLUMN IF EXISTS `refunded_cents` 'the KOL\'s part of what was given back on that day [cents]';

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
FROM
(
    SELECT bucket AS hour, max(version) AS floor
    FROM ${database}.rollup_floor FINAL
    WHERE target = 'cell_1h' AND settled = 1
    GROUP BY hour
) AS f
INNER JOIN ${database}.cell_1h AS r FINAL ON r.hour = f.hour
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
    COMMENT COLUMN IF EXISTS `users_hour` 'users of the UTC hour, each in the minute of the first event: add over minutes [count]',
    COMMENT COLUMN IF EXISTS `users_day` 'users of the UTC day, each in the minute of the first event: add over minutes [count]',
    COMMENT COLUMN IF EXISTS `users_week` 'users of the ISO week, each in the minute of the first event: add over minutes [count]',
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
    COMMENT COLUMN IF EXISTS `depth` 'ln(1 + weight of what a user did in a UTC day), over users and days [millionths]',
    COMMENT COLUMN IF EXISTS `depth_square` 'the same with the square of the logarithm [millionths]',
    COMMENT COLUMN IF EXISTS `for_E` 'credible evidence for expertise [millionths]',
    COMMENT COLUMN IF EXISTS `for_A` 'credible evidence for authenticity [millionths]',
    COMMENT COLUMN IF EXISTS `for_I` 'credible evidence for integrity [millionths]',
    COMMENT COLUMN IF EXISTS `for_B` 'credible evidence for benevolence [millionths]',
    COMMENT COLUMN IF EXISTS `for_O` 'credible evidence for outcome [millionths]',
    COMMENT COLUMN IF EXISTS `against_E` 'credible evidence against expertise [millionths]',
    COMMENT COLUMN IF EXISTS `against_A` 'credible evidence against authenticity [millionths]',
    COMMENT COLUMN IF EXISTS `against_I` 'credible evidence against integrity [millionths]',
    COMMENT COLUMN IF EXISTS `against_B` 'credible evidence against benevolence [millionths]',
    COMMENT COLUMN IF EXISTS `against_O` 'credible evidence against outcome [millionths]',
    COMMENT COLUMN IF EXISTS `square_E` 'squared weights of the evidence about expertise [trillionths]',
    COMMENT COLUMN IF EXISTS `square_A` 'squared weights of the evidence about authenticity [trillionths]',
    COMMENT COLUMN IF EXISTS `square_I` 'squared weights of the evidence about integrity [trillionths]',
    COMMENT COLUMN IF EXISTS `square_B` 'squared weights of the evidence about benevolence [trillionths]',
    COMMENT COLUMN IF EXISTS `square_O` 'squared weights of the evidence about outcome [trillionths]',
    COMMENT COLUMN IF EXISTS `orders` 'orders that stand (brands only) [count]',
    COMMENT COLUMN IF EXISTS `paid_cents` 'paid for them, as sent (brands only) [cents]',
    COMMENT COLUMN IF EXISTS `list_cents` 'their list price, as sent (brands only) [cents]',
    COMMENT COLUMN IF EXISTS `discount_cents` 'their discount, as sent (brands only) [cents]',
    COMMENT COLUMN IF EXISTS `promo_cents` 'paid for them in promotions (brands only) [cents]',
    COMMENT COLUMN IF EXISTS `member_cents` 'paid for them by members (brands only) [cents]',
    COMMENT COLUMN IF EXISTS `refunds` 'refunds and cancels, in their own minute (brands only) [count]',
    COMMENT COLUMN IF EXISTS `refund_cents` 'given back, as sent, in the refund\'s own minute (brands only) [cents]',
    COMMENT COLUMN IF EXISTS `credible_days` 'users who interact, weighted by credibility, once a UTC day: add over minutes [millionths]',
    COMMENT COLUMN IF EXISTS `credible_days_square` 'users who interact, weighted by its square, once a UTC day: add over minutes [trillionths]',
    COMMENT COLUMN IF EXISTS `credible_depth` 'depth, weighted by the credibility of its user [millionths]',
    COMMENT COLUMN IF EXISTS `credible_depth_square` 'depth_square, weighted by the credibility of its user [millionths]',
    COMMENT COLUMN IF EXISTS `aged_days` 'users who interact and say their account\'s age, once a UTC day: add over minutes [count]',
    COMMENT COLUMN IF EXISTS `young_days` 'of those, users with an account of less than 7 days [count]',
    COMMENT COLUMN IF EXISTS `users_near` 'users who came by a share of one hop, once a UTC day: add over minutes [count]',
    COMMENT COLUMN IF EXISTS `users_far` 'users who came by a share of two hops or more, once a UTC day: add over minutes [count]',
    COMMENT COLUMN IF EXISTS `dwell_views` 'content-interaction views that say how long they were [count]',
    COMMENT COLUMN IF EXISTS `short_views` 'of those, shorter than one second [count]',
    COMMENT COLUMN IF EXISTS `live_ms` 'the part of dwell_ms in live rooms [ms]',
    COMMENT COLUMN IF EXISTS `unfollowers` 'users who unfollowed, each once a minute [count]';

CREATE OR REPLACE VIEW ${database}.v_cell_1d ${on_cluster} ${definer}
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
FROM
(
    SELECT toDate(bucket) AS day, max(version) AS floor
    FROM ${database}.rollup_floor FINAL
    WHERE target = 'cell_1d' AND settled = 1
    GROUP BY day
) AS f
INNER JOIN ${database}.cell_1d AS r FINAL ON r.day = f.day
WHERE r.version >= f.floor
COMMENT 'v_minute by business day, without users, which do not add. A change of a day before the last 48 h shows within 10 minutes and a turn of the trainer.';

ALTER TABLE ${database}.v_cell_1d ${on_cluster}
    COMMENT COLUMN IF EXISTS `kol_id` 'the KOL, or ~brand:<brand_id>',
    COMMENT COLUMN IF EXISTS `day` 'business day, in the zone of KOL_BUSINESS_ZONE [day]',
    COMMENT COLUMN IF EXISTS `events` 'accepted events [count]',
    COMMENT COLUMN IF EXISTS `users_hour` 'users of the UTC hour, each in the minute of the first event: add over minutes [count]',
    COMMENT COLUMN IF EXISTS `users_day` 'users of the UTC day, each in the minute of the first event: add over minutes [count]',
    COMMENT COLUMN IF EXISTS `users_week` 'users of the ISO week, each in the minute of the first event: add over minutes [count]',
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
    COMMENT COLUMN IF EXISTS `depth` 'ln(1 + weight of what a user did in a UTC day), over users and days [millionths]',
    COMMENT COLUMN IF EXISTS `depth_square` 'the same with the square of the logarithm [millionths]',
    COMMENT COLUMN IF EXISTS `for_E` 'credible evidence for expertise [millionths]',
    COMMENT COLUMN IF EXISTS `for_A` 'credible evidence for authenticity [millionths]',
    COMMENT COLUMN IF EXISTS `for_I` 'credible evidence for integrity [millionths]',
    COMMENT COLUMN IF EXISTS `for_B` 'credible evidence for benevolence [millionths]',
    COMMENT COLUMN IF EXISTS `for_O` 'credible evidence for outcome [millionths]',
    COMMENT COLUMN IF EXISTS `against_E` 'credible evidence against expertise [millionths]',
    COMMENT COLUMN IF EXISTS `against_A` 'credible evidence against authenticity [millionths]',
    COMMENT COLUMN IF EXISTS `against_I` 'credible evidence against integrity [millionths]',
    COMMENT COLUMN IF EXISTS `against_B` 'credible evidence against benevolence [millionths]',
    COMMENT COLUMN IF EXISTS `against_O` 'credible evidence against outcome [millionths]',
    COMMENT COLUMN IF EXISTS `square_E` 'squared weights of the evidence about expertise [trillionths]',
    COMMENT COLUMN IF EXISTS `square_A` 'squared weights of the evidence about authenticity [trillionths]',
    COMMENT COLUMN IF EXISTS `square_I` 'squared weights of the evidence about integrity [trillionths]',
    COMMENT COLUMN IF EXISTS `square_B` 'squared weights of the evidence about benevolence [trillionths]',
    COMMENT COLUMN IF EXISTS `square_O` 'squared weights of the evidence about outcome [trillionths]',
    COMMENT COLUMN IF EXISTS `orders` 'orders that stand (brands only) [count]',
    COMMENT COLUMN IF EXISTS `paid_cents` 'paid for them, as sent (brands only) [cents]',
    COMMENT COLUMN IF EXISTS `list_cents` 'their list price, as sent (brands only) [cents]',
    COMMENT COLUMN IF EXISTS `discount_cents` 'their discount, as sent (brands only) [cents]',
    COMMENT COLUMN IF EXISTS `promo_cents` 'paid for them in promotions (brands only) [cents]',
    COMMENT COLUMN IF EXISTS `member_cents` 'paid for them by members (brands only) [cents]',
    COMMENT COLUMN IF EXISTS `refunds` 'refunds and cancels, in their own minute (brands only) [count]',
    COMMENT COLUMN IF EXISTS `refund_cents` 'given back, as sent, in the refund\'s own minute (brands only) [cents]',
    COMMENT COLUMN IF EXISTS `credible_days` 'users who interact, weighted by credibility, once a UTC day: add over minutes [millionths]',
    COMMENT COLUMN IF EXISTS `credible_days_square` 'users who interact, weighted by its square, once a UTC day: add over minutes [trillionths]',
    COMMENT COLUMN IF EXISTS `credible_depth` 'depth, weighted by the credibility of its user [millionths]',
    COMMENT COLUMN IF EXISTS `credible_depth_square` 'depth_square, weighted by the credibility of its user [millionths]',
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
    COMMENT COLUMN IF EXISTS `trust_hi` 'upper end of its 90 % interval [0 to 1]',
    COMMENT COLUMN IF EXISTS `trust_min` 'least trust on the way [0 to 1]',
    COMMENT COLUMN IF EXISTS `trust_max` 'greatest trust on the way [0 to 1]',
    COMMENT COLUMN IF EXISTS `resonance` 'resonance at the last minute [0 to 1]',
    COMMENT COLUMN IF EXISTS `resonance_lo` 'lower end of its 90 % interval [0 to 1]',
    COMMENT COLUMN IF EXISTS `resonance_hi` 'upper end of its 90 % interval [0 to 1]',
    COMMENT COLUMN IF EXISTS `n_eff` 'judgements behind the last trust [judgements]';

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
    r.n_eff AS n_eff
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
    COMMENT COLUMN IF EXISTS `n_eff` 'judgements behind the last trust [judgements]';
