"""What is done inside aiokafka's producer: batches compressed quickly, a stop that always ends.

`producer.py` sends the worker's blocks and dead letters in such batches; `feed.py`, which is
not hot, uses those of the library.

aiokafka compresses LZ4 at its level 9, which costs 4.3 us for a record of 270 bytes; at level 1
it is 0.3 us and a fifth more bytes. So a batch is built plain and compressed here: in Kafka's
format v2 all that follows the 61 bytes of the header is compressed, and the header says how.

A record that its producer compressed well may exceed the limit of a batch under LZ4, which
shortens only repetitions. Such a batch is compressed harder until it fits.
"""

import asyncio
import struct
from contextlib import suppress
from itertools import chain
from typing import Final

import cramjam
from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.util import calc_crc32c

HEADER: Final = 61  # bytes before the records
LENGTH_AT: Final = 8  # int32: bytes after this field
CRC_AT: Final = 17  # uint32 over all that follows it
ATTRIBUTES_AT: Final = 21  # int16; the lowest three bits say how records are compressed
GZIP: Final = 1
LZ4: Final = 3
ZSTD: Final = 4
LEVEL: Final = 1
TIGHTER: Final = ((ZSTD, 3), (ZSTD, 19), (GZIP, 9))  # until it fits


class Batch(BatchBuilder):  # type: ignore[misc]  # aiokafka ships no types
    """A compressed record batch, filled until it is full; for `AIOKafkaProducer.send_batch`.

    Args:
        most_bytes: before compression; one record always fits.
        limit: bytes after compression, kept if any codec can.

    """

    def __init__(self, most_bytes: int, limit: int | None = None) -> None:
        super().__init__(most_bytes, 0)
        self._limit = limit
        self._compressed: bytes | bytearray | None = None

    def _build(self) -> bytes | bytearray:
        """The bytes to send; called once the producer's identity is known."""
        if self._compressed is None:
            self._compressed = self._buffer = compressed(super()._build(), self._limit)
        return self._compressed


def compressed(plain: bytes | bytearray, limit: int | None = None) -> bytes | bytearray:
    """The same batch with its records compressed, or itself if that is no shorter."""
    records = bytes(plain[HEADER:])
    shortest = _with_records(plain, LZ4, _lz4(records))
    for codec, level in TIGHTER:
        if limit is None or len(shortest) <= limit:
            break
        compress = cramjam.zstd.compress if codec == ZSTD else cramjam.gzip.compress
        batch = _with_records(plain, codec, bytes(compress(records, level=level)))
        shortest = min(shortest, batch, key=len)
    return shortest


def _lz4(records: bytes) -> bytes:
    compressor = cramjam.lz4.Compressor(level=LEVEL, content_checksum=False, block_linked=False)
    compressor.compress(records)
    return bytes(compressor.finish())


def _with_records(plain: bytes | bytearray, codec: int, records: bytes) -> bytes | bytearray:
    """The batch with its records compressed by `codec`, or itself if that is no shorter."""
    if HEADER + len(records) >= len(plain):
        return plain
    batch = bytearray(plain[:HEADER]) + records
    (attributes,) = struct.unpack_from(">h", batch, ATTRIBUTES_AT)
    struct.pack_into(">h", batch, ATTRIBUTES_AT, attributes | codec)
    struct.pack_into(">i", batch, LENGTH_AT, len(batch) - LENGTH_AT - 4)
    struct.pack_into(">I", batch, CRC_AT, calc_crc32c(memoryview(batch)[ATTRIBUTES_AT:]))
    return batch


async def stop(producer: AIOKafkaProducer, seconds: float) -> None:
    """Close a producer; batches that the brokers do not take within some seconds are cancelled.

    An idempotent producer retries for ever, and its own `stop` waits for that.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await producer.stop()
            return
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await producer._sender.close()  # noqa: SLF001  # no public way
    accumulator = producer._message_accumulator  # noqa: SLF001  # as above
    queued = chain.from_iterable(accumulator._batches.values())  # noqa: SLF001  # as above
    for batch in [*queued, *accumulator._pending_batches]:  # noqa: SLF001  # as above
        batch.future.cancel()
        batch._drain_waiter.cancel()  # noqa: SLF001  # as above
    try:
        await producer.client.close()
    except asyncio.CancelledError:  # of connections whose closing the time above cut off
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
