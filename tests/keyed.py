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


def digest(raw: str) -> Words:
    """The digest of a text."""
    high, low = divmod(xxhash.xxh3_128_intdigest(raw.encode()), 1 << 64)
    return low, high


def identity(topic: str, user_id: str, event_id: str) -> Words:
    """The digest by which messages are recognised as the same event."""
    return digest(f"{topic}\0{_ended(user_id)}\0{event_id}")


def order_key(user_id: str, order_id: str) -> Words:
    """The digest of an order; order ids are unique for their user only."""
    return digest(f"{_ended(user_id)}\0{order_id}")


def _ended(user_id: str) -> str:
    """With its length where a NUL in it would hide where it ends."""
    return f"\0{len(user_id)}\0{user_id}" if "\0" in user_id else user_id


def words(key: bytes, what: str, digest: Words) -> list[int]:
    """The name of a digest as columns have it: low word, high word."""
    named = name(key, what, (digest[0] | digest[1] << 64).to_bytes(16))
    return [int.from_bytes(named[8:]), int.from_bytes(named[:8])]
