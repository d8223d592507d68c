"""Who and what an event is: 128-bit hashes that are the same in every process and forever.

    identity = xxh3_128(topic NUL user_id NUL event_id)
    user_key = xxh3_128(user_id)
    order_key = xxh3_128(user_id NUL order_id)

Kept as two uint64, the low word first. A `user_id` that itself holds a NUL is told with its
length, so that no two pairs of names share their bytes. Among 10^9 ids two are equal by
chance with a probability below 10^-20.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from xxhash import xxh3_128_digest

from schemas.columns import Keys

Key = tuple[int, int]  # low word, high word


def identity(topic: str, user_id: str, event_id: str) -> Key:
    """What makes two messages one event."""
    return _single(_event_bytes(topic, user_id, event_id))


def user_key(user_id: str) -> Key:
    """The user's name in all memories."""
    return _single(user_id.encode())


def order_key(user_id: str, order_id: str) -> Key:
    """The order's name in all memories; order ids are the user's own."""
    return _single(_pair(user_id, order_id).encode())


def identities(topic: str, user_ids: Iterable[str], event_ids: Iterable[str]) -> Keys:
    """`identity` of each row, shape (n, 2)."""
    return _keys([_event_bytes(topic, u, e) for u, e in zip(user_ids, event_ids, strict=True)])


def user_keys(user_ids: Sequence[bytes]) -> Keys:
    """`user_key` of each row, given as UTF-8, shape (n, 2)."""
    return _keys(user_ids)


def order_keys(user_ids: Iterable[str], order_ids: Iterable[str]) -> Keys:
    """`order_key` of each row, shape (n, 2)."""
    return _keys([_pair(u, o).encode() for u, o in zip(user_ids, order_ids, strict=True)])


def _event_bytes(topic: str, user_id: str, event_id: str) -> bytes:
    return f"{topic}\0{_pair(user_id, event_id)}".encode()


def _pair(user_id: str, other: str) -> str:
    """Two names as one text that no other two have: only the odd one begins with a NUL."""
    if "\0" in user_id:
        return f"\0{len(user_id)}\0{user_id}\0{other}"
    return f"{user_id}\0{other}"


def _single(data: bytes) -> Key:
    low, high = _keys([data])[0].tolist()
    return low, high


def _keys(data: Iterable[bytes]) -> Keys:
    big_endian = b"".join(map(xxh3_128_digest, data))
    return np.frombuffer(big_endian, ">u8").reshape(-1, 2)[:, ::-1].astype(np.uint64)
