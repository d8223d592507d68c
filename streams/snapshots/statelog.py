"""One partition's snapshots on its state topic: each is one Kafka transaction.

Opening the log fences whoever owned the partition before (`transactions`), and readers take
committed records only, so a snapshot is there as a whole or not at all. `open` keeps this
order: fence, end offset, restore, commit the new life. In another one a stalled owner could
commit after his successor has read.

Keys on the topic: `a/<array>/<index>` for chunks, `d/<array>/<index>` for what changed in
them since (`chunks`), `manifest`, `life`. The topic is compacted: the newest value of each
key is all that a restore needs, and keys that are gone have a tombstone.
"""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.snapshots.chunks import (
    Bases,
    Capture,
    DamagedSnapshotError,
    Life,
    Manifest,
    Steps,
    capturing,
    encode_manifest,
    run,
)
from streams.snapshots.formats import Arrays, Conversion, format_number
from streams.snapshots.history import LIFE, MANIFEST, History, Restored, restore
from streams.snapshots.stable_end import stable_ends
from streams.snapshots.transactions import TransactionalWriter

FETCH_BYTES: Final = 8 << 20
CLOSE_S: Final = 2.0  # for a snapshot that is being committed
SEND_S: Final = 3e-9  # of a core, to send one byte: 0.16 s for 64 MB, measured

log = logging.getLogger("kol.snapshots")


@dataclass(frozen=True, slots=True)
class Opened:
    """What `StateLog.open` found."""

    epoch: int
    life: int  # ours; higher than every one before
    offsets: Mapping[str, int] | None  # topic -> next offset; None: there is no snapshot
    arrays: Arrays | None  # in the format of this version
    format: int | None  # that they were written in
    meta: Mapping[str, int | float | str]
    read_bytes: int
    read_seconds: float  # for fencing and reading
    seconds: float
    fell_back: bool = False  # newer snapshots are damaged; the log has what they held


@dataclass(frozen=True, slots=True)
class Written:
    """What a snapshot cost."""

    chunks: int
    written_bytes: int
    state_bytes: int  # of all arrays
    seconds: float  # until it was durable, waiting included
    work_s: float = 0.0  # of a core, about: for `Pace.record`


class StateLog:
    """The snapshots of one partition on one side.

    Args:
        client: `bootstrap_servers` and security, as aiokafka's clients take them.
        app: the app's id, part of the transactional id.
        side: `user` or `kol`.
        topic: the state topic.
        partition: the partition's number, there and on the source topics.
        conversions: of arrays in older formats; the arrays written have the one they end in.
        epoch: the deployment's number; a greater one in the log overrules it.
        meta: small facts that each snapshot carries.

    """

    def __init__(
        self,
        client: Mapping[str, Any],
        app: str,
        side: str,
        topic: str,
        partition: int,
        conversions: Sequence[Conversion] = (),
        *,
        epoch: int = 0,
        meta: Mapping[str, int | float | str] | None = None,
    ) -> None:
        self._client = client
        self._meta = dict(meta or {})
        self._name = f"{app}-{side}-state-{partition}"
        self._tp = TopicPartition(topic, partition)
        self._conversions = conversions
        self._epoch = epoch
        self._life = 0
        self._last: Manifest | None = None
        self._bases: Bases = {}  # of the last snapshot, as far as remembered
        self._stale_keys: frozenset[bytes] = frozenset()  # of damaged or half snapshots
        self._writer = TransactionalWriter(client, self._name, self._tp)
        self._lock = asyncio.Lock()  # one snapshot at a time

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self, *, raise_epoch: bool = False) -> Opened:
        """Take the partition over: fence, read, restore, commit the new life.

        Args:
            raise_epoch: begin a new epoch if there is no snapshot.

        Raises:
            NewerFormatError: the state was written by a newer version.
            DamagedSnapshotError: no snapshot that is left is whole.
            OpenTransactionError: somebody's transaction hides a part of the log.

        """
        began = time.monotonic()
        await self._writer.start()
        history = await self._read()
        read = time.monotonic() - began
        restored = await asyncio.to_thread(restore, history, self._conversions)
        manifest = None if restored is None else restored.manifest
        self._begin_life(manifest, history.life, raise_epoch=raise_epoch)
        self._last = None if self._must_be_whole(history, restored) else manifest
        self._stale_keys = frozenset(() if self._last else history.chunks())
        await self._commit_life()
        return Opened(
            self._epoch,
            self._life,
            None if manifest is None else manifest.offsets,
            None if restored is None else restored.arrays,
            None if manifest is None else manifest.format,
            {} if manifest is None else manifest.meta,
            history.read_bytes,
            read,
            time.monotonic() - began,
            fell_back=restored is not None and bool(restored.damage),
        )

    def _must_be_whole(self, history: History, restored: Restored | None) -> bool:
        """Whether the next snapshot must not build on chunks of the one that was restored."""
        if history.is_incomplete:
            log.warning("%s: half of a snapshot was committed and is left out", self._name)
        if restored is None:
            return history.is_incomplete
        if restored.damage:
            damage = "; ".join(restored.damage)
            log.error("%s: fell back to an older snapshot: %s", self._name, damage)
        was, now = restored.manifest.format, format_number(self._conversions)
        if was < now:
            log.info("%s: converted from format %d to %d", self._name, was, now)
        return history.is_incomplete or bool(restored.damage) or was < now

    async def _read(self) -> History:
        """Everything committed up to the end of the log as it is now.

        Raises:
            OpenTransactionError: somebody's transaction hides a part of it.

        """
        end = (await stable_ends(self._client, [self._tp]))[self._tp]
        consumer = AIOKafkaConsumer(
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            max_partition_fetch_bytes=FETCH_BYTES,
            fetch_max_bytes=2 * FETCH_BYTES,
            **self._client,
        )
        history = History()
        await consumer.start()
        try:
            consumer.assign([self._tp])
            await consumer.seek_to_beginning(self._tp)
            while await consumer.position(self._tp) < end:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    for record in records:
                        history.add(record.key, record.value)
        finally:
            await consumer.stop()
        return history

    def _begin_life(
        self, manifest: Manifest | None, raw_life: bytes | None, *, raise_epoch: bool
    ) -> None:
        try:
            found = msgspec.msgpack.decode(raw_life, type=Life) if raw_life else Life(0, 0)
        except msgspec.MsgspecError as error:
            raise DamagedSnapshotError(f"{self._name}: the life cannot be read") from error
        written = Life(0, 0) if manifest is None else Life(manifest.epoch, manifest.life)
        self._epoch = max(self._epoch, found.epoch, written.epoch)
        if manifest is None and raise_epoch:
            self._epoch += 1
        self._life = max(found.life, written.life) + 1

    async def _commit_life(self) -> None:
        life = msgspec.msgpack.encode(Life(self._epoch, self._life))
        await self._writer.write({LIFE: life})

    def capture(self, arrays: Arrays, *, whole: bool = False) -> Capture:
        """The arrays as they stand, against the last snapshot; see `chunks.capture`.

        Synchronous: call it between two batches, or in a thread while nothing is folded.
        One capture at a time: write it, or drop it, before the next one.
        """
        return run(self.capturing(arrays, whole=whole))

    def capturing(self, arrays: Arrays, *, whole: bool = False) -> Steps[Capture]:
        """The same, a chunk a step: between two nothing may be folded, all else may be done."""
        last = {} if self._last is None else self._last.arrays
        steps = capturing(arrays, last, self._bases, whole=whole)
        seconds = 0.0
        while True:
            began = time.thread_time()
            try:
                next(steps)
            except StopIteration as done:
                captured: Capture = done.value
                return replace(captured, seconds=seconds + time.thread_time() - began)
            seconds += time.thread_time() - began
            yield

    async def write(
        self,
        captured: Capture,
        offsets: Mapping[str, int],
    ) -> Written:
        """Make a capture the newest snapshot; when this returns it is durable.

        Call it only when every row from before the capture is acknowledged.

        Args:
            captured: from `capture`.
            offsets: topic -> next offset at the time of the capture.

        Raises:
            FencedError: somebody else owns the partition; nothing was written.
            UncertainCommitError: this or an earlier commit was cut off; open the log anew.
            ClosedError: the log is not open, or not any more.

        """
        async with self._lock:
            began = time.monotonic()
            manifest = Manifest(
                format=format_number(self._conversions),
                epoch=self._epoch,
                life=self._life,
                offsets=dict(offsets),
                arrays=captured.arrays,
                meta=self._meta,
            )
            changes: dict[bytes, bytes | None] = dict.fromkeys(self._stale_keys)
            changes |= dict.fromkeys(captured.vanished)
            changes |= captured.changed
            changes[MANIFEST] = encode_manifest(manifest)
            await self._writer.write(changes)
            self._last, self._bases, self._stale_keys = manifest, captured.bases, frozenset()
            written_bytes = captured.changed_bytes
            return Written(
                len(captured.changed),
                written_bytes,
                captured.state_bytes,
                time.monotonic() - began,
                captured.seconds + written_bytes * SEND_S,
            )

    async def close(self) -> None:
        """Release the partition; a snapshot under way may end, what was committed stays."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S), self._lock:
                pass
        await self._writer.stop()
