"""Every column of a view says what it means, and amounts, moments and numbers in which unit."""

import re
from collections import defaultdict

import pytest

from schemas.rows import TABLES, VIEWS, Table
from schemas.units import CENTS, UTC
from schemas.views import COLUMNS, ViewColumn

CODES = {  # numbers that count and measure nothing
    *("version", "snapshot", "partition", "source_partition", "offset", "final", "active"),
    *("promo", "member", "blocks", "mutations", "settled", "bucket"),
    *("reading", "shown", "partitions", "offsets"),
    *("share", "parent_share", "session", "device", "ip", "identity", "first_screen"),
    *("sponsored", "disclosed"),
}


def test_a_comment_ends_with_the_unit() -> None:
    assert ViewColumn("paid", CENTS).comment == "paid [cents]"
    assert ViewColumn("the KOL").comment == "the KOL"


def test_every_view_has_its_columns_described() -> None:
    assert COLUMNS.keys() == VIEWS.keys()
    assert all(column.meaning for columns in COLUMNS.values() for column in columns.values())


@pytest.mark.parametrize("view", COLUMNS)
def test_amounts_and_moments_have_their_unit(view: str) -> None:
    units = {name: column.unit for name, column in COLUMNS[view].items()}

    assert {unit for name, unit in units.items() if name.endswith("_cents")} <= {CENTS}
    assert {unit for name, unit in units.items() if name.endswith("_at")} <= {UTC}
    assert {units[name] for name in ("minute", "hour", "at") if name in units} <= {UTC}
    assert {units[name] for name in units if name.endswith("_ms")} <= {"ms"}


def test_a_unit_is_said_once() -> None:
    for columns in COLUMNS.values():
        for column in columns.values():
            assert not column.unit or f", {column.unit}" not in column.meaning


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_every_number_and_moment_of_a_table_has_its_unit(table: Table) -> None:
    numbers = {
        name
        for name, column in table.all_columns.items()
        if re.search("Int|Float|Date", column.type) and not table.unit(name)
    }

    assert numbers <= CODES
    assert all(table.comment(name) for name in table.all_columns)


def test_a_column_of_a_view_has_the_unit_of_a_table_s_of_its_name() -> None:
    units = defaultdict[str, set[str]](set)
    for table in TABLES.values():
        for name in table.all_columns:
            units[name].add(table.unit(name))
    for columns in COLUMNS.values():
        for name, column in columns.items():
            assert name not in units or column.unit in units[name], name
