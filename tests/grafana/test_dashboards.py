"""A sound dashboard passes; each planted fault is found, and said in a sentence."""

import re
from pathlib import Path

import pytest

from tests.grafana import dashboards
from tests.grafana.boards import TABLE, Board, read
from tests.grafana.samples import (
    CREDIT,
    PROVISIONED,
    Json,
    Plant,
    asking,
    being,
    boards,
    clickhouse,
    in_chinese,
    planted,
    prometheus,
    showing,
    sound,
)


@pytest.fixture(autouse=True)
def _provisioned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashboards, "sources", lambda: PROVISIONED)


def said(json: Json) -> list[str]:
    """What is said of the English dashboard."""
    found = dashboards.findings(boards(json))
    return [one.what for one in found if not one.where.startswith("kol-x-zh")]


def test_a_sound_dashboard_passes() -> None:
    assert dashboards.findings(boards(sound())) == []


# ---------------------------------------------------------------- planted faults


def _source(uid: str, kind: str) -> Plant:
    return lambda json: json["panels"][0]["targets"][0].update(
        datasource={"type": kind, "uid": uid}
    )


def _link(url: str) -> Plant:
    return lambda json: json["links"].append({"title": "there", "type": "link", "url": url})


def _with_unit_of(ref: str, of: str, unit: str = "cps") -> Plant:
    matcher = {"id": "byFrameRefID", "options": ref}
    one = {"matcher": matcher, "properties": [{"id": "unit", "value": of}]}
    config = {"defaults": {"unit": unit, "noValue": "Widen the period."}, "overrides": [one]}
    return being(3, fieldConfig=config)


FAULTS: dict[str, tuple[Plant, str]] = {
    "a macro that cuts the last second": (
        asking(1, "$__timeFilter_ms(ordered_at)", "$__timeFilter(ordered_at)"),
        (
            r"\$__timeFilter\(ordered_at\) cuts the last second of ordered_at, which has "
            r"milliseconds; take \$__timeFilter_ms"
        ),
    ),
    "an interval that cuts it": (
        asking(1, "$__timeInterval_ms", "$__timeInterval"),
        r"\$__timeInterval\(ordered_at\) cuts the last second",
    ),
    "a moment that cuts it": (
        asking(1, "$__timeFilter_ms(ordered_at)", "ordered_at <= $__toTime"),
        r"\$__toTime cuts the last second of ordered_at.*take \$__toTime_ms",
    ),
    "no time filter": (
        asking(1, "AND $__timeFilter_ms(ordered_at)", ""),
        "no time filter: it reads all of v_order_credit",
    ),
    "a clock of its own": (
        asking(1, "$__timeFilter_ms(ordered_at)", "ordered_at > now() - 9 AND $__dateFilter(day)"),
        r"now\(\) is not the range of the dashboard",
    ),
    "a data source that is not provisioned": (
        _source("kol-click", "grafana-clickhouse-datasource"),
        "the data source kol-click is not provisioned",
    ),
    "a data source of another kind": (
        _source("kol-prom", "grafana-clickhouse-datasource"),
        "kol-prom is provisioned as prometheus, not as grafana-clickhouse-datasource",
    ),
    "an unknown metric": (
        asking(3, "kol_end_to_end_latency_seconds_bucket", "kol_latency_seconds_bucket"),
        "nothing exports the metric kol_latency_seconds_bucket",
    ),
    "an unknown label": (
        asking(3, "_bucket[5m]", '_bucket{kol_id="a"}[5m]'),
        "kol_end_to_end_latency_seconds_bucket has no label kol_id",
    ),
    "a value that a label never has": (
        asking(3, "kol_end_to_end_latency_seconds_bucket", 'kol_rejected_total{topic="click"}'),
        'kol_rejected_total never has topic="click"',
    ),
    "PromQL that does not parse": (
        asking(3, "sum by (le)", "sum by le"),
        "the PromQL does not parse",
    ),
    "the rate of a gauge": (
        asking(3, "kol_end_to_end_latency_seconds_bucket", "kol_memory_bytes"),
        r"rate\(\) of kol_memory_bytes, which is no counter",
    ),
    "a number that outlives its process": (
        being(3, type="stat"),
        "its number is the last of a range, and outlives its process: ask instant",
    ),
    "cents as they are": (
        asking(1, "sum(credit_cents) / 100", "sum(credit_cents)"),
        r"column credit \(credit_cents\) is in cents: divide it",
    ),
    "a wrong unit": (
        showing(2, unit="ms"),
        r"column trust \(trust\) is in 0 to 1, and shown as ms",
    ),
    "a wrong unit of a metric": (
        showing(3, unit="bytes"),
        "kol_end_to_end_latency_seconds_bucket shown as bytes",
    ),
    "a unit that Grafana has not": (showing(1, unit="yuans"), "Grafana has no unit yuans"),
    "no unit": (
        lambda json: json["panels"][0]["fieldConfig"]["defaults"].pop("unit"),
        "it has no unit",
    ),
    "no description": (being(1, description=""), "its description does not say what"),
    "no text for nothing": (showing(1, noValue=" "), "no text says what to do"),
    "two panels with one id": (being(2, id=1), "2 panels have the id 1"),
    "a panel on another": (
        being(2, gridPos={"x": 12, "y": 10, "w": 12, "h": 4}),
        "it lies on panel 1",
    ),
    "a panel beside the grid": (
        being(3, gridPos={"x": 20, "y": 40, "w": 12, "h": 4}),
        "x 20 and width 12 are not within 24",
    ),
    "a panel that is not rendered": (
        being(1, type="piechart"),
        "piechart is not rendered in tests",
    ),
    "a transformation": (
        being(1, transformations=[{"id": "reduce", "options": {}}]),
        "the transformation reduce is not rendered",
    ),
    "a link to nowhere": (_link("/d/kol-y"), "leads to kol-y, which is not there"),
    "a link to another language": (_link("/d/kol-x-zh"), "leads to another language"),
    "a link that sets what is not there": (_link("/d/kol-x?var-kol=a"), "sets var-kol"),
    "a variable that is not there": (
        asking(1, "'$model'", "'$modell'"),
        r"there is no variable \$modell",
    ),
    "a value that can break the statement": (
        asking(1, "AND $__time", "AND brand_id IN (${brand:sqlstring}) AND $__time"),
        r"a value of \$brand can break the statement; let it come by \$\{name:queryparam\}",
    ),
    "no time filter of a name in quotes": (
        asking(2, "FROM v_score\n    WHERE $__timeFilter(minute)", "FROM `v_score`"),
        "no time filter: it reads all of v_score",
    ),
    "what is read without its name": (
        asking(2, "FROM v_score", "FROM merge('kol', '^v_score$')"),
        r"it reads merge\(\), which is no view by its name",
    ),
    "a wrong unit of a metric whose other query has one of its own": (
        _with_unit_of("C", "bytes"),
        "kol_end_to_end_latency_seconds_bucket shown as cps",
    ),
    "a wrong unit of a metric by its letter": (
        _with_unit_of("A", "bytes", unit="s"),
        "kol_end_to_end_latency_seconds_bucket shown as bytes",
    ),
    "a table instead of a view": (
        asking(1, "v_order_credit", "order_credit"),
        "it reads order_credit, which is no view of ours",
    ),
    "a macro with too many arguments": (
        asking(1, "$__timeFilter_ms(ordered_at)", "$__timeFilter_ms(ordered_at, 3)"),
        r"\$__timeFilter_ms takes 1 argument, not 2",
    ),
    "a macro of the browser": (
        asking(1, "AND $__time", "AND $__conditionalAll(1, $brand) AND $__time"),
        r"\$__conditionalAll works in the browser alone",
    ),
    "a macro that does not exist": (
        asking(1, "AND $__time", "AND $__timeFilterMs(ordered_at) AND $__time"),
        r"\$__timeFilterMs is no macro of the data source",
    ),
    "a number that Grafana gave": (lambda json: json.update(id=7), "an id belongs to one Grafana"),
    "something that the SDK does not know": (
        lambda json: json.update(colour="red"),
        "the SDK's types know nothing of colour",
    ),
    "something that the SDK does not take": (
        lambda json: json["panels"][0].update(fieldConfig={"defaults": 3}),
        "the SDK does not take it",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found_and_said(fault: str) -> None:
    plant, sentence = FAULTS[fault]
    found = said(planted(plant))

    assert any(re.search(sentence, one) for one in found), found


def test_two_dashboards_of_one_name_are_found() -> None:
    found = dashboards.with_names_of_their_own([Board(sound()), Board(sound())])

    assert [one.what for one in found] == ["2 dashboards have this uid"]


def test_a_dashboard_without_its_twin_is_found() -> None:
    (found,) = dashboards.in_both_languages([Board(sound())])
    assert str(found) == "kol-x: there is no kol-x-zh in Chinese"
    chinese = in_chinese(sound())
    chinese["panels"][0]["title"] = "Credit"
    chinese["panels"].pop()
    found_there = list(dashboards.in_both_languages([Board(sound()), Board(chinese)]))

    assert [str(one) for one in found_there] == [
        "kol-x-zh: panels, places or questions differ from those of kol-x",
        "kol-x-zh: no Chinese in the title 'Credit'",
    ]


TWIN_ASKS: dict[str, Plant] = {
    "another column": asking(2, "ORDER BY trust", "ORDER BY kol_id"),
    "another view": asking(2, "FROM v_score", "FROM v_score_1h"),
    "another metric": asking(3, "0.99", "0.5"),
    "by another variable": asking(1, "'$model'", "'$brand'"),
    "another source": _source("kol-prom", "prometheus"),
    "for other values": lambda json: json["templating"]["list"][0].update(
        query="SELECT kol_id FROM v_kol"
    ),
}


@pytest.mark.parametrize("what", TWIN_ASKS)
def test_a_twin_that_asks_something_else_is_found(what: str) -> None:
    chinese = in_chinese(sound())
    TWIN_ASKS[what](chinese)
    found = list(dashboards.in_both_languages([Board(sound()), Board(chinese)]))

    assert [str(one) for one in found] == [
        "kol-x-zh: panels, places or questions differ from those of kol-x"
    ]


def test_a_twin_may_say_the_same_in_other_words() -> None:
    json, chinese = sound(), in_chinese(sound())
    for one, name, word in ((json, "the KOL", "known"), (chinese, "博主", "认识")):
        sql = f"SELECT '{word}' AS word, kol_id AS `{name}` FROM v_kol  ORDER BY `{name}`"  # noqa: S608  # ours
        one["panels"][1]["targets"] = [clickhouse(sql, TABLE)]

    assert list(dashboards.in_both_languages([Board(json), Board(chinese)])) == []


def test_a_variable_may_not_depend_on_one_that_comes_later() -> None:
    json = sound()
    later = {**json["templating"]["list"][0], "name": "kol"}
    json["templating"]["list"].append(later)
    json["templating"]["list"][0]["query"] = "SELECT '${kol:queryparam}', '$model' FROM v_order"

    assert "$kol comes after it" in said(json)
    assert "$model comes after it" not in said(json)


def test_a_range_that_ends_later_may_end_now() -> None:
    json = sound()
    sql = "SELECT max(minute) AS newest FROM v_score WHERE minute <= least(now(), $__toTime)"
    json["panels"][1]["targets"] = [clickhouse(sql, TABLE)]
    json["panels"][1]["fieldConfig"]["defaults"]["unit"] = "dateTimeAsIso"

    assert said(json) == ["no time filter: it reads all of v_score"]
    json["panels"][1]["targets"][0]["rawSql"] = sql + " AND minute >= $__fromTime"
    assert said(json) == []


def test_a_share_of_cents_is_a_share() -> None:
    json = sound()
    sql = CREDIT.replace("sum(credit_cents) / 100", "sum(refunded_cents) / sum(credit_cents)")
    json["panels"][0]["targets"] = [clickhouse(sql)]
    json["panels"][0]["fieldConfig"]["defaults"]["unit"] = "percentunit"

    assert said(json) == []


def test_what_is_named_in_a_query_inside_is_followed() -> None:
    json = sound()
    sql = (
        "SELECT time, credit FROM (SELECT $__timeInterval_ms(ordered_at) AS time,"
        " sum(credit_cents) AS credit FROM v_order_credit WHERE $__timeFilter_ms(ordered_at)"
        " GROUP BY time) ORDER BY time"
    )
    json["panels"][0]["targets"] = [clickhouse(sql)]

    assert any("is in cents" in one for one in said(json))


def test_the_rate_of_seconds_is_a_share() -> None:
    json = sound()
    json["panels"][2]["targets"] = [prometheus("rate(kol_backpressure_seconds_total[5m])")]
    json["panels"][2]["fieldConfig"]["defaults"]["unit"] = "percentunit"

    assert said(json) == []


def test_sources_are_read_from_the_file_of_the_provisioning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    (tmp_path / "kol.yaml").write_text(
        "apiVersion: 1\n"
        "datasources:\n"
        "  - name: KOL  # uid: not-this\n"
        "    type: grafana-clickhouse-datasource\n"
        "    uid: kol-ch\n"
        "  - {name: P, uid: kol-prom, type: prometheus}\n"
    )

    assert dashboards.sources(tmp_path) == PROVISIONED


def test_the_dashboards_of_the_product_have_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    found = dashboards.findings(read())

    assert found == [], "\n".join(map(str, found))
