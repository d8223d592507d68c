"""The thread that fetches: aiokafka's client, its record sets read whole and in order.

Private names of aiokafka are used here and where `tests/test_architecture.py` says so.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, cast

import aiokafka
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import Fetcher, FetchResult
from aiokafka.errors import ConsumerStoppedError
from faust.exceptions import ImproperlyConfigured
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams.transport.alignment import Alignment, Catchup, TopicHead
from streams.transport.membership import Membership
from streams.transport.positions import End, FetchResponses
from streams.transport.records import PIECE_BYTES, Piece, RecordSet
from streams.transport.wiring import Wiring

RESPONSE_BYTES: Final = 4 << 20  # the client costs twice as much with its default of 50 MB
FETCH_WAIT_MS: Final = 100  # an idle partition's fetch blocks its node's other ones that long
CRASH_CHECK_S: Final = 0.2  # how long a wait for the thread goes on after a crash, at the most
FRESH_S: Final = 5.0  # what a broker says of a partition's end counts that long
PIECES: Final = 8  # of one fetch, at the most
TURN_BYTES: Final = 2 * PIECE_BYTES  # and what they may weigh, but for the last one


@dataclass(slots=True)
class Fetch:
    """What one turn of the fetch thread brings."""

    generation: int
    pieces: list[tuple[TP, Piece]] = field(default_factory=list)  # in the order to deliver
    plain: dict[TP, list[Any]] = field(default_factory=dict)  # of topics not read in batches

    @property
    def is_full(self) -> bool:
        """Whether it is enough for one turn."""
        weight = sum(piece.weight for _, piece in self.pieces)
        return len(self.pieces) >= PIECES or weight >= TURN_BYTES

    def __bool__(self) -> bool:
        return bool(self.pieces or self.plain)


class OffsetsGoneError(Exception):
    """The log no longer has the offset where reading goes on."""

    def __init__(self, tp: TP, expected: int, found: int) -> None:
        lost = (
            f"{found - expected} records were removed" if found > expected else "the log is shorter"
        )
        super().__init__(
            f"{tp.topic}, partition {tp.partition}: reading should go on at offset {expected}, but "
            f"the broker offers {found} ({lost}: retention, or the topic was made anew). "
            "`kol worker --accept-gap` goes on from there and counts the gap."
        )


class FetchOwner(Protocol):
    """What the thread needs to know of the consumer that it fetches for."""

    wiring: Wiring

    @property
    def flow_active(self) -> bool:
        """Whether records may be delivered now."""

    async def crash(self, reason: BaseException) -> None:
        """End the worker."""


class BatchThread(driver.AIOKafkaConsumerThread):
    """The thread that fetches: record sets are read whole, oldest topic first."""

    consumer: FetchOwner  # type: ignore[assignment]  # Faust declares one of its own
    app: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        self._wiring = self.consumer.wiring
        self._alignment, self._catchup = Alignment(self._wiring.horizon_ms), Catchup()
        self._open: dict[TP, tuple[FetchResult, RecordSet]] = {}
        self._newest: dict[TP, int] = {}  # record time of the newest record read
        self._expected: dict[TP, int] = {}  # where reading goes on
        self._responses = FetchResponses()
        self.membership: Membership | None = None  # once it is connected

    async def on_start(self) -> None:
        """Connect, and watch the membership: its faults end the worker."""
        await super().on_start()
        self.membership = Membership(
            self._ensure_consumer()._coordinator,  # noqa: SLF001  # no public way
            self._wiring.find_holder,
            lambda error: asyncio.run_coroutine_threadsafe(
                self.consumer.crash(error), self.parent_loop
            ),
        )

    def _create_worker_consumer(self, transport: driver.Transport) -> aiokafka.AIOKafkaConsumer:
        """A consumer of committed records with bounded fetches and Faust's own assignor.

        Faust's would read uncommitted records, ask for 50 MB at a time, and without tables
        use an assignor that neither keeps partition numbers together nor honours static
        membership.
        """
        conf = self.app.conf
        if conf.broker_session_timeout > conf.broker_request_timeout:
            raise ImproperlyConfigured("broker_session_timeout is above broker_request_timeout")
        self._assignor = self.app.assignor
        return aiokafka.AIOKafkaConsumer(
            client_id=conf.broker_client_id,
            group_id=conf.id,
            group_instance_id=conf.consumer_group_instance_id,
            bootstrap_servers=driver.server_list(transport.url, transport.default_port),
            partition_assignment_strategy=[self._assignor],
            enable_auto_commit=False,
            auto_offset_reset="earliest",  # never silently: `_check_position`
            max_poll_interval_ms=int((conf.broker_max_poll_interval or 0) * 1000),
            max_partition_fetch_bytes=conf.consumer_max_fetch_size,
            fetch_max_bytes=RESPONSE_BYTES,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            request_timeout_ms=int(conf.broker_request_timeout * 1000),
            check_crcs=conf.broker_check_crcs,
            session_timeout_ms=int(conf.broker_session_timeout * 1000),
            rebalance_timeout_ms=int(conf.broker_rebalance_timeout * 1000),
            heartbeat_interval_ms=int(conf.broker_heartbeat_interval * 1000),
            isolation_level="read_committed",
            metadata_max_age_ms=conf.consumer_metadata_max_age_ms,
            connections_max_idle_ms=conf.consumer_connections_max_idle_ms,
            **driver.credentials_to_aiokafka_auth(conf.broker_credentials, conf.ssl_context),
        )

    async def call_thread(self, fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  # mode's signature
        """As mode's, but a crash ends the wait: a crashed thread takes no more calls.

        Raises:
            ConsumerStoppedError: no answer will come.

        """
        answer = asyncio.ensure_future(super().call_thread(fun, *args, **kwargs))
        try:
            while not answer.done():
                if self.crashed:
                    raise ConsumerStoppedError
                await asyncio.wait([answer], timeout=CRASH_CHECK_S)
            return answer.result()
        finally:
            answer.cancel()

    async def on_thread_stop(self) -> None:
        """Leave the group before the connection closes, if asked to."""
        if self._wiring.leaves and self._consumer is not None and self._consumer._coordinator:  # noqa: SLF001  # no public way
            # a static member does not leave: as a dynamic one it does
            self._consumer._coordinator._group_instance_id = None  # noqa: SLF001  # as above
        await super().on_thread_stop()

    def wake(self) -> None:
        """End a wait for records: an agent can take batches again. Any thread may call it."""
        if self._consumer is None or self._consumer._fetcher is None:  # noqa: SLF001  # as in records.py
            return
        with suppress(RuntimeError):  # the thread is gone: nobody waits there
            self.thread_loop.call_soon_threadsafe(_notify_waiters, self._consumer._fetcher)  # noqa: SLF001  # as above

    async def seek_to(self, starts: Mapping[TP, int]) -> None:
        """Read on from these offsets."""
        await self.call_thread(self._seek_to, starts)

    async def _seek_to(self, starts: Mapping[TP, int]) -> None:
        consumer = self._ensure_consumer()
        self._open.clear()
        self._newest.clear()
        self._alignment.forget()
        self._catchup.forget()
        self._expected = dict(starts)
        for tp, offset in starts.items():
            consumer.seek(TopicPartition(*tp), offset)

    async def group_offsets(self, *tps: TP) -> Mapping[TP, int | None]:
        """The group's committed offsets, None where it has none."""
        return cast("Mapping[TP, int | None]", await self.call_thread(self._group_offsets, tps))

    async def _group_offsets(self, tps: Sequence[TP]) -> Mapping[TP, int | None]:
        consumer = self._ensure_consumer()
        asked = [consumer.committed(TopicPartition(*tp)) for tp in tps]
        return dict(zip(tps, await asyncio.gather(*asked), strict=True))

    def partitions(self, topic: str) -> int:
        """How many partitions a topic has, as the brokers last said; 0 if they do not know it."""
        return len(self._ensure_consumer().partitions_for_topic(topic) or ())

    def end(self, tp: TP) -> End | None:
        """Where a topic partition ends; None if no broker has said lately."""
        state = self._state(tp)
        seen_at = None if state is None else state.timestamp  # first: a later end may come
        at = self._responses.requested_at(tp, seen_at)
        if at is None or time.time() - at / 1000 > FRESH_S:
            return None
        end = _readable_end(state)
        return None if end is None else End(end, state.highwater, at)

    @property
    def is_connected(self) -> bool:
        """Whether the client is connected to any broker."""
        connections = self._ensure_consumer()._client._conns.values()  # noqa: SLF001  # as in records.py
        return any(connection.connected() for connection in list(connections))

    def _state(self, tp: TP) -> Any:  # noqa: ANN401  # aiokafka's, untyped
        subscription = self._ensure_consumer()._subscription.subscription  # noqa: SLF001  # as in records.py
        assignment = None if subscription is None else subscription.assignment
        return None if assignment is None else assignment.state_value(TopicPartition(*tp))

    async def _fetch_records(  # type: ignore[override]  # ours brings a Fetch
        self,
        consumer: aiokafka.AIOKafkaConsumer,
        active_partitions: set[TP],
        timeout: float | None = None,  # noqa: ASYNC109  # Faust's signature
        max_records: int | None = None,
    ) -> Fetch:
        fetch = Fetch(self.app.consumer_generation_id)
        if not self.consumer.flow_active:
            return fetch
        fetcher = consumer._fetcher  # noqa: SLF001  # as in records.py
        if consumer._closed or fetcher._closed:  # noqa: SLF001  # as above
            raise ConsumerStoppedError
        subscriptions = fetcher._subscriptions  # noqa: SLF001  # as above
        with subscriptions.fetch_context():
            if subscriptions.reassignment_in_progress:
                await asyncio.sleep(0.02)  # the flow is about to be stopped
                return fetch
            await self._read_oldest_first(fetch, fetcher, active_partitions, max_records)
            if not fetch and timeout:
                await _wait_for_records(fetcher, timeout)
        return fetch

    async def _read_oldest_first(
        self, fetch: Fetch, fetcher: Fetcher, active: set[TP], max_records: int | None
    ) -> None:
        """Read the oldest first, groups in turn; one piece each while any queue has enough."""
        assignment = fetcher._subscriptions.subscription.assignment  # noqa: SLF001  # as above
        groups = self._groups(assignment)
        is_paused = not active.issuperset(tp for tps in groups.values() for tp in tps)
        self._open_arrived(fetch, fetcher)
        is_reading = True
        while is_reading and not fetch.is_full:
            is_reading = False
            for group, tps in groups.items():
                if isinstance(group, int) and self._is_behind(group):
                    continue  # inputs stay unread while a topic that goes first has more
                heads = {
                    tp.topic: _topic_head(
                        self._open.get(tp), self._state(tp), tp in active, self._newest.get(tp)
                    )
                    for tp in tps
                }
                topic = self._alignment.choose(group, heads, time.monotonic())
                if topic is not None:
                    is_reading = not is_paused
                    self._read_piece(fetch, fetcher, TP(topic, tps[0].partition))
        plain = {tp for tp in active & assignment.tps if tp.topic not in self._wiring.topics}
        if plain:
            found = await fetcher.fetched_records(plain, timeout=0, max_records=max_records)
            fetch.plain = {TP(*tp): records for tp, records in found.items()}

    def _groups(self, assignment: Any) -> dict[object, list[TP]]:  # noqa: ANN401  # aiokafka's, untyped
        """Topic partitions that are aligned with each other; those of inputs come last.

        So what a partition is to forget is known before more of it is read.
        """
        groups: dict[object, list[TP]] = {}
        assigned = [TP(*tp) for tp in assignment.tps]
        for tp in sorted(assigned, key=lambda tp: (tp.topic in self._wiring.inputs, tp)):
            if tp.topic in self._wiring.topics:
                _check_position(tp, self._expected.get(tp), self._state(tp))
                groups.setdefault(self._group(tp), []).append(tp)
        return groups

    def _group(self, tp: TP) -> object:
        return tp.partition if tp.topic in self._wiring.inputs else tp

    def _is_behind(self, partition: int) -> bool:
        first = [TP(topic, partition) for topic in self._wiring.first]
        return any(_is_behind(self._catchup, tp, self._state(tp)) for tp in first)

    def _open_arrived(self, fetch: Fetch, fetcher: Fetcher) -> None:
        """Open the record sets that have arrived; skip those with nothing to deliver."""
        for key in list(fetcher._records):  # noqa: SLF001  # as above
            tp, found = TP(*key), fetcher._records[key]  # noqa: SLF001  # as above
            if tp.topic not in self._wiring.topics:
                continue
            if type(found) is not FetchResult:
                self._release(fetcher, tp)
                found.check_raise()
            elif not found.check_assignment(key):
                self._release(fetcher, tp)
            else:
                opened = self._open.get(tp)
                if opened is None or opened[0] is not found:
                    self._open[tp] = found, _record_set(found, tp.topic in self._wiring.keyed)
                if self._open[tp][1].head is None:
                    self._read_piece(fetch, fetcher, tp)

    def _read_piece(self, fetch: Fetch, fetcher: Fetcher, tp: TP) -> None:
        found, records = self._open[tp]
        piece = records.read(self._wiring.batch_records, _readable_end(self._state(tp)))
        fetch.pieces.append((tp, piece))
        found._update_position()  # noqa: SLF001  # as above
        self._expected[tp] = piece.next_offset
        if len(piece):
            self._newest[tp] = int(piece.received_at[-1])
        if records.head is None:
            found._update_position()  # noqa: SLF001  # past what is not visible
            self._expected[tp] = records.position
            self._release(fetcher, tp)

    def _release(self, fetcher: Fetcher, tp: TP) -> None:
        """The record set is used up: fetch on."""
        self._open.pop(tp, None)
        fetcher._records.pop(TopicPartition(*tp), None)  # noqa: SLF001  # as above
        fetcher._notify(fetcher._wait_consume_future)  # noqa: SLF001  # as above


def _record_set(found: FetchResult, with_keys: bool) -> RecordSet:  # noqa: FBT001  # of one call
    return RecordSet(found._partition_records, with_keys=with_keys)  # noqa: SLF001  # as above


def _check_position(tp: TP, expected: int | None, state: Any) -> None:  # noqa: ANN401  # aiokafka's, untyped
    """Make sure that the client did not move the position on its own."""
    if expected is not None and state.has_valid_position and state.position != expected:
        raise OffsetsGoneError(tp, expected, state.position)


def _topic_head(
    opened: tuple[FetchResult, RecordSet] | None,
    state: Any,  # noqa: ANN401  # aiokafka's, untyped
    is_ready: bool,  # noqa: FBT001  # of one call
    newest: int | None,
) -> TopicHead:
    end = _readable_end(state)
    known = state.has_valid_position and end is not None
    has_more = not known or state.position < cast("int", end)
    return TopicHead(None if opened is None else opened[1].head, is_ready, has_more, newest)


def _is_behind(catchup: Catchup, tp: TP, state: Any) -> bool:  # noqa: ANN401  # as above
    """Whether a topic that goes first has more, as far as a broker has said."""
    end = None if state is None else _readable_end(state)
    if end is None or not state.has_valid_position:
        return False
    return catchup.is_behind(tp, state.position, end, time.monotonic())


def _readable_end(state: Any) -> int | None:  # noqa: ANN401  # aiokafka's, untyped
    """The last stable offset; the high watermark from brokers that do not know it."""
    stable = state.lso
    return cast("int | None", state.highwater if stable is None or stable < 0 else stable)


def _notify_waiters(fetcher: Fetcher) -> None:
    for waiter in list(fetcher._fetch_waiters):  # noqa: SLF001  # as in records.py
        fetcher._notify(waiter)  # noqa: SLF001  # as above


async def _wait_for_records(fetcher: Fetcher, seconds: float) -> None:
    waiter = fetcher._create_fetch_waiter()  # noqa: SLF001  # as in records.py
    done, _ = await asyncio.wait([waiter], timeout=seconds)
    if done:
        waiter.result()  # the coordinator's errors come this way
    else:
        waiter.cancel()
