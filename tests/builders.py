"""Events and record batches with only what matters to a test spelled out.

Every event is a dict as it stands on the wire. An `event_id` not given follows from the
other fields: the same event built twice is the same event.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import xxhash
from numpy.typing import NDArray

from schemas.codec import decode
from schemas.columns import Decoded, RecordBatch
from schemas.events import CLICKSTREAM, INTERACTIONS, KINDS, PURCHASES
from schemas.keyed_names import KeyedNames
from streams.core.kernels import SCANNER

Message = dict[str, Any]

SECOND = 1_000  # milliseconds
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
KEY = b"the key of these tests"  # of names
NAMES = KeyedNames(KEY)
NOON = 1_716_206_400_000  # 2024-05-20 12:00:00 UTC: the time of an event that is given no other


def click(**fields: object) -> Message:
    """A `clickstream` event, a click on k1 by u1 unless `event`, `kol_id`, `user_id` are given."""
    return _event({"user_id": "u1", "ts": NOON, "event": "click", "kol_id": "k1"} | fields)


def interaction(event: str = "view", **fields: object) -> Message:
    """A `content-interactions` event of u1 with k1."""
    return _event({"user_id": "u1", "ts": NOON, "event": event, "kol_id": "k1"} | fields)


def paid(order_id: str = "o1", pay_cents: int = 10_000, **fields: object) -> Message:
    """The payment of an order by u1."""
    defaults = {"user_id": "u1", "ts": NOON, "kind": "paid"}
    return _event(defaults | {"order_id": order_id, "pay_cents": pay_cents} | fields)


def refund(ref_order_id: str = "o1", pay_cents: int = 1_000, **fields: object) -> Message:
    """Money given back for u1's order `ref_order_id`."""
    defaults = {"user_id": "u1", "ts": NOON, "kind": "refund", "order_id": f"r-{ref_order_id}"}
    return _event(defaults | {"ref_order_id": ref_order_id, "pay_cents": pay_cents} | fields)


def cancel(ref_order_id: str = "o1", **fields: object) -> Message:
    """The whole of u1's order `ref_order_id` given back."""
    defaults = {"user_id": "u1", "ts": NOON, "kind": "cancel", "order_id": f"r-{ref_order_id}"}
    return _event(defaults | {"ref_order_id": ref_order_id} | fields)


def reversal(ref_order_id: str = "o1", pay_cents: int = 1_000, **fields: object) -> Message:
    """A refund of u1's order `ref_order_id` that failed."""
    return refund(ref_order_id, pay_cents, **{"kind": "refund_reversed"} | fields)


def record_batch(
    topic: str,
    messages: Sequence[Message | bytes | None],
    partition: int = 0,
    partitions: int = 1,
    first_offset: int = 0,
    received_at: int | Sequence[int] | None = None,
) -> RecordBatch:
    """One fetched record set; dicts are encoded, anything else goes as it is.

    A record time not given is the event's own `ts`, or NOON where there is none to read.
    """
    n = len(messages)
    times = [_ts(m) for m in messages] if received_at is None else received_at
    values = [msgspec.json.encode(m) if isinstance(m, dict) else m for m in messages]
    return RecordBatch(
        topic=topic,
        partition=partition,
        partitions=partitions,
        first_offset=first_offset,
        next_offset=first_offset + n,
        values=values,
        offsets=np.arange(first_offset, first_offset + n, dtype=np.int64),
        received_at=np.broadcast_to(np.asarray(times, np.int64), (n,)).copy(),
        size=sum(len(value) for value in values if value is not None),
    )


def decoded(
    topic: str,
    messages: Sequence[Message | bytes | None],
    partition: int = 0,
    partitions: int = 1,
    first_offset: int = 0,
    received_at: int | Sequence[int] | None = None,
) -> Decoded:
    """The record batch of `messages`, read."""
    batch = record_batch(topic, messages, partition, partitions, first_offset, received_at)
    return decode(batch, NAMES, scanner=SCANNER)


def copied(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Arrays as they stand: what goes on in a memory does not reach them."""
    return {name: array.copy() for name, array in arrays.items()}


def topic_of(message: Message) -> str:
    """The topic a message made here belongs to."""
    if "kind" in message:
        return PURCHASES
    return CLICKSTREAM if message["event"] in KINDS[CLICKSTREAM] else INTERACTIONS


def _event(fields: Message) -> Message:
    return {"event_id": f"e-{xxhash.xxh3_64_hexdigest(msgspec.json.encode(fields))}"} | fields


def _ts(message: Message | bytes | None) -> int:
    ts = message.get("ts", NOON) if isinstance(message, dict) else NOON
    return ts if type(ts) is int and abs(ts) < 1 << 62 else NOON
