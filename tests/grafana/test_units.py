"""What a column is made of is read from its statement."""

import pytest

from tests.grafana.units import known, made_of, unnamed_in, views_of


def units_of(sql: str, column: str) -> set[str]:
    return made_of(sql)[column].units


def test_columns_are_those_of_the_outermost_select() -> None:
    sql = """
        WITH x AS (SELECT kol_id AS a FROM v_kol)
        SELECT toStartOfHour(minute) AS time, kol_id, sum(clicks) AS `the clicks`
        FROM v_minute WHERE kol_id IN (SELECT a AS b FROM x) GROUP BY ALL
    """

    assert list(made_of(sql)) == ["time", "kol_id", "the clicks"]
    assert units_of(sql, "the clicks") == {"count"}


@pytest.mark.parametrize(
    ("sql", "units"),
    [
        ("SELECT x FROM (SELECT sum(dwell_ms) AS x FROM v_minute)", {"ms"}),
        ("SELECT x / 2 AS x FROM (SELECT trust AS x FROM v_score)", {"0 to 1"}),
        ("SELECT s.x AS x FROM (SELECT n_eff AS x FROM v_score) AS s", {"judgements"}),
        (
            "SELECT now.1 AS x FROM (SELECT argMax(tuple(trust, 1), minute) AS now FROM v_score)",
            {"0 to 1", "UTC"},
        ),
        ("SELECT 'paid_cents' AS x FROM v_order", set()),
        ("SELECT sum(for_E) AS x FROM v_cell_1d", {"millionths"}),
        ("SELECT name AS x FROM v_kol UNION ALL SELECT paid_cents FROM v_order", set()),
    ],
)
def test_names_are_followed_to_the_columns_of_views(sql: str, units: set[str]) -> None:
    assert units_of(sql, "x") == units


def test_a_name_that_stands_for_itself_is_followed_once() -> None:
    made = made_of("SELECT credit_cents / 100 AS credit_cents FROM v_order_credit")

    assert made["credit_cents"].units == {"cents"}
    assert "/" in made["credit_cents"].words


def test_what_is_read_stands_behind_from_and_join() -> None:
    sql = "SELECT 'FROM nowhere' FROM v_a LEFT JOIN v_b USING x, (SELECT 1 FROM numbers(3))"

    assert views_of(sql) == ["v_a", "v_b"]


def test_what_fills_gaps_is_not_read() -> None:
    sql = "SELECT day FROM v_a ORDER BY day WITH FILL FROM toDate('2026-01-01') TO today() STEP 1"

    assert views_of(sql) == ["v_a"]
    assert unnamed_in(sql) == []


def test_units_of_grafana_are_known() -> None:
    assert all(map(known, ("percentunit", "locale", "currencyCNY", "suffix:次", "cpm", "")))
    assert not known("yuan")
