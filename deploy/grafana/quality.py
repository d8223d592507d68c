"""The dashboard of data quality: what became of messages, what was refused, what looks odd."""

from typing import Final

from grafana_foundation_sdk.models import dashboard as shapes

from deploy.grafana import variables
from deploy.grafana.assembly import assembled
from deploy.grafana.outcomes import COUNTERS, DOORS, EVERY, REASONS
from deploy.grafana.panels import (
    COUNT,
    MONEY,
    SHARE,
    AnyPanel,
    Column,
    Head,
    bars,
    listing,
    numbers,
    series,
)
from deploy.grafana.queries import (
    WHOLE_DAYS,
    currency_given,
    literal,
    money,
    over_time,
    rows,
    translated,
)
from deploy.grafana.texts import Say, Text, in_words
from deploy.grafana.values import LETTERS, TARGETS
from schemas.placeholders import PLACEHOLDER_IDS, folded

NAME = "quality"
ABOUT = Text(
    "What became of every message, what was refused and why, what came late, what looks odd.",
    "每条消息的去向、拒收及原因、迟到，以及可疑之处。",
)
NONE_READ: Final = Text(
    "Nothing was read yet: is anything sent, is a worker running (kol status)?",
    "还没有读到任何消息：是否有数据发来，worker 是否在运行（kol status）？",
)
NONE_REFUSED: Final = Text(
    "Nothing was refused: nothing to do.",
    "没有被拒收的消息：无需处理。",
)
SINCE_BEGIN: Final = Text(
    "Exact totals since the topics' beginning, whatever the period above.",
    "自 topic 开始以来的精确总数，与上方时段无关。",
)


def dashboard(say: Say) -> shapes.Dashboard:
    """Data quality in a language."""
    return assembled(
        NAME,
        say,
        ABOUT,
        [variables.currency(say)],
        [
            health(say),
            doors(say),
            reasons(say),
            letters_by_reason(say),
            newest_letters(say),
            late(say),
            nobody(say),
            counters(say),
            twins(say),
        ],
    )


# ---------------------------------------------------------------- doors


def health(say: Say) -> AnyPanel:
    """How much of what was read counts."""
    about = Text(
        "Of all messages read from the three input topics: the parts that were written, dropped "
        "as duplicates, dropped as too late, and refused; from v_door. These parts hardly move "
        f"from day to day: what goes wrong now is below, under dead letters. {SINCE_BEGIN.en}",
        "三个输入 topic 读到的全部消息中，已写入、因重复丢弃、因迟到丢弃和拒收的比例，来自 v_door。"
        f"这些比例每天变化很小：当前的问题看下方的死信。{SINCE_BEGIN.zh}",
    )
    return numbers(
        Head(
            title=say(Text("What became of messages", "消息去向")),
            about=say(about),
            empty=say(NONE_READ),
            unit=SHARE,
            decimals=2,
            span=24,
            height=4,
        ),
        rows(HEALTH),
        {
            "messages": Column(
                title=say(Text("messages read", "读到的消息")), unit=COUNT, decimals=0
            ),
            "written": Column(title=say(DOORS["written"])),
            "duplicates": Column(title=say(Text("duplicates", "重复"))),
            "late": Column(title=say(DOORS["too_late"])),
            "refused": Column(title=say(Text("refused", "拒收"))),
        },
    )


HEALTH = """
    SELECT sum(n) AS messages,
        sumIf(n, door = 'written') / messages AS written,
        sumIf(n, door IN ('duplicate', 'duplicate_order')) / messages AS duplicates,
        sumIf(n, door = 'too_late') / messages AS late,
        sumIf(n, kind = 'rejected') / messages AS refused
    FROM v_door
    WHERE kind IN ('door', 'rejected')
    HAVING messages > 0
"""


def doors(say: Say) -> AnyPanel:
    """How many messages of each topic left by which door."""
    about = Text(
        "Every message leaves by exactly one door: written, dropped with a reason, or refused. "
        f"From v_door. {SINCE_BEGIN.en}",
        f"每条消息恰好从一个出口离开：已写入、带原因丢弃，或拒收。来自 v_door。{SINCE_BEGIN.zh}",
    )
    amounts = {
        door: Column(title=say(text), unit=COUNT, decimals=0) for door, text in DOORS.items()
    }
    return listing(
        Head(
            title=say(Text("Doors by topic", "各 topic 的出口")),
            about=say(about),
            empty=say(NONE_READ),
            span=24,
            height=8,
        ),
        rows(BY_TOPIC),
        {
            "topic": Column(title="topic", unit="string", width=180),
            **amounts,
            "refused": Column(title=say(Text("refused", "拒收")), unit=COUNT, decimals=0),
            "share": Column(title=say(Text("written share", "写入比例")), unit=SHARE, decimals=1),
        },
    )


BY_TOPIC = f"""
    SELECT topic, {", ".join(f"sumIf(n, door = {literal(door)}) AS {door}" for door in DOORS)},
        sumIf(n, kind = 'rejected') AS refused, written / sum(n) AS share
    FROM v_door
    WHERE kind IN ('door', 'rejected')
    GROUP BY topic
    HAVING sum(n) > 0
    ORDER BY sum(n) DESC
"""


def reasons(say: Say) -> AnyPanel:
    """Why messages were refused."""
    about = Text(
        "Messages that could not be read, by reason, from v_door; their bytes are dead letters "
        f"(kol dlq list). {SINCE_BEGIN.en}",
        "无法读取的消息，按原因，来自 v_door；其原始字节在死信中（kol dlq list）。"
        f"{SINCE_BEGIN.zh}",
    )
    words = {name: say(text) for name, text in REASONS.items()}
    return bars(
        Head(
            title=say(Text("Refused by reason", "拒收原因")),
            about=say(about),
            empty=say(NONE_REFUSED),
            unit=COUNT,
            decimals=0,
            span=24,
        ),
        rows(f"""
            SELECT {translated("door", words)} AS name, sum(n) AS messages
            FROM v_door
            WHERE kind = 'rejected'
            GROUP BY door
            HAVING messages > 0
            ORDER BY messages DESC
        """),
    )


# ---------------------------------------------------------------- dead letters


def letters_by_reason(say: Say) -> AnyPanel:
    """Dead letters over time by reason."""
    about = Text(
        "Dead letters by their record time and reason, from v_dead_letter, each once, kept for 30 "
        "days; besides refused messages also rows that ClickHouse refused and dropped purchases "
        "that say something else. A rise at one moment is a producer's release.",
        "按记录时间和原因统计的死信，来自 v_dead_letter，每条一次，保留 30 天；除拒收的消息外，"
        "还包括 ClickHouse 拒绝的行和内容不同的被丢弃购买。某一刻突增通常是生产者上线了新版本。",
    )
    words = {name: say(text) for name, text in EVERY.items()}
    return series(
        Head(
            title=say(Text("Dead letters by reason", "死信（按原因）")),
            about=say(about),
            empty=say(NONE_REFUSED),
            unit=COUNT,
            decimals=0,
            span=24,
        ),
        over_time(f"""
            SELECT time, {translated("reason", words)} AS name, letters
            FROM
            (
                SELECT $__timeInterval_ms(at) AS time, reason, count() AS letters
                FROM v_dead_letter
                WHERE $__timeFilter_ms(at)
                GROUP BY time, reason
            )
            ORDER BY time, name
        """),
        by="name",
        bars=True,
        stacked=True,
    )


def newest_letters(say: Say) -> AnyPanel:
    """The newest dead letters, never what stood in them."""
    about = Text(
        "The 100 newest dead letters of the period: where they stood and why they are there, from "
        "v_dead_letter. Their content is not shown, since it may name people: kol dlq show with "
        "the place shows it, kol dlq retry sends them again once the cause is mended.",
        "时段内最新的 100 条死信：位置和原因，来自 v_dead_letter。不显示内容，"
        "因为其中可能有个人信息：用 kol dlq show 加位置查看；原因修复后用 kol dlq retry 重新发送。",
    )
    words = {name: say(text) for name, text in EVERY.items()}
    return listing(
        Head(
            title=say(Text("Newest dead letters", "最新死信")),
            about=say(about),
            empty=say(NONE_REFUSED),
            unit="string",
            span=24,
            height=9,
        ),
        rows(f"""
            SELECT at, concat(topic, '/', toString(`partition`), '/', toString(`offset`)) AS place,
                target, {translated("reason", words)} AS why, error, state
            FROM v_dead_letter
            WHERE $__timeFilter_ms(at)
            ORDER BY at DESC
            LIMIT 100
        """),
        {
            "at": Column(title=say(Text("Time", "时间")), unit="dateTimeAsIso", width=160),
            "place": Column(title=say(Text("Place", "位置")), width=260),
            "target": Column(
                title=say(Text("Target", "目标")), width=120, words=in_words(TARGETS, say)
            ),
            "why": Column(title=say(Text("Reason", "原因")), width=180),
            "error": Column(title=say(Text("Error", "错误")), wraps=True),
            "state": Column(
                title=say(Text("State", "状态")), width=90, words=in_words(LETTERS, say)
            ),
        },
    )


# ---------------------------------------------------------------- late, odd


def late(say: Say) -> AnyPanel:
    """What came late, and twice, by topic."""
    about = Text(
        "Too late: more than two hours below the newest event of its topic partition, and not "
        "counted. Of a final minute: counted in credits, but in no minute. Duplicates that say "
        f"something else are a producer's fault. From v_door. {SINCE_BEGIN.en}",
        "迟到：比所在 topic 分区最新事件早两小时以上，不计入。已定稿分钟：计入归因，"
        f"但不计入分钟数据。内容不同的重复事件是生产者的问题。来自 v_door。{SINCE_BEGIN.zh}",
    )
    shown = ("too_late", "closed_minute", "duplicate", "duplicate_order", "duplicate_differs")
    sums = ", ".join(f"sumIf(n, door = {literal(door)}) AS {door}" for door in shown)
    columns = {
        door: Column(
            title=say(EVERY[door]),
            unit=COUNT,
            decimals=0,
            width=300 if door == "duplicate_differs" else None,
        )
        for door in shown
    }
    return listing(
        Head(
            title=say(Text("Late and duplicate by topic", "迟到与重复（按 topic）")),
            about=say(about),
            empty=say(NONE_READ),
            span=24,
            height=8,
        ),
        rows(f"""
            SELECT topic, {sums}
            FROM v_door
            GROUP BY topic
            HAVING sumIf(n, kind = 'door') > 0
            ORDER BY topic
        """),
        {"topic": Column(title="topic", unit="string", width=180), **columns},
    )


def nobody(say: Say) -> AnyPanel:
    """Ids that mean nobody."""
    about = Text(
        "Ids such as undefined, null or 0, which front ends send where they know nobody "
        "(KOL_PLACEHOLDER_IDS), from v_door: behaviour of such users is refused, their purchases "
        f"count as organic, such a KOL is left out. {SINCE_BEGIN.en}",
        "undefined、null、0 等标识，前端不知道是谁时会发送（KOL_PLACEHOLDER_IDS），来自 v_door："
        f"这类用户的行为被拒收，其购买计为自然流量，这类 KOL 被忽略。{SINCE_BEGIN.zh}",
    )
    shown = {
        name: say(EVERY[name]) for name in ("placeholder_id", "placeholder_kol", "placeholder_user")
    }
    names = ", ".join(map(literal, shown))
    return bars(
        Head(
            title=say(Text("Ids that mean nobody", "占位标识")),
            about=say(about),
            empty=say(Text("None: nothing to do.", "没有占位标识：无需处理。")),
            unit=COUNT,
            decimals=0,
            span=24,
            height=6,
        ),
        rows(f"""
            SELECT concat({translated("door", shown)}, ' (', topic, ')') AS name, sum(n) AS messages
            FROM v_door
            WHERE door IN ({names})
            GROUP BY door, topic
            HAVING messages > 0
            ORDER BY messages DESC
        """),
    )


def counters(say: Say) -> AnyPanel:
    """Everything that is counted besides doors."""
    about = Text(
        "Counters of what no door says, from v_door; streams/README.md says what each means. Those "
        "that are 0 are left out. Refund counters fall again once a missing order comes. Amounts, "
        "whose names end with _cents, are in units of the currency chosen, over orders in all "
        f"currencies. {SINCE_BEGIN.en}",
        "出口之外的计数器，来自 v_door，含义见 streams/README.md；为 0 的不显示。"
        "缺失的订单到达后，退款计数会回落。名称以 _cents 结尾的是金额，按所选币种的单位显示，"
        f"包含所有币种的订单。{SINCE_BEGIN.zh}",
    )
    words = {name: say(text) for name, text in COUNTERS.items()}
    return listing(
        Head(
            title=say(Text("Counters [amounts: $currency]", "计数器 [金额：$currency]")),
            about=say(about),
            empty=say(Text("Every counter is 0: nothing to do.", "所有计数器为 0：无需处理。")),
            span=12,
            height=9,
        ),
        rows(f"""
            WITH {currency_given()}
            SELECT {translated("door", words)} AS what, topic, door AS name,
                sum(n) / if(endsWith(door, '_cents'), minor, 1) AS total
            FROM v_door
            WHERE kind = 'counter'
            GROUP BY door, topic
            HAVING sum(n) > 0
            ORDER BY topic, door
        """),
        {
            "what": Column(title=say(Text("What", "含义")), unit="string"),
            "topic": Column(title="topic", unit="string", width=95),
            "name": Column(title=say(Text("Name", "名称")), unit="string", width=150),
            "total": Column(title=say(Text("Total", "总数")), unit=COUNT, width=90),
        },
    )


def twins(say: Say) -> AnyPanel:
    """KOLs that look alike and earn apart."""
    about = Text(
        "KOLs with credit in the period whose ids or display names differ only in case, width, "
        "white space or invisible characters, from v_order_credit (linear, refunds not deducted) "
        "and v_kol; a display name that means nobody, such as unknown, is none. They are never "
        "merged: let producers send one spelling. kol doctor looks at every KOL with traffic, over "
        "all time, and knows a few invisible characters and letters more.",
        "时段内有归因金额、且标识或显示名仅在大小写、全半角、空白或不可见字符上不同的 KOL，"
        "来自 v_order_credit（线性，不扣退款）和 v_kol；unknown 之类的占位显示名不算。"
        "系统从不合并：请让生产者统一写法。kol doctor 检查全部时间内所有有流量的 KOL，"
        "并多识别一些不可见字符和字母。",
    )
    return listing(
        Head(
            title=say(Text("KOLs that look alike [$currency]", "相似的 KOL [$currency]")),
            about=say(about),
            empty=say(Text("No two look alike: nothing to do.", "没有相似的 KOL：无需处理。")),
            unit="string",
            span=12,
            height=9,
        ),
        rows(TWINS),
        {
            "alike": Column(title=say(Text("Alike as", "相似于")), width=150),
            "kol_id": Column(title="kol_id", width=180),
            "name": Column(title=say(Text("Display name", "显示名"))),
            "credit": Column(
                title=say(Text("Credit", "归因金额")), unit=MONEY, decimals=2, width=120
            ),
        },
    )


def _fold(column: str) -> str:
    """What `schemas.placeholders.folded` makes of an id, as far as SQL can."""
    visible = f"replaceRegexpAll(normalizeUTF8NFKC({column}), '\\\\p{{Cf}}', '')"
    return f"lowerUTF8(trimBoth(replaceRegexpAll({visible}, '\\\\s+', ' ')))"


_NOBODY = ", ".join(map(literal, sorted({"", *map(folded, PLACEHOLDER_IDS)})))
TWINS = f"""
    WITH {currency_given()}
    SELECT alike, kol_id, name, {money("cents")} AS credit
    FROM
    (
        SELECT DISTINCT alike, kol_id, name, cents, count() OVER (PARTITION BY alike) AS many
        FROM
        (
            SELECT DISTINCT kol_id, name, cents,
                arrayJoin([fold, if(fold_of_name IN ({_NOBODY}), fold, fold_of_name)]) AS alike
            FROM
            (
                SELECT c.kol_id AS kol_id, k.display_name AS name, c.cents AS cents,
                    {_fold("c.kol_id")} AS fold, {_fold("k.display_name")} AS fold_of_name
                FROM
                (
                    SELECT kol_id, sum(credit_cents) AS cents
                    FROM v_order_credit
                    WHERE model = 'linear' AND {WHOLE_DAYS} AND kol_id != 'organic'
                        AND currency = chosen_currency
                    GROUP BY kol_id
                ) AS c
                LEFT JOIN v_kol AS k ON k.kol_id = c.kol_id
            )
        )
    )
    WHERE many > 1
    ORDER BY alike, cents DESC
    LIMIT 200
"""
