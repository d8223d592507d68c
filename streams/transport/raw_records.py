"""What a fetch brought, as its bytes: headers are read here, records by a compiled function.

It stands in for aiokafka's own (`MemoryRecords`) in the whole process, where that function is
built: a batch that is iterated is read by aiokafka as ever, one whose columns are wanted is read
without an object per record. `tests/transport/test_raw_records.py` holds the two together.
"""

import struct
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.memory_records import MemoryRecords
from numpy.typing import NDArray

from schemas.scanning import Hot
from streams.transport.decompression import DECOMPRESSORS

_HEADER: Final = struct.Struct(">qiibIhiqqqhii")
_AHEAD: Final = 12  # bytes: the offset, and how long the rest is
_MAGIC_AT: Final = 16
_SUMMED_FROM: Final = 21  # what the checksum is of
_FORMAT: Final = 2
_CODEC: Final = 0b111  # bits of the attributes
_APPEND_TIME: Final = 0b1000
_TRANSACTIONAL: Final = 0b1_0000
_CONTROL: Final = 0b10_0000
_CODECS: Final = (None, "gzip_decode", "snappy_decode", "lz4_decode", "zstd_decode")


class Columns(NamedTuple):
    """The records of a batch; `(n,)` each, in the order of the log."""

    values: list[bytes | None]
    keys: list[bytes | None]  # none where they are not wanted
    offsets: NDArray[np.int64]
    stamps: NDArray[np.int64]  # the producer's times, milliseconds


class RawBatch:
    """One record batch of format 2, of which the header is read."""

    __slots__ = (
        "_batch", "_begin", "_codec", "_count", "_data", "_end", "_hot", "_sum", "base_offset",
        "first_timestamp", "is_control_batch", "is_transactional", "max_timestamp", "next_offset",
        "producer_id", "timestamp_type",
    )  # fmt: skip

    def __init__(self, hot: Hot, data: bytes, begin: int, end: int) -> None:
        self._hot, self._data, self._begin, self._end = hot, data, begin, end
        self._batch: DefaultRecordBatch | None = None
        (
            self.base_offset, _, _, _, self._sum, attributes, last, self.first_timestamp,
            self.max_timestamp, self.producer_id, _, _, self._count,
        ) = _HEADER.unpack_from(data, begin)  # fmt: skip
        self.next_offset: int = self.base_offset + last + 1
        self._codec: int = attributes & _CODEC
        self.timestamp_type = int(bool(attributes & _APPEND_TIME))  # 1: the broker's, of all
        self.is_transactional = bool(attributes & _TRANSACTIONAL)
        self.is_control_batch = bool(attributes & _CONTROL)

    def validate_crc(self) -> bool:
        """Whether the bytes are those that were written."""
        found = self._hot.crc32c(self._data, self._begin + _SUMMED_FROM, self._end)
        return found == int(self._sum)

    def columns(self, *, with_keys: bool) -> Columns:
        """The records, once for each call.

        Raises:
            DecompressedSizeError: they are too large.
            ValueError: they cannot be read.

        """
        body = self._data[self._begin + _HEADER.size : self._end]
        name = _CODECS[self._codec]
        plain = body if name is None else DECOMPRESSORS[name](body)
        found = self._hot.records(
            plain, max(self._count, 0), self.base_offset, self.first_timestamp, with_keys
        )
        return Columns(*found)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._as_aiokafkas())

    def __next__(self) -> Any:  # noqa: ANN401  # a record of aiokafka's
        return next(self._as_aiokafkas())

    def _as_aiokafkas(self) -> Any:  # noqa: ANN401  # iterated by aiokafka alone
        if self._batch is None:
            self._batch = DefaultRecordBatch(self._data[self._begin : self._end])
        return self._batch


class RawRecords:
    """The batches that a fetch brought of one partition; the last one may be cut short."""

    def __init__(self, hot: Hot, data: bytes) -> None:
        self._hot, self._data, self._at = hot, data, 0

    def size_in_bytes(self) -> int:
        """All that was brought."""
        return len(self._data)

    def has_next(self) -> bool:
        """Whether another batch is there, whole."""
        return self._end() is not None

    def next_batch(self) -> Any:  # noqa: ANN401  # ours or, of an older format, aiokafka's
        """The next batch, None where there is none.

        Raises:
            CorruptRecordException: it is shorter than any.

        """
        end = self._end()
        if end is None:
            return None
        begin, self._at = self._at, max(end, self._at + _AHEAD)
        if end - begin < _HEADER.size or self._data[begin + _MAGIC_AT] != _FORMAT:
            return MemoryRecords(self._data[begin:]).next_batch()
        return RawBatch(self._hot, self._data, begin, end)

    def _end(self) -> int | None:
        rest = self._at + _AHEAD
        if rest > len(self._data):
            return None
        end = rest + int.from_bytes(self._data[rest - 4 : rest], "big", signed=True)
        return None if end > len(self._data) else end


def read_raw(hot: Hot) -> None:
    """From now on fetches of this process are read as `RawRecords`."""
    if not hasattr(fetcher, "MemoryRecords"):
        raise AttributeError(f"aiokafka has no MemoryRecords here any more: see {__name__}")
    fetcher.MemoryRecords = lambda data: RawRecords(hot, bytes(data))
