"""A fetched record set, read into columns without an object per record.

The rules are those of aiokafka's own iterator (`PartitionRecords`), and a test holds the
two against each other: checksums first; control batches are never delivered; with
`read_committed` the batches of aborted transactions are passed over; records below the
fetch position (a seek into the middle of a batch) are dropped; and the next position is
the end of the last batch as its header says it, whatever compaction left inside.

Memory is bounded: a record batch decompresses to 64 MiB at most (`decompression.py`; beyond,
the worker stops), and a piece ends with the batch that brings it to `PIECE_BYTES`.

Private names of aiokafka are used here; tests/test_architecture.py lists where else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.record.default_records import DefaultRecordBatch
from numpy.typing import NDArray

from schemas.columns import Moments
from streams.transport.decompression import DecompressedSizeError, limit_decompression
from streams.transport.raw_records import Columns, RawBatch

LOG_APPEND_TIME: Final = 1  # the batch's own time stamp, set by the broker, stands for each record
PIECE_BYTES: Final = 16 << 20  # 5 000 events of the usual 300 bytes are 1.5 MB

_NONE: Final = np.zeros(0, np.int64)

limit_decompression()


class CorruptRecordsError(Exception):
    """A record set that cannot be read; reading on would skip it, so the worker stops.

    Args:
        topic: of the records.
        partition: of it.
        offset: where reading should have gone on.
        next_offset: the first one after them, as far as their header can be trusted.
        reason: for a person.

    """

    def __init__(
        self, topic: str, partition: int, offset: int, next_offset: int, reason: str
    ) -> None:
        super().__init__(
            f"{topic}, partition {partition}: the records at offset {offset} cannot be read "
            f"({reason}). Nothing was skipped. Restore the partition on its broker and start the "
            "worker again; or give them up: delete the partition's records before offset "
            f"{next_offset} (kafka-delete-records.sh), then start once with "
            "`kol worker --accept-gap`."
        )
        self.topic = topic
        self.partition = partition
        self.offset = offset
        self.next_offset = next_offset


class Header(Protocol):
    """What is used of a record batch's header, aiokafka's or ours."""

    base_offset: int
    next_offset: int
    first_timestamp: int
    max_timestamp: int
    timestamp_type: int
    producer_id: int
    is_transactional: bool
    is_control_batch: bool


@dataclass(frozen=True, slots=True)
class Piece:
    """Some consecutive records of one partition; `(n,)` each, in the order of the log.

    `n` may be zero: aborted and control records only, which still move the position.
    """

    values: Sequence[bytes | None]
    offsets: NDArray[np.int64]
    received_at: Moments  # milliseconds: the broker's append time, or the producer's
    first_offset: int  # where the reading began
    next_offset: int  # where it goes on: past holes, control and aborted records
    end: int | None  # first offset not yet readable, as of the fetch
    weight: int = 0  # bytes of the batches it was cut from
    size: int = 0  # bytes of its own values
    keys: Sequence[bytes | None] = ()  # as many as values, where they are read

    def __len__(self) -> int:
        return len(self.values)


class RecordSet:
    """What one fetch brought of one partition; read in pieces, in the order of the log.

    Args:
        fetched: aiokafka's result, not yet iterated.
        with_keys: whether the records' keys are wanted.

    """

    def __init__(self, fetched: PartitionRecords, *, with_keys: bool = False) -> None:
        self._fetched = fetched
        self._with_keys = with_keys
        self._next: Header | None = None  # its header is read, its records are not
        # what is left of a decoded batch
        self._values: list[bytes | None] = []
        self._keys: list[bytes | None] = []
        self._offsets: NDArray[np.int64] = _NONE
        self._stamps: int | NDArray[np.int64] = 0  # one for all, or one each
        self._size = 0  # bytes of all values of the decoded batch
        self._weight = 0  # these and the bytes of its keys
        self._at = 0
        self._end_of_batch = 0

    @property
    def position(self) -> int:
        """The offset of the next record to read."""
        return int(self._fetched.next_fetch_offset)

    @property
    def head(self) -> int | None:
        """Record time in milliseconds of the next record; None at the end of the set.

        Raises:
            CorruptRecordsError: the next batch is damaged.

        """
        if self._at < len(self._values):
            return self._stamps if isinstance(self._stamps, int) else int(self._stamps[self._at])
        batch = self._peek()
        if batch is None:
            return None
        appended = batch.timestamp_type == LOG_APPEND_TIME
        return int(batch.max_timestamp if appended else batch.first_timestamp)

    def read(self, limit: int, end: int | None = None) -> Piece:
        """The next records, at most `limit` of them; fewer at the end of the set or if large.

        Raises:
            CorruptRecordsError: a batch is damaged; what came before it was not delivered either.

        """
        first = self.position
        values: list[bytes | None] = []
        keys: list[bytes | None] = []
        offsets: list[NDArray[np.int64]] = []
        stamps: list[NDArray[np.int64]] = []
        weight = size = 0
        while len(values) < limit and weight < PIECE_BYTES and self._ensure_decoded():
            start, stop = self._at, min(len(self._values), self._at + limit - len(values))
            some = self._values[start:stop]
            values += some
            keys += self._keys[start:stop]
            offsets.append(self._offsets[start:stop])
            one = self._stamps
            stamps.append(
                np.full(stop - start, one, np.int64) if isinstance(one, int) else one[start:stop]
            )
            weight += self._weight
            size += self._size if len(some) == len(self._values) else _bytes_of(some)
            self._advance(stop)
        if len(values) < limit and weight < PIECE_BYTES:
            self._peek()  # skips what is not visible, so that the position is behind it
        at, received_at = _joined(offsets), _joined(stamps)
        return Piece(values, at, received_at, first, self.position, end, weight, size, keys)

    def _advance(self, stop: int) -> None:
        self._at = stop
        is_done = stop == len(self._values)
        next_offset = self._end_of_batch if is_done else int(self._offsets[stop])
        self._fetched.next_fetch_offset = next_offset

    def _ensure_decoded(self) -> bool:
        """Have decoded records; False at the end of the set."""
        while self._at >= len(self._values):
            batch = self._peek()
            if batch is None:
                return False
            self._next = None
            self._decode(batch)
        return True

    def _decode(self, batch: Header) -> None:
        try:
            if isinstance(batch, RawBatch):
                found = batch.columns(with_keys=self._with_keys)
            else:
                found = _columns(batch, with_keys=self._with_keys)
        except DecompressedSizeError as error:
            raise self._corrupt(batch, str(error)) from error
        except Exception as error:
            raise self._corrupt(batch, repr(error)) from error
        self._values, self._keys, self._offsets, self._stamps = found
        if batch.timestamp_type == LOG_APPEND_TIME:
            self._stamps = int(batch.max_timestamp)
        self._size = _bytes_of(self._values)
        self._weight = self._size + _bytes_of(self._keys)
        self._end_of_batch = int(batch.next_offset)
        self._advance(int(np.searchsorted(self._offsets, self.position)))

    def _peek(self) -> Header | None:
        """The next batch that is visible, not yet decoded; skips those that are not."""
        fetched = self._fetched
        records = fetched._records  # noqa: SLF001  # aiokafka's own, see the module
        while self._next is None and records.has_next():
            batch = records.next_batch()
            if not isinstance(batch, DefaultRecordBatch | RawBatch):
                raise self._corrupt(batch, "a record format older than Kafka 0.11")
            if fetched._check_crcs and not batch.validate_crc():  # noqa: SLF001  # as above
                raise self._corrupt(batch, "its checksum is wrong")
            if self._is_visible(batch):
                self._next = batch
            else:
                fetched.next_fetch_offset = batch.next_offset
        return self._next

    def _is_visible(self, batch: Header) -> bool:
        fetched = self._fetched
        if fetched._isolation_level == READ_COMMITTED:  # noqa: SLF001  # as above
            aborted = fetched._aborted_producers  # noqa: SLF001  # as above
            fetched._consume_aborted_up_to(batch.base_offset)  # noqa: SLF001  # as above
            if batch.is_control_batch and fetched._contains_abort_marker(batch):  # noqa: SLF001  # as above
                aborted.discard(batch.producer_id)
            if batch.is_transactional and batch.producer_id in aborted:
                return False
        return not batch.is_control_batch

    def _corrupt(self, batch: Header, reason: str) -> CorruptRecordsError:
        tp = self._fetched._tp  # noqa: SLF001  # as above
        return CorruptRecordsError(tp.topic, tp.partition, self.position, batch.next_offset, reason)


def _bytes_of(some: list[bytes | None]) -> int:
    return sum(map(len, filter(None, some)))


def _columns(batch: Any, *, with_keys: bool) -> Columns:  # noqa: ANN401  # aiokafka's
    """The records of aiokafka's batch; no times where the broker's stands for all."""
    offsets: list[int] = []
    stamps: list[int] = []
    seen, stamp = offsets.append, stamps.append
    records = list(batch) if with_keys else batch
    if batch.timestamp_type == LOG_APPEND_TIME:
        values = [r.value for r in records if seen(r.offset) is None]
    else:
        values = [r.value for r in records if seen(r.offset) is None and stamp(r.timestamp) is None]
    keys = [r.key for r in records] if with_keys else []
    return Columns(values, keys, _offsets(offsets), np.array(stamps, np.int64))


def _offsets(offsets: list[int]) -> NDArray[np.int64]:
    if offsets and offsets[-1] - offsets[0] + 1 == len(offsets):  # no holes: nearly always
        return np.arange(offsets[0], offsets[-1] + 1, dtype=np.int64)
    return np.array(offsets, np.int64)


def _joined(parts: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate(parts) if parts else _NONE
