"""Random rows of a table, and the same rows in every form that a column may have."""

from itertools import accumulate
from typing import Any

import numpy as np

from schemas.rows import TABLES, Rows
from schemas.values import NULL, Coded, Lists, Values
from sinks.native import INTEGERS

TEXTS = ("", "k1", "~brand:安", "\x00", "🍼" * 9, "e" * 127, "e" * 128, "x" * 700, "organic")
MOMENTS = (0, 1_714_521_600_123)  # ms; the server's own range is narrower than 64 bits


def random_rows(table: str, n: int, seed: int) -> Rows:
    """Rows as plain lists, edges of every type among them."""
    dice = np.random.default_rng(seed)
    columns = {
        name: _values(kind, n, dice) if name != "final" else [0] * n
        for name, kind in TABLES[table].columns.items()
    }
    return Rows(table, columns)


def _values(kind: str, n: int, dice: np.random.Generator) -> list[Any]:
    if kind.startswith("Array"):
        sizes = dice.integers(0, 4, n).tolist()
        inner = kind.removeprefix("Array(").removesuffix(")")
        return [_values(inner, size, dice) for size in sizes]
    if kind == "Nullable(Int64)":
        return list(dice.choice(np.array([None, -(2**63) + 1, -1, 0, 2**63 - 1], object), n))
    if kind in INTEGERS:
        return list(dice.choice(np.array(_edges(kind), object), n))
    if "Float64" in kind:
        some = [0.0, 0.1, -1e300, 5e-324, 1 / 3] + [None, float("nan")] * kind.startswith("Null")
        return list(dice.choice(np.array(some, object), n))
    return [TEXTS[i] for i in dice.integers(0, len(TEXTS), n)]


def _edges(kind: str) -> list[int]:
    if kind.startswith("DateTime64"):
        return [*MOMENTS, 1]
    if kind.startswith("DateTime"):
        return [0, 1_714_521_600, 2**32 - 1]
    limits = np.iinfo(INTEGERS[kind])
    return [int(limits.min), 0, 1, 300 % (int(limits.max) + 1), int(limits.max)]


def as_arrays(rows: Rows) -> Rows:
    """The same rows without a Python object a value: arrays, codes, lists with their ends."""
    kinds = TABLES[rows.table].columns
    return Rows(rows.table, {n: _form(kinds[n], list(v)) for n, v in rows.columns.items()})


def _form(kind: str, values: list[Any]) -> Values:
    if kind.startswith("Array"):
        inner = kind.removeprefix("Array(").removesuffix(")")
        ends = np.array(list(accumulate(map(len, values))), np.int64)
        return Lists(_form(inner, [one for row in values for one in row]), ends)
    if kind == "Nullable(Int64)":
        return np.array([NULL if value is None else value for value in values], np.int64)
    if kind in INTEGERS:
        return np.array(values, INTEGERS[kind])
    if "Float64" in kind:
        return np.array([np.nan if value is None else value for value in values], np.float64)
    names = sorted({*values, "of no row"} - {""})
    return Coded(np.array([names.index(t) if t else -1 for t in values], np.int32), names)
