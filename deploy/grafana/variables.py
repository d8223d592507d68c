"""The variables above each dashboard: brand first, then KOL, channel, platform and the rest.

A query of two columns gives the value first and what is shown second, as the plugin reads it.
"""

from collections.abc import Mapping
from typing import Final

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models.dashboard import (
    VariableHide,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from deploy.grafana.queries import (
    ALL,
    DAYS,
    choices,
    chosen,
    clickhouse_source,
    named,
    translated,
    written,
)
from deploy.grafana.texts import MODELS, ORGANIC, Say, Text, in_words
from deploy.grafana.values import CHANNELS
from schemas.currencies import CURRENCY

ZONE: Final = "Asia/Shanghai"  # of business days, as KOL_BUSINESS_ZONE has it unless set
MOST_KOLS: Final = 2_000  # that a list shows, those of most credit

ANY: Final = Text("All", "全部")
BRANDS: Final = """
    SELECT brand_id
    FROM v_order
    WHERE $__timeFilter_ms(ordered_at) AND brand_id != ''
    GROUP BY brand_id
    ORDER BY brand_id
"""
CURRENCIES: Final = """
    SELECT currency
    FROM v_order
    WHERE $__timeFilter_ms(ordered_at) AND currency != ''
    GROUP BY currency
    ORDER BY count() DESC
"""


def kols_of(say: Say) -> str:
    """SQL of the KOLs of the brands chosen, by name; of All every KOL with a score, too."""
    return f"""
        WITH {choices("brand")}, {named(say(ORGANIC))}
        SELECT kol_id, if(any(name) = '', kol_id, any(name)) AS shown
        FROM
        (
            SELECT kol_id, sum(credit_cents) AS credit
            FROM v_order_credit
            WHERE model = 'linear' AND $__timeFilter_ms(ordered_at) AND kol_id != 'organic'
                AND {chosen("brand_id", "brand")}
            GROUP BY kol_id
            UNION ALL
            SELECT kol_id, toInt64(0) AS credit
            FROM v_score_1d
            WHERE {DAYS} AND has(chosen_brand, '{ALL}') AND NOT startsWith(kol_id, '~')
            GROUP BY kol_id
        ) AS k
        LEFT JOIN names USING (kol_id)
        GROUP BY kol_id
        ORDER BY sum(credit) DESC, kol_id
        LIMIT {MOST_KOLS}
    """


def _places(column: str, shown: str) -> str:
    return f"""
        SELECT {shown}
        FROM v_order
        WHERE $__timeFilter_ms(ordered_at) AND {column} != ''
        GROUP BY {column}
        ORDER BY {column}
    """


def brand(say: Say) -> build.QueryVariable:
    """Whose orders count."""
    return _several(say, "brand", Text("Brand", "品牌"), BRANDS)


def kol(say: Say) -> build.QueryVariable:
    """Which KOLs are shown; depends on the brand."""
    several = _several(say, "kol", Text("KOL", "KOL"), kols_of(say))
    return several.sort(VariableSort.ALPHABETICAL_CASE_INSENSITIVE_ASC)


def one_kol(say: Say) -> build.QueryVariable:
    """Which KOL is shown: the first of the list is the one that earned most."""
    return _queried("kol", "KOL", kols_of(say))


def channel(say: Say) -> build.QueryVariable:
    """By which channel was bought."""
    shown = f"channel, {translated('channel', in_words(CHANNELS, say))} AS shown"
    return _several(say, "channel", Text("Channel", "渠道"), _places("channel", shown))


def platform(say: Say) -> build.QueryVariable:
    """On which platform was bought."""
    return _several(say, "platform", Text("Platform", "平台"), _places("platform", "platform"))


def currency(say: Say) -> build.QueryVariable:
    """In which currency amounts are; those of two never add up."""
    queried = _queried("currency", say(Text("Currency", "币种")), CURRENCIES)
    return queried.current(VariableOption(selected=True, text=CURRENCY, value=CURRENCY))


def model(say: Say) -> build.CustomVariable:
    """By which model credit is split."""
    return _closed(
        "model",
        say(Text("Model", "归因模型")),
        {name: say(text) for name, text in MODELS.items()},
    )


def beside(say: Say) -> build.CustomVariable:
    """Which model stands beside it: at first the last click, which most reports go by."""
    names = ["last", *(name for name in MODELS if name != "last")]
    words = {name: say(MODELS[name]) for name in names}
    return _closed("beside", say(Text("Beside", "对比模型")), words)


def compare(say: Say) -> build.CustomVariable:
    """With which period before the one chosen is compared."""
    periods = {
        "none": Text("nothing", "不对比"),
        "period": Text("the period before", "上一周期"),
        "week": Text("7 days before", "7 天前"),
        "month": Text("28 days before", "28 天前"),
    }
    words = {name: say(text) for name, text in periods.items()}
    return _closed("compare", say(Text("Compare with", "对比")), words)


def refunds(say: Say) -> build.CustomVariable:
    """Whether refunds are deducted from credit."""
    kinds = {
        "net": Text("deducted (net)", "扣除退款（净额）"),
        "gross": Text("not deducted (gross)", "不扣退款（总额）"),
    }
    words = {name: say(text) for name, text in kinds.items()}
    return _closed("refunds", say(Text("Refunds", "退款")), words)


def zone() -> build.ConstantVariable:
    """The time zone of business days."""
    return _constant("zone", ZONE, "KOL_BUSINESS_ZONE")


def shop() -> build.ConstantVariable:
    """The shop's currency, in which days are added up."""
    return _constant("shop", CURRENCY, "KOL_CURRENCY")


def _constant(name: str, value: str, setting: str) -> build.ConstantVariable:
    constant = build.ConstantVariable(name).value(value).description(setting)
    constant.build().hide = VariableHide.HIDE_VARIABLE  # the SDK's builder has no way to say so
    return constant


def _several(say: Say, name: str, label: Text, sql: str) -> build.QueryVariable:
    everything = VariableOption(selected=True, text=[say(ANY)], value=[ALL])
    return _queried(name, say(label), sql).multi(True).include_all(True).current(everything)


def _queried(name: str, label: str, sql: str) -> build.QueryVariable:
    return (
        build.QueryVariable(name)
        .label(label)
        .datasource(clickhouse_source())
        .query(written(sql))
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.DISABLED)
    )


def _closed(name: str, label: str, words: Mapping[str, str]) -> build.CustomVariable:
    first = next(iter(words))
    options = [
        VariableOption(selected=value == first, text=text, value=value)
        for value, text in words.items()
    ]
    return (
        build.CustomVariable(name)
        .label(label)
        .values(", ".join(f"{text} : {value}" for value, text in words.items()))
        .options(options)
        .current(options[0])
    )
