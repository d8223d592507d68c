"""Rows as the client needs them: exact, or refused before anything is sent.

The client is lenient: it cuts 1.5 down to 1 for an integer column and would store a NaN
where NULL is meant. Here integers are integers in range, and a NaN in a nullable
column is NULL.
"""

import math
from array import array
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from schemas.rows import TABLES, Rows
from schemas.values import Values, plain

CODES = {
    "UInt8": "B",
    "UInt16": "H",
    "UInt32": "I",
    "UInt64": "Q",
    "Int64": "q",
    "DateTime('UTC')": "I",
    "DateTime64(3, 'UTC')": "q",
}  # ClickHouse type -> type code of `array`, which says what is in range


def encoded(rows: Rows) -> list[Sequence[Any]]:
    """The columns of rows in the order of their table.

    Raises:
        TypeError, OverflowError, ValueError: a value is not of its column's type. Rows
            that are not a table's at all are found by `Rows.validate` before.

    """
    return [encode(rows.columns[name]) for name, encode in _encoders(rows.table)]


@cache
def _encoders(table: str) -> list[tuple[str, Callable[[Values], Any]]]:
    return [(name, _encoder(kind)) for name, kind in TABLES[table].columns.items()]


def _encoder(kind: str) -> Callable[[Values], Any]:
    if kind.startswith("DateTime"):
        return lambda values: _integers(values, CODES[kind]).tolist()
    if kind in CODES:
        return lambda values: _integers(values, CODES[kind])
    if kind == "Nullable(Float64)":
        return _numbers_or_null
    return plain


def _integers(values: Values, code: str) -> np.ndarray[Any, np.dtype[Any]]:
    if not isinstance(values, np.ndarray):
        return np.frombuffer(array(code, plain(values)), code)
    if values.dtype.kind == "b":
        return values.astype(np.uint8)
    if values.dtype.kind not in "iu":
        raise TypeError(f"integers wanted, not {values.dtype}")
    limits = np.iinfo(code)
    if values.size and (values.min() < limits.min or values.max() > limits.max):
        raise OverflowError(f"not within {limits.min} and {limits.max}")
    return np.ascontiguousarray(values)  # a column of a matrix: four times as fast


def _numbers_or_null(values: Values) -> list[float | None]:
    if isinstance(values, np.ndarray):
        numbers = values.tolist()
        return [None if x != x else x for x in numbers] if np.isnan(values).any() else numbers  # noqa: PLR0124  # only a NaN differs from itself
    return [None if x is None or math.isnan(x) else x for x in plain(values)]
