"""Rows as a block of ClickHouse's Native format: every column in one run, no Python list a row.

    block   = columns, rows, column...                counts and lengths are LEB128 (`varint`)
    column  = name, type, prefix, values
    String                  each text: its length, its bytes
    Array(T)                where each list ends, uint64; the elements of all of them as T
    Nullable(T)             a byte for each, 1 where it is NULL; then T, with 0 where it is NULL
    LowCardinality(String)  prefix: version 1; width of a position | flags, the distinct texts,
                            the position of each; nothing where there are none

The block says the type of each column, so milliseconds are taken for milliseconds. All columns
of a table are named: the server would fill a missing one with a default.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from operator import add
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from schemas.rows import TABLES, Rows
from schemas.values import Coded, Values, plain
from sinks.encode import (
    UINT64,
    ascii_texts,
    distinct,
    floats,
    floats_or_null,
    integers,
    integers_or_null,
    lists,
    members,
    utf8,
)

Piece = bytes | NDArray[Any]  # a part of a block
Encode = Callable[[Values], Sequence[Piece]]

INTEGERS: Final = {
    **{
        f"{sign}Int{8 * size}": f"<{letter}{size}"
        for sign, letter in (("U", "u"), ("", "i"))
        for size in (1, 2, 4, 8)
    },
    "DateTime('UTC')": "<u4",
    "DateTime64(3, 'UTC')": "<i8",
}  # ClickHouse type -> type of numpy

_VERSION: Final = (1).to_bytes(8, "little")  # of LowCardinality
_HAS_TEXTS: Final = 1 << 9  # the distinct texts are in the block
_ARE_NEW: Final = 1 << 10  # and replace those of a former block
_WIDTHS: Final = ((1 << 8, "<u1"), (1 << 16, "<u2"), (1 << 32, "<u4"))  # positions below -> type


@dataclass(frozen=True, slots=True)
class Layout:
    """How the values of a type are laid out."""

    encode: Encode
    prefix: bytes = b""  # before the values, of an array before its ends


def block(rows: Rows) -> bytes:
    """The rows as one block, all columns in the order of their table; nothing where there are none.

    Raises:
        TypeError, OverflowError, ValueError: a value is not of its column's type. Rows
            that are not a table's at all are found by `Rows.validate` before.

    """
    if not len(rows):
        return b""
    pieces: list[Piece] = [varint(len(TABLES[rows.table].columns)), varint(len(rows))]
    for name, head, encode in _layouts(rows.table):
        pieces.append(head)
        pieces += encode(rows.columns[name])
    return b"".join(pieces)  # type: ignore[arg-type]  # arrays are buffers


@cache
def _layouts(table: str) -> Sequence[tuple[str, bytes, Encode]]:
    """Each column of a table: its name, what stands before its values, how they are encoded."""
    found = [(name, kind, layout(kind)) for name, kind in TABLES[table].columns.items()]
    return [
        (name, _texts([name.encode(), kind.encode()]) + how.prefix, how.encode)
        for name, kind, how in found
    ]


def layout(kind: str) -> Layout:
    """The layout of a type.

    Raises:
        ValueError: no column of ours has this type.

    """
    name, _, inner = kind.partition("(")
    inner = inner.removesuffix(")")
    if kind in INTEGERS:
        return Layout(lambda values: [integers(values, INTEGERS[kind])])
    if kind == "LowCardinality(String)":
        return Layout(_low_cardinality, _VERSION)
    if name == "Array":
        return _array(layout(inner))
    if name == "Enum8":
        known = [int(code) for code in re.findall(r"'[^']*' = (-?\d+)", inner)]
        return Layout(lambda values: [members(values, known)])
    if kind == "Nullable(Int64)":
        return Layout(lambda values: _nullable(*integers_or_null(values)))
    others = {"Float64": _floats, "Nullable(Float64)": _floats_or_null, "String": _strings}
    if kind in others:
        return Layout(others[kind])
    raise ValueError(f"no layout for {kind}")


def varint(number: int) -> bytes:
    r"""A number in groups of 7 bits, the lowest first; all but the last have the 8th bit set.

    >>> varint(5), varint(300)
    (b'\x05', b'\xac\x02')
    """
    groups = []
    while number > 127:  # noqa: PLR2004  # 7 bits
        groups.append(number & 127 | 128)
        number >>= 7
    return bytes([*groups, number])


SHORT: Final = tuple(varint(length) for length in range(1 << 10))


def _lengths(texts: Sequence[bytes]) -> Sequence[bytes]:
    try:
        return list(map(SHORT.__getitem__, map(len, texts)))
    except IndexError:
        return list(map(varint, map(len, texts)))


def _texts(texts: Sequence[bytes]) -> bytes:
    """Each text after its length."""
    return b"".join(chain.from_iterable(zip(_lengths(texts), texts, strict=True)))


def _strings(values: Values) -> Sequence[Piece]:
    if isinstance(values, Coded):
        texts, which = distinct(values)
        each = np.array(list(map(add, _lengths(texts), texts)), np.object_)
        return [b"".join(each[which].tolist())]
    if isinstance(values, np.ndarray) and values.dtype.kind == "S":
        return [_ascii_strings(ascii_texts(values))]
    return [_texts(utf8(plain(values)))]


def _ascii_strings(texts: NDArray[np.uint8]) -> Piece:
    count, width = texts.shape
    if width >= 128 or (texts == 0).any():  # noqa: PLR2004  # lengths of one byte
        return _texts([bytes(text).rstrip(b"\0") for text in texts])
    found = np.empty((count, 1 + width), np.uint8)
    found[:, 0] = width
    found[:, 1:] = texts
    return found.reshape(-1)


def _floats(values: Values) -> Sequence[Piece]:
    return [floats(values)]


def _floats_or_null(values: Values) -> Sequence[Piece]:
    return _nullable(*floats_or_null(values))


def _nullable(values: NDArray[Any], is_null: NDArray[np.bool_]) -> Sequence[Piece]:
    return [is_null.view(np.uint8), np.where(is_null, values.dtype.type(0), values)]


def _low_cardinality(values: Values) -> Sequence[Piece]:
    if not len(values):
        return []
    texts, which = distinct(values)
    power, (_, width) = next(
        (power, one) for power, one in enumerate(_WIDTHS) if len(texts) <= one[0]
    )
    head = np.array([power | _HAS_TEXTS | _ARE_NEW, len(texts)], UINT64)
    return [head, _texts(texts), np.array([len(which)], UINT64), which.astype(width)]


def _array(element: Layout) -> Layout:
    def encode(values: Values) -> Sequence[Piece]:
        flat, ends = lists(values)
        return [ends, *element.encode(flat)]

    return Layout(encode, element.prefix)
