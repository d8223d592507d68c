"""The dashboard of one KOL: trust and what moved it, credit, audience, orders."""

from collections.abc import Mapping
from typing import Final

from grafana_foundation_sdk.models import dashboard as shapes

from deploy.grafana import variables
from deploy.grafana.assembly import assembled
from deploy.grafana.panels import (
    COUNT,
    MONEY,
    SCORE,
    SHARE,
    AnyPanel,
    Band,
    Column,
    Head,
    band,
    listing,
    numbers,
    series,
    words,
)
from deploy.grafana.queries import (
    DAY_AS_TIME,
    DAYS,
    EACH_DAY,
    IS_LONG,
    as_argument,
    credits_by_day,
    kept,
    money,
    one,
    orders_chosen,
    orders_given,
    over_time,
    rows,
    without_gaps,
)
from deploy.grafana.texts import (
    CREDITS_FROM,
    GATE,
    HIGH,
    INTERVAL,
    LEAST_N,
    LOW,
    MODELS,
    NO_EVENTS,
    NO_ORDERS,
    NO_SCORES,
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
from deploy.grafana.values import CHANNELS, FIELDS, TIERS

NAME = "kol"
ABOUT = Text(
    "One KOL: trust and resonance with intervals, what moved them, credit, audience, orders.",
    "单个 KOL：信任分与情感共鸣（附区间）、变化原因、归因金额、受众、订单。",
)
DIMENSIONS: Final = {
    "E": Text("expertise", "专业性"),
    "A": Text("authenticity", "真实性"),
    "I": Text("integrity", "诚信"),
    "B": Text("benevolence", "善意"),
    "O": Text("outcome", "效果"),
}
MOST_ORDERS: Final = 100
KOL: Final = f"kol_id = {one('kol')}"


def dashboard(say: Say) -> shapes.Dashboard:
    """The dashboard of one KOL in a language."""
    return assembled(
        NAME,
        say,
        ABOUT,
        [
            variables.brand(say),
            variables.one_kol(say),
            variables.channel(say),
            variables.platform(say),
            variables.model(say),
            variables.currency(say),
            variables.refunds(say),
        ],
        [
            profile(say),
            now(say),
            trust(say),
            resonance(say),
            evidence(say),
            dimensions(say),
            credit(say),
            users(say),
            depth(say),
            shares(say),
            orders(say),
        ],
    )


# ---------------------------------------------------------------- who it is, how it stands


def profile(say: Say) -> AnyPanel:
    """What the shop says of the KOL."""
    yes_no = in_words(YES_NO, say)
    return words(
        Head(
            title=say(Text("Profile", "档案")),
            about=say(
                Text(
                    "What the topic kol-profile says of the KOL, from v_kol: as the shop sent it, "
                    "not measured.",
                    "topic kol-profile 中该 KOL 的资料，来自 v_kol：由店铺提供，不是测量结果。",
                )
            ),
            empty=say(
                Text(
                    "No profile: send one to kol-profile, or choose another KOL.",
                    "没有档案：请向 kol-profile 发送资料，或选择其他 KOL。",
                )
            ),
            unit="string",
            span=12,
            height=4,
        ),
        rows(PROFILE),
        {
            "name": Column(title=say(Text("name", "名称"))),
            "tier": Column(title=say(Text("tier", "层级")), words=in_words(TIERS, say)),
            "vertical": Column(title=say(Text("field", "领域")), words=in_words(FIELDS, say)),
            "verified": Column(title=say(Text("verified", "已认证")), words=yes_no),
        },
    )


PROFILE = f"""
    SELECT
        if(display_name = '', kol_id, display_name) AS name,
        if(tier = '', '–', tier) AS tier,
        if(vertical = '', '–', vertical) AS vertical,
        multiIf(isNull(verified), '–', verified, 'yes', 'no') AS verified
    FROM v_kol
    WHERE {KOL}
    LIMIT 1
"""


def now(say: Say) -> AnyPanel:
    """The newest score of the period."""
    about = Text(
        "The newest score in the period, 0 to 1, with its 90 % interval, from v_score. n: "
        "independent judgements of users; last days: trust that forgets within days, a half in "
        f"three. {WHY_FIVE.en} {GATE.en}",
        "时段内最新的评分（0 到 1）及其 90% 区间，来自 v_score。n：用户的独立评价数；"
        "近日：三天半衰期的信任分，几天内就会忘记旧的评价。"
        f"{WHY_FIVE.zh}{GATE.zh}",
    )
    small = say(TOO_SMALL)
    is_node = {"1": say(YES_NO["yes"]), "0": say(YES_NO["no"])}
    return numbers(
        Head(
            title=say(Text("Newest score", "最新评分")),
            about=say(about),
            empty=say(NO_SCORES),
            unit=SCORE,
            span=12,
            height=4,
        ),
        rows(NOW),
        {
            "trust": Column(title=say(TRUST), decimals=2, empty=small),
            "low": Column(title=say(LOW), decimals=2),
            "high": Column(title=say(HIGH), decimals=2),
            "n": Column(title="n", decimals=0),
            "last_days": Column(title=say(Text("last days", "近日")), decimals=2),
            "node": Column(title=say(TRUST_NODE), words=is_node),
            "resonance": Column(title=say(RESONANCE), decimals=2),
        },
    )


_SCORES = "(trust, trust_lo, trust_hi, n_eff, fast, active, resonance)"
NOW = f"""
    SELECT
        if(newest.4 < {LEAST_N}, NULL, newest.1) AS trust,
        newest.2 AS low,
        newest.3 AS high,
        newest.4 AS n,
        if(newest.4 < {LEAST_N}, NULL, newest.5) AS last_days,
        toUInt8(newest.6) AS node,
        newest.7 AS resonance
    FROM
    (
        SELECT argMax({_SCORES}, minute) AS newest
        FROM v_score
        WHERE {KOL} AND $__timeFilter(minute)
        HAVING count() > 0
    )
"""


# ---------------------------------------------------------------- trust and resonance


def trust(say: Say) -> AnyPanel:
    """Trust over time within its interval."""
    about = Text(
        "Trust at the end of each minute or day, 0 to 1, within its 90 % interval, from v_score "
        f"(up to 2 days) or v_score_1d. {INTERVAL.en} A wide band means few judgements, or none of "
        "late: silence widens it day by day.",
        "每分钟或每天结束时的信任分（0 到 1）及其 90% 区间，来自 v_score（两天以内）或 v_score_1d。"
        f"{INTERVAL.zh}区间越宽，评价越少或越久远；没有新评价时，区间逐日变宽。",
    )
    head = _score_head(say, TRUST, about, "trust")
    return band(head, over_time(_scored("trust")), Band("trust", "trust_lo", "trust_hi"))


def resonance(say: Say) -> AnyPanel:
    """Resonance over time within its interval."""
    about = Text(
        "How deep users go with this KOL beside other KOLs, 0 to 1 (one half: as deep as most), "
        f"within its 90 % interval, from v_score (up to 2 days) or v_score_1d. {INTERVAL.en} "
        "Nothing is drawn while nothing speaks for any value.",
        "用户与该 KOL 互动的深度与其他 KOL 相比（0 到 1，0.5 表示与多数相当）及其 90% 区间，"
        f"来自 v_score（两天以内）或 v_score_1d。{INTERVAL.zh}没有任何依据时不画线。",
    )
    head = _score_head(say, RESONANCE, about, "resonance")
    columns = Band("resonance", "resonance_lo", "resonance_hi")
    return band(head, over_time(_scored("resonance")), columns, "purple")


def _score_head(say: Say, title: Text, about: Text, name: str) -> Head:
    return Head(
        title=say(title),
        about=say(about),
        empty=say(NO_SCORES),
        unit=SCORE,
        decimals=2,
        height=9,
        low=0,
        high=1,
        names={name: say(title), f"{name}_lo": say(LOW), f"{name}_hi": say(HIGH)},
    )


def _scored(name: str) -> str:
    columns = f"{name}, {name}_lo, {name}_hi"
    newest = ", ".join(
        f"argMax(s.{one_of}, s.minute) AS {one_of}" for one_of in columns.split(", ")
    )
    return f"""
        SELECT time, {columns}
        FROM
        (
            SELECT $__timeInterval(minute) AS time, {newest}
            FROM v_score AS s
            WHERE NOT {IS_LONG} AND {KOL} AND $__timeFilter(minute) AND isNotNull(s.{name})
            GROUP BY time
            UNION ALL
            SELECT {DAY_AS_TIME} AS time, {columns}
            FROM v_score_1d AS s
            WHERE {IS_LONG} AND {KOL} AND {DAYS} AND isNotNull(s.{name})
        )
        ORDER BY time
    """


def evidence(say: Say) -> AnyPanel:
    """What spoke for and against the KOL in each hour or day."""
    signs = {"for": "+", "against": "−"}
    about = Text(
        "What moved trust: credible evidence of each hour or day, for the KOL upwards, against "
        "downwards, by dimension, from v_cell_1h (up to 2 days) or v_cell_1d. 1 is the judgement "
        "of one fully credible user; sums are exact, what they weigh in trust fades with time.",
        "信任分变动的原因：每小时或每天的可信证据，支持向上、反对向下，按维度区分，"
        "来自 v_cell_1h（两天以内）或 v_cell_1d。1 表示一个完全可信用户的一次评价；"
        "总量是精确的，在信任分中的分量随时间衰减。",
    )
    return series(
        Head(
            title=say(Text("Evidence for and against", "支持与反对的证据")),
            about=say(about),
            empty=say(NO_EVENTS),
            unit="short",
            span=24,
            height=9,
            names={
                f"{side}_{letter}": f"{say(name)} {sign}"
                for side, sign in signs.items()
                for letter, name in DIMENSIONS.items()
            },
        ),
        over_time(EVIDENCE),
        bars=True,
        stacked=True,
    )


_SIDES = [
    *((f"for_{letter}", f"c.for_{letter}") for letter in DIMENSIONS),
    *((f"against_{letter}", f"-c.against_{letter}") for letter in DIMENSIONS),
]
_EVIDENCE = ", ".join(f"{sql} / 1000000 AS {name}" for name, sql in _SIDES)
EVIDENCE = f"""
    SELECT time, {", ".join(name for name, _ in _SIDES)}
    FROM
    (
        SELECT hour AS time, {_EVIDENCE}
        FROM v_cell_1h AS c
        WHERE NOT {IS_LONG} AND {KOL} AND $__timeFilter(hour)
        UNION ALL
        SELECT {DAY_AS_TIME} AS time, {_EVIDENCE}
        FROM v_cell_1d AS c
        WHERE {IS_LONG} AND {KOL} AND {DAYS}
    )
    ORDER BY time
"""


def dimensions(say: Say) -> AnyPanel:
    """The five parts of trust."""
    about = Text(
        "Trust in each of the five dimensions that has a source here, 0 to 1, from v_score; "
        "together they make trust: they multiply, so a weak one cannot be bought back. Of the "
        "others no event says anything yet: they are not drawn and not in the score "
        "(v_score.missing).",
        "五个维度中有数据来源的各维度信任分（0 到 1），来自 v_score；它们相乘得到信任分，"
        "因此弱项无法用强项弥补。其余维度暂无任何数据，不画线，也不计入信任分（v_score.missing）。",
    )
    return series(
        Head(
            title=say(Text("Five dimensions of trust", "信任的五个维度")),
            about=say(about),
            empty=say(NO_SCORES),
            unit=SCORE,
            decimals=2,
            low=0,
            high=1,
            names={f"trust_{letter}": say(name) for letter, name in DIMENSIONS.items()},
        ),
        over_time(PARTS),
    )


_PARTS = [f"trust_{letter}" for letter in DIMENSIONS]
PARTS = f"""
    SELECT $__timeInterval(minute) AS time,
        {", ".join(f"argMax({part}, minute) AS {part}" for part in _PARTS)}
    FROM v_score
    WHERE {KOL} AND $__timeFilter(minute)
    GROUP BY time
    ORDER BY time
"""


# ---------------------------------------------------------------- credit


def credit(say: Say) -> AnyPanel:
    """What each model owes the KOL, by day."""
    about = Text(
        "What each model owes the KOL for orders of a business day, "
        f"{CREDITS_FROM.en}, refunds as chosen above, each in the day of its order; 0 on days "
        "without any. To the cent; which model is right is a rule, no measurement. Filtered by "
        "brand, channel and platform.",
        f"各归因模型按营业日应归给该 KOL 的金额，{CREDITS_FROM.zh}；"
        "是否扣退款由上方选择，退款计入其订单的日期；没有归因的日子为 0。精确到分；"
        "用哪个模型是规则，不是测量。按品牌、渠道、平台筛选。",
    )
    return series(
        Head(
            title=say(
                Text("Credit per day by model [$currency]", "每日归因金额（各模型）[$currency]")
            ),
            about=say(about),
            empty=say(NO_ORDERS),
            unit=MONEY,
            decimals=2,
            names={name: say(text) for name, text in MODELS.items()},
        ),
        over_time(CREDIT),
    )


_MODELS = ", ".join(f"{money(kept(model))} AS {model}" for model in MODELS)
_CREDITED = f"""
    SELECT day, {_MODELS}
    FROM {credits_by_day(KOL, {model: model for model in MODELS})}
"""
CREDIT = f"""
    WITH {orders_given()}
    SELECT {DAY_AS_TIME} AS time, {", ".join(MODELS)}
    FROM {without_gaps(_CREDITED, "day", MODELS, EACH_DAY)}
    ORDER BY time
"""


def orders(say: Say) -> AnyPanel:
    """The newest orders that the model credits to the KOL."""
    about = Text(
        f"The {MOST_ORDERS} newest orders of the period that the model chosen credits to the KOL "
        "at least in part, from v_order_kol, to the cent. What was given back is the part of "
        "the credit alone. Why, with every touch and model: run the command of the last column.",
        f"时段内所选模型至少部分归给该 KOL 的最新 {MOST_ORDERS} 个订单，来自 v_order_kol，"
        "精确到分。"
        "“其中退款”只是归因金额中的退款部分。"
        "想知道原因（全部触点与各模型），请运行最后一列的命令。",
    )
    return listing(
        Head(
            title=say(
                Text(
                    "Newest orders by ${model:text} [$currency]",
                    "最新订单（${model:text}）[$currency]",
                )
            ),
            about=say(about),
            empty=say(NO_ORDERS),
            unit=MONEY,
            span=24,
            height=10,
        ),
        rows(ORDERS),
        {
            "ordered_at": Column(
                title=say(Text("Ordered", "付款时间")), unit="dateTimeAsIso", width=160
            ),
            "order_id": Column(title=say(Text("Order", "订单号")), unit="string", width=160),
            "brand": Column(title=say(Text("Brand", "品牌")), unit="string", width=120),
            "channel": Column(
                title=say(Text("Channel", "渠道")),
                unit="string",
                width=120,
                words=in_words(CHANNELS, say),
            ),
            "paid": Column(title=say(Text("Paid", "实付")), decimals=2, width=90),
            "credit": Column(title=say(Text("Credit", "归因金额")), decimals=2, width=90),
            "share": Column(title=say(Text("Share", "份额")), unit=SHARE, decimals=0, width=70),
            "refunded": Column(
                title=say(Text("Of it given back", "其中退款")), decimals=2, width=140
            ),
            "explain": Column(title=say(Text("Why", "查看原因")), unit="string", wraps=True),
        },
    )


_EXPLAIN = (  # nothing where a terminal or `kol` would read more in the id than an id
    "if(match(order_id, '^-|\\\\p{Cc}'), '–',"
    f" concat('kol explain order ', {as_argument('order_id')}))"
)
_OF_MODEL = f"orders_${{model:raw}} > 0 AND $__timeFilter_ms(ordered_at) AND {orders_chosen()}"
_NEWEST = f"""(
            SELECT fromUnixTimestamp64Milli(-arrayJoin(
                groupArraySorted({MOST_ORDERS})(-toUnixTimestamp64Milli(ordered_at))
            ))
            FROM v_order_kol
            WHERE {_OF_MODEL} AND {KOL}
        )"""  # found by few columns, read at once: in order of time the engine reads far slower
ORDERS = f"""
    WITH {orders_given()}
    SELECT ordered_at, order_id, brand_id AS brand, channel, {money("paid_cents")} AS paid,
        {money("credited")} AS credit, credited / nullIf(paid_cents, 0) AS share,
        {money("returned")} AS refunded, {_EXPLAIN} AS explain
    FROM
    (
        SELECT ordered_at, order_id, user_hash, brand_id, channel,
            sum(credit_${{model:raw}}) AS paid_cents,
            sumIf(credit_${{model:raw}}, {KOL}) AS credited,
            sumIf(refunded_${{model:raw}}, {KOL}) AS returned
        FROM v_order_kol
        WHERE {_OF_MODEL} AND ordered_at IN {_NEWEST}
        GROUP BY ordered_at, order_id, user_hash, brand_id, channel
        HAVING countIf({KOL}) > 0
        ORDER BY ordered_at DESC
        LIMIT {MOST_ORDERS}
    )
    ORDER BY ordered_at DESC
"""


# ---------------------------------------------------------------- audience


def users(say: Say) -> AnyPanel:
    """How many people met the KOL."""
    about = Text(
        "Distinct users of each hour (v_cell_1h, up to 2 days), exact; users of two hours do not "
        "add up to those of both. Of each business day (v_cell_1d): users counted once a UTC day, "
        "in the business day of their first event in it. A business day has parts of two UTC "
        "days, and counts who came first in both twice.",
        "每小时的不同用户数（v_cell_1h，两天以内），精确值；不同小时的用户数不能相加。更长时段按"
        "营业日（v_cell_1d）：每个用户每个 UTC 日计一次，计入其当日首个事件所在的营业日。"
        "一个营业日跨两个 UTC 日，两个首个事件都在其中的用户计两次。",
    )
    return series(
        Head(
            title=say(Text("Users per hour or day", "每小时或每天用户数")),
            about=say(about),
            empty=say(NO_EVENTS),
            span=8,
            unit=COUNT,
            decimals=0,
            names={"users": say(Text("users", "用户"))},
        ),
        over_time(USERS),
        bars=True,
    )


USERS = f"""
    SELECT time, users
    FROM
    (
        SELECT hour AS time, users_hour AS users
        FROM v_cell_1h
        WHERE NOT {IS_LONG} AND {KOL} AND $__timeFilter(hour)
        UNION ALL
        SELECT {DAY_AS_TIME} AS time, users_day AS users
        FROM v_cell_1d
        WHERE {IS_LONG} AND {KOL} AND {DAYS}
    )
    ORDER BY time
"""


def depth(say: Say) -> AnyPanel:
    """How deep credible users go."""
    about = Text(
        "Mean depth of a user-day, ln(1 + weight of what the user did), weighted by credibility, "
        "with its 90 % interval by the effective number of user-days: of the UTC day so far at "
        "the end of each hour (v_cell_1h, up to 2 days), or of each business day (v_cell_1d). A "
        "view is about 0.4, a view and a save 1.5.",
        "用户日的平均互动深度，ln(1 + 行为权重)，按可信度加权；90% 区间按有效用户日数计算："
        "每小时的值是该 UTC 日截至该小时的累计（v_cell_1h，两天以内），更长时段按营业日"
        "（v_cell_1d）。一次观看约 0.4，观看加收藏约 1.5。",
    )
    mean = "credible_depth / nullIf(credible_days, 0)"
    spread = (
        "1.645 * sqrt(greatest(0, credible_depth_square / nullIf(credible_days, 0)"
        " - pow(credible_depth / nullIf(credible_days, 0), 2))"
        " * credible_days_square / nullIf(pow(credible_days, 2), 0))"
    )
    sql = _of_days({"depth": mean, "low": f"{mean} - {spread}", "high": f"{mean} + {spread}"})
    return band(
        Head(
            title=say(Text("Depth of engagement", "互动深度")),
            about=say(about),
            empty=say(NO_EVENTS),
            span=8,
            unit="none",
            decimals=2,
            names={
                "depth": say(Text("depth", "深度")),
                "low": say(LOW),
                "high": say(HIGH),
            },
        ),
        over_time(sql),
        Band("depth", "low", "high"),
        "green",
    )


def shares(say: Say) -> AnyPanel:
    """Where the audience comes from and how old its accounts are."""
    about = Text(
        "Parts of the users who came by a share of one hop (near) or of more (far), and, of those "
        "who say their account's age, with one below 7 days: of the UTC day so far at the end of "
        "each hour (v_cell_1h, up to 2 days), or of each business day (v_cell_1d). Exact parts of "
        "users, each counted once a UTC day; of few users they jump.",
        "通过一跳分享（近）或多跳分享（远）到来的用户占比，以及在注明账号年龄的用户中账号不足 7 "
        "天的占比：每小时的值是该 UTC 日截至该小时的累计（v_cell_1h，两天以内），更长时段按营业日"
        "（v_cell_1d）。占比精确，每个用户每个 UTC 日计一次；用户少时波动大。",
    )
    parts = {
        "near": "users_near / nullIf(users_day, 0)",
        "far": "users_far / nullIf(users_day, 0)",
        "young": "young_days / nullIf(aged_days, 0)",
    }
    return series(
        Head(
            title=say(Text("Audience: near, far, young", "受众：近、远、新账号")),
            about=say(about),
            empty=say(NO_EVENTS),
            span=8,
            unit=SHARE,
            decimals=0,
            low=0,
            names={
                "near": say(Text("near shares", "近分享")),
                "far": say(Text("far shares", "远分享")),
                "young": say(Text("accounts below 7 days", "不足 7 天的账号")),
            },
        ),
        over_time(_of_days(parts)),
    )


_ONCE_A_DAY: Final = (  # counted in the hour of a user's first of its kind in the UTC day
    *("credible_days", "credible_days_square", "credible_depth", "credible_depth_square"),
    *("users_day", "users_near", "users_far", "aged_days", "young_days"),
)
_SO_FAR = ", ".join(f"sum(c.{name}) OVER of_day AS {name}" for name in _ONCE_A_DAY)


def _of_days(columns: Mapping[str, str]) -> str:
    """Values of the UTC day up to each hour, of more than two days of each business day.

    Who comes back counts as no second user on a UTC day, but what is done then adds to depth:
    within one hour the two are not about the same users.
    """
    asked = ", ".join(f"{sql} AS {name}" for name, sql in columns.items())
    return f"""
        SELECT time, {", ".join(columns)}
        FROM
        (
            SELECT hour AS time, {asked}
            FROM
            (
                SELECT hour, {_SO_FAR}
                FROM v_cell_1h AS c
                WHERE NOT {IS_LONG} AND {KOL} AND hour <= $__toTime
                    AND hour >= toStartOfDay($__fromTime, 'UTC')
                WINDOW of_day AS (PARTITION BY toDate(hour, 'UTC') ORDER BY hour)
            )
            WHERE $__timeFilter(hour)
            UNION ALL
            SELECT {DAY_AS_TIME} AS time, {asked}
            FROM v_cell_1d
            WHERE {IS_LONG} AND {KOL} AND {DAYS}
        )
        ORDER BY time
    """
