"""Reading a record set whole, held against aiokafka's own iterator record by record.

All of it twice: as aiokafka reads batches, and by compiled functions where they are built.
"""

import random
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from aiokafka.consumer.fetcher import READ_COMMITTED, READ_UNCOMMITTED, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import TopicPartition

from streams.core.kernels import HOT
from streams.transport.decompression import MAX_DECOMPRESSED_BYTES
from streams.transport.raw_records import RawRecords
from streams.transport.records import PIECE_BYTES, CorruptRecordsError, Piece, RecordSet

CLICKS = TopicPartition("clickstream", 3)
NONE, GZIP, SNAPPY, LZ4, ZSTD = range(5)
APPEND_TIME = 0x08
CONTROL = 0x20


def kafka_batch(
    base: int,
    records: Sequence[tuple[int, bytes | None]],
    *,
    producer: int = -1,
    marker: int | None = None,
    span: int | None = None,
    codec: int = NONE,
    stamps: Sequence[int] = (),
    appended_at: int | None = None,
    room: int = 1 << 20,
) -> bytes:
    """One of Kafka's own record batches: (offset within it, value) each.

    Args:
        base: its first offset.
        records: what is in it.
        producer: a transactional one's id.
        marker: 0 makes it an abort, 1 a commit marker.
        span: how many offsets it covers, if compaction took records away.
        codec: of the compression.
        stamps: the producer's time of each record.
        appended_at: the broker's time for all of them, instead.
        room: bytes of all records, at the most.

    """
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=codec, is_transactional=producer >= 0, producer_id=producer,
        producer_epoch=0, base_sequence=0, batch_size=room,
    )  # fmt: skip
    key = b"k" if marker is None else struct.pack(">hh", 0, marker)
    for row, (offset, value) in enumerate(records):
        stamp = stamps[row] if stamps else 1_000 + offset
        builder.append(offset=offset, timestamp=stamp, key=key, value=value, headers=[])
    raw = bytearray(builder.build())
    raw[0:8] = base.to_bytes(8, "big")
    attributes = struct.unpack(">h", raw[21:23])[0]
    if marker is not None:
        attributes |= CONTROL
    if appended_at is not None:
        attributes |= APPEND_TIME
        raw[35:43] = struct.pack(">q", appended_at)
    raw[21:23] = struct.pack(">h", attributes)
    if span is not None:
        raw[23:27] = struct.pack(">i", span - 1)
    raw[17:21] = struct.pack(">I", calc_crc32c(bytes(raw[21:])))
    return bytes(raw)


@dataclass
class World:
    """A made-up stretch of a partition's log."""

    batches: list[tuple[int, bytes]] = field(default_factory=list)  # (the offset after it, bytes)
    end: int = 0
    aborted: list[tuple[int, int]] = field(default_factory=list)

    def add(self, count: int, data: bytes) -> None:
        self.end += count
        self.batches.append((self.end, data))

    def fetch(self, position: int) -> bytes:
        """A broker answers with whole batches, from the one that holds the position."""
        return b"".join(data for end, data in self.batches if end > position)


def made_up_log(rng: random.Random) -> World:
    world = World()
    for _ in range(rng.randint(1, 8)):
        count, kind = rng.randint(1, 10), rng.choice(["plain", "holes", "commit", "abort"])
        codec = rng.choice([NONE, NONE, GZIP, SNAPPY, LZ4, ZSTD])
        at = rng.choice([None, rng.randint(2_000, 9_000)])
        kept = range(count)
        span = None
        if kind == "holes":
            kept, span = sorted(rng.sample(range(count), rng.randint(1, count))), count  # type: ignore[assignment]
        rows = [
            (i, None if rng.random() < 0.1 else b"%s-%d" % (kind.encode(), world.end + i))
            for i in kept
        ]
        stamps = [rng.randint(1_000, 9_000) for _ in rows]
        producer = rng.randint(1, 3) if kind in {"commit", "abort"} else -1
        if kind == "abort":
            world.aborted.append((producer, world.end))
        world.add(
            count,
            kafka_batch(
                world.end,
                rows,
                producer=producer,
                span=span,
                codec=codec,
                stamps=stamps,
                appended_at=at,
            ),
        )
        if producer >= 0:
            marker = int(kind == "commit")
            world.add(1, kafka_batch(world.end, [(0, b"x")], producer=producer, marker=marker))
    return world


def raw_records(data: bytes) -> RawRecords | MemoryRecords:
    return RawRecords(HOT, data) if HOT else MemoryRecords(data)  # also where KOL_NATIVE=0


@pytest.fixture(params=[MemoryRecords, raw_records], autouse=True)
def reads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How the bytes of a fetch are read."""
    monkeypatch.setitem(READS, "bytes", request.param)


READS: dict[str, Any] = {}


def fetched(
    world: World,
    position: int,
    isolation: int,
    read: Any = None,  # noqa: ANN401  # a class of aiokafka's, or a function
) -> PartitionRecords:
    return PartitionRecords(
        CLICKS,
        (read or READS["bytes"])(world.fetch(position)),
        list(world.aborted),
        position,
        None,
        None,
        True,  # noqa: FBT003  # check the sums
        isolation,
    )


def stock(records: PartitionRecords) -> tuple[list[tuple[int, int, bytes | None]], int]:
    rows = [(record.offset, record.timestamp, record.value) for record in records]
    return rows, records.next_fetch_offset


def ours(records: PartitionRecords, limit: int) -> tuple[list[tuple[int, int, bytes | None]], int]:
    whole = RecordSet(records)
    rows: list[tuple[int, int, bytes | None]] = []
    position = whole.position
    while whole.head is not None:
        piece = whole.read(limit)
        assert len(piece) <= limit
        assert piece.size == sum(len(value) for value in piece.values if value is not None)
        assert position <= piece.first_offset < piece.next_offset
        assert all(piece.first_offset <= offset < piece.next_offset for offset in piece.offsets)
        rows += zip(piece.offsets.tolist(), piece.received_at.tolist(), piece.values, strict=True)
        position = piece.next_offset
    return rows, whole.position


@pytest.mark.parametrize("seed", range(400))
def test_a_record_set_is_read_as_by_aiokafkas_own_iterator(seed: int) -> None:
    rng = random.Random(seed)
    world = made_up_log(rng)
    for position in (0, rng.randint(0, world.end)):
        for isolation in (READ_UNCOMMITTED, READ_COMMITTED):
            expected = stock(fetched(world, position, isolation, MemoryRecords))

            assert stock(fetched(world, position, isolation)) == expected
            for limit in (1, rng.randint(2, 7), 5_000):
                assert ours(fetched(world, position, isolation), limit) == expected


def record_set(data: bytes, position: int = 0, *aborted: tuple[int, int]) -> RecordSet:
    return RecordSet(fetched(World([(1 << 30, data)], 0, list(aborted)), position, READ_COMMITTED))


def only_piece(data: bytes, position: int = 0) -> Piece:
    return record_set(data, position).read(5_000)


def test_the_brokers_append_time_stands_for_every_record_of_its_batch() -> None:
    rows: list[tuple[int, bytes | None]] = [(0, b"a"), (1, b"b")]
    data = kafka_batch(7, rows, stamps=[11, 12], appended_at=99)

    assert only_piece(data).received_at.tolist() == [99, 99]


def test_the_producers_times_are_taken_record_by_record_where_the_broker_set_none() -> None:
    rows: list[tuple[int, bytes | None]] = [(0, b"a"), (1, b"b")]
    mixed = kafka_batch(0, rows, stamps=[12, 11]) + kafka_batch(2, rows, appended_at=99)

    assert only_piece(mixed).received_at.tolist() == [12, 11, 99, 99]


def test_a_piece_ends_where_the_next_one_begins() -> None:
    whole = record_set(kafka_batch(0, [(i, b"%d" % i) for i in range(10)]))
    pieces = [whole.read(4) for _ in range(3)]

    assert [(p.first_offset, p.next_offset, len(p)) for p in pieces] == [
        (0, 4, 4),
        (4, 8, 4),
        (8, 10, 2),
    ]


def test_offsets_with_holes_are_told_and_the_next_one_lies_behind_them() -> None:
    piece = only_piece(kafka_batch(5, [(1, b"a"), (4, b"b")], span=9))

    assert (piece.offsets.tolist(), piece.next_offset) == ([6, 9], 14)
    assert piece.offsets.dtype == np.int64


def test_a_set_of_aborted_records_only_moves_the_position() -> None:
    data = kafka_batch(0, [(0, b"no")], producer=5) + kafka_batch(
        1, [(0, b"x")], producer=5, marker=0
    )
    whole = record_set(data, 0, (5, 0))

    assert whole.head is None
    assert whole.position == 2
    assert len(whole.read(10)) == 0


def test_a_position_in_the_last_hole_of_a_batch_finds_nothing_and_goes_on() -> None:
    piece = only_piece(kafka_batch(0, [(0, b"a")], span=5), position=3)

    assert (len(piece), piece.next_offset) == (0, 5)


def test_the_head_is_the_time_of_the_next_record() -> None:
    data = kafka_batch(0, [(0, b"a"), (1, b"b")], stamps=[30, 20]) + kafka_batch(
        2, [(0, b"c")], appended_at=90
    )
    whole = record_set(data)
    heads = []
    while whole.head is not None:
        heads.append(whole.head)
        whole.read(1)

    assert heads == [30, 20, 90]


def test_a_flipped_bit_stops_the_reading_and_names_the_place() -> None:
    data = bytearray(kafka_batch(40, [(0, b"a"), (1, b"b")]))
    data[-2] ^= 1

    with pytest.raises(CorruptRecordsError, match=r"clickstream, partition 3: .* at offset 40"):
        only_piece(bytes(data), 40)


def test_records_that_do_not_unpack_stop_the_reading_although_their_checksum_is_right() -> None:
    data = bytearray(kafka_batch(40, [(0, b"a"), (1, b"b")], codec=ZSTD))
    data[61:64] = b"\0\0\0"
    data[17:21] = struct.pack(">I", calc_crc32c(bytes(data[21:])))

    with pytest.raises(CorruptRecordsError, match="at offset 40"):
        only_piece(bytes(data), 40)


def test_a_record_count_that_lies_stops_the_reading() -> None:
    data = bytearray(kafka_batch(0, [(0, b"a"), (1, b"b")]))
    data[57:61] = struct.pack(">i", 3)
    data[17:21] = struct.pack(">I", calc_crc32c(bytes(data[21:])))

    with pytest.raises(CorruptRecordsError):
        only_piece(bytes(data))


def test_a_format_from_before_kafka_0_11_is_refused() -> None:
    builder = LegacyRecordBatchBuilder(1, 0, 1 << 16)
    builder.append(0, 1, b"k", b"v")

    with pytest.raises(CorruptRecordsError, match=r"older than Kafka 0\.11"):
        only_piece(bytes(builder.build()))


def test_a_batch_cut_short_by_the_fetch_waits_for_the_next_one() -> None:
    whole, cut = kafka_batch(0, [(0, b"a")]), kafka_batch(1, [(0, b"b")])[:-3]
    piece = only_piece(whole + cut)

    assert (piece.values, piece.next_offset) == ([b"a"], 1)


@pytest.mark.parametrize("codec", [LZ4, ZSTD])
def test_records_that_unpack_beyond_the_limit_stop_the_reading_with_the_way_on(codec: int) -> None:
    half = bytes(MAX_DECOMPRESSED_BYTES // 2)
    data = kafka_batch(40, [(0, half), (1, half)], codec=codec, room=2 * MAX_DECOMPRESSED_BYTES)

    with pytest.raises(CorruptRecordsError, match="unpacks to more than 64 MiB") as error:
        only_piece(data, 40)
    assert "before offset 42" in str(error.value)
    assert "Nothing was skipped" in str(error.value)


def test_large_batches_come_piece_by_piece_and_whole() -> None:
    values: list[bytes | None] = [bytes([n]) * (PIECE_BYTES - 1) for n in range(3)]
    rows = [[(0, value)] for value in values]
    data = b"".join(
        kafka_batch(base, row, codec=LZ4, room=2 * PIECE_BYTES) for base, row in enumerate(rows)
    )
    whole = record_set(data)

    pieces = [whole.read(5_000) for _ in range(2)]
    assert [(p.first_offset, p.next_offset) for p in pieces] == [(0, 2), (2, 3)]
    assert [value for piece in pieces for value in piece.values] == values
    assert whole.head is None


def test_one_batch_heavier_than_a_piece_is_given_whole() -> None:
    rows: list[tuple[int, bytes | None]] = [(n, bytes(PIECE_BYTES)) for n in range(3)]
    data = kafka_batch(0, rows, codec=ZSTD, room=4 * PIECE_BYTES) + kafka_batch(3, [(0, b"a")])
    whole = record_set(data)

    assert [len(whole.read(5_000)) for _ in range(2)] == [3, 1]
    assert [len(record_set(data).read(2)) for _ in range(2)] == [2, 2]


@pytest.mark.parametrize("appended_at", [None, 5_000])
def test_keys_come_with_their_records_where_they_are_wanted(appended_at: int | None) -> None:
    log = World()
    for _ in range(3):
        rows = [(0, b"v"), (1, None)]
        log.add(2, kafka_batch(log.end, rows, appended_at=appended_at))
    whole = RecordSet(fetched(log, 1, READ_COMMITTED), with_keys=True)
    pieces = [whole.read(2), whole.read(9)]

    assert [list(piece.keys) for piece in pieces] == [[b"k"] * 2, [b"k"] * 3]
    assert [list(piece.values) for piece in pieces] == [[None, b"v"], [None, b"v", None]]
    assert not RecordSet(fetched(log, 0, READ_COMMITTED)).read(9).keys


def read_all(data: bytes, read: Any) -> object:  # noqa: ANN401  # as of `fetched`
    """Times and values of all records, or that they cannot be read."""
    whole = RecordSet(fetched(World([(1 << 30, data)], 0), 0, READ_COMMITTED, read))
    rows: list[tuple[int, bytes | None]] = []
    try:
        while whole.head is not None:
            piece = whole.read(5_000)
            rows += zip(piece.received_at.tolist(), piece.values, strict=True)
    except (CorruptRecordsError, CorruptRecordException, SystemError):  # aiokafka's, of lengths
        return "damaged"
    return rows, whole.position


@pytest.mark.parametrize("seed", range(300))
def test_of_damaged_bytes_both_readings_say_the_same(seed: int) -> None:
    """Whose checksum is right all the same: what is in a batch is its producer's."""
    rng = random.Random(seed)
    rows = [(n, rng.choice([None, b"", bytes([n]) * rng.randint(1, 200)])) for n in range(5)]
    codec = rng.choice([NONE, NONE, LZ4, GZIP, SNAPPY, ZSTD])
    data = bytearray(kafka_batch(0, rows, codec=codec) + kafka_batch(5, [(0, b"last")]))
    first = 12 + int.from_bytes(data[8:12], "big")
    for _ in range(rng.randint(1, 4)):
        data[rng.randrange(21, first)] ^= 1 << rng.randrange(8)
    data[17:21] = struct.pack(">I", calc_crc32c(bytes(data[21:first])))

    assert read_all(bytes(data), raw_records) == read_all(bytes(data), MemoryRecords)


@pytest.mark.parametrize("seed", range(300))
def test_of_wrong_lengths_and_formats_both_readings_say_the_same(seed: int) -> None:
    rng = random.Random(seed)
    data = bytearray(kafka_batch(0, [(0, b"a"), (1, b"b")]) + kafka_batch(2, [(0, b"c")]))
    for _ in range(rng.randint(1, 2)):
        data[rng.randrange(8, 21)] = rng.choice([0, 1, 2, 3, 0x7F, 0x80, 0xFF])
    del data[rng.randint(0, len(data)) :]

    assert read_all(bytes(data), raw_records) == read_all(bytes(data), MemoryRecords)
