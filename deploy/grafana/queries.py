"""What panels ask: SQL of the ClickHouse data source, PromQL of the other.

Values of variables reach SQL percent-encoded and are decoded there, so that no name of a KOL
can end a string: `choices("brand")` in WITH makes lists of them, `chosen("brand_id", "brand")` is
the condition. The rest is put together of the plugin's macros, `_ms` forms on DateTime64.
"""

from collections.abc import Callable, Iterable, Mapping
from textwrap import dedent
from typing import Any, Final

from grafana_foundation_sdk.builders import prometheus
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.runtime import UnknownDataquery
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.dashboard import DataSourceRef
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from schemas.currencies import DECIMALS

CLICKHOUSE: Final = "grafana-clickhouse-datasource"
PLUGIN: Final = "4.20.0"  # whose fields a target has
ALL: Final = "$__all"  # what Grafana hands over where All is chosen
SERIES, TABLE = 0, 1  # formats of the plugin

BREAK: Final = "\v"  # in SQL that a program puts into other SQL: here a line begins
LONG: Final = 2 * 86_400  # seconds; the roll-ups by hour are up to date within this span


def clickhouse_source() -> DataSourceRef:
    """The data source of the views, as `provisioning/datasources` names it."""
    return DataSourceRef(CLICKHOUSE, "kol-ch")


def prometheus_source() -> DataSourceRef:
    """The data source of the metrics."""
    return DataSourceRef("prometheus", "kol-prom")


class ClickHouse(Builder[Dataquery]):
    """A query of the ClickHouse plugin, for which the SDK has no builder."""

    def __init__(self, sql: str, ref: str = "A", form: int = TABLE) -> None:
        self.sql, self.ref, self.form = sql, ref, form

    def build(self) -> Dataquery:
        """The target as Grafana keeps it."""
        target: dict[str, Any] = {
            "datasource": {"type": CLICKHOUSE, "uid": clickhouse_source().uid},
            "editorType": "sql",
            "format": self.form,
            "pluginVersion": PLUGIN,
            "queryType": "timeseries" if self.form == SERIES else "table",
            "rawSql": self.sql,
            "refId": self.ref,
        }
        return UnknownDataquery(target)


def over_time(sql: str, ref: str = "A") -> ClickHouse:
    """Rows with `time` first, then texts that name a series, then its values."""
    return ClickHouse(written(sql), ref, SERIES)


def rows(sql: str, ref: str = "A") -> ClickHouse:
    """Rows of a table."""
    return ClickHouse(written(sql), ref, TABLE)


def promql(expr: str, legend: str, ref: str = "A", *, now: bool = False) -> prometheus.Dataquery:
    """A query of Prometheus: over the period, or at its end alone.

    The last value of a period stands for as long as the period is, whoever has died since.
    """
    query = (
        prometheus.Dataquery()
        .expr(expr)
        .legend_format(legend)
        .ref_id(ref)
        .format(PromQueryFormat.TIME_SERIES)
        .datasource(prometheus_source())
    )
    return query.instant() if now else query.range()


def written(sql: str) -> str:
    """SQL without the indent it has in a program, and without blank lines."""
    lines = [line for line in dedent(sql).strip().split("\n") if line.strip()]
    return "\n".join(lines).replace(BREAK, "\n    ")


# ---------------------------------------------------------------- variables in SQL


def choices(*variables: str) -> str:
    """Expressions of WITH: the values of each variable as a list.

    >>> choices("kol").removesuffix(" AS chosen_kol")
    "arrayMap(one -> decodeURLComponent(substring(one, 9)), splitByChar('&', '${kol:queryparam}'))"
    """
    return f",{BREAK}".join(f"{_list(name)} AS chosen_{name}" for name in variables)


def _list(variable: str) -> str:
    begin = len(f"var-{variable}=") + 1
    return (
        f"arrayMap(one -> decodeURLComponent(substring(one, {begin})),"
        f" splitByChar('&', '${{{variable}:queryparam}}'))"
    )


def chosen(column: str, variable: str) -> str:
    """The condition that a column has one of the values chosen, or that All is."""
    return f"(has(chosen_{variable}, '{ALL}') OR has(chosen_{variable}, {column}))"


def one(variable: str) -> str:
    """The value of a variable that has only one."""
    return f"{_list(variable)}[1]"


def currency_given() -> str:
    """Expressions of WITH for `money`."""
    currency = f"{one('currency')} AS chosen_currency"
    return f",{BREAK}".join([currency, f"{_minor()} AS minor"])


def orders_given(*further: str) -> str:
    """Those and what `orders_chosen` needs, and lists of further variables."""
    lists = choices("brand", "channel", "platform", *further)
    is_all = " AND ".join(
        f"has(chosen_{name}, '{ALL}')" for name in ("brand", "channel", "platform")
    )
    is_shops = "(chosen_currency = '${shop:raw}') AS is_shops"
    everything = f"({is_all} AND is_shops) AS everything"
    return f",{BREAK}".join([lists, currency_given(), is_shops, everything])


def orders_chosen() -> str:
    """The condition for rows of orders, after `orders_given`."""
    return f"{places_chosen()} AND currency = chosen_currency"


def places_chosen() -> str:
    """That for rows which have no currency, as they are in the shop's."""
    places = ("brand_id", "brand"), ("channel", "channel"), ("platform", "platform")
    return " AND ".join(chosen(*place) for place in places)


def money(cents: str) -> str:
    """Cents as units of the currency chosen, after `currency_given`."""
    return f"({cents}) / minor"


def _minor() -> str:
    """How many of the smallest unit of the currency chosen one is; 100 where it is not known."""
    others: dict[int, list[str]] = {}
    for currency, decimals in DECIMALS.items():
        if decimals != 2:  # noqa: PLR2004  # what most have
            others.setdefault(10**decimals, []).append(currency)
    cases = [
        f"chosen_currency IN ({', '.join(literal(name) for name in sorted(names))}), {units}"
        for units, names in sorted(others.items())
    ]
    return f"multiIf({', '.join(cases)}, 100)"


# ---------------------------------------------------------------- words of SQL


def literal(text: str) -> str:
    r"""A string of SQL.

    >>> print(literal("it's"))
    'it\'s'
    """
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def middle_of(day: str) -> str:
    """Where a chart shows a business day: in the middle of what the period has of it.

    The midnight with which the first day begins is left of the axis.
    """
    begin = f"greatest(toDateTime({day}, '${{zone:raw}}'), $__fromTime_ms)"
    end = f"least(toDateTime({day} + 1, '${{zone:raw}}'), $__toTime_ms)"
    return f"toDateTime(intDiv(toUnixTimestamp({begin}) + toUnixTimestamp({end}), 2))"


IS_LONG: Final = f"dateDiff('second', $__fromTime_ms, $__toTime_ms) > {LONG}"
FIRST_DAY: Final = "toDate($__fromTime_ms, '${zone:raw}')"
LAST_DAY: Final = "toDate($__toTime_ms, '${zone:raw}')"
DAY_AS_TIME: Final = middle_of("day")
DAY_OF_ORDER: Final = "toDate(ordered_at, '${zone:raw}')"
DAYS: Final = f"day >= {FIRST_DAY} AND day <= {LAST_DAY}"
SHIFT: Final = (  # between a moment and the one it is compared with, by the variable `compare`
    "toIntervalSecond(multiIf('${compare:raw}' = 'week', 604800, '${compare:raw}' = 'month',"
    " 2419200, dateDiff('second', $__fromTime_ms, $__toTime_ms)))"
)
IS_COMPARED: Final = "'${compare:raw}' != 'none'"
BEFORE: Final = (  # orders of the period compared with
    f"{IS_COMPARED} AND ordered_at >= $__fromTime_ms - {SHIFT}"
    f" AND ordered_at <= $__toTime_ms - {SHIFT}"
)
OF_REFUNDS: Final = (  # orders with refunds then: one has them from 24 h before to 180 d after
    "ordered_at >= $__fromTime_ms - INTERVAL 182 DAY"
    " AND ordered_at <= $__toTime_ms + INTERVAL 3 DAY"
)
REFUNDED: Final = f"$__timeFilter_ms(refunded_at) AND {OF_REFUNDS}"
TODAY: Final = (  # the business day in which the period ends
    "ordered_at >= toStartOfDay($__toTime_ms, '${zone:raw}') AND ordered_at <= $__toTime_ms"
)


def whole_days(column: str) -> str:
    """The condition that a moment is in a business day that the period touches, as in `DAYS`.

    The ends have milliseconds: of `< DateTime` the engine makes a search in the key that loses the
    last second.
    """
    days = FIRST_DAY, f"{LAST_DAY} + 1"
    begin, end = (f"toDateTime64({day}, 3, '${{zone:raw}}')" for day in days)
    return f"{column} >= {begin} AND {column} < {end}"


WHOLE_DAYS: Final = whole_days("ordered_at")


def without_gaps(sql: str, key: str, columns: Iterable[str], fill: str) -> str:
    """A subquery: the rows of another, and zeros where it has none; without any row nothing.

    Args:
        sql: what gives the rows.
        key: the column of times or days.
        columns: those of numbers.
        fill: FROM, TO and STEP of the key.

    """
    names = ", ".join((key, *columns))
    return f"""(
        SELECT {names}
        FROM
        (
            SELECT {names}, max(is_there) OVER () AS is_any
            FROM
            (
                SELECT {names}, materialize(1) AS is_there
                FROM
                (
                    {written(sql)}
                )
                ORDER BY {key} WITH FILL {fill}
            )
        )
        WHERE is_any
    )""".replace("\n", BREAK)


EACH_DAY: Final = f"FROM {FIRST_DAY} TO {LAST_DAY} + 1 STEP 1"
EACH_INTERVAL: Final = (
    "FROM toDateTime($__timeInterval_ms($__fromTime_ms)) TO toDateTime($__toTime_ms)"
    " STEP toIntervalSecond($__interval_s)"
)


def credits_by_day(condition: str, models: Mapping[str, str], *, days: bool = True) -> str:
    """A subquery: for each day and KOL credits and refunds in cents, and orders, by some models.

    Days are added up already for orders in the shop's currency: for all of them, and by brand,
    platform and channel. Orders are read in other currencies alone. A branch that is not wanted
    reads nothing.

    Args:
        condition: on `kol_id`, after `orders_given`.
        models: NAME -> a model, or a variable that has one; two may be the same. The columns are
            `NAME_credit`, `NAME_refunded` and `NAME_orders`.
        days: whether the day is asked for; else the period is added up.

    """
    day, of_order = ("day, ", f"{DAY_OF_ORDER} AS day, ") if days else ("", "")
    named = ", ".join(f"'{model}'" for model in models.values())
    column = {"credit": "credit_cents", "refunded": "refunded_cents", "orders": "orders"}
    sums_of_rows = _sums(models, lambda kind, model: f"sumIf({column[kind]}, model = '{model}')")
    sums = _sums(models, lambda kind, model: f"sum({kind}_{model})")
    concerned = " + ".join(f"{name}_orders" for name in models)
    return f"""(
        SELECT {day}kol_id, {sums_of_rows}
        FROM v_credit_1d
        WHERE everything AND model IN ({named}) AND {condition} AND {DAYS}
        GROUP BY {day}kol_id
        UNION ALL
        SELECT {day}kol_id, {sums}
        FROM v_place_credit_1d
        WHERE is_shops AND NOT everything AND {condition} AND {DAYS} AND {places_chosen()}
        GROUP BY {day}kol_id
        HAVING {concerned} > 0
        UNION ALL
        SELECT {of_order}kol_id, {sums}
        FROM v_order_kol
        WHERE NOT is_shops AND {condition} AND {WHOLE_DAYS} AND {orders_chosen()}
        GROUP BY {day}kol_id
        HAVING {concerned} > 0
    )""".replace("\n", BREAK)


def _sums(models: Mapping[str, str], sum_of: Callable[[str, str], str]) -> str:
    return ", ".join(
        f"{sum_of(kind, model)} AS {name}_{kind}"
        for name, model in models.items()
        for kind in ("credit", "refunded", "orders")
    )


def kept(name: str) -> str:
    """Cents of a credit of `credits_by_day`, by the variable `refunds`."""
    return f"{name}_credit - if('${{refunds:raw}}' = 'net', {name}_refunded, 0)"


def translated(column: str, words: Mapping[str, str]) -> str:
    """A column with its values in words.

    >>> translated("model", {"last": "last click"})
    "transform(model, ['last'], ['last click'], toString(model))"
    """
    values, shown = (", ".join(map(literal, side)) for side in (words, words.values()))
    return f"transform({column}, [{values}], [{shown}], toString({column}))"


def as_argument(column: str) -> str:
    """A text column as one argument of a command that a person pastes into a shell.

    Plain ids stand as they are, others in single quotes, of which none is left open.
    """
    quoted = f"""concat('''', replaceAll({column}, '''', '''"''"'''), '''')"""
    return f"if(match({column}, '^[A-Za-z0-9_.:/@-]+$'), {column}, {quoted})"


def named(organic: str) -> str:
    """A table of WITH, `names`, for `name_of`: kol_id and the name to show, `organic` included.

    Where two KOLs have one display name, and where there is none, the id stands with it.
    """
    return (
        f"{BREAK}names AS (SELECT kol_id, trimBoth(if(display_name = '' OR count() OVER"
        " (PARTITION BY display_name) > 1, concat(display_name, ' ', kol_id), display_name)) AS"
        f" name FROM v_kol UNION ALL SELECT 'organic', {literal(organic)})"
    )


def name_of(table: str) -> str:
    """The name to show of the KOL of a row, the id where none is known; needs `names_of`."""
    return f"if(n.name = '', {table}.kol_id, n.name)"


def names_of(table: str) -> str:
    """The join that gives each row of a table its name, after `named`."""
    return f"LEFT JOIN names AS n ON n.kol_id = {table}.kol_id"
