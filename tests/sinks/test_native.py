"""Blocks say exactly what rows say: read back by our client's own reader, which is not our code."""

import math
import subprocess
import sys
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from clickhouse_connect.datatypes.registry import get_from_name
from clickhouse_connect.driver.insert import InsertContext
from clickhouse_connect.driver.transform import NativeTransform
from clickhouse_connect.driverc.buffer import ResponseBuffer  # type: ignore[import-not-found]  # compiled

from schemas.rows import TABLES, Rows
from schemas.values import Coded, Lists, Values, plain
from sinks.native import block, layout, varint
from tests.sinks.forms import as_arrays, random_rows
from tests.sinks.samples import cells, doors, order, orders

writable = [table.name for table in TABLES.values() if not table.derived]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read(data: bytes) -> tuple[list[str], list[str], dict[str, list[Any]]]:
    """Names, types and values of a block, by the reader of our client; times as integers."""
    source = SimpleNamespace(gen=iter([data]), close=lambda: None)
    found: Any = NativeTransform.parse_response(ResponseBuffer(source))
    names, kinds = list(found.column_names), [kind.name for kind in found.column_types]
    columns = zip(*found.result_set, strict=True) if found.result_set else [()] * len(names)
    return (
        names,
        kinds,
        {
            name: [_integer(value, kind) for value in column]
            for name, kind, column in zip(names, kinds, columns, strict=True)
        },
    )


def _integer(value: Any, kind: str) -> Any:  # noqa: ANN401  # any value of a column
    if isinstance(value, list):
        return [_integer(one, kind) for one in value]
    if isinstance(value, datetime):
        at = value if value.tzinfo else value.replace(tzinfo=UTC)
        passed = at - EPOCH
        seconds = passed.days * 86_400 + passed.seconds
        return seconds * 1000 + passed.microseconds // 1000 if "64" in kind else seconds
    return value


def without_nan(values: list[Any]) -> list[Any]:
    return [None if isinstance(v, float) and math.isnan(v) else v for v in values]


@pytest.mark.parametrize("table", writable)
@pytest.mark.parametrize("n", [1, 300])
def test_every_table_is_read_as_it_was_written_in_every_form(table: str, n: int) -> None:
    given = random_rows(table, n, seed=n)
    expected = {name: without_nan(list(column)) for name, column in given.columns.items()}

    for rows in (given, as_arrays(given)):
        names, kinds, columns = read(block(rows))
        assert (names, kinds) == (
            list(TABLES[table].columns),
            list(TABLES[table].columns.values()),
        )
        assert columns == expected


def test_no_rows_are_no_block() -> None:
    assert block(doors()) == b""


def clients(given: Rows) -> bytes:
    """What the client makes of rows, which are plain lists."""
    kinds = TABLES[given.table].columns
    context = InsertContext(
        given.table,
        list(kinds),
        [get_from_name(kind) for kind in kinds.values()],
        data=[plain(given.columns[name]) for name in kinds],
        column_oriented=True,
    )
    made = b"".join(NativeTransform.build_insert(context))
    assert context.insert_exception is None
    return made.partition(b"FORMAT Native\n")[2]


@pytest.mark.parametrize(
    "given", [orders(order("o1", ["k1", "k2"]), order("o2")), cells(0, 1, 2), doors(1, 2)]
)
def test_a_block_of_lists_is_byte_for_byte_that_of_the_client(given: Rows) -> None:
    assert block(given) == clients(given)


def test_a_count_of_one_door_is_these_bytes() -> None:
    def text(value: bytes) -> bytes:
        return bytes([len(value)]) + value

    def name(column: bytes, only: bytes) -> bytes:  # one distinct text, one row at place 0
        head = text(column) + text(b"LowCardinality(String)") + bytes([1, *[0] * 7])
        flags = bytes([0, 6, *[0] * 6])  # positions of one byte | 1 << 9 | 1 << 10
        return head + flags + bytes([1, *[0] * 7]) + text(only) + bytes([1, *[0] * 7, 0])

    expected = (
        bytes([6, 1])
        + name(b"topic", b"t")
        + (text(b"partition") + text(b"UInt16") + bytes([0, 0]))
        + name(b"door", b"d0")
        + name(b"kind", b"door")
        + (text(b"n") + text(b"UInt64") + bytes([5, *[0] * 7]))
        + (text(b"version") + text(b"UInt64") + bytes([1, *[0] * 7]))
    )
    assert block(doors(5)) == expected


def test_columns_go_in_the_order_of_the_table() -> None:
    given = doors(1, 2)
    shuffled = Rows(given.table, dict(reversed(list(given.columns.items()))))

    assert block(given) == block(shuffled)


def test_a_column_cut_out_of_a_matrix_is_as_good_as_any() -> None:
    matrix = np.arange(6).reshape(3, 2)
    given = doors(1, 3, 5)

    assert block(Rows(given.table, {**given.columns, "n": matrix[:, 1]})) == block(given)


def column(kind: str, values: Values) -> list[Any]:
    """A column of a type that no table may have, encoded and read back."""
    how = layout(kind)
    head = varint(1) + varint(len(values)) + b"\x01c" + varint(len(kind)) + kind.encode()
    data = head + how.prefix + b"".join(bytes(piece) for piece in how.encode(values))
    return read(data)[2]["c"]


@pytest.mark.parametrize("count", [1, 255, 256, 257, 65_536, 65_537])
def test_positions_of_names_are_as_wide_as_their_number_asks_for(count: int) -> None:
    names = [f"k{i}" for i in range(count)]
    code = np.arange(count)[::-1]

    assert column("LowCardinality(String)", Coded(code, names)) == names[::-1]
    assert column("LowCardinality(String)", names) == names


def test_a_name_that_stands_twice_in_a_list_says_the_same() -> None:
    values = Coded(np.array([0, 1, 2, -1]), ["a", "b", "a"])

    assert column("LowCardinality(String)", values) == ["a", "b", "a", ""]
    assert column("String", values) == ["a", "b", "a", ""]


@pytest.mark.parametrize("kind", ["LowCardinality(String)", "String"])
@pytest.mark.parametrize(("code", "text"), [(1, "b"), (-1, ""), (-2, "")])
def test_a_column_of_one_name_says_it_in_each_row(kind: str, code: int, text: str) -> None:
    values = Coded(np.full(3, code, np.int32), ["a", "b"])

    assert column(kind, values) == [text] * 3
    assert column(kind, values[:1]) == [text]
    assert column(kind, values[:0]) == []


def test_lists_of_names_may_all_be_empty() -> None:
    empty = Lists(Coded(np.zeros(0, np.int64), ["a"]), np.zeros(2, np.int64))

    assert column("Array(LowCardinality(String))", empty) == [[], []]
    assert column("Array(LowCardinality(String))", [[], []]) == [[], []]


@pytest.mark.parametrize("width", [1, 32, 127, 128, 300])
def test_texts_of_one_width_are_texts(width: int) -> None:
    texts = ["a" * width, "b" * width]

    assert column("String", np.array(texts, "S")) == texts
    assert column("String", np.array([*texts, "c"], "S")) == [*texts, "c"]


def test_codes_of_an_enumeration_are_read_as_its_names() -> None:
    assert column("Enum8('click' = 1, 'view' = -2)", np.array([-2, 1])) == ["view", "click"]


def test_lengths_take_as_many_bytes_as_they_need() -> None:
    assert [varint(n) for n in (0, 127, 128, 16_384)] == [
        b"\x00",
        b"\x7f",
        b"\x80\x01",
        b"\x80\x80\x01",
    ]


@pytest.mark.parametrize("kind", ["Decimal(18, 2)", "FixedString(3)"])
def test_a_type_nobody_writes_has_no_layout(kind: str) -> None:
    with pytest.raises(ValueError, match="no layout"):
        layout(kind)


# ---------------------------------------------------------------- what a server would take silently


def test_milliseconds_say_that_they_are_milliseconds() -> None:
    """Of a block that says Int64 the server takes them for seconds."""
    data = block(orders(order(ordered_at=1_714_521_600_123)))

    _, kinds, columns = read(data)

    assert kinds[0] == "DateTime64(3, 'UTC')"
    assert columns["ordered_at"] == [1_714_521_600_123]


def test_every_column_is_named_so_that_none_gets_a_default() -> None:
    for table in writable:
        names, _, _ = read(block(random_rows(table, 1, seed=1)))
        assert names == list(TABLES[table].columns)


def test_a_nan_is_null_in_the_map_and_zero_in_the_values() -> None:
    how = layout("Nullable(Float64)")

    is_null, numbers = how.encode(np.array([np.nan, 0.5]))

    assert (bytes(is_null), bytes(numbers)) == (b"\x01\x00", np.array([0, 0.5]).tobytes())


REFUSED: list[tuple[str, Any, type[Exception]]] = [
    *(
        (kind, values, OverflowError)
        for kind, value in (
            ("UInt8", 256),
            ("UInt8", -1),
            ("Int8", 128),
            ("UInt16", 65_536),
            ("UInt32", 2**32),
            ("Int64", 2**63),
            ("DateTime('UTC')", 2**32),
            ("DateTime('UTC')", -1),
        )
        for values in ([value], np.array([value]))
    ),
    ("UInt64", [2**64], OverflowError),
    ("UInt64", np.array([-1]), OverflowError),
    ("DateTime64(3, 'UTC')", np.array([2**63], np.uint64), OverflowError),
    ("Array(UInt8)", [[1], [256]], OverflowError),
    ("Array(UInt8)", Lists(np.array([256]), np.array([1])), OverflowError),
    *((kind, [value], TypeError) for kind in ("Int64", "UInt8") for value in (1.5, "1", None)),
    ("Int64", np.array([1.0]), TypeError),
    ("Int64", np.array(["1"]), TypeError),
    *(("Float64", values, TypeError) for values in (["1"], [None], np.array(["1"]))),
    ("Nullable(Float64)", ["1"], TypeError),
    ("Enum8('a' = 1)", [2], ValueError),
    ("Enum8('a' = 1)", np.array([0]), ValueError),
    *(
        (kind, ["ok", text], UnicodeEncodeError)
        for kind in ("String", "LowCardinality(String)")
        for text in ("\ud800", "a\udfff")
    ),
    ("LowCardinality(String)", Coded(np.array([0]), ["\ud800"]), UnicodeEncodeError),
    ("Array(String)", [["\ud800"]], UnicodeEncodeError),
    ("String", np.array([b"\xff"]), ValueError),
    ("LowCardinality(String)", np.array([b"\xff"]), ValueError),
    *(
        (kind, [value], TypeError)
        for kind in ("String", "LowCardinality(String)")
        for value in (None, 1, b"a")
    ),
    ("Array(String)", ["ab"], TypeError),
    ("Array(Int64)", [None], TypeError),
    ("Array(Int64)", Lists(np.arange(2), np.array([1])), ValueError),
    ("Array(Int64)", Lists(np.arange(2), np.array([3, 2])), ValueError),
]


@pytest.mark.parametrize(("kind", "values", "error"), REFUSED)
def test_what_a_column_cannot_hold_is_refused(
    kind: str, values: Values, error: type[Exception]
) -> None:
    with pytest.raises(error):
        layout(kind).encode(values)


@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.int64, np.uint64, np.bool_])
def test_integers_of_every_width_are_integers(dtype: type) -> None:
    assert column("UInt64", np.array([0, 1], dtype)) == [0, 1]


def test_an_array_of_names_is_a_list() -> None:
    assert column("String", np.array(["a", "安"])) == plain(["a", "安"])


def test_no_insert_imports_pandas_where_it_is_installed() -> None:
    code = (
        "import sys; from types import SimpleNamespace as S;"
        "from sinks.connection import HttpInserter;"
        "from tests.sinks.samples import doors;"
        "HttpInserter(lambda: S(write_compression=None, raw_insert=lambda *a, **b: None), {})"
        "(doors(1), 't');"
        "assert 'pandas' not in sys.modules, 'pandas'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)  # our own code
