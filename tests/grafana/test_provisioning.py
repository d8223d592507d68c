"""What provisions Grafana: data sources that dashboards and rules name, and rules that speak up."""

import re
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.grafana.__main__ import DASHBOARDS
from deploy.grafana.queries import clickhouse_source, prometheus_source
from schemas.letters import DROPPED, NEW
from streams.operations.connect import datasources as connected
from streams.settings import PREFIX, ClickHouse
from tests.grafana import promql
from tests.grafana.macros import FRONT_END_ONLY, Range, expand, macros_in
from tests.grafana.sql import GRAFANA, qualified
from tests.grafana.variables import references
from tests.sinks.accounts import Accounts

ROOT = Path(__file__).parents[2]
PROVISIONING = ROOT / "deploy" / "grafana" / "provisioning"
DAY = 86_400


def provisioned(name: str) -> Any:  # noqa: ANN401  # whatever YAML holds
    return yaml.safe_load((PROVISIONING / name / "kol.yaml").read_text("utf-8"))


SOURCES = {one["uid"]: one for one in provisioned("datasources")["datasources"]}
Rule = dict[str, Any]
RULES: dict[str, Rule] = {
    rule["uid"]: rule for group in provisioned("alerting")["groups"] for rule in group["rules"]
}
on_the_engine = pytest.mark.integration
every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)


def sql_of(rule: Rule) -> str:
    return str(rule["data"][0]["model"]["rawSql"])


def expanded(rule: Rule) -> str:
    """The statement as it reaches ClickHouse now."""
    now, span = time.time_ns() // 1_000_000, rule["data"][0]["relativeTimeRange"]
    return expand(sql_of(rule), Range(now - 1000 * span["from"], now - 1000 * span["to"]))


# ---------------------------------------------------------------- data sources


def test_the_sources_are_those_that_dashboards_name() -> None:
    named = {one.uid: one.type_val for one in (clickhouse_source(), prometheus_source())}

    assert {uid: one["type"] for uid, one in SOURCES.items()} == named


def test_the_file_and_kol_connect_say_the_same_but_for_addresses() -> None:
    for source in connected(ClickHouse(), {}):
        here = SOURCES[source["uid"]]
        for name, value in here["jsonData"].items():
            assert str(value).startswith("$") or value == source["jsonData"][name], name
        assert {name: here[name] for name in ("name", "type", "access")} == {
            name: source[name] for name in ("name", "type", "access")
        }


def test_passwords_and_addresses_come_from_variables_that_are_no_settings_of_ours() -> None:
    """A worker refuses to start with a variable that begins like ours and is none."""
    text = (PROVISIONING / "datasources" / "kol.yaml").read_text("utf-8")
    named = set(re.findall(r"\$(\w+)", text))

    assert SOURCES["kol-ch"]["secureJsonData"] == {"password": "$GRAFANA_CH_PASSWORD"}
    assert not [name for name in named if name.startswith(PREFIX)]
    assert named <= set(re.findall(r"^# +(\w+) ", text, re.MULTILINE))
    assert named <= set(re.findall(r"`(\w+)`", (ROOT / "deploy/README.md").read_text("utf-8")))


# ---------------------------------------------------------------- rules


def test_no_two_rules_have_a_uid_or_a_title() -> None:
    rules = [rule for group in provisioned("alerting")["groups"] for rule in group["rules"]]

    assert len(RULES) == len(rules) == len({rule["title"] for rule in rules})


@every_rule
def test_a_rule_asks_a_source_and_compares_its_number(rule: Rule) -> None:
    query, threshold = rule["data"]

    assert (query["refId"], query["datasourceUid"]) == ("A", "kol-ch")
    assert (query["model"]["format"], query["model"]["refId"]) == (1, "A")
    assert rule["condition"] == threshold["refId"] == threshold["model"]["refId"]
    assert threshold["datasourceUid"] == "__expr__"
    assert (threshold["model"]["type"], threshold["model"]["expression"]) == ("threshold", "A")


@every_rule
def test_a_rule_says_what_it_does_without_data_and_on_errors(rule: Rule) -> None:
    assert rule["noDataState"] in {"OK", "NoData", "Alerting"}
    assert rule["execErrState"] in {"OK", "Error", "Alerting"}
    assert {"severity", "team"} <= rule["labels"].keys()


@every_rule
def test_a_rule_uses_nothing_that_the_browser_alone_knows(rule: Rule) -> None:
    sql = sql_of(rule)

    assert not macros_in(sql, *FRONT_END_ONLY)
    assert not references(sql)
    assert macros_in(sql, "timeFilter", "timeFilter_ms")


@on_the_engine
@every_rule
def test_texts_of_a_rule_name_what_its_query_gives(rule: Rule, accounts: Accounts) -> None:
    """`$` would begin a variable of Grafana's environment: `.Labels`, not `$labels`."""
    told = " ".join(rule["annotations"].values())
    described = {one["name"]: one["type"] for one in columns(rule, accounts)}
    texts = {name for name, kind in described.items() if "String" in kind}

    assert "$" not in told
    assert set(re.findall(r"\.Labels\.(\w+)", told)) == texts
    assert set(re.findall(r"\.Values\.(\w+)\.Value", told)) == {"A"}
    assert len(described) == len(texts) + 1


def columns(rule: Rule, accounts: Accounts) -> list[dict[str, str]]:
    return accounts.rows(f"DESCRIBE ({qualified(expanded(rule))})")


@every_rule
def test_the_runbook_says_what_to_do(rule: Rule) -> None:
    page, anchor = rule["annotations"]["runbook"].split("#")
    headings = re.findall(r"^#+ (.*)$", (ROOT / page).read_text("utf-8"), re.MULTILINE)

    assert anchor in {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}
    assert anchor == rule["title"].lower().replace(" ", "-")


@every_rule
def test_a_rule_leads_to_a_dashboard_that_is_there(rule: Rule) -> None:
    assert rule["annotations"]["dashboard"] in {f"/d/kol-{name}" for name in DASHBOARDS}


def test_what_prometheus_may_be_asked_about_the_pipeline_is_exported() -> None:
    page = (ROOT / "deploy/operations.md").read_text("utf-8")
    asked = re.findall(r"^```promql\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    expressions = [line for block in asked for line in block.splitlines()]

    assert len(expressions) == 3
    assert not [fault for one in expressions for fault in promql.faults(one, {})]


# ---------------------------------------------------------------- on the engine


@pytest.fixture
def world(accounts: Accounts) -> Accounts:
    """The engine without rows."""
    for table in ("order_credit", "minute_cell", "cell_1d", "rollup_floor", "dead_letter"):
        accounts.rows(f"TRUNCATE TABLE kol.{table}")
    return accounts


def said(accounts: Accounts, uid: str) -> dict[str, float]:
    """What a rule's query gives, as the reader: texts -> its number."""
    found = accounts.rows(qualified(expanded(RULES[uid])), GRAFANA)
    return {
        " ".join(one for one in row.values() if isinstance(one, str)): next(
            float(one) for one in row.values() if not isinstance(one, str)
        )
        for row in found
    }


def threshold(uid: str) -> float:
    (condition,) = RULES[uid]["data"][1]["model"]["conditions"]
    assert condition["evaluator"]["type"] == "gt"
    return float(condition["evaluator"]["params"][0])


@on_the_engine
@every_rule
def test_a_rule_is_silent_in_an_empty_database(rule: Rule, world: Accounts) -> None:
    values = said(world, rule["uid"]).values()

    assert values or rule["noDataState"] == "OK"
    assert not [value for value in values if value > threshold(rule["uid"])]


@on_the_engine
def test_a_brand_that_is_given_back_far_more_than_usual_is_named(world: Accounts) -> None:
    refunds = {"calm": (40, 50), "hot": (40, 120), "small": (4, 9)}  # a day, and now
    days = "INSERT INTO kol.cell_1d (kol_id, day, orders, refunds, version) SELECT"
    minutes = "INSERT INTO kol.minute_cell (kol_id, minute, orders, refunds, version) SELECT"
    for brand, (usual, now) in refunds.items():
        name = f"'~brand:{brand}'"
        world.rows(f"{days} {name}, today() - 2 - number, 200, {usual}, 1 FROM numbers(20)")
        world.rows(f"{minutes} {name}, now() - 7200, 200, {now}, 1")
    settled_days(world)

    found = said(world, "kol-refunds-of-a-brand")

    assert found == {"calm": 0, "hot": 3, "small": 0}
    assert found["hot"] > threshold("kol-refunds-of-a-brand")


@on_the_engine
def test_refunds_that_follow_the_orders_of_a_promotion_are_expected(world: Accounts) -> None:
    """Ten days' orders three days ago; what is given back of them comes now, in a calm day."""
    days = "INSERT INTO kol.cell_1d (kol_id, day, orders, refunds, version) SELECT"
    each = "'~brand:sale', today() - 2 - number, if(number = 1, 2000, 200), 40, 1"
    world.rows(f"{days} {each} FROM numbers(20)")
    world.rows(
        "INSERT INTO kol.minute_cell (kol_id, minute, orders, refunds, version)"
        " SELECT '~brand:sale', now() - 7200, 200, 80, 1"
    )
    settled_days(world)

    found = said(world, "kol-refunds-of-a-brand")
    assert found["sale"] <= threshold("kol-refunds-of-a-brand")


@on_the_engine
def test_a_brand_of_three_days_is_measured_by_three_days(world: Accounts) -> None:
    days = "INSERT INTO kol.cell_1d (kol_id, day, orders, refunds, version) SELECT"
    each = "'~brand:new', today() - 2 - number, 200, 40, 1"
    world.rows(f"{days} {each} FROM numbers(2)")
    world.rows(
        "INSERT INTO kol.minute_cell (kol_id, minute, orders, refunds, version)"
        " SELECT '~brand:new', now() - 7200, 200, 50, 1"
    )
    settled_days(world)

    assert said(world, "kol-refunds-of-a-brand") == {"new": 0}


def settled_days(world: Accounts) -> None:
    world.rows(
        "INSERT INTO kol.rollup_floor (target, bucket, settled, version)"
        " SELECT 'cell_1d', toDateTime(today() - 2 - number, 'UTC'), 1, 1 FROM numbers(20)"
    )


def orders(world: Accounts, count: int, *, kol: str, hours: int = 1) -> None:
    columns = "ordered_at, order_id, kols, kol_via, touch_kol, touch_at, touch_class, touch_via"
    touch = (
        "['kol-a'], [now64(3)], ['click'], ['direct'], [now64(3)]" if kol else ", ".join(["[]"] * 5)
    )
    insert = f"INSERT INTO kol.order_credit ({columns}, touch_begin) SELECT"
    order = f"now64(3) - toIntervalHour({hours}), concat('{kol}-{hours}-', toString(number))"
    world.rows(
        f"{insert} {order}, ['{kol or 'organic'}'], ['direct'], {touch} FROM numbers({count})"
    )


@on_the_engine
def test_orders_that_nobody_earns_are_told_and_one_that_a_kol_earns_ends_it(
    world: Accounts,
) -> None:
    behaviour(world, hours=1)
    orders(world, 20, kol="", hours=7)
    assert said(world, "kol-nobody-earns") == {"": 0}

    orders(world, 19, kol="")
    assert said(world, "kol-nobody-earns")[""] <= threshold("kol-nobody-earns")
    orders(world, 20, kol="")
    assert said(world, "kol-nobody-earns")[""] > threshold("kol-nobody-earns")
    orders(world, 1, kol="kol-a")
    assert said(world, "kol-nobody-earns") == {"": 0}


def behaviour(world: Accounts, hours: int, kol: str = "kol-a") -> None:
    world.rows(
        "INSERT INTO kol.minute_cell (kol_id, minute, events, orders, version)"
        f" SELECT '{kol}', now() - toIntervalHour({hours}), 1, 0, 1"
    )


@on_the_engine
def test_orders_without_behaviour_are_told_though_older_touches_earn_them(world: Accounts) -> None:
    orders(world, 20, kol="kol-a")
    behaviour(world, hours=7)
    behaviour(world, hours=1, kol="~brand:calm")
    assert said(world, "kol-nobody-earns")[""] > threshold("kol-nobody-earns")

    behaviour(world, hours=2)
    assert said(world, "kol-nobody-earns") == {"": 0}


def letters(  # as many as asked for, of one moment
    world: Accounts,
    topic: str,
    count: int,
    state: str = NEW,
    minutes: int = 5,
    reason: str = "not_json",
) -> None:
    columns = "topic, partition, offset, target, at, reason, state, version"
    insert = f"INSERT INTO kol.dead_letter ({columns}) SELECT"
    place = f"'{topic}', {minutes}, number, 'input', now64(3) - toIntervalMinute({minutes})"
    world.rows(f"{insert} {place}, '{reason}', '{state}', 1 FROM numbers({count})")


@on_the_engine
def test_a_purchase_that_is_refused_is_told_until_it_is_sent_again(world: Accounts) -> None:
    letters(world, "purchases", 3, state="retried")
    letters(world, "clickstream", 3)
    assert said(world, "kol-purchases-refused") == {"": 0}

    letters(world, "purchases", 1, minutes=59)
    assert said(world, "kol-purchases-refused")[""] > threshold("kol-purchases-refused")


@on_the_engine
def test_a_purchase_that_a_worker_came_to_days_later_is_told(world: Accounts) -> None:
    letters(world, "purchases", 1, minutes=25 * 24 * 60)

    assert said(world, "kol-purchases-refused") == {"": 1}


@on_the_engine
@pytest.mark.parametrize("uid", ["kol-purchases-refused", "kol-many-dead-letters"])
def test_what_was_dropped_was_not_refused(uid: str, world: Accounts) -> None:
    for reason in DROPPED:
        letters(world, "purchases", 101, reason=reason, minutes=len(reason))

    assert not [value for value in said(world, uid).values() if value]


@on_the_engine
def test_many_dead_letters_of_a_topic_and_reason_are_told(world: Accounts) -> None:
    letters(world, "clickstream", 101, minutes=2 * 24 * 60)
    letters(world, "purchases", 99)
    found = said(world, "kol-many-dead-letters")

    assert found == {"clickstream not_json": 101, "purchases not_json": 99}
    loud = [name for name, n in found.items() if n > threshold("kol-many-dead-letters")]
    assert loud == ["clickstream not_json"]
