"""Limits what a record batch decompresses to: some kilobytes can hold a gigabyte.

A broker limits a record batch as it is compressed, and aiokafka decompresses it whole.
`limit_decompression` replaces aiokafka's functions in this process by some that stop at
`MAX_DECOMPRESSED_BYTES`. They read the same: gzip, lz4 and zstd frames, snappy with and
without the framing of xerial. What does not fit is refused, never cut.
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

MAX_DECOMPRESSED_BYTES: Final = 64 << 20  # of one record batch; compressed, 1 MiB at most
XERIAL: Final = b"\x82SNAPPY\0"
XERIAL_HEADER: Final = 16  # the word, a version, the oldest version that reads it
LENGTH: Final = 4  # bytes before each block of xerial's
TOO_SHORT: Final = "whole buffer"  # in what cramjam says when the output does not fit

Decompress = Callable[[Any], bytes]


class DecompressedSizeError(ValueError):
    """A record batch is larger than any that a producer of events makes."""

    def __init__(self) -> None:
        super().__init__(f"it unpacks to more than {MAX_DECOMPRESSED_BYTES >> 20} MiB")


def limit_decompression() -> None:
    """From now on aiokafka decompresses at most `MAX_DECOMPRESSED_BYTES`, in the whole process."""
    module = sys.modules[DefaultRecordBatch.__module__]  # the compiled one, where it is built
    for name, decompress in DECOMPRESSORS.items():
        if not hasattr(module, name):
            raise AttributeError(f"aiokafka has no {name} here any more: see {__name__}")
        setattr(module, name, decompress)


class _Buffer(threading.local):
    """Where a thread decompresses: made once, and only what was ever written takes memory."""

    def __init__(self) -> None:
        self.bytes: NDArray[np.uint8] = np.empty(MAX_DECOMPRESSED_BYTES, np.uint8)


_buffer = _Buffer()


def _limited(decompress_into: Callable[[Any, Any], int]) -> Decompress:
    def decompress(packed: Any) -> bytes:  # noqa: ANN401  # any buffer
        buffer = _buffer.bytes
        try:
            size = decompress_into(packed, buffer)
        except cramjam.DecompressionError as error:
            if TOO_SHORT in str(error):
                raise DecompressedSizeError from error
            raise
        return buffer[:size].tobytes()

    return decompress


def _snappy(packed: Any) -> bytes:  # noqa: ANN401  # any buffer
    """Blocks that say how large they are, one after the other."""
    raw = bytes(packed)
    blocks = list(_xerial(raw)) if raw.startswith(XERIAL) else [raw]
    if sum(map(cramjam.snappy.decompress_raw_len, blocks)) > MAX_DECOMPRESSED_BYTES:
        raise DecompressedSizeError
    return b"".join(bytes(cramjam.snappy.decompress_raw(block)) for block in blocks)


def _xerial(raw: bytes) -> list[bytes]:
    cuts = [XERIAL_HEADER]
    while cuts[-1] < len(raw):
        start = cuts[-1] + LENGTH
        cuts.append(start + int.from_bytes(raw[cuts[-1] : start], "big"))
    if cuts[-1] != len(raw):
        raise ValueError("snappy: truncated")
    return [raw[start + LENGTH : end] for start, end in pairwise(cuts)]


DECOMPRESSORS: Final[dict[str, Decompress]] = {
    "gzip_decode": _limited(cramjam.gzip.decompress_into),
    "lz4_decode": _limited(cramjam.lz4.decompress_into),
    "snappy_decode": _snappy,
    "zstd_decode": _limited(cramjam.zstd.decompress_into),
}
