"""How far a record set may unpack: some kilobytes can hold a gigabyte.

A broker bounds what a record batch weighs packed, and aiokafka unpacks it whole. Here are
unpackers that stop at `UNPACKED_BYTES`; `bound` puts them in the place of aiokafka's in this
process. They read what aiokafka's read: gzip, lz4 and zstd frames, snappy with and without
the framing of xerial. What does not fit is refused, never cut.
"""

import sys
import threading
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final

import cramjam
import numpy as np
from aiokafka.record.default_records import DefaultRecordBatch
from numpy.typing import NDArray

UNPACKED_BYTES: Final = 64 << 20  # of one record batch; packed it is 1 MiB at the most
XERIAL: Final = b"\x82SNAPPY\0"
XERIAL_HEADER: Final = 16  # the word, a version, the oldest version that reads it
LENGTH: Final = 4  # bytes before each block of xerial's
TOO_SHORT: Final = "whole buffer"  # in what cramjam says when the output does not fit

Unpack = Callable[[Any], bytes]


class UnpacksTooFarError(ValueError):
    """A record batch is larger than any that a producer of events makes."""

    def __init__(self) -> None:
        super().__init__(f"it unpacks to more than {UNPACKED_BYTES >> 20} MiB")


def bound() -> None:
    """From now on aiokafka unpacks no further than `UNPACKED_BYTES`, in the whole process."""
    module = sys.modules[DefaultRecordBatch.__module__]  # the compiled one, where it is built
    for name, unpack in UNPACKERS.items():
        if not hasattr(module, name):
            raise AttributeError(f"aiokafka has no {name} here any more: see {__name__}")
        setattr(module, name, unpack)


class _Room(threading.local):
    """Where a thread unpacks: made once, and only what was ever written takes memory."""

    def __init__(self) -> None:
        self.bytes: NDArray[np.uint8] = np.empty(UNPACKED_BYTES, np.uint8)


_room = _Room()


def _within(unpack_into: Callable[[Any, Any], int]) -> Unpack:
    def unpack(packed: Any) -> bytes:  # noqa: ANN401  # any buffer
        room = _room.bytes
        try:
            size = unpack_into(packed, room)
        except cramjam.DecompressionError as error:
            if TOO_SHORT in str(error):
                raise UnpacksTooFarError from error
            raise
        return room[:size].tobytes()

    return unpack


def _snappy(packed: Any) -> bytes:  # noqa: ANN401  # any buffer
    """Blocks that say how large they are, one after the other."""
    raw = bytes(packed)
    blocks = list(_xerial(raw)) if raw.startswith(XERIAL) else [raw]
    if sum(map(cramjam.snappy.decompress_raw_len, blocks)) > UNPACKED_BYTES:
        raise UnpacksTooFarError
    return b"".join(bytes(cramjam.snappy.decompress_raw(block)) for block in blocks)


def _xerial(raw: bytes) -> list[bytes]:
    cuts = [XERIAL_HEADER]
    while cuts[-1] < len(raw):
        start = cuts[-1] + LENGTH
        cuts.append(start + int.from_bytes(raw[cuts[-1] : start], "big"))
    if cuts[-1] != len(raw):
        raise ValueError("snappy: truncated")
    return [raw[start + LENGTH : end] for start, end in pairwise(cuts)]


UNPACKERS: Final[dict[str, Unpack]] = {
    "gzip_decode": _within(cramjam.gzip.decompress_into),
    "lz4_decode": _within(cramjam.lz4.decompress_into),
    "snappy_decode": _snappy,
    "zstd_decode": _within(cramjam.zstd.decompress_into),
}
