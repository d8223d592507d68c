"""Pseudonyms: what `user_hash` was before keyed names; older rows have it still.

    HMAC-SHA256(key, user_id), 128 bits of it

Who has the key can tell whether a hash is a given user's; nobody else can link a row to a
user. Krawczyk, Bellare, Canetti, HMAC: Keyed-Hashing for Message Authentication, RFC 2104.
"""

from collections.abc import Iterable
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Moments
from schemas.keyed_names import SIZE

_BLOCK = 64  # bytes SHA-256 takes at a time
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


class Pseudonyms:
    """The former hash of a deployment; the key is read once."""

    def __init__(self, key: bytes) -> None:
        block = (sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
        self._inner = sha256(block.translate(_INNER))
        self._outer = sha256(block.translate(_OUTER))

    def __call__(self, user_ids: Iterable[str]) -> NDArray[np.uint8]:
        """The hashes of users, shape `(n, SIZE)`."""
        return _rows(self._hash(user_id.encode()) for user_id in user_ids)

    def later(self, hashes: NDArray[np.uint8], since: Moments) -> NDArray[np.uint8]:
        """The hashes of the persons who came after the erased ones with these hashes."""
        pairs = zip(hashes, since.tolist(), strict=True)
        return _rows(self._hash(one.tobytes() + at.to_bytes(8)) for one, at in pairs)

    def _hash(self, user_id: bytes) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(user_id)
        outer.update(inner.digest())
        return outer.digest()[:SIZE]


def _rows(hashes: Iterable[bytes]) -> NDArray[np.uint8]:
    return np.frombuffer(b"".join(hashes), np.uint8).reshape(-1, SIZE)
