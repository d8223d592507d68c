"""The dashboard of money: models side by side, what nobody earned, refunds, channels."""

from typing import Final

from grafana_foundation_sdk.models import dashboard as shapes

from deploy.grafana import variables
from deploy.grafana.assembly import assembled, to_kol
from deploy.grafana.panels import (
    COUNT,
    MONEY,
    SHARE,
    AnyPanel,
    Column,
    Head,
    listing,
    note,
    series,
)
from deploy.grafana.queries import (
    DAY_AS_TIME,
    DAY_OF_ORDER,
    EACH_DAY,
    OF_REFUNDS,
    WHOLE_DAYS,
    chosen,
    credits_by_day,
    kept,
    literal,
    money,
    name_of,
    named,
    names_of,
    orders_chosen,
    orders_given,
    over_time,
    rows,
    translated,
    whole_days,
    without_gaps,
)
from deploy.grafana.texts import (
    CREDITS_FROM,
    MODELS,
    NO_ORDERS,
    NO_REFUNDS,
    ORGANIC,
    Say,
    Text,
    in_words,
)
from deploy.grafana.values import CHANNELS

NAME = "attribution"
ABOUT = Text(
    "What each model owes whom, what nobody earned, what was given back, and by which channels.",
    "各归因模型把多少钱归给谁、多少是自然流量、退了多少、来自哪些渠道。",
)
MOST_SERIES: Final = 10  # KOLs that are told apart in a picture
MOST_ROWS: Final = 2_000  # of a table
OTHERS: Final = Text("others", "其他")
RULE: Final = Text(
    "To the cent. Who earned an order is a rule that was agreed on, no measurement: hence no "
    "interval, and models side by side.",
    "精确到分。订单归谁是约定的规则，不是测量，因此没有区间，而是把各模型并列。",
)


def dashboard(say: Say) -> shapes.Dashboard:
    """Attribution and channels in a language."""
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
            variables.beside(say),
            variables.refunds(say),
            variables.currency(say),
        ],
        [
            by_day(say, "model"),
            by_day(say, "beside"),
            days(say),
            models(say),
            organic(say),
            refunds(say),
            channels(say),
            channel_shares(say),
            reading(say),
        ],
        since="now-28d",
    )


# ---------------------------------------------------------------- credit by KOL and day


def by_day(say: Say, variable: str) -> AnyPanel:
    """Credit by KOL and day, by the model of a variable."""
    about = Text(
        f"Credit by KOL and business day of the order, {CREDITS_FROM.en}, refunds as chosen above, "
        f"each in the day of its order: the {MOST_SERIES} KOLs of most credit, the rest together, "
        f"without what nobody earned. {RULE.en}",
        f"按 KOL 和订单所在营业日的归因金额，{CREDITS_FROM.zh}；"
        f"是否扣退款由上方选择，退款计入其订单的日期。显示金额最高的 {MOST_SERIES} 个 KOL，"
        f"其余合并；不含自然流量。{RULE.zh}",
    )
    model = f"${{{variable}:text}}"
    return series(
        Head(
            title=say(
                Text(
                    f"Credit by KOL per day: {model}, refunds ${{refunds:text}} [$currency]",
                    f"每日各 KOL 归因金额：{model}，${{refunds:text}} [$currency]",
                )
            ),
            about=say(about),
            empty=say(NO_ORDERS),
            unit=MONEY,
            decimals=2,
            height=10,
        ),
        over_time(_by_day(say, variable)),
        by="name",
        bars=True,
        stacked=True,
    )


def _by_day(say: Say, variable: str) -> str:
    earned = f"kol_id != 'organic' AND {_KOLS}"
    return f"""
        WITH {orders_given("kol")}, {named(say(ORGANIC))}
        SELECT {DAY_AS_TIME} AS time, name, {money("sum(cents)")} AS credit
        FROM
        (
            SELECT day, cents, place,
                if(place > {MOST_SERIES}, {literal(say(OTHERS))}, {name_of("k")}) AS name
            FROM
            (
                SELECT day, kol_id, cents,
                    dense_rank() OVER (ORDER BY total DESC, kol_id) AS place
                FROM
                (
                    SELECT day, kol_id, cents,
                        {money("sum(cents) OVER (PARTITION BY kol_id)")} AS total
                    FROM
                    (
                        SELECT day, kol_id, {kept("shown")} AS cents
                        FROM {credits_by_day(earned, {"shown": f"${{{variable}:raw}}"})}
                    )
                )
            ) AS k
            {names_of("k")}
        )
        GROUP BY day, name
        ORDER BY time, min(place)
    """


_KOLS: Final = chosen("kol_id", "kol")
_OR_ORGANIC: Final = f"(kol_id = 'organic' OR {_KOLS})"


def days(say: Say) -> AnyPanel:
    """The same as a table: two models beside each other."""
    about = Text(
        "Credit by business day of the order and KOL, two models beside each other, "
        f"{CREDITS_FROM.en}, refunds as chosen above; what nobody earned included. {RULE.en} "
        "Orders: those of which the first model owes the KOL a part; one of two KOLs counts for "
        f"both. The {MOST_ROWS} newest rows; the SQL as it was sent, in a file, gives them again: "
        "kol sql - < query.sql.",
        f"按订单所在营业日和 KOL 的归因金额，两个模型并列，{CREDITS_FROM.zh}；"
        f"是否扣退款由上方选择；含自然流量。{RULE.zh}订单：第一个模型至少部分归给"
        f"该 KOL 的订单数，归给两个 KOL 的订单在两边各计一次。显示最新的 {MOST_ROWS} 行；"
        "实际发送的 SQL 存成文件后可得到相同的行：kol sql - < query.sql。",
    )
    return listing(
        Head(
            title=say(
                Text(
                    "Credit by KOL and day: ${model:text} beside ${beside:text}, refunds "
                    "${refunds:text} [$currency]",
                    "每日各 KOL 归因金额：${model:text} 对比 ${beside:text}，${refunds:text} "
                    "[$currency]",
                )
            ),
            about=say(about),
            empty=say(NO_ORDERS),
            unit=MONEY,
            decimals=2,
            span=24,
            height=10,
        ),
        rows(_days(say)),
        {
            "day": Column(title=say(Text("Day", "日期")), unit="string", width=120),
            "kol": Column(title="KOL", unit="string"),
            "orders": Column(title=say(Text("Orders", "订单")), unit=COUNT, decimals=0, width=100),
            "credit": Column(title="${model:text}", decimals=2, width=200),
            "beside": Column(title="${beside:text} ", decimals=2, width=200),
            "difference": Column(title=say(Text("Difference", "差额")), decimals=2, width=150),
        },
    )


def _days(say: Say) -> str:
    shown = {"shown": "${model:raw}", "beside": "${beside:raw}"}
    return f"""
        WITH {orders_given("kol")}, {named(say(ORGANIC))}
        SELECT toString(c.day) AS day, {name_of("c")} AS kol, orders,
            {money("cents")} AS credit, {money("cents_beside")} AS beside,
            {money("cents - cents_beside")} AS difference
        FROM
        (
            SELECT day, kol_id, shown_orders AS orders, {kept("shown")} AS cents,
                {kept("beside")} AS cents_beside
            FROM {credits_by_day(_OR_ORGANIC, shown)}
            ORDER BY day DESC, cents DESC
            LIMIT {MOST_ROWS}
        ) AS c
        {names_of("c")}
        ORDER BY c.day DESC, cents DESC, kol
    """


# ---------------------------------------------------------------- models


def models(say: Say) -> AnyPanel:
    """Every model beside the others, by KOL."""
    about = Text(
        "What each model owes each KOL for orders of the business days of the period, refunds as "
        f"chosen above, {CREDITS_FROM.en}; what nobody earned comes first. {RULE.en} "
        "A KOL who is high by 'first' and low by 'last' opens ways that others close.",
        "各归因模型对时段内各营业日订单应归给各 KOL 的金额，是否扣退款由上方选择，"
        f"{CREDITS_FROM.zh}；自然流量排在最前。"
        f"{RULE.zh}“首次触点”高而“末次触点”低的 KOL 擅长种草，由别人收割。",
    )
    amounts = {
        model: Column(title=say(text), decimals=2, width=150) for model, text in MODELS.items()
    }
    return listing(
        Head(
            title=say(Text("Models side by side [$currency]", "各归因模型并列 [$currency]")),
            about=say(about),
            empty=say(NO_ORDERS),
            unit=MONEY,
            decimals=2,
            span=24,
            height=10,
        ),
        rows(_models(say)),
        {
            "kol_id": Column(title="kol_id", hidden=True),
            "kol": Column(title="KOL", unit="string", link=to_kol(say, "refunds")),
            **amounts,
        },
    )


def _models(say: Say) -> str:
    amounts = ", ".join(f"{money(kept(model))} AS {model}" for model in MODELS)
    asked = {**{model: model for model in MODELS}, "place": "${model:raw}"}
    return f"""
        WITH {orders_given("kol")}, {named(say(ORGANIC))}
        SELECT c.kol_id AS kol_id, {name_of("c")} AS kol, {", ".join(MODELS)}
        FROM
        (
            SELECT kol_id, {kept("place")} AS place, {amounts}
            FROM {credits_by_day(_OR_ORGANIC, asked, days=False)}
            ORDER BY kol_id = 'organic' DESC, place DESC
            LIMIT 500
        ) AS c
        {names_of("c")}
        ORDER BY c.kol_id = 'organic' DESC, place DESC
    """


def organic(say: Say) -> AnyPanel:
    """Which part of sales no KOL had a hand in."""
    about = Text(
        "The part of what was paid, by business day of the order, for orders before which no touch "
        "with a KOL counts, from v_order; the same by every model. An exact part of what is known: "
        "touches outside the shop and its platforms are not seen, so truth is at most this.",
        "按订单所在营业日，没有任何有效 KOL 触点的订单占实付金额的比例，来自 v_order；"
        "对所有模型都相同。就已知数据而言是精确的：看不到店铺和平台之外的触点，"
        "因此真实值不高于此。",
    )
    return series(
        Head(
            title=say(Text("Organic share of what was paid", "自然流量占实付金额的比例")),
            about=say(about),
            empty=say(NO_ORDERS),
            unit=SHARE,
            decimals=1,
            low=0,
            high=1,
            names={"organic": say(ORGANIC)},
        ),
        over_time(ORGANIC_SHARE),
        bars=True,
    )


ORGANIC_SHARE = f"""
    WITH {orders_given()}
    SELECT {DAY_AS_TIME} AS time, organic
    FROM
    (
        SELECT {DAY_OF_ORDER} AS day,
            sumIf(paid_cents, touches = 0) / nullIf(sum(paid_cents), 0) AS organic
        FROM v_order
        WHERE {WHOLE_DAYS} AND {orders_chosen()}
        GROUP BY day
    )
    ORDER BY time
"""


# ---------------------------------------------------------------- refunds


def refunds(say: Say) -> AnyPanel:
    """What was given back, by both dates."""
    about = Text(
        "What was given back, by the business day of the refund and by that of its order, from "
        "v_refund, to the cent; 0 on days without any. Newest days by order still rise: refunds "
        "count for 180 days. The two never add up to each other within a period.",
        "退款金额，分别按退款日和订单日统计（营业日），来自 v_refund，精确到分；"
        "没有退款的日子为 0。按订单日统计的最近几天还会上升：退款在 180 天内有效。"
        "同一时段内两者的合计不必相等。",
    )
    return series(
        Head(
            title=say(Text("Given back by both dates [$currency]", "退款（两种日期）[$currency]")),
            about=say(about),
            empty=say(NO_REFUNDS),
            unit=MONEY,
            decimals=2,
            names={
                "by_refund": say(Text("by day of the refund", "按退款日")),
                "by_order": say(Text("by day of the order", "按订单日")),
            },
        ),
        over_time(REFUNDS),
    )


_REFUNDED = f"""
    SELECT day, {money("sum(own)")} AS by_refund, {money("sum(of_order)")} AS by_order
    FROM
    (
        SELECT toDate(refunded_at, '${{zone:raw}}') AS day, refunded_cents AS own, 0 AS of_order
        FROM v_refund
        WHERE {whole_days("refunded_at")} AND {OF_REFUNDS} AND {orders_chosen()}
        UNION ALL
        SELECT {DAY_OF_ORDER} AS day, 0 AS own, refunded_cents AS of_order
        FROM v_order
        WHERE {WHOLE_DAYS} AND refunded_cents != 0 AND {orders_chosen()}
    )
    GROUP BY day
"""
REFUNDS = f"""
    WITH {orders_given()}
    SELECT {DAY_AS_TIME} AS time, by_refund, by_order
    FROM {without_gaps(_REFUNDED, "day", ["by_refund", "by_order"], EACH_DAY)}
    ORDER BY time
"""


# ---------------------------------------------------------------- channels

TABLE_2: Final = {  # channel -> share of sales, growth on the year, share of buyers: 2023
    "shelf": (0.58, 0.062, 0.89),
    "social": (0.25, 0.415, 0.73),
    "live": (0.12, 0.673, 0.68),
    "private": (0.05, 0.850, 0.52),
}


USER: Final = "reinterpretAsUInt128(sipHash128(user_hash))"  # numbers are counted faster than texts


def channels(say: Say) -> AnyPanel:
    """Channels live beside Table 2 of the paper."""
    about = Text(
        "Live: orders, what was paid, its share, growth on the same period a year before and the "
        "share of buyers of the period who bought there, from v_order; exact counts of this shop. "
        "Reference: Table 2 of the paper, the market of 2023; other years and shops differ, and "
        "its growth rates do not add up to its market growth: compare row by row.",
        "实时：订单数、实付金额及占比、与去年同期相比的增长、时段内在该渠道购买的买家占比，来自 "
        "v_order，本店精确计数。参考值：论文表 2，2023 年全市场；年份和店铺不同，"
        "且表中增长率与市场总增长不一致，请逐行对比。",
    )
    paper = say(Text("paper, 2023", "论文 2023"))
    titles = {
        "share": Text("Share", "占比"),
        "growth": Text("Growth", "同比增长"),
        "buyers": Text("Buyers", "买家渗透率"),
    }
    columns = {
        "channel": Column(title=say(Text("Channel", "渠道")), unit="string"),
        "orders": Column(title=say(Text("Orders", "订单")), unit=COUNT, decimals=0, width=80),
        "paid": Column(title=say(Text("Paid", "实付")), unit=MONEY, decimals=2, width=120),
    }
    for name, text in titles.items():
        columns[name] = Column(title=say(text), unit=SHARE, decimals=1, width=95)
        columns[f"{name}_2023"] = Column(
            title=f"{say(text)} ({paper})", unit=SHARE, decimals=1, width=185
        )
    return listing(
        Head(
            title=say(
                Text(
                    "Channels beside Table 2 of the paper [$currency]",
                    "渠道与论文表 2 对照 [$currency]",
                )
            ),
            about=say(about),
            empty=say(NO_ORDERS),
            unit=SHARE,
            span=24,
            height=8,
        ),
        rows(_channels(say)),
        columns,
    )


def _channels(say: Say) -> str:
    words = in_words(CHANNELS, say)
    paper = ", ".join(f"('{name}', {a}, {b}, {c})" for name, (a, b, c) in TABLE_2.items())
    year = "INTERVAL 365 DAY"
    return f"""
        WITH {orders_given()}
        SELECT if(live.at = '', '–', {translated("live.at", words)}) AS channel,
            live.orders AS orders, {money("live.cents")} AS paid,
            live.cents / nullIf(sum(live.cents) OVER (), 0) AS share,
            nullIf(paper.share, 0) AS share_2023,
            live.cents / nullIf(live.cents_before, 0) - 1 AS growth,
            if(paper.share = 0, NULL, paper.growth) AS growth_2023,
            live.buyers / nullIf(live.everybody, 0) AS buyers,
            nullIf(paper.buyers, 0) AS buyers_2023
        FROM
        (
            SELECT at, orders, cents, cents_before, finalizeAggregation(users) AS buyers,
                uniqExactIfMerge(users) OVER () AS everybody
            FROM
            (
                SELECT at, sum(is_now) AS orders, sumIf(one_cents, is_now) AS cents,
                    sumIf(one_cents, NOT is_now) AS cents_before,
                    uniqExactIfState(user, is_now) AS users
                FROM
                (
                    SELECT channel AS at, paid_cents AS one_cents, {USER} AS user,
                        ($__timeFilter_ms(ordered_at)) AS is_now
                    FROM v_order
                    WHERE {orders_chosen()} AND ($__timeFilter_ms(ordered_at)
                        OR (ordered_at >= $__fromTime_ms - {year}
                        AND ordered_at <= $__toTime_ms - {year}))
                    UNION ALL
                    SELECT arrayJoin([{", ".join(map(literal, TABLE_2))}]) AS at, 0, 0, 0
                )
                GROUP BY at
            )
        ) AS live
        LEFT JOIN
        (
            SELECT row.1 AS at, row.2 AS share, row.3 AS growth, row.4 AS buyers
            FROM (SELECT arrayJoin([{paper}]) AS row)
        ) AS paper ON paper.at = live.at
        WHERE live.everybody > 0
        ORDER BY live.cents DESC, paper.share DESC
    """


def channel_shares(say: Say) -> AnyPanel:
    """Which part of sales each channel has, by day."""
    about = Text(
        "The part of what was paid that each channel has, by business day of the order, from "
        "v_order: exact. Orders whose channel is unknown stand under '–'.",
        "各渠道占实付金额的比例，按订单所在营业日，来自 v_order，精确值。渠道未知的订单归入“–”。",
    )
    words = in_words(CHANNELS, say)
    return series(
        Head(
            title=say(Text("Share of channels per day", "每日渠道占比")),
            about=say(about),
            empty=say(NO_ORDERS),
            unit=SHARE,
            decimals=1,
            low=0,
            high=1,
            span=16,
        ),
        over_time(f"""
            WITH {orders_given()}
            SELECT {DAY_AS_TIME} AS time,
                if(channel = '', '–', {translated("channel", words)}) AS name,
                cents / sum(cents) OVER (PARTITION BY day) AS share
            FROM
            (
                SELECT {DAY_OF_ORDER} AS day, channel, sum(paid_cents) AS cents
                FROM v_order
                WHERE {WHOLE_DAYS} AND {orders_chosen()}
                GROUP BY day, channel
                HAVING cents > 0
            )
            ORDER BY time, name
        """),
        by="name",
        bars=True,
        stacked=True,
    )


def reading(say: Say) -> AnyPanel:
    """How to read the numbers of this dashboard."""
    content = Text(
        "* **Business days** of Asia/Shanghai, each whole, drawn in the middle of what the period "
        "shows of it; amounts in one currency.\n"
        "* **Net**: refunds are deducted in the day of their order.\n"
        "* **Same rows elsewhere**: *Inspect → Query* shows the SQL as it was sent. Saved to a "
        "file, `kol sql - < query.sql` gives the same rows; within quotes a shell changes it.\n"
        "* **One order**: `kol explain order ID` shows touches and every model.",
        "* **营业日**按 Asia/Shanghai，按整日计，画在时段内该日的正中；金额只用一种币种。\n"
        "* **净额**：退款在其订单当天扣除。\n"
        "* **核对**：*Inspect → Query* 显示实际发送的 SQL；存成文件后，`kol sql - < query.sql` "
        "得到相同的行；放进引号会被 shell 改动。\n"
        "* **单个订单**：`kol explain order ID` 显示触点和各模型。",
    )
    return note(say(Text("How to read this", "阅读说明")), say(content), span=8, height=8)
