"""Digests of events, users and orders: 128-bit hashes, the same in every process and version.

    identity = xxh3_128(topic NUL user_id NUL event_id)
    user_key = xxh3_128(user_id)
    order_key = xxh3_128(user_id NUL order_id)

Kept as two uint64, the low word first. A `user_id` that contains a NUL is hashed with its length,
so that no two pairs of names share their bytes. Among 10^9 ids the probability that any two
collide is below 10^-20.

Anybody who knows an id can compute its digest, so none of them is kept: the decoder makes a name
of each that only the key links to it (`keyed_names`).
"""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from xxhash import xxh3_128_digest

from schemas.columns import Keys

Key = tuple[int, int]  # low word, high word

EMPTY: Final = xxh3_128_digest(b"")  # the hash of no text


def user_key(user_id: str) -> Key:
    """The digest of one user."""
    low, high = keys_of(hashed([user_id.encode()]))[0].tolist()
    return low, high


def paired(topic: str, user_ids: Sequence[str], others: Sequence[str]) -> list[bytes]:
    """Each row's names joined without ambiguity: no other pair of names gives the same bytes."""
    rows = zip(user_ids, others, strict=True)
    if "\0" in "".join(user_ids):
        return [f"{topic}{_marked(user)}\0{other}".encode() for user, other in rows]
    return [f"{topic}{user}\0{other}".encode() for user, other in rows]


def _marked(user_id: str) -> str:
    return f"\0{len(user_id)}\0{user_id}" if "\0" in user_id else user_id


def hashed(data: Iterable[bytes]) -> bytes:
    """The xxh3_128 of each, 16 bytes, one after the other."""
    return b"".join(map(xxh3_128_digest, data))


def keys_of(hashes: bytes | bytearray) -> Keys:
    """Hashes, as `hashed` gives them, as keys, shape (n, 2)."""
    high_first = np.frombuffer(hashes, ">u8").reshape(-1, 2)  # digests are big-endian
    return high_first[:, ::-1].astype(np.uint64, order="C")


def hashes_of(keys: Keys) -> bytes:
    """The hashes that `keys_of` makes these keys of."""
    return keys[:, ::-1].astype(">u8").tobytes()
