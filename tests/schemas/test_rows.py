"""The tables as data, and rows as columns."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.cells import FIELDS
from schemas.rows import MODELS, TABLES, VIEWS, Rows, Table, joined

MODEL_COUNT = 6
writable = [table for table in TABLES.values() if not table.derived]


def doors(n: int) -> Rows:
    """Give n rows of `door_count`, lists and arrays mixed."""
    return Rows(
        "door_count",
        {
            "topic": ["clickstream"] * n,
            "partition": [0] * n,
            "door": [f"door {i}" for i in range(n)],
            "kind": ["door"] * n,
            "n": np.arange(n, dtype=np.uint64),
            "version": np.ones(n, np.uint64),
        },
    )


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))
def test_cutting_and_joining_gives_the_rows_back(n: int, first: int, second: int) -> None:
    rows = doors(n)
    a, b = sorted((min(first, n), min(second, n)))

    back = joined([rows.cut(0, a), rows.cut(a, b), rows.cut(b, n)])

    assert len(back) == n
    assert {k: list(v) for k, v in back.columns.items()} == {
        k: list(v) for k, v in rows.columns.items()
    }


def test_one_part_joined_is_that_part() -> None:
    rows = doors(2)

    assert joined([rows]) is rows


def test_parts_of_two_tables_cannot_be_joined() -> None:
    with pytest.raises(ValueError, match="one table"):
        joined([doors(1), Rows("minute_cell", {})])


def test_no_parts_cannot_be_joined() -> None:
    with pytest.raises(ValueError, match="one table"):
        joined([])


def test_rows_are_picked_in_the_order_asked_for() -> None:
    picked = doors(4).pick([3, 1])

    assert list(picked.columns["door"]) == ["door 3", "door 1"]
    assert isinstance(picked.columns["n"], np.ndarray)
    assert list(picked.columns["n"]) == [3, 1]


def test_rows_without_columns_are_no_rows() -> None:
    assert len(Rows("door_count", {})) == 0


@pytest.mark.parametrize("table", writable, ids=lambda table: table.name)
def test_all_columns_a_writer_fills_and_no_other_are_valid(table: Table) -> None:
    Rows(table.name, {name: [] for name in table.columns}).validate()


def test_a_missing_and_an_unknown_column_are_refused() -> None:
    columns = dict(doors(1).columns)
    columns["m"] = columns.pop("n")

    with pytest.raises(ValueError, match="missing or unknown: m, n"):
        Rows("door_count", columns).validate()


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="different lengths"):
        Rows("door_count", {**doors(2).columns, "n": [1]}).validate()


@pytest.mark.parametrize("name", ["nowhere", "cell_1h"])
def test_rows_for_a_table_nobody_writes_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no table for writers"):
        Rows(name, {}).validate()


def test_a_minute_cell_has_every_field_of_a_cell_in_its_order() -> None:
    between = list(TABLES["minute_cell"].columns)[3:-1]

    assert between == list(FIELDS)


def test_an_order_has_credit_and_refund_of_every_model() -> None:
    columns = TABLES["order_credit"].columns

    assert len(MODELS) == MODEL_COUNT
    assert all({f"credit_{model}", f"refunded_{model}"} <= columns.keys() for model in MODELS)


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_every_table_and_column_says_what_it_means(table: Table) -> None:
    assert table.description.endswith(".")
    assert all(column.meaning and column.type for column in table.all_columns.values())


def test_every_view_says_what_it_shows() -> None:
    assert all(name.startswith("v_") and text.endswith(".") for name, text in VIEWS.items())


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_the_partition_derives_from_a_column_of_the_key(table: Table) -> None:
    named = set(re.findall(r"\((\w+)\)", table.partition))

    assert named == ({table.moment} if table.moment else set())
    assert named <= set(table.key)


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_a_table_has_its_key_and_a_version(table: Table) -> None:
    assert set(table.key) <= table.columns.keys()
    assert "version" in table.columns
    by_server = ["stated_at"] if table.aged_by == "stated_at" else []
    assert list(table.all_columns) == [*table.columns, *by_server]
    assert table.aged_by in table.all_columns


def test_signed_and_unsigned_columns_join_without_losing_a_bit() -> None:
    most = 2**64 - 1
    columns = {name: ["x"] for name in TABLES["door_count"].columns}
    signed = Rows("door_count", columns | {"n": np.array([-1], np.int64)})
    unsigned = Rows("door_count", columns | {"n": np.array([most], np.uint64)})

    assert joined([signed, unsigned]).columns["n"] == [-1, most]
