"""A consumer written by hand that does W1: confluent-kafka's `consume(500)`, msgspec, dicts.

    python -m tests.bench.peers.hand BOOTSTRAP WARM EVENTS PARTITIONS [NAME]

State is recoverable: every five seconds one transaction holds the users that changed since, on a
compacted topic, the cells and orders on the output topic, and the offsets of the inputs. At its
begin it reads both topics. It ends when all messages are read and committed.
"""

import sys
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import msgspec
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from schemas.events import INPUTS, PURCHASES
from streams.bench.windows import Marks
from streams.settings import Settings
from tests.bench.peers.reading import committed, create, everything
from tests.bench.peers.w1 import (
    COMMIT_SECONDS,
    DISORDER_MS,
    LOOKED_AT,
    MINUTE_MS,
    Order,
    Touch,
    looked_at,
    split,
)

BATCH: Final = 500  # larger ones are slower: the cache
KEPT: Final = 2 * LOOKED_AT  # touches of a user; more are pruned
ANSWER_SECONDS: Final = 30.0
NEVER: Final = -1


class Behaviour(msgspec.Struct, gc=False):
    """What is needed of a click or an interaction."""

    user_id: str
    ts: int
    event: str
    kol_id: str | None = None


class Purchase(msgspec.Struct, gc=False):
    """What is needed of a purchase."""

    user_id: str
    ts: int
    kind: str
    order_id: str
    pay_cents: int


class User(msgspec.Struct, array_like=True):
    """What is kept of a user."""

    partition: int
    touches: list[Touch]
    orders: list[Order]  # that wait


@dataclass(slots=True)
class State:
    """Users, cells and how far each topic partition is read."""

    users: dict[str, User] = field(default_factory=dict)
    cells: dict[str, dict[int, dict[str, int]]] = field(default_factory=dict)  # KOL, minute, kind
    newest: dict[tuple[str, int], int] = field(default_factory=dict)
    waiting: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    changed: set[str] = field(default_factory=set)  # users
    changed_cells: set[tuple[str, int]] = field(default_factory=set)
    judged: list[tuple[Order, list[Touch]]] = field(default_factory=list)

    def behave(self, partition: int, event: Behaviour) -> None:
        """Take in a click or an interaction."""
        kol = event.kol_id
        if not kol:
            return
        at = event.ts
        minute = at // MINUTE_MS
        counts = self.cells.setdefault(kol, {}).setdefault(minute, {})
        counts[event.event] = counts.get(event.event, 0) + 1
        self.changed_cells.add((kol, minute))
        user = self.users.get(event.user_id)
        if user is None:
            user = self.users[event.user_id] = User(partition, [], [])
        user.touches.append((at, kol))
        self.changed.add(event.user_id)

    def purchase(self, partition: int, event: Purchase) -> None:
        """Take in a purchase: it waits until the touches before it are read."""
        if event.kind != "paid":
            return
        user = self.users.get(event.user_id)
        if user is None:
            user = self.users[event.user_id] = User(partition, [], [])
        user.orders.append(Order(event.order_id, event.ts, event.pay_cents))
        self.waiting[partition].add(event.user_id)
        self.changed.add(event.user_id)

    def judge(self, topics: Iterable[str]) -> None:
        """Judge the orders whose touches are all read; prune touches that none can see."""
        for partition, users in self.waiting.items():
            reached = self.reached(partition, topics)
            for name in [name for name in users if self._judge(self.users[name], reached)]:
                users.discard(name)
                self.changed.add(name)
        for name in self.changed:
            user = self.users[name]
            if len(user.touches) > KEPT:
                self._prune(user, self.reached(user.partition, topics))

    def reached(self, partition: int, topics: Iterable[str]) -> int:
        """The time up to which every touch of a partition is read."""
        return min(self.newest.get((topic, partition), NEVER) for topic in topics) - DISORDER_MS

    def _judge(self, user: User, reached: int) -> bool:
        """Judge what can be; whether nothing is left."""
        ready = [order for order in user.orders if order.at <= reached]
        self.judged += [(order, looked_at(user.touches, order)) for order in ready]
        user.orders = [order for order in user.orders if order.at > reached]
        return not user.orders

    @staticmethod
    def _prune(user: User, reached: int) -> None:
        """Keep what an order that is not judged yet may see."""
        least = min([reached, *(order.at for order in user.orders)])
        before = sorted(touch for touch in user.touches if touch[0] <= least)[-LOOKED_AT:]
        user.touches = before + [touch for touch in user.touches if touch[0] > least]


def _decoder(topic: str) -> Callable[[bytes], Behaviour | Purchase]:
    if topic == PURCHASES:
        return msgspec.json.Decoder(Purchase).decode
    return msgspec.json.Decoder(Behaviour).decode


class Worker:
    """The consumer, its state and the transactions that keep it.

    Args:
        bootstrap: the brokers.
        partitions: of every topic.
        name: of its group and its topics.

    """

    def __init__(self, bootstrap: str, partitions: int, name: str) -> None:
        kafka = Settings().kafka
        self._plain = {kafka.broker_topic(topic): topic for topic in INPUTS}
        self._output, self._state_topic = f"{name}-output", f"{name}-state"
        compacted = {"cleanup.policy": "compact"}
        create(bootstrap, partitions, {self._output: compacted, self._state_topic: compacted})
        self._partitions = partitions
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": name,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
            }
        )
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "transactional.id": name,
                "compression.type": "lz4",
                "linger.ms": 20,
                "queue.buffering.max.messages": 2_000_000,
            }
        )
        self._producer.init_transactions(ANSWER_SECONDS)
        self.state = State()
        self._restore(bootstrap)
        self.places = [TopicPartition(t, p) for t in self._plain for p in range(partitions)]
        self.at = {
            (one.topic, one.partition): max(one.offset, 0)
            for one in committed(self._consumer, self.places)
        }
        self.ends = {
            (one.topic, one.partition): self._consumer.get_watermark_offsets(one)[1]
            for one in self.places
        }
        self._consumer.assign([TopicPartition(t, p, at) for (t, p), at in self.at.items()])
        self._decoders = {topic: _decoder(plain) for topic, plain in self._plain.items()}

    def _restore(self, bootstrap: str) -> None:
        """Read what the last commit has kept."""
        state, decode = self.state, msgspec.msgpack.Decoder(tuple[str, User, dict[str, int]]).decode
        for partition, value in everything(bootstrap, self._state_topic, self._partitions):
            name, user, newest = decode(value)
            state.users[name] = user
            for topic, at in newest.items():
                place = (topic, partition)
                state.newest[place] = max(at, state.newest.get(place, NEVER))
        for name, user in state.users.items():
            if user.orders:
                state.waiting[user.partition].add(name)
        for _, value in everything(bootstrap, self._output, self._partitions):
            said = msgspec.json.decode(value)
            if "cell" in said:
                kol, minute, counts = said["cell"]
                state.cells.setdefault(kol, {})[minute] = counts

    def run(self, marks: Marks) -> None:
        """Read and commit until everything is read."""
        due = time.monotonic() + COMMIT_SECONDS
        while self.at != self.ends:
            marks.count_done(self.read(BATCH))
            if time.monotonic() >= due:
                self.commit()
                due = time.monotonic() + COMMIT_SECONDS
        self.commit()

    def read(self, least: int) -> int:
        """Take in so many messages or some more, or all that are left; gives how many."""
        taken = 0
        while taken < least and self.at != self.ends:
            messages = self._consumer.consume(BATCH, timeout=1.0)
            self._take(messages)
            taken += len(messages)
        return taken

    def _take(self, messages: list[Message]) -> None:
        state, newest, decoders, at = self.state, self.state.newest, self._decoders, self.at
        for message in messages:
            topic, partition = message.topic() or "", message.partition() or 0
            place = (topic, partition)
            at[place] = (message.offset() or 0) + 1
            try:
                event = decoders[topic](message.value() or b"")
            except msgspec.DecodeError:
                continue
            if event.ts > newest.get(place, NEVER):
                newest[place] = event.ts
            if isinstance(event, Behaviour):
                state.behave(partition, event)
            else:
                state.purchase(partition, event)

    def commit(self) -> None:
        """Judge what can be judged, and keep everything that changed in one transaction."""
        state, producer = self.state, self._producer
        state.judge(self._plain)
        producer.begin_transaction()
        for order, touches in state.judged:
            said = {"order": (order.order_id, split(order, touches))}
            self._produce(self._output, order.order_id, msgspec.json.encode(said))
        for kol, minute in state.changed_cells:
            cell = {"cell": (kol, minute, state.cells[kol][minute])}
            self._produce(self._output, f"{kol} {minute}", msgspec.json.encode(cell))
        newest = [
            {topic: at for (topic, of), at in state.newest.items() if of == partition}
            for partition in range(self._partitions)
        ]
        encode = msgspec.msgpack.Encoder().encode
        for name in state.changed:
            user = state.users[name]
            value = encode((name, user, newest[user.partition]))
            self._produce(self._state_topic, name, value, user.partition)
        offsets = [TopicPartition(t, p, at) for (t, p), at in self.at.items()]
        producer.send_offsets_to_transaction(offsets, self._consumer.consumer_group_metadata())
        producer.commit_transaction(ANSWER_SECONDS)
        state.judged.clear()
        state.changed.clear()
        state.changed_cells.clear()

    def _produce(self, topic: str, key: str, value: bytes, partition: int = -1) -> None:
        while True:
            try:
                self._producer.produce(topic, value, key, partition)
            except BufferError:
                self._producer.poll(0.1)
            else:
                return

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()


def main(bootstrap: str, warm: int, events: int, partitions: int, name: str) -> None:
    """Do W1 of everything that is on the inputs."""
    marks = Marks(warm, events)
    worker = Worker(bootstrap, partitions, name)
    worker.run(marks)
    marks.print_mark()
    worker.close()


if __name__ == "__main__":
    given = sys.argv[5] if len(sys.argv) > 5 else f"hand-{uuid.uuid4().hex[:8]}"
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), given)
