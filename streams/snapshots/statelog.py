"""One partition's snapshots on its state topic: each is one Kafka transaction.

The transactional id belongs to the partition, so opening the log fences whoever owned it
before and aborts what he had begun; readers take committed records only, so a snapshot is
there as a whole or not at all. In this order, which `open` keeps: fence, end offset,
restore, commit the new life. In another order a stalled owner could commit after his
successor has read.

Keys on the topic: `a/<array>/<index>` for chunks, `d/<array>/<index>` for what changed in
them since (`chunks`), `manifest`, `life`. The topic is compacted: the newest value of each
key is all that a restore needs, and what is no more has a tombstone.
"""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import InvalidProducerEpoch, ProducerFenced
from numpy.typing import NDArray

from streams.snapshots.chunks import (
    Arrays,
    Bases,
    Capture,
    DamagedSnapshotError,
    Life,
    Manifest,
    NewerFormatError,
    assemble,
    capture,
    seal,
    unseal,
)

MANIFEST: Final = b"manifest"
LIFE: Final = b"life"
BATCH_BYTES: Final = 900_000  # below the broker's usual limit of 1 MiB for a batch
FETCH_BYTES: Final = 8 << 20
CLOSE_S: Final = 2.0  # for a snapshot that is being committed
SEND_S: Final = 3e-9  # of a core, to send one byte: 0.16 s for 64 MB, measured
TRANSACTION_MS: Final = 300_000  # an outage of the broker shorter than this fences nobody


class FencedError(Exception):
    """Somebody else owns the partition now, or the transaction was out for too long."""


class UnsureError(Exception):
    """Whether the snapshot was committed is not known; open the log anew to find out."""


class ClosedError(Exception):
    """The log is not open, or was closed while a snapshot was under way; nothing is known lost."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What was found when a partition was taken over."""

    epoch: int
    life: int  # ours; higher than every one before
    offsets: Mapping[str, int] | None  # topic -> next offset; None: there is no snapshot
    arrays: dict[str, NDArray[Any]] | None
    format: int | None
    meta: Mapping[str, int | float | str]
    read_bytes: int
    read_seconds: float  # for fencing and reading
    seconds: float


@dataclass(frozen=True, slots=True)
class Written:
    """What a snapshot cost."""

    chunks: int
    size: int  # bytes written, before compression
    held: int  # bytes of all arrays
    seconds: float  # until it was durable, waiting included
    work_s: float = 0.0  # of a core, about: what `Pace` is to be told


class StateLog:
    """The snapshots of one partition on one side.

    Args:
        client: `bootstrap_servers` and security, as aiokafka's clients take them.
        app: the app's id, part of the transactional id.
        side: `user` or `kol`.
        topic: the state topic.
        partition: the partition's number, there and on the source topics.
        format: the number of the arrays' format, written and expected.
        reads: older formats that can be taken over.
        epoch: the deployment's number; a greater one found in the log stands.

    """

    def __init__(
        self,
        client: Mapping[str, Any],
        app: str,
        side: str,
        topic: str,
        partition: int,
        *,
        format: int,  # noqa: A002  # the word of the design
        reads: frozenset[int] = frozenset(),
        epoch: int = 0,
    ) -> None:
        self._client = client
        self._name = f"{app}-{side}-state-{partition}"
        self._tp = TopicPartition(topic, partition)
        self._format = format
        self._reads = reads | {format}
        self._epoch = epoch
        self._life = 0
        self._last: Manifest | None = None
        self._bases: Bases = {}  # of the last snapshot, as far as remembered
        self._producer: AIOKafkaProducer | None = None
        self._turn = asyncio.Lock()
        self._is_unsure = False  # a commit was cut off
        self._is_fenced = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self, *, raise_epoch: bool = False) -> Opened:
        """Take the partition over: fence, read, restore, commit the new life.

        Args:
            raise_epoch: a missing snapshot is meant to be missing; recompute in a new epoch.

        Raises:
            NewerFormatError: the state was written by a newer version.
            DamagedSnapshotError: the newest snapshot is not whole.

        """
        began = time.monotonic()
        self._producer = AIOKafkaProducer(
            transactional_id=self._name,
            transaction_timeout_ms=TRANSACTION_MS,
            max_batch_size=BATCH_BYTES,
            max_request_size=2 * BATCH_BYTES,
            compression_type=None,  # aiokafka compresses on the loop, 12 times the CPU of sending
            **self._client,
        )
        await self._producer.start()
        latest, read_bytes = await self._read()
        read = time.monotonic() - began
        manifest = unseal(latest[MANIFEST]) if MANIFEST in latest else None
        self._check_format(manifest)
        arrays = None if manifest is None else await asyncio.to_thread(assemble, manifest, latest)
        self._begin_life(manifest, latest.get(LIFE), raise_epoch=raise_epoch)
        self._last = manifest
        await self._commit_life()
        return Opened(
            self._epoch,
            self._life,
            None if manifest is None else manifest.offsets,
            arrays,
            None if manifest is None else manifest.format,
            {} if manifest is None else manifest.meta,
            read_bytes,
            read,
            time.monotonic() - began,
        )

    async def _read(self) -> tuple[dict[bytes, bytes], int]:
        """The newest committed value of each key, and how many bytes were read for it."""
        consumer = AIOKafkaConsumer(
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            max_partition_fetch_bytes=FETCH_BYTES,
            fetch_max_bytes=2 * FETCH_BYTES,
            **self._client,
        )
        latest: dict[bytes, bytes] = {}
        read = 0
        await consumer.start()
        try:
            consumer.assign([self._tp])
            end = (await consumer.end_offsets([self._tp]))[self._tp]
            await consumer.seek_to_beginning(self._tp)
            while await consumer.position(self._tp) < end:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    for record in records:
                        read += len(record.value or b"")
                        if record.value is None:
                            latest.pop(record.key, None)
                        else:
                            latest[record.key] = record.value
        finally:
            await consumer.stop()
        return latest, read

    def _check_format(self, manifest: Manifest | None) -> None:
        if manifest is not None and manifest.format not in self._reads:
            newer = manifest.format > self._format
            raise NewerFormatError(
                f"{self._name}: the state has format {manifest.format}, this version writes "
                f"{self._format} and reads {sorted(self._reads)}. "
                + ("Run the newer version." if newer else "Upgrade in smaller steps.")
            )

    def _begin_life(
        self, manifest: Manifest | None, raw_life: bytes | None, *, raise_epoch: bool
    ) -> None:
        try:
            found = msgspec.msgpack.decode(raw_life, type=Life) if raw_life else Life(0, 0)
        except msgspec.MsgspecError as error:
            raise DamagedSnapshotError(f"{self._name}: the life cannot be read") from error
        stood = Life(0, 0) if manifest is None else Life(manifest.epoch, manifest.life)
        self._epoch = max(self._epoch, found.epoch, stood.epoch)
        if manifest is None and raise_epoch:
            self._epoch += 1
        self._life = max(found.life, stood.life) + 1

    async def _commit_life(self) -> None:
        life = msgspec.msgpack.encode(Life(self._epoch, self._life))
        await self._commit({LIFE: life})

    def capture(self, arrays: Arrays, *, whole: bool = False) -> Capture:
        """The arrays as they stand, against the last snapshot; see `chunks.capture`.

        Synchronous: call it between two batches, or in a thread while the partition rests.
        One capture at a time: it must be written, or dropped, before the next is taken.
        """
        began = time.thread_time()
        last = {} if self._last is None else self._last.arrays
        taken = capture(arrays, last, self._bases, whole=whole)
        return replace(taken, seconds=time.thread_time() - began)

    async def write(
        self,
        taken: Capture,
        offsets: Mapping[str, int],
        meta: Mapping[str, int | float | str] | None = None,
    ) -> Written:
        """Make a capture the newest snapshot; when this returns it is durable.

        Call it only when everything that was said before the capture is acknowledged.

        Args:
            taken: from `capture`.
            offsets: topic -> next offset at the time of the capture.
            meta: small facts for people and tools.

        Raises:
            FencedError: somebody else owns the partition; nothing was written.
            UnsureError: this or an earlier commit was cut off; open the log anew.
            ClosedError: the log is not open, or not any more.

        """
        async with self._turn:
            began = time.monotonic()
            manifest = Manifest(
                self._format, self._epoch, self._life, dict(offsets), taken.arrays, dict(meta or {})
            )
            changes: dict[bytes, bytes | None] = {**taken.changed}
            changes.update(dict.fromkeys(taken.vanished))
            changes[MANIFEST] = seal(manifest)
            await self._commit(changes)
            self._last, self._bases = manifest, taken.bases
            size = taken.changed_bytes
            return Written(
                len(taken.changed),
                size,
                taken.size,
                time.monotonic() - began,
                taken.seconds + size * SEND_S,
            )

    async def _commit(self, changes: Mapping[bytes, bytes | None]) -> None:
        """All of it in one transaction, or none."""
        producer = self._producer
        if producer is None:
            raise ClosedError(f"{self._name} is not open")
        if self._is_fenced:
            raise FencedError(f"{self._name}: somebody else owns this partition now")
        if self._is_unsure:
            raise UnsureError(f"{self._name}: an earlier commit was cut off")
        sent: list[asyncio.Future[Any]] = []
        committing = False
        try:
            await producer.begin_transaction()
            for name, value in changes.items():
                sent.append(
                    await producer.send(
                        self._tp.topic, value, key=name, partition=self._tp.partition
                    )
                )
            await asyncio.gather(*sent)
            committing = True
            await producer.commit_transaction()
        except (ProducerFenced, InvalidProducerEpoch) as error:
            self._is_fenced = True
            raise FencedError(f"{self._name}: somebody else owns this partition now") from error
        except BaseException as error:
            if self._producer is not producer and isinstance(error, Exception):
                raise ClosedError(f"{self._name} was closed meanwhile") from error
            self._is_unsure = committing
            if not committing:
                await self._abort(producer)
            elif isinstance(error, Exception):
                raise UnsureError(f"{self._name}: the commit failed half-way") from error
            raise
        finally:
            _retrieve(producer, sent)

    async def _abort(self, producer: AIOKafkaProducer) -> None:
        manager = producer._txn_manager  # noqa: SLF001  # no public way
        if manager.is_fatal_error():
            return
        try:
            await producer.abort_transaction()
        except ProducerFenced as error:
            self._is_fenced = True
            raise FencedError(f"{self._name}: somebody else owns this partition now") from error

    async def close(self) -> None:
        """Let the partition go; a snapshot under way may end, what was committed stays."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S), self._turn:
                pass
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()
            _retrieve(producer, [])


def _retrieve(producer: AIOKafkaProducer, sent: list[asyncio.Future[Any]]) -> None:
    """Look at every exception once, or asyncio complains about them at exit."""
    manager, sender = producer._txn_manager, producer._sender  # noqa: SLF001  # no public way
    batches = producer._message_accumulator._batches.values()  # noqa: SLF001  # as above
    waiters = [batch._drain_waiter for queue in batches for batch in queue]  # noqa: SLF001  # as above
    for future in (*sent, *waiters, manager._transaction_waiter, sender.sender_task):  # noqa: SLF001  # as above
        if future is not None and future.done() and not future.cancelled():
            future.exception()
