"""The dashboard of the morning: who is trusted now, what happens, what was earned today."""

from grafana_foundation_sdk.models import dashboard as shapes

from deploy.grafana import variables
from deploy.grafana.assembly import TITLES, assembled, to_kol, uid
from deploy.grafana.panels import (
    MONEY,
    PER_MINUTE,
    SCORE,
    SHARE,
    AnyPanel,
    Column,
    Head,
    Step,
    listing,
    numbers,
    series,
)
from deploy.grafana.queries import (
    BEFORE,
    DAY_AS_TIME,
    DAYS,
    EACH_INTERVAL,
    FIRST_DAY,
    IS_LONG,
    LAST_DAY,
    REFUNDED,
    SHIFT,
    TODAY,
    choices,
    chosen,
    middle_of,
    money,
    name_of,
    named,
    names_of,
    orders_chosen,
    orders_given,
    over_time,
    rows,
    without_gaps,
)
from deploy.grafana.texts import (
    GATE,
    INTERVAL,
    LEAST_N,
    MODELS,
    NO_EVENTS,
    NO_ORDERS,
    NO_REFUNDS,
    NO_SCORES,
    ORGANIC,
    RESONANCE,
    TOO_SMALL,
    TRUST,
    TRUST_NODE,
    WHY_FIVE,
    YES_NO,
    Say,
    Text,
    in_words,
)
from deploy.grafana.values import TIERS

NAME = "overview"
ABOUT = Text(
    "Who is trusted now, what happens now, what was earned today and what was given back.",
    "此刻谁受信任、正在发生什么、今天归因了多少、退了多少。",
)


def dashboard(say: Say) -> shapes.Dashboard:
    """The overview in a language."""
    return assembled(
        NAME,
        say,
        ABOUT,
        [
            variables.brand(say),
            variables.kol(say),
            variables.channel(say),
            variables.platform(say),
            variables.model(say),
            variables.currency(say),
            variables.compare(say),
        ],
        [
            sales(say),
            returned(say),
            health(say),
            trusted(say),
            events(say),
            orders(say),
            credit_today(say),
            organic(say),
            refunds(say),
        ],
    )


# ---------------------------------------------------------------- the period in numbers


def sales(say: Say) -> AnyPanel:
    """Orders, what was paid and what nobody earned, beside the period compared with."""
    about = Text(
        "Orders of the period, what was paid for them, and the part of it that no KOL earned, from "
        "v_order. '× compared': how many times those of the period chosen under 'Compare with'. "
        "Exact; refunds are not deducted. '–': nothing is compared with, or there was nothing.",
        "时段内的订单数、实付金额，以及不归任何 KOL 的比例，来自 v_order。“对比倍数”："
        "是“对比”所选时段的多少倍。精确值，不扣退款。“–”：未选对比时段，或没有可比数据。",
    )
    ratio = Column(
        title=say(Text("× compared", "对比倍数")), unit="none", decimals=2, steps=AGAINST
    )
    return numbers(
        Head(
            title=say(Text("Sales [$currency]", "销售 [$currency]")),
            about=say(about),
            empty=say(NO_ORDERS),
            span=12,
            height=5,
        ),
        rows(SALES),
        {
            "orders": Column(title=say(Text("orders", "订单")), decimals=0),
            "orders_ratio": ratio,
            "paid": Column(title=say(Text("paid", "实付")), unit=MONEY, decimals=0),
            "paid_ratio": ratio,
            "organic": Column(title=say(ORGANIC), unit=SHARE, decimals=1),
        },
    )


# the first colour is that of no ratio: without a period to compare with there is none
AGAINST = (Step("text"), Step("red", 0), Step("text", 0.95), Step("green", 1.05))
SALES = f"""
    WITH {orders_given()}
    SELECT orders, if(orders_before = 0, NULL, orders / orders_before) AS orders_ratio,
        {money("cents")} AS paid,
        if(cents_before = 0, NULL, cents / cents_before) AS paid_ratio,
        if(cents = 0, NULL, organic_cents / cents) AS organic
    FROM
    (
        SELECT countIf(is_now) AS orders, countIf(NOT is_now) AS orders_before,
            sumIf(paid_cents, is_now) AS cents, sumIf(paid_cents, NOT is_now) AS cents_before,
            sumIf(paid_cents, is_now AND touches = 0) AS organic_cents
        FROM
        (
            SELECT paid_cents, touches, ($__timeFilter_ms(ordered_at)) AS is_now
            FROM v_order
            WHERE $__timeFilter_ms(ordered_at) AND {orders_chosen()}
            UNION ALL
            SELECT paid_cents, touches, 0 AS is_now
            FROM v_order
            WHERE {BEFORE} AND {orders_chosen()}
        )
    )
"""


def returned(say: Say) -> AnyPanel:
    """What was given back in the period, whenever the order was."""
    about = Text(
        "What was given back in the period by the refund's own date, whenever the order was, from "
        "v_refund, to the cent; and beside what was paid in the period. The two are not about the "
        "same orders: attribution shows both dates.",
        "时段内的退款金额，按退款日统计，与下单时间无关，来自 v_refund，精确到分；"
        "并与时段内实付金额相比。两者不是同一批订单：归因看板同时显示两种日期。",
    )
    return numbers(
        Head(
            title=say(Text("Given back [$currency]", "退款 [$currency]")),
            about=say(about),
            empty=say(NO_REFUNDS),
            span=6,
            height=5,
            links=[(say(TITLES["attribution"]), uid("attribution", say))],
        ),
        rows(RETURNED),
        {
            "cents_back": Column(title=say(Text("given back", "退款")), unit=MONEY, decimals=0),
            "share": Column(title=say(Text("of paid", "占实付")), unit=SHARE, decimals=1),
        },
    )


RETURNED = f"""
    WITH {orders_given()}
    SELECT {money("back")} AS cents_back, if(paid = 0, NULL, back / paid) AS share
    FROM
    (
        SELECT sum(own) AS back, sum(cents) AS paid
        FROM
        (
            SELECT refunded_cents AS own, 0 AS cents
            FROM v_refund
            WHERE {REFUNDED} AND {orders_chosen()}
            UNION ALL
            SELECT 0 AS own, paid_cents AS cents
            FROM v_order
            WHERE $__timeFilter_ms(ordered_at) AND {orders_chosen()}
        )
    )
"""


def health(say: Say) -> AnyPanel:
    """Whether these panels can be believed: how new they are, and what was refused."""
    about = Text(
        "Age of the newest scored minute at the end of the period, from v_score. Minutes without "
        "events have no score: in a quiet night it gets older, and nothing is wrong. Where events "
        "come, above 5 minutes something stands still. The part of all messages that was refused, "
        "from v_door, since the topics' beginning, whatever the period. Dead letters of the "
        "business day, from v_dead_letter.",
        "时段结束时最新已评分分钟距今多久，来自 v_score。没有事件的分钟没有评分：安静的夜里它会"
        "变大，属正常；有事件时超过 5 分钟说明有环节停滞。自 topic 开始以来全部消息中被拒收的比例，"
        "来自 v_door，与时段无关。当前营业日的死信数，来自 v_dead_letter。",
    )
    late = (Step("green"), Step("orange", 900), Step("red", 3600))
    return numbers(
        Head(
            title=say(Text("Pipeline", "数据管道")),
            about=say(about),
            empty=say(NO_EVENTS),
            span=6,
            height=5,
            links=[(say(TITLES["quality"]), uid("quality", say))],
        ),
        rows(HEALTH),
        {
            "age": Column(title=say(Text("newest minute", "最新分钟")), unit="s", steps=late),
            "refused": Column(title=say(Text("refused", "拒收")), unit=SHARE, decimals=1),
            "letters": Column(
                title=say(Text("dead letters today", "今日死信")),
                decimals=0,
                steps=(Step("green"), Step("orange", 1)),
            ),
        },
    )


HEALTH = """
    SELECT
        (
            SELECT if(count() = 0, NULL, dateDiff('second', max(minute), least(now(), $__toTime)))
            FROM v_score
            WHERE minute >= $__toTime - INTERVAL 1 DAY AND minute <= $__toTime
        ) AS age,
        (
            SELECT if(sum(n) = 0, NULL, sumIf(n, kind = 'rejected') / sum(n))
            FROM v_door
            WHERE kind IN ('door', 'rejected')
        ) AS refused,
        (
            SELECT count()
            FROM v_dead_letter
            WHERE at >= toStartOfDay($__toTime_ms, '${zone:raw}') AND at <= $__toTime_ms
        ) AS letters
"""


# ---------------------------------------------------------------- who is trusted


def trusted(say: Say) -> AnyPanel:
    """Every KOL with its newest score, the most trusted first."""
    about = Text(
        "The newest trust and resonance of each KOL in the period, 0 to 1, over all brands, from "
        "v_score_1h (up to 2 days) or v_score_1d. Change is since the last score before the "
        f"period, else since the first in it. {INTERVAL.en} n: independent judgements of users. "
        f"{WHY_FIVE.en} {GATE.en}",
        "时段内每个 KOL 最新的信任分和情感共鸣（0 到 1，不分品牌），来自 v_score_1h（两天以内）或 "
        "v_score_1d。变化：相对时段开始前的最后一个评分；若没有，则相对时段内第一个评分。"
        f"{INTERVAL.zh}n：用户的独立评价数。{WHY_FIVE.zh}{GATE.zh}",
    )
    columns = {
        "kol_id": Column(title="kol_id", hidden=True),
        "name": Column(title="KOL", link=to_kol(say)),
        "tier": Column(title=say(Text("Tier", "层级")), width=100, words=in_words(TIERS, say)),
        "trust": Column(title=say(TRUST), decimals=2, width=100, empty=say(TOO_SMALL)),
        "trust_interval": Column(title=say(Text("Trust, 90 %", "信任分 90% 区间")), width=170),
        "n": Column(title=say(Text("n", "有效样本 n")), decimals=0, width=120),
        "node": Column(title=say(TRUST_NODE), width=110, words=in_words(YES_NO, say)),
        "change": Column(
            title=say(Text("Change", "变化")),
            decimals=2,
            width=90,
            steps=(Step("red"), Step("text", -0.05), Step("green", 0.05)),
        ),
        "resonance": Column(title=say(RESONANCE), decimals=2, width=100),
        "resonance_interval": Column(
            title=say(Text("Resonance, 90 %", "共鸣 90% 区间")), width=170
        ),
    }
    return listing(
        Head(
            title=say(Text("Who is trusted now", "此刻谁受信任")),
            about=say(about),
            empty=say(NO_SCORES),
            unit=SCORE,
            span=24,
            height=10,
        ),
        rows(TRUSTED % {"names": named(say(ORGANIC)), "kols": choices("kol")}),
        columns,
    )


_SCORES = "trust, trust_lo, trust_hi, resonance, resonance_lo, resonance_hi, n_eff, active"
TRUSTED = f"""
    WITH %(kols)s, %(names)s
    SELECT
        s.kol_id AS kol_id,
        {name_of("s")} AS name,
        k.tier AS tier,
        if(now.7 < {LEAST_N}, NULL, now.1) AS trust,
        printf('%%.2f – %%.2f', now.2, now.3) AS trust_interval,
        now.7 AS n,
        if(now.8, 'yes', 'no') AS node,
        if(now.7 < {LEAST_N}, NULL, now.1 - if(before > 0, before, first)) AS change,
        now.4 AS resonance,
        if(isNull(now.4), '', printf('%%.2f – %%.2f', now.5, now.6)) AS resonance_interval
    FROM
    (
        SELECT
            kol_id,
            argMaxIf(tuple({_SCORES}), at, at >= begins) AS now,
            argMaxIf(trust, at, at < begins) AS before,
            argMinIf(trust, at, at >= begins) AS first
        FROM
        (
            SELECT kol_id, toDateTime(hour, 'UTC') AS at, {_SCORES},
                toStartOfHour($__fromTime_ms) AS begins
            FROM v_score_1h
            WHERE NOT {IS_LONG} AND NOT startsWith(kol_id, '~')
                AND hour >= toStartOfHour($__fromTime_ms) - INTERVAL 2 DAY AND hour <= $__toTime_ms
            UNION ALL
            SELECT kol_id, toDateTime(day, 'UTC') AS at, {_SCORES},
                toDateTime({FIRST_DAY}, 'UTC') AS begins
            FROM v_score_1d
            WHERE {IS_LONG} AND NOT startsWith(kol_id, '~')
                AND day >= {FIRST_DAY} - 7 AND day <= {LAST_DAY}
        )
        WHERE {chosen("kol_id", "kol")}
        GROUP BY kol_id
        HAVING countIf(at >= begins) > 0
    ) AS s
    {names_of("s")}
    LEFT JOIN v_kol AS k ON k.kol_id = s.kol_id
    ORDER BY trust DESC NULLS LAST, n DESC
    LIMIT 500
"""


# ---------------------------------------------------------------- what happens


def events(say: Say) -> AnyPanel:
    """Events about the KOLs chosen, per minute, by what people did."""
    about = Text(
        "Accepted events about the KOLs chosen, per minute, from v_minute (up to 2 days) or "
        "v_cell_1d. Clicks have product pages in them, carts checkouts; interactions are likes, "
        "saves, comments, live comments, shares, follows, joins and posts. What is none of these, "
        "such as reports, questions and unfollows, is not shown. Exact counts; a minute may rise "
        "while late events come in.",
        "关于所选 KOL 的已接受事件，每分钟数量，来自 v_minute（两天以内）或 v_cell_1d。"
        "点击含商品页，加购含结算；互动为点赞、收藏、评论、弹幕、分享、关注、入群和创作。"
        "其余事件（如举报、提问、取关）不显示。精确计数；迟到的事件到达前，最近几分钟可能还会增加。",
    )
    return series(
        Head(
            title=say(Text("Events per minute", "每分钟事件数")),
            about=say(about),
            empty=say(NO_EVENTS),
            unit=PER_MINUTE,
            names={
                "impressions": say(Text("impressions", "曝光")),
                "clicks": say(Text("clicks", "点击")),
                "views": say(Text("views", "观看")),
                "interactions": say(Text("interactions", "互动")),
                "carts": say(Text("carts", "加购")),
            },
        ),
        over_time(EVENTS),
        stacked=True,
    )


_KINDS = {
    "impressions": "impressions",
    "clicks": "clicks",
    "views": "views",
    "interactions": "likes + saves + comments + danmaku + shares + follows + joins + creations",
    "carts": "carts",
}
_OF_MINUTES = ", ".join(f"sum({sql}) * 60 / $__interval_s AS {n}" for n, sql in _KINDS.items())
_OF_DAYS = ", ".join(f"sum({sql}) / 1440 AS {n}" for n, sql in _KINDS.items())
_ABOUT_KOLS = f"(kol_id = '~others' OR NOT startsWith(kol_id, '~')) AND {chosen('kol_id', 'kol')}"
EVENTS = f"""
    WITH {choices("kol")}
    SELECT time, impressions, clicks, views, interactions, carts
    FROM
    (
        SELECT $__timeInterval(minute) AS time, {_OF_MINUTES}
        FROM v_minute
        WHERE NOT {IS_LONG} AND $__timeFilter(minute) AND {_ABOUT_KOLS}
        GROUP BY time
        UNION ALL
        SELECT {DAY_AS_TIME} AS time, {_OF_DAYS}
        FROM v_cell_1d
        WHERE {IS_LONG} AND {DAYS} AND {_ABOUT_KOLS}
        GROUP BY day
    )
    ORDER BY time
"""


def orders(say: Say) -> AnyPanel:
    """Orders per minute beside those of the period compared with."""
    about = Text(
        "Orders per minute by the time of payment, from v_order; cancelled ones included, 0 where "
        "there are none. Exact: one row per order. Dashed: the period chosen under 'Compare with', "
        "moved here.",
        "按付款时间统计的每分钟订单数，来自 v_order，含已取消的订单，没有订单时为 0。"
        "精确值：每单一行。虚线：“对比”所选时段平移到此处。",
    )
    return series(
        Head(
            title=say(Text("Orders per minute", "每分钟订单数")),
            about=say(about),
            empty=say(NO_ORDERS),
            unit=PER_MINUTE,
            names={
                "orders": say(Text("orders", "订单")),
                "orders_before": say(Text("compared with", "对比时段")),
            },
        ),
        over_time(ORDERS),
        over_time(ORDERS_BEFORE, "B"),
        dashed=["orders_before"],
    )


def _per_minute(name: str, at: str, condition: str) -> str:
    """Orders per minute in each interval, also where there are none."""
    counted = f"""
        SELECT toDateTime($__timeInterval_ms({at})) AS time,
            count() * 60 / $__interval_s AS {name}
        FROM v_order
        WHERE {condition} AND {orders_chosen()}
        GROUP BY time
    """
    return f"""
        WITH {orders_given()}
        SELECT time, {name}
        FROM {without_gaps(counted, "time", [name], EACH_INTERVAL)}
        ORDER BY time
    """


ORDERS = _per_minute("orders", "ordered_at", "$__timeFilter_ms(ordered_at)")
ORDERS_BEFORE = _per_minute("orders_before", f"ordered_at + {SHIFT}", BEFORE)


# ---------------------------------------------------------------- what was earned


def credit_today(say: Say) -> AnyPanel:
    """What each KOL earned today, a column for each model."""
    about = Text(
        "What each model owes a KOL for orders of the business day in which the period ends, "
        "refunds not deducted, from v_order_kol. The ten of the KOLs chosen with most credit by "
        "the model chosen, and what nobody earned. Over all KOLs, not these alone, each column "
        "adds up to what was paid, to the cent. Who earned an order is a rule, no measurement.",
        "时段结束所在营业日的订单按各归因模型应归给 KOL 的金额，不扣退款，来自 v_order_kol。"
        "显示所选 KOL 中所选模型下金额最高的十个，以及自然流量；全部 KOL（不只所列）加自然流量时，"
        "每列合计等于实付金额，精确到分。订单归谁是规则，不是测量。",
    )
    amounts = {
        model: Column(title=say(text), unit=MONEY, decimals=2) for model, text in MODELS.items()
    }
    return listing(
        Head(
            title=say(
                Text(
                    "Credit today by model, refunds not deducted [$currency]",
                    "今日归因金额（各模型，未扣退款）[$currency]",
                )
            ),
            about=say(about),
            empty=say(NO_ORDERS),
            unit=MONEY,
            span=24,
            height=9,
        ),
        rows(CREDIT_TODAY % {"names": named(say(ORGANIC))}),
        {"name": Column(title="KOL", width=190), **amounts},
    )


_BY_MODEL = ", ".join(f"{money(f'sum(credit_{model})')} AS {model}" for model in MODELS)
CREDIT_TODAY = f"""
    WITH {orders_given("kol")}, %(names)s
    SELECT {name_of("c")} AS name, {", ".join(MODELS)}
    FROM
    (
        SELECT kol_id, sum(credit_${{model:raw}}) AS place, {_BY_MODEL}
        FROM v_order_kol
        WHERE {TODAY} AND {orders_chosen()}
            AND (kol_id = 'organic' OR {chosen("kol_id", "kol")})
        GROUP BY kol_id
        ORDER BY kol_id = 'organic' DESC, place DESC
        LIMIT 11
    ) AS c
    {names_of("c")}
    ORDER BY c.kol_id = 'organic', place DESC
"""


def organic(say: Say) -> AnyPanel:
    """Which part of sales no KOL had a hand in, over time."""
    about = Text(
        "The part of what was paid for orders before which no touch with a KOL counts, from "
        "v_order; the same by every model. Exact for what the shop sees; of few orders it jumps.",
        "没有任何有效 KOL 触点的订单占实付金额的比例，来自 v_order；对所有模型都相同。"
        "就店铺可见的数据而言是精确的；订单少时波动大。",
    )
    return series(
        Head(
            title=say(Text("Organic share per hour or day", "每小时或每天的自然流量占比")),
            about=say(about),
            empty=say(NO_ORDERS),
            unit=SHARE,
            decimals=0,
            low=0,
            high=1,
            names={"organic": say(ORGANIC)},
        ),
        over_time(ORGANIC_SHARE),
        bars=True,
    )


def _began(column: str) -> str:
    """The hour of a moment, of more than two days its business day."""
    return f"if({IS_LONG}, toStartOfDay({column}, '${{zone:raw}}'), toStartOfHour({column}))"


_MIDDLE = middle_of("toDate(began, '${zone:raw}')")
_AS_TIME = f"if({IS_LONG}, {_MIDDLE}, began)"
ORGANIC_SHARE = f"""
    WITH {orders_given()}
    SELECT {_AS_TIME} AS time, organic
    FROM
    (
        SELECT {_began("ordered_at")} AS began,
            sumIf(paid_cents, touches = 0) / nullIf(sum(paid_cents), 0) AS organic
        FROM v_order
        WHERE $__timeFilter_ms(ordered_at) AND {orders_chosen()}
        GROUP BY began
    )
    ORDER BY time
"""


def refunds(say: Say) -> AnyPanel:
    """What was given back, over time."""
    about = Text(
        "What was given back, by the refund's own date, whenever the order was, from v_refund, to "
        "the cent. Below 0: refunds that failed and were reversed.",
        "退款金额，按退款日统计，与下单时间无关，来自 v_refund，精确到分。负值：退款失败后被撤销。",
    )
    return series(
        Head(
            title=say(
                Text(
                    "Refunds per hour or day, by their own date [$currency]",
                    "每小时或每天的退款（按退款日）[$currency]",
                )
            ),
            about=say(about),
            empty=say(NO_REFUNDS),
            unit=MONEY,
            decimals=2,
            names={"given_back": say(Text("given back", "退款"))},
        ),
        over_time(REFUNDS),
        bars=True,
    )


REFUNDS = f"""
    WITH {orders_given()}
    SELECT {_AS_TIME} AS time, given_back
    FROM
    (
        SELECT {_began("refunded_at")} AS began, {money("sum(refunded_cents)")} AS given_back
        FROM v_refund
        WHERE {REFUNDED} AND {orders_chosen()}
        GROUP BY began
    )
    ORDER BY time
"""
