"""Who knows ids but not the key tries to link rows, records and state to them.

An id, alone or joined to others as identities are, is put through every hash that somebody may
have thought of; each hash is looked for whole and in halves, in either order of bytes and words,
as bytes, as hex digits and as a decimal number.

    signs = signs_of(linkable(user_ids=["u1"], event_ids=["e1"], others=["a device"]))
    assert found_in(signs, b"a record") == []
"""

import hashlib
import hmac
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import xxhash
from clickhouse_connect.driver.client import Client

from schemas.events import INPUTS
from schemas.rows import TABLES
from streams.clients.clickhouse import query

Signs = Mapping[bytes, str]  # what is looked for -> what it is of

_SALTS = (b"", b"kol", b"kol-streams", b"kol-streams/user", b"0" * 16)  # keys that are none


def linkable(
    user_ids: Iterable[str], event_ids: Iterable[str] = (), others: Iterable[str] = ()
) -> Iterator[bytes]:
    """What may have been hashed: each id, and every user's events and whatever else is named."""
    users, more = list(user_ids), [*event_ids, *others]
    for one in (*users, *more):
        yield one.encode()
    for user in users:
        for one in more:
            yield f"{user}\0{one}".encode()
            for topic in INPUTS:
                yield f"{topic}\0{user}\0{one}".encode()


def signs_of(ids: Iterable[bytes]) -> Signs:
    """Everything that would give away one of these ids."""
    return {
        sign: f"{name} of {one!r}"
        for one in ids
        for name, digest in _digests(one)
        for sign in _forms(digest)
    }


def found_in(signs: Signs, *haystacks: bytes) -> list[str]:
    """What of these signs stands anywhere in some bytes."""
    eights = {sign[:8] for sign in signs}
    return sorted({name for raw in haystacks for name in _found(signs, eights, raw)})


def found_in_tables(signs: Signs, engine: Client) -> dict[str, int]:
    """Columns of our tables in which any of these signs stands, and in how many rows."""
    eights = {sign[:8] for sign in signs}
    found: dict[str, int] = {}
    for name, table in TABLES.items():
        columns = list(table.all_columns)
        texts = ", ".join(f"hex(toString(`{column}`))" for column in columns)
        sql = f"SELECT [{texts}] AS texts FROM {name}"  # noqa: S608  # names of ours
        for row in query(engine, sql):
            for column, text in zip(columns, row["texts"], strict=True):
                if _found(signs, eights, bytes.fromhex(text or "")):
                    found[f"{name}.{column}"] = found.get(f"{name}.{column}", 0) + 1
    return found


def as_bytes(values: Sequence[Any]) -> bytes:
    """Values of rows as a table would show them."""
    return b"\n".join(one if isinstance(one, bytes) else str(one).encode() for one in values)


def _found(signs: Signs, eights: Collection[bytes], raw: bytes) -> set[str]:
    """The names of signs in some bytes; `eights` are their first eight bytes."""
    return {
        name
        for at in range(len(raw) - 7)
        if raw[at : at + 8] in eights
        for sign, name in signs.items()
        if raw.startswith(sign, at)
    }


def _digests(one: bytes) -> Iterator[tuple[str, bytes]]:
    yield "xxh3_128", xxhash.xxh3_128_digest(one)
    yield "xxh3_64", xxhash.xxh3_64_digest(one)
    yield "xxh64", xxhash.xxh64_digest(one)
    for name in ("md5", "sha1", "sha256"):
        yield name, hashlib.new(name, one, usedforsecurity=False).digest()
    for salt in _SALTS:
        yield f"hmac by {salt!r}", hmac.digest(salt, one, "sha256")


def _forms(digest: bytes) -> Iterator[bytes]:
    """A digest and its first 128 bits, and what columns may have instead of them."""
    cuts = {digest, digest[:16]}
    words = {digest[at : at + 8] for at in range(0, min(len(digest), 16), 8)}
    swapped = {cut[8:16] + cut[:8] for cut in cuts if len(cut) >= 16}
    for raw in cuts | words | swapped:
        for turned in (raw, raw[::-1]):
            yield turned
            yield turned.hex().encode()
            yield turned.hex().upper().encode()
            yield str(int.from_bytes(turned)).encode()
