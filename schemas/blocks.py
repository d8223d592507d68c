"""Blocks: the messages of `kol-cells`, changed cells and watermarks as columns.

A worker sends one block to one partition of the KOL side: the minute cells that changed since
the last block, whole, and the watermark of each of its source partitions. On the wire it is one
msgpack array that begins with `FORMAT`; columns are raw little-endian bytes, one field of the
cells after the other. A field that is zero in all cells is left out: so a reader skips fields it
does not know, and fields that a writer does not know are zero. Adding one needs no new format.

Workers of two formats never share a group. Blocks of the former one stay on the topic, so who
raises `FORMAT` keeps a reader for them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.cells import NAMES
from schemas.columns import Codes

FORMAT: Final = 1
MOST_MINUTE: Final = 2**31 - 1  # minutes since the epoch are kept in 32 bits

Partition = Annotated[int, msgspec.Meta(ge=0, le=2**16 - 1)]
Moment = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


@dataclass(frozen=True, slots=True)
class Block:
    """Changed cells, row i of every column is one, and the watermarks of their sources."""

    watermarks: Mapping[int, int | None]  # source partition -> milliseconds; None: no event yet
    lives: Mapping[int, int]  # source partition -> `epoch_and_life` of its owner
    source: NDArray[np.uint16]  # source partition of the cell
    kols: Sequence[str]  # the names of this block
    kol: Codes  # into `kols`
    minute: NDArray[np.int64]  # minutes since the epoch
    fields: NDArray[np.int64]  # shape (n, len(NAMES)), as `schemas.cells.NAMES`
    version: NDArray[np.uint64]  # of two versions of a cell the greater replaces the other

    def __len__(self) -> int:
        return len(self.minute)


class _Wire(msgspec.Struct, array_like=True, tag=FORMAT, forbid_unknown_fields=True):
    """A block as msgpack encodes it: an array that begins with `FORMAT`."""

    watermarks: dict[Partition, Moment | None]
    lives: dict[Partition, Moment]
    kols: list[str]
    source: bytes
    kol: bytes
    minute: bytes
    version: bytes
    codes: list[Annotated[int, msgspec.Meta(ge=0)]]  # the fields that are not all zero
    fields: bytes  # those, one after the other: shape (len(codes), n)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Wire)


def pack(block: Block) -> bytes:
    """The block as one message."""
    codes = np.flatnonzero(block.fields.any(axis=0))
    return _encoder.encode(
        _Wire(
            dict(block.watermarks),
            dict(block.lives),
            list(block.kols),
            block.source.astype("<u2").tobytes(),
            block.kol.astype("<i4").tobytes(),
            block.minute.astype("<i8").tobytes(),
            block.version.astype("<u8").tobytes(),
            codes.tolist(),
            block.fields.T[codes].astype("<i8").tobytes(),
        )
    )


def unpack(raw: bytes) -> Block:
    """The block of a message.

    Raises:
        ValueError: it is no block, of another format, or its columns do not fit together.

    """
    wire = _read(raw)
    n = len(wire.version) // np.uint64().itemsize
    minute = _column(wire.minute, "<i8", "minute", n)
    kol = _column(wire.kol, "<i4", "kol", n)
    _within(kol, len(wire.kols) - 1, "kol")
    _within(minute, MOST_MINUTE, "minute")
    return Block(
        wire.watermarks,
        wire.lives,
        _column(wire.source, "<u2", "source", n),
        wire.kols,
        kol,
        minute,
        _fields(wire, n),
        _column(wire.version, "<u8", "version", n),
    )


def _read(raw: bytes) -> _Wire:
    try:
        return _decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not a block of format {FORMAT}: {error}") from None


def _column(raw: bytes, dtype: str, name: str, n: int) -> NDArray[Any]:
    """Raw bytes as a column in the byte order of this machine, shape (n,)."""
    wire = np.dtype(dtype)
    if len(raw) != n * wire.itemsize:
        raise ValueError(f"block of {n} cells with {len(raw)} bytes of {name}")
    return np.frombuffer(raw, wire).astype(wire.newbyteorder("="), copy=False)


def _within(column: NDArray[Any], most: int, name: str) -> None:
    if len(column) and not 0 <= column.min() <= column.max() <= most:
        raise ValueError(f"block with a {name} outside 0 to {most}")


def _fields(wire: _Wire, n: int) -> NDArray[np.int64]:
    """All fields of the cells, zero where the block has none; shape (n, len(NAMES))."""
    if len(set(wire.codes)) < len(wire.codes):
        raise ValueError("block with a field twice")
    columns = _column(wire.fields, "<i8", "fields", n * len(wire.codes))
    known = [row for row, code in enumerate(wire.codes) if code < len(NAMES)]
    fields = np.zeros((n, len(NAMES)), np.int64)
    fields[:, [wire.codes[row] for row in known]] = columns.reshape(len(wire.codes), n)[known].T
    return fields
