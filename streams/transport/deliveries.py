"""What was handed to the agents and how much of it is settled: the commit point.

Per partition a queue in the order of delivery; the commit point is the end of its settled
front. A batch that is thrown away unseen stays unsettled, so the point stops before it; an
acknowledgement belongs to one delivery, so a late one from before a rebalance cannot stand
for the batch that was read again after it.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from typing import cast

from faust.types import TP, ConsumerMessage

from schemas.columns import RecordBatch


class Delivery:
    """One batch on its way through an agent."""

    __slots__ = ("next_offset", "settled", "started")

    def __init__(self, next_offset: int) -> None:
        self.next_offset = next_offset
        self.started = False  # an agent has it
        self.settled = False  # whatever it changed is durable


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
        return self.delivery.started

    @tracked.setter
    def tracked(self, value: bool) -> None:
        self.delivery.started = value

    @property
    def acked(self) -> bool:
        """Whether it is done with."""
        return self._acked

    @acked.setter
    def acked(self, value: bool) -> None:
        self._acked = value
        if value and self.delivery.started:
            self.delivery.settled = True


class Deliveries:
    """Every unsettled delivery, by partition."""

    def __init__(self) -> None:
        self._queues: dict[TP, deque[Delivery]] = defaultdict(deque)
        self._safe: dict[TP, int] = {}

    def __iter__(self) -> Iterator[TP]:
        return iter(list(self._queues.keys() | self._safe.keys()))

    def add(self, tp: TP, next_offset: int) -> Delivery:
        """A batch that ends before `next_offset` is handed out."""
        delivery = Delivery(next_offset)
        self._queues[tp].append(delivery)
        return delivery

    def skip(self, tp: TP, next_offset: int) -> None:
        """Nothing was there to hand out up to `next_offset`; settled at once."""
        self.add(tp, next_offset).settled = True

    def mark_durable(self, tp: TP, offset: int) -> None:
        """Everything before `offset` is durable, however it got there."""
        queue = self._queues[tp]
        for delivery in queue:
            if delivery.next_offset > offset:
                break
            delivery.settled = True
        self._pop(tp)
        if not queue:
            self._safe[tp] = max(offset, self._safe.get(tp, 0))

    def commit_point(self, tp: TP) -> int | None:
        """Everything before it is settled; None if nothing is."""
        self._pop(tp)
        return self._safe.get(tp)

    def _pop(self, tp: TP) -> None:
        queue = self._queues[tp]
        while queue and queue[0].settled:
            self._safe[tp] = max(queue.popleft().next_offset, self._safe.get(tp, 0))

    def restart(self, starts: Mapping[TP, int]) -> None:
        """Reading begins at `starts`: whatever was handed out from there on comes again."""
        for tp, start in starts.items():
            queue = self._queues[tp]
            while queue and queue[-1].next_offset > start:
                queue.pop()

    def forget(self, tps: Iterable[TP]) -> None:
        """These partitions are somebody else's now."""
        for tp in tps:
            self._queues.pop(tp, None)
            self._safe.pop(tp, None)
