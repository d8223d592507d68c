"""ClickHouse's own compressed blocks: whole ones come back, broken ones are refused."""

import struct
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.embedded.gateway.blocks import LARGEST, METHODS, PIECE, BlockDecoder, BlockEncoder
from deploy.embedded.gateway.cityhash import cityhash128
from deploy.embedded.gateway.errors import Refusal

TEXT = b"trust stays, budget ends. " * 12
RECORDED = {  # TEXT as written by github.com/ClickHouse/ch-go v0.75.0, which clickhouse-go uses
    "LZ4": (
        "a9480b898e0dc776ea815c132df80a53823a00000038010000ff0b74727573742073746179732c20"
        "62756467657420656e64732e201a00f9001e01e02062756467657420656e64732e20"
    ),
    "LZ4HC": (
        "6ceac5d2fbca952ab025b06a30d6743e823700000038010000ff0c74727573742073746179732c20"
        "62756467657420656e64732e20741a00fdd062756467657420656e64732e20"
    ),
    "ZSTD": (
        "b64f76b0339aadeb739dfdee9a5a7577903b0000003801000028b52ffd440038001d0100a4017472"
        "7573742073746179732c2062756467657420656e64732e20015414042c6e74d68ccd2d"
    ),
}
BODIES = st.lists(
    st.binary(max_size=3000) | st.binary(max_size=20).map(lambda b: b * 500), max_size=4
)


def decoded(pieces: Sequence[bytes]) -> bytes:
    decoder = BlockDecoder()
    found = b"".join(data for piece in pieces for data in decoder.feed(piece))
    decoder.done()
    return found


def blocks(method: str, pieces: Sequence[bytes]) -> bytes:
    encoder = BlockEncoder(method)
    return b"".join(encoder.compress(piece) for piece in pieces) + encoder.flush()


def block(method: int, data: bytes, size: int, length: int | None = None) -> bytes:
    """A block with any header and a true checksum."""
    head = struct.pack("<BII", method, len(data) + 9 if length is None else length, size)
    return cityhash128(head + data) + head + data


@pytest.mark.parametrize("name", RECORDED)
def test_a_block_of_clickhouse_go_is_read(name: str) -> None:
    assert decoded([bytes.fromhex(RECORDED[name])]) == TEXT


@given(st.sampled_from(METHODS), BODIES, st.lists(st.integers(0), max_size=6))
def test_blocks_come_back_however_they_are_cut(
    method: str, bodies: list[bytes], at: list[int]
) -> None:
    sent = blocks(method, bodies)
    places = sorted({0, len(sent), *(place % (len(sent) + 1) for place in at)})

    assert decoded([sent[one:two] for one, two in pairwise(places)]) == b"".join(bodies)


def test_a_large_piece_becomes_blocks_of_a_servers_size() -> None:
    sent = blocks("NONE", [bytes(2 * PIECE + 1)])

    assert len(sent) == 2 * PIECE + 1 + 3 * (16 + 9)


@given(st.sampled_from(list(RECORDED)), st.integers(0))
def test_a_block_with_a_changed_byte_is_refused(name: str, at: int) -> None:
    broken = bytearray.fromhex(RECORDED[name])
    broken[at % len(broken)] ^= 1

    with pytest.raises(Refusal):
        decoded([bytes(broken)])


@given(st.sampled_from(METHODS), st.binary(min_size=1, max_size=300), st.integers(1))
def test_a_body_that_lost_its_end_is_noticed(method: str, body: bytes, lost: int) -> None:
    sent = blocks(method, [body])

    with pytest.raises(Refusal, match="CANNOT_READ_ALL_DATA"):
        decoded([sent[: len(sent) - (1 + lost % (len(sent) - 1))]])


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (block(0x91, b"x", 1), "UNKNOWN_COMPRESSION_METHOD"),
        (block(0x02, b"x", 2), "CANNOT_DECOMPRESS"),  # shorter than it says
        (block(0x82, b"not lz4 at all", 100), "CANNOT_DECOMPRESS"),
        (block(0x90, b"not zstd at all", 100), "CANNOT_DECOMPRESS"),
        (block(0x82, b"x", LARGEST + 1), "CANNOT_DECOMPRESS"),  # before anything is allocated
        (block(0x82, b"x", 1, LARGEST + 1), "CANNOT_DECOMPRESS"),
        (block(0x82, b"x", 1, 8), "CANNOT_DECOMPRESS"),  # shorter than its own header
        (bytes(16) + block(0x02, b"x", 1)[16:], "CHECKSUM_DOESNT_MATCH"),
    ],
)
def test_what_is_no_such_block_is_refused(wrong: bytes, why: str) -> None:
    with pytest.raises(Refusal, match=why):
        decoded([wrong])


def test_a_zstd_frame_cannot_be_longer_than_its_block_says() -> None:
    sent = blocks("ZSTD", [bytes(1000)])

    with pytest.raises(Refusal, match="CANNOT_DECOMPRESS"):
        decoded([block(0x90, sent[25:], 10)])
