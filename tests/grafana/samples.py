"""A small sound dashboard in both languages, in which tests plant one fault each."""

import copy
from collections.abc import Callable, Mapping
from typing import Any, Final

from tests.grafana.boards import CLICKHOUSE, PROMETHEUS, SERIES, TABLE, Board

Json = dict[str, Any]
Plant = Callable[[Json], None]

PROVISIONED: Final = {"kol-ch": CLICKHOUSE, "kol-prom": PROMETHEUS}
CREDIT: Final = """
    WITH arrayMap(one -> decodeURLComponent(substring(one, 11)),
        splitByChar('&', '${brand:queryparam}')) AS chosen_brand
    SELECT $__timeInterval_ms(ordered_at) AS time, kol_id, sum(credit_cents) / 100 AS credit
    FROM v_order_credit
    WHERE model = '$model' AND $__timeFilter_ms(ordered_at)
        AND (has(chosen_brand, '$__all') OR has(chosen_brand, brand_id))
    GROUP BY time, kol_id
    ORDER BY time
"""
TRUST: Final = """
    SELECT kol_id, argMax(trust, minute) AS trust FROM v_score
    WHERE $__timeFilter(minute) GROUP BY kol_id ORDER BY trust DESC
"""
BRANDS: Final = """
    SELECT brand_id FROM v_order WHERE $__timeFilter_ms(ordered_at) GROUP BY 1 ORDER BY 1
"""
LATENCY: Final = (
    "histogram_quantile(0.99, sum by (le) (rate(kol_end_to_end_latency_seconds_bucket[5m])))"
)


def clickhouse(sql: str, form: int = SERIES, ref: str = "A") -> dict[str, Any]:
    """A target with SQL."""
    return {
        "datasource": {"type": CLICKHOUSE, "uid": "kol-ch"},
        "editorType": "sql",
        "rawSql": sql,
        "format": form,
        "queryType": "timeseries" if form == SERIES else "table",
        "pluginVersion": "4.20.0",
        "refId": ref,
    }


def prometheus(expr: str) -> dict[str, Any]:
    """A target with PromQL."""
    return {
        "datasource": {"type": PROMETHEUS, "uid": "kol-prom"},
        "expr": expr,
        "refId": "A",
        "range": True,
    }


def panel(number: int, kind: str, target: Mapping[str, Any], **defaults: object) -> dict[str, Any]:
    """A sound panel, one of a column of panels."""
    return {
        "id": number,
        "type": kind,
        "title": f"panel {number}",
        "description": "What the number means, and how sure it is.",
        "gridPos": {"x": 0, "y": 8 * number, "w": 24, "h": 8},
        "datasource": target["datasource"],
        "targets": [target],
        "fieldConfig": {
            "defaults": {"unit": "none", "noValue": "Widen the period.", **defaults},
            "overrides": [],
        },
    }


def sound() -> dict[str, Any]:
    """The JSON of a dashboard without a fault."""
    return copy.deepcopy(
        {
            "uid": "kol-x",
            "title": "x",
            "schemaVersion": 41,
            "templating": {
                "list": [
                    {
                        "name": "brand",
                        "type": "query",
                        "multi": True,
                        "includeAll": True,
                        "datasource": {"type": CLICKHOUSE, "uid": "kol-ch"},
                        "query": BRANDS,
                        "current": {"text": ["All"], "value": ["$__all"]},
                    },
                    {
                        "name": "model",
                        "type": "custom",
                        "query": "linear,last",
                        "options": [
                            {"text": one, "value": one, "selected": one == "linear"}
                            for one in ("linear", "last")
                        ],
                        "current": {"text": "linear", "value": "linear"},
                    },
                ]
            },
            "panels": [
                panel(1, "timeseries", clickhouse(CREDIT), unit="locale"),
                panel(2, "table", clickhouse(TRUST, TABLE), unit="percentunit"),
                panel(3, "timeseries", prometheus(LATENCY), unit="s"),
            ],
            "links": [{"title": "itself", "type": "link", "url": "/d/kol-x?var-brand=a"}],
        }
    )


def in_chinese(json: Mapping[str, Any]) -> dict[str, Any]:
    """The same with Chinese titles, and links that stay within the language."""
    other = copy.deepcopy(dict(json))
    other |= {"uid": f"{json['uid']}-zh", "title": "总览"}
    for one in other["panels"]:
        one["title"] = f"面板 {one.get('id')}"
    for link in other["links"]:
        link["url"] = link["url"].replace("/d/kol-x", "/d/kol-x-zh")
    return other


def boards(json: Mapping[str, Any]) -> list[Board]:
    """A dashboard and its Chinese twin."""
    return [Board(json), Board(in_chinese(json))]


# ---------------------------------------------------------------- to plant faults


def asking(number: int, old: str, new: str) -> Plant:
    """A panel asks with other words in the place of some."""

    def plant(json: Json) -> None:
        target = json["panels"][number - 1]["targets"][0]
        key = "rawSql" if "rawSql" in target else "expr"
        assert old in target[key]
        target[key] = target[key].replace(old, new)

    return plant


def being(number: int, **fields: object) -> Plant:
    """A panel has these fields."""
    return lambda json: json["panels"][number - 1].update(fields)


def showing(number: int, **defaults: object) -> Plant:
    """A panel shows all of its columns so."""
    return lambda json: json["panels"][number - 1]["fieldConfig"]["defaults"].update(defaults)


def planted(*plants: Plant) -> Json:
    """The sound dashboard, with these faults."""
    json = sound()
    for plant in plants:
        plant(json)
    return json
