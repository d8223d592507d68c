"""Values go out exactly or not at all."""

from typing import Any

import numpy as np
import pytest
from clickhouse_connect.datatypes.registry import get_from_name
from clickhouse_connect.driver.insert import InsertContext
from clickhouse_connect.driver.transform import NativeTransform

from schemas.rows import TABLES, Rows
from sinks.encode import encoded
from tests.sinks.samples import cells, doors, order, orders, rows


def column(name: str, values: object, table: str = "door_count") -> Any:  # noqa: ANN401  # anything
    """One column of a table, encoded beside columns of the same length."""
    n = len(values)  # type: ignore[arg-type]  # lists and arrays
    given = rows(table, [{}] * n)
    out = encoded(Rows(table, {**given.columns, name: values}))  # type: ignore[dict-item]  # bad on purpose
    return out[list(TABLES[table].columns).index(name)]


def native(given: Rows) -> bytes:
    """What the client makes of rows."""
    kinds = TABLES[given.table].columns
    context = InsertContext(
        given.table,
        list(kinds),
        [get_from_name(kind) for kind in kinds.values()],
        data=encoded(given),
        column_oriented=True,
    )
    made = b"".join(NativeTransform.build_insert(context))
    assert context.insert_exception is None
    return made


@pytest.mark.parametrize(
    "given", [orders(order("o1", ["k1", "k2"]), order("o2")), cells(0, 1, 2), doors(1, 2)]
)
def test_lists_and_arrays_give_the_same_bytes(given: Rows) -> None:
    as_lists = Rows(given.table, {name: list(values) for name, values in given.columns.items()})

    assert native(given) == native(as_lists)


def test_a_column_cut_out_of_a_matrix_is_as_good_as_any() -> None:
    matrix = np.arange(6).reshape(3, 2)

    assert column("n", matrix[:, 1]).tolist() == [1, 3, 5]


def test_columns_go_in_the_order_of_the_table() -> None:
    given = doors(1, 2)
    shuffled = Rows(given.table, dict(reversed(list(given.columns.items()))))

    assert native(given) == native(shuffled)


@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.int64, np.uint64, np.bool_])
def test_integers_of_every_width_are_integers(dtype: type) -> None:
    assert list(column("n", np.array([0, 1], dtype))) == [0, 1]


@pytest.mark.parametrize("values", [[1.5], ["1"], [None]])
def test_what_is_no_integer_is_refused(values: list[object]) -> None:
    with pytest.raises(TypeError):
        column("n", values)


def test_an_array_of_floats_is_refused_where_integers_are_wanted() -> None:
    with pytest.raises(TypeError, match="integers wanted"):
        column("n", np.array([1.0]))


@pytest.mark.parametrize("values", [[-1], [65_536], np.array([-1]), np.array([65_536])])
def test_integers_out_of_range_are_refused(values: object) -> None:
    with pytest.raises(OverflowError):
        column("partition", values)


@pytest.mark.parametrize("values", [[2**32], np.array([2**32])])
def test_seconds_after_2106_are_refused(values: object) -> None:
    with pytest.raises(OverflowError):
        column("minute", values, "kol_score")


@pytest.mark.parametrize("values", [[0.5, float("nan"), None], np.array([0.5, np.nan, np.nan])])
def test_a_nan_is_null_where_null_is_allowed(values: object) -> None:
    assert column("trust", values, "kol_score") == [0.5, None, None]


def test_numbers_that_are_all_there_stay() -> None:
    assert column("trust", np.array([0.5, 0.25]), "kol_score") == [0.5, 0.25]


def test_an_array_of_names_is_a_list() -> None:
    assert column("door", np.array(["a", "b"])) == ["a", "b"]


def test_no_rows_are_no_values() -> None:
    assert [len(values) for values in encoded(doors())] == [0] * 6
    assert len(column("n", np.array([], np.int64))) == 0
