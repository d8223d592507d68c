"""Keyed names from their definition, beside `schemas/keyed_names.py`: block by block."""

import hmac

import xxhash
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

Words = tuple[int, int]  # low, high


def block(subkey: bytes, plain: bytes) -> bytes:
    """AES of one block by another mode: a counter that begins with it, over zeros."""
    return Cipher(AES(subkey), CTR(plain)).encryptor().update(bytes(16))


def name(key: bytes, what: str, digest: bytes) -> bytes:
    """The name of a 128-bit digest."""
    return block(hmac.digest(key, f"kol-streams/{what}".encode(), "sha256")[:16], digest)


def user_hash(key: bytes, user_id: str) -> str:
    """What rows have instead of a user."""
    return name(key, "user", xxhash.xxh3_128_digest(user_id.encode())).hex()


def later_hash(key: bytes, first: str, since: int) -> str:
    """The user_hash of who has a user_id, which once was `first`'s, after it was erased."""
    whole = int(first, 16) ^ since
    return name(key, "person", whole.to_bytes(16)).hex()


def words(key: bytes, what: str, digest: Words) -> list[int]:
    """The name of a digest as columns have it: low word, high word."""
    named = name(key, what, (digest[0] | digest[1] << 64).to_bytes(16))
    return [int.from_bytes(named[8:]), int.from_bytes(named[:8])]
