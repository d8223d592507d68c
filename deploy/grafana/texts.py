"""What stands on dashboards, in English and Chinese.

A dashboard is built once a language: its program is handed `Say`, which gives the text of that
language.

>>> in_language("zh")(TRUST)
'信任分'
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple


class Text(NamedTuple):
    """The same words in both languages."""

    en: str
    zh: str


Say = Callable[[Text], str]

LANGUAGES: Final = ("en", "zh")
FOLDERS: Final = {"en": "KOL", "zh": "KOL 中文"}  # of Grafana, by language


def in_words(words: Mapping[str, Text], say: Say) -> dict[str, str]:
    """The words of values in a language."""
    return {value: say(text) for value, text in words.items()}


def in_language(language: str) -> Say:
    """What gives the text of a language."""
    place = LANGUAGES.index(language)
    return lambda text: text[place]


TRUST: Final = Text("Trust", "信任分")
RESONANCE: Final = Text("Resonance", "情感共鸣")
ORGANIC: Final = Text("organic", "自然流量")
LOW: Final = Text("low (90 %)", "下限（90%）")
HIGH: Final = Text("high (90 %)", "上限（90%）")
MODELS: Final = {  # as in `deploy/what-counts.md`
    "linear": Text("linear", "线性"),
    "last": Text("last click", "末次触点"),
    "first": Text("first click", "首次触点"),
    "position": Text("position 40/20/40", "位置 40/20/40"),
    "time_decay": Text("time decay", "时间衰减"),
    "shapley": Text("Shapley", "沙普利"),
}

LEAST_N: Final = 5  # independent judgements
TOO_SMALL: Final = Text("n too small", "样本太少")
WHY_FIVE: Final = Text(
    f"'{TOO_SMALL.en}' stands where fewer than {LEAST_N} independent judgements count: less than "
    "one for each of the five dimensions, so that the prior says more than people did.",
    f"有效样本少于 {LEAST_N} 时显示“{TOO_SMALL.zh}”：五个维度平均不到一个独立评价，"
    "此时先验的分量大于人们的评价。",
)
TRUST_NODE: Final = Text("Trust node", "信任节点")
GATE: Final = Text(
    "A KOL becomes a trust node when the lower end of its trust is .70 or more, by 30 independent "
    "judgements or more, and stays one until the lower end is below .60.",
    "信任分区间下限达到 0.70 且独立评价不少于 30 时成为信任节点，下限低于 0.60 时才退出。",
)
YES_NO: Final = {"yes": Text("yes", "是"), "no": Text("no", "否")}
INTERVAL: Final = Text(
    "The interval holds the true value with 90 % probability.",
    "区间以 90% 的概率包含真实值。",
)

CREDITS_FROM: Final = Text(
    "from v_credit_1d (a part of the orders: v_place_credit_1d; other currencies: v_order_kol)",
    "来自 v_credit_1d（部分订单时为 v_place_credit_1d，非店铺币种时为 v_order_kol）",
)

NO_ORDERS: Final = Text(
    "No orders here. Widen the period or choose All above; is a worker running (kol status)?",
    "这里没有订单。请放大时间范围，或在上方选择“全部”；worker 在运行吗（kol status）？",
)
NO_SCORES: Final = Text(
    "No scores yet. A minute is scored 30 s after its end; widen the period, or see kol status.",
    "还没有评分。每分钟结束 30 秒后才会评分；请放大时间范围，或查看 kol status。",
)
NO_EVENTS: Final = Text(
    "No events in this period. Widen it, or see kol status: is anything sent, is a worker running?",
    "此时段没有事件。请放大时间范围，或查看 kol status：是否有数据发来，worker 是否在运行？",
)
NO_REFUNDS: Final = Text(
    "Nothing was given back in this period. Widen it, or choose All above.",
    "此时段没有退款。请放大时间范围，或在上方选择“全部”。",
)
