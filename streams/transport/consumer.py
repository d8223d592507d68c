"""Faust's consumer over aiokafka, delivering record batches instead of records.

Replaced: what is delivered, what may be committed, and what happens around a rebalance.
Kept: group membership, assignment, flow control, the commit timer. Each replaced method
says which fault of Faust 0.15.3 it avoids.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple

from aiokafka.errors import ConsumerStoppedError
from faust.exceptions import ImproperlyConfigured
from faust.transport.consumer import ensure_TPset
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage, Message

from schemas.columns import RecordBatch
from streams.transport.deliveries import BatchMessage, Deliveries
from streams.transport.fetch_thread import BatchThread
from streams.transport.positions import Fetch, ReadPosition
from streams.transport.records import Piece
from streams.transport.wiring import Wiring, check_counts, shared_partitions

STALL_S: Final = 0.25  # a look around while every partition waits for its agent


class Bounds(NamedTuple):
    """What the broker says of a topic partition."""

    oldest: int  # the first offset still there
    end: int  # the first one not yet readable
    committed: int | None  # by the group; None: never


class BatchConsumer(driver.Consumer):
    """Delivers one message per record batch and commits what is settled, no further."""

    _thread: BatchThread
    app: Any

    def __init__(self, transport: Any, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  # Faust's signature
        if transport.wiring is None:
            raise ImproperlyConfigured("call streams.transport.wire(app, …) before the app starts")
        self.wiring: Wiring = transport.wiring
        self.deliveries = Deliveries()
        self._committed: dict[TP, int] = {}  # what the broker acknowledged
        self._committed_at: dict[TP, float] = {}  # seconds since the epoch
        self._next: dict[TP, int] = {}  # next offset to hand out
        self._given: dict[TP, int] = {}  # the offset behind the last records handed out
        self._heard: dict[TP, float] = {}  # when those came, steady seconds
        self._held: frozenset[int] = frozenset()
        self._starts: Mapping[TP, int] = {}
        self._turn = asyncio.Lock()  # hooks are called one at a time
        self._generation = 0  # of the group, when the partitions were assigned
        self._drained = False  # in this stop of the flow
        self._deadline: float | None = None
        self._room = asyncio.Event()  # a queue has room again
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
            self._next[tp] = piece.next_offset
            if len(piece):
                self._given[tp], self._heard[tp] = piece.next_offset, time.monotonic()
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
        """Whether a message belongs to the present assignment: the fence before a fold."""
        return message.generation_id is not None and self._is_current(message.generation_id)

    def _to_batch(self, tp: TP, piece: Piece, generation: int) -> ConsumerMessage:
        batch = RecordBatch(
            topic=tp.topic,
            partition=tp.partition,
            partitions=self._thread.partitions(tp.topic),
            first_offset=piece.first_offset,
            next_offset=piece.next_offset,
            values=piece.values,
            offsets=piece.offsets,
            received_at=piece.received_at,
        )
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
        self._room.clear()
        await self.wait_first(self._room.wait(), timeout=STALL_S)
        return None, active

    def on_buffer_drop(self, tp: TP) -> None:
        """An agent has room again: no need to wait on."""
        super().on_buffer_drop(tp)
        self._room.set()
        self._thread.wake()

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Gaps mean nothing where the order of delivery is the truth; elsewhere, end before `to`.

        Faust counts the arriving message itself to the gap and so acknowledges it twice.
        """
        if tp.topic not in self.wiring.topics:
            await super()._add_gap(tp, offset_from, offset_to - 1)

    def read_position(self, tp: TP) -> ReadPosition:
        """Where the reading of a topic partition stands."""
        heard = self._heard.get(tp)
        quiet = 0.0 if heard is None else time.monotonic() - heard
        safe = self._committed.get(tp, self._starts.get(tp))
        end, appended, ended_at = self._thread.end(tp) or (None, None, None)
        return ReadPosition(
            position=self._next.get(tp),
            end=end,
            quiet_s=quiet,
            safe=safe,
            committed_at=self._committed_at.get(tp),
            given=self._given.get(tp),
            ended_at=ended_at,
            appended=appended,
        )

    @property
    def is_connected(self) -> bool:
        """Whether any broker is spoken to."""
        return self._thread.is_connected

    async def bounds(self, *tps: TP) -> Mapping[TP, Bounds]:
        """What the broker has of each; ask in `Hooks.assigned`."""
        oldest = await self.earliest_offsets(*tps)
        ends = await self.highwaters(*tps)
        committed = await self.group_offsets(*tps)
        return {tp: Bounds(oldest[tp], ends[tp], committed[tp]) for tp in tps}

    async def group_offsets(self, *tps: TP) -> Mapping[TP, int | None]:
        """The group's committed offsets, None where it has none; for tools and checks only."""
        return await self._thread.group_offsets(*tps)

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Nothing: Faust's watchdog misreads paused partitions and can fail in a rebalance."""

    # -- settling and committing

    def ack(self, message: Message) -> bool:
        """One batch is settled; counts only for the delivery it came with."""
        if not isinstance(message, BatchMessage):
            return super().ack(message)
        if message.acked:
            return False
        message.acked = True
        self._unacked_messages.discard(message)
        return message.delivery.settled

    async def on_task_error(self, exc: BaseException) -> None:
        """Nothing: Faust commits before it crashes, while rounds could keep half a batch."""

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
        """The end of the settled front; Faust's own can pass a message still in work."""
        if tp.topic in self.wiring.topics:
            return self.deliveries.commit_point(tp)
        return super()._new_offset(tp)

    def _should_commit(self, tp: TP, offset: int) -> bool:
        if tp.topic in self.wiring.topics:
            return offset > self._committed.get(tp, 0)
        return super()._should_commit(tp, offset)

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """Remember what was really committed; Faust also remembers what failed."""
        try:
            done = await super()._commit(offsets)
        except ConsumerStoppedError:
            return False  # crashed meanwhile: the next start reads from the snapshots
        if done:
            self._committed.update(offsets)
            self._committed_at |= dict.fromkeys(offsets, time.time())
        return done

    # -- assignment, drain, stop

    async def _on_assignment_known(self, *_: Any, **__: Any) -> None:  # noqa: ANN401  # a signal's
        """Memories first, in the only order that is safe; called before anything is fetched."""
        async with self._turn:
            topics = self.wiring.topics
            assigned = frozenset(tp for tp in self.assignment() if tp.topic in topics)
            check_counts({topic: self._thread.partitions(topic) for topic in topics})
            held = shared_partitions(assigned, topics)
            retained = self._held & held if self._saw_every_generation() else frozenset()
            await self._let_go(self._held - retained)
            added = held - retained
            self._held = held
            starts = await self.wiring.hooks.assigned(added, held)
            if missing := assigned - starts.keys():
                raise KeyError(f"Hooks.assigned gave no offset for {sorted(missing)}")
            self.deliveries.forget(tp for tp in assigned if tp.partition in added)
            self._starts = {tp: starts[tp] for tp in assigned}
            await self._set_back(self._starts)

    async def _set_back(self, starts: Mapping[TP, int]) -> None:
        """Where the group stands beyond its state, set it back before anything is read.

        So it is when the state begins from empty or is an older one: what the group's offsets
        say is safe will be said anew, and who waits for them (`kol drain`) must wait again.
        """
        committed = await self._thread.group_offsets(*starts)
        beyond = {tp: at for tp, at in starts.items() if (committed[tp] or 0) > at}
        if beyond and await self._commit(beyond):
            self.log.warning("the group stood beyond its state and is set back: %s", beyond)

    def _saw_every_generation(self) -> bool:
        """Whether nobody can have owned our partitions in between, as while we were asleep."""
        before, self._generation = self._generation, int(self.app.consumer_generation_id)
        return self._generation in {before, before + 1}

    async def _let_go(self, partitions: frozenset[int]) -> None:
        if not partitions:
            return
        self._held -= partitions
        for tp in [tp for tp in self._next if tp.partition in partitions]:
            del self._next[tp], self._given[tp]
            self._committed.pop(tp, None)
            self._committed_at.pop(tp, None)
            self._heard.pop(tp, None)
        self.deliveries.forget([tp for tp in self.deliveries if tp.partition in partitions])
        await self.wiring.hooks.lost(partitions)

    async def perform_seek(self) -> None:
        """Go where the memories say. Faust calls it between the assignment and the first fetch."""
        if any(tp.topic not in self.wiring.topics for tp in self.assignment()):
            await super().perform_seek()
        starts = self._starts
        await self._thread.begin(starts)
        self.deliveries.restart(starts)
        now = time.monotonic()
        for tp, start in starts.items():
            self._next[tp] = self._given[tp] = start
            self._heard[tp] = now
            self._read_offset[tp] = None

    def stop_flow(self) -> None:
        """Deliver nothing more; the fetch thread need not wait for records."""
        super().stop_flow()
        self._thread.wake()

    def resume_flow(self) -> None:
        """Read; the next stop drains again."""
        self._drained = False
        super().resume_flow()

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Drain and commit before Faust forgets what was acknowledged; all within a deadline."""
        self._deadline = time.monotonic() + self._drain_s
        try:
            self.stop_flow()
            self.app.flow_control.suspend()
            if not self.app.should_stop and self.assignment():
                self.app.flow_control.clear()
                await self.wait_empty()
            await super().on_partitions_revoked(revoked)
            self._buffered_partitions -= ensure_TPset(revoked)
        finally:
            self._deadline = None

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Nothing flows until the memories are there, not even for a moment."""
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
        if self._deadline is None or self.app.should_stop:
            self._deadline = time.monotonic() + self._drain_s
        await self._drain(self._deadline)
        await self.commit_and_end_transactions()

    async def _drain(self, deadline: float) -> None:
        """Call the hook, once per stop of the flow."""
        if self._drained:
            return
        self._drained = True
        if self.app.crashed or self.crashed:
            return  # memory may hold half a batch: the next start replays
        try:
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())), self._turn:
                if self._held:
                    await self.wiring.hooks.drain(None)
        except TimeoutError:
            self.log.warning("the drain ran out of time; what is not settled is read again")
        except Exception:
            self.log.exception("the drain failed; what is not settled is read again")

    async def on_stop(self) -> None:
        """Drain if nothing else did, commit, let go of every partition, close."""
        await self.wait_empty()
        try:
            async with self._turn:
                await self._let_go(self._held)
        except Exception:
            self.log.exception("letting go of the partitions failed")
        await super().on_stop()
