-- What was given back by the day of the refund, whenever the order was.

CREATE TABLE IF NOT EXISTS ${database}.refund_1d ${on_cluster}
(
    `model` LowCardinality(String) COMMENT 'the model',
    `kol_id` LowCardinality(String) COMMENT 'the KOL, or organic where no touch counts',
    `day` Date COMMENT 'business day, in the zone of KOL_BUSINESS_ZONE [day]',
    `refunds` Int64 COMMENT 'refunds, cancels and reversals that changed what it keeps [count]' CODEC(T64, ZSTD(1)),
    `refunded_cents` Int64 COMMENT 'the KOL\'s part of what was given back on that day [cents]' CODEC(T64, ZSTD(1)),
    `version` UInt64 COMMENT 'generation << 40 | turn of the trainer: of a key\'s rows the greatest stands' CODEC(Delta, ZSTD(1)),
    `stated_at` DateTime('UTC') DEFAULT now() COMMENT 'when the server took the row; its age counts from here [UTC]' CODEC(DoubleDelta, ZSTD(1)),
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
COMMENT 'What KOLs gave back on a business day, by model, in the shop\'s currency.';

-- What it is added up from: v_refund_credit in the shop's currency. A view of its own, as
-- `kol replay swap` exchanges the views of record. A refund that a former version stated without
-- its time gets the time once the order is stated again: it would leave a day without a trace.
CREATE OR REPLACE VIEW ${database}.refund_source ${on_cluster} ${definer}
AS SELECT
    model,
    kol_id,
    ordered_at,
    refunded_at,
    refunded_cents
FROM
(
    SELECT
        by_model.1 AS model,
        ordered_at,
        touch_kol,
        first_kol,
        kols,
        refunded_at,
        arrayMap((after, before) -> after - before, splits[entry + 1], splits[entry]) AS parts
    FROM
    (
        SELECT
            ordered_at,
            touch_kol,
            arraySort(
                (kol, begin, class) -> (begin, kol, class), touch_kol, touch_begin, touch_class
            )[1] AS first_kol,
            kols,
            by_model,
            refund_at,
            greatest(paid_cents, 1) AS paid,
            arrayPushFront(arrayCumSum(refund_cents), 0) AS backs,
            arrayMap(c -> arrayMap(w -> toInt128(c) * w, by_model.2), backs) AS products,
            arrayMap(each -> arrayMap(x -> toInt64(intDiv(x, paid)), each), products) AS floors,
            arrayMap(each -> arrayMap(x -> toInt64(x % paid), each), products) AS rests,
            arrayMap(
                (c, each, rest) -> arraySlice(
                    arraySort(k -> (-rest[k], k), arrayEnumerate(rest)), 1, c - arraySum(each)
                ),
                backs, floors, rests
            ) AS rounded_up,
            arrayMap(
                (c, each, up) -> if(
                    c = refunded_cents,
                    by_model.3,
                    arrayMap((x, k) -> x + has(up, k), each, arrayEnumerate(each))
                ),
                backs, floors, rounded_up
            ) AS splits
        FROM ${database}.order_credit FINAL
        ARRAY JOIN [
            ('first', credit_first, refunded_first),
            ('last', credit_last, refunded_last),
            ('linear', credit_linear, refunded_linear),
            ('position', credit_position, refunded_position),
            ('time_decay', credit_time_decay, refunded_time_decay),
            ('shapley', credit_shapley, refunded_shapley)
        ] AS by_model
        WHERE notEmpty(kols)
          AND notEmpty(refund_at)
          AND refund_kind != ['undated']
          AND upper(trimBoth(currency)) = '${currency}'
    )
    ARRAY JOIN
        refund_at AS refunded_at,
        arrayEnumerate(refund_at) AS entry
)
ARRAY JOIN
    kols AS kol_id,
    parts AS refunded_cents
WHERE NOT (model = 'first' AND notEmpty(touch_kol) AND kol_id != first_kol)
  AND NOT (model = 'last' AND notEmpty(touch_kol) AND kol_id != touch_kol[-1])
  AND refunded_cents != 0;

CREATE VIEW IF NOT EXISTS ${database}.v_refund_1d ${on_cluster} ${definer}
AS SELECT
    r.model AS model,
    r.kol_id AS kol_id,
    r.day AS day,
    r.refunds AS refunds,
    r.refunded_cents AS refunded_cents
FROM ${database}.refund_1d AS r FINAL
INNER JOIN
(
    SELECT toDate(bucket) AS day, max(version) AS floor
    FROM ${database}.rollup_floor FINAL
    WHERE target = 'refund_1d' AND settled = 1
    GROUP BY day
) AS f ON f.day = r.day
WHERE r.version >= f.floor
COMMENT 'v_refund_credit by model, KOL and business day of the refund, whenever the order was, in the shop\'s currency. Up to date within 10 minutes and a turn of the trainer. What is `undated` is in no day.';

ALTER TABLE ${database}.v_refund_1d ${on_cluster}
    COMMENT COLUMN IF EXISTS `model` 'the model: first, last, linear, position, time_decay or shapley',
    COMMENT COLUMN IF EXISTS `kol_id` 'the KOL, or organic where no touch counts',
    COMMENT COLUMN IF EXISTS `day` 'business day, in the zone of KOL_BUSINESS_ZONE [day]',
    COMMENT COLUMN IF EXISTS `refunds` 'refunds, cancels and reversals that changed what it keeps [count]',
    COMMENT COLUMN IF EXISTS `refunded_cents` 'the KOL\'s part of what was given back on that day [cents]';
