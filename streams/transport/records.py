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

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

import numpy as np
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.record.default_records import DefaultRecordBatch
from numpy.typing import NDArray

from schemas.columns import Moments
from streams.transport.decompression import DecompressedSizeError, limit_decompression

LOG_APPEND_TIME: Final = 1  # the batch's own time stamp, set by the broker, stands for each record
PIECE_BYTES: Final = 16 << 20  # 5 000 events of the usual 300 bytes are 1.5 MB

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


class KafkaBatch(Protocol):
    """What is used of aiokafka's record batch."""

    base_offset: int
    next_offset: int
    first_timestamp: int
    max_timestamp: int
    timestamp_type: int


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
        self._next: KafkaBatch | None = None  # its header is read, its records are not
        # what is left of a decoded batch
        self._values: list[bytes | None] = []
        self._keys: list[bytes | None] = []
        self._offsets: list[int] = []
        self._stamps: int | list[int] = 0  # one for all, or one each
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
            return self._stamps if isinstance(self._stamps, int) else self._stamps[self._at]
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
        offsets: list[int] = []
        stamps: list[int | list[int]] = []
        counts: list[int] = []
        weight = size = 0
        while len(values) < limit and weight < PIECE_BYTES and self._ensure_decoded():
            start, stop = self._at, min(len(self._values), self._at + limit - len(values))
            some = self._values[start:stop]
            values += some
            keys += self._keys[start:stop]
            offsets += self._offsets[start:stop]
            stamps.append(
                self._stamps if isinstance(self._stamps, int) else self._stamps[start:stop]
            )
            counts.append(stop - start)
            weight += self._weight
            size += self._size if len(some) == len(self._values) else _bytes_of(some)
            self._advance(stop)
        if len(values) < limit and weight < PIECE_BYTES:
            self._peek()  # skips what is not visible, so that the position is behind it
        received_at = _record_times(stamps, counts)
        found = _offsets(offsets)
        return Piece(values, found, received_at, first, self.position, end, weight, size, keys)

    def _advance(self, stop: int) -> None:
        self._at = stop
        is_done = stop == len(self._values)
        self._fetched.next_fetch_offset = self._end_of_batch if is_done else self._offsets[stop]

    def _ensure_decoded(self) -> bool:
        """Have decoded records; False at the end of the set."""
        while self._at >= len(self._values):
            batch = self._peek()
            if batch is None:
                return False
            self._next = None
            self._decode(batch)
        return True

    def _decode(self, batch: KafkaBatch) -> None:
        offsets: list[int] = []
        seen = offsets.append
        try:
            records = cast("Iterable[Any]", batch)
            records = list(records) if self._with_keys else records
            if batch.timestamp_type == LOG_APPEND_TIME:
                self._values = [r.value for r in records if seen(r.offset) is None]
                self._stamps = int(batch.max_timestamp)
            else:
                stamps: list[int] = []
                stamp = stamps.append
                self._values = [
                    r.value
                    for r in records
                    if seen(r.offset) is None and stamp(r.timestamp) is None
                ]
                self._stamps = stamps
        except DecompressedSizeError as error:
            raise self._corrupt(batch, str(error)) from error
        except Exception as error:
            raise self._corrupt(batch, repr(error)) from error
        self._offsets = offsets
        self._keys = [r.key for r in records] if self._with_keys else []
        self._size = _bytes_of(self._values)
        self._weight = self._size + _bytes_of(self._keys)
        self._end_of_batch = int(batch.next_offset)
        self._advance(bisect_left(offsets, self.position))

    def _peek(self) -> KafkaBatch | None:
        """The next batch that is visible, not yet decoded; skips those that are not."""
        fetched = self._fetched
        records = fetched._records  # noqa: SLF001  # aiokafka's own, see the module
        while self._next is None and records.has_next():
            batch = records.next_batch()
            if not isinstance(batch, DefaultRecordBatch):
                raise self._corrupt(batch, "a record format older than Kafka 0.11")
            if fetched._check_crcs and not batch.validate_crc():  # noqa: SLF001  # as above
                raise self._corrupt(batch, "its checksum is wrong")
            if self._is_visible(batch):
                self._next = batch
            else:
                fetched.next_fetch_offset = batch.next_offset
        return self._next

    def _is_visible(self, batch: DefaultRecordBatch) -> bool:
        fetched = self._fetched
        if fetched._isolation_level == READ_COMMITTED:  # noqa: SLF001  # as above
            aborted = fetched._aborted_producers  # noqa: SLF001  # as above
            fetched._consume_aborted_up_to(batch.base_offset)  # noqa: SLF001  # as above
            if batch.is_control_batch and fetched._contains_abort_marker(batch):  # noqa: SLF001  # as above
                aborted.discard(batch.producer_id)
            if batch.is_transactional and batch.producer_id in aborted:
                return False
        return not batch.is_control_batch

    def _corrupt(self, batch: KafkaBatch, reason: str) -> CorruptRecordsError:
        tp = self._fetched._tp  # noqa: SLF001  # as above
        return CorruptRecordsError(tp.topic, tp.partition, self.position, batch.next_offset, reason)


def _bytes_of(some: list[bytes | None]) -> int:
    return sum(map(len, filter(None, some)))


def _offsets(offsets: list[int]) -> NDArray[np.int64]:
    if offsets and offsets[-1] - offsets[0] + 1 == len(offsets):  # no holes: nearly always
        return np.arange(offsets[0], offsets[-1] + 1, dtype=np.int64)
    return np.array(offsets, np.int64)


def _record_times(stamps: list[int | list[int]], counts: list[int]) -> Moments:
    if all(isinstance(stamp, int) for stamp in stamps):
        return np.repeat(np.array(stamps, np.int64), counts)
    parts = [
        np.full(count, stamp, np.int64) if isinstance(stamp, int) else np.array(stamp, np.int64)
        for stamp, count in zip(stamps, counts, strict=True)
    ]
    return np.concatenate(parts)
