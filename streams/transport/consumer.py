"""Faust's consumer over aiokafka, delivering record batches instead of records.

Replaced: what is delivered, what may be committed, and what happens around a rebalance.
Kept: group membership, assignment, flow control, the commit timer. Each replaced method
says which fault of Faust 0.15.3 it avoids.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

from aiokafka.errors import ConsumerStoppedError
from faust.exceptions import ImproperlyConfigured
from faust.transport.consumer import ensure_TPset
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage, Message

from streams.transport.deliveries import BatchMessage, Deliveries, record_batch
from streams.transport.fetch_thread import BatchThread, Fetch
from streams.transport.ownership import Ownership
from streams.transport.positions import Positions, ReadPosition
from streams.transport.records import Piece
from streams.transport.wiring import Wiring, check_counts

STALL_S: Final = 0.25  # longest wait while every partition is paused for its agent


class BatchConsumer(driver.Consumer):
    """Delivers one message per record batch and commits only what is durable."""

    _thread: BatchThread
    app: Any

    def __init__(self, transport: Any, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  # Faust's signature
        if transport.wiring is None:
            raise ImproperlyConfigured("call streams.transport.wire(app, …) before the app starts")
        self.wiring: Wiring = transport.wiring
        self.deliveries = Deliveries()
        self._positions = Positions()
        self._ownership = Ownership(self.wiring, self._forget)
        self._drain_deadline: float | None = None  # of this rebalance or stop, steady seconds
        self._has_capacity = asyncio.Event()  # a queue can take batches again
        super().__init__(transport, *args, **kwargs)
        self.app.on_rebalance_complete.connect(self._on_assignment_known)

    def _new_consumer_thread(self) -> BatchThread:
        return BatchThread(self, loop=self.loop, beacon=self.beacon)

    # -- reading

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Message]]:  # noqa: ASYNC109  # Faust's signature
        """Messages in the order to deliver, batches first.

        Ends when the flow stops or the generation changes: whatever was fetched and not
        delivered comes again, since every assignment seeks.
        """
        fetched, _ = await self._wait_next_records(timeout)
        if not isinstance(fetched, Fetch) or self.should_stop:
            return
        for tp, piece in fetched.pieces:
            if not self._is_current(fetched.generation):
                return
            if piece.end is not None:
                self.app.monitor.track_tp_end_offset(tp, piece.end)
            self._positions.read(tp, piece)
            if len(piece):
                yield tp, self._to_batch(tp, piece, fetched.generation)
            else:
                self.deliveries.skip(tp, piece.next_offset)
        for tp, record in self.scheduler.iterate(fetched.plain):
            if not self._is_current(fetched.generation):
                return
            yield tp, self._to_message(tp, record)

    def _is_current(self, generation: int) -> bool:
        return self.flow_active and bool(generation == self.app.consumer_generation_id)

    def is_current(self, message: Message) -> bool:
        """Whether a message belongs to the present assignment: asked before each fold."""
        return message.generation_id is not None and self._is_current(message.generation_id)

    def _to_batch(self, tp: TP, piece: Piece, generation: int) -> ConsumerMessage:
        batch = record_batch(tp, piece, self._thread.partitions(tp.topic))
        return BatchMessage(batch, tp, generation, self.deliveries.add(tp, piece.next_offset))

    async def _wait_next_records(self, timeout: float) -> Any:  # noqa: ANN401, ASYNC109  # Faust's signature
        """As Faust's, but without its sleep of a second while every partition is paused."""
        if not self.flow_active:
            await self.wait(self.can_resume_flow)  # type: ignore[arg-type]  # as in Faust
        active = self._get_active_partitions()
        if active:
            # the set itself, not a copy: the thread sees who came back while it waits
            with suppress(ConsumerStoppedError):  # crashed: there is nothing to deliver
                return await self._getmany(active_partitions=active, timeout=timeout), active
            return None, active
        self._has_capacity.clear()
        await self.wait_first(self._has_capacity.wait(), timeout=STALL_S)
        return None, active

    def on_buffer_drop(self, tp: TP) -> None:
        """An agent can take batches again: no need to wait on."""
        super().on_buffer_drop(tp)
        self._has_capacity.set()
        self._thread.wake()

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Gaps matter only where Faust decides what is committed; there, end before `to`.

        Faust counts the arriving message itself to the gap and so acknowledges it twice.
        """
        if tp.topic not in self.wiring.topics:
            await super()._add_gap(tp, offset_from, offset_to - 1)

    def read_position(self, tp: TP) -> ReadPosition:
        """Where the reading of a topic partition stands."""
        return self._positions.of(tp, self._thread.end(tp))

    def member_id(self) -> str | None:
        """What the brokers call this member of the group; None: not known."""
        return None if (joined := self._thread.membership) is None else joined.member_id

    @property
    def is_connected(self) -> bool:
        """Whether the client is connected to any broker."""
        return self._thread.is_connected

    def partition_counts(self) -> Mapping[str, int]:
        """Topic -> its number of partitions, as the brokers last said; 0 if they do not know it."""
        return {topic: self._thread.partitions(topic) for topic in self.wiring.topics}

    async def group_offsets(self, *tps: TP) -> Mapping[TP, int | None]:
        """The group's committed offsets, None where it has none; for tools and checks only."""
        return await self._thread.group_offsets(*tps)

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Nothing: Faust's watchdog misreads paused partitions and can fail in a rebalance."""

    # -- acknowledging and committing

    def ack(self, message: Message) -> bool:
        """One batch is durable; counts only for the delivery it came with."""
        if not isinstance(message, BatchMessage):
            return super().ack(message)
        if message.acked:
            return False
        message.acked = True
        self._unacked_messages.discard(message)
        return message.delivery.is_durable

    async def on_task_error(self, exc: BaseException) -> None:
        """Nothing: Faust commits before it crashes; meanwhile half a batch could be flushed."""

    def mark_durable(self, offsets: Mapping[TP, int]) -> None:
        """A snapshot with these next offsets is durable: they may be committed."""
        for tp, offset in offsets.items():
            self.deliveries.mark_durable(tp, offset)

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:  # noqa: ANN401  # Faust's signature
        yield from super()._filter_tps_with_pending_acks(topics)
        for tp in self.deliveries:
            if topics is None or tp in topics or tp.topic in topics:
                yield tp

    def _new_offset(self, tp: TP) -> int | None:
        """The end of what is durable without a gap; Faust's can pass a message still in work."""
        if tp.topic in self.wiring.topics:
            return self.deliveries.commit_point(tp)
        return super()._new_offset(tp)

    def _should_commit(self, tp: TP, offset: int) -> bool:
        if tp.topic in self.wiring.topics:
            return offset > self._positions.committed(tp)
        return super()._should_commit(tp, offset)

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """Remember what was really committed; Faust also remembers what failed."""
        try:
            done = await super()._commit(offsets)
        except ConsumerStoppedError:
            return False  # crashed meanwhile: the next start reads from the snapshots
        if done:
            self._positions.mark_committed(offsets)
        return done

    # -- assignment, drain, stop

    async def _on_assignment_known(self, *_: Any, **__: Any) -> None:  # noqa: ANN401  # a signal's
        """Restore state before anything is fetched; the order is that of `wiring`."""
        async with self._ownership.lock:
            topics = self.wiring.topics
            check_counts(self.partition_counts(), int(self.app.conf.topic_partitions))
            assigned = frozenset(tp for tp in self.assignment() if tp.topic in topics)
            generation = int(self.app.consumer_generation_id)
            added, starts = await self._ownership.assign(assigned, generation)
            self.deliveries.forget(tp for tp in assigned if tp.partition in added)
            self._positions.starts = starts
            await self._compare_with_group(starts, added)

    async def _compare_with_group(self, starts: Mapping[TP, int], added: frozenset[int]) -> None:
        """Set the group back where it has committed more than the state, an empty or older one.

        Rows of what is read again are written anew: who waits (`kol drain`) must wait again.
        """
        committed = {tp: at or 0 for tp, at in (await self._thread.group_offsets(*starts)).items()}
        self.deliveries.begin(added, starts, committed)
        beyond = {tp: at for tp, at in starts.items() if committed[tp] > at}
        if beyond and await self._commit(beyond):
            self.log.warning("the group had committed more than the state holds: %s", beyond)

    def _forget(self, partitions: frozenset[int]) -> None:
        self._positions.forget(partitions)
        self.deliveries.forget([tp for tp in self.deliveries if tp.partition in partitions])

    async def perform_seek(self) -> None:
        """Seek to where the state ends. Faust calls it between assignment and first fetch."""
        if any(tp.topic not in self.wiring.topics for tp in self.assignment()):
            await super().perform_seek()
        starts = self._positions.starts
        await self._thread.seek_to(starts)
        self.deliveries.restart(starts)
        self._positions.restart()
        self._read_offset.update(dict.fromkeys(starts))

    def stop_flow(self) -> None:
        """Deliver nothing more; the fetch thread need not wait for records."""
        super().stop_flow()
        self._thread.wake()

    def resume_flow(self) -> None:
        """Read; the next stop drains again."""
        self._ownership.resume()
        super().resume_flow()

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Drain and commit before Faust forgets what was acknowledged; all within a deadline."""
        self._drain_deadline = time.monotonic() + self._drain_s
        try:
            self.stop_flow()
            self.app.flow_control.suspend()
            if not self.app.should_stop and self.assignment():
                self.app.flow_control.clear()
                await self.wait_empty()
            await super().on_partitions_revoked(revoked)
            self._buffered_partitions -= ensure_TPset(revoked)
        finally:
            self._drain_deadline = None

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Nothing flows until the state is restored, not even for a moment."""
        self.stop_flow()
        self.app.flow_control.suspend()
        await super().on_partitions_assigned(assigned, generation_id)

    @property
    def _drain_s(self) -> float:
        if self.app.should_stop:
            return self.wiring.stop_s
        rebalance_s = float(self.app.conf.broker_rebalance_timeout)
        return 0.7 * rebalance_s if self.wiring.drain_s is None else self.wiring.drain_s

    async def wait_empty(self) -> None:
        """Drain and commit, within the deadline; Faust's waits without end, and twice."""
        if self._drain_deadline is None or self.app.should_stop:
            self._drain_deadline = time.monotonic() + self._drain_s
        if not (self.app.crashed or self.crashed):  # else half a batch may be folded
            await self._ownership.drain(self._drain_deadline)
        await self.commit_and_end_transactions()

    async def on_stop(self) -> None:
        """Drain if nothing else did, commit, release every partition, close."""
        await self.wait_empty()
        try:
            async with self._ownership.lock:
                await self._ownership.release()
        except Exception:
            self.log.exception("releasing the partitions failed")
        await super().on_stop()
