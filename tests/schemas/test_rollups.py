"""What is added up, of what and how: every column has an expression, every source its numbers."""

import pytest

from schemas.rollups import ROLL_UPS, SOURCES, RollUp, of_source
from schemas.rows import MODELS, TABLES

EACH = pytest.mark.parametrize("rollup", ROLL_UPS.values(), ids=lambda rollup: rollup.table)


@EACH
def test_every_column_is_a_label_the_bucket_or_has_an_expression(rollup: RollUp) -> None:
    target = rollup.target
    said = {*rollup.labels, target.moment, *rollup.columns}

    assert said == set(rollup.shown)
    assert len(rollup.shown) == len(rollup.labels) + 1 + len(rollup.columns)
    assert target.derived


@EACH
def test_a_source_numbers_its_inserts_and_lies_in_months(rollup: RollUp) -> None:
    source = TABLES[rollup.source]

    assert source.numbered
    assert source.partition == f"toYYYYMM({rollup.order})"
    assert source.keep.endswith((" DAY", " MONTH"))


def test_only_what_is_a_source_numbers_its_inserts() -> None:
    assert {name for name, table in TABLES.items() if table.numbered} == set(SOURCES)
    assert [one.table for one in of_source("kol_score")] == ["score_1h", "score_1d"]


@EACH
def test_rows_are_added_up_in_the_order_of_the_tables_columns(rollup: RollUp) -> None:
    select = rollup.select("b", "c", "db")
    names = [line.split()[-1].rstrip(",") for line in select.partition("FROM")[0].splitlines()[1:]]

    assert names == list(rollup.shown)
    assert f"FROM db.{rollup.rows}\nWHERE c\nGROUP BY " in select


@EACH
def test_only_rows_from_the_floor_of_their_bucket_on_count(rollup: RollUp) -> None:
    kept = rollup.kept("db")

    assert f"WHERE target = '{rollup.table}' AND settled = 1" in kept
    assert kept.endswith("WHERE r.version >= f.floor")


def test_an_hour_is_one_of_utc_and_a_day_one_of_the_zone() -> None:
    assert ROLL_UPS["score_1h"].bucket() == "toStartOfHour(s.minute)"
    assert ROLL_UPS["score_1d"].bucket("'UTC'") == "toDate(s.minute, 'UTC')"


def test_an_order_belongs_to_the_day_of_each_of_its_refunds() -> None:
    refunds, credit = ROLL_UPS["refund_1d"], ROLL_UPS["credit_1d"]

    assert (refunds.order, credit.order) == ("ordered_at", "ordered_at")
    assert credit.source_rows == "order_credit AS s"
    assert refunds.source_rows.startswith("order_credit AS s ARRAY JOIN arrayConcat(s.refund_at, ")
    assert credit.source_bucket("z") == "toDate(s.ordered_at, z)"
    assert refunds.source_bucket("z") == "toDate(moment, z)"


def test_a_row_of_credits_is_one_row_for_each_model() -> None:
    rows = ROLL_UPS["credit_1d"].by_model("SELECT 1")

    assert all(f"('{m}', orders_{m}, credit_{m}, refunded_{m})" in rows for m in MODELS)
    assert "(\n    SELECT 1\n)" in rows
