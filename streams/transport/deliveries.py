"""Which batches were delivered to the agents, and up to which offset they are durable.

Each partition has a queue in the order of delivery. Its commit point is the offset before
which every delivery is durable. A batch that is thrown away unseen never becomes durable, so
the point stops before it. An acknowledgement belongs to one delivery, so a late one from
before a rebalance cannot stand for the batch that was read again after it.
"""

from collections import defaultdict, deque
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import cast

from faust.types import TP, ConsumerMessage

from schemas.columns import RecordBatch
from streams.transport.records import Piece


class Delivery:
    """One batch on its way through an agent."""

    __slots__ = ("is_durable", "is_started", "next_offset")

    def __init__(self, next_offset: int) -> None:
        self.next_offset = next_offset
        self.is_started = False  # an agent has it
        self.is_durable = False  # a snapshot holds whatever it changed


class BatchMessage(ConsumerMessage):
    """A Faust message that carries a whole record batch.

    `tracked` and `acked` are set by Faust in several places, some of them compiled; both
    end up in the delivery. Faust also acknowledges what it skips after a rebalance: that
    never started, and so it does not count.
    """

    def __init__(self, batch: RecordBatch, tp: TP, generation_id: int, delivery: Delivery) -> None:
        self.delivery = delivery
        seconds = int(batch.received_at[-1]) / 1000.0
        super().__init__(
            batch.topic, batch.partition, batch.next_offset - 1, seconds, 1, None, None,
            cast("bytes", batch), None, 0, 0, tp, generation_id=generation_id,
        )  # fmt: skip

    @property
    def tracked(self) -> bool:
        """Whether an agent has it."""
        return self.delivery.is_started

    @tracked.setter
    def tracked(self, value: bool) -> None:
        self.delivery.is_started = value

    @property
    def acked(self) -> bool:
        """Whether it was acknowledged."""
        return self._acked

    @acked.setter
    def acked(self, value: bool) -> None:
        self._acked = value
        if value and self.delivery.is_started:
            self.delivery.is_durable = True


class Deliveries:
    """Every delivery that is not durable, by partition."""

    def __init__(self) -> None:
        self._queues: dict[TP, deque[Delivery]] = defaultdict(deque)
        self._commit_points: dict[TP, int] = {}

    def __iter__(self) -> Iterator[TP]:
        return iter(list(self._queues.keys() | self._commit_points.keys()))

    def add(self, tp: TP, next_offset: int) -> Delivery:
        """A batch that ends before `next_offset` is delivered."""
        delivery = Delivery(next_offset)
        self._queues[tp].append(delivery)
        return delivery

    def begin(
        self, added: Container[int], starts: Mapping[TP, int], committed: Mapping[TP, int]
    ) -> None:
        """Reading begins at `starts`, of these partitions with a state that was restored.

        Where that is beyond what is committed, the state may have learned what its snapshot does
        not hold: that is durable with the next one, and by nothing that lies behind it.
        """
        for tp, start in starts.items():
            if tp.partition in added and committed[tp] < start:
                self.add(tp, start)

    def skip(self, tp: TP, next_offset: int) -> None:
        """There was nothing to deliver up to `next_offset`; durable at once."""
        self.add(tp, next_offset).is_durable = True

    def mark_durable(self, tp: TP, offset: int) -> None:
        """Everything before `offset` is durable, however it got there."""
        queue = self._queues[tp]
        for delivery in queue:
            if delivery.next_offset > offset:
                break
            delivery.is_durable = True
        self._pop(tp)
        if not queue:
            self._commit_points[tp] = max(offset, self._commit_points.get(tp, 0))

    def commit_point(self, tp: TP) -> int | None:
        """The offset before which everything is durable; None if nothing is."""
        self._pop(tp)
        return self._commit_points.get(tp)

    def _pop(self, tp: TP) -> None:
        queue = self._queues[tp]
        while queue and queue[0].is_durable:
            self._commit_points[tp] = max(
                queue.popleft().next_offset, self._commit_points.get(tp, 0)
            )

    def restart(self, starts: Mapping[TP, int]) -> None:
        """Reading begins at `starts`: whatever was delivered from there on comes again."""
        for tp, start in starts.items():
            queue = self._queues[tp]
            while queue and queue[-1].next_offset > start:
                queue.pop()

    def forget(self, tps: Iterable[TP]) -> None:
        """These topic partitions are no longer ours."""
        for tp in tps:
            self._queues.pop(tp, None)
            self._commit_points.pop(tp, None)


def record_batch(tp: TP, piece: Piece, partitions: int) -> RecordBatch:
    """The records of a piece for an agent; `partitions` is how many the topic has."""
    return RecordBatch(
        topic=tp.topic,
        partition=tp.partition,
        partitions=partitions,
        first_offset=piece.first_offset,
        next_offset=piece.next_offset,
        values=piece.values,
        offsets=piece.offsets,
        received_at=piece.received_at,
        keys=piece.keys,
        size=piece.size,
    )
