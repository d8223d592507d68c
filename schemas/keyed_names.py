"""Names that only the holder of the key can link to an id: each digest, enciphered.

    name     AES-128(subkey, digest)                            one block, 16 bytes
    subkey   HMAC-SHA256(key, "kol-streams/" + what)[:16]       `What` it is a name of
    digest   the xxh3_128 that `identity` computes, high word first
    later    AES-128(subkey of `person`, name xor since)        who came after an erased person
    check    AES-128(subkey of `check`, zeros)                  tells keys apart, and no more

A block cipher is a permutation: distinct digests have distinct names, so whatever is counted or
joined by digests comes out the same by names. Without the key a name can not be told from a
random number, also by who knows the ids. Names of different things are under different subkeys:
nothing links a session to a device of the same id.

NIST, Advanced Encryption Standard (AES), FIPS 197. Krawczyk, Bellare, Canetti, HMAC:
Keyed-Hashing for Message Authentication, RFC 2104.
"""

import hmac
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from numpy.typing import NDArray

from schemas.columns import Keys, Moments
from schemas.identity import EMPTY, hashed, hashes_of, keys_of

SIZE: Final = 16  # bytes of a name: 32 hex digits


class What(StrEnum):
    """What is named; the words are part of the subkeys and never change."""

    USER = "user"
    IDENTITY = "identity"  # of an event
    ORDER = "order"
    SESSION = "session"
    DEVICE = "device"
    IP = "ip"
    SHARE = "share"
    PERSON = "person"  # who has a user_id after another person with it was erased
    CHECK = "check"  # nothing: the name of zeros tells keys apart


class KeyedNames:
    """The names that a deployment gives; its key is read once."""

    def __init__(self, key: bytes) -> None:
        self._ciphers: Final = {what: _cipher(_subkey(key, what)) for what in What}
        # blocks know nothing of each other, so contexts go on: a new one costs as much as a
        # thousand blocks
        self._contexts: Final = {what: one.encryptor() for what, one in self._ciphers.items()}
        self._no_text: Final = {what: self.of_hashes(what, EMPTY)[0, 0] for what in What}
        self.check: Final[Keys] = self.of(What.CHECK, np.zeros((1, 2), np.uint64))

    def of(self, what: What, digests: Keys) -> Keys:
        """The names of digests, both shape `(n, 2)`, the low word first as in all keys."""
        return self.of_hashes(what, hashes_of(digests))

    def of_hashes(self, what: What, hashes: bytes | bytearray) -> Keys:
        """The same of digests as `identity.hashed` gives them, 16 bytes one after the other."""
        return keys_of(self._blocks(what, hashes))

    def low_words(self, what: What, hashes: bytes | bytearray) -> NDArray[np.uint64]:
        """The low words of the names of hashes, shape `(n,)`; 0 for the empty text."""
        low = np.frombuffer(self._blocks(what, hashes), ">u8")[1::2].astype(np.uint64)
        low[low == self._no_text[what]] = 0
        return low

    def _blocks(self, what: What, hashes: bytes | bytearray) -> bytes:
        try:
            return self._contexts[what].update(hashes)
        except RuntimeError:  # another thread uses it just now
            return self._ciphers[what].encryptor().update(hashes)

    def users(self, user_ids: Sequence[str]) -> Keys:
        """The names of users, shape `(n, 2)`."""
        return self.of_hashes(What.USER, hashed([user_id.encode() for user_id in user_ids]))

    def later(self, users: Keys, since: Moments) -> Keys:
        """The names of the persons who came after others with the same user_id, `(n, 2)`.

        Args:
            users: the names of the user_ids.
            since: when the person before was erased, milliseconds since the epoch.

        """
        mixed = users.copy()
        mixed[:, 0] ^= since.astype(np.uint64)
        return self.of(What.PERSON, mixed)


def as_hex(name: Sequence[int]) -> str:
    """A name as rows have it, 32 digits, of its low and its high word.

    >>> as_hex((1, 2))
    '00000000000000020000000000000001'
    """
    low, high = name
    return f"{high:016x}{low:016x}"


def of_hex(text: str) -> tuple[int, int]:
    """The name that has these 32 digits.

    >>> of_hex("00000000000000020000000000000001")
    (1, 2)
    """
    return int(text[16:], 16), int(text[:16], 16)


def _subkey(key: bytes, what: What) -> bytes:
    return hmac.digest(key, f"kol-streams/{what}".encode(), "sha256")[:SIZE]


def _cipher(key: bytes) -> Cipher[ECB]:
    # other modes chain the blocks of a message; here each block is a digest of its own
    return Cipher(AES(key), ECB())  # noqa: S305  # as said
